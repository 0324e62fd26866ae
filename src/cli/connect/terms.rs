//! On what terms a gateway is connected: what it keeps, by which key it opens the vault, whose value counts.

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

    /// Which values of the gateway the vault has already, or had before.
    pub(super) fn known(&self, context: &Context, vault: &Vault<'_>, held: &Inventory) -> Result<Unchanged, Error> {
        let connection = Connection::load(context.local.root(), &vault.vault_id)?.unwrap_or_default();
        let own_oauth = self.version.era().has_stores();
        let renames = self.renames(&connection, vault)?;
        Ok(Unchanged { own_oauth, renames, ..connection.compare_orders(vault, held) })
    }

    /// What became of the entries that the gateway asks for. Where a name of one is another entry's now, it keeps its
    /// secret or takes the other one, as is chosen.
    ///
    /// # Errors
    /// [`connect::Error::Torn`] if nothing is chosen.
    pub(super) fn renames(&self, connection: &Connection, vault: &Vault<'_>) -> Result<Renames, Error> {
        let renames = connection.renames(vault);
        let torn: Vec<String> = renames.torn(&connection.refs).map(|(old, now)| format!("{old} (now {now})")).collect();
        match self.options.on_conflict.unwrap_or(OnConflict::Fail) {
            OnConflict::Fail if !torn.is_empty() => Err(connect::Error::Torn(torn).into()),
            OnConflict::Replace => Ok(renames.by_name()),
            OnConflict::Fail | OnConflict::Keep => Ok(renames),
        }
    }

    /// The options by which the gateway opens the vault. A command that only hands a change over leaves them as they
    /// are: the key that it was given itself need not be the gateway's.
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

    /// One command at a time, from the first look to the end.
    pub(super) fn lock(&self, context: &Context) -> Result<Lock, Error> {
        Ok(Connection::lock(context.local.root(), &self.state_dir, context.patience())?)
    }

    /// What stays in the gateway's own files.
    pub(super) fn keep(&self, context: &Context, vault: &Vault<'_>) -> Result<Keep, Error> {
        // What was asked to stay stays until the connection is undone.
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
