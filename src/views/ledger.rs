//! The ledger: what `export` wrote, where, and keyed digests of it. No values.

use super::record::Record;
use super::{Digests, Error, Key};
use crate::model::Scope;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const VERSION: u32 = 3;
const FOLDER: &str = "ledger";

/// What a view shows; it also says where in the gateway's layout it lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Kind {
    /// `auth-profiles.json` of an agent.
    AuthProfiles(Scope),
    /// `.env`.
    Env,
}

impl Kind {
    /// The agent, of a file of profiles.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::AuthProfiles(scope) => Some(scope.clone()),
            Self::Env => None,
        }
    }

    /// Its path below the target directory.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::AuthProfiles(scope) => ["agents", scope.as_str(), "agent", "auth-profiles.json"].iter().collect(),
            Self::Env => PathBuf::from(".env"),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::AuthProfiles(scope) => format!("auth/{}", scope.as_str()),
            Kind::Env => "env".to_owned(),
        }
    }
}

impl TryFrom<String> for Kind {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let scope = text.strip_prefix("auth/").map(Scope::parse);
        let kind = match scope {
            Some(Ok(scope)) if scope.is_agent() => Self::AuthProfiles(scope),
            None if text == "env" => Self::Env,
            _ => return Err("not a kind of view"),
        };
        if String::from(kind.clone()) == text { Ok(kind) } else { Err("not canonical") }
    }
}

/// What was written into one target directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Directories that were made for it, by their whole paths.
    pub made: BTreeSet<PathBuf>,
    /// The digests that each view may have: those written, and, until a replacement is
    /// certainly done, those before it. So a crash between the ledger and the rename is
    /// never mistaken for a change by the gateway.
    pub views: BTreeMap<Kind, Vec<Digests>>,
    /// Whether the profiles in them are references: then they stay so, whoever writes them next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub references: bool,
    /// Links to them in a gateway's state directory, by their whole paths, each with the sealed copy of the gateway's
    /// own file that it replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<PathBuf, Option<PathBuf>>,
    /// Those of them that go when nobody holds a lease on the directory.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub leased: BTreeSet<Kind>,
}

type Places = BTreeMap<PathBuf, Place>;

/// Everything that was exported of one vault: target directory -> what is there. As long as
/// it lives, no other process writes views of this vault.
#[derive(Debug)]
pub struct Ledger {
    record: Record,
    /// The name of the digest key.
    key: String,
    places: Places,
}

#[derive(Serialize, Deserialize)]
struct Content<P> {
    version: u32,
    key: String,
    places: P,
}

impl Ledger {
    /// Reads it from local state in `root`; empty where there is none. Waits at most
    /// `patience` for others that write views of this vault.
    ///
    /// # Errors
    /// [`Error::Record`] when it cannot be understood: then nothing may be replaced;
    /// [`crate::fsio::Error::Busy`]; a directory that others reach.
    pub fn load(root: &Path, vault_id: &str, patience: Duration) -> Result<Self, Error> {
        let record = Record::open(root, FOLDER, vault_id, patience)?;
        let (key, places) = match record.load::<Content<Places>>()? {
            None => (String::new(), Places::new()),
            Some(content) if content.version == VERSION => (content.key, content.places),
            Some(_) => return Err(record.unreadable()),
        };
        Ok(Self { record, key, places })
    }

    pub(super) fn save(&self) -> Result<(), Error> {
        self.record.keep(&Content { version: VERSION, key: self.key.clone(), places: &self.places })
    }

    /// The name of the digest key; empty if nothing was written yet.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Switches to another digest key. `known` maps old digests to those under `key`.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn rekey(&mut self, key: &Key, known: &BTreeMap<String, String>) -> Result<(), Error> {
        self.key = key.name();
        let digests = self.places.values_mut().flat_map(|place| place.views.values_mut()).flatten();
        let each =
            digests.flat_map(|of| of.entries.values_mut().flat_map(BTreeMap::values_mut).chain(of.order.values_mut()));
        each.for_each(|digest| known.get(digest).into_iter().for_each(|new| new.clone_into(digest)));
        if self.places.is_empty() { Ok(()) } else { self.save() }
    }

    /// Everything in it, to be put back by [`Ledger::set`].
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    pub(super) fn set(&mut self, places: Places) {
        self.places = places;
    }

    /// What is known of a target directory, by its real path.
    pub fn place(&self, dir: &Path) -> Option<&Place> {
        self.places.get(dir)
    }

    /// The sealed copy of the gateway's own file that a link at this path replaced.
    pub fn sealed(&self, link: &Path) -> Option<PathBuf> {
        self.places.values().find_map(|place| place.links.get(link)?.clone())
    }

    /// All target directories.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.places.keys().map(PathBuf::as_path)
    }

    /// The target directories that have views for a time, and these.
    pub fn leased(&self) -> impl Iterator<Item = (&Path, &BTreeSet<Kind>)> {
        let leased = self.places.iter().map(|(dir, place)| (dir.as_path(), &place.leased));
        leased.filter(|(_, kinds)| !kinds.is_empty())
    }

    /// Takes other digests for what a view may have: what was captured from it. Writes only what
    /// changes something.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn rebase(&mut self, views: impl IntoIterator<Item = (PathBuf, Kind, Vec<Digests>)>) -> Result<(), Error> {
        let mut changed = false;
        for (dir, kind, digests) in views {
            let view = self.places.get_mut(&dir).and_then(|place| place.views.get_mut(&kind));
            if let Some(view) = view.filter(|view| **view != digests) {
                *view = digests;
                changed = true;
            }
        }
        if changed { self.save() } else { Ok(()) }
    }

    /// The file in local state that holds it.
    pub fn file(root: &Path, vault_id: &str) -> PathBuf {
        root.join(FOLDER).join(format!("{vault_id}.json"))
    }

    /// Notes that the profiles in a target directory are references; lasts with the next change of it.
    pub fn note_references(&mut self, dir: &Path) {
        self.place_mut(dir).references = true;
    }

    pub(super) fn place_mut(&mut self, dir: &Path) -> &mut Place {
        self.places.entry(dir.to_owned()).or_default()
    }

    /// Forgets directories that are gone, and places where nothing of ours is left.
    pub(super) fn tidy(&mut self) {
        for place in self.places.values_mut() {
            place.made.retain(|dir| std::fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir()));
        }
        self.places.retain(|_, place| !place.made.is_empty() || !place.views.is_empty());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_spelling_and_never_leaves_the_target() {
        for text in ["auth/main", "auth/a-b_1", "env"] {
            assert_eq!(String::from(Kind::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["auth/", "auth/..", "auth/Main", "auth/_shared", "auth/a/b", "env/A", ""] {
            assert!(Kind::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
