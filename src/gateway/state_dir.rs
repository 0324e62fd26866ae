//! The one place that resolves the state directory as the gateway does, and lists the files
//! in it that hold credentials.

use super::{Error, sqlite};
use crate::fsio;
use crate::model::Scope;
use crate::secret::SecretBuf;
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of the directory in earlier releases, tried when the current one is not there.
const OLD_STATE: &str = ".clawdbot";
/// Names of the configuration file, newest first.
const CONFIG_NAMES: [&str; 2] = ["openclaw.json", "clawdbot.json"];

/// What the gateway's environment and ours say about its state; values as they were set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Our own `--state-dir`.
    pub option: Option<PathBuf>,
    /// `OPENCLAW_STATE_DIR`.
    pub state_dir: Option<String>,
    /// `OPENCLAW_HOME`.
    pub openclaw_home: Option<String>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `OPENCLAW_PROFILE`.
    pub profile: Option<String>,
    /// `OPENCLAW_GATEWAY_PORT`.
    pub port: Option<String>,
    /// `OPENCLAW_CONFIG_PATH`.
    pub config_path: Option<String>,
    /// `OPENCLAW_AGENT_DIR`, the main agent's directory.
    pub agent_dir: Option<String>,
    /// `OPENCLAW_OAUTH_DIR`.
    pub oauth_dir: Option<String>,
    /// Our own `--openclaw`.
    pub openclaw: Option<PathBuf>,
    /// The directories of `PATH`.
    pub search_path: Vec<PathBuf>,
    /// Our own `--gateway-version`.
    pub version: Option<String>,
}

impl Settings {
    fn effective_home(&self) -> Result<PathBuf, Error> {
        let given = self.openclaw_home.as_deref().map(str::trim);
        // What a shell or a script writes when it means nothing.
        let given = given.filter(|home| !["", "undefined", "null"].contains(home));
        match given {
            Some(home) => expand(home, self.home.as_deref()),
            None => self.home.clone().ok_or(Error::NoHome),
        }
    }

    fn path(&self, value: Option<&String>) -> Result<Option<PathBuf>, Error> {
        let value = value.map(|value| value.trim()).filter(|value| !value.is_empty());
        value.map(|value| expand(value, Some(&self.effective_home()?))).transpose()
    }
}

fn expand(path: &str, home: Option<&Path>) -> Result<PathBuf, Error> {
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            Ok(home.ok_or(Error::NoHome)?.join(rest.trim_start_matches('/')))
        }
        _ => Ok(PathBuf::from(path)),
    }
}

/// The state directory that the gateway with these settings uses.
///
/// # Errors
/// [`Error::NoHome`].
pub fn resolve(settings: &Settings) -> Result<PathBuf, Error> {
    if let Some(dir) = &settings.option {
        return Ok(dir.clone());
    }
    if let Some(dir) = settings.path(settings.state_dir.as_ref())? {
        return Ok(dir);
    }
    let home = settings.effective_home()?;
    let profile = settings.profile.as_deref().map(str::trim).filter(|name| !name.is_empty() && *name != "default");
    if let Some(profile) = profile {
        return Ok(home.join(format!(".openclaw-{profile}")));
    }
    let (current, old) = (home.join(".openclaw"), home.join(OLD_STATE));
    Ok(if !current.exists() && old.exists() { old } else { current })
}

/// What kind of file, or row of a database, holds credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The store in a SQLite database: an agent's, or the shared one of current gateways.
    Store(Scope),
    /// Order and usage beside it.
    State(Scope),
    /// A shared store that the gateway does not use: not taken over, or given back.
    UnusedStore,
    /// `auth-profiles.json` of an agent.
    AuthProfiles(Scope),
    /// `auth-state.json` of an agent.
    AuthState(Scope),
    /// Legacy `auth.json` of an agent.
    AuthJson(Scope),
    /// Legacy `credentials/oauth.json`.
    LegacyOauth,
    /// `.env`.
    Dotenv,
    /// `openclaw.json`.
    Config,
}

