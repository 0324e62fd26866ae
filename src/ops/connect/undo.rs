//! The way back: the gateway has its secrets itself again.

use super::apply::{check_still, edit_config, replace};
use super::plan::agent_dir;
use super::{Connection, Error, Held};
use crate::formats::openclaw_config::{self, Step};
use crate::formats::{self, auth_profiles, dotenv, secretref};
use crate::fsio;
use crate::gateway::{Program, StoreChange};
use crate::model::{Credential, Scope, SecretId, Vault};
use crate::secret::{Secret, SecretBuf};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What was put back, and where.
#[derive(Debug, Default)]
pub struct Undone {
    /// Ids whose secrets the gateway has itself again.
    pub ids: BTreeSet<String>,
    /// Files that hold them in plaintext now.
    pub files: BTreeSet<PathBuf>,
}

/// Puts values where references to the vault are, in stores, configuration and `.env`, then takes the
/// resolver out of the configuration. `again` looks at the gateway once more. Stores come first: until the end every reference still resolves.
///
/// # Errors
/// A reference whose entry the vault has no more, before anything is changed; [`Error::NotPutBack`]; as
/// [`apply`](super::apply()).
pub fn undo(
    vault: &Vault<'_>,
    held: &Held,
    program: &Program,
    agent_dirs: &BTreeMap<Scope, PathBuf>,
    connection: Option<&Connection>,
    again: &dyn Fn() -> Result<Held, Error>,
) -> Result<Undone, Error> {
    let (mut missing, mut undone) = (Vec::new(), Undone::default());
    let stores = stores(vault, held, program, agent_dirs, &mut missing, &mut undone)?;
    let mut steps = Vec::new();
    if let Some((path, bytes)) = &held.config {
        let tree = openclaw_config::tree(bytes.expose()).map_err(|error| Error::Format(error, path.clone()))?;
        for (at, id) in openclaw_config::references(&tree) {
            match value(vault, &id) {
                Some(value) => {
                    undone.ids.insert(id.to_string());
                    steps.push(Step::Put(at, value));
                }
                None => missing.push(id.to_string()),
            }
        }
        let dropped = connection.into_iter().flat_map(|connection| &connection.dropped);
        for id in dropped.filter_map(|id| SecretId::parse(id).ok()) {
            let (name, value) = (id.to_string(), value(vault, &id));
            if let (SecretId::Config(at), Some(value)) = (id, value)
                && openclaw_config::at(&tree, &at).is_none()
            {
                undone.ids.insert(name);
                steps.push(Step::Put(at, value));
            }
        }
        undone.files.extend((!steps.is_empty()).then(|| path.clone()));
        let provider = ["secrets", "providers", secretref::ALIAS].map(str::to_owned).to_vec();
        if openclaw_config::at(&tree, &provider).is_some() {
            steps.push(Step::Remove(provider));
        }
    }
    if !missing.is_empty() {
        return Err(Error::Unresolved(missing));
    }
    if !stores.is_empty() {
        program.change_stores(&stores)?;
        // What was done is seen in the stores, and not believed.
        let left = self::stores(vault, &again()?, program, agent_dirs, &mut missing, &mut Undone::default())?;
        let names = left.iter().flat_map(|change| change.put.keys().chain(&change.remove)).cloned();
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            return Err(Error::NotPutBack(names));
        }
    }
    put_back_env(vault, held, program, connection, &mut undone)?;
    if edit_config(&steps, held, program.state_dir())? {
        undone.files.extend(follow_copies(held)?);
    }
    Ok(undone)
}

/// What the gateway `held` has no secret and no reference for: it is in the vault alone.
///
/// # Errors
/// A file of the gateway that cannot be read.
pub fn only_in_vault(vault: &Vault<'_>, held: &Held) -> Result<Vec<String>, Error> {
    let mut there: BTreeSet<String> = held.variables()?.into_keys().collect();
    let mut places = BTreeSet::new();
    if let Some((path, bytes)) = &held.config {
        let config = openclaw_config::parse(bytes.expose()).map_err(|error| Error::Format(error, path.clone()))?;
        there.extend(config.env.into_iter().map(|(name, _)| name.as_str().to_owned()));
        places.extend(config.targets.into_iter().map(|(place, _)| place));
    }
    let (main, shared) = (Scope::main(), Scope::shared());
    let has = |scope: &Scope, profile: &str| held.profile(scope, profile).is_some();
    let has_it = |id: &SecretId| match id {
        SecretId::Env(name) => there.contains(name.as_str()),
        SecretId::Config(place) => places.contains(place),
        // What belongs to the main agent may lie in the store that agents share, and the other way round.
        SecretId::Auth(scope, profile) if [&main, &shared].contains(&scope) => {
            has(&main, profile) || has(&shared, profile)
        }
        SecretId::Auth(scope, profile) => has(scope, profile),
    };
    let profiles = vault.scopes.iter().flat_map(|(scope, entries)| {
        entries.profiles.iter().filter_map(|(name, _)| SecretId::auth(Scope::parse(scope).ok()?, name).ok())
    });
    let named =
        |start: &'static str| move |(name, _): (&str, &RawValue)| SecretId::parse(&format!("{start}/{name}")).ok();
    let others = vault.env.iter().filter_map(named("env")).chain(vault.config.iter().filter_map(named("config")));
    Ok(profiles.chain(others).filter(|id| !has_it(id)).map(|id| id.to_string()).collect())
}

