//! What this host remembers of a connected gateway: names and places, no values.

use super::{Error, Keep};
use crate::fsio::{self, Dir, Lock, Replacement};
use crate::gateway::{Inventory, Store};
use crate::model::{self, Renames, Scope, Vault};
use crate::ops::exported::Unchanged;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const VERSION: u32 = 1;
const MAX_RECORD: usize = 64 * 1024 * 1024;
/// So many sealed copies of one file are tried on the way back: the first and the newest.
const MAX_COPIES: usize = 16;

/// A member of a file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The file.
    pub file: PathBuf,
    /// Where in it, by names of members and indexes of elements.
    pub at: Vec<String>,
}

/// A gateway that was wired to a vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    version: u32,
    /// Its state directory.
    pub state_dir: PathBuf,
    /// Its version at the last connect.
    pub gateway: String,
    /// Its program, if that was named then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// Ids that it asks for.
    pub refs: BTreeSet<String>,
    /// Entries that were taken out of its `.env`.
    #[serde(default)]
    pub dotenv: BTreeSet<String>,
    /// Variables that stayed in its files.
    #[serde(default)]
    pub stayed: BTreeSet<String>,
    /// Renames up to `saves`, old id to new id. A variable taken out of its files before a rename returns to them under
    /// the old name.
    #[serde(default)]
    pub renamed: BTreeMap<String, String>,
    /// The saves that the vault had when the references were last updated: renames of later saves are still to be
    /// followed.
    #[serde(default)]
    pub saves: BTreeSet<String>,
    /// Plaintext that was left then, and named: by [`place_of`](super::place_of).
    #[serde(default)]
    pub left: BTreeSet<String>,
    /// The orders that it had then, by store and provider.
    #[serde(default)]
    pub orders: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Places of its files that are links to views in memory, by their whole paths.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub views: BTreeSet<PathBuf>,
    /// Variables that its configuration set, and where.
    #[serde(default)]
    pub set_in_config: BTreeMap<String, Spot>,
    /// What named a variable where a reference to it is now, by the id of that place: no value.
    #[serde(default)]
    pub named: BTreeMap<String, serde_json::Value>,
    /// Sealed copies of files as they were before they were changed, the newest last.
    #[serde(default)]
    pub originals: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// What was left as it is, for the next time that something is handed over.
    #[serde(default)]
    pub keep: Keep,
    /// Members that this version does not know.
    #[serde(flatten)]
    other: BTreeMap<String, serde_json::Value>,
}

impl Connection {
    /// The same for a gateway that is connected now.
    pub fn renewed(self, state_dir: PathBuf, gateway: String) -> Self {
        Self { version: VERSION, state_dir, gateway, ..self }
    }

