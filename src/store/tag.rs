//! Tags: they let a host that remembers nothing recognise a vault that its own key has saved.
//!
//! A tag is made with the secret half of a recipient, so knowing its public half is not enough. It covers the vault's
//! pin, so that a rotation of the vault secret invalidates it; tags of keys that were not at hand at that save return
//! with the first save by each of those keys.

use super::{Error, Pin, hex};
use crate::model::Vault;
use crate::seal::Opener;
use serde_json::value::to_raw_value;
use std::collections::BTreeMap;

const MEMBER: &str = "tags";
const LABEL: &[u8] = b"agevault/tag/v1";
/// Longest map of tags that is read, in bytes: more than all recipients have.
const MAX_TAGS: usize = 64 * 1024;

/// The message of a tag: each part has a fixed length or a terminator.
pub fn tag_message(vault: &Vault<'_>, pin: &Pin) -> Vec<u8> {
    [LABEL, b"\0", vault.vault_id.as_bytes(), b"\0", &vault.epoch.to_be_bytes(), pin.digits().as_bytes()].concat()
}

/// Public half -> tag.
fn read(vault: &Vault<'_>) -> BTreeMap<String, String> {
    let raw = vault.other.get(MEMBER).filter(|raw| raw.get().len() <= MAX_TAGS);
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Whether this key has tagged the current vault.
pub(super) fn fits(vault: &Vault<'_>, pin: &Pin, opener: &Opener) -> bool {
    let Some(tag) = read(vault).remove(&opener.public()) else { return false };
    opener.tag(&tag_message(vault, pin)).is_some_and(|right| hex(&right) == tag)
}

/// Tags the vault with the keys at hand, before it is sealed. Those of others stay unless the secret
/// was rotated since `before`; those of former recipients go.
pub(super) fn renew(vault: &mut Vault<'_>, before: &Pin, keys: &[&Opener]) -> Result<(), Error> {
    let pin = Pin::of(vault)?;
    let mut tags = if *before == pin { read(vault) } else { BTreeMap::new() };
    for key in keys {
        if let Some(tag) = key.tag(&tag_message(vault, &pin)) {
            tags.insert(key.public(), hex(&tag));
        }
    }
    tags.retain(|public, _| vault.recipients.iter().any(|recipient| recipient.public == *public));
    vault.other.take(MEMBER);
    if !tags.is_empty() {
        vault.other.put(MEMBER, to_raw_value(&tags).map_err(crate::model::Error::from)?);
    }
    Ok(())
}
