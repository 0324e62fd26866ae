//! Which side of an entry is newer: the one rule for everything that brings two states together.
//!
//! `theirs` is the side that was read (a gateway's view or store, a file, another vault), `ours` the vault that would
//! take it, the base a state that both once had. Sides are compared by member, so that a change of one member on either
//! side is no conflict. What belongs together stays together: the tokens of a login are taken as a whole or not at
//! all. An expiry never decides.

use crate::model::{Credential, Error};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// The members of one state by name, as something that can be compared: values, or digests of them.
pub type Fields<V> = BTreeMap<String, V>;

/// One side of an entry.
#[derive(Debug)]
pub struct Side<'s, V> {
    /// What it has.
    pub fields: &'s Fields<V>,
    /// Whether it has a refresh token that could be one.
    pub renews: bool,
    /// Whether the lineage of the other side lists its refresh token as replaced.
    pub superseded: bool,
}

/// What is to be done with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides have the same.
    Same,
    /// Theirs is newer: it replaces ours.
    Take,
    /// Both sides changed different members: these come from theirs, or go as they did there.
    Merge(BTreeSet<String>),
    /// Ours is newer, or theirs is unchanged.
    Keep,
    /// Theirs holds a refresh token that another one followed.
    Stale,
    /// No rule decides.
    Conflict(Why),
}

/// Why no rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Both sides changed the same thing to something different.
    BothChanged,
    /// Theirs has no refresh token, and ours has one.
    LostRefresh,
    /// Theirs is another type of credential.
    OtherType,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BothChanged, Self::LostRefresh, Self::OtherType];

    /// A stable word for machines.
    pub fn token(self) -> &'static str {
        match self {
            Self::BothChanged => "both-changed",
            Self::LostRefresh => "lost-refresh",
            Self::OtherType => "other-type",
        }
    }
}

/// Members that mean the same whatever else changes.
const APART: [&str; 3] = ["copyToAgents", "displayName", "email"];
const REFRESH: &str = "refresh";
const TYPE: &str = "type";

/// Compares two states of a value without members (`None`: there is none) with the states that the base may be; after a
/// crash these are two. Without any, nothing was there.
pub fn value<T: PartialEq + ?Sized>(bases: &[Option<&T>], theirs: Option<&T>, ours: Option<&T>) -> Verdict {
    let was = |value: Option<&T>| bases.contains(&value) || (bases.is_empty() && value.is_none());
    match (theirs == ours, was(theirs), was(ours)) {
        (true, _, _) => Verdict::Same,
        (false, true, _) => Verdict::Keep,
        (false, false, true) => Verdict::Take,
        (false, false, false) => Verdict::Conflict(Why::BothChanged),
    }
}

/// The same for an entry that has members. `None` is an entry that is not there.
pub fn judge<V: PartialEq>(
    bases: &[Option<&Fields<V>>],
    theirs: Option<&Side<'_, V>>,
    ours: Option<&Side<'_, V>>,
) -> Verdict {
    let whole = value(bases, theirs.map(|side| side.fields), ours.map(|side| side.fields));
    let Some(theirs) = theirs.filter(|_| !matches!(whole, Verdict::Same | Verdict::Keep)) else { return whole };
    if theirs.superseded {
        return Verdict::Stale;
    }
    let Some(ours) = ours else { return whole };
    if theirs.fields.get(TYPE) != ours.fields.get(TYPE) {
        return Verdict::Conflict(Why::OtherType);
    }
    if ours.renews && !theirs.renews {
        return Verdict::Conflict(Why::LostRefresh);
    }
    by_member(bases, theirs.fields, ours.fields, ours.superseded)
}

/// Judges an entry that both sides have with different values: each member of `APART` separately, and all others as one
/// group, in which theirs is newer if our refresh token was replaced (`superseded`).
fn by_member<V: PartialEq>(
    bases: &[Option<&Fields<V>>],
    theirs: &Fields<V>,
    ours: &Fields<V>,
    superseded: bool,
) -> Verdict {
    let (mut taken, mut kept) = (BTreeSet::new(), false);
    for group in APART.iter().map(|name| Some(*name)).chain([None]) {
        let of = |fields| members(fields, group);
        let known: Vec<_> = bases.iter().map(|base| base.and_then(of)).collect();
        let known: Vec<_> = known.iter().map(Option::as_ref).collect();
        let (here, there) = (of(ours), of(theirs));
        let verdict = match value(&known, there.as_ref(), here.as_ref()) {
            Verdict::Conflict(_) | Verdict::Keep if group.is_none() && superseded => Verdict::Take,
            Verdict::Conflict(_) if group.is_none() && follows(bases, theirs, ours) => Verdict::Take,
            Verdict::Conflict(_) if group.is_none() && follows(bases, ours, theirs) => Verdict::Keep,
            verdict => verdict,
        };
        match verdict {
            Verdict::Take => {
                taken.extend([here, there].into_iter().flatten().flatten().map(|(name, _)| name.to_owned()))
            }
            Verdict::Keep => kept = true,
            Verdict::Conflict(why) => return Verdict::Conflict(why),
            Verdict::Same | Verdict::Merge(_) | Verdict::Stale => {}
        }
    }
    match (taken.is_empty(), kept) {
        (true, _) => Verdict::Keep,
        (false, false) => Verdict::Take,
        (false, true) => Verdict::Merge(taken),
    }
}

/// The member `one`, or all that are judged together; `None` if there is none of them.
fn members<'f, V>(fields: &'f Fields<V>, one: Option<&str>) -> Option<BTreeMap<&'f str, &'f V>> {
    let is_asked = |name: &str| one.map_or(!APART.contains(&name), |one| one == name);
    let found: BTreeMap<_, _> =
        fields.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| is_asked(name)).collect();
    (!found.is_empty()).then_some(found)
}

/// Whether the refresh token of `new` followed that of `old`: `old` still has the one that both had.
fn follows<V: PartialEq>(bases: &[Option<&Fields<V>>], new: &Fields<V>, old: &Fields<V>) -> bool {
    let (new, old) = (new.get(REFRESH), old.get(REFRESH));
    new.is_some() && old.is_some() && new != old && bases.iter().flatten().any(|base| base.get(REFRESH) == old)
}

/// The credential `ours` with the members `taken` as `theirs` has them, which is what [`Verdict::Merge`] asks for.
///
/// # Errors
/// A credential that cannot be read, or that becomes too long.
pub fn merged(ours: &RawValue, theirs: &RawValue, taken: &BTreeSet<String>) -> Result<Box<RawValue>, Error> {
    let (mut merged, theirs) = (Credential::parse("", ours)?, Credential::parse("", theirs)?);
    for name in taken {
        match theirs.get(name) {
            Some(value) => merged.put(name, &value),
            None => merged.remove(name),
        }
    }
    merged.to_raw()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
