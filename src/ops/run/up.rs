//! Views that are there as long as a command runs.

use super::Error;
use crate::model::Vault;
use crate::ops::ledger;
use crate::ops::{export, sweep};
use crate::views::{self, Held, Lease, Seen, Target};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// Views that are there for a command.
#[derive(Debug)]
pub struct Up {
    /// What was written, and where.
    pub report: export::Report,
    /// What the gateway changed and no capture could take: then nothing was written, and the
    /// command goes on with the views that it left.
    pub open: Vec<String>,
    lease: Lease,
}

impl Up {
    /// Holds the views for `child` too, should this process be killed and the child not.
    pub fn serve(&self, child: &Child) {
        // The lease itself is held all the same.
        let _ = self.lease.serve(child.id());
    }
}

/// Writes the views that `request` names, and holds a lease on them. What an earlier command has
/// changed there is to be captured first; what could not be stays as it is, for a gateway that is
/// not started at all is worse off than one that finds its own last state.
///
/// # Errors
/// As [`export::export`], but for changes in views that can be read.
pub fn put_up(vault: &Vault<'_>, request: &export::Request<'_>, still: export::Still<'_>) -> Result<Up, Error> {
    let target = Target::resolve(request.dir)?;
    let lease = Lease::take(request.local, &vault.vault_id, &target, request.patience)?;
    let failed = match export::export(vault, request, still) {
        Ok(report) => return Ok(Up { report, open: Vec::new(), lease }),
        Err(views::Error::Changed(open)) => match standing(vault, request)? {
            Some(report) => return Ok(Up { report, open, lease }),
            None => views::Error::Changed(open),
        },
        Err(error) => error,
    };
    drop(lease);
    // Why nothing was written is what counts.
    let _ = sweep::clear(vault, request.local, request.patience, Some(target.path()));
    Err(failed.into())
}

/// The views as an earlier command left them; none if one cannot be read as what it is.
fn standing(vault: &Vault<'_>, request: &export::Request<'_>) -> Result<Option<export::Report>, views::Error> {
    let target = Target::resolve(request.dir)?;
    let (ledger, key) = ledger::open(vault, request.local, request.patience)?;
    let mut report = export::Report { dir: target.path().to_owned(), ..export::Report::default() };
    for kind in ledger.place(target.path()).into_iter().flat_map(|place| place.views.keys()) {
        let seen = Seen::look(&target, &ledger, &key, kind.clone())?;
        let Some(bytes) = seen.bytes() else { continue };
        if Held::read(&key, kind, bytes, seen.state()).is_err() {
            return Ok(None);
        }
        report.written.push(export::Written { path: seen.path().to_owned(), ids: Vec::new() });
    }
    Ok(Some(report))
}

/// Gives the lease back when the command has ended, and takes away what nobody needs then. What
/// the gateway changed and the vault does not have stays, and is named.
///
/// # Errors
/// As [`sweep::sweep`].
pub fn take_back(vault: &Vault<'_>, up: Up, local: &Path, patience: Duration) -> Result<sweep::Swept, views::Error> {
    let Up { report, lease, .. } = up;
    drop(lease);
    sweep::clear(vault, local, patience, Some(&report.dir))
}

/// The variables that lead a gateway to the views: none if its state directory `state` leads
/// there by links already. A configuration of its own stays the one of `state`.
pub fn leading(report: &export::Report, state: &Path, config: bool) -> Vec<(&'static str, PathBuf)> {
    let below = |view: &export::Written| Some(state.join(view.path.strip_prefix(&report.dir).ok()?));
    let leads = |view: &export::Written| below(view)?.canonicalize().ok().filter(|real| *real == view.path);
    if report.written.iter().any(|view| leads(view).is_some()) {
        return Vec::new();
    }
    let mut places = vec![("OPENCLAW_STATE_DIR", report.dir.clone())];
    let named = ["openclaw.json", "clawdbot.json"].map(|name| state.join(name));
    let found = named.into_iter().find(|path| path.is_file());
    places.extend(found.filter(|_| !config).map(|path| ("OPENCLAW_CONFIG_PATH", path)));
    places
}
