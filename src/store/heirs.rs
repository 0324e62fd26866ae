//! Which recipients a kept state is sealed anew to: current ones that could read it, and keys that replaced others.

use super::Error;
use super::edit::recipients;
use super::snapshot::Snapshot;
use crate::fsio::{Dir, Replacement};
use crate::model::{Recipient, Vault};
use crate::seal::{self, Opener};
use crate::secret::SecretBuf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Maximum number of replaced keys that are remembered: few key changes happen within the lifetime of kept states.
const MOST_HEIRS: usize = 32;

/// A key that replaces another one of the same holder, and may read what that one could. Both are public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heir {
    /// The replaced key.
    pub of: String,
    /// The key that replaces it.
    pub key: String,
}

/// All of these heirs, one for each replaced key, the newest last.
pub(super) fn joined_heirs(have: &[Heir], known: &[Heir], new: Option<&Heir>) -> Vec<Heir> {
    let mut all: Vec<Heir> = Vec::new();
    for heir in have.iter().chain(known).chain(new) {
        all.retain(|one| one.of != heir.of);
        all.push(heir.clone());
    }
    all.drain(..all.len().saturating_sub(MOST_HEIRS));
    all
}

/// What decides which recipients kept states are sealed anew to.
pub(super) struct Sealing<'s> {
    /// Identifies this re-sealing in the file names of its copies.
    pub(super) tag: &'s str,
    pub(super) today: &'s [Recipient],
    pub(super) heirs: &'s [Heir],
    /// Public keys of the identities at hand.
    pub(super) at_hand: BTreeSet<String>,
}

impl Sealing<'_> {
    /// Seals a kept state to the current recipients that its own list names, and to the heirs of those that it names.
    /// If none is left, it is sealed to the key that opened it. The copy names its new recipients. Returns its name.
    ///
    /// If a recipient's replacement could not read the state, the old key stays a recipient of the copy until both keys
    /// are at hand, since the replacement cannot be verified before. The file name marks such a copy; later saves treat
    /// it as old and re-seal it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if no current recipient could open the copy.
    pub(super) fn write(&self, dir: &Dir, kept: &Snapshot, plain: &SecretBuf, by: &Opener) -> Result<String, Error> {
        let Self { today, at_hand, .. } = self;
        let text = plain.text().ok_or(crate::model::Error::Malformed { line: 1, column: 1 })?;
        let mut state = Vault::parse(text)?;
        let did = |public: &str| state.recipients.iter().any(|then| then.public == public);
        let is_at_hand = |public: &str| at_hand.contains(public);
        let (mut heirs, mut waiting) = (BTreeSet::new(), Vec::new());
        for then in &state.recipients {
            match self.heir_of(&then.public) {
                Some(key) if did(key) || (is_at_hand(&then.public) && is_at_hand(key)) => _ = heirs.insert(key),
                Some(key) => waiting.push((then.clone(), key)),
                None => {}
            }
        }
        waiting.retain(|(_, key)| !heirs.contains(key));
        let waiting: Vec<Recipient> = waiting.into_iter().map(|(then, _)| then).collect();
        let reads = |one: &&Recipient| did(&one.public) || heirs.contains(one.public.as_str());
        let mut to: Vec<Recipient> = today.iter().filter(reads).cloned().collect();
        let name = kept.resealed_name(self.tag, !waiting.is_empty());
        to.extend(waiting);
        if to.is_empty() {
            to.extend(today.iter().find(|one| one.public == by.public()).cloned());
        }
        if to.is_empty() {
            return Err(Error::Unreadable(vec![kept.name.clone()]));
        }
        if name == kept.name && to.iter().map(|one| &one.public).eq(state.recipients.iter().map(|one| &one.public)) {
            return Ok(name);
        }
        state.recipients = to;
        let plain = state.render(plain.expose().len())?;
        let sealed = seal::seal(plain.expose(), &recipients(&state.recipients)?)?;
        Replacement::write(dir, OsStr::new(&name), &sealed, 0o600)?.dated(kept.saved)?.commit()?;
        Ok(name)
    }

    /// The current recipient that replaced a former one, directly or through other keys.
    fn heir_of(&self, public: &str) -> Option<&str> {
        let is_of_today = |public: &str| self.today.iter().any(|one| one.public == public);
        let next = |of: &&str| self.heirs.iter().find(|heir| heir.of == **of).map(|heir| heir.key.as_str());
        let first = Some(public).filter(|public| !is_of_today(public))?;
        let first = next(&first);
        std::iter::successors(first, next).take(self.heirs.len()).find(|key| is_of_today(key))
    }
}
