//! Two states of one vault become one: entries and orders, each by [`judge()`], three-way where a state is at hand that
//! both come from.

use super::judge::{self, Fields, Side, Verdict, Why, judge};
use crate::model::{self, Contents, Credential, Entries, Error, SecretId, Subject, Vault, has_refresh};
use crate::store::{self, Joining, Lineage};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// What is to be joined.
#[derive(Clone, Copy)]
pub struct Sides<'s> {
    /// States that both come from, none of which comes from another.
    pub bases: &'s [&'s Vault<'s>],
    /// The other side.
    pub theirs: &'s Vault<'s>,
    /// The side that takes.
    pub ours: &'s Vault<'s>,
}

/// What becomes of another state of the vault.
pub enum Merged {
    /// The vault comes from it already.
    Nothing,
    /// It comes from the vault, and takes its place as it is.
    Forward(Box<Entries>),
    /// This is to be decided first; nothing is done.
    Conflicts(Vec<Conflict>),
    /// Both are one by this.
    Joins {
        /// The change, and what it does to those who can open the vault.
        joining: Box<Joining>,
        /// Logins of the other side whose refresh token was replaced since: they stay as they are.
        stale: Vec<SecretId>,
    },
}

/// Makes one of the vault and another state of it.
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
    // Records tell which side has changed something, also where the state that both come from is kept nowhere.
    let Joined { entries, conflicts, stale } = sides.join_by(choice, model::touched(ours, theirs))?;
    if !conflicts.is_empty() {
        return Ok(Merged::Conflicts(conflicts));
    }
    let joining = Box::new(store::joining(ours, theirs, bases, entries)?);
    Ok(Merged::Joins { joining, stale })
}

/// What somebody has decided: these are taken from one side, whatever the rules say.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// As this side has them.
    pub ours: BTreeSet<Subject>,
    /// As the other side has them.
    pub theirs: BTreeSet<Subject>,
}

/// Something that both sides have in different ways, and that nobody has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What it is.
    pub subject: Subject,
    /// Why no rule decides.
    pub why: Why,
    /// The members that differ; none where one side lacks it all.
    pub fields: Vec<String>,
}

/// What comes of it.
pub struct Joined {
    /// Entries and orders of both.
    pub entries: Entries,
    /// What is to be decided.
    pub conflicts: Vec<Conflict>,
    /// Logins of the other side whose refresh token was replaced since: they stay as they are.
    pub stale: Vec<SecretId>,
}

impl Sides<'_> {
    /// Joins them.
    ///
    /// # Errors
    /// Records of a vault that cannot be read; a choice of something that neither side has.
    pub fn join(self, choice: &Choice) -> Result<Joined, Error> {
        self.join_by(choice, None)
    }

    /// The same with the names of what each side has changed, ours and theirs.
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
            // Without records nothing is known of a change: what one side alone has was added there.
            let are_whole = are_whole || by.is_none();
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

/// What both sides have changed is not decided by a rule where the states that both come from differ, since two hosts
/// have decided differently then, or where some of these states are not at hand (`are_whole`).
fn unless_disputed<T: PartialEq>(bases: &[T], are_whole: bool, verdict: Verdict) -> Verdict {
    let are_one = bases.iter().all(|base| Some(base) == bases.first());
    match verdict {
        Verdict::Take | Verdict::Keep | Verdict::Merge(_) if !(are_one && are_whole) => {
            Verdict::Conflict(Why::BothChanged)
        }
        verdict => verdict,
    }
}

/// A side of an entry; `lineage` is that of the other one.
fn side<'f>(id: &SecretId, fields: &'f Fields<String>, raw: &RawValue, lineage: &Lineage) -> Side<'f, String> {
    Side { fields, renews: has_refresh(raw), superseded: lineage.is_superseded(id, raw) }
}

/// The members of an entry by name; what is no credential has the one `value`.
fn fields(id: &SecretId, raw: &RawValue) -> Fields<String> {
    let whole = || Fields::from([("value".to_owned(), raw.get().to_owned())]);
    let SecretId::Auth(_, profile) = id else { return whole() };
    let Ok(credential) = Credential::parse(profile, raw) else { return whole() };
    credential.members().map(|(name, value)| (name.to_owned(), value.get().to_owned())).collect()
}

/// The names of the members in which two values of an entry differ; none if one is missing.
pub fn differing(id: &SecretId, one: Option<&RawValue>, other: Option<&RawValue>) -> Vec<String> {
    let Some((one, other)) = one.zip(other) else { return Vec::new() };
    let (one, other) = (fields(id, one), fields(id, other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