impl Shape {
    /// The table and the row, where it is one.
    pub fn row(&self) -> Option<&'static str> {
        Some(match self {
            Self::Store(scope) if scope.is_agent() => "auth_profile_store/primary",
            Self::State(scope) if scope.is_agent() => "auth_profile_state/primary",
            Self::Store(_) | Self::UnusedStore => "config_machine_state/authProfiles.store",
            Self::State(_) => "config_machine_state/authProfiles.state",
            _ => return None,
        })
    }
}

/// A file or a row with credentials.
#[derive(Debug)]
pub struct Found {
    /// What kind it is.
    pub shape: Shape,
    /// The file.
    pub path: PathBuf,
    /// The bytes of the file, or of the row.
    pub bytes: SecretBuf,
}

/// Reads one named file, its kind told by its name and place; a database may hold several rows.
///
/// # Errors
/// Nothing there; another user's; not a kind that is known, or a database without credentials
/// ([`Error::Empty`]); [`Error::Database`].
pub fn open(path: &Path, agent: Option<&Scope>) -> Result<Vec<Found>, Error> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let agent = agent.cloned().or_else(|| agent_of(path)).unwrap_or_else(Scope::main);
    if let Some(rows) = sqlite::open(path, &agent)? {
        return if rows.is_empty() { Err(Error::Empty(path.to_owned())) } else { Ok(rows) };
    }
    let shape = match name {
        "auth-profiles.json" => Shape::AuthProfiles(agent),
        "auth-state.json" => Shape::AuthState(agent),
        "auth.json" => Shape::AuthJson(agent),
        "oauth.json" => Shape::LegacyOauth,
        name if name == ".env" || name.ends_with(".env") => Shape::Dotenv,
        name if CONFIG_NAMES.contains(&name) => Shape::Config,
        _ => return Err(Error::Empty(path.to_owned())),
    };
    let file = read(shape, path)?.ok_or_else(|| fsio::Error::NotFound(path.to_owned()))?;
    Ok(vec![file])
}

/// The agent in `.../agents/<id>/agent/<file>`.
fn agent_of(path: &Path) -> Option<Scope> {
    let dir = path.parent()?.parent()?;
    let agents = dir.parent()?.file_name()?;
    (agents == "agents").then(|| Scope::parse(dir.file_name()?.to_str()?).ok()).flatten()
}

/// Reads everything with credentials in the state directory `dir`, in the order in which
/// the gateway prefers it: databases first.
///
/// # Errors
/// No directory; a file that is not ours; [`Error::Database`]; [`Error::Empty`] when there is
/// nothing.
pub fn find(dir: &Path, settings: &Settings) -> Result<Vec<Found>, Error> {
    check_owner(dir)?;
    let mut found = sqlite::stores(dir, settings)?;
    for (agent, agent_dir) in agents(dir, settings)? {
        let files = [
            (Shape::AuthProfiles(agent.clone()), "auth-profiles.json"),
            (Shape::AuthState(agent.clone()), "auth-state.json"),
            (Shape::AuthJson(agent), "auth.json"),
        ];
        for (shape, name) in files {
            found.extend(read(shape, &agent_dir.join(name))?);
        }
    }
    let oauth_dir = settings.path(settings.oauth_dir.as_ref())?.unwrap_or_else(|| dir.join("credentials"));
    found.extend(read(Shape::LegacyOauth, &oauth_dir.join("oauth.json"))?);
    found.extend(read(Shape::Dotenv, &dir.join(".env"))?);
    let named = settings.path(settings.config_path.as_ref())?.filter(|_| settings.option.is_none());
    let configs = named.map_or_else(|| CONFIG_NAMES.iter().map(|name| dir.join(name)).collect(), |path| vec![path]);
    for path in configs {
        if let Some(config) = read(Shape::Config, &path)? {
            found.push(config);
            break;
        }
    }
    if found.is_empty() { Err(Error::Empty(dir.to_owned())) } else { Ok(found) }
}

