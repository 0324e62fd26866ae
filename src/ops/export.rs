//! The vault's secrets as files that a gateway reads (DESIGN F6, F12): all or none.

use crate::formats::auth_profiles::{self, Carried};
use crate::formats::dotenv;
use crate::fsio;
use crate::model::{self, EnvName, Scope, SecretId, Vault};
use crate::secret::{Secret, SecretBuf};
use crate::store::Lineage;
use crate::views::{
    Carry, Changes, Error, Key, Kind, Ledger, New, Seen, Stay, Target, Verdict, check_unchanged, replace,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which kinds of views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// All of them.
    Everything,
    /// `auth-profiles.json`.
    AuthProfiles,
    /// `.env`.
    Env,
}

/// Whether a place that is not safe is used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// It is refused.
    Refuse,
    /// The caller insists.
    Waive,
}

/// What is to be exported, and where to.
#[derive(Debug)]
pub struct Request<'r> {
    /// The target directory; made if it is missing.
    pub dir: &'r Path,
    /// Only the profiles of this agent. Env entries belong to none and are not affected.
    pub agent: Option<Scope>,
    /// Which kinds of views.
    pub only: Only,
    /// Plaintext outside memory.
    pub disk: Guard,
    /// A directory whose gateway keeps its credentials in a database.
    pub store: Guard,
    /// Views that the gateway changed, and files of others.
    pub changes: Changes,
    /// How long the views stay.
    pub stay: Stay,
    /// Root of local state.
    pub local: &'r Path,
    /// How long to wait for others that write views of this vault.
    pub patience: Duration,
}

/// What was done, in names and paths.
#[derive(Debug, Default)]
pub struct Report {
    /// The target directory, by its real path.
    pub dir: PathBuf,
    /// The views that are in place now.
    pub written: Vec<Written>,
    /// Views that were removed, since the vault has nothing for them any more.
    pub removed: Vec<PathBuf>,
    /// Scopes that no file can show: the shared store of newer gateways.
    pub skipped: Vec<String>,
}

/// One view.
#[derive(Debug)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// The secrets in it.
    pub ids: Vec<String>,
}

/// Writes the views of `vault` and removes those that it has nothing for any more. Nothing
/// has changed when this fails before the first file got its name.
///
/// # Errors
/// [`Error::OnDisk`], [`Error::HoldsStore`], [`Error::Changed`], [`Error::NotOurs`],
/// [`Error::Unrepresentable`], [`Error::NoAgent`]; a place that is not ours alone.
pub fn export(vault: &Vault<'_>, request: &Request<'_>) -> Result<Report, Error> {
    let target = Target::resolve(request.dir)?;
    let mut report = Report { dir: target.path().to_owned(), ..Report::default() };
    let mut ledger = Ledger::load(request.local, &vault.vault_id, request.patience)?;
    let mut carry = Carry::load(request.local, &vault.vault_id)?;
    let key = Key::of(vault)?;
    let kinds = select(vault, request, &mut report.skipped);
    let known = ledger.place(target.path()).into_iter().flat_map(|place| place.views.keys());
    let stale: Vec<Kind> = known.filter(|kind| asked(kind, request) && !kinds.contains(kind)).cloned().collect();
    if let (Some(agent), Only::Everything | Only::AuthProfiles) = (&request.agent, request.only)
        && agent.is_agent()
        && !kinds.iter().chain(&stale).any(|kind| *kind == Kind::AuthProfiles(agent.clone()))
    {
        return Err(Error::NoAgent(agent.as_str().to_owned()));
    }
    check_tokens(vault, &kinds)?;
    check_place(&target, &kinds, request)?;

    let look = |kind| Seen::look(&target, &ledger, &key, kind);
    let found = kinds.into_iter().map(look).collect::<Result<Vec<_>, _>>()?;
    let stale = stale.into_iter().map(look).collect::<Result<Vec<_>, _>>()?;
    found.iter().chain(&stale).for_each(|seen| carry.keep_from(seen));
    let render = |seen: Seen| {
        let bytes = render(vault, seen.kind(), &carry.of(seen.kind()))?;
        let ids = ids(vault, seen.kind());
        report.written.push(Written { path: seen.path().to_owned(), ids });
        New::of(&key, seen, bytes)
    };
    let new = found.into_iter().map(render).collect::<Result<Vec<_>, _>>()?;
    check_unchanged(new.iter().map(New::judged).chain(stale.iter().map(|seen| (seen, None))), request.changes)?;
    replace(&mut ledger, &mut carry, &target, &new, &stale, request.changes, request.stay)?;
    let there = stale.iter().filter(|seen| *seen.verdict() != Verdict::Gone);
    report.removed = there.map(|seen| seen.path().to_owned()).collect();
    Ok(report)
}

