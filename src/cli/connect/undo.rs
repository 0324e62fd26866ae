//! `connect --undo`: the gateway has its secrets itself again.

use super::super::context::{Context, Opened};
use super::super::{Error, words};
use super::{Way, bound, held, memory, show};
use crate::gateway;
use crate::ops::connect::{self, Connection, Reload};

/// Undoes what `connect` has done.
pub fn undo(context: &Context, opened: Opened, way: &Way) -> Result<(), Error> {
    let Way { settings, program, state_dir, .. } = way;
    bound(context, &context.check(&opened)?.vault, state_dir)?;
    context.terminal.confirm("this writes the secrets in plaintext into the gateway's own files; go on?")?;
    let _lock = way.lock(context, &opened)?;
    // While somebody thought about it, the gateway may have renewed something.
    let opened = memory::capture(context, opened)?;
    let checked = context.check(&opened)?;
    let (root, id) = (context.local.root(), &checked.vault.vault_id);
    let connection = Connection::load(root, id)?;
    let agents = gateway::agent_ids(settings)?;
    let (still, local) = (|| opened.is_current(), context.local.root());
    connect::take_views_back(&checked.vault, state_dir, &agents, local, context.patience(), &still)?;
    let (now, agent_dirs) = (held(settings, program)?, gateway::agent_dirs(settings)?);
    let again = || held(settings, program);
    let applied = connect::undo(&checked.vault, &now, program, &agent_dirs, connection.as_ref(), &again)?;
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
