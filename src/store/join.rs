//! Joins two states of one vault in everything but entries and orders: recipients, vault secret, save counts, records,
//! lineage.
//!
//! A removal on either side wins. It changes the vault secret, so the succession shows it: the later secret counts,
//! with the recipients of that side. Recipients added on a side that lacks the removal are not taken, since a removed
//! recipient could have written that state.

use super::{Checked, Error, Lineage, Pin, Place, Seen, Snapshot, exposure, pin, reseal, snapshot};
use crate::model::{
    self, Adopted, CHECKLIST, Change, Entries, Join, Label, Op, RESEALING, Recipient, RecipientKind, SUCCESSION,
    Subject, Vault,
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// How another state relates to the vault that it is merged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It has the same vault secret.
    Same,
    /// Its secret succeeds ours: recipients were removed there.
    Later,
    /// Its secret precedes ours: a recipient removed since could have written it.
    Earlier,
    /// Both secrets succeed a common one: recipients were removed on both sides.
    Apart,
    /// Another vault, or one whose secret is not linked to ours.
    Another,
}

/// How `theirs` relates to `ours`.
///
/// # Errors
/// A malformed secret.
pub fn relation(ours: &Vault<'_>, theirs: &Vault<'_>) -> Result<Relation, Error> {
    let (our, their) = (Pin::of(ours)?, Pin::of(theirs)?);
    if ours.vault_id != theirs.vault_id {
        return Ok(Relation::Another);
    }
    let (before, others) = (pin::retired(ours), pin::retired(theirs));
    Ok(match () {
        () if our == their => Relation::Same,
        () if others.contains(&our) => Relation::Later,
        () if before.contains(&their) => Relation::Earlier,
        () if before.iter().any(|one| others.contains(one)) => Relation::Apart,
        () => Relation::Another,
    })
}

/// A change that joins two states, and its effect on the recipients.
pub struct Joining {
    /// The change to be saved.
    pub change: Change,
    /// Recipients of `ours` that the joined state lacks.
    pub removed: Vec<Label>,
    /// Recipients of the joined state that `ours` lacks.
    pub added: Vec<Label>,
    /// Recipients of the joined state whose key has replaced one of `ours`.
    pub changed: Vec<Label>,
    /// Recipients added on only one side that are not taken.
    pub left: Vec<Label>,
}

