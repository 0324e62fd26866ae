//! Where each agent of a gateway has its files.

use super::super::config::Configuration;
use super::super::{Error, Settings, resolve};
use super::files::configuration;
use super::{Unread, Why};
use crate::formats::openclaw_config;
use crate::model::Scope;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The agent in `.../agents/<id>/agent/<file>`.
pub(super) fn agent_of(path: &Path) -> Option<Scope> {
    let dir = path.parent()?.parent()?;
    let agents = dir.parent()?.file_name()?;
    (agents == "agents").then(|| Scope::parse(dir.file_name()?.to_str()?).ok()).flatten()
}

/// The directories of the agents: those of the state directory, and where the configuration or the environment has
/// them instead.
pub(super) fn all(
    dir: &Path,
    settings: &Settings,
    config: Option<&Configuration>,
    unread: &mut Vec<Unread>,
) -> Result<BTreeMap<Scope, PathBuf>, Error> {
    let root = dir.join("agents");
    let entries = std::fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
    let agent = |path: PathBuf| {
        let scope = Scope::parse(path.file_name()?.to_str()?).ok().filter(Scope::is_agent)?;
        path.is_dir().then(|| (scope, path.join("agent")))
    };
    let mut agents: BTreeMap<Scope, PathBuf> = entries.filter_map(agent).collect();
    for (scope, path) in config.map(|config| moved(&config.tree)).unwrap_or_default() {
        match settings.path(Some(&path))? {
            Some(path) if path.is_absolute() => _ = agents.insert(scope, path),
            // From where the gateway is started is not known here.
            Some(path) => unread.push(Unread { path, row: None, why: Why::Relative }),
            None => {}
        }
    }
    let main = settings.path(settings.agent_dir.as_ref())?.filter(|_| settings.option.is_none());
    agents.extend(main.map(|path| (Scope::main(), path)));
    Ok(agents)
}

/// The agents to which the configuration gives a directory.
fn moved(tree: &Value) -> Vec<(Scope, String)> {
    let list = openclaw_config::at(tree, &["agents", "list"].map(str::to_owned));
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let listed = list.filter_map(|agent| Some((agent.get("id")?.as_str()?, agent.get("agentDir")?.as_str()?)));
    let entries = openclaw_config::at(tree, &["agents", "entries"].map(str::to_owned));
    let entries = entries.and_then(Value::as_object).into_iter().flatten();
    let named = entries.filter_map(|(name, agent)| Some((name.as_str(), agent.get("agentDir")?.as_str()?)));
    let agent = |(name, path): (&str, &str)| Some((agent_id(name)?, path.to_owned()));
    listed.chain(named).filter_map(agent).collect()
}

/// The id that the gateway makes of the name of an agent: lower case, a hyphen for whatever else it has.
fn agent_id(name: &str) -> Option<Scope> {
    let plain = |character: char| if character.is_ascii_alphanumeric() || character == '_' { character } else { '-' };
    let id: String = name.trim().to_lowercase().chars().map(plain).collect();
    Scope::parse(id.trim_matches('-')).ok().filter(Scope::is_agent)
}

/// Where each agent has its files.
///
/// # Errors
/// As [`resolve`].
pub fn agent_dirs(settings: &Settings) -> Result<BTreeMap<Scope, PathBuf>, Error> {
    all(&resolve(settings)?, settings, configuration(settings)?.as_ref(), &mut Vec::new())
}

/// The agents that have a directory.
///
/// # Errors
/// As [`resolve`].
pub fn agent_ids(settings: &Settings) -> Result<BTreeSet<Scope>, Error> {
    Ok(agent_dirs(settings)?.into_keys().collect())
}
