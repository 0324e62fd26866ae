//! A new vault, in an empty place.

use super::belief::{Sure, remember};
use super::edit::{Done, after_save, prove, seal_vault, settle, stamp};
use super::pin::new_secret;
use super::{Error, Local, Pin, Place, now, tag};
use crate::fsio::{self, Replacement};
use crate::model::{Keys, LazyMap, RawMap, Recipient, Vault};
use crate::seal::Opener;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most of a new payload.
const SIZE: usize = 4096;

/// A vault that was just made.
#[derive(Debug)]
pub struct New {
    /// Its pin.
    pub pin: Pin,
}

/// Makes a vault for `recipients` where none is. `proofs` are keys at hand: each must open
/// it; without any, only the disk is checked.
///
/// # Errors
/// [`fsio::Error::Exists`] when something is there already.
pub fn create(
    local: &Local,
    place: &Place,
    recipients: Vec<Recipient>,
    proofs: &[Opener],
    patience: Duration,
) -> Result<New, Error> {
    let _lock = place.lock(patience)?;
    if place.exists()? {
        return Err(fsio::Error::Exists(place.path().to_owned()).into());
    }
    let id = uuid::Builder::from_random_bytes(super::random::<16>()?).into_uuid();
    let mut vault = Vault {
        requires: Vec::new(),
        vault_id: id.hyphenated().to_string(),
        vault_secret: new_secret()?,
        epoch: 0,
        generation: 0,
        rev: String::new(),
        writers: BTreeMap::new(),
        created: now(),
        updated: 0,
        recipients,
        scopes: BTreeMap::new(),
        env: RawMap::default(),
        config: RawMap::default(),
        meta: LazyMap::default(),
        keys: Keys::new(new_secret()?, new_secret()?),
        other: RawMap::default(),
    };
    let pin = Pin::of(&vault)?;
    tag::renew(&mut vault, &pin, &proofs.iter().collect::<Vec<_>>())?;
    stamp(local, &mut vault, 0, Done::making("init"))?;
    let sealed = seal_vault(&vault, SIZE)?;
    let written = Replacement::write(place.dir(), place.name(), &sealed.bytes, 0o600)?;
    proofs.iter().try_for_each(|proof| prove(&sealed, proof))?;
    remember(local, place, &vault, Sure::Yes)?;
    if !written.rename_over(None)? {
        return Err(fsio::Error::Exists(place.path().to_owned()).into());
    }
    after_save(|| {
        place.dir().sync()?;
        settle(local, place, &vault, &sealed.bytes)
    })?;
    Ok(New { pin })
}
