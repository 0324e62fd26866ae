//! Traces renamed entries through the records of saves.

use super::ancestry::since;
use super::{SecretId, Step, Vault, saves, state_name};
use std::collections::{BTreeMap, BTreeSet};

/// The states that the saves of a vault wrote, as named in their records.
pub fn states(vault: &Vault<'_>) -> BTreeSet<String> {
    saves(vault).into_iter().map(|save| save.to).collect()
}

/// Former names of entries, and their current names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    now: BTreeMap<String, String>,
    /// Former names that another entry has now.
    taken: BTreeSet<String>,
    /// First names of entries that were removed or cannot be traced.
    gone: BTreeSet<String>,
    is_untraced: bool,
}

impl Renames {
    /// The renames by the saves after the `known` states. Untraced if the records are incomplete.
    pub fn since(known: &BTreeSet<String>, vault: &Vault<'_>) -> Self {
        let (all, tip) = (saves(vault), state_name(vault.generation, &vault.rev));
        let Some(new) = since(&all, &tip, |state| known.contains(state), |save| save.lost == 0) else {
            return Self { is_untraced: true, ..Self::default() };
        };
        let mut trail = Trail::default();
        for save in &new {
            let is_merge = save.steps.iter().any(|step| step.merged().is_some());
            // A merge repeats the steps of the merged side, which that side's own records have already given.
            let steps = save.steps.iter();
            steps.for_each(|step| {
                if !(is_merge && trail.holds(step)) {
                    trail.follow(step)
                }
            });
        }
        let mut renames = trail.renames();
        if new.iter().any(|save| save.more > 0) {
            // The steps that are left out add or change entries.
            let is_there = |name: &&String| SecretId::parse(name).is_ok_and(|id| vault.get(&id).is_some());
            renames.taken.extend(renames.now.keys().filter(is_there).cloned());
        }
        renames
    }

    /// Whether the records of saves do not tell what was renamed.
    pub fn is_untraced(&self) -> bool {
        self.is_untraced
    }

    /// The entry that `id` refers to: the one that had this name then, or else the one that has it now.
    pub fn entry(&self, vault: &Vault<'_>, id: &str) -> Option<SecretId> {
        let now = self.now.get(id).map_or(id, String::as_str);
        SecretId::parse(now).ok().filter(|id| vault.get(id).is_some())
    }

    /// These renames and `earlier` ones, updated to current names; entries that were removed or cannot be traced are
    /// left out.
    pub fn after(&self, earlier: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let now = |name: &String| self.now.get(name).unwrap_or(name).clone();
        let there = earlier.iter().filter(|(_, new)| !self.gone.contains(*new));
        let earlier = there.map(|(old, new)| (old.clone(), now(new)));
        self.now.clone().into_iter().chain(earlier).collect()
    }

    /// The names in `asked` whose entry was renamed and that another entry has now, each with its entry's new name.
    pub fn torn<'r>(&'r self, asked: &'r BTreeSet<String>) -> impl Iterator<Item = (&'r str, &'r str)> {
        let torn = self.now.iter().filter(|(old, _)| self.taken.contains(*old) && asked.contains(*old));
        torn.map(|(old, now)| (old.as_str(), now.as_str()))
    }

    /// Drops the renames of names that another entry has now: such a name refers to that entry.
    pub fn by_name(mut self) -> Self {
        let Self { now, taken, .. } = &mut self;
        now.retain(|old, _| !taken.contains(old));
        taken.clear();
        self.is_untraced = false;
        self
    }
}

/// An entry whose renames are traced.
#[derive(Default)]
struct Entry {
    /// The names that it had, in order.
    names: Vec<String>,
    /// Whether it existed before the first step.
    is_old: bool,
    /// Steps of two hosts used one of its names, so it cannot be identified.
    is_doubtful: bool,
}

#[derive(Default)]
struct Trail {
    entries: Vec<Entry>,
    /// Current name -> index of the entry.
    at: BTreeMap<String, usize>,
}

impl Trail {
    fn follow(&mut self, step: &Step) {
        if let Some(name) = step.added() {
            let entry = self.entry(name, false);
            self.put(name, entry);
        } else if let Some(name) = step.removed() {
            self.take(name);
        } else if let Some((from, to)) = step.renamed() {
            let entry = self.take(from);
            self.put(to, entry);
        }
    }

    /// Whether the steps so far already have the effect of this one.
    fn holds(&self, step: &Step) -> bool {
        let had = |entry: &Entry, name: &str| entry.names.iter().any(|have| have == name);
        if let Some(name) = step.added() {
            return self.at.contains_key(name);
        }
        if let Some(name) = step.removed() {
            return !self.at.contains_key(name) && self.entries.iter().any(|entry| had(entry, name));
        }
        let Some((from, to)) = step.renamed() else { return false };
        let there = self.at.get(to).and_then(|nth| self.entries.get(*nth));
        !self.at.contains_key(from) && there.is_some_and(|entry| had(entry, from))
    }

