//! What follows the change of a gateway's files: it takes notice, old copies go, its own audit has the last word.

use super::super::Error;
use super::super::context::Context;
use super::super::environment::absolute;
use super::{held, show, unchanged};
use crate::gateway::{self, Program, Settings};
use crate::model::Vault;
use crate::ops::connect::{self, Connection, Plan, Request, Search};
use std::path::Path;

/// Remembers the connection, before anything of the gateway is changed.
pub fn remember(
    context: &Context,
    vault: &Vault<'_>,
    (settings, program): (&Settings, &Program),
    request: &Request<'_>,
    plan: &Plan,
) -> Result<(), Error> {
    let (root, id) = (context.local.root(), &vault.vault_id);
    let version = program.installed().version.to_string();
    // What is known already stays known, should this be interrupted.
    let before = Connection::load(root, id)?.unwrap_or_default();
    let mut connection = before.renewed(request.state_dir.to_owned(), version);
    connection.program = settings.openclaw.as_deref().map(absolute).transpose()?;
    connection.refs = plan.refs.clone();
    connection.keep = request.keep;
    connection.dropped.extend(plan.dropped.iter().cloned());
    connection.dotenv.extend(plan.dotenv.iter().cloned());
    if !plan.views {
        connection.views.clear();
    }
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
    // Also when no reference changed: a value behind one may have.
    let reload = connect::reload(program, held(settings, program)?.port(settings, request.version)?)?;
    // A gateway that runs may have written its own copy of a store back before it took notice.
    let mut now = held(settings, program)?;
    // What it wrote meanwhile is nothing that anybody gave up.
    let strict = Request { yields: false, ..*request };
    let again = connect::plan(vault, &now, &strict)?;
    unchanged(&again)?;
    if !again.is_empty() {
        connect::apply(&again, &now, program, vault, kept)?;
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
    let (own, home) = (gateway::own_stores(settings)?, settings.home.as_deref());
    let elsewhere = home.map(gateway::service_files).unwrap_or_default();
    let search = Search {
        vault,
        root: request.state_dir,
        agents: request.agent_dirs,
        own: &own,
        elsewhere: &elsewhere,
        held: &now,
        // What was changed last says whether stores hold old rows.
        plan: if again.stores.is_empty() { plan } else { &again },
        keep: request.keep,
    };
    let cleaned = connect::clean(&search, kept, program)?;
    let audit = connect::audit(program, request.keep)?;
    show::rest(context.out, request, plan, (&cleaned, &audit, reload))?;
    Ok(audit.open())
}
