//! `capture`: what the gateway changed in its views, back into the vault.

use super::args::Capture;
use super::capture_stores;
use super::context::{Context, Opened};
use super::environment::tell_ready;
use super::out::Out;
use super::{Error, words};
use crate::fsio::{self, Watch};
use crate::harden;
use crate::ops::capture::watch::{News, Wake, watch};
use crate::ops::capture::{Keeper, Removals, Report, Request};
use crate::ops::intake::Refused;
use crate::ops::judge::Why;
use crate::views;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// How long one capture waits for a view that is half written.
const SETTLE: Duration = Duration::from_secs(2);
/// How long a watch waits for a lock before it tries again: it has to hear signals too.
const PATIENCE: Duration = Duration::from_secs(1);

/// Once, or until a signal ends it.
pub fn run(context: &mut Context, args: &Capture) -> Result<(), Error> {
    let opened = context.open()?;
    // Tells and asks what there is to tell and to ask; from here on nobody is asked.
    context.check(&opened)?;
    // Nobody is there who could answer for a vault that is older than it was (F10).
    context.policy.accept_rollback &= !args.watch;
    let opened = match capture_stores::databases(context, &opened)?.filter(|_| args.dir.is_none()) {
        Some((settings, files)) if args.watch => {
            return capture_stores::follow(context, opened, &settings, &files);
        }
        Some((settings, _)) => {
            let taken = capture_stores::once(context, &opened, &settings)?;
            taken.notes.iter().for_each(|note| context.out.warn(note));
            if !taken.changed {
                context.out.say("nothing to save");
            }
            return conflicts(taken.conflicts).map_or(Ok(()), Err);
        }
        None => opened,
    };
    let Opened { place, seen } = opened;
    let removals = if args.removals { Removals::Take } else { Removals::Name };
    let request = Request { dir: args.dir.as_deref(), removals, settle: SETTLE };
    let patience = if args.watch { context.patience().min(PATIENCE) } else { context.patience() };
    let mut keeper = Keeper::new(&context.local, &place, seen, &context.policy, patience)?;
    if args.watch {
        return follow(&mut keeper, &request, context.out);
    }
    let report = keeper.capture(&request)?;
    show(&report, context.out)?;
    if report.views.is_empty() {
        context.out.say("there was nothing to capture: nothing is exported there");
    } else if !context.out.json && report.saved.is_none() {
        context.out.say("nothing to save");
    }
    open(&report).map_or(Ok(()), Err)
}

fn follow(keeper: &mut Keeper<'_>, request: &Request<'_>, out: Out) -> Result<(), Error> {
    let (wakes, heard) = mpsc::channel();
    let end = wakes.clone();
    let failed = |error| Error::from(fsio::Error::Io("wait for", PathBuf::from("signals"), error));
    // Nobody hears it any more only when this is over.
    harden::on_end(move |_| {
        let _ = end.send(Wake::End);
    })
    .map_err(failed)?;
    let mut files = Watch::new(move || {
        let _ = wakes.send(Wake::Changed);
    });
    let (mut failure, mut shown) = (None, Ok(()));
    watch(keeper, request, &heard, &mut files, &mut |news| match news {
        News::Ready => {
            out.say("watching; what the gateway changes is saved");
            tell_ready();
        }
        News::Report(report) => {
            failure = None;
            shown = show(report, out);
            let open = open(report).filter(|_| !out.json);
            open.iter().for_each(|error| out.warn(&format!("warning: {}", words::of(error).what)));
        }
        News::Failed(error) => {
            let what = words::of_capture(error).what;
            if failure.as_ref() != Some(&what) {
                out.warn(&format!("warning: {what}; it is tried again"));
                failure = Some(what);
            }
        }
    })?;
    shown
}

/// What was done, by name.
fn show(report: &Report, out: Out) -> Result<(), Error> {
    if out.json {
        let unreadable: Vec<String> = report.unreadable.iter().map(|path| path.display().to_string()).collect();
        let open = |name: &String, why: &str| json!({"name": name, "why": why});
        let conflicts: Vec<Value> = report.conflicts.iter().map(|(name, why)| open(name, why.token())).collect();
        let left_out: Vec<Value> = report.left_out.iter().map(|(name, why)| open(name, why.token())).collect();
        return out.json(&json!({
            "version": 1, "taken": report.taken, "added": report.added, "removed": report.removed,
            "missing": report.missing, "stale": report.stale, "conflicts": conflicts, "left_out": left_out,
            "unreadable": unreadable, "generation": report.saved,
        }));
    }
    tell(report, out);
    Ok(())
}

/// The same in lines for a person.
pub(super) fn tell(report: &Report, out: Out) {
    for (verb, names) in [("took", &report.taken), ("added", &report.added), ("removed", &report.removed)] {
        names.iter().for_each(|name| out.say(&format!("{verb} {name}")));
    }
    for name in &report.stale {
        out.say(&format!("note: {name}: ignored, its refresh token was followed by the vault's"));
    }
    for name in &report.missing {
        out.warn(&format!("note: {name}: removed there, it stays in the vault; agevault rm takes it out"));
    }
    tell_left_out(&report.left_out, out);
}

/// What is not taken, why, and what to do.
pub(super) fn tell_left_out(left_out: &[(String, Refused)], out: Out) {
    for (name, why) in left_out {
        let (what, remedy) = (words::refused(*why), words::remedy(*why, name));
        out.warn(&format!("note: {name}: not taken, {what}; {remedy}"));
    }
}

/// What is left open, as an error after everything else was done.
pub(super) fn open(report: &Report) -> Option<Error> {
    if !report.unreadable.is_empty() {
        return Some(views::Error::Unreadable(report.unreadable.clone()).into());
    }
    conflicts(report.conflicts.clone())
}

fn conflicts(open: Vec<(String, Why)>) -> Option<Error> {
    if open.is_empty() { None } else { Some(Error::CaptureConflict(open)) }
}
