//! Short digests of superseded tokens by the day on which they were superseded: many of them in little room.
//!
//! The member `superseded` maps secret id -> day since 1970 -> the digests of that day, one after the other in base64.
//! Generations are kept for two weeks, so nothing that is younger is dropped, as long as it is not absurdly much.

use crate::model::{Error, JoinMember, Vault};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::value::to_raw_value;
use std::collections::BTreeMap;

const MEMBER: &str = "superseded";
/// Bytes of a digest that are kept: enough that no other token has the same by chance.
const SHORT: usize = 8;
/// Days for which all are kept: one more than generations are.
const DAYS: u64 = 15;
/// How many of one profile are kept beyond that, for generations of saves by people.
const BEYOND: usize = 512;
/// How many of one profile are kept at most: hourly rotation needs 360 in the time; far within the caps of F7.
const MOST: usize = 4096;
const DAY: u64 = 86_400;

type Digest = [u8; SHORT];

/// Secret id -> day and digest, the oldest first.
#[derive(Default)]
pub(super) struct Days(BTreeMap<String, Vec<(u64, Digest)>>);

impl Days {
    /// The digests of a vault.
    pub(super) fn of(vault: &Vault<'_>) -> Result<Self, Error> {
        type Written = BTreeMap<String, BTreeMap<String, String>>;
        let written: Written =
            vault.other.get(MEMBER).map(|raw| serde_json::from_str(raw.get())).transpose()?.unwrap_or_default();
        let read = |(day, text): (String, String)| {
            let day = day.parse().unwrap_or_default();
            // Text that is not base64 holds no digests of ours.
            let bytes = BASE64_STANDARD_NO_PAD.decode(text).unwrap_or_default();
            bytes.chunks_exact(SHORT).filter_map(short).map(|digest| (day, digest)).collect::<Vec<_>>()
        };
        let mut days: BTreeMap<String, Vec<(u64, Digest)>> =
            written.into_iter().map(|(id, days)| (id, days.into_iter().flat_map(read).collect())).collect();
        days.values_mut().for_each(|known| known.sort_by_key(|(day, _)| *day));
        Ok(Self(days))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn contains(&self, id: &str, digest: &[u8]) -> bool {
        let Some(digest) = short(digest) else { return false };
        self.0.get(id).is_some_and(|known| known.iter().any(|(_, have)| *have == digest))
    }

    /// The same for any id.
    pub(super) fn contain(&self, digest: &[u8]) -> bool {
        let Some(digest) = short(digest) else { return false };
        self.0.values().flatten().any(|(_, have)| *have == digest)
    }

    /// Adds one that is superseded `now`, in Unix seconds, and drops what is too old or too much.
    pub(super) fn add(&mut self, id: &str, digest: &[u8], now: u64) {
        let Some(digest) = short(digest) else { return };
        let today = now / DAY;
        let known = self.0.entry(id.to_owned()).or_default();
        known.retain(|(_, have)| *have != digest);
        // A clock that was ahead once puts nothing before what it has written.
        let at = known.partition_point(|(day, _)| *day <= today);
        known.insert(at, (today, digest));
        let old = known.partition_point(|(day, _)| day.saturating_add(DAYS) < today);
        let beyond = old.min(known.len().saturating_sub(BEYOND));
        known.drain(..beyond.max(known.len().saturating_sub(MOST)));
    }

    /// The same, unless it is there.
    pub(super) fn add_missing(&mut self, id: &str, digest: &[u8], now: u64) {
        if !self.contains(id, digest) {
            self.add(id, digest, now);
        }
    }

    pub(super) fn remove(&mut self, id: &str, digest: &[u8]) {
        let digest = short(digest);
        if let Some(known) = self.0.get_mut(id) {
            known.retain(|(_, have)| Some(*have) != digest);
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        // Kept under the old name too, which restoring an older state may bring back.
        if let Some(known) = self.0.get(from).cloned() {
            self.0.insert(to.to_owned(), known);
        }
    }

    /// Adds the digests of another state of the vault.
    pub(super) fn join(&mut self, other: &Self) {
        for (id, digests) in &other.0 {
            let known = self.0.entry(id.clone()).or_default();
            for (day, digest) in digests {
                if !known.iter().any(|(_, have)| have == digest) {
                    known.push((*day, *digest));
                }
            }
            known.sort_by_key(|(day, _)| *day);
            known.drain(..known.len().saturating_sub(MOST));
        }
    }

    pub(super) fn write(self, vault: &mut Vault<'_>) -> Result<(), Error> {
        let (name, value) = self.member()?;
        vault.other.take(name);
        value.into_iter().for_each(|value| vault.other.put(name, value));
        Ok(())
    }

    /// The payload's member; its value is `None` if there are no digests.
    pub(super) fn member(self) -> Result<JoinMember, Error> {
        let mut written: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (id, known) in self.0.into_iter().filter(|(_, known)| !known.is_empty()) {
            let mut days: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
            known.iter().for_each(|(day, digest)| days.entry(*day).or_default().extend(digest));
            let days = days.into_iter().map(|(day, bytes)| (day.to_string(), BASE64_STANDARD_NO_PAD.encode(bytes)));
            written.insert(id, days.collect());
        }
        let value = (!written.is_empty()).then(|| to_raw_value(&written)).transpose()?;
        Ok((MEMBER, value))
    }
}

fn short(digest: &[u8]) -> Option<Digest> {
    digest.get(..SHORT)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_go_and_never_more_than_the_bound_are_kept() {
        let digest = |n: u64| n.to_be_bytes();
        let mut days = Days::default();
        (0..600).for_each(|n| days.add("a", &digest(n), n * DAY));
        // All but one a day are beyond the time, and the last of them are kept.
        assert!(!days.contains("a", &digest(87)) && days.contains("a", &digest(88)));
        (0..10_000).for_each(|n| days.add("b", &digest(n), n));
        assert!(!days.contains("b", &digest(10_000 - MOST as u64 - 1)) && days.contains("b", &digest(9_999)));
        assert!(days.contains("b", &digest(10_000 - MOST as u64)));
        days.rename("b", "c");
        assert!(days.knows("b") && days.contains("c", &digest(9_999)) && !days.contains("a", &digest(9_999)));
    }
}
