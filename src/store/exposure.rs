//! The checklist after a removal: which secrets of today the removed key could read.
//!
//! Each removal records keyed digests of the values at that time. A secret is done once its value has changed, on any
//! host and under any name; a snapshot that restores an old value also puts it back on the list.

use super::{Error, now};
use crate::model::{CHECKLIST, Credential, Kind, Recipient, RecipientKind, SecretId, Vault};
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};

const LABEL: &[u8] = b"agevault/checklist/v1";
/// Digests of all removals together that are kept; the oldest removals are forgotten first.
const KEPT: usize = 100_000;

/// One removed recipient, and what it could read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// The label that it had.
    pub label: String,
    /// What it was.
    pub kind: RecipientKind,
    /// Unix seconds.
    pub removed: u64,
    /// Secret id at the time of the removal -> digest of its value.
    exposed: BTreeMap<String, String>,
    /// Ids that were waived.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waived: BTreeSet<String>,
}

impl Removed {
    /// A recipient of `vault` that is removed now, and can read all of it.
    fn now(recipient: &Recipient, vault: &Vault<'_>) -> Self {
        let exposed = values(vault).map(|(id, digest)| (id.to_string(), digest)).collect();
        let (label, kind) = (recipient.label.as_str().to_owned(), recipient.kind);
        Self { label, kind, removed: now(), exposed, waived: BTreeSet::new() }
    }

    /// How many secrets it could read.
    pub fn total(&self) -> usize {
        self.exposed.len() + self.waived.len()
    }
}

/// All removals, the oldest first.
pub struct Checklist {
    removed: Vec<Removed>,
    /// Digest -> the ids that have this value now.
    now: BTreeMap<String, Vec<SecretId>>,
}

impl Checklist {
    /// The checklist of a vault; empty if no recipient was removed yet.
    ///
    /// # Errors
    /// [`crate::model::Error::Malformed`].
    pub fn of(vault: &Vault<'_>) -> Result<Self, crate::model::Error> {
        let removed: Option<Vec<Removed>> =
            vault.other.get(CHECKLIST).map(|raw| serde_json::from_str(raw.get())).transpose()?;
        let removed = removed.unwrap_or_default();
        let mut now = BTreeMap::<_, Vec<_>>::new();
        if !removed.is_empty() {
            for (id, digest) in values(vault) {
                now.entry(digest).or_default().push(id);
            }
        }
        Ok(Self { removed, now })
    }

    /// The removals, each with the secrets that its key could read and that are still the same.
    pub fn open(&self) -> impl Iterator<Item = (&Removed, Vec<&SecretId>)> {
        self.removed.iter().map(|one| (one, self.open_of(one)))
    }

    /// How many secrets are open, for whatever removal.
    pub fn count(&self) -> usize {
        self.open().flat_map(|(_, ids)| ids).collect::<BTreeSet<_>>().len()
    }

    fn open_of(&self, one: &Removed) -> Vec<&SecretId> {
        let digests: BTreeSet<&String> = one.exposed.values().collect();
        let mut ids: Vec<&SecretId> = digests.into_iter().filter_map(|digest| self.now.get(digest)).flatten().collect();
        ids.sort_unstable();
        ids
    }

    /// Takes the value of `id` off the list of the removals with this label, or of all: the ids that it had then, and
    /// those that have it now.
    ///
    /// # Errors
    /// [`crate::model::Error::NoEntry`] for an id that is not on it.
    pub fn waive(
        &mut self,
        label: Option<&str>,
        id: &SecretId,
    ) -> Result<impl Iterator<Item = &SecretId>, crate::model::Error> {
        let unknown = || crate::model::Error::NoEntry(id.to_string());
        let (value, ids) = self.now.iter().find(|(_, ids)| ids.contains(id)).ok_or_else(unknown)?;
        let mut found = false;
        for one in self.removed.iter_mut().filter(|one| label.is_none_or(|label| label == one.label)) {
            let (waived, exposed) = std::mem::take(&mut one.exposed)
                .into_iter()
                .partition::<BTreeMap<_, _>, _>(|(_, digest)| digest == value);
            one.exposed = exposed;
            found |= !waived.is_empty();
            one.waived.extend(waived.into_keys());
        }
        if found { Ok(ids.iter()) } else { Err(unknown()) }
    }

