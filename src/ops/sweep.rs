//! Views for a time, taken away when nobody needs them any more.

use super::capture::{self, Keeper, Removals, Report, Request};
use super::export::{Content, render};
use crate::model::Vault;
use crate::ops::ledger;
use crate::views::{
    Carry, Changes, Error, Key, Leases, Ledger, Seen, Target, Verdict, check_unchanged, digests, remove,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What was done.
#[derive(Debug, Default)]
pub struct Swept {
    /// Views that were removed.
    pub removed: Vec<PathBuf>,
    /// Directories with views that the gateway changed, which stay, and the names of what
    /// changed there.
    pub changed: Vec<(PathBuf, Vec<String>)>,
    /// Directories whose views somebody still needs.
    pub held: Vec<PathBuf>,
}

/// What is to be done about the views of a `run` that was killed. Costs one look at a directory
/// where there are no leases.
///
/// # Errors
/// A directory that others reach.
pub fn is_due(local: &Path, vault_id: &str) -> Result<bool, Error> {
    Leases::open(local, vault_id)?.any()
}

/// Captures what a gateway changed in the views of a `run` that was killed, then removes them but
/// for what no capture could take. For commands that may write the vault only. The reports say
/// what was captured.
///
/// # Errors
/// [`crate::fsio::Error::Busy`] when somebody writes views or the vault just now; whatever a
/// save can fail with; a place that is not what was made.
pub fn sweep(
    keeper: &mut Keeper<'_>,
    local: &Path,
    patience: Duration,
) -> Result<(Vec<Report>, Swept), capture::Error> {
    let seen = keeper.read()?;
    let dirs = unattended(&keeper.check(&seen)?.vault, local, patience)?;
    drop(seen);
    let mut reports = Vec::new();
    for dir in &dirs {
        // Who wrote it is not there any more: what is half written stays so.
        let request = Request { dir: Some(dir), removals: Removals::Name, settle: Duration::ZERO };
        reports.push(keeper.capture(&request)?);
    }
    let seen = keeper.read()?;
    let swept = clear(&keeper.check(&seen)?.vault, local, patience, None)?;
    Ok((reports, swept))
}

/// Directories with views for a time where no `run` waits that would capture them. The command
/// itself may still be there.
fn unattended(vault: &Vault<'_>, local: &Path, patience: Duration) -> Result<Vec<PathBuf>, Error> {
    let ledger = Ledger::load(local, &vault.vault_id, patience)?;
    let leases = Leases::open(local, &vault.vault_id)?;
    let mut found = Vec::new();
    for (dir, _) in ledger.leased() {
        if !leases.is_attended(dir)? {
            found.push(dir.to_owned());
        }
    }
    Ok(found)
}

/// Removes the views for a time that nobody needs any more, of one directory or of all, and the
/// leases on what is gone then. What the gateway changed and the vault does not have stays.
///
/// # Errors
/// [`crate::fsio::Error::Busy`] when somebody writes views just now; a ledger that cannot be
/// read; a place that is not what was made.
pub(super) fn clear(vault: &Vault<'_>, local: &Path, patience: Duration, only: Option<&Path>) -> Result<Swept, Error> {
    let (mut ledger, key) = ledger::open(vault, local, patience)?;
    let leases = Leases::open(local, &vault.vault_id)?;
    let mut swept = Swept::default();
    let asked = |dir: &Path| only.is_none_or(|only| only == dir);
    let dirs: Vec<PathBuf> = ledger.leased().map(|(dir, _)| dir).filter(|dir| asked(dir)).map(Path::to_owned).collect();
    if !dirs.is_empty() {
        let mut carry = Carry::load(local, &vault.vault_id)?;
        for dir in dirs {
            if leases.is_held(&dir)? {
                swept.held.push(dir);
            } else {
                clear_dir(vault, &mut ledger, &mut carry, &key, &dir, &mut swept)?;
            }
        }
    }
    leases.tidy(ledger.leased().map(|(dir, _)| dir))?;
    Ok(swept)
}

fn clear_dir(
    vault: &Vault<'_>,
    ledger: &mut Ledger,
    carry: &mut Carry,
    key: &Key,
    dir: &Path,
    swept: &mut Swept,
) -> Result<(), Error> {
    let target = Target::known(dir)?;
    let kinds = ledger.place(dir).into_iter().flat_map(|place| place.leased.iter().cloned());
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    for kind in kinds {
        let seen = Seen::look(&target, ledger, key, kind)?;
        let held = render(vault, seen.kind(), &carry.of(seen.kind()), Content::Values)
            .ok()
            .and_then(|bytes| digests(key, seen.kind(), &bytes).ok());
        match check_unchanged(std::iter::once((&seen, held.as_ref())), Changes::KeepValues) {
            Ok(()) => gone.push(seen),
            Err(Error::Changed(names)) => changed.extend(names),
            Err(error) => return Err(error),
        }
    }
    gone.iter().for_each(|seen| carry.keep_from(seen));
    let there: Vec<PathBuf> =
        gone.iter().filter(|seen| *seen.verdict() != Verdict::Gone).map(|seen| seen.path().to_owned()).collect();
    remove(ledger, carry, &[(target, gone)])?;
    swept.removed.extend(there);
    if !changed.is_empty() {
        swept.changed.push((dir.to_owned(), changed));
    }
    Ok(())
}
