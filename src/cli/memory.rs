//! The views in memory of a connected gateway whose era has no references for all.

use super::context::{Context, Opened};
use super::environment::runtime_dir;
use super::export::seal;
use super::handover::connection;
use super::{Error, units, words};
use crate::gateway::{self, Settings};
use crate::model::{Change, Vault};
use crate::ops::capture::{self, Removals};
use crate::ops::connect::{self, Plan, Request};
use crate::ops::export::{Originals, Report};
use crate::views;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a view that is half written is waited for.
const SETTLE: Duration = Duration::from_secs(2);

/// Where views go, if there is such a place in memory.
///
/// # Errors
/// A directory that others can change.
pub fn dir() -> Result<Option<PathBuf>, Error> {
    let dir = match runtime_dir() {
        Err(Error::NoRuntimeDir) => return Ok(None),
        other => other?,
    };
    let there = dir.ancestors().find(|dir| dir.exists());
    let in_memory = there.is_some_and(|there| crate::fsio::in_memory(there).unwrap_or(false));
    Ok(in_memory.then(|| dir.join("openclaw")))
}

/// Puts what a plan wants there, and links that lead to it.
///
/// # Errors
/// As [`connect::put_views`].
pub fn put(
    context: &Context,
    opened: &Opened,
    vault: &Vault<'_>,
    settings: &Settings,
    request: &Request<'_>,
    plan: &Plan,
) -> Result<(), Error> {
    let Some(dir) = dir()?.filter(|_| plan.views) else { return Ok(()) };
    let agents = gateway::agent_ids(settings)?;
    let still = || opened.is_current();
    let put = |originals: &Originals| {
        let place = connect::Place {
            dir: &dir,
            state_dir: request.state_dir,
            agents: &agents,
            local: context.local.root(),
            patience: context.patience(),
            still: &still,
            originals,
        };
        connect::put_views(vault, request.version.era(), place)
    };
    let mut originals = Originals::default();
    let report = match put(&originals) {
        Err(views::Error::Originals(files)) => {
            seal(context, opened, vault, &mut originals, &files)?;
            put(&originals)
        }
        other => other,
    }?;
    note(context, vault, request.state_dir, &report)?;
    report.linked.iter().for_each(|path| context.out.say(&format!("linked {}", path.display())));
    units::warn_of_logout(context.out);
    context.out.say("note: views in memory are gone after a boot; agevault export --refs --link makes them again before the gateway starts, agevault capture --watch takes back what it renews: agevault connect --print-unit");
    Ok(())
}

/// Takes away the views of a gateway that keeps its profiles in databases now.
///
/// # Errors
/// As [`connect::leave_views`].
pub fn leave(context: &Context, opened: &Opened, vault: &Vault<'_>, state_dir: &Path) -> Result<(), Error> {
    let (local, kept) = (context.local.root(), opened.place.path().with_file_name("backups"));
    let left = connect::leave_views(vault, state_dir, local, context.patience(), &kept)?;
    for (view, copy) in &left.sealed {
        context.out.say(&format!("sealed {} as it was in {}", view.display(), copy.display()));
    }
    for view in &left.removed {
        context.out.say(&format!("removed {}, a view that the gateway reads no more", view.display()));
    }
    if !left.removed.is_empty() {
        context.out.say("note: agevault's lines in the gateway's unit must go: this release takes no views");
    }
    Ok(())
}

/// After an import that replaced something: where a view holds the same now, that is what its next change is
/// compared with.
///
/// # Errors
/// As [`capture::capture`].
pub fn settle(context: &Context, opened: Opened) -> Result<(), Error> {
    let opened = opened.close().open()?;
    let checked = context.check(&opened)?;
    let request = capture::Request { dir: None, removals: Removals::Name, settle: Duration::ZERO };
    let report = capture::capture(&context.edit(&opened), checked, &request)?;
    report.taken.iter().for_each(|name| context.out.say(&format!("took {} from a view", words::plain(name))));
    Ok(())
}

/// Remembers with the connection which files of its gateway are links to views now: after a boot or a wipe they
/// are missed. Of another gateway nothing is remembered.
///
/// # Errors
/// A record that cannot be written.
pub fn note(context: &Context, vault: &Vault<'_>, state_dir: &Path, report: &Report) -> Result<(), Error> {
    let known = connection(context, &vault.vault_id).filter(|known| known.is_of(state_dir));
    let Some(mut connection) = known else { return Ok(()) };
    let before = connection.views.len();
    let below = report.written.iter().filter_map(|view| view.path.strip_prefix(&report.dir).ok());
    connection.views.extend(below.map(|path| state_dir.join(path)));
    if connection.views.len() != before {
        connection.save(context.local.root(), &vault.vault_id)?;
    }
    Ok(())
}

/// Takes what the gateway renewed in views, before anything is compared.
///
/// # Errors
/// [`Error::CaptureConflict`]; as [`capture::capture`].
pub fn capture(context: &Context, opened: Opened) -> Result<Opened, Error> {
    let checked = context.check(&opened)?;
    let request = capture::Request { dir: None, removals: Removals::Name, settle: SETTLE };
    let report = capture::capture(&context.edit(&opened), checked, &request)?;
    tell(context, "took", report)?;
    opened.close().open()
}

/// What that would take: for a plan.
///
/// # Errors
/// As [`capture`].
pub fn preview(context: &Context, vault: &Vault<'_>) -> Result<Change, Error> {
    let request = capture::Request { dir: None, removals: Removals::Name, settle: SETTLE };
    let (report, change) = capture::preview(context.local.root(), vault, &request, context.patience())?;
    tell(context, "would first take", report)?;
    Ok(change)
}

fn tell(context: &Context, took: &str, report: capture::Report) -> Result<(), Error> {
    let out = context.out;
    for name in report.taken.iter().chain(&report.added) {
        out.say(&format!("{took} {} from a view", words::plain(name)));
    }
    super::capture::tell_left_out(&report.left_out, out);
    if !report.unreadable.is_empty() {
        return Err(views::Error::Unreadable(report.unreadable).into());
    }
    // What was taken away there is not put back unasked: said before anything else is changed.
    if !report.missing.is_empty() {
        let names = report.missing.into_iter().map(|name| format!("{name} (removed there)"));
        return Err(views::Error::Changed(names.collect()).into());
    }
    if report.conflicts.is_empty() { Ok(()) } else { Err(Error::CaptureConflict(report.conflicts)) }
}
