//! What a change does, by name: the steps of its record.

use super::history::Step;
use super::{Change, Contents, Difference, Op, Recipient, Scope, SecretId, Subject, Vault};
use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

impl Change {
    /// The steps of applying it to `vault`, by name.
    pub fn steps(&self, vault: &Vault<'_>) -> Vec<Step> {
        self.ops().iter().flat_map(|op| op.steps(vault)).collect()
    }
}

impl Op {
    fn steps(&self, vault: &Vault<'_>) -> Vec<Step> {
        let one = |step: Step| vec![step];
        match self {
            Self::Put(id, value, _) => match vault.get(id) {
                None => one(Step::new("added", id)),
                Some(have) if have.get() != value.get() => one(Step::new("changed", id)),
                Some(_) => Vec::new(),
            },
            Self::Remove(id) => with_orders(vault, id, Step::new("removed", id)),
            Self::Rename(from, to) => with_orders(vault, from, Step::renaming(from, to)),
            Self::Order(scope, provider, _) => {
                one(Step::new("ordered", Subject::Order(scope.clone(), provider.clone())))
            }
            Self::AddRecipient(recipient) => one(Step::new("recipient-added", recipient.label.as_str())),
            Self::RemoveRecipient(label) => one(Step::new("recipient-removed", label.as_str())),
            Self::RenameRecipient(from, _) => one(Step::new("recipient-renamed", from.as_str())),
            Self::ReplaceRecipient(label, _) => one(Step::new("recipient-changed", label.as_str())),
            Self::Restore(entries) => {
                let mut difference = vault.contents().difference(entries.contents());
                let renamed = take_renamed(vault, entries.contents(), &mut difference);
                let steps = |verb, ids: Vec<_>| ids.into_iter().map(move |id| Step::new(verb, id));
                let orders = difference.orders.into_iter().map(|(scope, provider)| Subject::Order(scope, provider));
                let renamed = renamed.into_iter().map(|(from, to)| Step::renaming(&from, &to));
                renamed
                    .chain(steps("added", difference.added))
                    .chain(steps("changed", difference.changed))
                    .chain(steps("removed", difference.removed))
                    .chain(orders.map(|order| Step::new("ordered", order)))
                    .collect()
            }
            Self::Checklist(_) => one(Step(vec!["waived".to_owned()])),
            Self::Join(join) => {
                let has = |all: &[Recipient], one: &Recipient| all.iter().any(|have| have.public == one.public);
                let steps = |verb, of: &[Recipient], than: &[Recipient]| {
                    let more = of.iter().filter(|one| !has(than, one));
                    more.map(|one| Step::new(verb, one.label.as_str())).collect::<Vec<_>>()
                };
                let mut all = one(Step::new("merged", &join.state));
                all.extend(steps("recipient-added", &join.recipients, &vault.recipients));
                all.extend(steps("recipient-removed", &vault.recipients, &join.recipients));
                let is_renamed = |one: &&Recipient| {
                    join.recipients.iter().any(|have| have.public == one.public && have.label != one.label)
                };
                let renamed = vault.recipients.iter().filter(is_renamed);
                all.extend(renamed.map(|one| Step::new("recipient-renamed", one.label.as_str())));
                all.extend(join.kept.iter().map(|subject| Step::new("kept", subject)));
                all
            }
            Self::Rotate(_) => Vec::new(),
        }
    }
}

/// Takes out of `difference` the entries whose value has another name of the same kind in the later state, such as when
/// a rename is undone: the earlier and the later name. Values that several of these entries have are left out.
fn take_renamed(vault: &Vault<'_>, later: Contents<'_>, difference: &mut Difference) -> Vec<(SecretId, SecretId)> {
    fn by_value<'v>(ids: &[SecretId], of: Contents<'v>) -> HashMap<(Discriminant<SecretId>, &'v str), Vec<SecretId>> {
        let mut all: HashMap<_, Vec<SecretId>> = HashMap::new();
        for (id, raw) in ids.iter().filter_map(|id| Some((id, of.get(id)?))) {
            all.entry((discriminant(id), raw.get())).or_default().push(id.clone());
        }
        all
    }
    let (then, now) = (by_value(&difference.removed, vault.contents()), by_value(&difference.added, later));
    let pair = |(value, from): (_, &Vec<SecretId>)| match (from.as_slice(), now.get(value)?.as_slice()) {
        ([from], [to]) => Some((from.clone(), to.clone())),
        _ => None,
    };
    let mut renamed: Vec<(SecretId, SecretId)> = then.iter().filter_map(pair).collect();
    renamed.sort();
    difference.removed.retain(|id| !renamed.iter().any(|(from, _)| from == id));
    difference.added.retain(|id| !renamed.iter().any(|(_, to)| to == id));
    renamed
}

/// A step that removes or renames a profile, followed by one for each order that lists the profile.
fn with_orders(vault: &Vault<'_>, id: &SecretId, step: Step) -> Vec<Step> {
    let mut steps = vec![step];
    if let SecretId::Auth(_, profile) = id {
        let lists = |(scope, provider): &(Scope, String)| {
            vault.contents().order(scope, provider).is_some_and(|order| order.contains(profile))
        };
        let orders = vault.contents().orders().filter(lists);
        steps.extend(orders.map(|(scope, provider)| Step::new("ordered", Subject::Order(scope, provider))));
    }
    steps
}
