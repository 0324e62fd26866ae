//! `connect --undo`: the gateway has its secrets itself again.

use super::super::context::{Context, Opened};
use super::super::{Error, words};
use super::{Way, bound, held, show};
use crate::gateway;
use crate::ops::connect::{self, Connection, Reload};

/// Undoes what `connect` has done.
pub fn undo(context: &Context, opened: &Opened, way: &Way) -> Result<(), Error> {
    let Way { settings, program, state_dir, .. } = way;
    let checked = context.check(opened)?;
    bound(context, &checked.vault, state_dir)?;
    let (root, id) = (context.local.root(), &checked.vault.vault_id);
    let connection = Connection::load(root, id)?;
    context.terminal.confirm("this writes the secrets in plaintext into the gateway's own files; go on?")?;
    let agents = gateway::agent_ids(settings)?;
    connect::take_views_back(&checked.vault, state_dir, &agents, context.local.root(), context.patience())?;
    let (held, agent_dirs) = (held(settings, program)?, gateway::agent_dirs(settings)?);
    let applied = connect::undo(&checked.vault, &held, program, &agent_dirs, connection.as_ref())?;
    if connection.is_some() {
        Connection::forget(root, id)?;
    }
    let stores = words::count(applied.stores, "store", "stores");
    context.out.say(&format!("the gateway has its secrets itself again: {stores} changed"));
    if connect::reload(program)? == Reload::Unreached {
        context.out.warn(show::UNREACHED);
    }
    Ok(())
}
