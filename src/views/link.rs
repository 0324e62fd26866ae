//! Links from the gateway's state directory to views elsewhere.

use super::seen::name;
use super::{Changes, Digests, Error, Key, Kind, Ledger, Seen, Target, Verdict, check_unchanged};
use crate::fsio;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A link that is to be put in place of what stands there.
#[derive(Debug)]
pub struct Link {
    kind: Kind,
    state: PathBuf,
    view: PathBuf,
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
        if let Ok(to) = std::fs::read_link(&path) {
            let ours = ledger.dirs().any(|dir| dir.join(kind.path()) == to);
            return match (to == view, ours || !path.exists() || changes == Changes::Discard) {
                (true, _) => Ok(None),
                (false, true) => Ok(Some(Self { kind: kind.clone(), state: state.path().to_owned(), view })),
                (false, false) => Err(Error::NotOurs(vec![path])),
            };
        }
        let seen = Seen::look(&state, ledger, key, kind.clone())?;
        if *seen.verdict() == Verdict::NotOurs && seen.would_lose(vault) && changes == Changes::Keep {
            return Err(Error::NotOurs(vec![path]));
        }
        check_unchanged(std::iter::once((&seen, Some(vault))), changes)?;
        Ok(Some(Self { kind: kind.clone(), state: state.path().to_owned(), view }))
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
/// When one cannot be made; those before it are there and known.
pub fn put_links(ledger: &mut Ledger, target: &Target, links: Vec<Link>) -> Result<Vec<PathBuf>, Error> {
    let paths = links.iter().map(|link| link.state.join(link.kind.path()));
    ledger.place_mut(target.path()).links.extend(paths);
    ledger.save()?;
    links.iter().map(Link::put).collect()
}

/// Removes the links that lead to views of a target that are gone.
pub(super) fn remove_dangling(target: &Target, links: &BTreeSet<PathBuf>) {
    for path in links {
        let ours = std::fs::read_link(path).is_ok_and(|to| to.starts_with(target.path()) && !path.exists());
        if let (true, Some(parent), Some(name)) = (ours, path.parent(), path.file_name())
            && let Ok(dir) = fsio::Dir::open(parent)
        {
            // One that stays leads nowhere.
            let _ = dir.remove(name);
        }
    }
}
