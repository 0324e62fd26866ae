//! Taking a gateway's credentials into the vault: all or nothing, and only names are told.

mod compare;
mod moved;
mod renamed;
mod shared;
mod types;

pub use moved::Moves;
pub use types::{Error, OnConflict, Plan, Terms};

use super::exported::Unchanged;
use super::intake::{self, Refused};
use crate::formats::power::is_powerful;
use crate::gateway::{Content, Inventory};
use crate::model::{self, Scope, SecretId, Vault};
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
    /// Places of the configuration that hold references to the vault, and the ids that these name.
    asked: Vec<(SecretId, String)>,
    /// Entries of the configuration with references from places that cannot get their own entry: profiles, places
    /// without a lasting name, and unused places.
    pinned: BTreeSet<String>,
    /// Ids that two files of the same kind give different values.
    disputed: Vec<String>,
    plan: Plan,
}

/// Plans what to change in `vault` so that it has what `inventories` have.
///
/// `exported` is what the gateway did not change in views of ours: what the vault has now is
/// newer, and an entry that it no longer has was taken out after the export.
///
/// # Errors
/// Conflicts under [`OnConflict::Fail`], values that no vault can hold.
pub fn plan(
    vault: &Vault<'_>,
    inventories: &[Inventory],
    terms: Terms<'_>,
    exported: &Unchanged,
) -> Result<Plan, Error> {
    let mut gathered = Gathered::default();
    inventories.iter().for_each(|inventory| gathered.take(inventory, terms));
    gathered.follow_renames(vault)?;
    gathered.give_to_main(vault);
    gathered.compare(vault, terms, exported)
}

impl Gathered {
    /// Adds one entry. Two different values for one id are a dispute; what is not a secret is left out before that.
    fn put(&mut self, id: SecretId, value: Box<RawValue>) {
        if let Err(why @ (Refused::Placeholder(_) | Refused::NoSecret)) = intake::check_value(&id, &value) {
            return self.plan.refused.push((id.to_string(), why));
        }
        if self.entries.get(&id).is_some_and(|have| !model::same_json(have, &value)) {
            self.disputed.push(id.to_string());
        }
        self.entries.entry(id).or_insert(value);
    }

    /// Takes what a gateway uses; env entries and the configuration belong to no agent.
    fn take(&mut self, inventory: &Inventory, terms: Terms<'_>) {
        let meant = |scope: &Scope| terms.only.is_none_or(|only| only == scope);
        for item in &inventory.items {
            let Content::Ours(asked) = &item.content else { continue };
            let own = item.id.as_ref().map(SecretId::to_string);
            let is_movable = item.used && matches!(item.id, Some(SecretId::Config(_)));
            if !is_movable && own.as_ref() != Some(asked) && asked.starts_with("config/") {
                self.pinned.insert(asked.clone());
            }
        }
        for item in inventory.items.iter().filter(|item| item.used && item.owner.as_ref().is_none_or(meant)) {
            let Some(id) = &item.id else { continue };
            if !terms.powerful && matches!(id, SecretId::Env(name) if is_powerful(name.as_str())) {
                continue;
            }
            match (&item.content, id) {
                (Content::Value(value), _) => self.put(id.clone(), value.clone()),
                // A gateway that is connected: the secret is here already.
                (Content::Ours(_), SecretId::Auth(scope, profile)) => {
                    self.plan.same += 1;
                    self.referred.insert((scope.clone(), profile.clone()));
                }
                (Content::Ours(asked), SecretId::Config(_)) => self.asked.push((id.clone(), asked.clone())),
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
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
