//! Views in memory, for gateways that keep OAuth in a file: every other secret in them is a reference.

use super::{Connection, Error, Undone};
use crate::formats::{self, auth_profiles::Carried};
use crate::fsio::{self, Dir, Replacement};
use crate::gateway::{Era, StoreLock};
use crate::model::{Scope, SecretId, Vault};
use crate::ops::export::{self, Content, Guard, Links, Only, Originals, Report, Still, render};
use crate::ops::ledger;
use crate::ops::wipe;
use crate::store;
use crate::views::{self, Changes, Kind, Leases, Ledger, Seen, Stay, Target, check_unchanged, digests};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where views of one vault go, and who is told.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    /// The directory in memory.
    pub dir: &'p Path,
    /// The gateway's state directory.
    pub state_dir: &'p Path,
    /// The agents that have a directory there: each of them gets a view, since a gateway copies the main
    /// agent's OAuth into a file that an agent does not have.
    pub agents: &'p BTreeSet<Scope>,
    /// Root of local state.
    pub local: &'p Path,
    /// How long to wait for others that write views of this vault.
    pub patience: Duration,
    /// Whether the vault still is as it was read.
    pub still: Still<'p>,
    /// The gateway's own files that links may take the place of.
    pub originals: &'p Originals,
}

/// Writes the views, and puts links to them in the places of the gateway's own files.
///
/// # Errors
/// As [`export::export`].
pub fn put_views(vault: &Vault<'_>, era: Era, place: Place<'_>) -> Result<Report, views::Error> {
    export::export(
        vault,
        &export::Request {
            dir: place.dir,
            link: Some(Links { state_dir: place.state_dir, originals: place.originals }),
            content: Content::References,
            every: place.agents.clone(),
            agent: None,
            only: Only::AuthProfiles,
            disk: Guard::Refuse,
            store: Guard::Refuse,
            era: Some(era),
            // What the gateway changed was captured before.
            changes: Changes::Keep,
            stay: Stay::ForGood,
            local: place.local,
            patience: place.patience,
        },
        place.still,
    )
}

/// What is put back in the place of views, and where.
pub struct Back<'b> {
    /// The gateway's state directory.
    pub state_dir: &'b Path,
    /// Its agents.
    pub agents: &'b BTreeSet<Scope>,
    /// Files that were links: one that is not there any more comes back too.
    pub linked: &'b BTreeSet<PathBuf>,
    /// Root of local state.
    pub local: &'b Path,
    /// How long to wait for others that write views of this vault.
    pub patience: Duration,
    /// Whether the vault still is as it was read.
    pub still: Still<'b>,
}

