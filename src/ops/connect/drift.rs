//! How a connected gateway differs now from what `connect` left.

use super::{Connection, holds_secret};
use crate::gateway::{At, Inventory, Item, Part, Version};
use crate::model::{SecretId, Vault};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// A file that cannot be read: what the gateway has in it is not known.
    Unread(PathBuf),
    /// Its configuration does not name the resolver any more: nobody answers for its references.
    NoEntry,
    /// The resolver that its configuration names is not there, or cannot be run.
    NoProgram(PathBuf),
    /// References for which the vault has no value.
    Unresolved(Vec<String>),
    /// References that it had then and has no more.
    Gone(Vec<String>),
    /// Secrets in plaintext where a reference could be.
    Plaintext(Vec<String>),
    /// Files of profiles that this version takes into its databases first, by its own repair.
    Unmigrated(Vec<PathBuf>),
    /// The same, but they are links to views that are gone.
    ViewsGone(Vec<PathBuf>),
    /// This version keeps profiles elsewhere than the one then: what is there now was not looked at yet.
    Moved(Version),
    /// Another version is installed than then.
    Version {
        /// The version then.
        was: String,
        /// The version now.
        now: Version,
    },
}

/// What differs, for the gateway of this version; the version that is installed is not always known.
pub fn drift(inventory: &Inventory, connection: &Connection, installed: Option<Version>) -> Vec<Drift> {
    let mut found = unread(inventory);
    let is_whole = found.is_empty();
    let version = installed.or_else(|| Version::parse(&connection.gateway));
    let then = Version::parse(&connection.gateway).map(Version::era);
    let moved = version.filter(|now| then.is_some_and(|then| !now.era().keeps_as(then)));
    let gone =
        if version.is_some_and(|version| version.era().has_stores()) { connection.dangling() } else { Vec::new() };
    if !gone.is_empty() {
        found.push(Drift::ViewsGone(gone));
    } else if !inventory.unmigrated.is_empty() {
        found.push(Drift::Unmigrated(inventory.unmigrated.clone()));
    } else {
        found.extend(moved.map(Drift::Moved));
    }
    let elsewhere = !found.is_empty();
    if is_whole && inventory.entry().is_none() && !connection.refs.is_empty() {
        found.push(Drift::NoEntry);
    }
    let command = inventory.entry().and_then(|entry| entry.get("command")?.as_str()).map(PathBuf::from);
    let is_program = |path: &PathBuf| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    found.extend(command.filter(|command| !is_program(command)).map(Drift::NoProgram));
    let asked = inventory.asked();
    // A view that is gone with a boot says nothing of what is in it; that it is gone is told elsewhere.
    let in_view = |id: &str| !connection.views.is_empty() && id.starts_with("auth/");
    let plaintext = |item: &&Item| {
        let command = item.id.is_some() && matches!(item.part, Part::Command(..));
        let could =
            command || item.part == Part::Variable || version.is_some_and(|version| item.takes_reference(version));
        // What takes no reference was named when it was connected; what came since then was not.
        let other = matches!(item.part, Part::Target(_) | Part::Other | Part::Argument);
        let is_new = other && !connection.left.contains(&place_of(&item.place.file, Some(&item.place.at)));
        item.used && (could || is_new) && holds_secret(item) && !is_kept(item, connection)
    };
    let name = |item: &Item| Some(item.id.as_ref().map_or_else(|| item.place.at.to_string(), SecretId::to_string));
    let names: BTreeSet<String> = inventory.items.iter().filter(plaintext).filter_map(name).collect();
    // What is in plaintext in its place has its own word.
    let is_gone = |id: &&String| !in_view(id) && !names.contains(*id);
    let gone: Vec<String> = connection.refs.difference(&asked).filter(is_gone).cloned().collect();
    // What could not be read may have them.
    if is_whole && !gone.is_empty() {
        found.push(Drift::Gone(gone));
    }
    if !names.is_empty() {
        found.push(Drift::Plaintext(names.into_iter().collect()));
    }
    let other = installed.filter(|now| now.to_string() != connection.gateway);
    if let Some(now) = other.filter(|_| !elsewhere) {
        found.push(Drift::Version { was: connection.gateway.clone(), now });
    }
    found
}

/// The references of a gateway for which this vault has no value.
pub fn unresolved(inventory: &Inventory, vault: &Vault<'_>) -> Option<Drift> {
    let has = |id: &String| SecretId::parse(id).is_ok_and(|id| vault.get(&id).is_some());
    let missing: Vec<String> = inventory.asked().into_iter().filter(|id| !has(id)).collect();
    (!missing.is_empty()).then_some(Drift::Unresolved(missing))
}

/// How the record of a connection names a place: no value.
pub fn place_of(file: &Path, at: Option<&At>) -> String {
    format!("{}: {}", file.display(), at.map(ToString::to_string).unwrap_or_default())
}

/// Each file that is there and cannot be read.
pub(super) fn unread(inventory: &Inventory) -> Vec<Drift> {
    let files: BTreeSet<&PathBuf> = inventory.not_read().map(|one| &one.path).collect();
    files.into_iter().map(|file| Drift::Unread(file.clone())).collect()
}

fn is_kept(item: &Item, connection: &Connection) -> bool {
    let keep = connection.keep;
    match (&item.part, &item.id) {
        (Part::Target(path), ..) => keep.gateway_token && path.iter().eq(["gateway", "auth", "token"]),
        (Part::Command(..), ..) => keep.commands,
        (Part::Variable, Some(SecretId::Env(name))) => keep.dotenv || connection.stayed.contains(name.as_str()),
        _ => false,
    }
}
