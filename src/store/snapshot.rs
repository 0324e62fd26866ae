//! Kept generations: `vault.age.d/<generation>-<rev>.age`, the states before each save; those
//! that captures wrote end in `.captured.age`, since consecutive ones replace each other.

use super::{Error, Place, now};
use crate::fsio::{self, Dir, Replacement};
use crate::model::Vault;
use crate::seal::MAX_FILE;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Saves by people that are kept at least.
const KEPT: usize = 10;
/// Days for each of which the last save is kept.
const DAYS: u64 = 14;
const DAY: u64 = 86_400;
/// In the names of states that a capture wrote.
const CAPTURED: &str = ".captured";
/// Highest number of a file name that new ones are put above: far more than saves can be, and
/// far below what the document can hold.
const HIGHEST: u64 = 1 << 52;

/// A sealed vault that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of its save.
    pub generation: u64,
    /// The random name of its save.
    pub rev: String,
    /// Whether a capture wrote it.
    pub captured: bool,
    /// The random name of the re-sealing that wrote it anew; empty if none did.
    pub resealed: String,
    /// Its file name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Unix seconds of the save.
    pub saved: u64,
    /// Size in bytes.
    pub size: u64,
}

impl Snapshot {
    /// The sealed bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        Ok(fsio::read_capped(&self.path, MAX_FILE)?.into_vec())
    }

    /// The name of the same snapshot sealed anew.
    pub(super) fn resealed_name(&self, tag: &str) -> String {
        let captured = if self.captured { CAPTURED } else { "" };
        format!("{}-{}{captured}.r{tag}.age", self.generation, self.rev)
    }

    fn parse(dir: &Dir, name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".age")?;
        let (generation, rest) = stem.split_once('-')?;
        let (rev, resealed) = match rest.split_once(".r") {
            Some((rev, tag)) => (rev, tag.to_owned()),
            None => (rest, String::new()),
        };
        let (rev, captured) = rev.strip_suffix(CAPTURED).map_or((rev, false), |rev| (rev, true));
        let generation = generation.parse().ok()?;
        let path = dir.path().join(name);
        let meta = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        let saved = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let (rev, name, size) = (rev.to_owned(), name.to_owned(), meta.len());
        Some(Self { generation, rev, captured, resealed, name, path, saved, size })
    }
}

/// The file name under which the vault as it stands will be kept.
pub(super) fn name_of(vault: &Vault<'_>) -> String {
    let captured = if vault.is_captured() { CAPTURED } else { "" };
    format!("{}-{}{captured}.age", vault.generation, vault.rev)
}

/// Gives the standing vault file a second name among the generations; where the file system
/// has no second names, a copy. Whether it is new.
pub(super) fn keep(place: &Place, generations: &Dir, name: &str) -> Result<bool, Error> {
    let name = OsStr::new(name);
    match place.dir().link(place.name(), generations, name) {
        Ok(()) => {}
        // A crash between this and the rename leaves it there already.
        Err(fsio::Error::Exists(_)) => return Ok(false),
        Err(_) => Replacement::write(generations, name, &place.read()?, 0o600)?.commit()?,
    }
    Ok(true)
}

/// The kept generations, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn history(place: &Place) -> Result<Vec<Snapshot>, Error> {
    place.generations_if_any()?.map_or_else(|| Ok(Vec::new()), |dir| list(&dir))
}

/// The highest believable number among the kept generations; zero if there are none.
pub(super) fn highest(dir: &Dir) -> Result<u64, Error> {
    Ok(list(dir)?.iter().map(|one| one.generation).filter(|number| *number <= HIGHEST).max().unwrap_or_default())
}

pub(super) fn list(dir: &Dir) -> Result<Vec<Snapshot>, Error> {
    let mut found: Vec<Snapshot> = dir.names()?.iter().filter_map(|name| Snapshot::parse(dir, name)).collect();
    found.sort_by(|a, b| (a.generation, &a.rev, &a.resealed).cmp(&(b.generation, &b.rev, &b.resealed)));
    Ok(found)
}

/// Whether a file begins as age files do, whatever its name.
fn is_age(path: &Path) -> bool {
    let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let start = || fsio::read_start::<14>(path).ok().flatten();
    plain && start().is_some_and(|start| [b"age-encryption", b"-----BEGIN AGE"].contains(&&start))
}