fn stores(
    vault: &Vault<'_>,
    held: &Held,
    program: &Program,
    agent_dirs: &BTreeMap<Scope, PathBuf>,
    missing: &mut Vec<String>,
    undone: &mut Undone,
) -> Result<Vec<StoreChange>, Error> {
    let mut changes = Vec::new();
    let in_databases = program.installed().version.era().has_stores();
    for (scope, store) in &held.stores {
        let dir = agent_dir(program.state_dir(), agent_dirs, scope);
        let (mut expect, mut put, mut remove) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (profile, raw) in &store.profiles {
            let Some(id) = auth_profiles::referred(raw) else { continue };
            expect.insert(profile.clone(), Some(raw.clone()));
            match (vault.get(&id), &id) {
                (Some(raw), SecretId::Auth(..)) => {
                    undone.ids.insert(id.to_string());
                    put.insert(profile.clone(), plain(profile, raw)?);
                }
                // Made by `connect` for a variable, which goes back into the `.env`.
                (Some(_), _) => remove.push(profile.clone()),
                (None, _) => missing.push(id.to_string()),
            }
        }
        if !put.is_empty() {
            let of_agent = if in_databases { "openclaw-agent.sqlite" } else { "auth-profiles.json" };
            let shared = || program.state_dir().join("state/openclaw.sqlite");
            undone.files.insert(dir.as_ref().map_or_else(shared, |dir| dir.join(of_agent)));
        }
        if !(put.is_empty() && remove.is_empty()) {
            changes.push(StoreChange { dir, expect, put, remove, order: BTreeMap::new() });
        }
    }
    Ok(changes)
}

/// Gives the copies that a gateway keeps of its configuration, and puts back when it finds the file much
/// smaller than before, the same content, if they refer to the vault. Which.
fn follow_copies(held: &Held) -> Result<Vec<PathBuf>, Error> {
    let mut followed = Vec::new();
    let Some((path, _)) = &held.config else { return Ok(followed) };
    let now = fsio::read_own(path, formats::MAX_INPUT)?;
    for end in [".bak", ".last-good"] {
        let copy = PathBuf::from(format!("{}{end}", path.display()));
        let refers = |bytes: &SecretBuf| {
            openclaw_config::tree(bytes.expose()).is_ok_and(|tree| !openclaw_config::references(&tree).is_empty())
        };
        if fsio::read_own(&copy, formats::MAX_INPUT).is_ok_and(|bytes| refers(&bytes)) {
            replace(&copy, &now)?;
            followed.push(copy);
        }
    }
    Ok(followed)
}

/// The value of an entry, as the gateway uses it: of a profile its key or token.
fn value(vault: &Vault<'_>, id: &SecretId) -> Option<Value> {
    let raw = vault.get(id)?;
    if let SecretId::Auth(_, profile) = id {
        let credential = Credential::parse(profile, raw).ok()?;
        let text = credential.text(credential.kind()?.secret_member()?)?;
        return Some(Value::from(text.expose()));
    }
    serde_json::from_str(raw.get()).ok()
}

/// A credential with its value and without a reference beside it.
fn plain(profile: &str, raw: &RawValue) -> Result<Box<RawValue>, Error> {
    let mut credential = Credential::parse(profile, raw)?;
    for member in ["keyRef", "tokenRef"] {
        credential.remove(member);
    }
    Ok(credential.to_raw()?)
}

/// Appends what `connect` took out of the `.env`, unless it is there again.
fn put_back_env(
    vault: &Vault<'_>,
    held: &Held,
    program: &Program,
    connection: Option<&Connection>,
    undone: &mut Undone,
) -> Result<(), Error> {
    let there = held.variables()?;
    let names =
        connection.into_iter().flat_map(|connection| &connection.dotenv).filter(|name| !there.contains_key(*name));
    let value =
        |name: &String| Some((name.clone(), Secret::new(serde_json::from_str(vault.env.get(name)?.get()).ok()?)));
    let back: Vec<(String, Secret)> = names.filter_map(value).collect();
    if back.is_empty() {
        return Ok(());
    }
    let path = held.dotenv.as_ref().map_or_else(|| program.state_dir().join(".env"), |(path, _)| path.clone());
    let entries: Vec<(&str, &Secret)> = back.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let rendered = dotenv::render(&entries).map_err(|error| Error::Format(error, path.clone()))?;
    let before = held.dotenv.as_ref().map_or(&b""[..], |(_, bytes)| bytes.expose());
    if let Some((path, bytes)) = &held.dotenv {
        check_still(path, bytes)?;
    }
    let gap: &[u8] = if before.is_empty() || before.ends_with(b"\n") { b"" } else { b"\n" };
    replace(&path, &SecretBuf::new([before, gap, rendered.expose()].concat()))?;
    undone.ids.extend(entries.iter().map(|(name, _)| format!("env/{name}")));
    undone.files.insert(path);
    Ok(())
}
