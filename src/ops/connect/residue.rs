//! Bytes of secrets that are left in the gateway's files: copies that its commands and its own edits
//! have made over time.

use super::needles::Needles;
use super::verdict::{Left, Reason};
use super::{Error, Keep, Plan, Road};
use crate::formats::{self, auth_profiles, dotenv, openclaw_config};
use crate::fsio;
use crate::gateway::{self, Dirs, Inventory, Leftover, Program, leftover};
use crate::model::Vault;
use crate::secret::SecretBuf;
use crate::store;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where to look, and what may stay.
pub struct Search<'s> {
    /// Whose secrets.
    pub vault: &'s Vault<'s>,
    /// The state directory: everything below it, links not followed.
    pub root: &'s Path,
    /// Files in which the gateway keeps OAuth itself, which is not looked for there.
    pub own: &'s [PathBuf],
    /// Files and directories elsewhere: nothing of them is removed.
    pub elsewhere: &'s [PathBuf],
    /// What the gateway has now.
    pub held: &'s Inventory,
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
    /// What it is, if nothing reads it or the gateway makes it again.
    leftover: Option<Leftover>,
}

/// What [`clean`] did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Copies with secrets, which are gone now, and where each is kept, sealed.
    pub removed: Vec<(PathBuf, PathBuf)>,
    /// Files that still hold a value of the vault.
    pub left: Vec<Left>,
}

