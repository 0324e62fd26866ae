//! Places of the configuration that refer to the entry of another place: somebody has renamed an account, or exchanged
//! two, with their references.
//!
//! The reference decides, as long as it is the only thing that asks for the entry. When the other place has a new secret,
//! that would become the secret of this one too. So this one gets an entry of its own first, with the value that it has
//! had; its reference follows; and only then the new secret is taken.

use super::compare::Comparison;
use crate::model::{self, Change, Op, SecretId};
use crate::ops::intake::{self, Refused};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// What happens to such places.
#[derive(Default)]
pub struct Moves {
    /// Places that get an entry of their own: to that their references must lead before `later` is saved.
    pub moved: BTreeSet<SecretId>,
    /// Places with a new secret, which waits for that.
    pub waiting: BTreeSet<SecretId>,
    /// The change that takes these.
    pub later: Change,
}

impl Comparison<'_> {
    /// Whether other places refer to the entry of `id`, which is about to get another value. If so they get their own,
    /// and the value waits.
    pub(super) fn waits(&mut self, id: &SecretId, op: &Op) -> bool {
        let is_pinned = self.pinned.contains(&id.to_string());
        if self.referring(id).is_empty() && !is_pinned {
            // Those who ask by a name that an entry had before are led to that first.
            let is_earlier = self.earlier.contains(&id.to_string());
            if is_earlier {
                self.wait(id, op);
            }
            return is_earlier;
        }
        // What refers to no entry must not come to one that is another secret either.
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

    /// The places that refer to the entry of another one.
    fn referring(&self, id: &SecretId) -> Vec<SecretId> {
        let asked = id.to_string();
        self.asked.iter().filter(|(own, to)| *to == asked && own != id).map(|(own, _)| own.clone()).collect()
    }

    /// Whether each of these places can refer to an entry of its own, and nobody is bound to what is there now.
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
            // What was there is in use as well, if somebody refers to it; else nothing asks for it any more.
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
    /// Leaves out what waits for references to be changed, where nobody changes them.
    pub fn leave_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.moves.waiting);
        let names: BTreeSet<String> = waiting.iter().map(SecretId::to_string).collect();
        self.replaced.retain(|name| !names.contains(name));
        self.refused.extend(names.into_iter().map(|name| (name, Refused::Referred)));
        self.moves.later = Change::default();
    }
}
