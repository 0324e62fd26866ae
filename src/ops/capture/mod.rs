//! What the gateway changed in its views, taken back into the vault.
//!
//! [`compare::plan`] compares three ways: what a gateway holds, what the vault has, and the base
//! in the ledger. [`capture`] does it once, [`Keeper`] again and again with one key, and
//! [`watch`](watch::watch) each time that something changed.

pub mod compare;
pub mod watch;

use super::intake::Refused;
use super::judge::Why;
use crate::model;
use crate::ops::ledger;
use crate::seal::Opener;
use crate::store::{self, Checked, Edit, Local, Place, Policy};
use crate::views::{self, Carry, Digests, Held, Key, Kind, Ledger, LeftOut, Seen, Target};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a capture is planned anew when somebody else changed the same entry meanwhile.
const TRIES: usize = 3;
/// How long to wait between two looks at a view that is half written.
const PAUSE: Duration = Duration::from_millis(100);

/// What to do with what the gateway removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removals {
    /// Name it; it stays in the vault.
    Name,
    /// Take it out of the vault.
    Take,
}

/// What is to be captured.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Only what was exported into this directory; without it, everything.
    pub dir: Option<&'r Path>,
    /// What the gateway removed.
    pub removals: Removals,
    /// How long to wait for a view that is half written.
    pub settle: Duration,
}

/// Why nothing was captured.
#[derive(Debug)]
pub enum Error {
    /// The views, or what is known of them.
    Views(views::Error),
    /// The vault.
    Store(store::Error),
}

