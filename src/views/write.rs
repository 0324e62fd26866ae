//! Views into files and away again, all or none.
//!
//! The ledger is written first: whatever a killed process leaves behind, it knows of.

use super::digest::{Digests, Key, digests};
use super::link::remove_dangling;
use super::place::prune;
use super::seen::{MODE, name};
use super::{Carry, Changes, Error, Held, Kind, Ledger, Seen, Stay, Target, Verdict};
use crate::fsio::{Dir, Replacement, sweep_temps};
use crate::secret::SecretBuf;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A view to be written, and what stands in its place.
#[derive(Debug)]
pub struct New {
    seen: Seen,
    bytes: SecretBuf,
    digests: Digests,
    /// The same with the orders of a file beside it, which gateways of era A2 prefer: those are
    /// no change of the gateway's either.
    stated: Option<Digests>,
}

impl New {
    /// `bytes` in the place of `seen`.
    ///
    /// # Errors
    /// [`Error::Format`] when the bytes are no such view.
    pub fn of(key: &Key, seen: Seen, bytes: SecretBuf) -> Result<Self, Error> {
        let digests = digests(key, seen.kind(), &bytes)?;
        let stated = Held::read(key, seen.kind(), &bytes, seen.state()).ok().map(|held| held.digests);
        let stated = stated.filter(|stated| *stated != digests);
        Ok(Self { seen, bytes, digests, stated })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        self.seen.path()
    }

    /// What stands in its place, and what the vault has for it.
    pub fn judged(&self) -> (&Seen, Option<&Digests>) {
        (&self.seen, Some(&self.digests))
    }

    /// What it shows.
    pub fn kind(&self) -> &Kind {
        self.seen.kind()
    }

    fn loses(&self) -> bool {
        self.seen.would_lose(&self.digests)
    }

    /// The digest sets that the view may have until the new one is certainly in place. What
    /// is given up by force stays unknown, so that a crash does not make it ours.
    fn announced(&self, known: &[Digests]) -> Vec<Digests> {
        let before = match self.seen.verdict() {
            Verdict::Gone => None,
            Verdict::Changed(_) => known.last(),
            Verdict::NotOurs if self.loses() => None,
            Verdict::NotOurs | Verdict::Unchanged => self.seen.digests(),
        };
        before.filter(|before| **before != self.digests).cloned().into_iter().chain(self.accepted()).collect()
    }

    /// The digest sets of the new view, the last one its own.
    fn accepted(&self) -> impl Iterator<Item = Digests> {
        self.stated.iter().chain([&self.digests]).cloned()
    }

    /// The one way of values into files. `None` if the very bytes are there already.
    fn prepare<'d>(&self, dir: &'d Dir) -> Result<Option<Replacement<'d>>, Error> {
        let name = name(self.kind());
        sweep_temps(dir, Some(&name.to_string_lossy()))?;
        if self.seen.is(&self.bytes) {
            return Ok(None);
        }
        Ok(Some(Replacement::write(dir, &name, self.bytes.expose(), MODE)?))
    }
}

