//! The decision of a capture: base, gateway and vault, entry by entry.

use super::{Error, Removals, Report, Source};
use crate::formats::auth_profiles::Carried;
use crate::formats::dotenv;
use crate::model::{self, Change, Credential, EnvName, Op, Scope, SecretId, Vault};
use crate::ops::export::{Content, render};
use crate::secret::Secret;
use crate::store::Lineage;
use crate::views::{self, Difference, Digests, How, Key, Kind, Side, What, changed, digests};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

const SOURCE: &str = "capture";

type Members = BTreeMap<String, String>;

/// What a capture will do.
pub struct Plan {
    /// The same in names.
    pub report: Report,
    /// What is to be saved.
    pub change: Change,
    /// For each source the digests that count as its base once that is saved.
    pub bases: Vec<Vec<Digests>>,
}

/// Compares what gateways hold with `vault`: what only the gateway changed is taken, what only
/// the vault changed is kept, what both changed is a conflict unless the tokens of an OAuth
/// profile tell which is the later. When one expires says nothing.
///
/// # Errors
/// A vault that would become too large.
pub fn plan(vault: &Vault<'_>, key: &Key, sources: &[Source], removals: Removals) -> Result<Plan, Error> {
    let mut planner = Planner {
        document: vault,
        lineage: Lineage::of(vault)?,
        removals,
        report: Report::default(),
        change: Change::capture(),
        orders: Vec::new(),
    };
    // By kind, since several targets may show the same: what one of them brings counts as the
    // vault's for the next, so that none silently wins over another.
    let mut vaults: BTreeMap<&Kind, Digests> = BTreeMap::new();
    let mut bases = Vec::with_capacity(sources.len());
    for source in sources {
        let mut known = vaults.remove(&source.kind).map_or_else(|| has(vault, key, &source.kind), Ok)?;
        bases.push(planner.source(source, &mut known));
        vaults.insert(&source.kind, known);
    }
    let Planner { report, mut change, orders, .. } = planner;
    // A removal takes a profile out of the orders too: what they are now comes after it.
    orders.into_iter().for_each(|op| change.push(op));
    if vault.entries() + report.added.len() > model::MAX_ENTRIES {
        return Err(model::Error::Bound("number of entries", model::MAX_ENTRIES).into());
    }
    Ok(Plan { report, change, bases })
}

/// The digests of what the vault has for a view; none if it has nothing for it any more.
fn has(vault: &Vault<'_>, key: &Key, kind: &Kind) -> Result<Digests, Error> {
    match render(vault, kind, &Carried::default(), Content::Values) {
        Ok(bytes) => Ok(digests(key, kind, &bytes)?),
        Err(views::Error::NoAgent(_)) => Ok(Digests::default()),
        Err(error) => Err(error.into()),
    }
}

struct Planner<'v> {
    document: &'v Vault<'v>,
    lineage: Lineage,
    removals: Removals,
    report: Report,
    change: Change,
    orders: Vec<Op>,
}

/// Whether what the gateway holds becomes the base, or the base stays until somebody decides.
enum Base {
    Gateways,
    /// The same, and from now on it is the vault's too.
    Taken,
    Stays,
}

