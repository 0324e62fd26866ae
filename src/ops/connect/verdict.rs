//! What of a gateway's secrets is left in plaintext, and why: the verdict of `connect`.

use super::known::MEMBERS;
use super::{Keep, Plan, Road};
use crate::formats::openclaw_config::{self, Step};
use crate::formats::power::is_powerful;
use crate::fsio;
use crate::gateway::{At, Content, Inventory, Item, Part, Version};
use crate::model::{self, Credential, SecretId};
use crate::ops::intake;
use serde_json::Value;
use serde_json::value::RawValue;
use std::path::PathBuf;

/// Plaintext that is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// The file.
    pub file: PathBuf,
    /// Where in it, if that is known.
    pub at: Option<At>,
    /// The ids that have this value, or that its place would have.
    pub ids: Vec<String>,
    /// Why it is left.
    pub why: Reason,
}

/// Why plaintext is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It was asked to stay.
    Kept,
    /// The gateway takes no reference there.
    NoReference,
    /// The gateway does not use it: something else goes before it.
    Unused,
    /// An element of a list without a name on the way to it, or a file that is included at several places: no
    /// reference would keep meaning it.
    Unnamed,
    /// An argument of a command, which every process of the user can read while it runs.
    Argument,
    /// A variable that the gateway cannot do without.
    Needed,
    /// A variable that the configuration sets twice, with different values: without this one the other would count.
    Twice,
    /// OAuth, which takes no references.
    Oauth,
    /// A row of the gateway's own store of secrets.
    Row,
    /// A variable that the gateway's service is given.
    Service,
    /// The command that uses it cannot be run in another way.
    Command,
    /// Its id is too long for a reference.
    TooLong,
    /// Text that the gateway passes over.
    Unparsed,
    /// A text with both something that looks like a key and the name of a variable.
    Mixed,
    /// It is not taken for a secret: a placeholder, or text that no entry can have.
    Refused,
    /// It could be a reference: the gateway wrote it meanwhile.
    Written,
    /// A copy of a value of the vault, found by its bytes.
    Copy,
    /// What could not be looked into.
    Unread,
}

impl Reason {
    /// Whether it is as it was asked to be.
    pub fn is_kept(self) -> bool {
        self == Self::Kept
    }
}

/// The plaintext of every place that `inventory` lists, of a gateway of this version.
pub fn plaintext(inventory: &Inventory, version: Version, keep: Keep, plan: &Plan) -> Vec<Left> {
    let items = inventory.items.iter().filter(|item| holds_secret(item));
    let items = items.filter(|item| !in_memory(item) && !goes(item, plan)).map(|item| Left {
        file: item.place.file.clone(),
        at: Some(item.place.at.clone()),
        ids: item.id.iter().map(SecretId::to_string).collect(),
        why: reason(inventory, item, version, keep, plan),
    });
    let unread = inventory.not_read();
    let unread = unread.map(|one| Left { file: one.path.clone(), at: None, ids: Vec::new(), why: Reason::Unread });
    items.chain(unread).collect()
}

/// Whether a plan that was not carried out yet takes it away.
fn goes(item: &Item, plan: &Plan) -> bool {
    let name = || if let Some(SecretId::Env(name)) = &item.id { Some(name.as_str()) } else { None };
    match &item.place.at {
        // The reference goes into the store of today; a file of earlier releases stays.
        At::Profile(_) if !item.used || item.place.file.ends_with("auth.json") => false,
        At::Profile(profile) => {
            let wanted = item.owner.clone().is_some_and(|owner| plan.places.contains(&(owner, profile.clone())));
            let written = plan.stores.iter().any(|change| change.put.contains_key(profile));
            let view = item.id.as_ref().is_some_and(|id| plan.roads.get(&id.to_string()) == Some(&Road::View));
            (wanted && (written || plan.views)) || view
        }
        At::Variable(_) => item.part == Part::Variable && name().is_some_and(|name| plan.dotenv.contains(name)),
        At::Member(at) => plan.config.get(&item.place.file).into_iter().flatten().any(|step| {
            let (Step::Put(path, _) | Step::Remove(path)) = step;
            path == at
        }),
        At::Lines(..) | At::Row(_) => false,
    }
}

