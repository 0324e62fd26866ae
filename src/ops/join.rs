//! Merges two states of one vault: entries and orders, each by [`judge()`], three-way if a merge base is available.

use super::judge::{self, Fields, Side, Verdict, Why, judge};
use crate::model::{self, Contents, Credential, Entries, Error, SecretId, Subject, Vault, has_refresh};
use crate::store::{self, Joining, Lineage};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// The states to be merged.
#[derive(Clone, Copy)]
pub struct Sides<'s> {
    /// Merge bases: common ancestors of both sides, none an ancestor of another.
    pub bases: &'s [&'s Vault<'s>],
    /// The other side.
    pub theirs: &'s Vault<'s>,
    /// Our side: the vault that takes the changes.
    pub ours: &'s Vault<'s>,
}

/// The outcome of merging another state into the vault.
pub enum Merged {
    /// It is an ancestor of the vault, or the same state.
    Nothing,
    /// It is a descendant of the vault: a fast-forward.
    Forward(Box<Entries>),
    /// Conflicts to be resolved first; nothing is changed.
    Conflicts(Vec<Conflict>),
    /// A merge of both sides.
    Joins {
        /// The change, and its effect on the recipients.
        joining: Box<Joining>,
        /// Logins whose refresh token on the other side was replaced since: ours are kept.
        stale: Vec<SecretId>,
    },
}

/// Merges another state of the vault into it.
///
/// # Errors
/// As [`Sides::join`].
pub fn merge(sides: Sides<'_>, choice: &Choice) -> Result<Merged, store::Error> {
    let Sides { bases, theirs, ours } = sides;
    if store::descends(ours, theirs) {
        return Ok(Merged::Nothing);
    }
    let undecided = choice.ours.is_empty() && choice.theirs.is_empty();
    if undecided && store::descends(theirs, ours) {
        return Ok(Merged::Forward(Box::new(Entries::of(theirs)?)));
    }
    // The records of saves tell which side changed something, even if no merge base was kept.
    let Joined { entries, conflicts, stale } = sides.join_by(choice, model::touched(ours, theirs))?;
    if !conflicts.is_empty() {
        return Ok(Merged::Conflicts(conflicts));
    }
    let joining = Box::new(store::joining(ours, theirs, bases, (entries, choice.ours.iter().cloned().collect()))?);
    Ok(Merged::Joins { joining, stale })
}

/// Resolutions of conflicts: these are taken from one side, whatever the rules say.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Taken from our side.
    pub ours: BTreeSet<Subject>,
    /// Taken from the other side.
    pub theirs: BTreeSet<Subject>,
}

/// An unresolved difference between the sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The entry or order that differs.
    pub subject: Subject,
    /// Why no rule decides.
    pub why: Why,
    /// The members that differ; none if one side lacks the entry, or it has no members.
    pub fields: Vec<String>,
}

/// The result of a merge.
pub struct Joined {
    /// The merged entries and orders.
    pub entries: Entries,
    /// Unresolved conflicts; our side is kept there.
    pub conflicts: Vec<Conflict>,
    /// Logins whose refresh token on the other side was replaced since: ours are kept.
    pub stale: Vec<SecretId>,
}

