//! Is a view still what we wrote?

use super::Kind;
use super::digest::{Digests, names};
use crate::model::{EnvName, SecretId};
use std::collections::BTreeMap;
use std::path::Path;

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A profile or an env entry.
    Entry(String),
    /// The order of a provider.
    Order(String),
    /// The file as a whole: it can no longer be read as what it was.
    Whole,
}

/// How it differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It was not there.
    Added,
    /// It is no longer there.
    Removed,
    /// These members were added, removed or changed; none for what has no members.
    Changed(Vec<String>),
}

/// One difference between a view and what was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What differs.
    pub what: What,
    /// How it differs.
    pub how: How,
}

impl Difference {
    /// How to speak of it in the view at `path`: a secret id where it has one.
    pub fn name(&self, kind: &Kind, path: &Path) -> String {
        match (&self.what, kind) {
            (What::Entry(name), Kind::AuthProfiles(scope)) => SecretId::auth(scope.clone(), name)
                .map_or_else(|_| format!("auth/{}/", scope.as_str()), |id| id.to_string()),
            (What::Entry(name), Kind::Env) => {
                EnvName::parse(name).map_or_else(|_| format!("env/{name}"), |name| SecretId::Env(name).to_string())
            }
            (What::Order(provider), Kind::AuthProfiles(scope)) => {
                format!("order of {provider} for {}", scope.as_str())
            }
            _ => path.display().to_string(),
        }
    }
}

/// The answer for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no file: nothing can be lost.
    Gone,
    /// It is not in the ledger.
    NotOurs,
    /// It holds what was written.
    Unchanged,
    /// It does not.
    Changed(Vec<Difference>),
}

/// Compares what a file holds now (`None`: it cannot be read as a view) with the digests
/// that it may have. Where it fits none, the differences are those to the nearest.
///
/// Gateway state never counts, and a file without any order is not a change: gateways of era
/// A2 move it into a file of its own.
pub fn compare(accepted: &[Digests], now: Option<&Digests>) -> Verdict {
    let Some(now) = now else {
        return Verdict::Changed(vec![Difference { what: What::Whole, how: How::Changed(Vec::new()) }]);
    };
    let nearest = accepted.iter().map(|before| differences(before, now)).min_by_key(Vec::len);
    match nearest.unwrap_or_else(|| differences(&Digests::default(), now)) {
        none if none.is_empty() => Verdict::Unchanged,
        some => Verdict::Changed(some),
    }
}

/// What `now` has that differs from `before`, and what it lacks.
pub(super) fn differences(before: &Digests, now: &Digests) -> Vec<Difference> {
    let mut found = Vec::new();
    for name in names(&before.entries, &now.entries) {
        let how = match (before.entries.get(name), now.entries.get(name)) {
            (None, _) => How::Added,
            (_, None) => How::Removed,
            (Some(before), Some(now)) => match changed(before, now) {
                none if none.is_empty() => continue,
                members => How::Changed(members),
            },
        };
        found.push(Difference { what: What::Entry(name.clone()), how });
    }
    if !now.order.is_empty() {
        for provider in changed(&before.order, &now.order) {
            let how = match (before.order.contains_key(&provider), now.order.contains_key(&provider)) {
                (false, _) => How::Added,
                (_, false) => How::Removed,
                _ => How::Changed(Vec::new()),
            };
            found.push(Difference { what: What::Order(provider), how });
        }
    }
    found
}

/// Whether everything in `found` stands in `new` with the same value, so that replacing the
/// one by the other loses nothing.
pub(super) fn loses_nothing(found: &Digests, new: &Digests) -> bool {
    let within = |found: &BTreeMap<String, String>, new: &BTreeMap<String, String>| {
        found.iter().all(|(name, digest)| new.get(name) == Some(digest))
    };
    let entry = |(name, members): (&String, _)| new.entries.get(name).is_some_and(|new| within(members, new));
    found.entries.iter().all(entry) && within(&found.order, &new.order)
}

fn changed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |name: &&String| before.get(*name) != now.get(*name);
    names(before, now).into_iter().filter(differs).cloned().collect()
}
