//! Bytes of secrets that are left in the gateway's files: copies that its commands and its own edits
//! have made over time.

use super::apply::{check_still, remove};
use super::needles::Needles;
use super::{Error, Held, Keep, Plan, Road};
use crate::formats;
use crate::fsio;
use crate::gateway::Program;
use crate::model::{Scope, Vault};
use crate::store;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where to look, and what may stay.
pub struct Search<'s> {
    /// Whose secrets.
    pub vault: &'s Vault<'s>,
    /// The state directory: everything below it, links not followed.
    pub root: &'s Path,
    /// Where each agent has its files, if not below it.
    pub agents: &'s BTreeMap<Scope, PathBuf>,
    /// Files in which the gateway keeps OAuth itself, which is not looked for there.
    pub own: &'s [PathBuf],
    /// Files elsewhere: nothing of them is removed.
    pub elsewhere: &'s [PathBuf],
    /// What the gateway has now.
    pub held: &'s Held,
    /// How each secret reaches the gateway.
    pub plan: &'s Plan,
    /// What was asked to stay.
    pub keep: Keep,
}

/// A file with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Residue {
    /// Where it is.
    path: PathBuf,
    /// The secrets in it, each with every id that has this value.
    secrets: Vec<Vec<String>>,
    /// Whether it is a copy that a gateway made before a change, and nothing reads any more.
    copy: bool,
}

/// Secrets that a file still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The file.
    pub path: PathBuf,
    /// Their ids.
    pub ids: Vec<String>,
}

/// What [`clean`] did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Copies with secrets, which are gone now, and where each is kept, sealed.
    pub removed: Vec<(PathBuf, PathBuf)>,
    /// Files that still hold a secret.
    pub left: Vec<Left>,
    /// The same where that was asked for, or cannot be otherwise.
    pub kept: Vec<Left>,
    /// What could not be looked into.
    pub unread: Vec<PathBuf>,
}

/// Searches every file for the bytes of every secret of the vault, as they are and as JSON writes them.
fn residue(search: &Search<'_>, unread: &mut Vec<PathBuf>) -> Result<Vec<Residue>, Error> {
    let Search { vault, root, own, .. } = *search;
    let (all, without_oauth) = (Needles::of(vault, true)?, Needles::of(vault, false)?);
    let mut found = Vec::new();
    let mut look = |path: PathBuf, copy: bool, unread: &mut Vec<PathBuf>| {
        let needles = if own.contains(&path) { &without_oauth } else { &all };
        match needles.are_in(&path) {
            Ok(secrets) if secrets.is_empty() => {}
            Ok(secrets) => found.push(Residue { path, secrets, copy }),
            Err(_) => unread.push(path),
        }
    };
    search.elsewhere.iter().for_each(|path| look(path.clone(), false, unread));
    let mut dirs = vec![root.to_owned()];
    dirs.extend(search.agents.values().filter(|dir| dir.exists() && !dir.starts_with(root)).cloned());
    // Of another directory only what belongs to the configuration.
    let config = search.held.config_path().filter(|path| !path.starts_with(root));
    let of_config = config.and_then(|path| path.parent().map(Path::to_owned));
    dirs.extend(of_config.clone());
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            unread.push(dir);
            continue;
        };
        for entry in entries.flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            let is_of_config = || path.to_string_lossy().starts_with(&*config.unwrap_or(&path).to_string_lossy());
            if Some(&dir) == of_config.as_ref() && !is_of_config() {
                continue;
            }
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                dirs.push(path);
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                let copy = is_copy(search, &path);
                look(path, copy, unread);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes copies with secrets, and has databases forget what was replaced in them. A copy may hold what nothing
/// else has: it is sealed into `kept` first.
///
/// # Errors
/// A copy that cannot be sealed or removed; a database that its gateway does not rewrite.
pub fn clean(search: &Search<'_>, kept: &Path, program: &Program) -> Result<Cleaned, Error> {
    let mut cleaned = Cleaned::default();
    let (copies, mut left): (Vec<_>, Vec<_>) =
        residue(search, &mut cleaned.unread)?.into_iter().partition(|residue| residue.copy);
    for Residue { path, .. } in copies {
        match fsio::read_own(&path, formats::MAX_INPUT) {
            Ok(bytes) => {
                let sealed = store::keep_sealed(search.vault, kept, &path, bytes.expose())?;
                check_still(&path, &bytes)?;
                remove(&path)?;
                cleaned.removed.push((path, sealed));
            }
            Err(_) => cleaned.unread.push(path),
        }
    }
    let databases = search.to_compact()?;
    if !databases.is_empty() {
        program.compact(&databases)?;
        left = residue(search, &mut cleaned.unread)?;
    }
    cleaned.unread.sort();
    cleaned.unread.dedup();
    for Residue { path, secrets, .. } in left {
        let (kept, left): (Vec<_>, Vec<_>) =
            secrets.into_iter().partition(|ids| ids.iter().any(|id| search.may_stay(id, &path)));
        for (secrets, into) in [(kept, &mut cleaned.kept), (left, &mut cleaned.left)] {
            if !secrets.is_empty() {
                into.push(Left { path: path.clone(), ids: secrets.concat() });
            }
        }
    }
    Ok(cleaned)
}

