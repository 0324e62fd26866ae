//! Refresh tokens that were superseded (DESIGN F5, F11): keyed digests, never a token.
//!
//! A provider that rotates refresh tokens takes each once. A file or a backup that still holds
//! an earlier one is stale, however its expiry reads. [`apply`] is the one place through which
//! every change goes, so no command can forget to note what it replaces.
//!
//! A vault that is restored whole, onto an empty place, brings the lineage of its own time: what
//! was superseded later is known to nobody there, and shows when the provider refuses it.

use super::Error;
use crate::model::{Change, Credential, Kind, SecretId, Vault};
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::value::{RawValue, to_raw_value};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};

const MEMBER: &str = "lineage";
const LABEL: &[u8] = b"agevault/lineage/v1";
/// Superseded tokens that are remembered of one profile.
const KEPT: usize = 16;

/// What the vault knows of earlier refresh tokens: secret id -> digests, the oldest first.
pub struct Lineage {
    key: Secret,
    known: BTreeMap<String, Vec<String>>,
}

impl Lineage {
    /// The lineage of a vault; empty where nothing was superseded yet.
    ///
    /// # Errors
    /// [`crate::model::Error::Malformed`].
    pub fn of(vault: &Vault<'_>) -> Result<Self, crate::model::Error> {
        let known = vault.other.get(MEMBER).map(|raw| serde_json::from_str(raw.get())).transpose()?;
        Ok(Self { key: Secret::new(vault.keys.ledger().expose().to_owned()), known: known.unwrap_or_default() })
    }

    /// Whether nothing was superseded yet.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether this credential holds a refresh token that another one of the profile followed.
    pub fn is_superseded(&self, id: &SecretId, credential: &RawValue) -> bool {
        let known = self.known.get(&id.to_string());
        known.is_some_and(|known| refresh(id, credential).is_some_and(|token| known.contains(&self.digest(&token))))
    }

    /// `old` was followed by `new`, which counts from now on even if it was superseded once.
    fn supersede(&mut self, id: &SecretId, old: Option<&Secret>, new: &Secret) {
        let (old, new) = (old.map(|old| self.digest(old)), self.digest(new));
        let known = self.known.entry(id.to_string()).or_default();
        known.retain(|digest| *digest != new && Some(digest) != old.as_ref());
        known.extend(old.filter(|old| *old != new));
        known.drain(..known.len().saturating_sub(KEPT));
    }

    fn rename(&mut self, from: &SecretId, to: &SecretId) {
        if let Some(known) = self.known.remove(&from.to_string()) {
            self.known.insert(to.to_string(), known);
        }
    }

    fn digest(&self, token: &Secret) -> String {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) else { return String::new() };
        mac.update(LABEL);
        mac.update(token.expose().as_bytes());
        BASE64_STANDARD_NO_PAD.encode(mac.finalize().into_bytes())
    }

    fn write(mut self, vault: &mut Vault<'_>) -> Result<(), crate::model::Error> {
        self.known.retain(|_, known| !known.is_empty());
        vault.other.take(MEMBER);
        if !self.known.is_empty() {
            vault.other.put(MEMBER, to_raw_value(&self.known)?);
        }
        Ok(())
    }
}

/// Applies `change` to `vault`, and notes the refresh tokens that it supersedes.
pub(super) fn apply(change: Change, vault: &mut Vault<'_>, now: u64) -> Result<(), Error> {
    let renamed: Vec<(SecretId, SecretId)> = change.renamed().map(|(from, to)| (from.clone(), to.clone())).collect();
    let is_auth = |id: &SecretId| matches!(id, SecretId::Auth(..));
    let mut touched: BTreeSet<SecretId> = change.touched().filter(|id| is_auth(id)).cloned().collect();
    if change.restores() {
        touched.extend(vault.ids().filter(is_auth));
    }
    if touched.is_empty() {
        return Ok(change.apply(vault, now)?);
    }
    let token = |vault: &Vault<'_>, id: &SecretId| refresh(id, vault.get(id)?);
    let before: Vec<(SecretId, Option<Secret>)> =
        touched.into_iter().map(|id| (id.clone(), token(vault, &id))).collect();
    change.apply(vault, now)?;

    let mut lineage = Lineage::of(vault)?;
    for (from, to) in &renamed {
        lineage.rename(from, to);
    }
    for (id, old) in &before {
        if let Some(new) = token(vault, id) {
            lineage.supersede(id, old.as_ref(), &new);
        }
    }
    Ok(lineage.write(vault)?)
}