/// Puts views in place and takes `stale` ones away. Every file is complete on the disk before
/// the first gets its name; if one cannot be written, nothing has changed.
///
/// # Errors
/// [`Error::NotOurs`]; [`Error::Changed`] when a file changed since it was looked at; a disk
/// that fails.
pub fn replace(
    ledger: &mut Ledger,
    carry: &mut Carry,
    target: &Target,
    new: &[New],
    stale: &[Seen],
    changes: Changes,
    stay: Stay,
) -> Result<(), Error> {
    let lost: Vec<PathBuf> = new.iter().filter(|view| view.loses()).map(|view| view.path().to_owned()).collect();
    if changes != Changes::Discard && !lost.is_empty() {
        return Err(Error::NotOurs(lost));
    }
    carry.save()?;
    let before = ledger.places().clone();
    let made = announce(ledger, target, new, stay);
    let undo = |ledger: &mut Ledger, error| {
        prune(made.iter());
        ledger.set(before.clone());
        // If even this fails, the ledger accepts more than there is, which harms nobody.
        let _ = ledger.save();
        error
    };
    ledger.save().map_err(|error| undo(ledger, error))?;
    let dirs = new.iter().map(|view| target.make(view.kind())).collect::<Result<Vec<_>, _>>();
    let dirs = dirs.map_err(|error| undo(ledger, error))?;
    let prepared = prepare(target, new, stale, &dirs).map_err(|error| undo(ledger, error))?;
    for replacement in prepared {
        replacement.commit()?;
    }
    take_away(target, stale)?;
    let place = ledger.place_mut(target.path());
    for view in new {
        place.views.insert(view.kind().clone(), view.accepted().collect());
    }
    settle(ledger, target, stale);
    // The views are in place; a ledger that still accepts those before them is a correct one.
    let _ = ledger.save();
    Ok(())
}

/// Tells the ledger what is going to be; the directories that will be made.
fn announce(ledger: &mut Ledger, target: &Target, new: &[New], stay: Stay) -> BTreeSet<PathBuf> {
    let made: BTreeSet<PathBuf> = new.iter().flat_map(|view| target.to_make(view.kind())).collect();
    let place = ledger.place_mut(target.path());
    for view in new {
        let known = place.views.get(view.kind()).map(Vec::as_slice).unwrap_or_default();
        let announced = view.announced(known);
        let stays = !known.is_empty() && *view.seen.verdict() != Verdict::Gone;
        match stay {
            Stay::ForGood => _ = place.leased.remove(view.kind()),
            Stay::Leased if stays => {}
            Stay::Leased => _ = place.leased.insert(view.kind().clone()),
        }
        place.views.insert(view.kind().clone(), announced);
    }
    place.made.extend(made.iter().cloned());
    made
}

fn prepare<'d>(target: &Target, new: &[New], stale: &[Seen], dirs: &'d [Dir]) -> Result<Vec<Replacement<'d>>, Error> {
    let mut prepared = Vec::with_capacity(new.len());
    for (view, dir) in new.iter().zip(dirs) {
        prepared.extend(view.prepare(dir)?);
    }
    // Writing took its time: what the gateway wrote meanwhile is not to be lost.
    new.iter().map(|view| &view.seen).chain(stale).try_for_each(|seen| seen.check_still(target))?;
    Ok(prepared)
}

/// Removes views, all of which were looked at and judged, from several targets.
///
/// # Errors
/// [`Error::Changed`] when a file changed since it was looked at, before the first is
/// removed; a disk that fails.
pub fn remove(ledger: &mut Ledger, carry: &mut Carry, places: &[(Target, Vec<Seen>)]) -> Result<(), Error> {
    for (target, views) in places {
        views.iter().try_for_each(|seen| seen.check_still(target))?;
    }
    carry.save()?;
    for (target, views) in places {
        take_away(target, views)?;
        settle(ledger, target, views);
    }
    ledger.save()
}

fn take_away(target: &Target, views: &[Seen]) -> Result<(), Error> {
    for seen in views {
        if let Some(dir) = target.open(seen.kind())? {
            let name = name(seen.kind());
            sweep_temps(&dir, Some(&name.to_string_lossy()))?;
            dir.remove(&name)?;
            dir.sync()?;
        }
    }
    Ok(())
}

/// Forgets views that are gone, and removes what they leave empty.
fn settle(ledger: &mut Ledger, target: &Target, gone: &[Seen]) {
    let place = ledger.place_mut(target.path());
    place.views.retain(|kind, _| gone.iter().all(|seen| seen.kind() != kind));
    place.leased.retain(|kind| place.views.contains_key(kind));
    if place.views.is_empty() {
        remove_dangling(target, &place.links);
    }
    prune(place.made.iter());
    ledger.tidy();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
