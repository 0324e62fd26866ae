//! The terms of a connection: what the gateway keeps, which key opens the vault, and which side of a conflict wins.

use super::super::args::{Connect, OnConflict};
use super::super::context::Context;
use super::super::{Error, import, words};
use super::Way;
use crate::fsio::Lock;
use crate::gateway::Inventory;
use crate::model::{Renames, Vault};
use crate::ops::connect::{self, Connection, Keep};
use crate::ops::exported::Unchanged;

impl Way {
    pub(super) fn on_conflict(&self) -> crate::ops::import::OnConflict {
        import::on_conflict(self.options.on_conflict.unwrap_or(OnConflict::Fail))
    }

    /// The gateway's values that the vault has already, or had before.
    pub(super) fn known(&self, context: &Context, vault: &Vault<'_>, held: &Inventory) -> Result<Unchanged, Error> {
        let connection = Connection::load(context.local.root(), &vault.vault_id)?.unwrap_or_default();
        let own_oauth = self.version.era().has_stores();
        let renames = self.renames(&connection, vault)?;
        Ok(Unchanged { own_oauth, renames, ..connection.compare_orders(vault, held) })
    }

    /// The renames of entries that the gateway asks for. If a renamed entry's old name now belongs to another entry,
    /// `--on-conflict` decides which of the two the gateway's reference leads to.
    ///
    /// # Errors
    /// [`connect::Error::Torn`] if `--on-conflict` is `fail`, the default; [`connect::Error::Untraced`] unless it is
    /// `replace`.
    pub(super) fn renames(&self, connection: &Connection, vault: &Vault<'_>) -> Result<Renames, Error> {
        let renames = connection.renames(vault);
        let torn: Vec<String> = renames.torn(&connection.refs).map(|(old, now)| format!("{old} (now {now})")).collect();
        match self.options.on_conflict.unwrap_or(OnConflict::Fail) {
            OnConflict::Fail | OnConflict::Keep if renames.is_untraced() && !connection.refs.is_empty() => {
                Err(connect::Error::Untraced.into())
            }
            OnConflict::Fail if !torn.is_empty() => Err(connect::Error::Torn(torn).into()),
            OnConflict::Replace => Ok(renames.by_name()),
            OnConflict::Fail | OnConflict::Keep => Ok(renames),
        }
    }

    /// The options with which the gateway opens the vault. A command that only hands over a change leaves them
    /// unchanged, since the key given to that command need not be the gateway's.
    pub(super) fn key(&self, context: &Context, held: &Inventory) -> Result<Vec<String>, Error> {
        let configured = held.resolver().map(|args| {
            let pairs = args.iter().zip(args.iter().skip(1));
            let key = |name: &str| ["-i", "--passphrase-file", "--session"].contains(&name);
            pairs.filter(|(name, _)| key(name)).flat_map(|(name, value)| [name.clone(), value.clone()]).collect()
        });
        let Some(configured) = configured else { return context.unattended_key() };
        if self.again {
            return Ok(configured);
        }
        let key: Vec<String> = context.unattended_key()?;
        if key != configured {
            let shown = |key: &[String]| match key {
                [] => "a credential of its service".to_owned(),
                key => words::plain(&key.join(" ")),
            };
            context.out.warn(&format!(
                "note: the gateway opens the vault with {} from now on; before it was {}",
                shown(&key),
                shown(&configured)
            ));
        }
        Ok(key)
    }

    /// Locks the gateway's connection for the whole run of a command.
    pub(super) fn lock(&self, context: &Context) -> Result<Lock, Error> {
        Ok(Connection::lock(context.local.root(), &self.state_dir, context.patience())?)
    }

    /// The kinds of secrets that stay in the gateway's own files.
    pub(super) fn keep(&self, context: &Context, vault: &Vault<'_>) -> Result<Keep, Error> {
        // A `--keep-...` option stays in effect until the connection is undone.
        let before = Connection::load(context.local.root(), &vault.vault_id)?.unwrap_or_default().keep;
        let Connect { keep_gateway_token, keep_env, keep_mcp, keep_oauth, .. } = self.options;
        Ok(Keep {
            gateway_token: before.gateway_token || keep_gateway_token,
            dotenv: before.dotenv || keep_env,
            commands: before.commands || keep_mcp,
            oauth: before.oauth || keep_oauth,
        })
    }
}
