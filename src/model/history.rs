//! What each save did, by name only: the member `changes`.

use super::{Change, Error, MAX_NAME, Op, Recipient, Scope, SecretId, Subject, Vault};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;
use std::fmt;

/// The member with the records, the oldest first.
pub(super) const CHANGES: &str = "changes";
/// Most records, and most bytes of all of them: every command reads past them.
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 96 * 1024;
/// Most steps that one record names.
const MAX_STEPS: usize = 64;
/// Longest name of a host or a command, in bytes.
const MAX_TEXT: usize = 256;
/// Digits of a random name that tell two states with one number apart.
const REV: usize = 8;
const DAY: u64 = 86_400;

/// One thing that a save did: a verb and what it was done to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Step(Vec<String>);

impl Step {
    #[cfg(test)]
    pub(super) fn of(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }

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

    /// The name that it took away.
    pub fn removed(&self) -> Option<&str> {
        let [verb, name] = self.0.as_slice() else { return None };
        (verb == "removed").then_some(name)
    }

    /// The two names of a rename.
    pub fn renamed(&self) -> Option<(&str, &str)> {
        let [verb, from, to] = self.0.as_slice() else { return None };
        (verb == "renamed").then_some((from, to))
    }

    /// Whether it took the recipient with this label away, or its key.
    pub fn removes_recipient(&self, label: &str) -> bool {
        let goes = |verb: &str| ["recipient-removed", "recipient-changed"].contains(&verb);
        matches!(self.0.as_slice(), [verb, name] if goes(verb) && name == label)
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
    let mut all: Vec<Save> =
        all.iter().filter_map(|one| serde_json::from_str(one.get()).ok()).filter(is_sound).collect();
    // A number is above those of all that it comes from, whatever the clocks of hosts say.
    all.sort_by_key(|save| (save.generation(), save.at));
    all
}

/// Whether a record is one of ours: names of states lead to files, and what is shown has its bounds.
fn is_sound(save: &Save) -> bool {
    let is_state = |name: &str| {
        let hex = |rev: &str| rev.len() == REV && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
        name.split_once('-').is_some_and(|(number, rev)| number.parse::<u64>().is_ok() && hex(rev))
    };
    let is_short = |text: &String| text.len() <= MAX_TEXT;
    is_state(&save.to)
        && (save.from.is_empty() || is_state(&save.from))
        && [&save.command, &save.machine, &save.host].into_iter().all(is_short)
        && save.steps.len() <= MAX_STEPS
        && save.steps.iter().flat_map(|step| &step.0).all(|name| name.len() <= 2 * MAX_NAME)
}

/// Adds the record of a save. A capture that did the same as the one before, on the same day, takes its place.
pub fn note(vault: &mut Vault<'_>, mut save: Save) -> Result<(), Error> {
    save.more = u64::try_from(save.steps.len().saturating_sub(MAX_STEPS)).unwrap_or_default();
    save.steps.truncate(MAX_STEPS);
    let mut all = saves(vault);
    let repeats = |last: &Save| {
        let what = |save: &Save| (save.command.clone(), save.host.clone(), save.steps.clone(), save.at / DAY);
        vault.is_captured() && last.to == save.from && what(last) == what(&save)
    };
    if all.last().is_some_and(repeats) {
        save.from = all.pop().map(|last| last.from).unwrap_or_default();
    }
    all.push(save);
    put(vault, &all)
}

/// The records of two vaults of one id, each once, by time.
pub fn join(ours: &Vault<'_>, theirs: &Vault<'_>) -> Vec<Save> {
    let mut all = saves(ours);
    for save in saves(theirs) {
        if !all.iter().any(|have| (&have.to, &have.host) == (&save.to, &save.host)) {
            all.push(save);
        }
    }
    all.sort_by_key(|save| (save.generation(), save.at));
    all
}

/// What each of two states of one vault has done since they were one, by name: ours, theirs. `None` where the records
/// do not tell: too many saves lie between, or some step is not named.
pub fn touched(ours: &Vault<'_>, theirs: &Vault<'_>) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let (ours, theirs) = (saves(ours), saves(theirs));
    let own = |all: &[Save], other: &[Save]| -> Vec<Save> {
        let is_own = |one: &&Save| !other.iter().any(|have| (&have.to, &have.host) == (&one.to, &one.host));
        all.iter().filter(is_own).cloned().collect()
    };
    let (only_ours, only_theirs) = (own(&ours, &theirs), own(&theirs, &ours));
    // One that both have shows that none is missing after it.
    let is_whole = only_ours.len() < ours.len() && only_theirs.len() < theirs.len();
    let names = |of: &[Save]| -> BTreeSet<String> {
        of.iter().flat_map(|save| &save.steps).flat_map(|step| step.0.iter().skip(1).cloned()).collect()
    };
    let is_named = only_ours.iter().chain(&only_theirs).all(|save| save.more == 0);
    (is_whole && is_named).then(|| (names(&only_ours), names(&only_theirs)))
}

/// Replaces the records, as far as there is room for them: the newest stay.
pub(super) fn put(vault: &mut Vault<'_>, all: &[Save]) -> Result<(), Error> {
    let texts: Vec<Box<RawValue>> = all.iter().map(to_raw_value).collect::<Result<_, _>>()?;
    let mut bytes = 0;
    let fits = |length: &usize| {
        bytes += length + 1;
        bytes <= MAX_BYTES
    };
    let kept = texts.iter().rev().take(MAX_RECORDS).map(|one| one.get().len()).take_while(fits).count();
    vault.other.put(CHANGES, to_raw_value(texts.get(texts.len() - kept..).unwrap_or_default())?);
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
            Self::Remove(id) => with_orders(vault, id, Step::new("removed", id)),
            Self::Rename(from, to) => {
                with_orders(vault, from, Step(vec!["renamed".to_owned(), from.to_string(), to.to_string()]))
            }
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

/// A step that takes a profile out of the orders that list it, or gives it another name there.
fn with_orders(vault: &Vault<'_>, id: &SecretId, step: Step) -> Vec<Step> {
    let mut steps = vec![step];
    if let SecretId::Auth(_, profile) = id {
        let lists = |(scope, provider): &(Scope, String)| {
            vault.contents().order(scope, provider).is_some_and(|order| order.contains(profile))
        };
        let orders = vault.contents().orders().filter(lists);
        steps.extend(orders.map(|(scope, provider)| Step::new("ordered", Subject::Order(scope, provider))));
    }
    steps
}