/// Whether an item is a secret in plaintext.
pub fn holds_secret(item: &Item) -> bool {
    match (&item.content, &item.part) {
        (Content::Value(raw), Part::Credential) => has_secret(raw),
        // What rules a process is a setting, unless it looks like a key.
        (Content::Value(raw), Part::Variable) => !is_setting(item, raw),
        (Content::Value(_) | Content::Unparsed | Content::Mixed, _) => true,
        _ => false,
    }
}

fn is_setting(item: &Item, raw: &RawValue) -> bool {
    let name = |id: &SecretId| matches!(id, SecretId::Env(name) if is_powerful(name.as_str()));
    item.id.as_ref().is_some_and(name) && !model::text(raw).is_some_and(|text| openclaw_config::is_key(text.expose()))
}

/// Whether a credential has a secret in plaintext.
pub(super) fn has_secret(raw: &RawValue) -> bool {
    let Ok(credential) = Credential::parse("", raw) else { return true };
    has_known_secret(raw) || credential.members().any(|(name, raw)| says_secret(name, raw))
}

/// Whether it has one in a member that is one of every credential.
fn has_known_secret(raw: &RawValue) -> bool {
    let credential = Credential::parse("", raw).unwrap_or_default();
    MEMBERS.iter().filter_map(|member| credential.text(member)).any(|text| !text.expose().trim().is_empty())
}

/// Whether a member says by its name or its value that it is a secret, or something in it does.
fn says_secret(name: &str, raw: &RawValue) -> bool {
    fn within(name: &str, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                let named = openclaw_config::names_secret(name) && !openclaw_config::is_pointer(text);
                !text.trim().is_empty() && (named || openclaw_config::is_key(text))
            }
            Value::Array(elements) => elements.iter().any(|element| within(name, element)),
            Value::Object(members) => members.iter().any(|(name, value)| within(name, value)),
            _ => false,
        }
    }
    !name.ends_with("Ref") && serde_json::from_str(raw.get()).is_ok_and(|value| within(name, &value))
}

/// Views are in memory, behind links of the gateway.
fn in_memory(item: &Item) -> bool {
    let link = std::fs::symlink_metadata(&item.place.file).is_ok_and(|found| found.is_symlink());
    let real = item.place.file.canonicalize().ok().filter(|_| link);
    real.is_some_and(|real| fsio::in_memory(&real).unwrap_or(false))
}

fn reason(inventory: &Inventory, item: &Item, version: Version, keep: Keep, plan: &Plan) -> Reason {
    match item.part {
        Part::StoreRow => return Reason::Row,
        Part::Service => return Reason::Service,
        _ => {}
    }
    match item.content {
        Content::Unparsed => return Reason::Unparsed,
        Content::Mixed => return Reason::Mixed,
        _ => {}
    }
    if !item.used {
        return Reason::Unused;
    }
    let Some(id) = &item.id else {
        return if item.part == Part::Argument { Reason::Argument } else { Reason::Unnamed };
    };
    let road = plan.roads.get(&id.to_string());
    let is_oauth = item.content.value().is_some_and(model::is_oauth);
    match &item.part {
        Part::Credential if is_oauth => {
            if keep.oauth {
                Reason::Kept
            } else {
                Reason::Oauth
            }
        }
        _ if road == Some(&Road::TooLong) => Reason::TooLong,
        _ if item.content.value().is_some_and(|raw| intake::check_value(id, raw).is_err()) => Reason::Refused,
        Part::Credential if !item.content.value().is_some_and(has_known_secret) => Reason::NoReference,
        // A file of earlier releases: the current store has a reference instead.
        Part::Credential if road == Some(&Road::Store) && item.place.file.ends_with("auth.json") => Reason::Unused,
        Part::Credential => Reason::Written,
        Part::Variable if keep.dotenv => Reason::Kept,
        Part::Variable if is_twice(inventory, id) => Reason::Twice,
        Part::Variable if road == Some(&Road::Own) => Reason::Needed,
        Part::Variable => Reason::Written,
        Part::Target(path) if keep.gateway_token && path.iter().eq(["gateway", "auth", "token"]) => Reason::Kept,
        Part::Target(_) if item.takes_reference(version) => Reason::Written,
        Part::Command(..) if keep.commands => Reason::Kept,
        Part::Command(..) => Reason::Command,
        Part::Target(_) | Part::Other | Part::Argument | Part::StoreRow | Part::Service => Reason::NoReference,
    }
}

fn is_twice(inventory: &Inventory, id: &SecretId) -> bool {
    matches!(id, SecretId::Env(name) if inventory.is_set_twice(name.as_str()))
}
