//! The only write path: under the lock, read again, applied to what is there now,
//! written beside, read back, opened, kept, renamed, synced.

use super::belief::{Sure, remember};
use super::local::LastSeen;
use super::read::parse_and_check;
use super::{Checked, Error, Local, Place, Policy, Seen, hex, lineage, now, random, reseal, retention, snapshot, tag};
use crate::fsio::{Dir, Replacement};
use crate::model::{self, Change, FOLDED, Recipient, Save, Step, Vault};
use crate::seal::{self, Opener};
use crate::secret::SecretBuf;
use serde_json::value::to_raw_value;
use std::time::Duration;

/// How often a save is retried after a program without our lock has replaced the vault.
const TRIES: usize = 5;
/// Number of saves after which a host gets a new id.
const MOST_SAVES: u64 = 1 << 52;
/// Maximum number of hosts whose saves are counted.
const MAX_HOSTS: usize = 1024;
/// Number of hosts that remain once that maximum is exceeded.
pub(super) const FOLD_TO: usize = MAX_HOSTS / 2;

/// What a save has done.
#[derive(Debug)]
pub struct Saved {
    /// The number of the new generation.
    pub generation: u64,
    /// The number of the one that it replaced, and that is kept.
    pub displaced: u64,
    /// The pin of the vault now.
    pub pin: super::Pin,
    /// Names of kept generations that could not be sealed anew, and were given up.
    pub dropped: Vec<String>,
}

/// What a save needs to know besides the change itself.
#[derive(Clone, Copy)]
pub struct Edit<'a> {
    /// What this host remembers.
    pub local: &'a Local,
    /// Where the vault is.
    pub place: &'a Place,
    /// The state that the change was made for.
    pub seen: &'a Seen,
    /// What the current vault must prove.
    pub policy: &'a Policy,
    /// How long to wait for the lock.
    pub patience: Duration,
    /// The command that saves, for the record of the save.
    pub command: &'a str,
}

