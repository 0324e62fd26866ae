//! A save after which a key must no longer open anything here: kept generations are sealed anew, and the old copies are
//! removed only once the new vault is in place.
//!
//! A copy is sealed to those current recipients that could already read it, and names them: a recipient that was added
//! later cannot read earlier states. Replacing a key loses nothing as long as the old key is at hand: what only the old
//! key opens is sealed to the new one as well.
//!
//! The order ensures that a crash at any point leaves a vault that its owner can open: write the new copies beside the
//! old ones; write the vault, marked with their tag; remove the old copies. Each save first finishes an interrupted
//! one.

use super::edit::{Done, Edit, Standing, after_save, prove, seal_vault, settle, stamp};
use super::heirs::{Heir, Sealing, joined_heirs};
use super::snapshot::{self, Snapshot};
use super::{Checked, Error, Pin, Place, Saved, exposure, lineage, now, retention, tag};
use crate::fsio::{Dir, Replacement};
use crate::model::{Change, RESEALING, Vault};
use crate::seal::{self, Opener};
use crate::secret::SecretBuf;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// What to do with generations that no key at hand opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Change nothing and name them.
    Refuse,
    /// Remove them: they cannot be sealed anew.
    Drop,
}

/// The keys of a save after which a removed or replaced key must not open anything.
#[derive(Clone)]
pub struct Keys<'k> {
    /// The key that must open the new vault.
    pub proof: &'k Opener,
    /// A replaced key and its successor, if both have the same holder.
    pub heir: Option<Heir>,
    /// Other keys at hand.
    pub beside: Vec<&'k Opener>,
    /// Key replacements that another state of the vault records.
    pub known: Vec<Heir>,
}

/// A member of the payload: which copies of kept generations the last re-sealing wrote.
#[derive(Serialize, Deserialize)]
struct Mark {
    tag: String,
    generation: u64,
    /// The label of the recipient that was removed, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed: Option<String>,
    /// Keys that replaced others of the same holder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heirs: Vec<Heir>,
}

impl Mark {
    /// The mark of the last re-sealing; if there was none, a mark that is older than everything.
    fn of(vault: &Vault<'_>) -> Self {
        let none = || Self { tag: String::new(), generation: 0, removed: None, heirs: Vec::new() };
        let Some(raw) = vault.other.get(RESEALING) else { return none() };
        // The tag becomes part of file names. An invalid mark counts as none: the next key change writes a new one.
        let is_tag = |mark: &Self| mark.tag.len() <= 32 && mark.tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        serde_json::from_str(raw.get()).ok().filter(is_tag).unwrap_or_else(none)
    }

    /// The key replacements of a vault, except of keys that are recipients now: these were not replaced, or were added
    /// again.
    fn heirs(vault: &Vault<'_>) -> Vec<Heir> {
        let is_there = |public: &str| vault.recipients.iter().any(|one| one.public == public);
        Self::of(vault).heirs.into_iter().filter(|heir| !is_there(&heir.of)).collect()
    }

    /// Not older than the mark, but written by another re-sealing: one that was never completed.
    fn is_orphan(&self, one: &Snapshot) -> bool {
        one.generation >= self.generation && !one.resealed.is_empty() && one.resealed != self.tag
    }

    /// Older than the mark, and not written by its re-sealing, whatever the name claims.
    fn is_old(&self, one: &Snapshot) -> bool {
        one.generation < self.generation && one.resealed != self.tag
    }
}

