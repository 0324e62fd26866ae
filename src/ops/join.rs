//! Two states of one vault become one: entries and orders, each by [`judge`], three-way where a state is at hand that
//! both come from.

use super::judge::{self, Fields, Side, Verdict, Why, judge};
use crate::model::{Contents, Credential, Entries, Error, SecretId, Subject, Vault, has_refresh};
use crate::store::Lineage;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// What is to be joined.
#[derive(Clone, Copy)]
pub struct Sides<'s> {
    /// A state that both come from.
    pub base: Option<&'s Vault<'s>>,
    /// The other side.
    pub theirs: &'s Vault<'s>,
    /// The side that takes.
    pub ours: &'s Vault<'s>,
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
        let (ours, theirs) = (self.ours.contents(), self.theirs.contents());
        let base = self.base.map(Vault::contents);
        let other = Entries::of(self.theirs)?;
        let mut joined = Joined { entries: Entries::of(self.ours)?, conflicts: Vec::new(), stale: Vec::new() };
        let lineages = (Lineage::of(self.ours)?, Lineage::of(self.theirs)?);
        let all = subjects(ours).chain(subjects(theirs)).chain(base.into_iter().flat_map(subjects));
        let all: BTreeSet<Subject> = all.collect();
        if let Some(unknown) = choice.ours.iter().chain(&choice.theirs).find(|one| !all.contains(*one)) {
            return Err(Error::NoEntry(unknown.to_string()));
        }
        for subject in all {
            if choice.theirs.contains(&subject) {
                joined.entries.take_from(&other, &subject);
                continue;
            }
            let verdict = match &subject {
                _ if choice.ours.contains(&subject) => Verdict::Keep,
                Subject::Entry(id) => entry(id, (base, theirs, ours), &lineages),
                Subject::Order(scope, provider) => {
                    let order = |of: Contents<'_>| of.order(scope, provider).cloned();
                    let was = base.map(order);
                    let was: Vec<Option<&Vec<String>>> = was.iter().map(Option::as_ref).collect();
                    judge::value(&was, order(theirs).as_ref(), order(ours).as_ref())
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

type States<'s> = (Option<Contents<'s>>, Contents<'s>, Contents<'s>);

fn entry(id: &SecretId, (base, theirs, ours): States<'_>, (of_ours, of_theirs): &(Lineage, Lineage)) -> Verdict {
    let read = |of: Contents<'_>| of.get(id).map(|raw| fields(id, raw));
    let was = base.map(read);
    let was: Vec<Option<&Fields<String>>> = was.iter().map(Option::as_ref).collect();
    let (their, our) = (read(theirs), read(ours));
    let theirs = their.as_ref().zip(theirs.get(id)).map(|(fields, raw)| side(id, fields, raw, of_ours));
    let ours = our.as_ref().zip(ours.get(id)).map(|(fields, raw)| side(id, fields, raw, of_theirs));
    judge(&was, theirs.as_ref(), ours.as_ref())
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
