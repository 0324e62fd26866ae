//! Which states are kept, and for how long.

use super::snapshot::{CAPTURED, HIGHEST, Snapshot, list};
use super::{Error, now};
use crate::fsio::Dir;
use crate::model::{Save, Vault};
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Number of newest states that are kept regardless of age and size.
const NEWEST: usize = 10;
/// Maximum number of states that are kept from the last day.
const OF_A_DAY: usize = 200;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// The length of the longest month.
const MONTH: u64 = 31 * DAY;
/// How long the last state of each hour, day and month is kept.
const HOURLY: u64 = 3 * DAY;
const DAILY: u64 = 60 * DAY;
const MONTHLY: u64 = 24 * MONTH;
/// How long the last capture of each day is kept beside later saves: tokens that gateways renew exist nowhere else.
const CAPTURES: u64 = 14 * DAY;
/// Commands that make large changes: the state before each is kept for [`DAILY`].
const LARGE: [&str; 6] = ["import", "connect", "restore", "undo", "merge", "passwd"];
/// Maximum size of all states together, in bytes; beyond it the oldest are dropped.
pub const BUDGET: u64 = 256 * 1024 * 1024;
/// Maximum number of states that one save drops: a clock that jumps must not empty the history.
const DROPPED: usize = 4;

/// Drops the states that [`superfluous`] returns, but never `displaced`, which may have a low number after an older
/// state was put back.
pub(super) fn prune(dir: &Dir, displaced: &str, vault: &Vault<'_>) -> Result<(), Error> {
    // Usually there are few generations, and their names alone show that there is nothing to drop.
    let names = dir.names()?;
    if names.len() <= NEWEST && !names.iter().any(|name| name.contains(CAPTURED)) {
        return Ok(());
    }
    let is_large = |save: &Save| LARGE.contains(&save.command.as_str()) || save.command.starts_with("recipients");
    let before_large: BTreeSet<String> =
        crate::model::saves(vault).into_iter().filter(is_large).map(|save| save.from).collect();
    let all = list(dir)?;
    let drops = superfluous(&all, &before_large, now());
    // The oldest first.
    for snapshot in drops.into_iter().rev().filter(|one| one.name != displaced).take(DROPPED) {
        dir.remove(OsStr::new(&snapshot.name))?;
    }
    Ok(())
}

