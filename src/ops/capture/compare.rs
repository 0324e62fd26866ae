//! The decision of a capture: base, gateway and vault, entry by entry.

use super::{Error, Removals, Report, Source};
use crate::formats::NoteKind;
use crate::formats::auth_profiles::Carried;
use crate::model::{self, Change, Credential, EnvName, Op, Scope, SecretId, Vault};
use crate::ops::export::{Content, render};
use crate::ops::intake::{self, Presence, Refused};
use crate::ops::judge::{self, Side, Verdict, Why, judge};
use crate::store::Lineage;
use crate::views::{self, Difference, Digests, How, Key, Kind, What, digests};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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
    /// What of a source is not taken: its path, the name, the token of the reason.
    pub left_out: Vec<(PathBuf, String, &'static str)>,
}

/// Compares what gateways hold with `vault` by [`judge()`]. What is newer there goes through [`intake`] as unattended
/// input, whoever typed the command: no person has seen the values.
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
        taken: BTreeMap::new(),
        orders: Vec::new(),
        left_out: Vec::new(),
    };
    // By kind, since several targets may show the same: what one of them brings counts as the
    // vault's for the next, so that none silently wins over another.
    let mut vaults: BTreeMap<&Kind, Digests> = BTreeMap::new();
    let mut bases = Vec::with_capacity(sources.len());
    for source in sources {
        let mut known = vaults.remove(&source.kind).map_or_else(|| has(vault, key, &source.kind), Ok)?;
        bases.push(planner.source(source, &mut known)?);
        vaults.insert(&source.kind, known);
    }
    let Planner { report, mut change, orders, left_out, .. } = planner;
    // A removal takes a profile out of the orders too: what they are now comes after it.
    orders.into_iter().for_each(|op| change.push(op));
    if vault.entries() + report.added.len() > model::MAX_ENTRIES {
        return Err(model::Error::Bound("number of entries", model::MAX_ENTRIES).into());
    }
    Ok(Plan { report, change, bases, left_out })
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
    /// The values that earlier sources brought.
    taken: BTreeMap<SecretId, Box<RawValue>>,
    orders: Vec<Op>,
    left_out: Vec<(PathBuf, String, &'static str)>,
}

/// Whether what the gateway holds becomes the base, or the base stays until somebody decides.
enum Base {
    Gateways,
    /// The same, and from now on it is the vault's too.
    Taken,
    /// The same, and the vault has these members from now on.
    Merged(Members),
    Stays,
}

