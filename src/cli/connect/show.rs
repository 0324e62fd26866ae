//! What `connect` has done, or would do, by name.

use super::super::context::Context;
use super::super::out::Out;
use super::super::{Error, words};
use crate::ops::connect::{Applied, Audit, Cleaned, Plan, Reload, Request, Road};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Tells what was done.
pub fn tell(context: &Context, plan: &Plan, applied: &Applied) {
    let out = context.out;
    if let Some(members) = &plan.entry {
        out.say(&format!("wrote {} into openclaw.json", words::resolver_entry(members)));
    }
    plan.added.iter().for_each(|id| out.say(&format!("referred {}", words::plain(id))));
    plan.removed.iter().for_each(|id| out.say(&format!("removed the reference to {}", words::plain(id))));
    removed_there(out, plan);
    if let Some(sealed) = &applied.sealed {
        out.say(&format!("sealed the .env as it was in {}", sealed.display()));
    }
    if applied.dotenv > 0 {
        out.say(&format!("took {} out of the .env", words::count(applied.dotenv, "entry", "entries")));
    }
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

/// Where a secret does not go by itself is said each time.
fn roads(out: Out, plan: &Plan) {
    for (id, road) in &plan.roads {
        if !matches!(road, Road::Store | Road::Config) {
            out.say(&format!("{}: {}", words::plain(id), words::road(*road)));
        }
    }
}

/// Tells what is left: by the gateway's files, its audit, and itself.
pub fn rest(
    out: Out,
    request: &Request<'_>,
    plan: &Plan,
    (cleaned, audit, reload): (&Cleaned, &Audit, Reload),
) -> Result<(), Error> {
    let Cleaned { removed, left, kept, unread } = cleaned;
    let path = |path: &PathBuf| path.display().to_string();
    let findings: Vec<String> = audit.findings.iter().map(words::audited).collect();
    if out.json {
        let left: Vec<Value> = left.iter().map(|left| json!({ "file": path(&left.path), "ids": left.ids })).collect();
        return out.json(&json!({
            "version": 1, "gateway": request.version.to_string(), "added": plan.added, "removed": plan.removed,
            "removed_there": plan.removed_there, "entry": plan.entry, "roads": tokens(plan),
            "reload": words::reload_token(reload), "residue": left, "audit": audit.code, "findings": findings,
        }));
    }
    for (copy, sealed) in removed {
        out.say(&format!("removed {}, an old copy with secrets; sealed in {}", path(copy), path(sealed)));
    }
    for left in left {
        out.say(&format!(
            "note: {} still holds in plaintext: {}",
            path(&left.path),
            words::plain(&left.ids.join(", "))
        ));
    }
    for kept in kept {
        out.say(&format!("kept in plaintext in {}: {}", path(&kept.path), words::plain(&kept.ids.join(", "))));
    }
    unread.iter().for_each(|file| out.say(&format!("note: {} could not be looked into", path(file))));
    roads(out, plan);
    if let Some(what) = words::reload(reload) {
        out.say(&format!("note: {what}"));
    }
    findings.iter().for_each(|finding| out.say(&format!("the gateway's audit finds {finding}")));
    if audit.open().is_some() {
        return Ok(());
    }
    for kept in &audit.kept {
        out.say(&format!("the gateway's audit names what was asked to stay: {}", words::audited(kept)));
    }
    match audit.oauth {
        0 if audit.kept.is_empty() => out.say("the gateway's audit is clean"),
        0 => out.say("the gateway's audit names nothing else"),
        oauth => out.say(&format!(
            "the gateway's audit names {}, which takes no references, and nothing else",
            words::count(oauth, "OAuth profile", "OAuth profiles")
        )),
    }
    Ok(())
}

/// Shows what would be done, with every road if `whole`; `unlinked` are the files that would become links to views.
pub fn plan(context: &Context, plan: &Plan, unlinked: &[PathBuf], whole: bool) -> Result<(), Error> {
    let out = context.out;
    if out.json {
        return out.json(&json!({
            "version": 1, "done": false, "added": plan.added, "removed": plan.removed, "dotenv": plan.dotenv,
            "removed_there": plan.removed_there, "entry": plan.entry, "views": plan.views,
            "links": unlinked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(), "roads": tokens(plan),
        }));
    }
    if let Some(members) = &plan.entry {
        out.line(&format!("would write {} into openclaw.json", words::resolver_entry(members)))?;
    }
    for id in &plan.added {
        out.line(&format!("would refer {id}"))?;
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
    match (plan.is_empty(), plan.views) {
        (true, false) => out.line("nothing would be changed"),
        (true, true) => out.line("nothing else would be changed"),
        (false, _) => Ok(()),
    }
}
