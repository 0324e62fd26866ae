//! The checklist after a removal: which secrets of today the removed key could read.
//!
//! Each removal leaves keyed digests of the values that were there. A secret is done once its
//! value is another one, whoever changed it and under whatever name it stands now; a snapshot that
//! brings an old value back brings it back onto the list as well.

use super::{Error, now};
use crate::model::{CHECKLIST, Credential, Kind, RecipientKind, SecretId, Vault};
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
    /// Ids that somebody has waived.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waived: BTreeSet<String>,
}

impl Removed {
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
    /// The checklist of a vault; empty where nobody was removed yet.
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
    let exposed = values(vault).map(|(id, digest)| (id.to_string(), digest)).collect();
    let new = Removed { label: label.to_owned(), kind: leaver.kind, removed: now(), exposed, waived: BTreeSet::new() };
    // One that cannot be read was made up: it ends here.
    let mut list = Checklist::of(vault).unwrap_or_else(|_| Checklist { removed: Vec::new(), now: BTreeMap::new() });
    list.removed.push(new);
    let mut kept = 0;
    let fit = list.removed.iter().rev().skip(1).take_while(|one| {
        kept += one.exposed.len();
        kept <= KEPT
    });
    let fit = fit.count() + 1;
    list.removed.drain(..list.removed.len().saturating_sub(fit));
    vault.other.put(CHECKLIST, list.to_raw()?);
    Ok(())
}

/// The checklist of `ours` with what those who were removed could read in `theirs`, which is from before that.
pub(super) fn with_readers(ours: &Vault<'_>, theirs: &Vault<'_>) -> Result<Option<Box<RawValue>>, Error> {
    let mut list = Checklist::of(ours).unwrap_or_else(|_| Checklist { removed: Vec::new(), now: BTreeMap::new() });
    let gone = theirs.recipients.iter().filter(|one| !ours.recipients.iter().any(|have| have.public == one.public));
    for one in gone {
        let exposed: BTreeMap<String, String> = values(theirs).map(|(id, digest)| (id.to_string(), digest)).collect();
        let label = one.label.as_str().to_owned();
        list.removed.push(Removed { label, kind: one.kind, removed: now(), exposed, waived: BTreeSet::new() });
    }
    Ok(if list.removed.is_empty() { None } else { Some(list.to_raw()?) })
}

/// Every secret of a vault with the digest of its value; references have none.
fn values<'v>(vault: &'v Vault<'_>) -> impl Iterator<Item = (SecretId, String)> + 'v {
    vault.ids().filter_map(|id| {
        let digest = digest(vault.keys.ledger(), &value(&id, vault.get(&id)?)?);
        Some((id, digest))
    })
}

/// What somebody would rotate: of OAuth the token that outlives the others.
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