/// The change that turns `ours` into the joined state; `entries` are the merged ones, and `kept` names the
/// conflicts for which `ours` was chosen.
///
/// # Errors
/// Members that cannot be parsed or that a newer agevault has written; no randomness.
pub fn joining(
    ours: &Vault<'_>,
    theirs: &Vault<'_>,
    bases: &[&Vault<'_>],
    (entries, kept): (Entries, Vec<Subject>),
) -> Result<Joining, Error> {
    let relation = relation(ours, theirs)?;
    check_understood(ours, theirs)?;
    let (recipients, mut left) = recipients(relation, ours, theirs, bases);
    // Kept states no longer name recipients that were removed here; the records do.
    let known = model::saves(ours);
    left.retain(|one| {
        let is_of = |step: &model::Step| step.removes_recipient(one.label.as_str());
        !known.iter().any(|save| save.steps.iter().any(is_of))
    });
    let newer = if relation == Relation::Later { theirs } else { ours };
    let mut members = vec![(SUCCESSION, newer.other.get(SUCCESSION).map(|raw| raw.to_owned()))];
    let is_trusted = matches!(relation, Relation::Same | Relation::Later);
    if relation != Relation::Same {
        let (mark, other) = if relation == Relation::Later { (theirs, ours) } else { (ours, theirs) };
        let generation = ours.generation.max(theirs.generation).saturating_add(1);
        members.push((RESEALING, reseal::joined_mark(mark, (other, is_trusted), generation)?));
    }
    let heirs = reseal::known_heirs(newer);
    // As by `passwd`: the holder is the same, and so is the label.
    let is_changed = |one: &Recipient| {
        let is_same = |have: &Recipient| have.kind == RecipientKind::Passphrase && have.label == one.label;
        recipients.iter().any(is_same) && heirs.iter().any(|heir| heir.of == one.public)
    };
    let stays = |one: &Recipient| recipients.iter().any(|have| have.public == one.public) || is_changed(one);
    members.push((CHECKLIST, exposure::joined(ours, (theirs, is_trusted), stays)?));
    if relation == Relation::Apart {
        // Lets a host that knows only the other side's pin follow to the joined state.
        members.push((SUCCESSION, Some(pin::joined_links(ours, theirs)?)));
    }
    members.extend(Lineage::of(ours)?.joined(&Lineage::of(theirs)?, &entries)?);
    let mut writers: BTreeMap<String, u64> = ours.writers.clone();
    for (host, saves) in &theirs.writers {
        let count = writers.entry(host.clone()).or_default();
        *count = (*count).max(*saves);
    }
    let labels = |of: &[Recipient], than: &[Recipient]| -> Vec<Label> {
        let more = of.iter().filter(|one| !than.iter().any(|have| have.public == one.public));
        more.map(|one| one.label.clone()).collect()
    };
    let (mut removed, mut added) = (labels(&ours.recipients, &recipients), labels(&recipients, &ours.recipients));
    let changed: Vec<Label> =
        ours.recipients.iter().filter(|one| is_changed(one)).map(|one| one.label.clone()).collect();
    added.retain(|label| !changed.contains(label));
    removed.retain(|label| !changed.contains(label));
    let secret = (relation == Relation::Later).then(|| Adopted { secret: secret_of(theirs), epoch: theirs.epoch });
    let mut change = Change::of(Op::Join(Box::new(Join {
        state: model::state_name(theirs.generation, &theirs.rev),
        kept,
        writers,
        generation: theirs.generation,
        recipients,
        saves: model::join_saves(ours, theirs),
        members,
        secret,
    })));
    change.push(Op::Restore(Box::new(entries)));
    if relation == Relation::Apart {
        change.push(Op::Rotate(pin::rotation(ours)?));
    }
    Ok(Joining { change, removed, added, changed, left: left.into_iter().map(|one| one.label).collect() })
}

/// Members of the document that a join handles, besides entries.
const UNDERSTOOD: [&str; 9] =
    ["captured", "changes", "checklist", "folded", "lineage", "resealing", "succession", "superseded", "tags"];

/// Refuses a state with data of a newer agevault that ours lacks: the join would lose it.
fn check_understood(ours: &Vault<'_>, theirs: &Vault<'_>) -> Result<(), Error> {
    let is_lost = |(name, value): (&str, &RawValue)| {
        !UNDERSTOOD.contains(&name) && ours.other.get(name).map(RawValue::get) != Some(value.get())
    };
    let entries = theirs.contents();
    if theirs.other.iter().any(is_lost) || entries.unreadable() > ours.contents().unreadable() {
        return Err(model::Error::Newer.into());
    }
    Ok(())
}

fn secret_of(vault: &Vault<'_>) -> crate::secret::Secret {
    crate::secret::Secret::new(vault.vault_secret.expose().to_owned())
}

/// The recipients of the joined state, and those that are not taken: they were added on a side that lacks a removal, so
/// a removed recipient could have added them.
fn recipients(
    relation: Relation,
    ours: &Vault<'_>,
    theirs: &Vault<'_>,
    bases: &[&Vault<'_>],
) -> (Vec<Recipient>, Vec<Recipient>) {
    let has = |of: &Vault<'_>, one: &Recipient| find(of, one).is_some();
    let is_new = |one: &Recipient| !bases.is_empty() && bases.iter().all(|base| !has(base, one));
    let only = |of: &Vault<'_>, than: &Vault<'_>| -> Vec<Recipient> {
        of.recipients.iter().filter(|one| !has(than, one) && is_new(one)).cloned().collect()
    };
    match relation {
        Relation::Same => {
            // Without a removal, a recipient that one side lacks was added on the other.
            let mut all = ours.recipients.clone();
            for one in theirs.recipients.iter().filter(|one| !has(ours, one)) {
                let mut one = one.clone();
                one.label = free_label(&one.label, &all);
                all.push(one);
            }
            (relabelled(all, theirs, bases), Vec::new())
        }
        Relation::Later => (relabelled(theirs.recipients.clone(), ours, bases), only(ours, theirs)),
        Relation::Earlier => (ours.recipients.clone(), only(theirs, ours)),
        Relation::Apart | Relation::Another => {
            let both = ours.recipients.iter().filter(|one| has(theirs, one)).cloned().collect();
            (both, only(ours, theirs).into_iter().chain(only(theirs, ours)).collect())
        }
    }
}

fn find<'v>(of: &'v Vault<'_>, one: &Recipient) -> Option<&'v Recipient> {
    of.recipients.iter().find(|have| have.public == one.public)
}

/// The recipients, with the labels of `other` where only that side has changed them.
fn relabelled(mut all: Vec<Recipient>, other: &Vault<'_>, bases: &[&Vault<'_>]) -> Vec<Recipient> {
    for one in &mut all {
        let is_kept =
            !bases.is_empty() && bases.iter().filter_map(|base| find(base, one)).all(|was| was.label == one.label);
        if let Some(new) = find(other, one).filter(|_| is_kept) {
            one.label = new.label.clone();
        }
    }
    // Both sides may have given the same label to different recipients.
    for nth in 1..all.len() {
        let (before, rest) = all.split_at_mut(nth);
        if let Some(one) = rest.first_mut() {
            one.label = free_label(&one.label, before);
        }
    }
    all
}

/// The label, with a number appended if another recipient has it.
fn free_label(label: &Label, all: &[Recipient]) -> Label {
    let is_free = |label: &Label| all.iter().all(|have| have.label != *label);
    let numbered = |number: usize| {
        let end = format!("-{number}");
        let start: String = label.as_str().chars().take(Label::MAX - end.len()).collect();
        Label::parse(&format!("{start}{end}"))
    };
    // One more number than there are labels is enough.
    let mut labels = std::iter::once(label.clone()).chain((2..=all.len() + 2).filter_map(numbered));
    labels.find(is_free).unwrap_or_else(|| label.clone())
}

/// Whether `state` is an ancestor of `vault`, or the same state: no host has a higher save count there, and the records
/// of `vault` name it, as far back as they reach. Counts alone do not distinguish two machines with a copied host id.
pub fn descends(vault: &Vault<'_>, state: &Vault<'_>) -> bool {
    let count = |host: &String| vault.writers.get(host).copied().unwrap_or_default();
    if vault.vault_id != state.vault_id || state.writers.iter().any(|(host, saves)| *saves > count(host)) {
        return false;
    }
    let is_beyond = || model::saves(vault).first().is_none_or(|first| state.generation <= first.generation());
    model::knows(vault, &model::state_name(state.generation, &state.rev))
        || (state.writers != vault.writers && is_beyond())
}

/// Whether `state` is a common ancestor (merge base) of both, with a secret that is linked to ours.
pub fn is_base(state: &Vault<'_>, ours: &Vault<'_>, theirs: &Vault<'_>) -> bool {
    relation(ours, state).is_ok_and(|relation| relation != Relation::Another)
        && descends(ours, state)
        && descends(theirs, state)
}

/// Whether `bases` together include every save that both sides have in common.
pub fn are_all_common(bases: &[&Vault<'_>], ours: &Vault<'_>, theirs: &Vault<'_>) -> bool {
    let count = |vault: &Vault<'_>, host: &str| vault.writers.get(host).copied().unwrap_or_default();
    ours.writers.iter().all(|(host, saves)| {
        let common = count(theirs, host).min(*saves);
        bases.iter().map(|base| count(base, host)).max().unwrap_or_default() == common
    })
}

/// The newest common ancestors (merge bases) among the kept states that the key at hand opens. There are several, none
/// of which is an ancestor of another, if the same two states were merged on two hosts.
///
/// # Errors
/// When the kept states cannot be listed.
pub fn common(place: &Place, by: &Seen, ours: &Vault<'_>, theirs: &Vault<'_>) -> Result<Vec<Seen>, Error> {
    if descends(theirs, ours) {
        return Ok(vec![by.reopen(by.sealed.clone())?]);
    }
    let mut found: Vec<Seen> = Vec::new();
    for one in snapshot::history(place)?.iter().rev() {
        let Some(seen) = open_kept(one, by) else { continue };
        let Some(state) = read(&seen) else { continue };
        let is_older = found.iter().filter_map(read).any(|newer| descends(&newer, &state));
        if !is_older && is_base(&state, ours, theirs) {
            drop(state);
            found.push(seen);
        }
    }
    // The numbers alone do not give the order.
    let vaults: Vec<Vault<'_>> = found.iter().filter_map(read).collect();
    let is_newest = |one: &Vault<'_>| !vaults.iter().any(|other| other.rev != one.rev && descends(other, one));
    let newest: Vec<bool> = vaults.iter().map(is_newest).collect();
    drop(vaults);
    Ok(found.into_iter().zip(newest).filter_map(|(seen, newest)| newest.then_some(seen)).collect())
}

fn read(seen: &Seen) -> Option<Vault<'_>> {
    seen.plain.text().and_then(|text| Vault::parse(text).ok())
}

/// Kept states that are not ancestors of the vault although this host has accepted them: another program has replaced
/// one of them with the vault. Each comes with its name; ancestors of another one are left out.
///
/// # Errors
/// When the kept states cannot be listed.
pub fn forks(place: &Place, by: &Seen, checked: &Checked<'_>) -> Result<Vec<(String, Vec<u8>)>, Error> {
    if checked.behind.is_none() {
        return Ok(Vec::new());
    }
    let mut found: Vec<(Snapshot, Seen)> = Vec::new();
    let mut closed = Vec::new();
    for one in snapshot::history(place)?.into_iter().rev() {
        let Some(seen) = open_kept(&one, by) else {
            // The last accepted save is included even if the key does not open it.
            if checked.last.as_ref().is_some_and(|last| (last.generation, &last.rev) == (one.generation, &one.rev)) {
                closed.push((one.state(), one.read()?));
            }
            continue;
        };
        let Some(state) = read(&seen) else { continue };
        let is_known = found.iter().filter_map(|(_, newer)| read(newer)).any(|newer| descends(&newer, &state));
        if !is_known && !descends(&checked.vault, &state) && relation(&checked.vault, &state)? != Relation::Another {
            found.push((one, seen));
        }
    }
    closed.extend(found.into_iter().map(|(one, seen)| (one.state(), seen.sealed)));
    Ok(closed)
}

fn open_kept(one: &Snapshot, by: &Seen) -> Option<Seen> {
    let sealed = one.read().ok()?;
    by.opener.all().find_map(|key| Some(Seen::new(sealed.clone(), key.open(&sealed).ok()?, by.opener.clone())))
}

/// Adds another state to the kept generations, under its own name, as a merge base for later merges with that side.
///
/// Returns whether it was not there before.
///
/// # Errors
/// A lock that is not released in time; when the directory cannot be changed.
pub fn keep_state(place: &Place, seen: &Seen, state: &Vault<'_>, patience: Duration) -> Result<bool, Error> {
    let _lock = place.lock(patience)?;
    let generations = place.generations()?;
    let is_new = !snapshot::holds(&generations, &seen.sealed)?;
    snapshot::keep_foreign(&generations, &snapshot::name_of(state), &seen.sealed)?;
    generations.sync()?;
    Ok(is_new)
}

/// Removes a state that [`keep_state`] has added, for a merge that failed.
///
/// # Errors
/// As [`keep_state`].
pub fn drop_state(place: &Place, seen: &Seen, patience: Duration) -> Result<(), Error> {
    let _lock = place.lock(patience)?;
    let generations = place.generations()?;
    for one in snapshot::list(&generations)?.iter().filter(|one| one.read().is_ok_and(|sealed| sealed == seen.sealed)) {
        generations.remove(one.name.as_ref())?;
    }
    Ok(generations.sync()?)
}
