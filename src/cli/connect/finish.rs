//! What follows the change of a gateway's files: it takes notice, old copies go, its own audit has the last word.

use super::super::context::Context;
use super::super::{Error, words};
use super::{held, show, unchanged};
use crate::gateway::{self, Program, Settings};
use crate::model::Vault;
use crate::ops::connect::{self, Audit, Cleaned, Connection, Plan, Reload, Request};
use serde_json::json;
use std::path::Path;

/// Remembers the connection, before anything of the gateway is changed.
pub fn remember(
    context: &Context,
    vault: &Vault<'_>,
    program: &Program,
    request: &Request<'_>,
    plan: &Plan,
) -> Result<(), Error> {
    let (root, id) = (context.local.root(), &vault.vault_id);
    let version = program.installed().version.to_string();
    let mut connection = Connection::load(root, id)?.unwrap_or_default();
    let before = std::mem::replace(&mut connection, Connection::new(request.state_dir.to_owned(), version));
    connection.refs = plan.refs.clone();
    connection.keep = request.keep;
    connection.dropped = before.dropped.union(&plan.dropped).cloned().collect();
    connection.dotenv = before.dotenv.union(&plan.dotenv).cloned().collect();
    Ok(connection.save(root, id)?)
}

/// The gateway takes notice, its old copies go, its own audit has the last word: how much it finds.
pub fn finish(
    context: &Context,
    vault: &Vault<'_>,
    settings: &Settings,
    program: &Program,
    request: &Request<'_>,
    plan: &Plan,
    kept: &Path,
) -> Result<Option<usize>, Error> {
    let out = context.out;
    // Also when no reference changed: a value behind one may have.
    let reload = connect::reload(program)?;
    // A gateway that runs may have written its own copy of a store back before it took notice.
    let mut now = held(settings, program)?;
    // What it wrote meanwhile is nothing that anybody gave up.
    let strict = Request { yields: false, ..*request };
    let again = connect::plan(vault, &now, &strict)?;
    unchanged(&again)?;
    if !again.is_empty() {
        connect::apply(&again, &now, program)?;
        now = held(settings, program)?;
    }
    let (root, id) = (context.local.root(), &vault.vault_id);
    if let Some(mut connection) = Connection::load(root, id)? {
        connection.note_orders(&now);
        connection.save(root, id)?;
    }
    let left = now.plaintext(&again);
    if !left.is_empty() {
        return Err(connect::Error::PutBack(left).into());
    }
    let (own, agents) = (gateway::own_stores(settings)?, request.agent_dirs.values().cloned().collect::<Vec<_>>());
    let config = now.config_path();
    let places = connect::Places { state_dir: request.state_dir, agents: &agents, config, own: &own };
    let Cleaned { removed, left, unread } = connect::clean(vault, places, kept, program)?;
    for (path, sealed) in &removed {
        out.say(&format!("removed {}, an old copy with secrets; sealed in {}", path.display(), sealed.display()));
    }
    left.iter().for_each(|path| out.warn(&format!("note: a secret still stands in {}", path.display())));
    unread.iter().for_each(|path| out.warn(&format!("note: {} could not be looked into", path.display())));
    let Audit { code, findings, oauth } = connect::audit(program)?;
    if out.json {
        let roads = plan.roads.iter().map(|(id, road)| (id.clone(), json!(words::road_token(*road))));
        out.json(&json!({
            "version": 1, "gateway": request.version.to_string(), "added": plan.added, "removed": plan.removed,
            "roads": roads.collect::<serde_json::Map<_, _>>(),
            "residue": left.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(), "audit": code,
        }))?;
    } else {
        show::roads(context, plan);
        match reload {
            Reload::Done => {}
            Reload::Degraded => {
                out.warn("note: the gateway has reloaded and misses a secret: agevault resolve --check")
            }
            Reload::Unreached => out.warn(show::UNREACHED),
        }
    }
    if findings > 0 || (code != Some(0) && oauth == 0) {
        return Ok(Some(findings));
    }
    match oauth {
        0 => out.say("the gateway's audit is clean"),
        _ => out.say(&format!(
            "the gateway's audit names {}, which takes no references, and nothing else",
            words::count(oauth, "OAuth profile", "OAuth profiles")
        )),
    }
    Ok(None)
}