impl Edit<'_> {
    /// Applies `change`, made for `checked`, to the current vault. Entries that another process has changed meanwhile
    /// are kept, even if it takes no lock (such as a file synchroniser): the change is then applied again on top of
    /// them. For changes after which a key must no longer open the vault see [`Edit::save_resealing`].
    ///
    /// # Errors
    /// [`crate::model::Error::Conflict`] if the same entry was changed; a lock that is not released in time;
    /// [`Error::RolledBack`]; [`Error::Raced`]; a disk failure. The old vault is then still in place, except under
    /// [`Error::AfterSave`].
    pub fn save(&self, checked: Checked<'_>, change: Change) -> Result<Saved, Error> {
        self.save_with(checked, change, None)
    }

    /// As [`Edit::save`], for a change that adds a recipient whose key is at hand.
    ///
    /// # Errors
    /// As [`Edit::save`].
    pub fn save_with(&self, checked: Checked<'_>, change: Change, new: Option<&Opener>) -> Result<Saved, Error> {
        self.under_lock(checked, &change, |state| self.replace(state, change.clone(), new))
    }

    /// Replaces the vault with `theirs`, a descendant of it, as it is (fast-forward): there is nothing to join. Two
    /// hosts that merge with each other therefore get the same file.
    ///
    /// # Errors
    /// As [`Edit::save`]; a state that is not trusted, or is older than what this host has accepted.
    pub fn forward(&self, checked: Checked<'_>, theirs: &Seen) -> Result<Saved, Error> {
        let Self { local, place, seen, .. } = *self;
        self.under_lock(checked, &Change::default(), |Standing { vault, sealed: old, .. }| {
            if old != seen.sealed {
                return Err(crate::model::Error::Conflict("all entries".to_owned()).into());
            }
            let policy = Policy { pin: None, ..Policy::default() };
            let their = parse_and_check(local, place, &theirs.plain, &theirs.opener, &policy)?;
            if let Some(behind) = their.behind {
                return Err(behind);
            }
            let generations = place.generations()?;
            let written = Replacement::write(place.dir(), place.name(), &theirs.sealed, 0o600)?;
            self.exchange(written, (&generations, &snapshot::name_of(&vault), old), (&their.vault, &theirs.sealed))?;
            after_save(|| reseal::finish(&generations, &their.vault, &seen.opener))?;
            let (generation, displaced) = (their.vault.generation, vault.generation);
            Ok(Saved { generation, displaced, pin: their.pin, dropped: Vec::new() })
        })
    }

    /// Applies `change` to the vault that was opened, and returns the sealed bytes for another program, such as git, to
    /// put in place. Writes nothing, and does not change what this host has accepted.
    ///
    /// # Errors
    /// As [`Edit::save`].
    pub fn seal_only(&self, checked: Checked<'_>, change: Change) -> Result<Vec<u8>, Error> {
        let Self { place, seen, command, .. } = *self;
        let Checked { mut vault, pin, .. } = checked;
        let done = Done::by(command, &change, &vault);
        lineage::apply(change, &mut vault, now())?;
        tag::renew(&mut vault, &pin, &[&seen.opener])?;
        let kept =
            snapshot::history(place)?.iter().map(|one| one.generation).filter(|one| *one <= snapshot::HIGHEST).max();
        // Counted under a random host id: the result may be discarded, and this host may use its own next count again.
        count(&mut vault, &hex(&random::<8>()?), kept.unwrap_or_default(), done)?;
        let sealed = seal_vault(&vault, seen.size())?;
        prove(&sealed, &seen.opener)?;
        Ok(sealed.bytes)
    }

    /// Takes the lock, reads again, refuses a conflict, and calls `then` with the current vault.
    pub(super) fn under_lock<R>(
        &self,
        checked: Checked<'_>,
        change: &Change,
        mut then: impl FnMut(Standing<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let Self { local, place, seen, policy, patience, .. } = *self;
        let _lock = place.lock(patience)?;
        let mut checked = Some(checked);
        for _ in 0..TRIES {
            let sealed = place.read()?;
            let outcome = match checked.take() {
                Some(checked) if sealed == seen.sealed => {
                    then(Standing { vault: believable(checked, policy)?, sealed: &sealed, size: seen.size() })
                }
                _ => {
                    let plain = open_again(&seen.opener, &sealed)?;
                    let now = parse_and_check(local, place, &plain, &seen.opener, policy)?;
                    change.check_against(&Vault::parse(seen.plain.text().unwrap_or_default())?, &now.vault)?;
                    let size = plain.expose().len();
                    then(Standing { vault: believable(now, policy)?, sealed: &sealed, size })
                }
            };
            if !matches!(outcome, Err(Error::Raced)) {
                return outcome;
            }
        }
        Err(Error::Raced)
    }

    fn replace(&self, standing: Standing<'_>, change: Change, new: Option<&Opener>) -> Result<Saved, Error> {
        let Self { local, place, seen, command, .. } = *self;
        let Standing { mut vault, sealed: old, size } = standing;
        let proof = &seen.opener;
        let (displaced, before) = (snapshot::name_of(&vault), vault.generation);
        let generations = place.generations()?;
        reseal::finish(&generations, &vault, proof)?;
        let pin = super::Pin::of(&vault)?;
        let done = Done::by(command, &change, &vault);
        lineage::apply(change, &mut vault, now())?;
        let keys: Vec<&Opener> = std::iter::once(proof).chain(new).collect();
        tag::renew(&mut vault, &pin, &keys)?;
        stamp(local, &mut vault, snapshot::highest(&generations)?, done)?;
        let sealed = seal_vault(&vault, size)?;
        let written = Replacement::write(place.dir(), place.name(), &sealed.bytes, 0o600)?;
        keys.iter().try_for_each(|key| prove(&sealed, key))?;
        check_plugin(proof, old, &sealed)?;
        self.exchange(written, (&generations, &displaced, old), (&vault, &sealed.bytes))?;
        Ok(Saved { generation: vault.generation, displaced: before, pin: super::Pin::of(&vault)?, dropped: Vec::new() })
    }

    /// Keeps the file that is replaced among the generations, under its name, and exchanges it with the one written.
    fn exchange(
        &self,
        written: Replacement,
        (generations, name, old): (&Dir, &str, &[u8]),
        (vault, sealed): (&Vault<'_>, &[u8]),
    ) -> Result<(), Error> {
        let Self { local, place, .. } = *self;
        snapshot::keep(generations, name, old)?;
        generations.sync()?;
        if !written.rename_over(Some(old))? {
            return Err(Error::Raced);
        }
        after_save(|| {
            place.dir().sync()?;
            settle(local, place, vault, sealed)?;
            retention::prune(generations, name, vault)
        })
    }
}

/// The current vault, under the lock.
pub(super) struct Standing<'s> {
    pub(super) vault: Vault<'s>,
    /// Its file.
    pub(super) sealed: &'s [u8],
    /// The size of its payload.
    pub(super) size: usize,
}