impl Sides<'_> {
    /// Merges the sides by their contents alone.
    ///
    /// # Errors
    /// A member of a vault that cannot be read; a choice of an entry or order that no state has.
    pub fn join(self, choice: &Choice) -> Result<Joined, Error> {
        self.join_by(choice, None)
    }

    /// The same with the names that each side has changed: ours, theirs. `None` if the records do not tell.
    fn join_by(self, choice: &Choice, touched: Option<Touched>) -> Result<Joined, Error> {
        let (ours, theirs) = (self.ours.contents(), self.theirs.contents());
        let bases: Vec<Contents<'_>> = self.bases.iter().map(|base| base.contents()).collect();
        let other = Entries::of(self.theirs)?;
        let mut joined = Joined { entries: Entries::of(self.ours)?, conflicts: Vec::new(), stale: Vec::new() };
        let lineages = (Lineage::of(self.ours)?, Lineage::of(self.theirs)?);
        let all = subjects(ours).chain(subjects(theirs)).chain(bases.iter().flat_map(|base| subjects(*base)));
        let all: BTreeSet<Subject> = all.collect();
        if let Some(unknown) = choice.ours.iter().chain(&choice.theirs).find(|one| !all.contains(*one)) {
            return Err(Error::NoEntry(unknown.to_string()));
        }
        let are_whole = touched.is_none() || store::are_all_common(self.bases, self.ours, self.theirs);
        for subject in all {
            if choice.theirs.contains(&subject) {
                joined.entries.take_from(&other, &subject);
                continue;
            }
            let name = subject.to_string();
            let by = touched.as_ref().map(|(ours, theirs)| (ours.contains(&name), theirs.contains(&name)));
            let verdict = match &subject {
                _ if choice.ours.contains(&subject) || by == Some((true, false)) => Verdict::Keep,
                _ if by == Some((false, true)) => Verdict::Take,
                Subject::Entry(id) => {
                    let was: Vec<Option<&RawValue>> = bases.iter().map(|base| base.get(id)).collect();
                    let was: Vec<Option<&str>> = was.iter().map(|raw| raw.map(RawValue::get)).collect();
                    unless_disputed(&was, are_whole, entry(id, (&bases, theirs, ours), &lineages))
                }
                Subject::Order(scope, provider) => {
                    let order = |of: Contents<'_>| of.order(scope, provider).cloned();
                    let was: Vec<Option<Vec<String>>> = bases.iter().map(|base| order(*base)).collect();
                    let was: Vec<Option<&Vec<String>>> = was.iter().map(Option::as_ref).collect();
                    let verdict = judge::value(&was, order(theirs).as_ref(), order(ours).as_ref());
                    unless_disputed(&was, are_whole, verdict)
                }
            };
            match (verdict, &subject) {
                (Verdict::Take, _) => joined.entries.take_from(&other, &subject),
                (Verdict::Merge(taken), Subject::Entry(id)) => {
                    if let Some((have, new)) = ours.get(id).zip(theirs.get(id)) {
                        joined.entries.put_value(id, &judge::merged(have, new, &taken)?, &other);
                    }
                }
                (Verdict::Stale, Subject::Entry(id)) => joined.stale.push(id.clone()),
                (Verdict::Conflict(why), _) => {
                    let fields = match &subject {
                        Subject::Entry(id @ SecretId::Auth(..)) => differing(id, theirs.get(id), ours.get(id)),
                        Subject::Entry(_) | Subject::Order(..) => Vec::new(),
                    };
                    joined.conflicts.push(Conflict { subject, why, fields });
                }
                _ => {}
            }
        }
        Ok(joined)
    }
}

fn subjects(of: Contents<'_>) -> impl Iterator<Item = Subject> {
    of.ids().map(Subject::Entry).chain(of.orders().map(|(scope, provider)| Subject::Order(scope, provider)))
}

type Touched = (BTreeSet<String>, BTreeSet<String>);
type States<'s> = (&'s [Contents<'s>], Contents<'s>, Contents<'s>);

fn entry(id: &SecretId, (bases, theirs, ours): States<'_>, (of_ours, of_theirs): &(Lineage, Lineage)) -> Verdict {
    let read = |of: Contents<'_>| of.get(id).map(|raw| fields(id, raw));
    let was: Vec<Option<Fields<String>>> = bases.iter().map(|base| read(*base)).collect();
    let was: Vec<Option<&Fields<String>>> = was.iter().map(Option::as_ref).collect();
    let (their, our) = (read(theirs), read(ours));
    let theirs = their.as_ref().zip(theirs.get(id)).map(|(fields, raw)| side(id, fields, raw, of_ours));
    let ours = our.as_ref().zip(ours.get(id)).map(|(fields, raw)| side(id, fields, raw, of_theirs));
    judge(&was, theirs.as_ref(), ours.as_ref())
}

/// Makes a verdict a conflict if the merge bases differ, since two hosts have then decided differently, or if some
/// merge bases are missing (`are_whole` is false).
fn unless_disputed<T: PartialEq>(bases: &[T], are_whole: bool, verdict: Verdict) -> Verdict {
    let are_one = bases.iter().all(|base| Some(base) == bases.first());
    match verdict {
        Verdict::Take | Verdict::Keep | Verdict::Merge(_) if !(are_one && are_whole) => {
            Verdict::Conflict(Why::BothChanged)
        }
        verdict => verdict,
    }
}

/// One side of an entry; `lineage` is that of the other side.
fn side<'f>(id: &SecretId, fields: &'f Fields<String>, raw: &RawValue, lineage: &Lineage) -> Side<'f, String> {
    Side { fields, renews: has_refresh(raw), superseded: lineage.is_superseded(id, raw) }
}

/// The members of an entry by name; an entry that is not a credential has the single member `value`.
fn fields(id: &SecretId, raw: &RawValue) -> Fields<String> {
    let whole = || Fields::from([("value".to_owned(), raw.get().to_owned())]);
    let SecretId::Auth(_, profile) = id else { return whole() };
    let Ok(credential) = Credential::parse(profile, raw) else { return whole() };
    credential.members().map(|(name, value)| (name.to_owned(), value.get().to_owned())).collect()
}

/// The names of the members that differ between two values of an entry; none if a value is missing.
pub fn differing(id: &SecretId, one: Option<&RawValue>, other: Option<&RawValue>) -> Vec<String> {
    let Some((one, other)) = one.zip(other) else { return Vec::new() };
    let (one, other) = (fields(id, one), fields(id, other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