    /// The connection of a vault, if there is one. Local state is in `root`.
    ///
    /// # Errors
    /// [`Error::Record`].
    pub fn load(root: &Path, vault_id: &str) -> Result<Option<Self>, Error> {
        let dir = root.join("connections");
        let path = dir.join(name(vault_id)?);
        let unreadable = || Error::Record(path.clone());
        // If other users can write to the directory, they can remove the record of the ids that the gateway asks for.
        match fsio::check_dir(&dir).and_then(|()| fsio::read_private(&path, MAX_RECORD)) {
            Ok(bytes) => {
                let record: Self = serde_json::from_slice(bytes.expose()).map_err(|_| unreadable())?;
                if record.version == VERSION { Ok(Some(record)) } else { Err(unreadable()) }
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// One command at a time connects the gateway of `state_dir` or undoes that, whatever the vault.
    ///
    /// # Errors
    /// [`fsio::Error::Busy`].
    pub fn lock(root: &Path, state_dir: &Path, patience: Duration) -> Result<Lock, Error> {
        let dir = Dir::open_or_create_private(root)?.child(OsStr::new("connections"), true)?;
        let real = fsio::real_or_same(state_dir);
        let digest = Sha256::digest(real.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok(Lock::acquire(&dir, OsStr::new(&format!("{name}.lock")), patience)?)
    }

    /// The connections of all vaults to the gateway of `state_dir`. Records that cannot be read are passed over:
    /// a vault's own commands name them.
    pub fn of_gateway(root: &Path, state_dir: &Path) -> Vec<Self> {
        let records = std::fs::read_dir(root.join("connections")).into_iter().flatten().flatten();
        let read = |entry: std::fs::DirEntry| {
            let name = entry.file_name();
            Self::load(root, name.to_str()?.strip_suffix(".json")?).ok()?
        };
        records.filter_map(read).filter(|record| record.is_of(state_dir)).collect()
    }

    /// Renames of entries since its references were last updated.
    pub fn renames(&self, vault: &Vault<'_>) -> Renames {
        // A first connect that was interrupted has no references of a state yet.
        if self.saves.is_empty() { Renames::default() } else { Renames::since(&self.saves, vault) }
    }

    /// Notes that all its references use the current ids of `vault`: only later renames are to be followed.
    pub fn settle(&mut self, vault: &Vault<'_>) {
        self.renamed = self.renames(vault).after(&self.renamed);
        self.saves = model::states(vault);
    }

    /// Its files that are links to views, but lead to none.
    pub fn dangling(&self) -> Vec<PathBuf> {
        let dangles = |path: &&PathBuf| path.is_symlink() && !path.exists();
        self.views.iter().filter(dangles).cloned().collect()
    }

    /// Whether it is that of the gateway of `state_dir`.
    pub fn is_of(&self, state_dir: &Path) -> bool {
        fsio::real_or_same(&self.state_dir) == fsio::real_or_same(state_dir)
    }

    /// Notes sealed copies of files that are about to change.
    pub fn note_originals(&mut self, sealed: Vec<(PathBuf, PathBuf)>) {
        for (path, copy) in sealed {
            let copies = self.originals.entry(path).or_default();
            copies.push(copy);
            // The first one is the file as it was before everything.
            if copies.len() > MAX_COPIES {
                copies.remove(1);
            }
        }
    }

    /// Notes the orders of the gateway as they are now.
    pub fn note_orders(&mut self, held: &Inventory) {
        let orders = |store: &Store| store.order.clone();
        self.orders = held.stores.iter().map(|(scope, store)| (scope.as_str().to_owned(), orders(store))).collect();
    }

    /// The orders that the gateway has not changed since then, those that it changed and the vault did not, and the
    /// renames of entries since.
    pub fn compare_orders(&self, vault: &Vault<'_>, held: &Inventory) -> Unchanged {
        let mut found = Unchanged { renames: self.renames(vault), ..Unchanged::default() };
        for (name, orders) in &self.orders {
            let Ok(scope) = Scope::parse(name) else { continue };
            for (provider, before) in orders {
                let now = held.stores.get(&scope).and_then(|store| store.order.get(provider));
                let ours = vault.scopes.get(name).and_then(|entries| entries.order.get(provider));
                let order = (scope.clone(), provider.clone());
                if now == Some(before) {
                    found.settled.insert(order);
                } else if ours == Some(before) {
                    found.newer.insert(order);
                }
            }
        }
        found
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, root: &Path, vault_id: &str) -> Result<(), Error> {
        let dir = Dir::open_or_create_private(root)?.child(OsStr::new("connections"), true)?;
        let name = name(vault_id)?;
        let text = serde_json::to_vec(self).map_err(|_| Error::Record(dir.path().join(&name)))?;
        Ok(Replacement::write(&dir, OsStr::new(&name), &text, 0o600)?.commit()?)
    }

    /// Forgets the connection of a vault.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(root: &Path, vault_id: &str) -> Result<(), Error> {
        let dir = Dir::open(&root.join("connections"))?;
        Ok(dir.remove(OsStr::new(&name(vault_id)?))?)
    }
}

fn name(vault_id: &str) -> Result<String, Error> {
    Ok(format!("{}.json", model::file_stem(vault_id)?))
}