/// The states to drop, the newest first; `all` has the oldest first. The newest states, those of the last day, one per
/// hour, day and month, and those before a large change are kept. If these exceed [`BUDGET`], the oldest of them are
/// dropped too.
fn superfluous<'s>(all: &'s [Snapshot], before_large: &BTreeSet<String>, now: u64) -> Vec<&'s Snapshot> {
    let mut periods = BTreeSet::new();
    // The day of the next newer state, if that is a capture.
    let mut capture_behind = None;
    let (mut newest, mut bytes, mut is_full) = (0, 0_u64, false);
    // States with an impossible number do not count as the newest.
    let (possible, made_up): (Vec<_>, Vec<_>) = all.iter().rev().partition(|one| one.generation <= HIGHEST);
    let mut keeps = |one: &Snapshot| {
        let age = now.saturating_sub(one.saved);
        let mut is_last_of = |length: u64, kept: u64, captures: bool| {
            age < kept && periods.insert((length, one.saved / length, captures))
        };
        let day = one.saved / DAY;
        let is_replaced = one.captured && capture_behind.replace(day) == Some(day);
        if !one.captured {
            capture_behind = None;
        }
        let is_before_large = age < DAILY && before_large.contains(&one.state());
        if is_replaced && !is_before_large {
            return false;
        }
        let is_newest = newest < NEWEST;
        let mut keeps = is_newest || is_before_large || (age < DAY && newest < OF_A_DAY);
        newest += usize::from(!one.captured);
        keeps |= is_last_of(HOUR, HOURLY, false);
        keeps |= is_last_of(DAY, DAILY, false);
        keeps |= is_last_of(MONTH, MONTHLY, false);
        keeps |= one.captured && is_last_of(DAY, CAPTURES, true);
        bytes += if keeps { one.size } else { 0 };
        is_full |= bytes > BUDGET && !is_newest;
        keeps && !is_full
    };
    possible.into_iter().chain(made_up).filter(|one| !keeps(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(generation: u64, saved: u64) -> Snapshot {
        let name = format!("{generation}-00.age");
        Snapshot {
            generation,
            rev: "00".into(),
            captured: false,
            resealed: String::new(),
            path: name.clone().into(),
            name,
            saved,
            size: 0,
        }
    }

    fn kept(all: &[Snapshot], before_large: &BTreeSet<String>, now: u64) -> Vec<u64> {
        let dropped: BTreeSet<u64> = superfluous(all, before_large, now).iter().map(|one| one.generation).collect();
        all.iter().map(|one| one.generation).filter(|number| !dropped.contains(number)).collect()
    }

    #[test]
    fn a_day_is_kept_whole_then_one_an_hour_a_day_and_a_month() {
        let now = 36_500 * DAY;
        // Four saves an hour for 100 days, then one a day for three years, the oldest first.
        let mut times: Vec<u64> = (100..1200).map(|days| now - days * DAY).collect();
        times.extend((1..9600).map(|quarters| now - quarters * HOUR / 4));
        times.sort_unstable();
        let all: Vec<Snapshot> = (0_u64..).zip(times).map(|(number, time)| saved(number, time)).collect();
        let ages: Vec<u64> =
            kept(&all, &BTreeSet::new(), now).iter().map(|number| now - all[*number as usize].saved).collect();
        let within = |from: u64, to: u64| ages.iter().filter(|age| (from..to).contains(*age)).count();
        assert_eq!(within(0, DAY), 95, "all but the one of just a day ago");
        assert_eq!(within(DAY, HOURLY), 48);
        assert!((56..=58).contains(&within(HOURLY, DAILY)), "{}", within(HOURLY, DAILY));
        assert!((21..=24).contains(&within(DAILY, MONTHLY)), "{}", within(DAILY, MONTHLY));
        assert_eq!(within(MONTHLY, u64::MAX), 0);
    }

    #[test]
    fn a_burst_of_saves_does_not_push_out_what_was_before_an_import() {
        let now = 1000 * DAY;
        let all: Vec<Snapshot> = (0..600).map(|number| saved(number, now - 40 * DAY + number)).collect();
        let before = BTreeSet::from([all[0].state()]);
        assert_eq!(kept(&all, &before, now)[..2], [0, 590]);
        assert_eq!(kept(&all, &BTreeSet::new(), now)[0], 590);
        // At most `OF_A_DAY` states of one day are kept.
        let burst: Vec<Snapshot> = (0..600).map(|number| saved(number, now - 600 + number)).collect();
        assert_eq!(kept(&burst, &BTreeSet::new(), now).len(), OF_A_DAY);
    }

    #[test]
    fn the_oldest_go_where_it_is_too_many_bytes_but_never_the_newest() {
        let now = 1000 * DAY;
        let large = |number| Snapshot { size: BUDGET / 20, ..saved(number, now - 100 + number) };
        let all: Vec<Snapshot> = (0..50).map(large).collect();
        assert_eq!(kept(&all, &BTreeSet::new(), now), (30..50).collect::<Vec<_>>());
        let huge: Vec<Snapshot> = (0..50).map(|number| Snapshot { size: BUDGET, ..large(number) }).collect();
        assert_eq!(kept(&huge, &BTreeSet::new(), now), (40..50).collect::<Vec<_>>());
    }

    #[test]
    fn consecutive_captures_of_a_day_replace_each_other_and_no_save_by_people() {
        let now = 1000 * DAY;
        // Two captures of the day before, then ten manual saves, each followed by three captures.
        let capture = |mut one: Snapshot| {
            one.captured = true;
            one
        };
        let mut all = vec![capture(saved(0, now - DAY)), capture(saved(1, now - DAY))];
        all.extend((2..42).map(|n| saved(n, now)).map(|one| if one.generation % 4 == 2 { one } else { capture(one) }));
        let none = BTreeSet::new();
        let dropped: Vec<u64> = superfluous(&all, &none, now).iter().rev().map(|one| one.generation).collect();
        let expected: Vec<u64> = (0..42).filter(|n| *n == 0 || (*n >= 2 && [3, 0].contains(&(n % 4)))).collect();
        assert_eq!(dropped, expected);
    }

    #[test]
    fn the_last_capture_of_each_day_stays_for_two_weeks() {
        let now = 1000 * DAY;
        // Each day for 20 days: three captures, then twelve manual saves.
        let one = |n: u64| Snapshot { captured: n % 15 < 3, ..saved(n, now - (19 - n / 15) * DAY) };
        let all: Vec<Snapshot> = (0..300).map(one).collect();
        let kept: Vec<u64> = kept(&all, &BTreeSet::new(), now).into_iter().filter(|n| n % 15 < 3).collect();
        assert_eq!(kept, (6..20).map(|day| day * 15 + 2).collect::<Vec<_>>());
    }
}
