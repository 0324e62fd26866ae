//! Which files of a gateway hold credentials, and their bytes.

use super::super::config::Configuration;
use super::super::{Error, Settings, resolve, sqlite};
use super::agents::{self, agent_of};
use super::{Unread, Why};
use crate::formats;
use crate::formats::openclaw_config::{self, Config};
use crate::fsio;
use crate::gateway::service_files;
use crate::model::Scope;
use crate::secret::SecretBuf;
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of the configuration file, newest first.
pub(super) const CONFIG_NAMES: [&str; 2] = ["openclaw.json", "clawdbot.json"];

/// What kind of file, or row of a database, holds credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The store in a SQLite database: an agent's, or the shared one of current gateways.
    Store(Scope),
    /// Order and usage beside it.
    State(Scope),
    /// A shared store that the gateway does not use: not taken over, or given back.
    UnusedStore,
    /// The gateway's own store of secrets, as a JSON object of names and values.
    Secrets,
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
    /// A `.env` beside the configuration, somebody else's.
    Beside,
    /// A unit of the gateway's service, a drop-in of it, or a file of variables that it reads.
    Service,
}

impl Shape {
    /// The table and the row, where it is one.
    pub fn row(&self) -> Option<&'static str> {
        Some(match self {
            Self::Store(scope) if scope.is_agent() => "auth_profile_store/primary",
            Self::State(scope) if scope.is_agent() => "auth_profile_state/primary",
            Self::Store(_) | Self::UnusedStore => "config_machine_state/authProfiles.store",
            Self::State(_) => "config_machine_state/authProfiles.state",
            Self::Secrets => "secret_store_entries",
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

/// The files of a gateway, read.
#[derive(Default)]
pub struct Files {
    /// Everything but the configuration, in the order in which the gateway prefers it: databases first.
    pub found: Vec<Found>,
    /// The configuration.
    pub config: Option<Configuration>,
    /// Where it is, or would be.
    pub config_path: PathBuf,
    /// Files at its usual places that the gateway does not read.
    pub unused_configs: Vec<(PathBuf, Config)>,
    /// Where each agent has its files.
    pub agents: BTreeMap<Scope, PathBuf>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// The vault of the command that looks.
    pub vault: Option<PathBuf>,
}

impl Files {
    /// Reads everything with credentials of the gateway with these settings.
    ///
    /// # Errors
    /// No state directory, or one of another user.
    pub fn find(settings: &Settings) -> Result<Self, Error> {
        let dir = resolve(settings)?;
        check_owner(&dir)?;
        let mut files = Self { vault: settings.vault.clone(), ..Self::default() };
        files.config = files.configuration(settings, &dir)?;
        let mut seen = BTreeSet::new();
        for path in CONFIG_NAMES.iter().map(|name| dir.join(name)).filter(|path| *path != files.config_path) {
            let bytes = fsio::read_trusted(&path, formats::MAX_INPUT).ok();
            let read = bytes.and_then(|bytes| openclaw_config::parse(bytes.expose()).ok());
            files.unused_configs.extend(read.map(|read| (path, read)));
        }
        files.agents = agents::all(&dir, settings, files.config.as_ref(), &mut files.unread)?;
        let shared = dir.join("state").join(sqlite::SHARED_NAME);
        files.database(&shared, || sqlite::shared(&shared));
        for (agent, agent_dir) in files.agents.clone() {
            let path = agent_dir.join(sqlite::AGENT_NAME);
            if is_new(&mut seen, &path) {
                files.database(&path, || sqlite::of_agent(agent, &path));
            }
        }
        for (agent, agent_dir) in files.agents.clone() {
            for (shape, name) in [
                (Shape::AuthProfiles(agent.clone()), "auth-profiles.json"),
                (Shape::AuthState(agent.clone()), "auth-state.json"),
                (Shape::AuthJson(agent), "auth.json"),
            ] {
                let path = agent_dir.join(name);
                if is_new(&mut seen, &path) {
                    files.file(shape, path);
                }
            }
        }
        let oauth_dir = settings.path(settings.oauth_dir.as_ref())?.unwrap_or_else(|| dir.join("credentials"));
        files.file(Shape::LegacyOauth, oauth_dir.join("oauth.json"));
        for path in files.env_files(settings, &dir)?.into_iter().filter(|path| is_new(&mut seen, path)) {
            files.file(Shape::Dotenv, path);
        }
        // The gateway looks into one beside its configuration when it audits, and uses nothing of it.
        let config = files.config.as_ref().and_then(Configuration::main);
        let beside = config.and_then(|document| document.path.parent()).map(|dir| dir.join(".env"));
        for path in beside.into_iter().filter(|path| is_new(&mut seen, path)) {
            files.file(Shape::Beside, path);
        }
        let is_usual = |home: &&Path| {
            settings.option.is_none() || fsio::real_or_same(&home.join(".openclaw")) == fsio::real_or_same(&dir)
        };
        let home = settings.home.as_deref().filter(is_usual);
        let services = home.map(service_files).unwrap_or_default();
        for path in services.untold {
            let why = Why::File(fsio::Error::Kind(path.clone()));
            files.unread.push(Unread { path, row: None, why });
        }
        for path in [dir.join("gateway.systemd.env")].into_iter().chain(services.found) {
            if is_new(&mut seen, &path) {
                files.file(Shape::Service, path);
            }
        }
        Ok(files)
    }

    /// Reads one file. Its name and place say what kind it is; a database may give several rows. A file that the
    /// configuration of the gateway with these settings includes is read as that part of it.
    ///
    /// # Errors
    /// Nothing there; another user's; not a kind that is known, or a database without credentials ([`Error::Empty`]);
    /// [`Error::Database`].
    pub fn open(path: &Path, agent: Option<&Scope>, settings: &Settings) -> Result<Self, Error> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let agent = agent.cloned().or_else(|| agent_of(path)).unwrap_or_else(Scope::main);
        if let Some(found) = sqlite::open(path, &agent)? {
            return if found.is_empty() {
                Err(Error::Empty(path.to_owned()))
            } else {
                Ok(Self { found, ..Self::default() })
            };
        }
        let shape = match name {
            "auth-profiles.json" => Shape::AuthProfiles(agent),
            "auth-state.json" => Shape::AuthState(agent),
            "auth.json" => Shape::AuthJson(agent),
            "oauth.json" => Shape::LegacyOauth,
            name if name == ".env" || name.ends_with(".env") => Shape::Dotenv,
            name if CONFIG_NAMES.contains(&name) => return Self::open_config(path),
            _ => return Self::open_included(path, settings),
        };
        let bytes = fsio::read_own(path, formats::MAX_INPUT)?;
        Ok(Self { found: vec![Found { shape, path: path.to_owned(), bytes }], ..Self::default() })
    }

    fn open_config(path: &Path) -> Result<Self, Error> {
        let bytes = fsio::read_trusted(path, formats::MAX_INPUT)?;
        let mut files = Self::default();
        let failed = |error| Error::Format(error, path.to_owned());
        files.config = Some(Configuration::load(path, bytes, &mut files.unread).map_err(failed)?);
        Ok(files)
    }

    fn open_included(path: &Path, settings: &Settings) -> Result<Self, Error> {
        let empty = || Error::Empty(path.to_owned());
        fsio::read_trusted(path, formats::MAX_INPUT)?;
        let real = path.canonicalize().map_err(|error| fsio::Error::io("look at", path, error))?;
        let mut files = Self::default();
        let config = files.configuration(settings, &resolve(settings)?)?.ok_or_else(empty)?;
        let is_it = |file: &Path| file.canonicalize().is_ok_and(|file| file == real);
        let documents: Vec<_> = config.documents.into_iter().filter(|document| is_it(&document.path)).collect();
        let tree = documents.first().map(|document| document.tree().clone()).ok_or_else(empty)?;
        Ok(Self { config: Some(Configuration { documents, tree }), ..Self::default() })
    }

    fn configuration(&mut self, settings: &Settings, dir: &Path) -> Result<Option<Configuration>, Error> {
        let paths = config_paths(settings, dir)?;
        self.config_path = paths.first().cloned().unwrap_or_default();
        for path in paths {
            let read = match fsio::read_trusted(&path, formats::MAX_INPUT) {
                Ok(bytes) => Configuration::load(&path, bytes, &mut self.unread).map_err(Why::Format),
                Err(error) if error.is_not_found() => continue,
                Err(error) => Err(Why::File(error)),
            };
            // The first that is there is the configuration, even if it cannot be read.
            self.config_path.clone_from(&path);
            return match read {
                Ok(config) => Ok(Some(config)),
                Err(why) => {
                    self.unread.push(Unread { path, row: None, why });
                    Ok(None)
                }
            };
        }
        Ok(None)
    }

    /// Files of variables: of the state directory, of the user's services.
    fn env_files(&self, settings: &Settings, dir: &Path) -> Result<Vec<PathBuf>, Error> {
        let mut paths = vec![dir.join(".env")];
        let usual = settings.home.as_ref().map(|home| home.join(".openclaw"));
        if settings.option.is_none() && usual.as_deref() == Some(dir) {
            paths.extend(settings.home.as_ref().map(|home| home.join(".config/openclaw/gateway.env")));
        }
        Ok(paths)
    }

    fn file(&mut self, shape: Shape, path: PathBuf) {
        match fsio::read_own(&path, formats::MAX_INPUT) {
            Ok(bytes) => self.found.push(Found { shape, path, bytes }),
            Err(error) if error.is_not_found() => {}
            Err(error) => self.unread.push(Unread { path, row: None, why: Why::File(error) }),
        }
    }

    fn database(&mut self, path: &Path, read: impl FnOnce() -> Result<Vec<Found>, Error>) {
        let (path, why) = match read() {
            Ok(found) => return self.found.extend(found),
            Err(Error::Database(path, fault)) => (path, Why::Database(fault)),
            Err(Error::File(error)) => (path.to_owned(), Why::File(error)),
            Err(_) => return,
        };
        self.unread.push(Unread { path, row: None, why });
    }
}

/// Whether a file is seen for the first time, by whatever name: two agents may share one through a link, and it holds
/// what it holds once.
fn is_new(seen: &mut BTreeSet<PathBuf>, path: &Path) -> bool {
    seen.insert(fsio::real_or_same(path))
}

/// Where the configuration may be.
fn config_paths(settings: &Settings, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let named = settings.path(settings.config_path.as_ref())?.filter(|_| settings.option.is_none());
    Ok(named.map_or_else(|| CONFIG_NAMES.iter().map(|name| dir.join(name)).collect(), |path| vec![path]))
}

/// The configuration of the gateway with these settings, if it can be read.
///
/// # Errors
/// No home directory.
pub fn configuration(settings: &Settings) -> Result<Option<Configuration>, Error> {
    Files::default().configuration(settings, &resolve(settings)?)
}

/// The files in which the gateway keeps OAuth credentials itself.
///
/// # Errors
/// As [`resolve`].
pub fn own_stores(settings: &Settings) -> Result<Vec<PathBuf>, Error> {
    let databases = |path: PathBuf| ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", path.display())));
    let mut files: Vec<PathBuf> = databases(resolve(settings)?.join("state").join(sqlite::SHARED_NAME)).into();
    for agent in agents::agent_dirs(settings)?.into_values() {
        files.push(agent.join("auth-profiles.json"));
        files.extend(databases(agent.join(sqlite::AGENT_NAME)));
    }
    Ok(files)
}

/// One gateway, one uid: what belongs to another user is refused.
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
