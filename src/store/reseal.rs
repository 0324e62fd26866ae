//! A save after which a key must open nothing here any more: kept generations are sealed
//! anew, and the old copies go only when the new vault stands.
//!
//! A copy is sealed to those of today's recipients who could read it, and names them: who was added later reads nothing
//! from before. Who changes a key loses nothing as long as the earlier one is at hand: what only that one opens goes to
//! the new one as well.
//!
//! Order, so that a crash at any point leaves a vault that its owner can open: copies sealed
//! anew beside the old ones; the vault, marked with their tag; the old copies removed. Each
//! save first finishes what it finds undone.

use super::edit::{Done, Edit, Standing, after_save, prove, recipients, seal_vault, settle, stamp};
use super::snapshot::{self, Snapshot};
use super::{Checked, Error, Pin, Place, Saved, exposure, lineage, now, tag};
use crate::fsio::{Dir, Replacement};
use crate::model::{Change, RESEALING, Recipient, Vault};
use crate::seal::{self, Opener};
use crate::secret::SecretBuf;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use std::ffi::OsStr;

/// What to do with generations that no key at hand opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Change nothing and name them.
    Refuse,
    /// Remove them: they cannot be sealed anew.
    Drop,
}

/// The keys of a save after which another one must open nothing.
#[derive(Clone)]
pub struct Keys<'k> {
    /// Must open what is written.
    pub proof: &'k Opener,
    /// If the holder of the key that goes has both at hand: the one that gets what that one could read.
    pub heir: Option<Heir>,
}

/// A key that takes the place of another one of the same holder: what that one could read it reads too. Both are public
/// halves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heir {
    /// The key that goes.
    pub of: String,
    /// The one that stays.
    pub key: String,
}

/// In the payload since the last one: which copies of kept generations it wrote.
#[derive(Serialize, Deserialize)]
struct Mark {
    tag: String,
    generation: u64,
    /// The label of the recipient that was removed, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed: Option<String>,
    /// Whose key took the place of the removed one, if it is the same holder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heir: Option<Heir>,
}

impl Mark {
    /// The mark of the last one that came about; one that is older than everything if none did.
    fn of(vault: &Vault<'_>) -> Self {
        let none = || Self { tag: String::new(), generation: 0, removed: None, heir: None };
        let Some(raw) = vault.other.get(RESEALING) else { return none() };
        // The tag becomes part of file names. A mark that is none marks nothing: the next change of keys makes one.
        let is_tag = |mark: &Self| mark.tag.len() <= 32 && mark.tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        serde_json::from_str(raw.get()).ok().filter(is_tag).unwrap_or_else(none)
    }

    /// From after the mark, and still written by a re-sealing: one that never came about.
    fn is_orphan(&self, one: &Snapshot) -> bool {
        one.generation >= self.generation && !one.resealed.is_empty() && one.resealed != self.tag
    }

    /// From before the mark, and not written by its re-sealing, whatever the name claims.
    fn is_old(&self, one: &Snapshot) -> bool {
        one.generation < self.generation && one.resealed != self.tag
    }
}

impl Edit<'_> {
    /// As [`Edit::save`], for a change that removes or replaces a recipient and rotates the
    /// vault secret. `proof` must open what is written; kept generations are opened by it, or by any key that was given.
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
        let (proof, heir) = (keys.proof, keys.heir.clone());
        let Standing { mut vault, sealed: standing, size } = standing;
        let generations = place.generations()?;
        let given = seen.opener.all().filter(|given| !std::ptr::eq(*given, proof));
        let keys: Vec<&Opener> = std::iter::once(proof).chain(given).collect();
        let mut closed = Vec::new();
        let stands = (vault.generation, vault.rev.clone());
        let is_another = |one: &Snapshot| (one.generation, &one.rev) != (stands.0, &stands.1);
        for one in snapshot::list(&generations)?.iter().filter(|one| is_another(one)) {
            if open_one(one, &keys, &seen.sealed)?.is_none() {
                closed.push(one.name.clone());
            }
        }
        if unreadable == Unreadable::Refuse && !closed.is_empty() {
            return Err(Error::Unreadable(closed));
        }
        finish(&generations, &vault, &seen.opener)?;
        let old = snapshot::list(&generations)?;
        let (displaced, before) = (snapshot::name_of(&vault), vault.generation);
        let (displaced_text, displaced_at) = (vault.render(size)?, vault.updated);
        let pin = Pin::of(&vault)?;
        let removed = change.leaver().map(|label| label.as_str().to_owned());
        for label in change.leavers(&vault) {
            exposure::note(&mut vault, &label)?;
        }
        let done = Done::by(command, &change, &vault);
        lineage::apply(change, &mut vault, now())?;
        tag::renew(&mut vault, &pin, &keys)?;
        stamp(local, &mut vault, snapshot::highest(&generations)?, done)?;
        let tag = super::hex(&super::random::<8>()?);
        let mark = Mark { tag, generation: vault.generation, removed, heir: heir.clone() };
        vault.other.put(RESEALING, to_raw_value(&mark).map_err(crate::model::Error::from)?);

        let sealing = Sealing { today: &vault.recipients, heir: heir.as_ref() };
        for one in old.iter().filter(|one| is_another(one)) {
            match open_one(one, &keys, &seen.sealed)? {
                Some((plain, by)) => {
                    sealing.write(&generations, &one.resealed_name(&mark.tag), &plain, by, one.saved)?
                }
                None if closed.contains(&one.name) => {}
                // What a moment ago was open must not be given up.
                None => return Err(Error::Unreadable(vec![one.name.clone()])),
            }
        }
        let resealed = format!("{}.r{}.age", displaced.trim_end_matches(".age"), mark.tag);
        sealing.write(&generations, &resealed, &displaced_text, &seen.opener, displaced_at)?;
        generations.sync()?;

        let sealed = seal_vault(&vault, size)?;
        let written = Replacement::write(place.dir(), place.name(), &sealed.bytes, 0o600)?;
        prove(&sealed, proof)?;
        if !written.rename_over(Some(standing))? {
            return Err(Error::Raced);
        }
        after_save(|| {
            place.dir().sync()?;
            // What could not be noted must not keep the old copies there.
            let settled = settle(local, place, &vault, &sealed.bytes);
            remove_old(&generations, &mark)?;
            settled?;
            snapshot::prune(&generations, &resealed, &vault)
        })?;
        Ok(Saved { generation: vault.generation, displaced: before, pin: super::Pin::of(&vault)?, dropped: closed })
    }
}