/// Puts files with values in the places of links to our views, and takes the views away. What was put back, OAuth
/// profiles among it. What the gateway renewed in the views was captured before.
///
/// # Errors
/// A view that was changed since; a lease on the views; a disk that fails.
pub fn take_views_back(vault: &Vault<'_>, back: &Back<'_>) -> Result<Undone, Error> {
    let Back { state_dir, agents, linked, local, patience, still } = *back;
    let (ledger, key) = ledger::open(vault, local, patience)?;
    // From here on nothing is captured; what was is in the vault that was read.
    if !still() {
        return Err(views::Error::Stale.into());
    }
    let dirs: Vec<PathBuf> = ledger.dirs().map(Path::to_owned).collect();
    let leases = Leases::open(local, &vault.vault_id)?;
    for dir in &dirs {
        if leases.is_held(dir)? {
            return Err(views::Error::InUse(dir.clone()).into());
        }
    }
    let mut undone = Undone::default();
    // An undo that was interrupted has left views to which no link leads any more.
    let of_gateway = |link: &PathBuf| link.starts_with(state_dir);
    let ours =
        |dir: &&PathBuf| ledger.place(dir).is_some_and(|place| place.references && place.links.keys().all(of_gateway));
    let mut unused: BTreeSet<PathBuf> = dirs.iter().filter(ours).cloned().collect();
    for agent in agents {
        let kind = Kind::AuthProfiles(agent.clone());
        let path = state_dir.join(kind.path());
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let seen = match std::fs::read_link(&path) {
            Ok(to) => {
                // A link of somebody else's is none of ours.
                let Some(dir_of) = dirs.iter().find(|dir| dir.join(kind.path()) == to) else { continue };
                unused.insert(dir_of.clone());
                Some(dir_of)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && linked.contains(&path) => None,
            Err(_) => continue,
        };
        // An agent that was removed needs nothing.
        if !parent.exists() {
            continue;
        }
        let _lock = StoreLock::take(parent)?;
        let dir = Dir::open(parent)?;
        let look = |dir: &PathBuf| Seen::look(&Target::known(dir)?, &ledger, &key, kind.clone());
        let seen = seen.map(look).transpose()?;
        match render(vault, &kind, &Carried::default(), Content::Values) {
            Ok(bytes) => {
                let has = digests(&key, &kind, &bytes)?;
                check_unchanged(seen.iter().map(|seen| (seen, Some(&has))), Changes::Keep)?;
                Replacement::write(&dir, name, bytes.expose(), 0o600)?.commit()?;
                let profiles = vault.scopes.get(agent.as_str()).into_iter().flat_map(|entries| entries.profiles.iter());
                let ids = profiles.filter_map(|(profile, _)| SecretId::auth(agent.clone(), profile).ok());
                undone.ids.extend(ids.map(|id| id.to_string()));
                undone.files.insert(path);
            }
            Err(views::Error::NoAgent(_)) if seen.is_none() => {}
            Err(views::Error::NoAgent(_)) => dir.remove(name)?,
            Err(error) => return Err(error.into()),
        }
    }
    drop(ledger);
    for dir in &unused {
        let request = wipe::Request { dir: Some(dir), changes: Changes::Keep, local, patience };
        wipe::wipe(vault, &request)?;
    }
    Ok(undone)
}

/// What [`leave_views`] took away.
#[derive(Debug, Default)]
pub struct LeftViews {
    /// Views that were removed.
    pub removed: Vec<PathBuf>,
    /// Those of them that the gateway had changed, each with its sealed copy.
    pub sealed: Vec<(PathBuf, PathBuf)>,
}

/// Takes away the views of a gateway that keeps its profiles in databases now: it reads them no more, and its own repair
/// took what was in them. One that it changed may hold what nothing else has: it is sealed into `kept` first.
///
/// # Errors
/// A lease on the views; a view that cannot be sealed or removed.
pub fn leave_views(
    vault: &Vault<'_>,
    state_dir: &Path,
    local: &Path,
    patience: Duration,
    kept: &Path,
) -> Result<LeftViews, Error> {
    let ledger = Ledger::load(local, &vault.vault_id, patience)?;
    let of_gateway =
        |place: &views::Place| place.references && place.links.keys().any(|link| link.starts_with(state_dir));
    let places: Vec<(PathBuf, Vec<PathBuf>, BTreeSet<PathBuf>)> = ledger
        .dirs()
        .filter_map(|dir| Some((dir, ledger.place(dir).filter(|place| of_gateway(place))?)))
        .map(|(dir, place)| {
            let files = place.views.keys().map(|kind| dir.join(kind.path())).collect();
            (dir.to_owned(), files, place.links.keys().cloned().collect())
        })
        .collect();
    drop(ledger);
    let mut left = LeftViews::default();
    for (dir, files, links) in places {
        let wipe = |changes| wipe::wipe(vault, &wipe::Request { dir: Some(&dir), changes, local, patience });
        let report = match wipe(Changes::Keep) {
            Err(views::Error::Changed(_)) => {
                for file in files.into_iter().filter(|file| file.exists()) {
                    let bytes = fsio::read_own(&file, formats::MAX_INPUT)?;
                    let copy = store::keep_sealed(vault, kept, &file, bytes.expose())?;
                    left.sealed.push((file, copy));
                }
                wipe(Changes::Discard)
            }
            other => other,
        }?;
        remove_links(links, &report.removed);
        left.removed.extend(report.removed);
    }
    Ok(left)
}

/// Removes links to views that are gone, under whatever name the gateway's repair keeps them beside these.
fn remove_links(beside: BTreeSet<PathBuf>, gone: &[PathBuf]) {
    for entry in beside.iter().filter_map(|path| std::fs::read_dir(path.parent()?).ok()).flatten().flatten() {
        if std::fs::read_link(entry.path()).is_ok_and(|to| gone.contains(&to)) {
            // One that stays leads nowhere, and harms nobody.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The files of agents that would become links to views.
pub fn unlinked(state_dir: &Path, agents: &BTreeSet<Scope>) -> Vec<PathBuf> {
    let files = agents.iter().map(|agent| state_dir.join(Kind::AuthProfiles(agent.clone()).path()));
    files.filter(|path| std::fs::read_link(path).is_err()).collect()
}

/// Whether the file of some agent is a link already: then it stays one.
pub fn has_links(state_dir: &Path, agents: &BTreeSet<Scope>) -> bool {
    let file = |agent: &Scope| state_dir.join(Kind::AuthProfiles(agent.clone()).path());
    agents.iter().map(file).any(|path: PathBuf| std::fs::read_link(path).is_ok())
}

/// Places of the gateway's own files that should be links to views in memory, and lead to none: those that
/// dangle, and those that connections remember and that are gone or ordinary files again. An agent whose
/// directory is gone has none; nor has a gateway of an `era` with databases. Local state is in `root`.
pub fn missing_views(root: &Path, state_dir: &Path, agents: &BTreeSet<Scope>, era: Option<Era>) -> Vec<PathBuf> {
    if era.is_some_and(Era::has_stores) {
        return Vec::new();
    }
    let known = Connection::of_gateway(root, state_dir).into_iter().flat_map(|connection| connection.views);
    let known: BTreeSet<PathBuf> = known.filter(|path| path.parent().is_some_and(Path::exists)).collect();
    let kinds = agents.iter().cloned().map(Kind::AuthProfiles).chain([Kind::Env]);
    let places: BTreeSet<PathBuf> =
        kinds.map(|kind| state_dir.join(kind.path())).chain(known.iter().cloned()).collect();
    let is_missing = |path: &PathBuf| match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => !path.exists(),
        _ => known.contains(path),
    };
    places.into_iter().filter(is_missing).collect()
}
