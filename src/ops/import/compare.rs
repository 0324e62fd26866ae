//! What files hold, compared with the vault: which values are newer, and which are values at all.

use super::types::Terms;
use super::{Error, Gathered, OnConflict, Plan, SOURCE};
use crate::formats::power::is_powerful;
use crate::formats::{Note, NoteKind};
use crate::model::{self, Op, Scope, SecretId, Vault};
use crate::ops::exported::Unchanged;
use crate::ops::intake::{self, Refused};
use crate::ops::judge::{self, Fields, Side, Verdict, judge};
use crate::store::Lineage;
use crate::views::{Key, fields};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// One comparison, and what came of it so far.
pub(super) struct Comparison<'c> {
    pub(super) vault: &'c Vault<'c>,
    pub(super) terms: Terms<'c>,
    exported: &'c Unchanged,
    /// Orders that the gateway wrote to a place of its own.
    stated: BTreeSet<(Scope, String)>,
    key: Key,
    lineage: Lineage,
    /// Places of the configuration that hold references to the vault, and the current ids of the entries meant.
    pub(super) asked: Vec<(SecretId, String)>,
    /// Entries with references from places that cannot get their own entry.
    pub(super) pinned: BTreeSet<String>,
    /// Ids in references whose entry has been renamed: no entry has such an id any more, or another one has it.
    pub(super) earlier: BTreeSet<String>,
    /// Places with a new secret whose entry has other references that cannot be changed.
    pub(super) stuck: Vec<String>,
    pub(super) plan: Plan,
    conflicts: Vec<String>,
    misfits: Vec<String>,
}

impl Gathered {
    pub(super) fn compare(self, vault: &Vault<'_>, terms: Terms<'_>, exported: &Unchanged) -> Result<Plan, Error> {
        let Self { entries, orders, disputed, stated, asked, pinned, plan, .. } = self;
        if !disputed.is_empty() {
            return Err(Error::Disputed(disputed));
        }
        let (key, lineage) = (Key::lasting(vault)?, Lineage::of(vault)?);
        // A reference with an earlier id means the entry that has been renamed since.
        let mut earlier = BTreeSet::new();
        let mut now = |asked: String| match exported.renames.entry(vault, &asked).map(|id| id.to_string()) {
            Some(now) if now != asked => {
                earlier.insert(asked);
                now
            }
            _ => asked,
        };
        let asked: Vec<(SecretId, String)> = asked.into_iter().map(|(own, asked)| (own, now(asked))).collect();
        let pinned: BTreeSet<String> = pinned.into_iter().map(now).collect();
        let (conflicts, misfits) = (Vec::new(), Vec::new());
        let stuck = Vec::new();
        let mut comparison = Comparison {
            vault,
            terms,
            exported,
            stated,
            key,
            lineage,
            asked,
            pinned,
            earlier,
            stuck,
            plan,
            conflicts,
            misfits,
        };
        for (id, value) in entries {
            comparison.entry(id, value)?;
        }
        for ((scope, provider), ids) in orders {
            comparison.order(scope, provider, ids);
        }
        comparison.finish()
    }
}