impl Edit<'_> {
    /// As [`Edit::save`], for a change that removes or replaces a recipient and rotates the vault secret.
    /// [`Keys::proof`] must open what is written; kept generations are opened by it or by any other key that was given.
    ///
    /// # Errors
    /// As [`Edit::save`]; [`Error::Unreadable`] under [`Unreadable::Refuse`].
    pub fn save_resealing(
        &self,
        checked: Checked<'_>,
        change: Change,
        keys: Keys<'_>,
        unreadable: Unreadable,
    ) -> Result<Saved, Error> {
        self.under_lock(checked, &change, |state| self.reseal(state, change.clone(), &keys, unreadable))
    }

    fn reseal(
        &self,
        standing: Standing<'_>,
        change: Change,
        keys: &Keys<'_>,
        unreadable: Unreadable,
    ) -> Result<Saved, Error> {
        let Self { local, place, seen, command, .. } = *self;
        let Keys { proof, heir, known, beside } = keys;
        let proof = *proof;
        let Standing { mut vault, sealed: standing, size } = standing;
        let generations = place.generations()?;
        let given = seen.opener.all().filter(|given| !std::ptr::eq(*given, proof));
        let keys: Vec<&Opener> = std::iter::once(proof).chain(given).chain(beside.iter().copied()).collect();
        let stands = (vault.generation, vault.rev.clone());
        let is_another = |one: &Snapshot| (one.generation, &one.rev) != (stands.0, &stands.1);
        // An interrupted change may have left several files of one state: one that opens is enough.
        let (mut closed, mut open) = (Vec::new(), BTreeSet::new());
        for one in snapshot::list(&generations)?.iter().filter(|one| is_another(one)) {
            match open_one(one, &keys, &seen.sealed)? {
                Some(_) => _ = open.insert(one.state()),
                None => closed.push((one.state(), one.name.clone())),
            }
        }
        closed.retain(|(state, _)| !open.contains(state));
        let closed: Vec<String> = closed.into_iter().map(|(_, name)| name).collect();
        if unreadable == Unreadable::Refuse && !closed.is_empty() {
            return Err(Error::Unreadable(closed));
        }
        finish(&generations, &vault, &seen.opener)?;
        let (old, before) = (snapshot::list(&generations)?, Mark::of(&vault));
        let (displaced, displaced_text) = (Snapshot::in_place(place, &vault, standing), vault.render(size)?);
        let pin = Pin::of(&vault)?;
        let heirs = joined_heirs(&Mark::heirs(&vault), known, heir.as_ref());
        let removed = change.leaver().map(|label| label.as_str().to_owned());
        if let Some(label) = &removed {
            exposure::note(&mut vault, label)?;
        }
        let done = Done::by(command, &change, &vault);
        lineage::apply(change, &mut vault, now())?;
        tag::renew(&mut vault, &pin, &keys)?;
        stamp(local, &mut vault, snapshot::highest(&generations)?, done)?;
        let tag = super::hex(&super::random::<8>()?);
        let mark = Mark { tag, generation: vault.generation, removed, heirs };
        vault.other.put(RESEALING, to_raw_value(&mark).map_err(crate::model::Error::from)?);

        let at_hand: BTreeSet<String> = keys.iter().map(|key| key.public()).collect();
        let sealing = Sealing { tag: &mark.tag, today: &vault.recipients, heirs: &mark.heirs, at_hand };
        let (mut written, mut closed) = (BTreeSet::new(), closed);
        for files in states(&old, &before) {
            let Some(first) = files.first().filter(|one| is_another(one)) else { continue };
            let mut opened = None;
            for one in &files {
                opened = open_one(one, &keys, &seen.sealed)?.map(|(plain, by)| (*one, plain, by));
                if opened.is_some() {
                    break;
                }
            }
            let outcome = match opened {
                Some((one, plain, by)) => sealing.write(&generations, one, &plain, by),
                None if files.iter().any(|one| closed.contains(&one.name)) => continue,
                // It could be opened a moment ago, so it must not be dropped.
                None => return Err(Error::Unreadable(vec![first.name.clone()])),
            };
            match outcome {
                Ok(name) => _ = written.insert(name),
                Err(Error::Unreadable(_)) if unreadable == Unreadable::Drop => closed.push(first.name.clone()),
                Err(error) => return Err(error),
            }
        }
        let resealed = sealing.write(&generations, &displaced, &displaced_text, &seen.opener)?;
        written.insert(resealed.clone());
        generations.sync()?;

        let sealed = seal_vault(&vault, size)?;
        let replacement = Replacement::write(place.dir(), place.name(), &sealed.bytes, 0o600)?;
        prove(&sealed, proof)?;
        if !replacement.rename_over(Some(standing))? {
            return Err(Error::Raced);
        }
        after_save(|| {
            place.dir().sync()?;
            // A failure to record the save must not prevent the removal of old copies.
            let settled = settle(local, place, &vault, &sealed.bytes);
            remove_old(&generations, &mark, &written)?;
            settled?;
            retention::prune(&generations, &resealed, &vault)
        })?;
        let (displaced, pin) = (displaced.generation, Pin::of(&vault)?);
        Ok(Saved { generation: vault.generation, displaced, pin, dropped: closed })
    }
}