impl Planner<'_> {
    fn source(&mut self, source: &Source, vault: &mut Digests) -> Result<Vec<Digests>, Error> {
        let held = &source.held;
        let mut base = held.digests.clone();
        // What stays open is open against the newest of the states that it may have been.
        let old = source.base.last().cloned().unwrap_or_default();
        for name in &names(source, vault, |digests| digests.entries.keys()) {
            match self.entry(source, name, vault.entries.get(name))? {
                Base::Stays => put(&mut base.entries, name, old.entries.get(name)),
                Base::Taken => put(&mut vault.entries, name, held.digests.entries.get(name)),
                Base::Merged(members) => put(&mut vault.entries, name, Some(&members)),
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
                        Base::Gateways | Base::Merged(_) => {}
                    }
                }
            }
        }
        // A gateway that keeps orders in a file of its own leaves those beside the profiles.
        let alone = held.alone.as_ref().map(|alone| Digests { order: alone.order.clone(), ..base.clone() });
        Ok(alone.into_iter().chain([base]).collect())
    }

    fn entry(&mut self, source: &Source, name: &str, vault: Option<&Members>) -> Result<Base, Error> {
        let gateway = source.held.digests.entries.get(name);
        let bases: Vec<Option<&Members>> = source.base.iter().map(|base| base.entries.get(name)).collect();
        // Nearly every entry is as it was.
        if matches!(judge::value(&bases, gateway, vault), Verdict::Same | Verdict::Keep) {
            return Ok(Base::Gateways);
        }
        let value = source.held.entries.get(name);
        let id = id(&source.kind, name);
        let has = id.as_ref().and_then(|id| self.has(id)).map(Cow::into_owned);
        let has = has.as_deref();
        let superseded = |id: &SecretId| value.is_some_and(|value| self.lineage.is_superseded(id, value));
        let theirs = gateway.map(|fields| Side {
            fields,
            renews: value.is_some_and(|value| model::has_refresh(value)),
            superseded: id.as_ref().is_some_and(superseded),
        });
        let renews = has.is_some_and(model::has_refresh);
        let ours = vault.map(|fields| Side { fields, renews, superseded: false });
        let verdict = judge(&bases, theirs.as_ref(), ours.as_ref());
        if verdict == Verdict::Keep {
            return Ok(Base::Gateways);
        }
        let told = |how| Difference { what: What::Entry(name.to_owned()), how }.name(&source.kind, &source.path);
        let Some(id) = id else { return Ok(self.leave_out(source, told(How::Added), Refused::Ignored)) };
        if gateway.is_none() {
            return Ok(self.removal(source, &verdict, told(How::Removed), Op::Remove(id)));
        }
        let Some(value) = value else {
            let why = match source.held.flaws.get(name) {
                Some(NoteKind::TooLarge) => Refused::TooLarge,
                Some(NoteKind::Nul) => Refused::Nul,
                Some(NoteKind::NotUtf8) => Refused::NotText,
                _ => Refused::Ignored,
            };
            return Ok(self.leave_out(source, told(How::Added), why));
        };
        if vault.is_none() && self.is_copy_of_mains(&id, value) {
            return Ok(Base::Gateways);
        }
        if verdict == Verdict::Stale {
            self.report.stale.push(told(How::Added));
            return Ok(Base::Gateways);
        }
        let value = match (&verdict, has) {
            (Verdict::Merge(names), Some(has)) => judge::merged(has, value, names)?,
            _ => value.clone(),
        };
        let put = intake::put(self.document, &id, value.clone(), SOURCE, Presence::Unattended);
        let op = match (put, &verdict) {
            (Ok(_) | Err(Refused::LostRefresh), Verdict::Conflict(why)) => {
                return Ok(self.conflict(source, told(How::Added), *why));
            }
            (Err(refused), _) => return Ok(self.leave_out(source, told(How::Added), refused)),
            (Ok(op), _) => op,
        };
        self.change.push(op);
        let list = if vault.is_none() { &mut self.report.added } else { &mut self.report.taken };
        list.push(told(How::Added));
        self.taken.insert(id, value);
        Ok(match (verdict, gateway, vault) {
            (Verdict::Merge(names), Some(gateway), Some(vault)) => Base::Merged(merged(vault, gateway, &names)),
            _ => Base::Taken,
        })
    }

    fn order(&mut self, source: &Source, provider: &str, vault: Option<&String>, ids: Option<&Vec<String>>) -> Base {
        let bases: Vec<Option<&String>> = source.base.iter().map(|base| base.order.get(provider)).collect();
        let verdict = judge::value(&bases, source.held.digests.order.get(provider), vault);
        let Kind::AuthProfiles(scope) = &source.kind else { return Base::Gateways };
        let told = Difference { what: What::Order(provider.to_owned()), how: How::Added };
        let told = told.name(&source.kind, &source.path);
        let op = Op::Order(scope.clone(), provider.to_owned(), ids.cloned());
        match (verdict, ids) {
            (Verdict::Same | Verdict::Keep | Verdict::Stale, _) => Base::Gateways,
            (verdict, None) => self.removal(source, &verdict, told, op),
            (Verdict::Conflict(why), Some(_)) => self.conflict(source, told, why),
            (Verdict::Take | Verdict::Merge(_), Some(_)) => {
                let list = if vault.is_none() { &mut self.report.added } else { &mut self.report.taken };
                list.push(told);
                self.orders.push(op);
                Base::Taken
            }
        }
    }

    /// What the vault has once the sources so far are taken.
    fn has(&self, id: &SecretId) -> Option<Cow<'_, RawValue>> {
        let taken = self.taken.get(id).map(|raw| Cow::Borrowed(raw.as_ref()));
        taken.or_else(|| self.document.get(id).map(Cow::Borrowed))
    }

    fn leave_out(&mut self, source: &Source, told: String, why: Refused) -> Base {
        self.left_out.push((source.path.clone(), told.clone(), why.token()));
        self.report.left_out.push((told, why));
        Base::Stays
    }

    fn conflict(&mut self, source: &Source, told: String, why: Why) -> Base {
        self.left_out.push((source.path.clone(), told.clone(), why.token()));
        self.report.conflicts.push((told, why));
        Base::Stays
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
    fn removal(&mut self, source: &Source, verdict: &Verdict, told: String, op: Op) -> Base {
        match (self.removals, verdict) {
            (Removals::Name, _) => self.report.missing.push(told),
            (Removals::Take, Verdict::Conflict(why)) => return self.conflict(source, told, *why),
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

/// The digests of a merged entry.
fn merged(vault: &Members, gateway: &Members, taken: &BTreeSet<String>) -> Members {
    let kept = vault.iter().filter(|(name, _)| !taken.contains(*name));
    let brought = gateway.iter().filter(|(name, _)| taken.contains(*name));
    kept.chain(brought).map(|(name, digest)| (name.clone(), digest.clone())).collect()
}

fn id(kind: &Kind, name: &str) -> Option<SecretId> {
    match kind {
        Kind::AuthProfiles(scope) => SecretId::auth(scope.clone(), name).ok(),
        Kind::Env => EnvName::parse(name).ok().map(SecretId::Env),
    }
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
