//! Which gateway it is, and what follows from that: where that version keeps credentials.

use super::{Settings, resolve, shim};
use crate::fsio;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Largest `package.json` or configuration that is looked into, in bytes.
const MAX_MANIFEST: usize = 1024 * 1024;
/// Folders above the program in which its package is looked for.
const MAX_CLIMB: usize = 4;
/// Wrappers that one program may be behind.
const MAX_WRAPPERS: usize = 4;

/// A release of the gateway: year, month, number. What follows, such as `-beta.1`, is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

/// How a gateway keeps its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// `auth-profiles.json` only, written in place; no references. Before 2026.2.26.
    Plain,
    /// The same, with references. Before 2026.4.12.
    References,
    /// The same, with its state in `auth-state.json`, replaced whole. Before 2026.6.5.
    Split,
    /// A database for each agent; `auth-profiles.json` is ignored. Before 2026.8.1.
    AgentStores,
    /// A database that agents share, and one for what an agent has of its own.
    SharedStore,
}

impl Version {
    /// Reads `2026.9.6`, also with a `v` before it or a pre-release after it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let mut parts = text.split(['-', '+']).next()?.split('.').map(|part| part.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }

    /// Where a gateway of this version keeps credentials.
    pub fn era(self) -> Era {
        match self {
            _ if self < Self(2026, 2, 26) => Era::Plain,
            _ if self < Self(2026, 4, 12) => Era::References,
            _ if self < Self(2026, 6, 5) => Era::Split,
            _ if self < Self(2026, 8, 1) => Era::AgentStores,
            _ => Era::SharedStore,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Era {
    /// Whether credentials lie in databases, and files of profiles are ignored.
    pub fn has_stores(self) -> bool {
        self >= Self::AgentStores
    }

    /// Whether a gateway of this era looks for profiles where one of the other keeps them.
    pub fn keeps_as(self, other: Self) -> bool {
        self == other || !(self.has_stores() || other.has_stores())
    }
}

/// What is known of the version of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// This one: it was named, or is installed.
    Version(Version),
    /// Not which, but a store of this era lies in the state directory.
    Era(Era),
    /// Nothing.
    Nothing,
}

impl Known {
    /// The era, if it is known.
    pub fn era(&self) -> Option<Era> {
        match self {
            Self::Version(version) => Some(version.era()),
            Self::Era(era) => Some(*era),
            Self::Nothing => None,
        }
    }
}

/// An installed gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The folder of its package.
    pub package: PathBuf,
    /// What to run: `openclaw` as it was found.
    pub program: PathBuf,
    /// Its version.
    pub version: Version,
    /// The wrappers that lead from the program to the package.
    pub scripts: Vec<PathBuf>,
    /// The Node that a wrapper names.
    pub node: Option<PathBuf>,
    /// Whether a wrapper declares the gateway's configuration immutable.
    pub read_only: bool,
}

impl Installed {
    /// What Node runs: the program of the package.
    pub fn entry(&self) -> PathBuf {
        let entries = ["openclaw.mjs", "dist/index.js"].map(|name| self.package.join(name));
        entries.iter().find(|entry| entry.is_file()).unwrap_or(&self.package).clone()
    }
}

#[derive(Deserialize)]
struct Manifest {
    name: String,
    version: String,
}

/// The gateway that `--openclaw` names, or else the first `openclaw` of the search path: nothing is
/// run, its package is found from where the program really is, or from what that starts.
pub fn installed(settings: &Settings) -> Option<Installed> {
    let at = |program: &Path| at(program, settings.home.as_deref(), MAX_WRAPPERS);
    if let Some(program) = &settings.openclaw {
        return at(program);
    }
    settings.search_path.iter().filter(|dir| dir.is_absolute()).find_map(|dir| at(&dir.join("openclaw")))
}

/// Whether the configuration of the gateway is declared immutable: its own commands do not write it then.
pub fn is_read_only(settings: &Settings) -> bool {
    settings.read_only || installed(settings).is_some_and(|installed| installed.read_only)
}

fn at(program: &Path, home: Option<&Path>, wrappers: usize) -> Option<Installed> {
    let real = program.canonicalize().ok()?;
    if let Some((package, version)) = real.ancestors().take(MAX_CLIMB + 1).find_map(package) {
        let program = if real.is_dir() { package.join("openclaw.mjs") } else { program.to_owned() };
        return Some(Installed { package, program, version, scripts: Vec::new(), node: None, read_only: false });
    }
    let target = shim::read(program, &real, home).filter(|_| wrappers > 0)?;
    let found = target.paths.iter().find_map(|path| at(path, home, wrappers - 1))?;
    let mut scripts = found.scripts;
    scripts.push(program.to_owned());
    Some(Installed {
        program: program.to_owned(),
        scripts,
        node: target.node.or(found.node),
        read_only: target.read_only || found.read_only,
        ..found
    })
}

/// The version of a gateway, if this is the folder of its package.
fn package(dir: &Path) -> Option<(PathBuf, Version)> {
    let manifest = fsio::read_capped(&dir.join("package.json"), MAX_MANIFEST).ok()?;
    let Manifest { name, version } = serde_json::from_slice(manifest.expose()).ok()?;
    (name == "openclaw").then_some((dir.to_owned(), Version::parse(&version)?))
}

/// What is known without running anything: the version that was named (`none` says that there is
/// no gateway to look at), or else the one that is installed, or else what lies in its state directory.
pub fn known(settings: &Settings) -> Known {
    match settings.version.as_deref() {
        Some("none") => return Known::Nothing,
        Some(named) => return Version::parse(named).map_or(Known::Nothing, Known::Version),
        None => {}
    }
    if let Some(installed) = installed(settings) {
        return Known::Version(installed.version);
    }
    let Ok(dir) = resolve(settings) else { return Known::Nothing };
    store_in(&dir).map_or(Known::Nothing, |(era, _)| Known::Era(era))
}

/// The database in which the gateway of this state directory keeps its credentials, if any.
pub fn store_in(dir: &Path) -> Option<(Era, PathBuf)> {
    let there = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok();
    let shared = dir.join("state/openclaw.sqlite");
    if there(&shared) {
        return Some((Era::SharedStore, shared));
    }
    let agents = std::fs::read_dir(dir.join("agents")).into_iter().flatten().flatten();
    let stores = agents.map(|agent| agent.path().join("agent/openclaw-agent.sqlite"));
    stores.into_iter().find(there).map(|store| (Era::AgentStores, store))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_era() {
        let era = |text: &str| Version::parse(text).map(Version::era);
        for (text, expected) in [
            ("2026.1.30", Era::Plain),
            ("2026.2.26", Era::References),
            ("2026.3.31", Era::References),
            ("2026.4.12", Era::Split),
            ("2026.4.27", Era::Split),
            ("2026.6.1", Era::Split),
            ("2026.6.5", Era::AgentStores),
            ("2026.7.35", Era::AgentStores),
            ("2026.8.1-beta.2", Era::SharedStore),
            ("v2026.9.6", Era::SharedStore),
            ("2027.1.1", Era::SharedStore),
        ] {
            assert_eq!(era(text), Some(expected), "{text}");
        }
        for text in ["", "none", "2026", "2026.9", "2026.9.6.1", "latest", "-1.2.3"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
