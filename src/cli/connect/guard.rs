//! What must hold before anything of a gateway is changed, and how it is told afterwards.

use super::super::Error;
use super::super::context::Context;
use crate::gateway::{self, Inventory, Program, Settings, Unread, Version, Why};
use crate::model::Vault;
use crate::ops::connect::{self, Connection, Plan};
use std::path::Path;

fn named(path: &Path) -> bool {
    ["openclaw.json", "clawdbot.json"].iter().any(|name| path.ends_with(name))
}

/// Refuses a gateway whose configuration cannot be read: nothing of it could be changed.
pub(super) fn readable(held: &Inventory) -> Result<(), Error> {
    let is_config = |one: &&Unread| held.config.is_none() && (one.path == held.config_path || named(&one.path));
    match held.unread.iter().find(is_config) {
        None => Ok(()),
        Some(Unread { path, why: Why::Format(error), .. }) => {
            Err(connect::Error::Format(error.clone(), path.clone()).into())
        }
        Some(Unread { path, .. }) => {
            crate::fsio::read_trusted(path, crate::formats::MAX_INPUT)?;
            Ok(())
        }
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
    let held = Inventory::read(settings, Some(version.era()))?;
    Ok(connect::reload(&program, port(settings, &held, version), None)?)
}

/// Where the gateway listens.
pub(super) fn port(settings: &Settings, held: &Inventory, version: Version) -> u16 {
    gateway::port(settings, held.config.as_ref().map(|config| &config.tree), version)
}

/// Refuses to replace what the gateway has written meanwhile.
pub(super) fn unchanged(plan: &Plan) -> Result<(), Error> {
    if plan.changed.is_empty() { Ok(()) } else { Err(connect::Error::PutBack(plan.changed.clone()).into()) }
}

/// One vault, one gateway: the secrets of one are not written to another.
pub(super) fn bound(context: &Context, vault: &Vault<'_>, state_dir: &Path) -> Result<(), Error> {
    let connection = Connection::load(context.local.root(), &vault.vault_id)?;
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match connection.filter(|connection| real(&connection.state_dir) != real(state_dir)) {
        Some(other) => Err(connect::Error::Another(other.state_dir).into()),
        None => Ok(()),
    }
}