impl From<views::Error> for Error {
    fn from(error: views::Error) -> Self {
        Self::Views(error)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What was done, in names and paths.
#[derive(Debug, Default)]
pub struct Report {
    /// Entries and orders that got the gateway's value.
    pub taken: Vec<String>,
    /// Those that the vault did not have.
    pub added: Vec<String>,
    /// Those that were taken out of the vault, as the gateway had.
    pub removed: Vec<String>,
    /// Those that the gateway removed and that stay in the vault.
    pub missing: Vec<String>,
    /// Profiles that hold a refresh token which another one followed: ignored (F11).
    pub stale: Vec<String>,
    /// What no rule decides, and why: both values stay where they are.
    pub conflicts: Vec<(String, Why)>,
    /// What is not taken without a person, or not at all, and why: the vault keeps what it has.
    pub left_out: Vec<(String, Refused)>,
    /// Views that cannot be read as what they are.
    pub unreadable: Vec<PathBuf>,
    /// Every view that was looked at, whether it is there or not, with its target directory.
    pub views: Vec<(PathBuf, PathBuf)>,
    /// The number of the new generation, if anything was saved.
    pub saved: Option<u64>,
}

impl Report {
    /// Adds what a later capture did; what is named already stays so.
    pub fn add(&mut self, later: &Self) {
        add(&mut self.taken, &later.taken);
        add(&mut self.added, &later.added);
        add(&mut self.removed, &later.removed);
        add(&mut self.missing, &later.missing);
        add(&mut self.stale, &later.stale);
        add(&mut self.conflicts, &later.conflicts);
        add(&mut self.left_out, &later.left_out);
    }

    /// Whether anything was done or is left open.
    fn has_news(&self) -> bool {
        let names = [&self.taken, &self.added, &self.removed, &self.missing, &self.stale];
        let open = !self.conflicts.is_empty() || !self.left_out.is_empty() || !self.unreadable.is_empty();
        open || names.iter().any(|list| !list.is_empty())
    }
}

fn add<T: Clone + PartialEq>(names: &mut Vec<T>, more: &[T]) {
    let more: Vec<T> = more.iter().filter(|name| !names.contains(name)).cloned().collect();
    names.extend(more);
}

/// What a gateway holds, and what it was given: a view here, but any store of profiles will do.
pub struct Source {
    /// What it shows.
    pub kind: Kind,
    /// How to speak of it.
    pub path: PathBuf,
    /// What was read there.
    pub held: Held,
    /// The states that the base may be; none if nothing is known of it.
    pub base: Vec<Digests>,
}

/// Looks at the views once, saves what the gateway changed, and notes what was captured, so that
/// `export` and `wipe` know it is not lost. A crash in between is healed by the next capture:
/// what both sides have is no change.
///
/// # Errors
/// A place of a view that is not as it was made; whatever a save can fail with.
pub fn capture(edit: &Edit<'_>, checked: Checked<'_>, request: &Request<'_>) -> Result<Report, Error> {
    let vault = &checked.vault;
    let local = edit.local.root();
    let (mut ledger, key) = ledger::open(vault, local, edit.patience)?;
    let mut carry = Carry::load(local, &vault.vault_id)?;
    let mut looked = Looked::default();
    let wanted = request.dir.map(Target::resolve).transpose()?;
    for dir in ledger.dirs().filter(|dir| wanted.as_ref().is_none_or(|wanted| wanted.path() == *dir)) {
        looked.at(dir, &ledger, &key, &mut carry, request.settle)?;
    }
    let Looked { sources, dirs, views, unreadable } = looked;
    let compare::Plan { mut report, change, bases, left_out } = compare::plan(vault, &key, &sources, request.removals)?;
    (report.views, report.unreadable) = (views, unreadable);
    let vault_id = vault.vault_id.clone();
    if !change.is_empty() {
        report.saved = Some(edit.save(checked, change)?.generation);
    }
    let kinds = sources.into_iter().map(|source| source.kind);
    ledger.rebase(dirs.into_iter().zip(kinds).zip(bases).map(|((dir, kind), base)| (dir, kind, base)))?;
    carry.save()?;
    // What cannot be read now may be what was left out before.
    let looked = |path: &&Path| !report.unreadable.iter().any(|unreadable| unreadable == path);
    let places: Vec<&Path> = report.views.iter().map(|(_, view)| view.as_path()).filter(looked).collect();
    LeftOut::note(local, &vault_id, &places, &left_out, store::now())?;
    Ok(report)
}

/// The same without a word to the vault or to what is remembered: what a capture would do, and its change.
///
/// # Errors
/// As [`capture`].
pub fn preview(
    local: &Path,
    vault: &model::Vault<'_>,
    request: &Request<'_>,
    patience: Duration,
) -> Result<(Report, model::Change), Error> {
    let (ledger, key) = ledger::open(vault, local, patience)?;
    let mut carry = Carry::load(local, &vault.vault_id)?;
    let mut looked = Looked::default();
    for dir in ledger.dirs() {
        looked.at(dir, &ledger, &key, &mut carry, request.settle)?;
    }
    let compare::Plan { report, change, .. } = compare::plan(vault, &key, &looked.sources, request.removals)?;
    Ok((Report { views: looked.views, unreadable: looked.unreadable, ..report }, change))
}

/// What was found in the target directories.
#[derive(Default)]
struct Looked {
    sources: Vec<Source>,
    /// The target directory of each source.
    dirs: Vec<PathBuf>,
    views: Vec<(PathBuf, PathBuf)>,
    unreadable: Vec<PathBuf>,
}

impl Looked {
    fn at(&mut self, dir: &Path, ledger: &Ledger, key: &Key, carry: &mut Carry, settle: Duration) -> Result<(), Error> {
        let target = Target::known(dir)?;
        let Some(place) = ledger.place(dir) else { return Ok(()) };
        for (kind, base) in &place.views {
            let deadline = Instant::now() + settle;
            let held = loop {
                let seen = Seen::look(&target, ledger, key, kind.clone())?;
                let held = seen.bytes().map(|bytes| Held::read(key, kind, bytes, seen.state()));
                if !matches!(held, Some(Err(_))) || Instant::now() >= deadline {
                    carry.keep_from(&seen);
                    break held;
                }
                std::thread::sleep(PAUSE);
            };
            let path = dir.join(kind.path());
            self.views.push((dir.to_owned(), path.clone()));
            match held {
                // Nothing there says nothing: a directory in memory is empty after a start.
                None => {}
                Some(Err(_)) => self.unreadable.push(path),
                Some(Ok(held)) => {
                    self.sources.push(Source { kind: kind.clone(), path, held, base: base.clone() });
                    self.dirs.push(dir.to_owned());
                }
            }
        }
        Ok(())
    }
}

/// A vault that is captured into again and again, with the key that once opened it: no prompt, no
/// derivation, no new pin. Between captures it keeps the key and no text.
pub struct Keeper<'k> {
    local: &'k Local,
    place: &'k Place,
    policy: &'k Policy,
    patience: Duration,
    opener: Opener,
    vault_id: String,
    /// What was opened for the first capture.
    first: Option<store::Seen>,
}

impl<'k> Keeper<'k> {
    /// Keeps the key that opened `seen`. `patience` is how long to wait for locks.
    ///
    /// # Errors
    /// A vault that is not to be believed.
    pub fn new(
        local: &'k Local,
        place: &'k Place,
        seen: store::Seen,
        policy: &'k Policy,
        patience: Duration,
    ) -> Result<Self, Error> {
        let vault_id = store::check(local, place, &seen, policy)?.vault.vault_id;
        let opener = seen.opener().clone();
        Ok(Self { first: Some(seen), ..Self::again(local, place, (opener, vault_id), policy, patience) })
    }