/// Opens a vault that was saved meanwhile; a key that no longer opens it is a conflict.
fn open_again(opener: &Opener, sealed: &[u8]) -> Result<SecretBuf, Error> {
    opener.open(sealed).map_err(|error| match error {
        seal::Error::NoMatch => crate::model::Error::Conflict("recipients".to_owned()).into(),
        other => Error::Seal(other),
    })
}

/// The vault to be changed, merged with the save counts that this host knows. Counts that were seen under an earlier
/// secret are left out: a removed recipient could have forged them.
fn believable<'a>(checked: Checked<'a>, policy: &Policy) -> Result<Vault<'a>, Error> {
    let Checked { mut vault, pin, behind, last, .. } = checked;
    if let Some(behind) = behind.filter(|_| !policy.accept_rollback) {
        return Err(behind);
    }
    for (host, saves) in last.filter(|last| last.pin == pin.digits()).unwrap_or_default().writers {
        let count = vault.writers.entry(host).or_default();
        *count = saves.max(*count);
    }
    Ok(vault)
}

/// What a save does, for its record.
pub(super) struct Done<'d> {
    command: &'d str,
    from: String,
    steps: Vec<Step>,
}

impl<'d> Done<'d> {
    pub(super) fn by(command: &'d str, change: &Change, before: &Vault<'_>) -> Self {
        let from = model::state_name(before.generation, &before.rev);
        Self { command, from, steps: change.steps(before) }
    }

    /// The creation of a vault.
    pub(super) fn making(command: &'d str) -> Self {
        Self { command, from: String::new(), steps: Vec::new() }
    }
}

/// Counts one more save by this host, and records what it did. The number of the save is above `kept`, the highest one
/// among the kept generations: it exceeds the vault's own after an older state was put back.
pub(super) fn stamp(local: &Local, vault: &mut Vault<'_>, kept: u64, done: Done<'_>) -> Result<(), Error> {
    let mut host = local.host()?;
    if vault.writers.get(&host).is_some_and(|saves| *saves >= MOST_SAVES) {
        host = local.new_host()?;
    }
    count(vault, &host, kept, done)
}

/// The same under a given host id.
fn count(vault: &mut Vault<'_>, host: &str, kept: u64, done: Done<'_>) -> Result<(), Error> {
    *vault.writers.entry(host.to_owned()).or_default() += 1;
    // A number above the possible range was forged and is ignored.
    let own = Some(vault.generation).filter(|number| *number <= snapshot::HIGHEST).unwrap_or_default();
    vault.generation = own.max(kept) + 1;
    fold(vault, host)?;
    vault.rev = hex(&random::<16>()?);
    vault.updated = now();
    let Done { command, from, steps } = done;
    let to = model::state_name(vault.generation, &vault.rev);
    let machine = rustix::system::uname().nodename().to_string_lossy().chars().take(64).collect();
    let (command, host) = (command.to_owned(), host.to_owned());
    let save =
        Save { at: vault.updated, command, from, host, machine, lost: 0, more: 0, squashed: Vec::new(), steps, to };
    Ok(model::note_save(vault, save)?)
}