/// Age files beside the vault, or among its generations, that are not of its making: copies by editors and people too.
///
/// # Errors
/// When a directory cannot be read.
pub fn strangers(place: &Place) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for name in place.dir().names()? {
        let path = place.dir().path().join(&name);
        if OsStr::new(&name) != place.name() && (name.ends_with(".age") || is_age(&path)) {
            found.push(path);
        }
    }
    if let Some(dir) = place.generations_if_any()? {
        let own = list(&dir)?;
        let names = dir.names()?.into_iter().filter(|name| !own.iter().any(|one| one.name == *name));
        found.extend(names.map(|name| dir.path().join(name)));
    }
    Ok(found)
}

/// Drops what is neither among the last saves by people nor the last of one of the last days;
/// never `displaced`, which may have a low number after an older state was brought back.
pub(super) fn prune(dir: &Dir, displaced: &str) -> Result<(), Error> {
    // Most saves have few generations: names alone then say that there is nothing to do.
    let names = dir.names()?;
    if names.len() <= KEPT && !names.iter().any(|name| name.contains(CAPTURED)) {
        return Ok(());
    }
    let all = list(dir)?;
    for snapshot in superfluous(&all, now()).into_iter().filter(|one| one.name != displaced) {
        dir.remove(OsStr::new(&snapshot.name))?;
    }
    Ok(())
}

fn superfluous(all: &[Snapshot], now: u64) -> Vec<&Snapshot> {
    let (mut days, mut capture_days, mut people) = (BTreeSet::new(), BTreeSet::new(), 0);
    // The day of the next newer one, if that was a capture.
    let mut capture_behind = None;
    let mut drops = |snapshot: &Snapshot| {
        let day = snapshot.saved / DAY;
        let replaced = snapshot.captured && capture_behind == Some(day);
        capture_behind = snapshot.captured.then_some(day);
        let recent = now.saturating_sub(snapshot.saved) < DAYS * DAY;
        // The last capture of a day stays beside a later save by people: what gateways renew is in no other place.
        let last_capture = recent && snapshot.captured && capture_days.insert(day);
        let last_of_day = (recent && !replaced && days.insert(day)) || last_capture;
        let enough = people >= KEPT;
        people += usize::from(!snapshot.captured);
        replaced || (enough && !last_of_day)
    };
    all.iter().rev().filter(|snapshot| drops(snapshot)).collect()
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

    #[test]
    fn the_last_ten_and_one_a_day_for_two_weeks_are_kept() {
        let now = 1000 * DAY;
        // Three saves a day for 30 days, oldest first.
        let all: Vec<Snapshot> = (0..90).map(|n| saved(n, now - (89 - n) * DAY / 3)).collect();
        let dropped: BTreeSet<u64> = superfluous(&all, now).iter().map(|snapshot| snapshot.generation).collect();
        let kept: Vec<u64> = (0..90).filter(|n| !dropped.contains(n)).collect();
        assert!((80..90).all(|n| kept.contains(&n)), "{kept:?}");
        assert_eq!(kept.len(), 10 + 11, "{kept:?}");
        assert!(kept.iter().all(|n| now - saved(*n, now - (89 - n) * DAY / 3).saved < 14 * DAY + DAY));
    }

    #[test]
    fn consecutive_captures_of_a_day_replace_each_other_and_no_save_by_people() {
        let now = 1000 * DAY;
        // Ten saves by people, each followed by three captures; two captures of the day before at first.
        let capture = |mut one: Snapshot| {
            one.captured = true;
            one
        };
        let mut all = vec![capture(saved(0, now - DAY)), capture(saved(1, now - DAY))];
        all.extend((2..42).map(|n| saved(n, now)).map(|one| if one.generation % 4 == 2 { one } else { capture(one) }));
        let dropped: Vec<u64> = superfluous(&all, now).iter().rev().map(|snapshot| snapshot.generation).collect();
        let expected: Vec<u64> = (0..42).filter(|n| *n == 0 || (*n >= 2 && [3, 0].contains(&(n % 4)))).collect();
        assert_eq!(dropped, expected);
    }

    #[test]
    fn the_last_capture_of_each_day_stays_for_two_weeks() {
        let now = 1000 * DAY;
        // Each day for 20 days: three captures, then twelve saves by people.
        let one = |n: u64| Snapshot { captured: n % 15 < 3, ..saved(n, now - (19 - n / 15) * DAY) };
        let all: Vec<Snapshot> = (0..300).map(one).collect();
        let dropped: BTreeSet<u64> = superfluous(&all, now).iter().map(|snapshot| snapshot.generation).collect();
        let kept: Vec<u64> = (0..300).filter(|n| n % 15 < 3 && !dropped.contains(n)).collect();
        assert_eq!(kept, (6..20).map(|day| day * 15 + 2).collect::<Vec<_>>());
    }
}
