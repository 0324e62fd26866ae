//! Places of the configuration that refer to the entry of another place: an account was renamed, or two were exchanged,
//! together with their references.
//!
//! The reference decides as long as no other place uses the entry. A new secret at the other place would become the
//! secret of this place too. So this place first gets its own entry with the old value, then its reference is changed,
//! and the new secret is taken last.

use super::compare::Comparison;
use crate::model::{self, Change, Op, SecretId};
use crate::ops::intake::{self, Refused};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// How such places are handled.
#[derive(Default)]
pub struct Moves {
    /// Places that get their own entries. Their references must lead to these before `later` is saved.
    pub moved: BTreeSet<SecretId>,
    /// Places with a new secret that is not taken until then.
    pub waiting: BTreeSet<SecretId>,
    /// The change that takes these secrets.
    pub later: Change,
}

impl Comparison<'_> {
    /// Whether the new value of `id` must wait, because other references lead to this entry. The places with these
    /// references get their own entries; if they cannot, `id` is `stuck`.
    pub(super) fn waits(&mut self, id: &SecretId, op: &Op) -> bool {
        let is_pinned = self.pinned.contains(&id.to_string());
        if self.referring(id).is_empty() && !is_pinned {
            // References that use this id for an entry renamed since then are changed first.
            let is_earlier = self.earlier.contains(&id.to_string());
            if is_earlier {
                self.wait(id, op);
            }
            return is_earlier;
        }
        // A reference to a missing entry must not resolve to a different secret either.
        if is_pinned || self.vault.get(id).is_none() || !self.can_move_away(id) {
            self.stuck.push(id.to_string());
            return true;
        }
        self.move_away(id);
        self.wait(id, op);
        true
    }

    fn wait(&mut self, id: &SecretId, op: &Op) {
        self.plan.moves.waiting.insert(id.clone());
        self.plan.moves.later.push(op.clone());
    }

    /// The other places that refer to the entry of `id`.
    fn referring(&self, id: &SecretId) -> Vec<SecretId> {
        let asked = id.to_string();
        self.asked.iter().filter(|(own, to)| *to == asked && own != id).map(|(own, _)| own.clone()).collect()
    }

    /// Whether each of these places can get its own entry without changing a value that a pinned reference uses.
    fn can_move_away(&self, id: &SecretId) -> bool {
        let value = self.vault.get(id);
        self.referring(id).iter().all(|own| {
            let (have, name) = (self.vault.get(own), own.to_string());
            let is_same = have.zip(value).is_some_and(|(have, value)| model::same_json(have, value));
            let is_free = is_same || !self.pinned.contains(&name);
            own.fits_secret_ref() && is_free && (is_same || have.is_none() || self.can_move_away(own))
        })
    }

    fn move_away(&mut self, id: &SecretId) {
        let Some(value) = self.vault.get(id).map(RawValue::to_owned) else { return };
        for own in self.referring(id) {
            if !self.plan.moves.moved.insert(own.clone()) {
                continue;
            }
            let have = self.vault.get(&own);
            if have.is_some_and(|have| model::same_json(have, &value)) {
                continue;
            }
            // The replaced value is moved on if other places refer to it; otherwise it is no longer used.
            let list = if have.is_some() { &mut self.plan.replaced } else { &mut self.plan.added };
            list.push(own.to_string());
            self.move_away(&own);
            match intake::put(self.vault, &own, value.clone(), super::SOURCE, self.terms.presence) {
                Ok(op) => self.plan.change.push(op),
                Err(why) => self.plan.refused.push((own.to_string(), why)),
            }
        }
    }
}

impl super::Plan {
    /// Refuses the values that wait for changes of references, for commands that do not change references.
    pub fn leave_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.moves.waiting);
        let names: BTreeSet<String> = waiting.iter().map(SecretId::to_string).collect();
        self.replaced.retain(|name| !names.contains(name));
        self.refused.extend(names.into_iter().map(|name| (name, Refused::Referred)));
        self.moves.later = Change::default();
    }
}