    /// The same; empty where it cannot be read, since no removal writes such a member.
    fn or_empty(vault: &Vault<'_>) -> Self {
        Self::of(vault).unwrap_or_else(|_| Self { removed: Vec::new(), now: BTreeMap::new() })
    }

    /// Keeps the newest removal, and of the earlier ones as many as [`KEPT`] allows.
    fn forget_oldest(&mut self) {
        let mut kept = 0;
        let fit = self.removed.iter().rev().skip(1).take_while(|one| {
            kept += one.exposed.len();
            kept <= KEPT
        });
        let fit = fit.count() + 1;
        self.removed.drain(..self.removed.len().saturating_sub(fit));
    }

    /// The payload's member.
    ///
    /// # Errors
    /// None that can happen: digests and names have a JSON text.
    pub fn to_raw(&self) -> Result<Box<RawValue>, crate::model::Error> {
        Ok(to_raw_value(&self.removed)?)
    }
}

/// How many secrets a recipient can read.
pub fn readable(vault: &Vault<'_>) -> usize {
    values(vault).count()
}

/// Notes what the recipient with this label can read, before it goes.
pub(super) fn note(vault: &mut Vault<'_>, label: &str) -> Result<(), Error> {
    let Some(leaver) = vault.recipients.iter().find(|have| have.label.as_str() == label) else { return Ok(()) };
    let new = Removed::now(leaver, vault);
    let mut list = Checklist::or_empty(vault);
    list.removed.push(new);
    list.forget_oldest();
    vault.other.put(CHECKLIST, list.to_raw()?);
    Ok(())
}

/// The checklist after a merge: the removals of both states, and what each state exposed to those of its recipients
/// that do not stay. Only a trusted state, which no removed recipient could have written,
/// can waive anything.
pub(super) fn joined(
    ours: &Vault<'_>,
    (theirs, is_trusted): (&Vault<'_>, bool),
    stays: impl Fn(&Recipient) -> bool,
) -> Result<Option<Box<RawValue>>, Error> {
    let mut list = Checklist::or_empty(ours);
    for other in Checklist::or_empty(theirs).removed {
        let is_it = |one: &&mut Removed| one.removed == other.removed && one.label == other.label;
        match list.removed.iter_mut().find(is_it) {
            Some(have) if is_trusted => {
                have.exposed.retain(|id, _| !other.waived.contains(id));
                have.waived.extend(other.waived);
            }
            Some(_) => {}
            None if is_trusted => list.removed.push(other),
            // The first are forgotten first.
            None => list.removed.insert(0, other),
        }
    }
    for state in [ours, theirs] {
        for one in state.recipients.iter().filter(|one| !stays(one)) {
            list.removed.push(Removed::now(one, state));
        }
    }
    list.forget_oldest();
    Ok(if list.removed.is_empty() { None } else { Some(list.to_raw()?) })
}

/// Every secret of a vault with the digest of its value; references have none.
fn values<'v>(vault: &'v Vault<'_>) -> impl Iterator<Item = (SecretId, String)> + 'v {
    vault.ids().filter_map(|id| {
        let digest = digest(vault.keys.ledger(), &value(&id, vault.get(&id)?)?);
        Some((id, digest))
    })
}

/// The value to rotate: for OAuth, the token that outlives the others.
fn value(id: &SecretId, raw: &RawValue) -> Option<Secret> {
    if !matches!(id, SecretId::Auth(..)) {
        // The text itself, without what JSON writes around it: it may stand in a profile tomorrow.
        let text: Option<String> = serde_json::from_str(raw.get()).ok();
        return Some(Secret::new(text.unwrap_or_else(|| raw.get().to_owned())));
    }
    let credential = Credential::parse("", raw).ok()?;
    let text = |name| credential.text(name).filter(|text| !text.expose().is_empty());
    match credential.kind() {
        Some(Kind::Oauth) => text("refresh").or_else(|| text("access")),
        Some(kind) => text(kind.secret_member()?),
        None => Some(Secret::new(raw.get().to_owned())),
    }
}

fn digest(key: &Secret, value: &Secret) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { return String::new() };
    mac.update(LABEL);
    mac.update(value.expose().as_bytes());
    let whole = mac.finalize().into_bytes();
    BASE64_STANDARD_NO_PAD.encode(whole.get(..16).unwrap_or_default())
}
