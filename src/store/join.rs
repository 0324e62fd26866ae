//! What two states of one vault know of each other, once they are one: who can open it, whose secret counts, counts of
//! saves, records, lineage. What they hold for gateways is another matter.
//!
//! A removal on one side wins. It changes the vault's secret, so that it shows by the succession: the secret that came
//! later counts, with the recipients of that side; from before a removal nobody is taken, since who was removed can have
//! written that state.

use super::{Checked, Error, Lineage, Pin, Place, Seen, Snapshot, exposure, pin, reseal, snapshot};
use crate::model::{
    self, Adopted, CHECKLIST, Change, Entries, Join, Label, Op, RESEALING, Recipient, SUCCESSION, Save, Vault,
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// What another state is to the vault that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It has the same secret.
    Same,
    /// Recipients were removed there since.
    Later,
    /// It is from before a removal: who was removed then can have made it.
    Earlier,
    /// Recipients were removed on both sides since they had the same secret.
    Apart,
    /// Another vault, or one whose secret has nothing to do with this one's.
    Another,
}

/// What the other state is to ours.
///
/// # Errors
/// A secret that cannot be read.
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

/// A change that joins two states, and what it does to those who can open the vault.
pub struct Joining {
    /// To be saved.
    pub change: Change,
    /// Those who could open ours, and cannot from now on.
    pub removed: Vec<Label>,
    /// Those who could not open ours, and can from now on.
    pub added: Vec<Label>,
    /// Recipients of the other state alone that are not taken.
    pub left: Vec<Label>,
}

