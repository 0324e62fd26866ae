//! The gateway's own program: its commands, and its code that changes its databases.

use super::{Error, Installed, Output, Settings, converse, installed, json_store, resolve};
use crate::fsio;
use crate::secret::SecretBuf;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Changes databases with the gateway's own code; see there.
const STORES: &str = include_str!("data/stores.mjs");
/// How long one run may take: a gateway that starts Node and its plugins for the first time.
const PATIENCE: Duration = Duration::from_secs(300);
/// Variables that lead a gateway away from a state directory.
const PLACES: [&str; 3] = ["OPENCLAW_CONFIG_PATH", "OPENCLAW_AGENT_DIR", "OPENCLAW_OAUTH_DIR"];

/// The gateway, ready to be run for one state directory.
#[derive(Clone, Debug)]
pub struct Program {
    installed: Installed,
    node: PathBuf,
    state_dir: PathBuf,
    named: bool,
    config: Option<String>,
    to_keys: Vec<OsString>,
}

/// Changes to one store.
#[derive(Serialize)]
pub struct StoreChange {
    /// The directory of an agent; `None` for the store that agents share.
    pub dir: Option<PathBuf>,
    /// What the profiles must still be, `None` for one that must not be there.
    pub expect: BTreeMap<String, Option<Box<RawValue>>>,
    /// Credentials to put, by profile.
    pub put: BTreeMap<String, Box<RawValue>>,
    /// Profiles to remove.
    pub remove: Vec<String>,
    /// Orders to set, by provider; `None` forgets one.
    pub order: BTreeMap<String, Option<Vec<String>>>,
}

#[derive(Serialize)]
struct Request<'r> {
    stores: &'r [StoreChange],
    compact: &'r [PathBuf],
}

#[derive(Deserialize)]
struct Answer {
    stores: Vec<Outcome>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Done,
    Changed,
    Busy,
}

impl Program {
    /// The installed gateway and the Node that runs it: the one that its wrapper names, the one beside it, or the first
    /// of the path. Shims of version managers are skipped: the name they are called by says what they run.
    ///
    /// # Errors
    /// [`Error::NoProgram`], [`Error::NoNode`]; no home directory.
    pub fn find(settings: &Settings) -> Result<Self, Error> {
        let installed = installed(settings).ok_or(Error::NoProgram)?;
        let beside = installed.program.parent().map(Path::to_owned);
        let dirs = beside.into_iter().chain(settings.search_path.iter().cloned()).filter(|dir| dir.is_absolute());
        let nodes = installed.node.iter().cloned().chain(dirs.map(|dir| dir.join("node")));
        // What is checked is what is run, wherever a link leads later.
        let node = nodes.filter_map(|node| node.canonicalize().ok()).find(|node| is_node(node)).ok_or(Error::NoNode)?;
        // All of them get to see secrets: in the stores that they change, and in the answers that they ask for.
        let run = [node.clone(), installed.entry()];
        installed.scripts.iter().chain(&run).try_for_each(|path| fsio::check_way(path))?;
        check_modules(&installed.package)?;
        // Of a state directory that is named, everything lies there.
        let named = settings.option.is_some();
        let config = settings.config_path.clone().filter(|_| !named);
        let to_keys = settings.to_keys.clone();
        Ok(Self { installed, node, state_dir: resolve(settings)?, named, config, to_keys })
    }

    /// What is installed.
    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    /// The state directory for which it runs.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Runs `openclaw ARGS`.
    ///
    /// # Errors
    /// [`Error::Program`] when it cannot be started or does not end.
    pub fn run(&self, args: &[&str]) -> Result<Output, Error> {
        let entry = self.installed.entry();
        self.node([entry.as_os_str()].into_iter().chain(args.iter().map(OsStr::new)), b"")
    }

