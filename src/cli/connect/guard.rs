//! What must hold before anything of a gateway is changed, and how it is told afterwards.

use super::super::Error;
use super::super::context::Context;
use crate::gateway::{self, Inventory, Program, Settings, Unread, Version, Why};
use crate::model::Vault;
use crate::ops::connect::{self, Connection, Plan};
use std::path::Path;

/// Refuses a gateway whose configuration cannot be read: nothing of it could be changed.
pub(super) fn readable(held: &mut Inventory) -> Result<(), Error> {
    match held.take_unread_config() {
        None => Ok(()),
        Some(Unread { path, why: Why::Format(error), .. }) => Err(connect::Error::Format(error, path).into()),
        Some(unread) => Err(Error::Unreadable(Box::new(unread))),
    }
}

/// Refuses a gateway of which something cannot be read: what is not known cannot be given back.
pub(super) fn complete(held: &mut Inventory) -> Result<(), Error> {
    readable(held)?;
    held.take_not_read().map_or(Ok(()), |unread| Err(Error::Unreadable(Box::new(unread))))
}

/// Refuses a gateway with databases that has yet to take files of profiles into them.
pub(super) fn migrated(context: &Context, vault: &Vault<'_>, held: &Inventory) -> Result<(), Error> {
    let connection = Connection::load(context.local.root(), &vault.vault_id)?;
    let gone = connection.map(|connection| connection.dangling()).unwrap_or_default();
    if !gone.is_empty() {
        return Err(connect::Error::ViewsGone(gone).into());
    }
    match held.unmigrated.as_slice() {
        [] => Ok(()),
        files => Err(connect::Error::Unmigrated(files.to_vec()).into()),
    }
}

/// Has the gateway of these settings ask for its secrets again. The reason of a refusal is left out: without a vault it
/// cannot be searched for secrets.
///
/// # Errors
/// No program, a configuration that cannot be read.
pub fn reload(settings: &Settings) -> Result<connect::Reload, Error> {
    let program = Program::find(settings)?;
    let version = program.installed().version;
    Ok(connect::reload(&program, port(settings, version)?, None)?)
}

/// Where the gateway listens.
pub(super) fn port(settings: &Settings, version: Version) -> Result<u16, Error> {
    let config = gateway::configuration(settings)?;
    Ok(gateway::port(settings, config.as_ref().map(|config| &config.tree), version))
}

/// Refuses to replace what the gateway has written meanwhile.
pub(super) fn unchanged(plan: &Plan) -> Result<(), Error> {
    if plan.changed.is_empty() { Ok(()) } else { Err(connect::Error::PutBack(plan.changed.clone()).into()) }
}

/// One vault, one gateway: the secrets of one are not written to another.
///
/// # Errors
/// [`connect::Error::Another`].
pub fn bound(context: &Context, vault: &Vault<'_>, state_dir: &Path) -> Result<(), Error> {
    let connection = Connection::load(context.local.root(), &vault.vault_id)?;
    match connection.filter(|connection| !connection.is_of(state_dir)) {
        Some(other) => Err(connect::Error::Another(other.state_dir).into()),
        None => Ok(()),
    }
}
