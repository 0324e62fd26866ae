//! Refresh tokens that were superseded: keyed digests, never a token.
//!
//! A provider that rotates refresh tokens takes each once. A file or a backup that still holds
//! an earlier one is stale, however its expiry reads. [`apply`] is the one place through which
//! every change goes, so no command can forget to note what it replaces.
//!
//! The member `lineage` holds the last few digests whole. The member `superseded` holds short ones by the day on which
//! the tokens were superseded, so that no token in a kept generation is forgotten.
//!
//! A vault that is restored whole, onto an empty place, has the lineage of its own time: a token that was superseded
//! later counts as valid until the provider refuses it.

mod days;

use super::Error;
use crate::model::{Change, Credential, Entries, JoinMember as Member, Kind, SecretId, Vault};
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use days::Days;
use hmac::{Hmac, Mac};
use serde_json::value::{RawValue, to_raw_value};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};

const MEMBER: &str = "lineage";
const LABEL: &[u8] = b"agevault/lineage/v1";
/// Superseded tokens of one profile whose digests are kept whole, for readers that know no others.
const WHOLE: usize = 16;

/// What the vault knows of earlier refresh tokens: secret id -> digests, the oldest first.
pub struct Lineage {
    key: Secret,
    known: BTreeMap<String, Vec<String>>,
    days: Days,
}

impl Lineage {
    /// The lineage of a vault; empty where nothing was superseded yet.
    ///
    /// # Errors
    /// [`crate::model::Error::Malformed`].
    pub fn of(vault: &Vault<'_>) -> Result<Self, crate::model::Error> {
        let known = vault.other.get(MEMBER).map(|raw| serde_json::from_str(raw.get())).transpose()?;
        let key = Secret::new(vault.keys.ledger().expose().to_owned());
        Ok(Self { key, known: known.unwrap_or_default(), days: Days::of(vault)? })
    }

    /// Whether nothing was superseded yet.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.days.is_empty()
    }

    /// Whether this credential holds a superseded refresh token of this profile.
    pub fn is_superseded(&self, id: &SecretId, credential: &RawValue) -> bool {
        let id_text = id.to_string();
        let whole = self.known.get(&id_text);
        if whole.is_none() && !self.days.knows(&id_text) {
            return false;
        }
        let Some(digest) = refresh(id, credential).map(|token| self.digest(&token)) else { return false };
        whole.is_some_and(|known| known.contains(&text(&digest))) || self.days.contains(&id_text, &digest)
    }

    /// Whether this credential holds a superseded refresh token of any profile, since profiles may be renamed.
    pub fn is_old(&self, id: &SecretId, credential: &RawValue) -> bool {
        let Some(digest) = refresh(id, credential).map(|token| self.digest(&token)) else { return false };
        let whole = text(&digest);
        self.known.values().any(|known| known.contains(&whole)) || self.days.contain(&digest)
    }

    /// `old` was followed by `new`, which counts from now on even if it was superseded once.
    fn supersede(&mut self, id: &SecretId, old: Option<&Secret>, new: &Secret, now: u64) {
        let (old, new) = (old.map(|old| self.digest(old)), self.digest(new));
        let (id, old) = (id.to_string(), old.filter(|old| *old != new));
        let known = self.known.entry(id.clone()).or_default();
        let (whole_old, whole_new) = (old.as_ref().map(text), text(&new));
        known.retain(|digest| *digest != whole_new && Some(digest) != whole_old.as_ref());
        known.extend(whole_old);
        // Those of a vault that knew no days yet.
        for digest in known.drain(..known.len().saturating_sub(WHOLE)) {
            if let Ok(digest) = BASE64_STANDARD_NO_PAD.decode(digest) {
                self.days.add_missing(&id, &digest, now);
            }
        }
        self.days.remove(&id, &new);
        if let Some(old) = old {
            self.days.add(&id, &old, now);
        }
    }

    /// The joined members, for a vault that holds `entries`; the tokens of `entries` count as valid.
    pub(super) fn joined(mut self, other: &Self, entries: &Entries) -> Result<Vec<Member>, crate::model::Error> {
        for (id, digests) in &other.known {
            let known = self.known.entry(id.clone()).or_default();
            let more: Vec<String> = digests.iter().filter(|digest| !known.contains(digest)).cloned().collect();
            known.splice(0..0, more);
            known.drain(..known.len().saturating_sub(WHOLE));
        }
        self.days.join(&other.days);
        for id in entries.contents().ids().filter(|id| matches!(id, SecretId::Auth(..))) {
            let token = entries.contents().get(&id).and_then(|raw| refresh(&id, raw));
            let Some(digest) = token.map(|token| self.digest(&token)) else { continue };
            let (id, whole) = (id.to_string(), text(&digest));
            self.known.get_mut(&id).into_iter().for_each(|known| known.retain(|have| *have != whole));
            self.days.remove(&id, &digest);
        }
        self.known.retain(|_, known| !known.is_empty());
        let whole = (!self.known.is_empty()).then(|| to_raw_value(&self.known)).transpose()?;
        Ok(vec![(MEMBER, whole), self.days.member()?])
    }

    fn rename(&mut self, from: &SecretId, to: &SecretId) {
        // Kept under the old name too, which restoring an older state may bring back.
        if let Some(known) = self.known.get(&from.to_string()).cloned() {
            self.known.insert(to.to_string(), known);
        }
        self.days.rename(&from.to_string(), &to.to_string());
    }

    fn digest(&self, token: &Secret) -> Vec<u8> {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) else { return Vec::new() };
        mac.update(LABEL);
        mac.update(token.expose().as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn write(mut self, vault: &mut Vault<'_>) -> Result<(), crate::model::Error> {
        self.known.retain(|_, known| !known.is_empty());
        vault.other.take(MEMBER);
        if !self.known.is_empty() {
            vault.other.put(MEMBER, to_raw_value(&self.known)?);
        }
        self.days.write(vault)
    }
}