/// Drops the hosts with the fewest saves if there are too many, such as containers that get a new id at each start.
/// Records the save at which this happened: a host whose last seen state is older does not miss the dropped ones.
fn fold(vault: &mut Vault<'_>, own: &str) -> Result<(), Error> {
    if vault.writers.len() <= MAX_HOSTS {
        return Ok(());
    }
    let mut hosts: Vec<(String, u64)> = std::mem::take(&mut vault.writers).into_iter().collect();
    hosts.sort_by_key(|(host, saves)| (host != own, std::cmp::Reverse(*saves)));
    hosts.truncate(FOLD_TO);
    vault.writers = hosts.into_iter().collect();
    vault.other.put(FOLDED, to_raw_value(&vault.generation).map_err(crate::model::Error::from)?);
    Ok(())
}

/// A payload and the same sealed.
pub(super) struct Sealed {
    pub(super) plain: SecretBuf,
    pub(super) bytes: Vec<u8>,
    key: seal::SealedKey,
}

pub(super) fn seal_vault(vault: &Vault<'_>, size: usize) -> Result<Sealed, Error> {
    let plain = vault.render(size)?;
    // A document that readers refuse must not replace a valid one.
    Vault::parse(plain.text().unwrap_or_default())?;
    let (bytes, key) = seal::seal_known(plain.expose(), &recipients(&vault.recipients)?)?;
    Ok(Sealed { plain, bytes, key })
}

/// The recipients that a vault is sealed to: always from the payload, never from the header.
///
/// # Errors
/// A recipient that cannot be parsed.
pub fn recipients<'r>(of: impl IntoIterator<Item = &'r Recipient>) -> Result<Vec<seal::Recipient>, Error> {
    let one = |recipient: &Recipient| {
        let slot = recipient.kdf.as_ref().map(|kdf| seal::Slot::parse(&kdf.salt, kdf.m, kdf.t, kdf.p)).transpose()?;
        seal::Recipient::parse(&recipient.public, slot)
    };
    of.into_iter().map(|recipient| one(recipient).map_err(Error::Seal)).collect()
}

/// What the disk gave back is what was written ([`Replacement`] compared it); now it must
/// also open.
pub(super) fn prove(sealed: &Sealed, proof: &Opener) -> Result<(), Error> {
    proof.learn(&sealed.bytes, &sealed.key)?;
    let opened = proof.open(&sealed.bytes)?;
    if opened.expose() == sealed.plain.expose() { Ok(()) } else { Err(seal::Error::Damaged.into()) }
}

/// A plugin is not run again on what was just sealed, since that may require a touch. That its key opens the old file
/// therefore does not prove that it opens the new one. The old file may have been sealed to more recipients than the
/// vault names; this save drops those. So each kind of stanza of the old header must occur at least as often in the new
/// one.
fn check_plugin(proof: &Opener, old: &[u8], new: &Sealed) -> Result<(), Error> {
    if proof.plugin().is_none() {
        return Ok(());
    }
    let has = seal::stanza_kinds(&new.bytes)?;
    let is_lost = |(kind, count): (&String, &usize)| has.get(kind).is_none_or(|has| has < count);
    if seal::stanza_kinds(old)?.iter().any(is_lost) { Err(Error::NotRecipient) } else { Ok(()) }
}

/// The vault has its new content: a failure from here on is reported as [`Error::AfterSave`].
pub(super) fn after_save(then: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    then().map_err(|error| Error::AfterSave(Box::new(error)))
}

/// Records a save: the pin, the last save that this host has seen, and a copy among the generations, which remains if a
/// program without our lock replaces the vault.
pub(super) fn settle(local: &Local, place: &Place, vault: &Vault<'_>, sealed: &[u8]) -> Result<(), Error> {
    snapshot::keep_new(&place.generations()?, &snapshot::name_of(vault), sealed)?;
    // Written even if the lock cannot be taken.
    let _lock = local.lock_known(&vault.vault_id);
    remember(local, place, vault, Sure::Saved)?;
    local.accept(&vault.vault_id, &LastSeen::of(vault, &super::Pin::of(vault)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