/// To whom kept states are sealed anew.
struct Sealing<'s> {
    today: &'s [Recipient],
    heir: Option<&'s Heir>,
}

impl Sealing<'_> {
    /// Seals a state to those of today who could read it, by its own list, and to the heir of one who could; where nobody
    /// is left, to the holder of the key that opened it. Who that is stands in the copy from then on.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if nobody of today would open it.
    fn write(&self, dir: &Dir, name: &str, plain: &SecretBuf, by: &Opener, saved: u64) -> Result<(), Error> {
        let Self { today, heir } = *self;
        let text = plain.text().ok_or(crate::model::Error::Malformed { line: 1, column: 1 })?;
        let mut state = Vault::parse(text)?;
        let did = |public: &str| state.recipients.iter().any(|then| then.public == public);
        let inherits = |one: &Recipient| heir.is_some_and(|heir| heir.key == one.public && did(&heir.of));
        let reads = |one: &&Recipient| did(&one.public) || inherits(one);
        let mut to: Vec<Recipient> = today.iter().filter(reads).cloned().collect();
        if to.is_empty() {
            to.extend(today.iter().find(|one| one.public == by.public()).cloned());
        }
        if to.is_empty() {
            return Err(Error::Unreadable(vec![name.to_owned()]));
        }
        state.recipients = to;
        let plain = state.render(plain.expose().len())?;
        let sealed = seal::seal(plain.expose(), &recipients(&state.recipients)?)?;
        Ok(Replacement::write(dir, OsStr::new(name), &sealed, 0o600)?.dated(saved)?.commit()?)
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

/// Everything from before the mark that this re-sealing did not write, whatever its name
/// claims: copies of one that was interrupted are sealed to its recipients.
fn remove_old(generations: &Dir, mark: &Mark) -> Result<(), Error> {
    for one in snapshot::list(generations)? {
        if mark.is_old(&one) {
            generations.remove(OsStr::new(&one.name))?;
        }
    }
    Ok(generations.sync()?)
}

/// Finishes a removal that was interrupted, or that came here with the vault file from another
/// host, and takes away the copies of one that never came about. What `opener` cannot open stays.
pub(super) fn finish(generations: &Dir, vault: &Vault<'_>, opener: &Opener) -> Result<(), Error> {
    let mark = Mark::of(vault);
    let all = snapshot::list(generations)?;
    if !all.iter().any(|one| mark.is_old(one) || mark.is_orphan(one)) {
        return Ok(());
    }
    let is_at_hand = |heir: &&Heir| opener.all().any(|key| key.public() == heir.key);
    let heir = mark.heir.as_ref().filter(is_at_hand);
    let sealing = Sealing { today: &vault.recipients, heir };
    for one in all.iter().filter(|one| mark.is_old(one)) {
        let name = one.resealed_name(&mark.tag);
        if !all.iter().any(|other| other.name == name) {
            let sealed = one.read()?;
            let opened = opener.all().find_map(|by| Some((by.open(&sealed).ok()?, by)));
            let Some((plain, by)) = opened else { continue };
            // Somebody has changed a key elsewhere, whose past would be lost: that waits for the one who has both keys.
            if heir.is_none() && mark.heir.as_ref().is_some_and(|away| !can_read(&plain, &away.key)) {
                continue;
            }
            match sealing.write(generations, &name, &plain, by, one.saved) {
                Err(Error::Unreadable(_)) => continue,
                other => other?,
            }
        }
        generations.remove(OsStr::new(&one.name))?;
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

/// Whether a state names this recipient.
fn can_read(plain: &SecretBuf, public: &str) -> bool {
    let state = plain.text().and_then(|text| Vault::parse(text).ok());
    state.is_some_and(|state| state.recipients.iter().any(|then| then.public == public))
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

/// What the last such save was about: the label of the recipient that it removed, and whose key took its place.
pub fn last_change(vault: &Vault<'_>) -> (Option<String>, Option<Heir>) {
    let Mark { removed, heir, .. } = Mark::of(vault);
    (removed, heir)
}