/// The refresh token of an OAuth credential.
fn refresh(id: &SecretId, credential: &RawValue) -> Option<Secret> {
    if !matches!(id, SecretId::Auth(..)) {
        return None;
    }
    let credential = Credential::parse("", credential).ok().filter(|found| found.kind() == Some(Kind::Oauth))?;
    credential.text("refresh").filter(|token| !token.expose().trim().is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Op, Scope};
    use crate::store::restore::restore_change;
    use serde_json::{Value, json};

    fn oauth(refresh: &str) -> Value {
        json!({"type": "oauth", "provider": "p", "access": "a", "refresh": refresh, "expires": 5})
    }

    fn document() -> Value {
        // 32 bytes in base64, as a pin needs them.
        let secret = BASE64_STANDARD_NO_PAD.encode([7_u8; 32]);
        json!({
            "config": {}, "created": 1, "env": {}, "epoch": 0, "generation": 1,
            "keys": {"ledger": "bGVkZ2Vy", "log": "bG9n"}, "meta": {}, "recipients": [], "requires": [],
            "rev": "00", "schema": 1, "scopes": {"main": {"order": {}, "profiles": {"p:a": oauth("token-0")}}},
            "updated": 1, "vault_id": "v", "vault_secret": secret, "writers": {},
        })
    }

    fn id(profile: &str) -> SecretId {
        SecretId::auth(Scope::main(), profile).unwrap()
    }

    fn raw(value: &Value) -> Box<RawValue> {
        to_raw_value(value).unwrap()
    }

    fn put(vault: &mut Vault<'_>, profile: &str, refresh: &str) {
        apply(Change::of(Op::Put(id(profile), raw(&oauth(refresh)), "test")), vault, 1).unwrap();
    }

    fn superseded(vault: &Vault<'_>, profile: &str, refresh: &str) -> bool {
        Lineage::of(vault).unwrap().is_superseded(&id(profile), &raw(&oauth(refresh)))
    }

    /// What a reader makes of a document, its members in byte order.
    fn with<T>(document: &Value, then: impl FnOnce(Vault<'_>) -> T) -> T {
        fn sorted(value: &Value) -> Value {
            match value {
                Value::Object(members) => {
                    let mut members: Vec<_> =
                        members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
                    members.sort_by(|a, b| a.0.cmp(&b.0));
                    Value::Object(members.into_iter().collect())
                }
                other => other.clone(),
            }
        }
        let text = sorted(document).to_string();
        then(Vault::parse(&text).unwrap())
    }

    #[test]
    fn the_last_sixteen_superseded_tokens_are_known_and_no_token_is_written_down() {
        with(&document(), |mut vault| {
            for n in 1..=20 {
                put(&mut vault, "p:a", &format!("token-{n}"));
            }
            let known: Vec<usize> = (0..=20).filter(|n| superseded(&vault, "p:a", &format!("token-{n}"))).collect();
            assert_eq!(known, (4..20).collect::<Vec<_>>());
            let saved = vault.render(0).unwrap();
            let text = saved.text().unwrap();
            assert!(text.contains("token-20") && !text.contains("token-19"));
            let again = Vault::parse(text).unwrap();
            assert!(superseded(&again, "p:a", "token-19") && !superseded(&again, "p:a", "token-20"));
        });
    }

    #[test]
    fn the_same_token_again_supersedes_nothing_and_a_removal_neither() {
        with(&document(), |mut vault| {
            put(&mut vault, "p:a", "token-0");
            assert!(!superseded(&vault, "p:a", "token-0"));
            apply(Change::of(Op::Remove(id("p:a"))), &mut vault, 1).unwrap();
            assert!(!superseded(&vault, "p:a", "token-0"));
        });
    }

    #[test]
    fn what_is_put_again_counts_and_a_renamed_profile_keeps_its_lineage() {
        with(&document(), |mut vault| {
            put(&mut vault, "p:a", "token-1");
            put(&mut vault, "p:a", "token-0");
            assert!(!superseded(&vault, "p:a", "token-0") && superseded(&vault, "p:a", "token-1"));
            apply(Change::of(Op::Rename(id("p:a"), id("p:b"))), &mut vault, 1).unwrap();
            assert!(superseded(&vault, "p:b", "token-1") && !superseded(&vault, "p:a", "token-1"));
        });
    }

    #[test]
    fn a_restore_leaves_out_a_superseded_token_and_notes_the_one_that_it_replaces() {
        let mut old = document();
        old["scopes"]["main"]["profiles"]["p:other"] = oauth("other-old");
        with(&old, |snapshot| {
            with(&document(), |mut vault| {
                put(&mut vault, "p:a", "token-1");
                put(&mut vault, "p:other", "other-new");
                let restoring = restore_change(&vault, &snapshot).unwrap();
                assert_eq!(restoring.superseded, [id("p:a")]);
                apply(restoring.change, &mut vault, 2).unwrap();
                assert!(vault.get(&id("p:a")).unwrap().get().contains("token-1"));
                assert!(vault.get(&id("p:other")).unwrap().get().contains("other-old"));
                assert!(superseded(&vault, "p:a", "token-0") && superseded(&vault, "p:other", "other-new"));
            });
        });
    }
}