impl Comparison<'_> {
    fn entry(&mut self, id: SecretId, value: Box<RawValue>) -> Result<(), Error> {
        let (name, have) = (id.to_string(), self.vault.get(&id));
        if have.is_some_and(|have| model::same_json(have, &value)) {
            self.plan.same += 1;
            return Ok(());
        }
        // Without ours there is nothing to compare members with.
        let theirs = have.map_or_else(|| Ok(Fields::new()), |_| fields(&self.key, &id, &value))?;
        let ours = have.map(|raw| fields(&self.key, &id, raw)).transpose()?;
        let verdict = {
            let superseded = self.lineage.is_superseded(&id, &value);
            let theirs = Side { fields: &theirs, renews: model::has_refresh(&value), superseded };
            let renews = have.is_some_and(model::has_refresh);
            let ours = ours.as_ref().map(|fields| Side { fields, renews, superseded: false });
            let base = self.base(&id, have, &value, &theirs, ours.as_ref());
            judge(base.as_slice(), Some(&theirs), ours.as_ref())
        };
        match &verdict {
            Verdict::Same => self.plan.same += 1,
            Verdict::Keep if have.is_some() => self.plan.kept.push(name),
            Verdict::Keep => self.plan.notes.push(Note::new(&name, NoteKind::TakenOut)),
            Verdict::Stale => self.plan.notes.push(Note::new(&name, NoteKind::Superseded)),
            Verdict::Take | Verdict::Conflict(_) => self.newer(&id, name, value, &verdict),
            Verdict::Merge(taken) => {
                let value = have.map_or(Ok(value.clone()), |have| judge::merged(have, &value, taken))?;
                self.newer(&id, name, value, &verdict);
            }
        }
        Ok(())
    }

    /// The state that both sides once had, where that is known.
    fn base<'f>(
        &self,
        id: &SecretId,
        have: Option<&RawValue>,
        value: &RawValue,
        theirs: &Side<'f, String>,
        ours: Option<&Side<'f, String>>,
    ) -> Vec<Option<&'f Fields<String>>> {
        if self.exported.entries.contains(id) {
            vec![Some(theirs.fields)]
        } else if self.exported.own_oauth && have.is_some_and(model::is_oauth) && model::is_oauth(value) {
            // The vault's is a copy, so that only the gateway has changed it since.
            vec![ours.map(|side| side.fields)]
        } else {
            Vec::new()
        }
    }

    /// Takes a value, unless it is none, or no rule and no person decides for it.
    fn newer(&mut self, id: &SecretId, name: String, value: Box<RawValue>, verdict: &Verdict) {
        let plan = &mut self.plan;
        let op = match intake::put(self.vault, id, value, SOURCE, self.terms.presence) {
            Ok(op) => op,
            Err(Refused::Dotenv(_)) => return self.misfits.push(name),
            Err(refused) => return plan.refused.push((name, refused)),
        };
        if let Verdict::Conflict(why) = verdict {
            match self.terms.on {
                OnConflict::Fail => return self.conflicts.push(name),
                OnConflict::Keep => {
                    plan.undecided.push((name.clone(), *why));
                    return plan.kept.push(name);
                }
                OnConflict::Replace => {}
            }
        }
        if matches!(id, SecretId::Env(variable) if is_powerful(variable.as_str())) {
            plan.powerful.push(name.clone());
        }
        let list = if self.vault.get(id).is_none() { &mut plan.added } else { &mut plan.replaced };
        list.push(name);
        if !self.waits(id, &op) {
            self.plan.change.push(op);
        }
    }

    fn order(&mut self, scope: Scope, provider: String, ids: Vec<String>) {
        let (exported, plan) = (self.exported, &mut self.plan);
        let have = self.vault.scopes.get(scope.as_str()).and_then(|entries| entries.order.get(&provider));
        let name = format!("order of {provider} for {}", scope.as_str());
        let order = (scope, provider);
        let of_view = exported.orders.contains(&order) && !self.stated.contains(&order);
        let base = if of_view || exported.settled.contains(&order) {
            vec![Some(&ids)]
        } else if exported.newer.contains(&order) {
            vec![have]
        } else {
            Vec::new()
        };
        match (judge::value(&base, Some(&ids), have), self.terms.on) {
            (Verdict::Same | Verdict::Keep | Verdict::Stale, _) => return,
            (Verdict::Conflict(_), OnConflict::Fail) => return self.conflicts.push(name),
            (Verdict::Conflict(_), OnConflict::Keep) => return plan.kept.push(name),
            (Verdict::Conflict(_), OnConflict::Replace) | (Verdict::Take | Verdict::Merge(_), _) => {}
        }
        let list = if have.is_none() { &mut plan.added } else { &mut plan.replaced };
        list.push(name);
        let (scope, provider) = order;
        plan.change.push(Op::Order(scope, provider, Some(ids)));
    }

    fn finish(self) -> Result<Plan, Error> {
        if !self.misfits.is_empty() {
            return Err(Error::Unrepresentable(self.misfits));
        }
        if self.vault.entries() + self.plan.added.len() > model::MAX_ENTRIES {
            return Err(model::Error::Bound("number of entries", model::MAX_ENTRIES).into());
        }
        if !self.stuck.is_empty() {
            return Err(Error::Referred(self.stuck));
        }
        if self.conflicts.is_empty() { Ok(self.plan) } else { Err(Error::Conflict(self.conflicts)) }
    }
}