/// The directories of the agents: those of the state directory, the main one's perhaps
/// elsewhere.
pub(super) fn agents(dir: &Path, settings: &Settings) -> Result<Vec<(Scope, PathBuf)>, Error> {
    let mut agents: Vec<(Scope, PathBuf)> = Vec::new();
    let root = dir.join("agents");
    if let Ok(entries) = std::fs::read_dir(&root) {
        for entry in entries {
            let entry = entry.map_err(|error| fsio::Error::io("list", &root, error))?;
            let scope = entry.file_name().to_str().and_then(|name| Scope::parse(name).ok());
            if let Some(scope) = scope.filter(Scope::is_agent) {
                agents.push((scope, entry.path().join("agent")));
            }
        }
    }
    let main = settings.path(settings.agent_dir.as_ref())?.filter(|_| settings.option.is_none());
    if let Some(main) = main {
        agents.retain(|(scope, _)| *scope != Scope::main());
        agents.push((Scope::main(), main));
    }
    agents.sort();
    Ok(agents)
}

/// The agents that have a directory.
///
/// # Errors
/// As [`resolve`]; a directory that cannot be listed.
pub fn agent_ids(settings: &Settings) -> Result<BTreeSet<Scope>, Error> {
    Ok(agents(&resolve(settings)?, settings)?.into_iter().map(|(agent, _)| agent).collect())
}

/// Where each agent has its files.
///
/// # Errors
/// As [`agent_ids`].
pub fn agent_dirs(settings: &Settings) -> Result<BTreeMap<Scope, PathBuf>, Error> {
    Ok(agents(&resolve(settings)?, settings)?.into_iter().collect())
}

/// The files in which the gateway keeps OAuth credentials itself.
///
/// # Errors
/// As [`resolve`].
pub fn own_stores(settings: &Settings) -> Result<Vec<PathBuf>, Error> {
    let dir = resolve(settings)?;
    let databases = |path: PathBuf| ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", path.display())));
    let mut files: Vec<PathBuf> = databases(dir.join("state/openclaw.sqlite")).into();
    for (_, agent) in agents(&dir, settings)? {
        files.push(agent.join("auth-profiles.json"));
        files.extend(databases(agent.join("openclaw-agent.sqlite")));
    }
    Ok(files)
}

/// One gateway, one uid (DESIGN 1): what belongs to another user is refused.
///
/// # Errors
/// No directory; [`fsio::Error::Owner`].
pub fn check_owner(path: &Path) -> Result<(), Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOTDIR) => return Err(fsio::Error::Kind(path.to_owned()).into()),
        Err(error) => {
            // What cannot be opened belongs to another most of the time; whose it is can be seen all the same.
            let owner = rustix::fs::stat(path).map(|stat| stat.st_uid).ok().filter(|owner| *owner != fsio::own_uid());
            let failed = || fsio::Error::io("open", path, error.into());
            return Err(owner.map_or_else(failed, |owner| fsio::Error::Owner(path.to_owned(), owner)).into());
        }
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| fsio::Error::io("look at", path, error.into()))?;
    if stat.st_uid == fsio::own_uid() { Ok(()) } else { Err(fsio::Error::Owner(path.to_owned(), stat.st_uid).into()) }
}

fn read(shape: Shape, path: &Path) -> Result<Option<Found>, Error> {
    match fsio::read_own(path, crate::formats::MAX_INPUT) {
        Ok(bytes) => Ok(Some(Found { shape, path: path.to_owned(), bytes })),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_found_as_the_gateway_finds_it() {
        let settings = |change: fn(&mut Settings)| {
            let mut settings = Settings { home: Some("/home/op".into()), ..Settings::default() };
            change(&mut settings);
            resolve(&settings).expect("dir")
        };
        assert_eq!(settings(|_| {}), Path::new("/home/op/.openclaw"));
        assert_eq!(settings(|s| s.state_dir = Some(" ~/gw ".into())), Path::new("/home/op/gw"));
        assert_eq!(settings(|s| s.state_dir = Some("  ".into())), Path::new("/home/op/.openclaw"));
        assert_eq!(settings(|s| s.openclaw_home = Some("/srv".into())), Path::new("/srv/.openclaw"));
        assert_eq!(settings(|s| s.openclaw_home = Some("null".into())), Path::new("/home/op/.openclaw"));
        assert_eq!(settings(|s| s.profile = Some("work".into())), Path::new("/home/op/.openclaw-work"));
        assert_eq!(settings(|s| s.profile = Some("default".into())), Path::new("/home/op/.openclaw"));
        assert_eq!(settings(|s| s.option = Some("x".into())), Path::new("x"));
    }
}