impl Planner<'_> {
    fn source(&mut self, source: &Source, vault: &mut Digests) -> Vec<Digests> {
        let held = &source.held;
        let mut base = held.digests.clone();
        // What stays open is open against the newest of the states that it may have been.
        let old = source.base.last().cloned().unwrap_or_default();
        for name in &names(source, vault, |digests| digests.entries.keys()) {
            match self.entry(source, name, vault.entries.get(name)) {
                Base::Stays => put(&mut base.entries, name, old.entries.get(name)),
                Base::Taken => put(&mut vault.entries, name, held.digests.entries.get(name)),
                Base::Gateways => {}
            }
        }
        match &held.order {
            // Nothing is said of orders: what is known of them stays known.
            None => base.order = old.order,
            Some(order) => {
                for provider in &names(source, vault, |digests| digests.order.keys()) {
                    match self.order(source, provider, vault.order.get(provider), order.get(provider)) {
                        Base::Stays => put(&mut base.order, provider, old.order.get(provider)),
                        Base::Taken => put(&mut vault.order, provider, held.digests.order.get(provider)),
                        Base::Gateways => {}
                    }
                }
            }
        }
        // A gateway that keeps orders in a file of its own leaves those beside the profiles.
        let alone = held.alone.as_ref().map(|alone| Digests { order: alone.order.clone(), ..base.clone() });
        alone.into_iter().chain([base]).collect()
    }

    fn entry(&mut self, source: &Source, name: &str, vault: Option<&Members>) -> Base {
        let gateway = source.held.digests.entries.get(name);
        let base: Vec<Option<&Members>> = source.base.iter().map(|base| base.entries.get(name)).collect();
        let side = changed(&base, gateway, vault);
        if matches!(side, Side::Neither | Side::Vault) {
            return Base::Gateways;
        }
        let told = |how| Difference { what: What::Entry(name.to_owned()), how }.name(&source.kind, &source.path);
        let Some(id) = id(&source.kind, name) else {
            self.report.passed_over.push(told(How::Added));
            return Base::Stays;
        };
        let Some(gateway) = gateway else { return self.removal(side, told(How::Removed), Op::Remove(id)) };
        let value = source.held.entries.get(name).filter(|value| can_hold(&id, value));
        let Some(value) = value else {
            self.report.passed_over.push(told(How::Added));
            return Base::Stays;
        };
        if vault.is_none() && self.is_copy_of_mains(&id, value) {
            return Base::Gateways;
        }
        if self.lineage.is_superseded(&id, value) {
            self.report.stale.push(told(How::Added));
            return Base::Gateways;
        }
        // A gateway that lost a token does not take it from the vault.
        let lost = self.has_refresh(&id) && !model::has_refresh(value);
        if lost || (side == Side::Both && !follows(&base, gateway, vault)) {
            self.report.conflicts.push(told(How::Added));
            return Base::Stays;
        }
        let list = if vault.is_none() { &mut self.report.added } else { &mut self.report.taken };
        list.push(told(How::Added));
        self.change.push(Op::Put(id, value.clone(), SOURCE));
        Base::Taken
    }

    fn order(&mut self, source: &Source, provider: &str, vault: Option<&String>, ids: Option<&Vec<String>>) -> Base {
        let base: Vec<Option<&String>> = source.base.iter().map(|base| base.order.get(provider)).collect();
        let side = changed(&base, source.held.digests.order.get(provider), vault);
        let Kind::AuthProfiles(scope) = &source.kind else { return Base::Gateways };
        let told = Difference { what: What::Order(provider.to_owned()), how: How::Added };
        let told = told.name(&source.kind, &source.path);
        let op = Op::Order(scope.clone(), provider.to_owned(), ids.cloned());
        match (side, ids) {
            (Side::Neither | Side::Vault, _) => Base::Gateways,
            (_, None) => self.removal(side, told, op),
            (Side::Both, Some(_)) => {
                self.report.conflicts.push(told);
                Base::Stays
            }
            (Side::Gateway, Some(_)) => {
                let list = if vault.is_none() { &mut self.report.added } else { &mut self.report.taken };
                list.push(told);
                self.orders.push(op);
                Base::Taken
            }
        }
    }

    fn has_refresh(&self, id: &SecretId) -> bool {
        self.document.get(id).is_some_and(model::has_refresh)
    }

    /// Whether a new profile of an agent is what older gateways copy there from the main one.
    fn is_copy_of_mains(&self, id: &SecretId, value: &RawValue) -> bool {
        let SecretId::Auth(scope, profile) = id else { return false };
        let main = SecretId::auth(Scope::main(), profile).ok().filter(|_| *scope != Scope::main());
        let refresh = |raw: &RawValue| Some(Credential::parse(profile, raw).ok()?.text("refresh")?.expose().to_owned());
        main.is_some_and(|main| {
            let same = || refresh(value).is_some() && self.document.get(&main).and_then(refresh) == refresh(value);
            self.lineage.is_superseded(&main, value) || same()
        })
    }

    /// What the gateway removed and the vault still has.
    fn removal(&mut self, side: Side, told: String, op: Op) -> Base {
        match (self.removals, side) {
            (Removals::Name, _) => self.report.missing.push(told),
            (Removals::Take, Side::Both) => self.report.conflicts.push(told),
            (Removals::Take, _) => {
                self.report.removed.push(told);
                match op {
                    Op::Order(..) => self.orders.push(op),
                    _ => self.change.push(op),
                }
                return Base::Taken;
            }
        }
        Base::Stays
    }
}

/// Whether the gateway's refresh token followed the vault's: the vault still has the one that the
/// gateway was given, whatever else was changed beside it.
fn follows(base: &[Option<&Members>], gateway: &Members, vault: Option<&Members>) -> bool {
    let token = |members: &Members| members.get("refresh").cloned();
    let given: Vec<String> = base.iter().flatten().filter_map(|members| token(members)).collect();
    let (gateways, vaults) = (token(gateway), vault.and_then(token));
    gateways != vaults && gateways.is_some() && vaults.is_some_and(|token| given.contains(&token))
}

fn id(kind: &Kind, name: &str) -> Option<SecretId> {
    match kind {
        Kind::AuthProfiles(scope) => SecretId::auth(scope.clone(), name).ok(),
        Kind::Env => EnvName::parse(name).ok().map(SecretId::Env),
    }
}

/// Whether the vault can hold the value, and give it back as it came.
fn can_hold(id: &SecretId, value: &RawValue) -> bool {
    let leaves = |name: &EnvName| {
        let text = serde_json::from_str(value.get()).map(Secret::new);
        text.is_ok_and(|text| dotenv::accepts(name.as_str(), text.expose()).is_ok())
    };
    let fits = model::fits(value.get()) && id.to_string().len() <= model::MAX_NAME;
    fits && !matches!(id, SecretId::Env(name) if !leaves(name))
}

/// Every name that one of the three sides knows.
fn names<'s, I: Iterator<Item = &'s String>>(
    source: &'s Source,
    vault: &'s Digests,
    of: impl Fn(&'s Digests) -> I,
) -> BTreeSet<String> {
    source.base.iter().chain([&source.held.digests, vault]).flat_map(of).cloned().collect()
}

fn put<T: Clone>(into: &mut BTreeMap<String, T>, name: &str, value: Option<&T>) {
    match value {
        Some(value) => into.insert(name.to_owned(), value.clone()),
        None => into.remove(name),
    };
}
