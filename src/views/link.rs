//! Links from the gateway's state directory to views elsewhere.

use super::seen::name;
use super::{Changes, Digests, Error, Key, Kind, Ledger, Seen, Target, Verdict, check_unchanged};
use crate::fsio;
use crate::secret::SecretBuf;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A link that is to be put in place of what stands there.
#[derive(Debug)]
pub struct Link {
    kind: Kind,
    state: PathBuf,
    view: PathBuf,
    /// The file that it replaces; `None` for another link.
    seen: Option<Seen>,
    sealed: Option<PathBuf>,
}

impl Link {
    /// Looks at the place of a link to the view of `kind` in `target`. `None` if it is there already.
    /// `vault` are the digests of what the vault has for it.
    ///
    /// # Errors
    /// [`Error::NotOurs`] for a file that holds what the vault has not, and for a link to somewhere else.
    pub fn look(
        state_dir: &Path,
        target: &Target,
        kind: &Kind,
        ledger: &Ledger,
        key: &Key,
        vault: &Digests,
        changes: Changes,
    ) -> Result<Option<Self>, Error> {
        let state = Target::resolve(state_dir)?;
        let path = state.path().join(kind.path());
        let view = target.path().join(kind.path());
        let link = |seen| {
            let (kind, state, view) = (kind.clone(), state.path().to_owned(), view.clone());
            Self { kind, state, view, seen, sealed: None }
        };
        if let Ok(to) = std::fs::read_link(&path) {
            let ours = ledger.dirs().any(|dir| dir.join(kind.path()) == to);
            return match (to == view, ours || !path.exists() || changes == Changes::Discard) {
                (true, _) => Ok(None),
                (false, true) => Ok(Some(link(None))),
                (false, false) => Err(Error::NotOurs(vec![path])),
            };
        }
        let seen = Seen::look(&state, ledger, key, kind.clone())?;
        if *seen.verdict() == Verdict::NotOurs && seen.would_lose(vault) && changes == Changes::Keep {
            return Err(Error::NotOurs(vec![path]));
        }
        check_unchanged(std::iter::once((&seen, Some(vault))), changes)?;
        Ok(Some(link(Some(seen))))
    }

    /// Where it is put.
    pub fn path(&self) -> PathBuf {
        self.state.join(self.kind.path())
    }

    /// What the gateway's own file in its place holds, if there is one.
    pub fn original(&self) -> Option<&SecretBuf> {
        self.seen.as_ref().filter(|seen| *seen.verdict() != Verdict::Unchanged)?.bytes()
    }

    /// Remembers that a sealed copy of that file is kept at `sealed`.
    pub fn note_sealed(&mut self, sealed: PathBuf) {
        self.sealed = Some(sealed);
    }

    /// Refuses if the file in its place is no longer the one that was looked at.
    fn check_still(&self) -> Result<(), Error> {
        self.seen.as_ref().map_or(Ok(()), |seen| seen.check_still(&Target::known(&self.state)?))
    }

    /// Puts it there at once and whole.
    fn put(&self) -> Result<PathBuf, Error> {
        let dir = Target::known(&self.state)?.make(&self.kind)?;
        let name = name(&self.kind);
        dir.replace_by_link(&self.view, &name)?;
        Ok(dir.path().join(&name))
    }
}

/// Puts links in place and remembers them, so that they go with the views.
///
/// # Errors
/// [`Error::Changed`] when a file in the place of one has changed since it was looked at, before the first is put;
/// when one cannot be made: those before it are there and known.
pub fn put_links(ledger: &mut Ledger, target: &Target, links: Vec<Link>) -> Result<Vec<PathBuf>, Error> {
    links.iter().try_for_each(Link::check_still)?;
    for link in &links {
        // A link that led elsewhere before took the place of a file then.
        let sealed = link.sealed.clone().or_else(|| ledger.sealed(&link.path()));
        ledger.place_mut(target.path()).links.insert(link.path(), sealed);
    }
    ledger.save()?;
    links.iter().map(Link::put).collect()
}

/// Removes the links that lead to views of a target that are gone.
pub(super) fn remove_dangling(target: &Target, links: &BTreeMap<PathBuf, Option<PathBuf>>) {
    for path in links.keys() {
        let ours = std::fs::read_link(path).is_ok_and(|to| to.starts_with(target.path()) && !path.exists());
        if let (true, Some(parent), Some(name)) = (ours, path.parent(), path.file_name())
            && let Ok(dir) = fsio::Dir::open(parent)
        {
            // One that stays leads nowhere.
            let _ = dir.remove(name);
        }
    }
}