/// A whole digest as it is written down.
fn text(digest: &Vec<u8>) -> String {
    BASE64_STANDARD_NO_PAD.encode(digest)
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
            lineage.supersede(id, old.as_ref(), &new, now);
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
    fn superseded_tokens_are_known_and_no_token_is_written_down() {
        with(&document(), |mut vault| {
            for n in 1..=20 {
                put(&mut vault, "p:a", &format!("token-{n}"));
            }
            let known: Vec<usize> = (0..=20).filter(|n| superseded(&vault, "p:a", &format!("token-{n}"))).collect();
            assert_eq!(known, (0..20).collect::<Vec<_>>());
            // Readers that know no days find the last sixteen where they always were.
            let whole: Value = serde_json::from_str(vault.other.get(MEMBER).unwrap().get()).unwrap();
            assert_eq!(whole["auth/main/p:a"].as_array().unwrap().len(), WHOLE);
            let saved = vault.render(0).unwrap();
            let text = saved.text().unwrap();
            assert!(text.contains("token-20") && !text.contains("token-19"));
            let again = Vault::parse(text).unwrap();
            assert!(superseded(&again, "p:a", "token-19") && !superseded(&again, "p:a", "token-20"));
        });
    }

    #[test]
    fn what_a_vault_knew_without_days_is_not_forgotten() {
        let mut old = document();
        let key = Secret::new("bGVkZ2Vy".to_owned());
        let lineage = Lineage { key, known: BTreeMap::new(), days: Days::default() };
        let digests: Vec<String> =
            (0..WHOLE).map(|n| super::text(&lineage.digest(&Secret::new(format!("old-{n}"))))).collect();
        old["lineage"] = json!({"auth/main/p:a": digests});
        with(&old, |mut vault| {
            (1..=WHOLE).for_each(|n| put(&mut vault, "p:a", &format!("token-{n}")));
            assert!((0..WHOLE).all(|n| superseded(&vault, "p:a", &format!("old-{n}"))));
            assert!((0..WHOLE).all(|n| superseded(&vault, "p:a", &format!("token-{n}"))));
        });
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(24))]
        /// Whatever the pace, and with what was put again in between: of the states of the last two weeks none has a
        /// token that `restore` takes for a valid one, but for the token that counts now.
        #[test]
        fn no_state_of_the_last_two_weeks_brings_an_older_token_back(
            pace in 300_u64..40_000, again in proptest::collection::vec(0_usize..400, 0..4),
        ) {
            with(&document(), |mut vault| {
                let start = 1_000 * 86_400;
                let mut states = vec![(start, "token-0".to_owned())];
                for n in 1..400 {
                    let now = start + n as u64 * pace;
                    let token = if again.contains(&n) { format!("token-{}", n / 2) } else { format!("token-{n}") };
                    let change = Change::of(Op::Put(id("p:a"), raw(&oauth(&token)), "test"));
                    apply(change, &mut vault, now).unwrap();
                    states.push((now, token));
                }
                let (now, valid) = states.last().unwrap().clone();
                let recent = states.iter().filter(|(at, token)| now - at <= 14 * 86_400 && *token != valid);
                for (at, token) in recent {
                    assert!(superseded(&vault, "p:a", token), "{token} of {} s ago, pace {pace}", now - at);
                }
                assert!(!superseded(&vault, "p:a", &valid));
                let saved = vault.render(0).unwrap();
                assert!(Vault::parse(saved.text().unwrap()).is_ok_and(|again| superseded(&again, "p:a", &states[390].1)));
            });
        }
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
            assert!(superseded(&vault, "p:b", "token-1") && superseded(&vault, "p:a", "token-1"));
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
                let restoring = restore_change(&vault, &snapshot, None).unwrap();
                assert_eq!(restoring.superseded, [id("p:a")]);
                apply(restoring.change, &mut vault, 2).unwrap();
                assert!(vault.get(&id("p:a")).unwrap().get().contains("token-1"));
                assert!(vault.get(&id("p:other")).unwrap().get().contains("other-old"));
                assert!(superseded(&vault, "p:a", "token-0") && superseded(&vault, "p:other", "other-new"));
            });
        });
    }
}
