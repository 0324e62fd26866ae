//! Records of what each save did, by name only: the member `changes`.

use super::{Error, MAX_NAME, SecretId, Vault};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::fmt;

/// The member with the records, the oldest first.
pub(super) const CHANGES: &str = "changes";
/// Maximum number of records, and of bytes in all of them: every command parses past them.
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 96 * 1024;
/// Maximum number of steps that one record names.
const MAX_STEPS: usize = 64;
/// Maximum number of replaced captures that one record names. Enough for a day of tokens renewed every hour.
const MAX_SQUASHED: usize = 32;
/// Maximum size of the steps of one record, in bytes.
const MAX_STEP_BYTES: usize = 16 * 1024;
/// Maximum length of the name of a host or a command, in bytes.
const MAX_TEXT: usize = 256;
/// Digits of the random name, which distinguish two states with the same number.
const REV: usize = 8;
const DAY: u64 = 86_400;

/// One step of a save: a verb and what it was applied to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Step(pub(super) Vec<String>);

impl Step {
    #[cfg(test)]
    pub(super) fn of(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }

    pub(super) fn new(verb: &str, what: impl fmt::Display) -> Self {
        Self(vec![verb.to_owned(), what.to_string()])
    }

    pub(super) fn renaming(from: &SecretId, to: &SecretId) -> Self {
        Self(vec!["renamed".to_owned(), from.to_string(), to.to_string()])
    }

    /// Whether it was applied to `subject`.
    pub fn names(&self, subject: &str) -> bool {
        self.subjects().any(|name| name == subject)
    }

    /// The name that it added, if that was not there before.
    pub fn added(&self) -> Option<&str> {
        let [verb, name] = self.0.as_slice() else { return None };
        (verb == "added").then_some(name)
    }

    /// The name that it removed.
    pub fn removed(&self) -> Option<&str> {
        let [verb, name] = self.0.as_slice() else { return None };
        (verb == "removed").then_some(name)
    }

    /// The state that it merged, if it is a merge.
    pub(super) fn merged(&self) -> Option<&str> {
        let [verb, state] = self.0.as_slice() else { return None };
        (verb == "merged").then_some(state)
    }

    /// Whether the entry that a name refers to cannot be told without it.
    fn moves(&self) -> bool {
        self.removed().is_some() || self.renamed().is_some() || self.merged().is_some()
    }

    /// Whether it records a conflict for which a merge chose our side.
    pub fn is_kept(&self) -> bool {
        self.0.first().is_some_and(|verb| verb == "kept")
    }

    /// What it was applied to.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(String::as_str)
    }

    /// The old and the new name, if it is a rename.
    pub fn renamed(&self) -> Option<(&str, &str)> {
        let [verb, from, to] = self.0.as_slice() else { return None };
        (verb == "renamed").then_some((from, to))
    }

    /// Whether it removed the recipient with this label, or replaced its key.
    pub fn removes_recipient(&self, label: &str) -> bool {
        let goes = |verb: &str| ["recipient-removed", "recipient-changed"].contains(&verb);
        matches!(self.0.as_slice(), [verb, name] if goes(verb) && name == label)
    }

    /// Whether it changed the recipients.
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

/// The record of a save: time, command, host, the states before and after it, and its steps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Save {
    /// Unix seconds.
    pub at: u64,
    /// The command, as typed.
    pub command: String,
    /// The state that it replaced: number and the start of its random name.
    pub from: String,
    /// The id under which the saves of the host are counted.
    pub host: String,
    /// The name of the host at that time.
    pub machine: String,
    /// How many of the steps that were left out are renames or removals.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// How many more steps were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// The states of earlier captures with the same steps, whose records this one replaced; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub squashed: Vec<String>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The state that it wrote.
    pub to: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Save {
    /// The number of the state that it wrote.
    pub fn generation(&self) -> u64 {
        number_of(&self.to)
    }

    /// The record with only those steps that tell what names refer to.
    fn bare(&self) -> Self {
        let (moves, others): (Vec<Step>, Vec<Step>) = self.steps.iter().cloned().partition(Step::moves);
        let more = self.more.saturating_add(u64::try_from(others.len()).unwrap_or_default());
        Self { more, steps: moves, ..self.clone() }
    }

    /// The state that it wrote, and those of the captures that it replaced.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.squashed.iter().chain([&self.to]).map(String::as_str)
    }
}

