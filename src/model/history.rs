//! What each save did, by name only: the member `changes`.

use super::{Change, Error, Op, Recipient, Subject, Vault};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::fmt;

/// The member with the records, the oldest first.
pub(super) const CHANGES: &str = "changes";
/// Most records, and most bytes of all of them: every command reads past them.
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 96 * 1024;
/// Most steps that one record names.
const MAX_STEPS: usize = 64;
/// Digits of a random name that tell two states with one number apart.
const REV: usize = 8;
const DAY: u64 = 86_400;

/// One thing that a save did: a verb and what it was done to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Step(Vec<String>);

impl Step {
    fn new(verb: &str, what: impl fmt::Display) -> Self {
        Self(vec![verb.to_owned(), what.to_string()])
    }

    /// Whether it was done to this.
    pub fn names(&self, subject: &str) -> bool {
        self.0.iter().skip(1).any(|name| name == subject)
    }

    /// The name that it made, if it was not there before.
    pub fn added(&self) -> Option<&str> {
        let [verb, name] = self.0.as_slice() else { return None };
        (verb == "added").then_some(name)
    }

    /// Whether it is about who can open the vault.
    pub fn is_of_keys(&self) -> bool {
        self.0.first().is_some_and(|verb| verb.starts_with("recipient-"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [verb, from, to] if verb == "renamed" => write!(out, "renamed {from} to {to}"),
            [verb, label] if verb.starts_with("recipient-") => {
                write!(out, "{} recipient {label}", verb.trim_start_matches("recipient-"))
            }
            words => out.write_str(&words.join(" ")),
        }
    }
}

/// A save: when, by which command of which host, from which state to which, and what it did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Save {
    /// Unix seconds.
    pub at: u64,
    /// The command, as it is typed.
    pub command: String,
    /// The state that it replaced: number and the start of its random name.
    pub from: String,
    /// The host by the id under which its saves are counted.
    pub host: String,
    /// The name of that host then.
    pub machine: String,
    /// How many steps are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// What it did.
    pub steps: Vec<Step>,
    /// The state that it made.
    pub to: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Save {
    /// The number of the state that it made.
    pub fn generation(&self) -> u64 {
        number_of(&self.to)
    }
}

/// The number in the name of a state.
pub fn number_of(state: &str) -> u64 {
    state.split_once('-').and_then(|(number, _)| number.parse().ok()).unwrap_or_default()
}

/// How records name a state.
pub fn state_name(generation: u64, rev: &str) -> String {
    format!("{generation}-{}", rev.get(..REV).unwrap_or(rev))
}

/// The records of a vault, the oldest first; those that cannot be read are left out, since nothing depends on them.
pub fn saves(vault: &Vault<'_>) -> Vec<Save> {
    let all: Vec<&RawValue> =
        vault.other.get(CHANGES).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    all.iter().filter_map(|one| serde_json::from_str(one.get()).ok()).collect()
}

/// Adds the record of a save. A capture that did the same as the one before, on the same day, takes its place.
pub fn note(vault: &mut Vault<'_>, mut save: Save) -> Result<(), Error> {
    save.more = u64::try_from(save.steps.len().saturating_sub(MAX_STEPS)).unwrap_or_default();
    save.steps.truncate(MAX_STEPS);
    let text = vault.other.take(CHANGES);
    let mut all: Vec<&RawValue> =
        text.as_deref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let repeats = |last: &Save| {
        let what = |save: &Save| (save.command.clone(), save.host.clone(), save.steps.clone(), save.at / DAY);
        vault.is_captured() && last.to == save.from && what(last) == what(&save)
    };
    let last = all.last().and_then(|raw| serde_json::from_str::<Save>(raw.get()).ok());
    if let Some(last) = last.filter(repeats) {
        save.from = last.from;
        all.pop();
    }
    let save = to_raw_value(&save)?;
    all.push(&save);
    let mut bytes = 0;
    let fits = |one: &&&RawValue| {
        bytes += one.get().len() + 1;
        bytes <= MAX_BYTES
    };
    let kept = all.iter().rev().take(MAX_RECORDS).take_while(fits).count();
    let all = all.split_off(all.len() - kept);
    vault.other.put(CHANGES, to_raw_value(&all)?);
    Ok(())
}

/// The records of two vaults of one id, each once, by time.
pub fn join(ours: &Vault<'_>, theirs: &Vault<'_>) -> Vec<Save> {
    let mut all = saves(ours);
    for save in saves(theirs) {
        if !all.iter().any(|have| (&have.to, &have.host) == (&save.to, &save.host)) {
            all.push(save);
        }
    }
    all.sort_by_key(|save| (save.at, save.generation()));
    all
}

/// Replaces the records.
pub(super) fn put(vault: &mut Vault<'_>, all: &[Save]) -> Result<(), Error> {
    let newest = all.get(all.len().saturating_sub(MAX_RECORDS)..).unwrap_or_default();
    vault.other.put(CHANGES, to_raw_value(newest)?);
    Ok(())
}

impl Change {
    /// What it would do to `vault`, by name.
    pub fn steps(&self, vault: &Vault<'_>) -> Vec<Step> {
        self.ops().iter().flat_map(|op| op.steps(vault)).collect()
    }
}

impl Op {
    fn steps(&self, vault: &Vault<'_>) -> Vec<Step> {
        let one = |step: Step| vec![step];
        match self {
            Self::Put(id, value, _) => match vault.get(id) {
                None => one(Step::new("added", id)),
                Some(have) if have.get() != value.get() => one(Step::new("changed", id)),
                Some(_) => Vec::new(),
            },
            Self::Remove(id) => one(Step::new("removed", id)),
            Self::Rename(from, to) => one(Step(vec!["renamed".to_owned(), from.to_string(), to.to_string()])),
            Self::Order(scope, provider, _) => {
                one(Step::new("ordered", Subject::Order(scope.clone(), provider.clone())))
            }
            Self::AddRecipient(recipient) => one(Step::new("recipient-added", recipient.label.as_str())),
            Self::RemoveRecipient(label) => one(Step::new("recipient-removed", label.as_str())),
            Self::RenameRecipient(from, _) => one(Step::new("recipient-renamed", from.as_str())),
            Self::ReplaceRecipient(label, _) => one(Step::new("recipient-changed", label.as_str())),
            Self::Restore(entries) => {
                let difference = vault.contents().difference(entries.contents());
                let steps = |verb, ids: Vec<_>| ids.into_iter().map(move |id| Step::new(verb, id));
                let orders = difference.orders.into_iter().map(|(scope, provider)| Subject::Order(scope, provider));
                steps("added", difference.added)
                    .chain(steps("changed", difference.changed))
                    .chain(steps("removed", difference.removed))
                    .chain(orders.map(|order| Step::new("ordered", order)))
                    .collect()
            }
            Self::Checklist(_) => one(Step(vec!["waived".to_owned()])),
            Self::Join(join) => {
                let has = |all: &[Recipient], one: &Recipient| all.iter().any(|have| have.public == one.public);
                let steps = |verb, of: &[Recipient], than: &[Recipient]| {
                    let more = of.iter().filter(|one| !has(than, one));
                    more.map(|one| Step::new(verb, one.label.as_str())).collect::<Vec<_>>()
                };
                let mut all = one(Step::new("merged", &join.state));
                all.extend(steps("recipient-added", &join.recipients, &vault.recipients));
                all.extend(steps("recipient-removed", &vault.recipients, &join.recipients));
                all
            }
            Self::Rotate(_) => Vec::new(),
        }
    }
}
