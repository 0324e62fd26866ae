//! `connect --print-unit`: files for a service manager, to be looked at and put in their place.

use super::args::PrintUnit;
use super::context::Context;
use super::environment::{absolute, home, user, xdg};
use super::handover::connection;
use super::out::Out;
use super::{Error, Usage};
use crate::formats::units::{Places, Unit, render};
use crate::gateway::{self, Era, Known, Settings, Version};
use crate::model::{Credential, Kind, Scope, Vault};
use crate::ops::connect::{self, Entry};
use std::path::{Path, PathBuf};

/// Prints one file, filled with the places of this vault and gateway; `entry` is how the gateway
/// calls the resolver. Nothing is changed.
pub fn print(context: &Context, vault: &Vault<'_>, entry: &Entry, which: PrintUnit) -> Result<(), Error> {
    let settings = context.settings();
    let state = absolute(&gateway::resolve(&settings)?)?;
    let program = gateway::installed(&settings).map(|installed| installed.program);
    let program = program.map(|program| absolute(&program)).transpose()?;
    // The fingerprint changes when a key is taken out: on this host it is remembered.
    let at = entry.args.iter().position(|word| word == "--pin").unwrap_or(entry.args.len());
    let (options, pinned) = entry.args.split_at(at);
    let mut gateway = vec!["--state-dir".to_owned(), text(&state)];
    gateway.extend(program.iter().flat_map(|program| ["--openclaw".to_owned(), text(program)]));
    let home = home()?;
    let needs_views = matches!(which, PrintUnit::Systemd | PrintUnit::SystemdSystem);
    let export = if needs_views { views(context, vault, &settings, &state)? } else { None };
    let places = Places {
        agevault: text(&entry.command),
        options: options.to_vec(),
        pin: pinned.get(1).cloned().unwrap_or_default(),
        gateway,
        path: search_path(program.as_deref()),
        openclaw: program.as_deref().map_or("openclaw".to_owned(), text),
        unit: unit(settings.profile.as_deref()),
        unit_dir: text(xdg("XDG_CONFIG_HOME", ".config")?.join("systemd/user")),
        user: user(),
        uid: crate::fsio::own_uid(),
        home: text(&home),
        vault_dir: text(context.vault_path().parent().unwrap_or(Path::new("/"))),
        state: text(&state),
        session: if which == PrintUnit::SystemdSession { text(context.session_socket()?) } else { String::new() },
        export,
    };
    let (unit, is_user) = match which {
        PrintUnit::Systemd => (Unit::Systemd, true),
        PrintUnit::SystemdCapture => (Unit::Capture, true),
        PrintUnit::SystemdSession => (Unit::Session, true),
        PrintUnit::SystemdSystem => (Unit::System, false),
        PrintUnit::Wrapper => (Unit::Wrapper, false),
        PrintUnit::Launchd => (Unit::Launchd, false),
        PrintUnit::Container => (Unit::Container, false),
    };
    context.out.text(&render(unit, &places).map_err(|error| Error::Format(error, None))?)?;
    if !entry.command.exists() {
        let command = entry.command.display();
        context.out.warn(&format!("note: {command} is not there yet; agevault connect puts it there"));
    }
    if program.is_none() && matches!(which, PrintUnit::SystemdSystem | PrintUnit::Wrapper) {
        context.out.warn("note: no openclaw was found in PATH; name it with --openclaw, or put its path in");
    }
    if is_user {
        warn_of_logout(context.out);
    }
    Ok(())
}

/// Says it if the services of this user end with the logout.
pub fn warn_of_logout(out: Out) {
    let user = user();
    if gateway::ends_with_logout(Path::new("/"), &user) {
        out.say(&format!(
            "note: services of {user} end with the last logout; loginctl enable-linger {user} keeps them"
        ));
    }
}

/// The options of `export` by which the gateway gets views before it starts; none if it needs none. Where no program of
/// a gateway is found, it is the one that was connected.
fn views(context: &Context, vault: &Vault<'_>, settings: &Settings, state: &Path) -> Result<Option<String>, Error> {
    let known = gateway::known(settings);
    let connected = connection(context, &vault.vault_id).filter(|connection| connection.is_of(state));
    let connected = connected.and_then(|connection| Version::parse(&connection.gateway)).map(Version::era);
    let named = settings.version.is_some();
    let era = match known {
        Known::Version(version) => version.era(),
        Known::Nothing if named => return Ok(None),
        other => connected.or(other.era()).ok_or(Usage::WhichGateway)?,
    };
    if era.has_stores() {
        return Ok(None);
    }
    if era == Era::Plain {
        return Ok(Some("--link".to_owned()));
    }
    let is_oauth = |(profile, raw): (&str, &serde_json::value::RawValue)| {
        Credential::parse(profile, raw).is_ok_and(|credential| credential.kind() == Some(Kind::Oauth))
    };
    let oauth = vault.scopes.iter().any(|(_, entries)| entries.profiles.iter().any(is_oauth));
    let agents = vault.scopes.keys().filter_map(|name| Scope::parse(name).ok()).collect();
    Ok((oauth || connect::has_links(state, &agents)).then(|| "--refs --link".to_owned()))
}

/// Where the gateway's interpreter is found: beside the program, or at the usual places.
fn search_path(program: Option<&Path>) -> String {
    let beside = program.and_then(Path::parent).map(text);
    let usual = ["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned);
    let mut dirs: Vec<String> = beside.into_iter().collect();
    dirs.extend(usual.into_iter().filter(|dir| !dirs.contains(dir)).collect::<Vec<_>>());
    dirs.join(":")
}

/// The name of the gateway's unit, as the gateway makes it from its profile.
pub fn unit(profile: Option<&str>) -> String {
    let profile = profile.map(str::trim).filter(|name| !name.is_empty() && *name != "default");
    profile.map_or("openclaw-gateway.service".to_owned(), |name| format!("openclaw-gateway-{name}.service"))
}

fn text(path: impl Into<PathBuf>) -> String {
    path.into().to_string_lossy().into_owned()
}
