//! Walks the records of saves from a state back to its ancestors.

use super::history::{Save, saves, state_name};
use super::{Step, Vault};
use std::collections::{BTreeSet, HashMap};

/// The saves on all paths from the state `tip` back to states for which `is_known` holds, in the order of `all`.
/// `None` if the records are incomplete: the record of one of these saves was dropped, or is not `enough`.
pub(super) fn since<'s>(
    all: &'s [Save],
    tip: &str,
    is_known: impl Fn(&str) -> bool,
    enough: impl Fn(&Save) -> bool,
) -> Option<Vec<&'s Save>> {
    let by_state: HashMap<&str, &Save> =
        all.iter().flat_map(|save| save.states().map(move |state| (state, save))).collect();
    let (mut found, mut open) = (BTreeSet::new(), vec![tip]);
    while let Some(state) = open.pop() {
        if is_known(state) {
            continue;
        }
        // The first save has an empty `from`, which no record has: the walk has missed the known states.
        let save = *by_state.get(state)?;
        if !enough(save) {
            return None;
        }
        if found.insert(&save.to) && !save.squashed.iter().any(|state| is_known(state)) {
            open.push(&save.from);
            open.extend(save.steps.iter().filter_map(Step::merged));
        }
    }
    Some(all.iter().filter(|save| found.contains(&save.to)).collect())
}

/// Whether a state is the vault's own, or its records name it as an ancestor.
pub fn knows(vault: &Vault<'_>, state: &str) -> bool {
    state_name(vault.generation, &vault.rev) == state
        || saves(vault).iter().any(|save| save.from == state || save.states().any(|one| one == state))
}

/// The names that each of two states of one vault has changed since their common ancestors: ours, theirs. `None` if the
/// records are incomplete.
pub fn touched(ours: &Vault<'_>, theirs: &Vault<'_>) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let names = |of: &Vault<'_>, other: &Vault<'_>| -> Option<BTreeSet<String>> {
        let (all, others) = (saves(of), saves(other));
        let known: BTreeSet<&str> = others.iter().flat_map(Save::states).collect();
        let tip = state_name(of.generation, &of.rev);
        let since = since(&all, &tip, |state| known.contains(state), |save| save.more == 0)?;
        Some(since.iter().flat_map(|save| &save.steps).flat_map(Step::subjects).map(str::to_owned).collect())
    };
    Some((names(ours, theirs)?, names(theirs, ours)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Records are `to<from`, then `+merged`, `~squashed` and `!` for steps that are left out.
    fn save(text: &str) -> Save {
        let (to, rest) = text.split_once('<').unwrap_or((text, ""));
        let from = rest.split(['+', '~', '!']).next().unwrap_or_default().to_owned();
        let after = |mark: char| -> Vec<&str> {
            rest.split(mark).skip(1).map(|part| part.split(['+', '~', '!']).next().unwrap_or_default()).collect()
        };
        Save {
            at: 0,
            command: String::new(),
            from,
            host: String::new(),
            machine: String::new(),
            lost: 0,
            more: u64::from(rest.contains('!')),
            squashed: after('~').into_iter().map(str::to_owned).collect(),
            steps: after('+').into_iter().map(|state| Step::of(&["merged", state])).collect(),
            to: to.to_owned(),
        }
    }

    #[test]
    fn a_walk_finds_every_save_or_says_that_one_is_missing() {
        for (records, tip, known, found) in [
            ("", "a", "a", Some("")),
            ("", "a", "b", None),
            ("a< b<a c<b", "c", "a", Some("b c")),
            ("b<a c<b", "c", "a", Some("b c")),
            // The path ends before a known state.
            ("b<a c<b", "c", "x", None),
            ("a< b<a c<b", "c", "x", None),
            // Two paths, one of which lacks a record.
            ("b<a x<a c<b+x", "c", "a", Some("b x c")),
            ("b<a c<b+x", "c", "a", None),
            ("b<a x<w c<b+x", "c", "a", None),
            ("b<a x<w c<b+x", "c", "a w", Some("b x c")),
            // Saves off the path do not count.
            ("b<a x<a! c<b", "c", "a", Some("b c")),
            ("b<a! c<b", "c", "a", None),
            // Captures that replaced each other.
            ("d<a~b~c e<d", "e", "b", Some("d e")),
            ("d<a~b~c e<c", "e", "a", Some("d e")),
            ("d<a~b~c e<c", "e", "x", None),
        ] {
            let all: Vec<Save> = records.split_whitespace().map(save).collect();
            let known: Vec<&str> = known.split_whitespace().collect();
            let walk = since(&all, tip, |state| known.contains(&state), |save| save.more == 0);
            let names = walk.map(|saves| saves.iter().map(|save| save.to.as_str()).collect::<Vec<_>>().join(" "));
            assert_eq!(names.as_deref(), found, "{records}: {tip} from {known:?}");
        }
    }

    #[test]
    fn records_lose_their_steps_before_they_are_dropped() {
        let mut vault = Vault::parse(super::super::vault::tests::SMALL).unwrap();
        let state = |number: usize| format!("{number}-00000000");
        let long = "x".repeat(500);
        for number in 1..=400 {
            let steps = (0..16).map(|one| Step::of(&["added", &format!("env/{long}{one}")])).collect();
            let save = Save { from: state(number - 1), to: state(number), steps, ..save("") };
            super::super::note_save(&mut vault, save).unwrap();
        }
        assert!((1..=400).all(|number| knows(&vault, &state(number))));
        let all = saves(&vault);
        assert!(all.last().is_some_and(|save| save.more == 0) && all.first().is_some_and(|save| save.more == 16));
    }

    #[test]
    fn a_record_that_leads_to_itself_or_to_a_later_state_does_not_count() {
        for (from, squashed, to, counts) in [
            ("1-00000000", "", "2-00000000", true),
            ("1-00000000", "2-00000000", "3-00000000", true),
            ("2-00000000", "", "2-00000000", false),
            ("3-00000000", "", "2-00000000", false),
            ("2-00000000", "2-00000000", "3-00000000", false),
            ("2-00000000", "1-00000000", "3-00000000", false),
        ] {
            let mut vault = Vault::parse(super::super::vault::tests::SMALL).unwrap();
            let squashed = squashed.split_whitespace().map(str::to_owned).collect();
            let save = Save { from: from.to_owned(), to: to.to_owned(), squashed, ..save("") };
            super::super::note_save(&mut vault, save).unwrap();
            assert_eq!(!saves(&vault).is_empty(), counts, "{from} {to}");
        }
    }
}