    /// Changes stores under the gateway's own locks; each change is made whole or not at all. Databases are changed by
    /// the gateway's own code, files by ours.
    ///
    /// # Errors
    /// [`Error::Program`] for databases, [`Error::File`] for files; [`Error::StoreBusy`] and [`Error::StoreChanged`]
    /// when a store could not be changed: others may be.
    pub fn change_stores(&self, stores: &[StoreChange]) -> Result<(), Error> {
        let outcomes = if self.installed.version.era().has_stores() {
            self.ask(&Request { stores, compact: &[] })?
        } else {
            stores.iter().map(|change| self.change_file(change)).collect::<Result<_, _>>()?
        };
        match (outcomes.contains(&Outcome::Changed), outcomes.contains(&Outcome::Busy)) {
            (true, _) => Err(Error::StoreChanged),
            (_, true) => Err(Error::StoreBusy),
            _ => Ok(()),
        }
    }

    fn change_file(&self, change: &StoreChange) -> Result<Outcome, Error> {
        // These gateways have no shared store: the main agent's is used for it, as for agents without their own.
        let main = || self.state_dir.join("agents/main/agent");
        let dir = change.dir.clone().unwrap_or_else(main);
        match json_store::change(&dir, change, self.installed.version.era()) {
            Ok(()) => Ok(Outcome::Done),
            Err(Error::StoreChanged) => Ok(Outcome::Changed),
            Err(Error::StoreBusy) => Ok(Outcome::Busy),
            Err(error) => Err(error),
        }
    }

    /// Has databases forget what was deleted in them: replaced values stay in their pages otherwise.
    ///
    /// # Errors
    /// [`Error::Program`].
    pub fn compact(&self, databases: &[PathBuf]) -> Result<(), Error> {
        self.ask(&Request { stores: &[], compact: databases }).map(drop)
    }

    fn ask(&self, request: &Request<'_>) -> Result<Vec<Outcome>, Error> {
        let request = serde_json::to_vec(request).map(SecretBuf::new).map_err(|_| Error::Program)?;
        let package = self.installed.package.as_os_str();
        let args = ["--input-type=module", "-e", STORES].map(OsStr::new).into_iter().chain([package]);
        let output = self.node(args, request.expose())?;
        let answer = serde_json::from_slice::<Answer>(output.stdout.expose()).ok().filter(|_| output.code == Some(0));
        answer.map(|answer| answer.stores).ok_or(Error::Program)
    }

    fn node<'a>(&self, args: impl Iterator<Item = &'a OsStr>, input: &[u8]) -> Result<Output, Error> {
        let mut command = Command::new(&self.node);
        command.args(args).env("OPENCLAW_STATE_DIR", &self.state_dir).env("NO_COLOR", "1");
        // What is ours is of no use there; a group of its own ends with it.
        let elsewhere = PLACES.iter().filter(|_| self.named);
        elsewhere.for_each(|name| _ = command.env_remove(name));
        self.to_keys.iter().for_each(|name| _ = command.env_remove(name));
        command.process_group(0);
        if let Some(config) = &self.config {
            command.env("OPENCLAW_CONFIG_PATH", config);
        }
        converse(&mut command, input, PATIENCE)
    }
}

/// Whether this file is a Node, and not a program that runs another one by the name it is called by.
fn is_node(path: &Path) -> bool {
    path.is_file() && path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"node"))
}

/// Refuses modules that others than we or the system could have put where they run in the gateway's process: its
/// package, and every folder of modules in which Node looks for what that imports.
fn check_modules(package: &Path) -> Result<(), Error> {
    let folders = package.ancestors().skip(1).map(|dir| match dir.ends_with("node_modules") {
        true => dir.to_owned(),
        false => dir.join("node_modules"),
    });
    let mut trees: Vec<PathBuf> = vec![package.to_owned()];
    for folder in folders.filter(|folder| folder.is_dir()) {
        // One that holds another is looked through with it.
        trees.retain(|tree| !tree.starts_with(&folder));
        trees.push(folder);
    }
    Ok(fsio::check_trees(&trees)?)
}