impl Search<'_> {
    /// The gateway's own databases in which something of a secret may be left that no row has any more: those of
    /// stores that were changed, and those with an end of one. A row that is written over the place of a longer one
    /// leaves its tail, which no search for whole values finds.
    fn to_compact(&self) -> Result<Vec<PathBuf>, Error> {
        let ends = Needles::of_ends(self.vault)?;
        let holds_one = |path: &Path| ends.are_in(path).is_ok_and(|found| !found.is_empty());
        let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
        let is_database = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "sqlite") && path.exists();
        let changed = !self.plan.stores.is_empty();
        let databases = self.own.iter().filter(is_database);
        Ok(databases.filter(|path| changed || holds_one(path) || holds_one(&log(path))).cloned().collect())
    }

    /// Whether a secret was asked to stay in this file, or the gateway takes it from nowhere else.
    fn may_stay(&self, id: &str, path: &Path) -> bool {
        let is = |file: &Option<(PathBuf, _)>| file.as_ref().is_some_and(|(file, _)| file == path);
        let (config, dotenv) = (is(&self.held.config), is(&self.held.dotenv));
        let stays = matches!(self.plan.roads.get(id), Some(Road::Own | Road::NoTarget | Road::TooLong));
        (config || dotenv) && (stays || (self.keep.dotenv && id.starts_with("env/")))
    }
}

/// Names under which gateways keep what they replaced, in the places where they do: configurations in the
/// state directory or beside it, migrated stores of agents.
fn is_copy(search: &Search<'_>, path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let of_config =
        ["openclaw.json.", "clawdbot.json.", "gateway.systemd.env."].iter().any(|start| name.starts_with(start));
    let number =
        |rest: &str| rest.is_empty() || rest.strip_prefix('.').is_some_and(|number| number.parse::<u8>().is_ok());
    let backup = name.split_once(".bak").is_some_and(|(_, rest)| number(rest));
    let of_store = ["auth-profiles.json.", "auth.json.", "oauth.json."].iter().any(|start| name.starts_with(start));
    let migrated = [".migrated-", ".sqlite-import.", ".oauth-ref."].iter().any(|mark| name.contains(mark));
    let config = search.held.config_path().and_then(Path::parent);
    let in_root = path.parent() == Some(search.root) || path.parent() == config;
    // What a gateway took for damage when it put a copy back, or did not take at all.
    let refused = [".clobbered.", ".rejected."].iter().any(|mark| name.contains(mark));
    (of_store && migrated) || (in_root && of_config && (backup || refused || name.ends_with(".last-good")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateway::StoreChange;
    use serde_json::json;
    use std::fs;

    #[test]
    fn a_database_forgets_what_only_a_part_is_left_of() {
        let secret = "sk-canary-0123456789-abcdefghijklmnopqrstuvwxyz";
        let text = json!({
            "config": {}, "created": 1, "env": {"KEY": secret}, "epoch": 0, "generation": 1,
            "keys": {"ledger": "bGVkZ2Vy", "log": "bG9n"}, "meta": {}, "recipients": [], "requires": [], "rev": "00",
            "schema": 1, "scopes": {}, "updated": 1, "vault_id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "vault_secret": "s", "writers": {},
        });
        let (text, root) = (text.to_string(), tempfile::tempdir().unwrap());
        let vault = Vault::parse(&text).unwrap();
        let databases = ["one", "other"].map(|name| root.path().join(name).with_extension("sqlite"));
        let [one, other] = &databases;
        let own = [&databases[..], &[root.path().join("none.sqlite"), root.path().join("auth-profiles.json")]].concat();
        let change = |dir| StoreChange {
            dir,
            expect: BTreeMap::new(),
            put: BTreeMap::new(),
            remove: Vec::new(),
            order: BTreeMap::new(),
        };
        let changed = Plan { stores: vec![change(None)], ..Plan::default() };
        let to_compact = |plan: &Plan| {
            let (agents, held) = (BTreeMap::new(), Held::default());
            let search = Search {
                vault: &vault,
                root: root.path(),
                agents: &agents,
                own: &own,
                elsewhere: &[],
                held: &held,
                plan,
                keep: Keep::default(),
            };
            search.to_compact().unwrap()
        };
        fs::write(root.path().join("auth-profiles.json"), secret).unwrap();
        for path in &databases {
            fs::write(path, "nothing").unwrap();
        }
        assert!(to_compact(&Plan::default()).is_empty(), "nothing is left, and nothing was changed");
        // Whatever part of an old row lies there: it cannot be found.
        assert_eq!(to_compact(&changed), databases);
        // What a run that did not come to its end has left.
        let (start, end) = secret.split_at(20);
        for part in [secret, start, end] {
            fs::write(other, format!("row {part} row")).unwrap();
            assert_eq!(to_compact(&Plan::default()), std::slice::from_ref(other), "{part}");
        }
        fs::write(other, "nothing").unwrap();
        fs::write(root.path().join("one.sqlite-wal"), end).unwrap();
        assert_eq!(to_compact(&Plan::default()), std::slice::from_ref(one), "it is in the log");
    }
}
