//! Environment variables and the places that follow from them (XDG base directories, on macOS too).

use super::args::Globals;
use super::{Error, Usage};
use crate::formats::power::leads_to_keys;
use crate::gateway::Settings;
use crate::keys::IdentityCommand;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where an identity file is looked for when none is named.
///
/// # Errors
/// No home directory.
pub fn default_identity() -> Result<PathBuf, Error> {
    Ok(xdg("XDG_CONFIG_HOME", ".config")?.join("agevault/identity.txt"))
}

/// Where a service manager puts the credentials of a service.
pub fn credentials() -> Option<PathBuf> {
    var_path("CREDENTIALS_DIRECTORY").filter(|dir| dir.is_absolute())
}

/// The environment variables of this process that can lead to a vault key.
fn to_keys() -> Vec<OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| leads_to_keys(name)).collect()
}

/// The program that prints an identity, as it is set; it gets no variable that leads to a key.
pub fn identity_command() -> Option<IdentityCommand> {
    let line = env::var_os("AGEVAULT_IDENTITY_CMD").filter(|line| !line.is_empty())?;
    let without = to_keys();
    let search = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    Some(IdentityCommand { line, search, without })
}

/// The directory for plaintext that must not outlive this boot.
///
/// # Errors
/// [`Error::NoRuntimeDir`] when there is none; one that others can change.
pub fn runtime_dir() -> Result<PathBuf, Error> {
    let dir = named_runtime_dir()?;
    // A directory of somebody else's, as `su` leaves it in the variable, could be swapped for another.
    crate::fsio::check_way(&dir)?;
    Ok(dir)
}

fn named_runtime_dir() -> Result<PathBuf, Error> {
    if let Some(dir) = var_path("AGEVAULT_RUNTIME_DIR") {
        return absolute(&dir);
    }
    let first = env::var_os("RUNTIME_DIRECTORY").and_then(|dirs| env::split_paths(&dirs).next());
    if let Some(dir) = first.filter(|dir| dir.is_absolute()) {
        return Ok(dir);
    }
    // Who starts a session makes it: one that is not there belongs to another.
    if let Some(dir) = var_path("XDG_RUNTIME_DIR").filter(|dir| dir.is_absolute() && dir.is_dir()) {
        return Ok(dir.join("agevault"));
    }
    let uid = crate::fsio::own_uid();
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    let ours = std::fs::metadata(&usual).is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == uid);
    if ours { Ok(usual.join("agevault")) } else { Err(Error::NoRuntimeDir) }
}

/// An XDG base directory: relative values are invalid by its specification.
pub fn xdg(name: &str, below_home: &str) -> Result<PathBuf, Error> {
    if let Some(dir) = var_path(name).filter(|dir| dir.is_absolute()) {
        return Ok(dir);
    }
    Ok(home()?.join(below_home))
}

/// The home directory, from `HOME` alone: the standard library would ask the name services, whose modules a static
/// binary cannot load.
///
/// # Errors
/// [`Error::NoHome`] when it is not set, or not to an absolute path.
pub fn home() -> Result<PathBuf, Error> {
    var_path("HOME").filter(|home| home.is_absolute()).ok_or(Error::NoHome)
}

/// A path in a variable that is set to something.
pub fn var_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A number in a variable.
///
/// # Errors
/// [`Usage::Variable`] for anything else.
pub fn var_number(name: &'static str) -> Result<Option<i32>, Error> {
    match env::var(name).ok().filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => value.parse().map(Some).map_err(|_| Usage::Variable(name).into()),
    }
}

/// The path from the root, links not followed.
///
/// # Errors
/// An empty path, no current directory.
pub fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| crate::fsio::Error::io("look at", path, error).into())
}

/// The directories in which programs are looked for.
pub fn search_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// What was said of the gateway, and what its environment says about its state directory.
pub fn gateway_settings(globals: &Globals, state_dir: Option<PathBuf>) -> Settings {
    let var = |name: &str| env::var(name).ok();
    Settings {
        vault: None,
        option: state_dir,
        state_dir: var("OPENCLAW_STATE_DIR"),
        openclaw_home: var("OPENCLAW_HOME"),
        home: home().ok(),
        profile: var("OPENCLAW_PROFILE"),
        port: var("OPENCLAW_GATEWAY_PORT"),
        config_path: var("OPENCLAW_CONFIG_PATH"),
        agent_dir: var("OPENCLAW_AGENT_DIR"),
        oauth_dir: var("OPENCLAW_OAUTH_DIR"),
        openclaw: globals.openclaw.clone(),
        search_path: search_path(),
        version: globals.gateway_version.clone(),
        read_only: ["OPENCLAW_CONFIG_READONLY", "OPENCLAW_NIX_MODE"]
            .iter()
            .any(|name| var(name).as_deref() == Some("1")),
        to_keys: to_keys(),
    }
}

/// The name of this user, for commands that are shown.
pub fn user() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| crate::fsio::own_uid().to_string())
}

/// The variables of this process.
pub fn inherited() -> Vec<(OsString, OsString)> {
    env::vars_os().collect()
}

/// Tells the service manager that has asked for it (`Type=notify`) that a command is up. Nobody
/// may listen, and then nothing is lost.
pub fn tell_ready() {
    #[cfg(target_os = "linux")]
    if let Some(name) = env::var_os("NOTIFY_SOCKET") {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::net::{SocketAddr, UnixDatagram};
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&name),
        };
        let sent = address.and_then(|to| UnixDatagram::unbound()?.send_to_addr(b"READY=1", &to));
        drop(sent);
    }
}
