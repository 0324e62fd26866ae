//! After a change: how it gets to a gateway that is connected.

use super::connect::Way;
use super::context::{Context, Opened};
use super::{Error, words};
use crate::formats::provider;
use crate::model::{Change, SecretId, Vault};
use crate::ops::connect::Connection;
use crate::{fsio, gateway};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What has to be done that a connected gateway serves what the vault has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Another value is behind a reference that it has: it must ask again.
    Reload,
    /// A reference that it has leads to nothing.
    Gone,
    /// It has no reference yet, or something beside it has changed.
    Connect,
}

/// What follows a save.
#[derive(Default)]
pub struct Handover {
    /// `--connect`: found before anything was saved.
    way: Option<Way>,
    reach: Option<Reach>,
}

impl Handover {
    /// With `--connect`, finds the gateway's program and makes sure that it could open the vault by itself:
    /// what cannot be handed over must not be saved first.
    ///
    /// # Errors
    /// No gateway, [`Error::Unattended`].
    pub fn prepare(context: &Context, connect: bool) -> Result<Self, Error> {
        if !connect {
            return Ok(Self::default());
        }
        context.unattended_key()?;
        Ok(Self { way: Some(Way::again(context)?), reach: None })
    }

    /// Notes what `change` means to a gateway; `more` if something else than the secret of an entry changes.
    pub fn note(&mut self, context: &Context, vault: &Vault<'_>, change: &Change, more: bool) {
        let removed: BTreeSet<String> = change.removed().map(ToString::to_string).collect();
        let put: Vec<&SecretId> = change.touched().filter(|id| !removed.contains(&id.to_string())).collect();
        self.note_ids(context, &vault.vault_id, &put, &removed, more || change.reorders());
    }

    /// The same by the ids that are put and removed.
    pub fn note_ids(
        &mut self,
        context: &Context,
        vault_id: &str,
        put: &[&SecretId],
        removed: &BTreeSet<String>,
        more: bool,
    ) {
        if let Some(connection) = connection(context, vault_id) {
            self.reach = judge(&connection.refs, put, removed, more);
        }
    }

    /// The way, if `--connect` was given.
    pub fn way(&self) -> Option<&Way> {
        self.way.as_ref()
    }

    /// Hands it over, or says in one line how it gets there.
    ///
    /// # Errors
    /// As `connect`; what was saved stays saved.
    pub fn finish(self, context: &Context, opened: Opened) -> Result<(), Error> {
        if let Some(way) = self.way {
            // As it was saved, with the key that opened it.
            return way.connect(context, opened.close().open()?, &[])?.outcome();
        }
        self.tell(context);
        Ok(())
    }

    /// Says in one line how it gets there.
    pub fn tell(&self, context: &Context) {
        if let Some(reach) = self.reach {
            context.out.say(words::reach(reach));
        }
    }
}

fn judge(refs: &BTreeSet<String>, put: &[&SecretId], removed: &BTreeSet<String>, more: bool) -> Option<Reach> {
    // A variable that is no provider's reaches a gateway only under `agevault run`.
    let served = |id: &SecretId| !matches!(id, SecretId::Env(name) if provider::of_variable(name.as_str()).is_none());
    let known = |id: &SecretId| refs.contains(&id.to_string());
    if more || put.iter().any(|id| !known(id) && served(id)) {
        Some(Reach::Connect)
    } else if removed.iter().any(|id| refs.contains(id)) {
        Some(Reach::Gone)
    } else {
        put.iter().any(|id| known(id)).then_some(Reach::Reload)
    }
}

/// Refuses to take away what a connected gateway asks for.
///
/// # Errors
/// [`Error::Connected`].
pub fn refuse_connected(context: &Context, vault: &Vault<'_>, ids: &[SecretId]) -> Result<(), Error> {
    let Some(connection) = connection(context, &vault.vault_id) else { return Ok(()) };
    let asked: Vec<String> = ids.iter().map(ToString::to_string).filter(|id| connection.refs.contains(id)).collect();
    if asked.is_empty() { Ok(()) } else { Err(Error::Connected(asked)) }
}

/// Refuses to give an entry a name that a connected gateway uses for another secret.
///
/// # Errors
/// [`Error::Asked`].
pub fn refuse_asked(context: &Context, vault: &Vault<'_>, old: &SecretId, new: &SecretId) -> Result<(), Error> {
    let Some(connection) = connection(context, &vault.vault_id) else { return Ok(()) };
    let asked = new.to_string();
    let is_meant = connection.renames(vault).entry(vault, &asked).as_ref() == Some(old);
    if is_meant || !connection.refs.contains(&asked) { Ok(()) } else { Err(Error::Asked(asked)) }
}

/// What this host remembers of a gateway that is connected to this vault. A record that cannot be read
/// is told, and no reason to do nothing.
pub fn connection(context: &Context, vault_id: &str) -> Option<Connection> {
    Connection::load(context.local.root(), vault_id).unwrap_or_else(|error| {
        context.out.warn(&format!("warning: {}", words::of(&error.into()).what));
        None
    })
}

/// What follows `option` in the arguments by which a gateway calls the resolver of this vault. What of the gateway
/// cannot be read is none of the caller's business.
pub fn resolver_option(context: &Context, vault_id: &str, option: &str) -> Option<PathBuf> {
    let settings = context.settings_of(connection(context, vault_id).map(|connection| connection.state_dir));
    let args = gateway::configuration(&settings).ok()??.resolver()?;
    let after = |option: &str| args.iter().skip_while(|word| *word != option).nth(1).map(PathBuf::from);
    let is_ours = |vault: &PathBuf| fsio::real_or_same(vault) == fsio::real_or_same(context.vault_path());
    after("--vault").filter(is_ours)?;
    after(option)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_must_do_follows_from_what_it_asks_for() {
        let refs = BTreeSet::from(["auth/main/p:key".to_owned(), "env/OPENAI_API_KEY".to_owned()]);
        let reach = |put: &[&str], removed: &[&str], more| {
            let put: Vec<SecretId> = put.iter().map(|id| SecretId::parse(id).unwrap()).collect();
            let removed = removed.iter().map(|id| (*id).to_owned()).collect();
            judge(&refs, &put.iter().collect::<Vec<_>>(), &removed, more)
        };
        assert_eq!(reach(&["auth/main/p:key"], &[], false), Some(Reach::Reload));
        assert_eq!(reach(&["auth/main/p:key"], &[], true), Some(Reach::Connect));
        assert_eq!(reach(&["auth/main/p:key", "auth/other/p:key"], &[], false), Some(Reach::Connect));
        assert_eq!(reach(&["env/GITHUB_TOKEN"], &["auth/main/p:other"], false), None);
        assert_eq!(reach(&["env/GITHUB_TOKEN"], &["auth/main/p:key"], false), Some(Reach::Gone));
        assert_eq!(reach(&["env/ANTHROPIC_API_KEY"], &["auth/main/p:key"], false), Some(Reach::Connect));
        assert_eq!(reach(&[], &[], true), Some(Reach::Connect));
    }
}
