//! Taking a gateway's credentials into the vault: all or nothing, and only names are told.

mod shared;
mod types;

pub use types::{Error, OnConflict, Plan};

use super::exported::Unchanged;
use crate::formats::{Note, NoteKind, dotenv};
use crate::gateway::{Content, Inventory};
use crate::model::{self, Credential, Kind, Op, Scope, SecretId, Vault};
use crate::secret::Secret;
use crate::store::Lineage;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

const SOURCE: &str = "import";

/// What the files hold, before it is compared with the vault.
#[derive(Default)]
struct Gathered {
    entries: BTreeMap<SecretId, Box<RawValue>>,
    orders: BTreeMap<(Scope, String), Vec<String>>,
    /// Orders that the gateway wrote to a place of its own, which is no view of ours.
    stated: BTreeSet<(Scope, String)>,
    /// Profiles of stores that are references to a vault.
    referred: BTreeSet<(Scope, String)>,
    /// Ids that two files of the same kind give different values.
    disputed: Vec<String>,
    plan: Plan,
}

/// Plans what to change in `vault` so that it has what `inventories` have. Only profiles of `only` if it is given.
///
/// `exported` is what the gateway did not change in views of ours: what the vault has now is
/// newer, and an entry that it no longer has was taken out after the export.
///
/// # Errors
/// Conflicts under [`OnConflict::Fail`], values that no vault can hold.
pub fn plan(
    vault: &Vault<'_>,
    inventories: &[Inventory],
    only: Option<&Scope>,
    on: OnConflict,
    exported: &Unchanged,
) -> Result<Plan, Error> {
    let mut gathered = Gathered::default();
    inventories.iter().for_each(|inventory| gathered.take(inventory, only));
    gathered.give_to_main(vault);
    gathered.leave_out(vault, exported);
    gathered.leave_stale(&Lineage::of(vault)?);
    gathered.check_env()?;
    gathered.compare(vault, on, exported)
}

impl Gathered {
    /// Puts one entry; which of two values was meant cannot be told.
    fn put(&mut self, id: SecretId, value: Box<RawValue>) {
        if self.entries.get(&id).is_some_and(|have| !model::same_json(have, &value)) {
            self.disputed.push(id.to_string());
        }
        self.entries.entry(id).or_insert(value);
    }

    /// Takes what a gateway uses; env entries and the configuration belong to no agent.
    fn take(&mut self, inventory: &Inventory, only: Option<&Scope>) {
        let meant = |scope: &Scope| only.is_none_or(|only| only == scope);
        for item in inventory.items.iter().filter(|item| item.used && item.owner.as_ref().is_none_or(meant)) {
            let Some(id) = &item.id else { continue };
            match (&item.content, id) {
                (Content::Value(value), _) => self.put(id.clone(), value.clone()),
                // A gateway that is connected: the secret is here already.
                (Content::Ours(_), SecretId::Auth(scope, profile)) => {
                    self.plan.same += 1;
                    self.referred.insert((scope.clone(), profile.clone()));
                }
                _ => {}
            }
        }
        let orders = inventory.orders.iter().filter(|((scope, _), _)| meant(scope));
        self.orders.extend(orders.map(|(order, ids)| (order.clone(), ids.clone())));
        self.stated.extend(inventory.stated.iter().filter(|(scope, _)| meant(scope)).cloned());
        for (scope, carried) in inventory.carried.iter().filter(|(scope, _)| meant(scope)) {
            self.plan.carried.insert(scope.as_str().to_owned(), carried.clone());
        }
        self.plan.notes.extend(inventory.notes.iter().cloned());
    }