/// The number in the name of a state, `12` or `12-0a1b2c3d`.
pub fn number_of(state: &str) -> u64 {
    state.split('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The name of a state in records.
pub fn state_name(generation: u64, rev: &str) -> String {
    format!("{generation}-{}", rev.get(..REV).unwrap_or(rev))
}

/// The records of a vault, the oldest first; those that cannot be read are left out.
pub fn saves(vault: &Vault<'_>) -> Vec<Save> {
    let all: Vec<&RawValue> =
        vault.other.get(CHANGES).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let mut all: Vec<Save> =
        all.iter().filter_map(|one| serde_json::from_str(one.get()).ok()).filter(is_sound).collect();
    // The number of a state is above those of all its ancestors, whatever the clocks of hosts say.
    all.sort_by_key(|save| (save.generation(), save.at));
    all
}

/// Whether a record is valid: the names of states lead to files, and what is shown must be bounded.
fn is_sound(save: &Save) -> bool {
    let is_state = |name: &str| {
        let hex = |rev: &str| rev.len() == REV && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
        name.split_once('-').is_some_and(|(number, rev)| number.parse::<u64>().is_ok() && hex(rev))
    };
    let is_short = |text: &String| text.len() <= MAX_TEXT;
    is_state(&save.to)
        && (save.from.is_empty() || is_state(&save.from))
        && [&save.command, &save.machine, &save.host].into_iter().all(is_short)
        && save.squashed.len() <= MAX_SQUASHED
        && save.squashed.iter().all(|state| is_state(state))
        // No walk back along the records meets a state twice.
        && save.states().all(|state| save.from.is_empty() || number_of(&save.from) < number_of(state))
        && save.steps.len() <= MAX_STEPS
        && save.steps.iter().flat_map(|step| &step.0).all(|name| name.len() <= 2 * MAX_NAME)
}

/// Adds the record of a save. A capture that did the same as the previous one, on the same day, replaces it.
pub fn note(vault: &mut Vault<'_>, mut save: Save) -> Result<(), Error> {
    let mut bytes = 0;
    let fits = |step: &&Step| {
        bytes += step.0.iter().map(|word| word.len() + 3).sum::<usize>();
        bytes <= MAX_STEP_BYTES
    };
    // These are the last to be left out.
    save.steps.sort_by_key(|step| !step.moves());
    let named = save.steps.iter().take(MAX_STEPS).take_while(fits).count();
    let lost = save.steps.iter().skip(named).filter(|step| step.moves()).count();
    save.lost = u64::try_from(lost).unwrap_or_default();
    save.more = u64::try_from(save.steps.len() - named).unwrap_or_default();
    save.steps.truncate(named);
    let mut all = saves(vault);
    let repeats = |last: &Save| {
        let what = |save: &Save| (save.command.clone(), save.host.clone(), save.steps.clone(), save.at / DAY);
        vault.is_captured() && last.to == save.from && what(last) == what(&save)
    };
    if let Some(last) = all.pop_if(|last| repeats(last)) {
        save.squashed.extend(last.squashed.into_iter().chain([last.to]));
        save.squashed.drain(..save.squashed.len().saturating_sub(MAX_SQUASHED));
        save.from = last.from;
    }
    all.push(save);
    put(vault, &all)
}

/// The records of two states of one vault, each once, by number and time.
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

/// Replaces the records with the newest of `all` that fit. The oldest lose their steps first: a record without them
/// still tells which states are ancestors.
pub(super) fn put(vault: &mut Vault<'_>, all: &[Save]) -> Result<(), Error> {
    let newest = all.get(all.len().saturating_sub(MAX_RECORDS)..).unwrap_or_default();
    let mut texts: Vec<Box<RawValue>> = newest.iter().map(to_raw_value).collect::<Result<_, _>>()?;
    let mut bytes: usize = texts.iter().map(|text| text.get().len() + 1).sum();
    for (text, save) in texts.iter_mut().zip(newest) {
        if bytes <= MAX_BYTES {
            break;
        }
        let bare = to_raw_value(&save.bare())?;
        bytes = bytes + bare.get().len() - text.get().len();
        *text = bare;
    }
    let is_too_much = |length: &usize| {
        let is_it = bytes > MAX_BYTES;
        bytes -= if is_it { *length } else { 0 };
        is_it
    };
    let dropped = texts.iter().map(|text| text.get().len() + 1).take_while(is_too_much).count();
    vault.other.put(CHANGES, to_raw_value(texts.get(dropped..).unwrap_or_default())?);
    Ok(())
}