/// Whether the request is about views of this kind at all.
fn asked(kind: &Kind, request: &Request<'_>) -> bool {
    match (kind, request.only) {
        (Kind::AuthProfiles(scope), Only::Everything | Only::AuthProfiles) => {
            request.agent.as_ref().is_none_or(|agent| agent == scope)
        }
        (Kind::Env, Only::Everything | Only::Env) => true,
        _ => false,
    }
}

/// The views that the vault has something for.
fn select(vault: &Vault<'_>, request: &Request<'_>, skipped: &mut Vec<String>) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (name, entries) in &vault.scopes {
        if entries.profiles.is_empty() && entries.order.is_empty() {
            continue;
        }
        // Only what is exactly the name of an agent becomes part of a path.
        match Scope::parse(name) {
            Ok(scope) if scope.is_agent() && scope.as_str() == name => kinds.push(Kind::AuthProfiles(scope)),
            _ if request.only != Only::Env => skipped.push(name.clone()),
            _ => {}
        }
    }
    if !vault.env.is_empty() {
        kinds.push(Kind::Env);
    }
    kinds.retain(|kind| asked(kind, request));
    kinds
}

/// No view brings back a refresh token that was superseded (F11). No save of ours leaves one in
/// a vault; a merge by other tools could.
fn check_tokens(vault: &Vault<'_>, kinds: &[Kind]) -> Result<(), Error> {
    let lineage = Lineage::of(vault)?;
    let shown =
        |id: &SecretId| matches!(id, SecretId::Auth(scope, _) if kinds.contains(&Kind::AuthProfiles(scope.clone())));
    let is_superseded = |id: &SecretId| vault.get(id).is_some_and(|raw| lineage.is_superseded(id, raw));
    let superseded = vault.ids().filter(shown).filter(is_superseded).map(|id| id.to_string());
    let superseded: Vec<String> = if lineage.is_empty() { Vec::new() } else { superseded.collect() };
    if superseded.is_empty() { Ok(()) } else { Err(Error::Superseded(superseded)) }
}

fn check_place(target: &Target, kinds: &[Kind], request: &Request<'_>) -> Result<(), Error> {
    if request.store == Guard::Refuse
        && let Some(store) = store_in(target.path())
    {
        return Err(Error::HoldsStore(store));
    }
    if request.disk == Guard::Refuse {
        for kind in kinds {
            let nearest = target.nearest(kind);
            if !fsio::in_memory(&nearest)? {
                return Err(Error::OnDisk(nearest));
            }
        }
    }
    Ok(())
}

/// The database in which the gateway of this state directory keeps its credentials, if any:
/// it would ignore the files, or take them in as plaintext.
fn store_in(dir: &Path) -> Option<PathBuf> {
    let agents = std::fs::read_dir(dir.join("agents")).into_iter().flatten().flatten();
    let stores = agents.map(|agent| agent.path().join("agent/openclaw-agent.sqlite"));
    let mut stores = stores.chain([dir.join("state/openclaw.sqlite")]);
    stores.find(|store| std::fs::symlink_metadata(store).is_ok())
}

/// What the vault has for a view.
pub(super) fn render(vault: &Vault<'_>, kind: &Kind, carried: &Carried) -> Result<SecretBuf, Error> {
    match kind {
        Kind::AuthProfiles(scope) => {
            let missing = || Error::NoAgent(scope.as_str().to_owned());
            let entries = vault.scopes.get(scope.as_str()).ok_or_else(missing)?;
            Ok(auth_profiles::render(&entries.profiles, &entries.order, carried)?)
        }
        Kind::Env => {
            let value = |raw: &str| serde_json::from_str(raw).map(Secret::new).map_err(model::Error::from);
            let values = vault.env.iter().map(|(name, raw)| Ok((name, value(raw.get())?)));
            let values = values.collect::<Result<Vec<_>, Error>>()?;
            let entries: Vec<(&str, &Secret)> = values.iter().map(|(name, value)| (*name, value)).collect();
            Ok(dotenv::render(&entries)?)
        }
    }
}

fn ids(vault: &Vault<'_>, kind: &Kind) -> Vec<String> {
    let ids = |id: SecretId| id.to_string();
    match kind {
        Kind::AuthProfiles(scope) => {
            let profiles = vault.scopes.get(scope.as_str()).into_iter().flat_map(|entries| entries.profiles.iter());
            profiles.filter_map(|(profile, _)| SecretId::auth(scope.clone(), profile).ok()).map(ids).collect()
        }
        Kind::Env => {
            let names = vault.env.iter().filter_map(|(name, _)| EnvName::parse(name).ok());
            names.map(SecretId::Env).map(ids).collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
pub(super) mod tests;