    /// Takes away what is no change of the gateway's; where the vault differs, that is told.
    fn leave_out(&mut self, vault: &Vault<'_>, exported: &Unchanged) {
        for id in &exported.entries {
            let Some(value) = self.entries.remove(id) else { continue };
            match vault.get(id) {
                Some(have) if model::same_json(have, &value) => self.plan.same += 1,
                Some(_) => self.plan.kept.push(id.to_string()),
                None => self.plan.notes.push(Note::new(&id.to_string(), NoteKind::TakenOut)),
            }
        }
        self.orders.retain(|order, _| {
            let of_view = exported.orders.contains(order) && !self.stated.contains(order);
            !of_view && !exported.settled.contains(order)
        });
    }

    /// A refresh token that another one followed is of no use to anybody (DESIGN F11).
    fn leave_stale(&mut self, lineage: &Lineage) {
        let notes = &mut self.plan.notes;
        self.entries.retain(|id, value| {
            let stale = lineage.is_superseded(id, value);
            notes.extend(stale.then(|| Note::new(&id.to_string(), NoteKind::Superseded)));
            !stale
        });
    }

    /// An env entry must be able to leave again as it came.
    fn check_env(&self) -> Result<(), Error> {
        let misfit = |id: &SecretId, raw: &RawValue| {
            let SecretId::Env(name) = id else { return None };
            let value = Secret::new(serde_json::from_str(raw.get()).ok()?);
            dotenv::accepts(name.as_str(), value.expose()).is_err().then(|| id.to_string())
        };
        let misfits: Vec<String> = self.entries.iter().filter_map(|(id, raw)| misfit(id, raw)).collect();
        if misfits.is_empty() { Ok(()) } else { Err(Error::Unrepresentable(misfits)) }
    }

    fn compare(self, vault: &Vault<'_>, on: OnConflict, exported: &Unchanged) -> Result<Plan, Error> {
        let Self { entries, orders, disputed, mut plan, .. } = self;
        if !disputed.is_empty() {
            return Err(Error::Disputed(disputed));
        }
        let mut conflicts = Vec::new();
        for (id, value) in entries {
            let name = id.to_string();
            match vault.get(&id) {
                None => plan.added.push(name),
                Some(have) if model::same_json(have, &value) => {
                    plan.same += 1;
                    continue;
                }
                // A gateway that lost its refresh token does not take it from the vault.
                Some(have) if exported.own_oauth && is_oauth(have) && is_oauth(&value) => {
                    if model::has_refresh(have) && !model::has_refresh(&value) {
                        plan.kept.push(name);
                        continue;
                    }
                    plan.replaced.push(name);
                }
                Some(_) => match on {
                    OnConflict::Fail => {
                        conflicts.push(name);
                        continue;
                    }
                    OnConflict::Keep => {
                        plan.kept.push(name);
                        continue;
                    }
                    OnConflict::Replace => plan.replaced.push(name),
                },
            }
            plan.change.push(Op::Put(id, value, SOURCE));
        }
        for ((scope, provider), ids) in orders {
            let have = vault.scopes.get(scope.as_str()).and_then(|entries| entries.order.get(&provider));
            let name = format!("order of {provider} for {}", scope.as_str());
            let on = if exported.newer.contains(&(scope.clone(), provider.clone())) { OnConflict::Replace } else { on };
            match (have, on) {
                (Some(have), _) if *have == ids => continue,
                (None, _) => plan.added.push(name),
                (Some(_), OnConflict::Fail) => {
                    conflicts.push(name);
                    continue;
                }
                (Some(_), OnConflict::Keep) => {
                    plan.kept.push(name);
                    continue;
                }
                (Some(_), OnConflict::Replace) => plan.replaced.push(name),
            }
            plan.change.push(Op::Order(scope, provider, Some(ids)));
        }
        if vault.entries() + plan.added.len() > model::MAX_ENTRIES {
            return Err(model::Error::Bound("number of entries", model::MAX_ENTRIES).into());
        }
        if conflicts.is_empty() { Ok(plan) } else { Err(Error::Conflict(conflicts)) }
    }
}

fn is_oauth(raw: &RawValue) -> bool {
    Credential::parse("", raw).is_ok_and(|credential| credential.kind() == Some(Kind::Oauth))
}
