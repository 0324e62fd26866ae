//! What `export` made, taken away again.

use super::export::{Content, render};
use crate::model::Vault;
use crate::ops::ledger;
use crate::views::{Carry, Changes, Error, Leases, Seen, Target, Verdict, check_unchanged, digests, remove};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is to be removed.
#[derive(Debug)]
pub struct Request<'r> {
    /// Only what was exported into this directory; without it, everything.
    pub dir: Option<&'r Path>,
    /// Views that the gateway changed.
    pub changes: Changes,
    /// Root of local state.
    pub local: &'r Path,
    /// How long to wait for others that write views of this vault.
    pub patience: Duration,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// Views that were removed.
    pub removed: Vec<PathBuf>,
    /// Views that were no longer there.
    pub gone: Vec<PathBuf>,
    /// Files of a gateway that were links to them, and are gone too.
    pub unlinked: Vec<PathBuf>,
    /// Of those, the ones that had been files of the gateway's own, and where a sealed copy of each is kept.
    pub originals: BTreeMap<PathBuf, PathBuf>,
}

/// Removes exported views of `vault`, and the directories made for them that are empty then.
/// Everything is checked before the first file is removed. What was never exported is no
/// error: the report is empty.
///
/// # Errors
/// [`Error::Changed`] with the names of what the gateway changed; [`Error::InUse`]; a file or
/// directory that is not what was made.
pub fn wipe(vault: &Vault<'_>, request: &Request<'_>) -> Result<Report, Error> {
    let (mut ledger, key) = ledger::open(vault, request.local, request.patience)?;
    let mut carry = Carry::load(request.local, &vault.vault_id)?;
    let leases = Leases::open(request.local, &vault.vault_id)?;
    let wanted = request.dir.map(Target::resolve).transpose()?;
    let mut places = Vec::new();
    for dir in ledger.dirs() {
        if wanted.as_ref().is_some_and(|wanted| wanted.path() != dir) {
            continue;
        }
        if leases.is_held(dir)? {
            return Err(Error::InUse(dir.to_owned()));
        }
        let target = Target::known(dir)?;
        let kinds = ledger.place(dir).into_iter().flat_map(|place| place.views.keys().cloned());
        let views = kinds.map(|kind| Seen::look(&target, &ledger, &key, kind)).collect::<Result<Vec<_>, _>>()?;
        places.push((target, views));
    }
    let views = || places.iter().flat_map(|(_, views)| views);
    // A view that the vault cannot show any more has no digests of its own.
    let held = |seen: &Seen| {
        digests(&key, seen.kind(), &render(vault, seen.kind(), &carry.of(seen.kind()), Content::Values).ok()?).ok()
    };
    let held: Vec<_> = views().map(|seen| (seen, held(seen))).collect();
    check_unchanged(held.iter().map(|(seen, held)| (*seen, held.as_ref())), request.changes)?;
    drop(held);
    views().for_each(|seen| carry.keep_from(seen));
    let mut report = Report::default();
    for seen in views() {
        let list = if *seen.verdict() == Verdict::Gone { &mut report.gone } else { &mut report.removed };
        list.push(seen.path().to_owned());
    }
    let links = places.iter().filter_map(|(target, _)| ledger.place(target.path())).flat_map(|place| &place.links);
    let links: BTreeMap<PathBuf, Option<PathBuf>> = links
        .filter(|(path, _)| std::fs::read_link(path).is_ok())
        .map(|(path, sealed)| (path.clone(), sealed.clone()))
        .collect();
    remove(&mut ledger, &mut carry, &places)?;
    for (path, sealed) in links.into_iter().filter(|(path, _)| std::fs::read_link(path).is_err()) {
        report.originals.extend(sealed.map(|sealed| (path.clone(), sealed)));
        report.unlinked.push(path);
    }
    // What is left of them harms nobody.
    let _ = leases.tidy(ledger.leased().map(|(dir, _)| dir));
    Ok(report)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests;