/// The change by which ours becomes both: `entries` is what they hold together.
///
/// # Errors
/// Members that cannot be read; no randomness.
pub fn joining(ours: &Vault<'_>, theirs: &Vault<'_>, bases: &[&Vault<'_>], entries: Entries) -> Result<Joining, Error> {
    let relation = relation(ours, theirs)?;
    check_understood(ours, theirs)?;
    let (recipients, mut left) = recipients(relation, ours, theirs, bases);
    // Kept states no longer name those who were removed here; the records do.
    let known = model::saves(ours);
    left.retain(|one| {
        let is_of = |step: &model::Step| step.removes_recipient(one.label.as_str());
        !known.iter().any(|save| save.steps.iter().any(is_of))
    });
    let newer = if relation == Relation::Later { theirs } else { ours };
    let member = |name| (name, newer.other.get(name).map(|raw| raw.to_owned()));
    let mut members = vec![member(SUCCESSION)];
    if relation != Relation::Same {
        let (mark, other) = if relation == Relation::Later { (theirs, ours) } else { (ours, theirs) };
        let generation = ours.generation.max(theirs.generation).saturating_add(1);
        members.push((RESEALING, reseal::joined_mark(mark, other, generation)?));
    }
    // Ours is the one to which a removal that comes now is added.
    members.extend((relation == Relation::Later).then(|| member(CHECKLIST)));
    if matches!(relation, Relation::Earlier | Relation::Apart) {
        members.push((CHECKLIST, exposure::with_readers(ours, theirs)?));
    }
    if relation == Relation::Apart {
        // A host that knows the other side alone follows from there.
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
    let (removed, added) = (labels(&ours.recipients, &recipients), labels(&recipients, &ours.recipients));
    let secret = (relation == Relation::Later).then(|| Adopted { secret: secret_of(theirs), epoch: theirs.epoch });
    let mut change = Change::of(Op::Join(Box::new(Join {
        state: model::state_name(theirs.generation, &theirs.rev),
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
    Ok(Joining { change, removed, added, left: left.into_iter().map(|one| one.label).collect() })
}

/// Members of the document that a join understands, beside entries.
const UNDERSTOOD: [&str; 9] =
    ["captured", "changes", "checklist", "folded", "lineage", "resealing", "succession", "superseded", "tags"];

/// Refuses a state that holds what a newer agevault has written and ours does not have: it would be lost.
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

/// Who can open both, and those who were added on a side that did not know of a removal yet: whoever was removed can have
/// added them, so that they are not taken.
fn recipients(
    relation: Relation,
    ours: &Vault<'_>,
    theirs: &Vault<'_>,
    bases: &[&Vault<'_>],
) -> (Vec<Recipient>, Vec<Recipient>) {
    let has = |of: &Vault<'_>, one: &Recipient| of.recipients.iter().any(|have| have.public == one.public);
    let is_new = |one: &Recipient| !bases.is_empty() && bases.iter().all(|base| !has(base, one));
    let only = |of: &Vault<'_>, than: &Vault<'_>| -> Vec<Recipient> {
        of.recipients.iter().filter(|one| !has(than, one) && is_new(one)).cloned().collect()
    };
    match relation {
        Relation::Same => {
            // Without a removal the one that lacks somebody never had him.
            let mut all = ours.recipients.clone();
            for one in theirs.recipients.iter().filter(|one| !has(ours, one)) {
                let mut one = one.clone();
                one.label = free_label(&one.label, &all);
                all.push(one);
            }
            (all, Vec::new())
        }
        Relation::Later => (theirs.recipients.clone(), only(ours, theirs)),
        Relation::Earlier => (ours.recipients.clone(), only(theirs, ours)),
        Relation::Apart | Relation::Another => {
            let both = ours.recipients.iter().filter(|one| has(theirs, one)).cloned().collect();
            (both, only(ours, theirs).into_iter().chain(only(theirs, ours)).collect())
        }
    }
}

/// The label, or where another recipient has it the same with a number.
fn free_label(label: &Label, all: &[Recipient]) -> Label {
    let is_free = |label: &Label| all.iter().all(|have| have.label != *label);
    let numbered = (2..).filter_map(|number| Label::parse(&format!("{}-{number}", label.as_str())));
    let mut labels = std::iter::once(label.clone()).chain(numbered.take(1000));
    labels.find(is_free).unwrap_or_else(|| label.clone())
}

/// Whether `state` is one that `vault` comes from, or the same: no host has saved more often there, and the records of
/// `vault` name it, as far as they reach. Counts alone do not tell two machines with one copied name apart.
pub fn descends(vault: &Vault<'_>, state: &Vault<'_>) -> bool {
    let count = |host: &String| vault.writers.get(host).copied().unwrap_or_default();
    if vault.vault_id != state.vault_id || state.writers.iter().any(|(host, saves)| *saves > count(host)) {
        return false;
    }
    let name = model::state_name(state.generation, &state.rev);
    let (own, saves) = (model::state_name(vault.generation, &vault.rev), model::saves(vault));
    let is_named = name == own || saves.iter().any(|save| save.to == name || save.from == name);
    // Of captures that replace each other the last one is named.
    let between = |save: &Save| model::number_of(&save.from) < state.generation && state.generation < save.generation();
    let is_beyond = saves.first().is_none_or(|first| state.generation <= first.generation());
    is_named || saves.iter().any(between) || (is_beyond && state.writers != vault.writers)
}

/// Whether both come from a state, and it is one of theirs.
pub fn is_base(state: &Vault<'_>, ours: &Vault<'_>, theirs: &Vault<'_>) -> bool {
    relation(ours, state).is_ok_and(|relation| relation != Relation::Another)
        && descends(ours, state)
        && descends(theirs, state)
}

/// Whether no save that both come from is missing in these states.
pub fn are_all_common(bases: &[&Vault<'_>], ours: &Vault<'_>, theirs: &Vault<'_>) -> bool {
    let count = |vault: &Vault<'_>, host: &str| vault.writers.get(host).copied().unwrap_or_default();
    ours.writers.iter().all(|(host, saves)| {
        let common = count(theirs, host).min(*saves);
        bases.iter().map(|base| count(base, host)).max().unwrap_or_default() == common
    })
}

/// The newest kept states that both come from, as far as the key at hand opens them. Several, none of which comes from
/// another, are left where the same two states were merged on two hosts.
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
    // A number says little of which came first.
    let vaults: Vec<Vault<'_>> = found.iter().filter_map(read).collect();
    let is_newest = |one: &Vault<'_>| !vaults.iter().any(|other| other.rev != one.rev && descends(other, one));
    let newest: Vec<bool> = vaults.iter().map(is_newest).collect();
    drop(vaults);
    Ok(found.into_iter().zip(newest).filter_map(|(seen, newest)| newest.then_some(seen)).collect())
}

fn read(seen: &Seen) -> Option<Vault<'_>> {
    seen.plain.text().and_then(|text| Vault::parse(text).ok())
}

/// Kept states that the vault does not come from, though this host has accepted them: another program has put the vault
/// in the place of one. Each by its name, without those that another one comes from.
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
            // The last save of this host is wanted, whatever its key.
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

/// Keeps another state among the generations, under its own name: what was merged once is what the next merge with the
/// same side starts from.
///
/// # Errors
/// A lock that stays taken; when the directory cannot be changed.
pub fn keep_state(place: &Place, seen: &Seen, state: &Vault<'_>, patience: Duration) -> Result<(), Error> {
    let _lock = place.lock(patience)?;
    let generations = place.generations()?;
    snapshot::keep_foreign(&generations, &snapshot::name_of(state), &seen.sealed)?;
    Ok(generations.sync()?)
}