/// Searches every file for the bytes of every secret of the vault, as they are and as JSON writes them.
fn residue(search: &Search<'_>, unread: &mut BTreeSet<PathBuf>) -> Result<Vec<Residue>, Error> {
    let Search { vault, root, own, .. } = *search;
    let (all, without_oauth) = (Needles::of(vault, true)?, Needles::of(vault, false)?);
    let mut found = Vec::new();
    let mut look = |path: PathBuf, leftover: Option<Leftover>, unread: &mut BTreeSet<PathBuf>| {
        let needles = if own.contains(&path) { &without_oauth } else { &all };
        match needles.are_in(&path) {
            // An old copy may hold a secret that the vault never had.
            Ok(secrets) if secrets.is_empty() && !leftover.is_some_and(|leftover| holds_secrets(&path, leftover)) => {}
            Ok(secrets) => found.push(Residue { path, secrets, leftover }),
            Err(_) => _ = unread.insert(path),
        }
    };
    let (mut dirs, files): (Vec<PathBuf>, Vec<PathBuf>) =
        search.elsewhere.iter().cloned().partition(|path| path.is_dir());
    files.into_iter().for_each(|path| look(path, None, unread));
    dirs.push(root.to_owned());
    // An agent's files may be elsewhere, also behind a link on the way to them.
    let whole = fsio::real_or_same(root);
    // An agent directory without a store may be any directory of the user: only files that a gateway makes count there.
    let stores = ["auth-profiles.json", "auth.json", "openclaw-agent.sqlite"];
    let is_inside = |dir: &Path| fsio::real_or_same(dir).starts_with(&whole);
    let looks_like_one = |dir: &Path| stores.iter().any(|name| dir.join(name).exists());
    let agents: Vec<PathBuf> = search.held.agents.values().filter(|dir| !root.starts_with(dir)).cloned().collect();
    dirs.extend(agents.iter().filter(|dir| dir.exists() && !is_inside(dir)).cloned());
    // Of another directory only what belongs to the configuration.
    let config = search.held.config_path.clone();
    let config = Some(config.as_path()).filter(|path| !path.starts_with(root));
    let of_config = config.and_then(|path| path.parent().map(Path::to_owned));
    dirs.extend(of_config.clone());
    while let Some(dir) = dirs.pop() {
        let is_strange = agents.contains(&dir) && !is_inside(&dir) && !looks_like_one(&dir);
        let Ok(entries) = std::fs::read_dir(&dir) else {
            unread.insert(dir);
            continue;
        };
        for entry in entries.flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            let is_of_config = || path.to_string_lossy().starts_with(&*config.unwrap_or(&path).to_string_lossy());
            if Some(&dir) == of_config.as_ref() && !is_of_config() {
                continue;
            }
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                if !is_strange || path.ends_with("plugins") {
                    dirs.push(path);
                }
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                let leftover = leftover(&path, &Dirs { root, config: of_config.as_deref(), agents: &agents });
                if is_strange && leftover.is_none() {
                    continue;
                }
                look(path, leftover, unread);
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
    let mut unread = BTreeSet::new();
    let (copies, mut left): (Vec<_>, Vec<_>) =
        residue(search, &mut unread)?.into_iter().partition(|residue| residue.leftover.is_some());
    for Residue { path, .. } in copies {
        match fsio::read_own(&path, formats::MAX_INPUT) {
            Ok(bytes) => {
                let sealed = store::keep_sealed(search.vault, kept, &path, bytes.expose())?;
                if fsio::read_own(&path, formats::MAX_INPUT)?.expose() != bytes.expose() {
                    return Err(gateway::Error::StoreChanged.into());
                }
                fsio::remove_foreign(&path)?;
                cleaned.removed.push((path, sealed));
            }
            Err(_) => _ = unread.insert(path),
        }
    }
    let databases = search.to_compact()?;
    if !databases.is_empty() {
        program.compact(&databases)?;
        left = residue(search, &mut unread)?;
    }
    let unread = unread.into_iter();
    cleaned.left.extend(unread.map(|file| Left { file, at: None, ids: Vec::new(), why: Reason::Unread }));
    for Residue { path, secrets, .. } in left {
        for ids in secrets {
            let why = if ids.iter().any(|id| search.is_kept(id, &path)) { Reason::Kept } else { Reason::Copy };
            cleaned.left.push(Left { file: path.clone(), at: None, ids, why });
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

    /// Whether a secret was asked to stay in this file.
    fn is_kept(&self, id: &str, path: &Path) -> bool {
        let dotenv = self.held.env.iter().any(|file| file.path == path);
        let config = self.held.config.iter().flat_map(|config| &config.documents).any(|one| one.path == path);
        let token = self.keep.gateway_token && config && id == "config/gateway/auth/token";
        let command = self.keep.commands && config && self.plan.roads.get(id) == Some(&Road::Own);
        token || command || (self.keep.dotenv && (dotenv || config) && id.starts_with("env/"))
    }
}

/// Whether an old copy holds a secret in plaintext. A copy that cannot be parsed does if something in it looks like a
/// key.
fn holds_secrets(path: &Path, leftover: Leftover) -> bool {
    let Ok(bytes) = fsio::read_own(path, formats::MAX_INPUT) else { return false };
    let of_env = path.to_string_lossy().contains(".env.");
    match openclaw_config::tree(bytes.expose()) {
        _ if of_env => !dotenv::parse(bytes.expose()).is_ok_and(|env| env.entries.is_empty() && env.unread.is_empty()),
        Ok(tree) => of_store(&bytes) || of_config(&tree),
        Err(_) => leftover == Leftover::Copy && names_secret(&String::from_utf8_lossy(bytes.expose())),
    }
}

/// Whether something in a text looks like a key, or is named as one.
fn names_secret(text: &str) -> bool {
    let is_edge = |character: char| character.is_whitespace() || "\"'`,=:;()[]{}<>".contains(character);
    text.split(is_edge).any(|word| openclaw_config::is_key(word) || openclaw_config::names_secret(word))
}

fn of_store(bytes: &SecretBuf) -> bool {
    let profiles = auth_profiles::parse(bytes.expose()).map(|store| store.profiles).unwrap_or_default();
    profiles.iter().any(|(_, raw)| super::verdict::has_secret(raw))
}

fn of_config(tree: &Value) -> bool {
    let members = openclaw_config::members(tree, Some(&[]));
    members.iter().any(|member| matches!(member.content, openclaw_config::Content::Value(_)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateway::StoreChange;
    use serde_json::json;
    use std::collections::BTreeMap;
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
            let held = Inventory::default();
            let search = Search {
                vault: &vault,
                root: root.path(),
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