    /// The same for the vault with this id, which this key has opened before.
    pub fn again(
        local: &'k Local,
        place: &'k Place,
        (opener, vault_id): (Opener, String),
        policy: &'k Policy,
        patience: Duration,
    ) -> Self {
        Self { local, place, policy, patience, opener, vault_id, first: None }
    }

    /// Captures into the vault as it stands now, whoever saved it last.
    ///
    /// # Errors
    /// As [`capture`]; a vault that the key no longer opens, or that is not to be believed.
    pub fn capture(&mut self, request: &Request<'_>) -> Result<Report, Error> {
        let mut tries = TRIES;
        loop {
            let seen = self.read()?;
            let Self { local, place, policy, patience, .. } = *self;
            let checked = self.check(&seen)?;
            // A place where nothing can be written is no obstacle: see `--pin`.
            let _ = store::accept(local, &checked);
            let edit = Edit { local, place, seen: &seen, policy, patience, command: "capture" };
            tries -= 1;
            match capture(&edit, checked, request) {
                Err(Error::Store(store::Error::Model(model::Error::Conflict(_)))) if tries > 0 => {}
                outcome => return outcome,
            }
        }
    }

    /// Reads and opens the vault as it stands now.
    ///
    /// # Errors
    /// A vault that the key no longer opens.
    pub fn read(&mut self) -> Result<store::Seen, Error> {
        let sealed = self.place.read()?;
        if let Some(seen) = self.first.take_if(|seen| seen.is(&sealed)) {
            return Ok(seen);
        }
        self.first = None;
        let plain = self.opener.open(&sealed).map_err(store::Error::from)?;
        Ok(store::Seen::new(sealed, plain, self.opener.clone()))
    }

    /// Believes what was read.
    ///
    /// # Errors
    /// A vault that is not to be believed, or that is older than the last one seen.
    pub fn check<'s>(&self, seen: &'s store::Seen) -> Result<Checked<'s>, Error> {
        Ok(store::check(self.local, self.place, seen, self.policy)?)
    }

    /// The file of local state that says which views there are.
    fn ledger(&self) -> PathBuf {
        Ledger::file(self.local.root(), &self.vault_id)
    }
}

/// Whether it may pass by itself: a lock, a disk, a directory that is being made.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(
        error,
        Error::Views(views::Error::File(_))
            | Error::Store(
                store::Error::File(_) | store::Error::AfterSave(_) | store::Error::Model(model::Error::Conflict(_))
            )
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests;