/// `None` for what no key opens, now or later. A plugin that fails, or a disk, is another matter; but plugins fail
/// too where nothing is sealed to them, which shows by what the header lacks of that of `opened`, which they opened.
fn open_one<'k>(
    snapshot: &Snapshot,
    openers: &[&'k Opener],
    opened: &[u8],
) -> Result<Option<(SecretBuf, &'k Opener)>, Error> {
    let sealed = snapshot.read()?;
    let mut fault = None;
    for opener in openers.iter().copied() {
        match opener.open(&sealed) {
            Ok(plain) => return Ok(Some((plain, opener))),
            Err(seal::Error::NoMatch | seal::Error::Damaged | seal::Error::NotAge | seal::Error::Bound(..)) => {}
            Err(other) => fault = Some(other),
        }
    }
    let Some(fault) = fault else { return Ok(None) };
    let has = seal::stanza_kinds(&sealed)?;
    let lacks = |(kind, count): (&String, &usize)| has.get(kind).is_none_or(|has| has < count);
    let mut kinds = seal::stanza_kinds(opened)?;
    // Most plugins have a kind of their own.
    if kinds.keys().any(|kind| !seal::is_native(kind)) {
        kinds.retain(|kind, _| !seal::is_native(kind));
    }
    if kinds.iter().any(lacks) { Ok(None) } else { Err(fault.into()) }
}

/// The files of each state, in the order in which they are tried: the copy from this mark's re-sealing (also one that
/// still waits for a key), the state as it was saved, then copies from other re-sealings. Those may come from an
/// interrupted removal, and lack a recipient that was not removed after all.
fn states<'s>(all: &'s [Snapshot], mark: &Mark) -> Vec<Vec<&'s Snapshot>> {
    let rank = |one: &Snapshot| match one.resealed.strip_prefix(&mark.tag) {
        Some("") if !mark.tag.is_empty() => 0,
        Some(snapshot::WAITS) if !mark.tag.is_empty() => 1,
        _ if one.resealed.is_empty() => 2,
        _ => 3,
    };
    let mut states: Vec<Vec<&Snapshot>> = Vec::new();
    for one in all {
        let is_of = |files: &&mut Vec<&Snapshot>| {
            files.first().is_some_and(|first| (first.generation, &first.rev) == (one.generation, &one.rev))
        };
        match states.last_mut().filter(is_of) {
            Some(files) => files.push(one),
            None => states.push(vec![one]),
        }
    }
    states.iter_mut().for_each(|files| files.sort_by_key(|one| rank(one)));
    states
}

/// Removes every file from before the mark except those that this re-sealing has `written`. A name is no proof: copies
/// from an interrupted re-sealing are sealed to the recipients of that one.
fn remove_old(generations: &Dir, mark: &Mark, written: &BTreeSet<String>) -> Result<(), Error> {
    for one in snapshot::list(generations)? {
        if mark.is_old(&one) && !written.contains(&one.name) {
            generations.remove(OsStr::new(&one.name))?;
        }
    }
    Ok(generations.sync()?)
}

