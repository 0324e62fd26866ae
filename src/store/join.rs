//! What two states of one vault know of each other, once they are one: who can open it, whose secret counts, counts of
//! saves, records, lineage. What they hold for gateways is another matter.
//!
//! A removal on one side wins. It changes the vault's secret, so that it shows by the succession: the secret that came
//! later counts, with the recipients of that side; from before a removal nobody is taken, since who was removed can have
//! written that state.

use super::{Checked, Error, Lineage, Pin, Place, Seen, Snapshot, pin, snapshot};
use crate::model::{
    self, Adopted, CHECKLIST, Change, Entries, Join, Label, Op, RESEALING, Recipient, SUCCESSION, Vault,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
pub fn joining(
    ours: &Vault<'_>,
    theirs: &Vault<'_>,
    base: Option<&Vault<'_>>,
    entries: Entries,
) -> Result<Joining, Error> {
    let relation = relation(ours, theirs)?;
    let (recipients, mut left) = recipients(relation, ours, theirs, base);
    // Kept states no longer name those who were removed here; the records do.
    let known = model::saves(ours);
    left.retain(|one| {
        let is_of = |step: &model::Step| step.is_of_keys() && step.names(one.label.as_str());
        !known.iter().any(|save| save.steps.iter().any(is_of))
    });
    let newer = if relation == Relation::Later { theirs } else { ours };
    let member = |name| (name, newer.other.get(name).map(|raw| raw.to_owned()));
    let mut members = vec![member(SUCCESSION), member(RESEALING)];
    // Ours is the one to which a removal that comes now is added.
    members.extend((relation == Relation::Later).then(|| member(CHECKLIST)));
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

fn secret_of(vault: &Vault<'_>) -> crate::secret::Secret {
    crate::secret::Secret::new(vault.vault_secret.expose().to_owned())
}

/// Who can open both, and those of the other state who are not taken.
fn recipients(
    relation: Relation,
    ours: &Vault<'_>,
    theirs: &Vault<'_>,
    base: Option<&Vault<'_>>,
) -> (Vec<Recipient>, Vec<Recipient>) {
    let has = |of: &Vault<'_>, one: &Recipient| of.recipients.iter().any(|have| have.public == one.public);
    let is_new = |one: &Recipient| base.is_some_and(|base| !has(base, one));
    let (mut all, more): (Vec<Recipient>, Vec<Recipient>) = match relation {
        // Without a removal the one that lacks somebody never had him.
        Relation::Same => (ours.recipients.clone(), theirs.recipients.clone()),
        // What ours has beside them was removed there, unless it was added here since.
        Relation::Later => {
            let added = ours.recipients.iter().filter(|one| is_new(one));
            (theirs.recipients.clone(), added.cloned().collect())
        }
        Relation::Earlier => {
            let left = theirs.recipients.iter().filter(|one| !has(ours, one) && is_new(one));
            return (ours.recipients.clone(), left.cloned().collect());
        }
        Relation::Apart | Relation::Another => {
            let stays = |one: &&Recipient| has(theirs, one) || is_new(one);
            let left = theirs.recipients.iter().filter(|one| !has(ours, one) && is_new(one));
            return (ours.recipients.iter().filter(stays).cloned().collect(), left.cloned().collect());
        }
    };
    for mut one in more {
        if !all.iter().any(|have| have.public == one.public) {
            one.label = free_label(&one.label, &all);
            all.push(one);
        }
    }
    (all, Vec::new())
}

/// The label, or where another recipient has it the same with a number.
fn free_label(label: &Label, all: &[Recipient]) -> Label {
    let is_free = |label: &Label| all.iter().all(|have| have.label != *label);
    let numbered = (2..).filter_map(|number| Label::parse(&format!("{}-{number}", label.as_str())));
    let mut labels = std::iter::once(label.clone()).chain(numbered.take(1000));
    labels.find(is_free).unwrap_or_else(|| label.clone())
}

/// Whether `state` is one that `vault` comes from, or the same: no host has saved more often there.
pub fn descends(vault: &Vault<'_>, state: &Vault<'_>) -> bool {
    let count = |host: &String| vault.writers.get(host).copied().unwrap_or_default();
    state.vault_id == vault.vault_id
        && state.writers.iter().all(|(host, saves)| *saves <= count(host))
        && (state.writers != vault.writers || state.rev == vault.rev)
}

/// The newest kept state that both come from, if one that the key at hand opens is kept.
///
/// # Errors
/// When the kept states cannot be listed.
pub fn common(place: &Place, by: &Seen, ours: &Vault<'_>, theirs: &Vault<'_>) -> Result<Option<Seen>, Error> {
    if descends(theirs, ours) {
        return Ok(by.reopen(by.sealed.clone()).ok());
    }
    for one in snapshot::history(place)?.iter().rev().filter(|one| one.generation <= theirs.generation) {
        let Some(seen) = open_kept(one, by) else { continue };
        let is_common = seen.plain.text().and_then(|text| Vault::parse(text).ok()).is_some_and(|state| {
            relation(ours, &state).is_ok_and(|relation| relation != Relation::Another)
                && descends(ours, &state)
                && descends(theirs, &state)
        });
        if is_common {
            return Ok(Some(seen));
        }
    }
    Ok(None)
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
    for one in snapshot::history(place)?.into_iter().rev() {
        let Some(seen) = open_kept(&one, by) else { continue };
        let Some(state) = seen.plain.text().and_then(|text| Vault::parse(text).ok()) else { continue };
        let is_known = found.iter().any(|(_, newer)| {
            newer.plain.text().and_then(|text| Vault::parse(text).ok()).is_some_and(|newer| descends(&newer, &state))
        });
        if !is_known && !descends(&checked.vault, &state) && relation(&checked.vault, &state)? != Relation::Another {
            found.push((one, seen));
        }
    }
    Ok(found.into_iter().map(|(one, seen)| (one.state(), seen.sealed)).collect())
}

fn open_kept(one: &Snapshot, by: &Seen) -> Option<Seen> {
    let sealed = one.read().ok()?;
    by.opener.all().find_map(|key| Some(Seen::new(sealed.clone(), key.open(&sealed).ok()?, by.opener.clone())))
}

/// Keeps another state under its name, and removes the file that it came in, if that still is the same.
///
/// # Errors
/// When the directory cannot be changed.
pub fn put_away(place: &Place, seen: &Seen, state: &Vault<'_>, copy: &Path, patience: Duration) -> Result<(), Error> {
    let _lock = place.lock(patience)?;
    let generations = place.generations()?;
    snapshot::keep(&generations, &snapshot::name_of(state), &seen.sealed)?;
    generations.sync()?;
    let there = Place::at(copy)?;
    if there.read()? == seen.sealed {
        there.dir().remove(there.name())?;
    }
    Ok(())
}

/// Copies that a program which synchronises files has made beside the vault, where two hosts had saved: of Syncthing
/// (`vault.sync-conflict-DATE-TIME-ID.age`), Dropbox and Nextcloud (`vault (... conflicted copy ...).age`), ownCloud
/// (`vault_conflict-DATE.age`).
///
/// # Errors
/// When the directory cannot be read.
pub fn conflict_copies(place: &Place) -> Result<Vec<PathBuf>, Error> {
    let name = place.name().to_string_lossy().into_owned();
    let (stem, end) =
        name.rsplit_once('.').map_or((name.as_str(), String::new()), |(stem, end)| (stem, format!(".{end}")));
    let is_copy = |other: &String| {
        let middle = other.strip_prefix(stem).and_then(|rest| rest.strip_suffix(end.as_str()));
        middle.is_some_and(|middle| {
            middle.starts_with(".sync-conflict-")
                || middle.starts_with("_conflict-")
                || (middle.starts_with(" (") && middle.to_lowercase().contains("conflicted copy"))
        })
    };
    let names = place.dir().names()?.into_iter().filter(is_copy);
    let mut found: Vec<PathBuf> = names.map(|name| place.dir().path().join(name)).collect();
    found.sort();
    Ok(found)
}
