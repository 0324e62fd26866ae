//! The one place that resolves the state directory as the gateway does.

use super::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Name of the directory in earlier releases, tried when the current one is not there.
const OLD_STATE: &str = ".clawdbot";

/// What the gateway's environment and ours say about its state; values as they were set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The vault of the command that looks.
    pub vault: Option<PathBuf>,
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
    /// Whether the environment declares the configuration immutable: `OPENCLAW_CONFIG_READONLY` or `OPENCLAW_NIX_MODE`
    /// is `1`, as gateways compare them.
    pub read_only: bool,
    /// Variables that can lead to a vault key. Programs of the gateway run without them.
    pub to_keys: Vec<OsString>,
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

    pub(super) fn path(&self, value: Option<&String>) -> Result<Option<PathBuf>, Error> {
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

/// State directories of former names, which a gateway leaves behind when it takes over what is in them.
pub fn former_state_dirs(home: &Path) -> Vec<PathBuf> {
    let dirs = [".clawdbot", ".moltbot", ".moldbot"].map(|name| home.join(name));
    dirs.into_iter().filter(|dir| dir.is_dir()).collect()
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