    fn entry(&mut self, name: &str, is_old: bool) -> usize {
        let is_doubtful = is_old && self.entries.iter().any(|entry| entry.names.iter().any(|have| have == name));
        self.entries.push(Entry { names: vec![name.to_owned()], is_old, is_doubtful });
        self.entries.len() - 1
    }

    fn take(&mut self, name: &str) -> usize {
        if let Some(entry) = self.at.remove(name) {
            return entry;
        }
        // A step of another host uses a name that the entry no longer has.
        self.entries.iter_mut().filter(|entry| entry.names.iter().any(|have| have == name)).for_each(|entry| {
            entry.is_doubtful = true;
        });
        self.entry(name, true)
    }

    fn put(&mut self, name: &str, entry: usize) {
        let other = self.at.insert(name.to_owned(), entry);
        for (nth, one) in self.entries.iter_mut().enumerate() {
            if nth == entry && one.names.last().is_none_or(|last| last != name) {
                one.names.push(name.to_owned());
            }
            one.is_doubtful |= other.is_some() && (nth == entry || Some(nth) == other);
        }
    }

    fn renames(&self) -> Renames {
        let is_there = |nth: usize, entry: &Entry| !entry.is_doubtful && self.at.values().any(|at| *at == nth);
        let gone = self.entries.iter().enumerate().filter(|(nth, entry)| entry.is_old && !is_there(*nth, entry));
        let gone = gone.filter_map(|(_, entry)| entry.names.first().cloned()).collect();
        let mut renames = Renames { gone, ..Renames::default() };
        let had = |name: &String| self.entries.iter().filter(|entry| entry.names.contains(name)).count();
        for (now, nth) in &self.at {
            let Some(entry) = self.entries.get(*nth).filter(|entry| !entry.is_doubtful) else { continue };
            for old in entry.names.iter().filter(|old| *old != now) {
                // A name refers to the entry that had it before the first step, else to the only one that had it.
                let is_first = entry.is_old && entry.names.first() == Some(old);
                if !(is_first || had(old) == 1) {
                    continue;
                }
                renames.now.insert(old.clone(), now.clone());
                if self.at.contains_key(old) {
                    renames.taken.insert(old.clone());
                }
            }
        }
        renames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps are `+a` (added), `-a` (removed) and `a>b` (renamed); `~` marks those of a merge. The last column is what the
    /// asked name refers to afterwards, with `!` if another entry has that name now.
    #[test]
    fn a_name_means_the_entry_that_had_it() {
        for (steps, asked, means) in [
            ("", "a", "a"),
            ("a>t", "a", "t"),
            ("a>t t>c", "a", "c"),
            ("a>t t>a", "a", "a"),
            ("a>t -t", "a", "a"),
            ("a>t -t b>t", "a", "a"),
            ("a>t -t b>t", "b", "t"),
            ("a>t -t +t", "a", "a"),
            ("a>t -t x>t", "x", "t"),
            ("a>t t>c +t", "a", "c"),
            ("a>t t>c +t", "t", "t"),
            ("a>t t>c b>t", "a", "c"),
            ("a>t t>c b>t", "b", "t"),
            ("a>t +a", "a", "t!"),
            ("a>t +a -a", "a", "t"),
            ("a>t x>a", "a", "t!"),
            ("a>t b>a t>b", "a", "b!"),
            ("a>t b>a t>b", "b", "a!"),
            ("+a a>t", "a", "t"),
            // What a merge has taken over.
            ("a>t ~a>t", "a", "t"),
            ("a>t t>c ~a>c", "a", "c"),
            ("a>t ~+t ~-a", "a", "t"),
            ("a>t +a ~+a", "a", "t!"),
            ("-a ~-a", "a", "a"),
            ("~a>t", "a", "t"),
            // Concurrent steps of two hosts.
            ("+t a>t", "a", "a"),
            ("a>t a>c", "a", "a"),
            ("a>t -a", "a", "a"),
        ] {
            let mut trail = Trail::default();
            let step = |text: &str| match text.split_once('>') {
                Some((from, to)) => Step::of(&["renamed", from, to]),
                None => Step::of(&[if text.starts_with('+') { "added" } else { "removed" }, &text[1..]]),
            };
            for text in steps.split_whitespace() {
                let (text, is_merge) = text.strip_prefix('~').map_or((text, false), |text| (text, true));
                let step = step(text);
                if !(is_merge && trail.holds(&step)) {
                    trail.follow(&step);
                }
            }
            let renames = trail.renames();
            let now = renames.now.get(asked).cloned().unwrap_or_else(|| asked.to_owned());
            let torn = renames.torn(&BTreeSet::from([asked.to_owned()])).count();
            assert_eq!(format!("{now}{}", "!".repeat(torn)), means, "{steps}: {asked}");
        }
    }
}