/// Finishes a removal that was interrupted, or that was made on another host and came with the vault file, and removes
/// the copies of one that was never completed. A copy that `opener` cannot open stays.
pub(super) fn finish(generations: &Dir, vault: &Vault<'_>, opener: &Opener) -> Result<(), Error> {
    let mark = Mark::of(vault);
    let all = snapshot::list(generations)?;
    if !all.iter().any(|one| mark.is_old(one) || mark.is_orphan(one)) {
        return Ok(());
    }
    let at_hand = opener.all().map(Opener::public).collect();
    let heirs = Mark::heirs(vault);
    let sealing = Sealing { tag: &mark.tag, today: &vault.recipients, heirs: &heirs, at_hand };
    for files in states(&all, &mark) {
        if !files.iter().any(|one| mark.is_old(one)) {
            continue;
        }
        let natives = || opener.all().filter(|by| by.plugin().is_none());
        let is_intact = |one: &Snapshot| {
            let opens = |sealed: &[u8], by: &Opener| by.open(sealed).err();
            let is_damage = |error| matches!(error, Some(seal::Error::Damaged | seal::Error::NotAge));
            one.read().is_ok_and(|sealed| !natives().any(|by| is_damage(opens(&sealed, by))))
        };
        let Some(best) = files.iter().find(|one| is_intact(one)) else { continue };
        let mut name = best.name.clone();
        if mark.is_old(best) {
            let sealed = best.read()?;
            let opened = opener.all().find_map(|by| Some((by.open(&sealed).ok()?, by)));
            let Some((plain, by)) = opened else { continue };
            match sealing.write(generations, best, &plain, by) {
                Ok(written) => name = written,
                Err(Error::Unreadable(_)) => continue,
                Err(error) => return Err(error),
            }
        }
        for one in files.iter().filter(|one| mark.is_old(one) && one.name != name) {
            generations.remove(OsStr::new(&one.name))?;
        }
    }
    for one in all.iter().filter(|one| mark.is_orphan(one)) {
        let origin = all
            .iter()
            .any(|other| (other.generation, &other.rev, other.resealed.is_empty()) == (one.generation, &one.rev, true));
        if origin || (one.generation, one.rev.as_str()) == (vault.generation, vault.rev.as_str()) {
            generations.remove(OsStr::new(&one.name))?;
        }
    }
    Ok(generations.sync()?)
}

/// Whether a save after which a key must open nothing was interrupted while old copies were
/// still there. The mark alone stays until the next save.
///
/// # Errors
/// When the generations cannot be listed.
pub fn is_unfinished(place: &Place, vault: &Vault<'_>) -> Result<bool, Error> {
    let mark = Mark::of(vault);
    Ok(snapshot::history(place)?.iter().any(|one| mark.is_old(one)))
}

/// The label of the recipient that the last such save removed.
pub fn last_removed(vault: &Vault<'_>) -> Option<String> {
    Mark::of(vault).removed
}

/// The key replacements that a vault records.
pub fn known_heirs(vault: &Vault<'_>) -> Vec<Heir> {
    Mark::heirs(vault)
}

/// The mark of `newer` for its join with `other`: copies from before `generation`, that of the join, count as old. Key
/// replacements recorded in `other` are included only if it `is_trusted`: no removed recipient could have written it.
pub(super) fn joined_mark(
    newer: &Vault<'_>,
    (other, is_trusted): (&Vault<'_>, bool),
    generation: u64,
) -> Result<Option<Box<RawValue>>, crate::model::Error> {
    let mut mark = Mark::of(newer);
    if mark.tag.is_empty() {
        return Ok(None);
    }
    let others = if is_trusted { Mark::heirs(other) } else { Vec::new() };
    mark.heirs = joined_heirs(&others, &Mark::heirs(newer), None);
    mark.generation = mark.generation.max(generation);
    Ok(Some(to_raw_value(&mark)?))
}
