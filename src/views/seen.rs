//! A view as it stands, judged by the ledger.

use super::compare::{Difference, How, Verdict, What, compare, loses_nothing};
use super::digest::{Digests, Key, digests};
use super::{Changes, Error, Kind, Ledger, Target};
use crate::fsio::{self, Dir};
use crate::secret::SecretBuf;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Larger than any view of a vault.
const MAX_VIEW: usize = crate::model::MAX_PAYLOAD;
/// Where gateways of era A2 keep orders, beside the profiles.
pub(super) const STATE: &str = "auth-state.json";
/// The mode of every view.
pub(super) const MODE: u32 = 0o600;

/// What was found where a view lies or will lie.
#[derive(Debug)]
pub struct Seen {
    kind: Kind,
    path: PathBuf,
    file: Option<(SecretBuf, u32)>,
    state: Option<SecretBuf>,
    digests: Option<Digests>,
    verdict: Verdict,
}

impl Seen {
    /// Looks at the place of a view.
    ///
    /// # Errors
    /// [`fsio::Error::Link`] for a link or a file with several names, [`fsio::Error::Owner`],
    /// [`fsio::Error::Kind`]; the same for the directories on the way.
    pub fn look(target: &Target, ledger: &Ledger, key: &Key, kind: Kind) -> Result<Self, Error> {
        let path = target.path().join(kind.path());
        let dir = target.open(&kind)?;
        let file = dir.as_ref().map(|dir| read(dir, &name(&kind))).transpose()?.flatten();
        // No view of ours: what cannot be read there is no reason to stop.
        let state = dir.filter(|_| matches!(kind, Kind::AuthProfiles(_)));
        let state = state.and_then(|dir| read(&dir, OsStr::new(STATE)).ok().flatten()).map(|(bytes, _)| bytes);
        let now = file.as_ref().and_then(|(bytes, _)| digests(key, &kind, bytes).ok());
        let known = ledger.place(target.path()).and_then(|place| place.views.get(&kind));
        let verdict = match (&file, known) {
            (None, _) => Verdict::Gone,
            (Some(_), None) => Verdict::NotOurs,
            (Some(_), Some(accepted)) => compare(accepted, now.as_ref()),
        };
        Ok(Self { kind, path, file, state, digests: now, verdict })
    }

    /// What the view shows.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it relates to what was written.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What it holds.
    pub fn bytes(&self) -> Option<&SecretBuf> {
        self.file.as_ref().map(|(bytes, _)| bytes)
    }

    /// What the `auth-state.json` beside it holds, if there is one.
    pub fn state(&self) -> Option<&SecretBuf> {
        self.state.as_ref()
    }

    pub(super) fn digests(&self) -> Option<&Digests> {
        self.digests.as_ref()
    }

    /// Whether it is, to the byte and the mode, what would be written.
    pub(super) fn is(&self, bytes: &SecretBuf) -> bool {
        self.file.as_ref().is_some_and(|(have, mode)| *mode == MODE && have.expose() == bytes.expose())
    }

    /// Refuses if the file is no longer what was looked at.
    pub(super) fn check_still(&self, target: &Target) -> Result<(), Error> {
        let dir = target.open(&self.kind)?;
        let now = dir.map(|dir| read(&dir, &name(&self.kind))).transpose()?.flatten();
        let same = match (&self.file, &now) {
            (None, None) => true,
            (Some((seen, _)), Some((now, _))) => seen.expose() == now.expose(),
            _ => false,
        };
        if same { Ok(()) } else { Err(Error::Changed(vec![self.path.display().to_string()])) }
    }

    /// Whether replacing the view loses a difference: what the gateway added or changed is lost
    /// unless the vault has it, what it removed would come back if the vault has it.
    fn loses(&self, difference: &Difference, vault: Option<&Digests>) -> bool {
        let Some((found, vault)) = self.digests.as_ref().zip(vault) else { return true };
        match (&difference.what, &difference.how) {
            (What::Entry(name), How::Removed) => vault.entries.contains_key(name),
            (What::Order(provider), How::Removed) => vault.order.contains_key(provider),
            (What::Entry(name), _) => found.entries.get(name) != vault.entries.get(name),
            (What::Order(provider), _) => found.order.get(provider) != vault.order.get(provider),
            (What::Whole, _) => true,
        }
    }

    /// Whether replacing it by a view with these digests could lose something.
    pub(super) fn would_lose(&self, new: &Digests) -> bool {
        self.verdict == Verdict::NotOurs && !self.digests.as_ref().is_some_and(|found| loses_nothing(found, new))
    }
}

/// Refuses views that were changed, naming all that changed in all of them (F12). What is
/// changed but stands in the vault as well, `vault` telling how, is lost by nobody.
///
/// # Errors
/// [`Error::Changed`].
pub fn check_unchanged<'s>(
    seen: impl Iterator<Item = (&'s Seen, Option<&'s Digests>)>,
    changes: Changes,
) -> Result<(), Error> {
    let mut names = Vec::new();
    for (view, vault) in seen {
        let Verdict::Changed(differences) = &view.verdict else { continue };
        let counts = |how: &How| *how != How::Removed || changes != Changes::KeepValues;
        let lost = |difference: &&Difference| counts(&difference.how) && view.loses(difference, vault);
        for difference in differences.iter().filter(lost) {
            let name = difference.name(&view.kind, &view.path);
            let gone = if difference.how == How::Removed { " (removed there)" } else { "" };
            names.push(format!("{name}{gone}"));
        }
    }
    if changes == Changes::Discard || names.is_empty() { Ok(()) } else { Err(Error::Changed(names)) }
}

/// The last part of a view's path.
pub(super) fn name(kind: &Kind) -> OsString {
    kind.path().file_name().map(OsStr::to_owned).unwrap_or_default()
}

/// A file of ours that has no other name, and its mode.
fn read(dir: &Dir, name: &OsStr) -> Result<Option<(SecretBuf, u32)>, Error> {
    let path = dir.path().join(name);
    let file = match dir.open_file(name) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let meta = file.metadata().map_err(|error| fsio::Error::io("look at", &path, error))?;
    if !meta.is_file() {
        return Err(fsio::Error::Kind(path).into());
    }
    if meta.uid() != fsio::own_uid() {
        return Err(fsio::Error::Owner(path, meta.uid()).into());
    }
    if meta.nlink() > 1 {
        return Err(fsio::Error::Link(path).into());
    }
    let bytes = fsio::read_descriptor(file.into(), MAX_VIEW)?;
    Ok(Some((bytes, meta.mode() & 0o7777)))
}
