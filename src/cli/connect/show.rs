//! What `connect` has done, or would do, by name.

use super::super::context::Context;
use super::super::out::Out;
use super::super::{Error, words};
use crate::ops::connect::{Cleaned, Left, Plan, Reload, Request, Road};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Tells what was done.
pub fn tell(context: &Context, plan: &Plan, sealed: &[(PathBuf, PathBuf)]) {
    let out = context.out;
    for (path, copy) in sealed {
        out.say(&format!("sealed {} as it was in {}", path.display(), copy.display()));
    }
    if let Some(members) = &plan.entry {
        out.say(&format!("wrote {} into openclaw.json", words::resolver_entry(members)));
    }
    plan.added.iter().for_each(|id| out.say(&format!("referred {}", words::plain(id))));
    plan.commands.iter().for_each(|at| out.say(&format!("{} runs under agevault run now", words::plain(at))));
    plan.unwrapped
        .iter()
        .for_each(|at| out.say(&format!("{} does not run under agevault run any more", words::plain(at))));
    let given_up = |id: &String| {
        format!("gave up the gateway's own value of {}, which is in the sealed copy only", words::plain(id))
    };
    plan.given_up.iter().for_each(|id| out.say(&given_up(id)));
    plan.removed.iter().for_each(|id| out.say(&format!("removed the reference to {}", words::plain(id))));
    removed_there(out, plan);
    plan.dotenv.iter().for_each(|name| out.say(&format!("took {} out of the .env", words::plain(name))));
    if plan.is_empty() {
        out.say("nothing is to be changed");
    }
}

/// What somebody took away at the gateway comes back, and not without a word.
fn removed_there(out: Out, plan: &Plan) {
    plan.removed_there.iter().for_each(|id| out.say(&format!("note: {}", words::removed_there(id))));
}

fn tokens(plan: &Plan) -> Map<String, Value> {
    plan.roads.iter().map(|(id, road)| (id.clone(), json!(words::road_token(*road)))).collect()
}

/// Names the way of each secret that the gateway does not get by a reference alone. Those that stay in plaintext have
/// lines of their own.
fn roads(out: Out, plan: &Plan) {
    for (id, road) in &plan.roads {
        if !matches!(road, Road::Store | Road::Config | Road::Own | Road::NoTarget | Road::TooLong) {
            out.say(&format!("{}: {}", words::plain(id), words::road(*road)));
        }
    }
}

/// What there is to say at the end.
pub struct Rest<'r> {
    /// What was removed.
    pub cleaned: &'r Cleaned,
    /// What is left in plaintext.
    pub left: &'r [Left],
    /// How a running gateway took notice.
    pub reload: &'r Reload,
    /// What was done.
    pub plan: &'r Plan,
}

/// Tells what is left.
pub fn rest(out: Out, request: &Request<'_>, now: &Plan, rest: &Rest<'_>) -> Result<(), Error> {
    let Rest { cleaned, left, reload, plan } = *rest;
    let path = |path: &PathBuf| path.display().to_string();
    if out.json {
        return out.json(&json!({
            "version": 1, "gateway": request.version.to_string(), "added": plan.added, "removed": plan.removed,
            "removed_there": plan.removed_there, "entry": plan.entry, "commands": plan.commands, "unwrapped": plan.unwrapped, "roads": tokens(now),
            "reload": words::reload_token(reload), "left": left_json(left),
        }));
    }
    for (copy, sealed) in &cleaned.removed {
        out.say(&format!("removed {}, an old copy with secrets; sealed in {}", path(copy), path(sealed)));
    }
    roads(out, now);
    for left in left {
        let (what, hint) = words::left(left, false);
        let tell = |text: &str| if left.why.is_kept() { out.say(text) } else { out.warn(text) };
        tell(&what);
        if !hint.is_empty() {
            tell(&format!("  {hint}"));
        }
    }
    if let Some(what) = words::reload(reload) {
        out.say(&format!("note: {what}"));
    }
    let open = left.iter().any(|left| !left.why.is_kept());
    if !open {
        out.say(if left.is_empty() {
            "no plaintext is left in the gateway's files"
        } else {
            "no other plaintext is left in the gateway's files"
        });
    }
    Ok(())
}

fn left_json(left: &[Left]) -> Vec<Value> {
    let one = |left: &Left| {
        let at = left.at.as_ref().map(ToString::to_string);
        json!({"file": left.file.display().to_string(), "at": at, "ids": left.ids, "why": words::left_token(left.why)})
    };
    left.iter().map(one).collect()
}

/// Shows what would be done, with every road if `whole`; `unlinked` are the files that would become links to views.
pub fn plan(context: &Context, plan: &Plan, unlinked: &[PathBuf], left: &[Left], whole: bool) -> Result<(), Error> {
    let out = context.out;
    if out.json {
        return out.json(&json!({
            "version": 1, "done": false, "added": plan.added, "removed": plan.removed, "dotenv": plan.dotenv,
            "removed_there": plan.removed_there, "entry": plan.entry, "commands": plan.commands, "unwrapped": plan.unwrapped, "views": plan.views,
            "links": unlinked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(), "roads": tokens(plan),
            "left": left_json(left),
        }));
    }
    if let Some(members) = &plan.entry {
        out.line(&format!("would write {} into openclaw.json", words::resolver_entry(members)))?;
    }
    for id in &plan.added {
        out.line(&format!("would refer {id}"))?;
    }
    for at in &plan.commands {
        out.line(&format!("would run {at} under agevault run"))?;
    }
    for at in &plan.unwrapped {
        out.line(&format!("would not run {at} under agevault run any more"))?;
    }
    for id in &plan.given_up {
        out.line(&format!("would give up the gateway's own value of {id}"))?;
    }
    for id in &plan.removed {
        out.line(&format!("would remove the reference to {id}"))?;
    }
    removed_there(out, plan);
    for name in &plan.dotenv {
        out.line(&format!("would take {name} out of the .env"))?;
    }
    if plan.views {
        out.line("would write the views in memory anew")?;
    }
    for path in unlinked {
        out.line(&format!("would put a link to a view at {}", path.display()))?;
    }
    for (id, road) in plan.roads.iter().filter(|_| whole) {
        out.line(&format!("{id}: {}", words::road(*road)))?;
    }
    for left in left {
        let (what, hint) = words::left(left, true);
        out.line(&what)?;
        if !hint.is_empty() {
            out.line(&format!("  {hint}"))?;
        }
    }
    match (plan.is_empty(), plan.views) {
        (true, false) => out.line("nothing would be changed"),
        (true, true) => out.line("nothing else would be changed"),
        (false, _) => Ok(()),
    }
}
