//! Bringing a snapshot back, and looking into one closely.

use super::belief::{Sure, remember};
use super::edit::{after_save, settle};
use super::{Checked, Error, Lineage, Local, Pin, Place, Seen, Trust, pin};
use crate::fsio::{self, Replacement};
use crate::model::{Change, Credential, Entries, Op, SecretId, Subject, Vault};
use std::path::PathBuf;
use std::time::Duration;

/// Makes a snapshot the vault, whole, and remembers its pin. With `replaces`, the vault file that is there is kept in
/// the generations directory, and its new path is returned.
///
/// # Errors
/// [`fsio::Error::Exists`] if a vault exists and `replaces` is false; [`Error::Raced`] if the vault was changed in the
/// meantime; an I/O error.
pub fn place_whole(
    local: &Local,
    place: &Place,
    seen: &Seen,
    checked: &Checked<'_>,
    (patience, replaces): (Duration, bool),
) -> Result<Option<PathBuf>, Error> {
    let _lock = place.lock(patience)?;
    let taken = || Error::from(fsio::Error::Exists(place.path().to_owned()));
    if !replaces && place.exists()? {
        return Err(taken());
    }
    let old = replaces.then(|| place.read()).transpose()?;
    let aside = old.as_ref().map(|old| super::snapshot::keep_displaced(&place.generations()?, old)).transpose()?;
    let written = Replacement::write(place.dir(), place.name(), &seen.sealed, 0o600)?;
    // Confirmed by a person (prompt or `--pin`), or derived.
    let asked = !matches!(checked.trust, Trust::Known | Trust::Succeeded | Trust::Tagged);
    {
        let _lock = local.lock_known(&checked.vault.vault_id);
        remember(local, place, &checked.vault, if asked { Sure::Yes } else { Sure::Believed })?;
    }
    if !written.rename_over(old.as_deref())? {
        return Err(if replaces { Error::Raced } else { taken() });
    }
    after_save(|| {
        place.dir().sync()?;
        settle(local, place, &checked.vault, &seen.sealed)
    })?;
    Ok(aside)
}

/// Seconds for which every superseded refresh token is remembered.
const REMEMBERED: u64 = 14 * 86_400;

/// How a snapshot relates to the current vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// Written under the current vault secret.
    Same,
    /// Written under an earlier vault secret, which a removed recipient knows.
    Retired,
    /// Not of this vault.
    Another,
}

/// What a restore will do.
pub struct Restoring {
    /// The change to be saved.
    pub change: Change,
    /// How the snapshot relates to the vault.
    pub kin: Kin,
    /// Profiles whose refresh token in the snapshot was superseded since: they stay as they are.
    pub superseded: Vec<SecretId>,
}

/// The change that restores the entries of `snapshot`, all of them or `only` some, and how the snapshot relates to the
/// vault. Recipients and the vault secret stay as they are.
///
/// # Errors
/// A malformed vault secret; a subject in `only` that neither state has.
pub fn restore_change(
    standing: &Vault<'_>,
    snapshot: &Vault<'_>,
    only: Option<&[Subject]>,
) -> Result<Restoring, Error> {
    let pin = Pin::of(snapshot)?;
    let kin = if standing.vault_id != snapshot.vault_id {
        Kin::Another
    } else if Pin::of(standing)? == pin {
        Kin::Same
    } else if pin::retired(standing).contains(&pin) {
        Kin::Retired
    } else {
        Kin::Another
    };
    let (then, now) = (Entries::of(snapshot)?, Entries::of(standing)?);
    let lineage = Lineage::of(standing)?;
    let is_asked = |id: &SecretId| only.is_none_or(|only| only.contains(&Subject::Entry(id.clone())));
    // Tokens superseded longer ago may be forgotten: then a login that has changed counts as superseded.
    let is_long_ago = snapshot.updated.saturating_add(REMEMBERED) < standing.updated;
    let is_superseded = |id: &SecretId| {
        let (then, now) = (snapshot.get(id), standing.get(id));
        let differs = then.zip(now).is_some_and(|(then, now)| {
            crate::model::has_refresh(then) && crate::model::has_refresh(now) && then.get() != now.get()
        });
        then.is_some_and(|raw| lineage.is_old(id, raw)) || (is_long_ago && differs)
    };
    let superseded: Vec<SecretId> = snapshot.ids().filter(|id| is_asked(id) && is_superseded(id)).collect();
    let mut entries = match only {
        None => then.clone(),
        Some(only) => {
            let has = |subject: &Subject| now.contents().has(subject) || then.contents().has(subject);
            if let Some(unknown) = only.iter().find(|subject| !has(subject)) {
                return Err(crate::model::Error::NoEntry(unknown.to_string()).into());
            }
            let mut entries = now.clone();
            only.iter().for_each(|subject| entries.take_from(&then, subject));
            entries
        }
    };
    superseded.iter().for_each(|id| entries.take_from(&now, &Subject::Entry(id.clone())));
    Ok(Restoring { change: Change::of(Op::Restore(Box::new(entries))), kin, superseded })
}

/// Reads every entry as strictly as commands do when they select it; the ids that fail.
pub fn verify_deep(vault: &Vault<'_>) -> Vec<SecretId> {
    let fails = |id: &SecretId| match (id, vault.get(id)) {
        (SecretId::Auth(..), Some(raw)) => {
            Credential::parse(&id.to_string(), raw).map_or(true, |credential| credential.kind().is_none())
        }
        (_, Some(raw)) => serde_json::from_str::<String>(raw.get()).is_err(),
        (_, None) => true,
    };
    vault.ids().filter(fails).collect()
}
