//! `undo`: reverts the last save of this host, or the last change of named entries.

use super::args::Undo;
use super::context::{Context, Opened};
use super::handover::Handover;
use super::restore::{hand_over, json_of, preview};
use super::{Error, Usage, state, words};
use crate::model::{self, Change, Contents, Op, Save, SecretId, Subject, Vault};
use crate::ops::join::{Choice, Joined, Sides};
use crate::store::{self, Checked, Relation, Seen};

/// Reverts the last save of this host, or the last change of each named entry.
///
/// # Errors
/// Nothing to undo; a state that is no longer kept; entries that were changed again since.
pub fn run(context: &mut Context, args: &Undo) -> Result<(), Error> {
    let opened = context.open()?;
    let mut checked = context.check(&opened)?;
    // A state that was rolled back does not contain the save to be undone.
    if let Some(behind) = checked.behind.take_if(|_| !context.policy.accept_rollback) {
        return Err(behind.into());
    }
    if args.ids.is_empty() { last(context, args, &opened, checked) } else { entries(context, args, &opened, checked) }
}

fn last(context: &mut Context, args: &Undo, opened: &Opened, checked: Checked<'_>) -> Result<(), Error> {
    let host = context.local.host_if_any()?;
    let save = model::saves(&checked.vault).into_iter().rfind(|save| Some(&save.host) == host.as_ref());
    let save = save.filter(|save| !save.from.is_empty()).ok_or(Usage::NothingToUndo)?;
    let (before, after) = around(context, opened, &save)?;
    let (before, after) = (state::look(context, opened, &before)?, state::look(context, opened, &after)?);
    let asks = asks(&checked.vault, &before)? | asks(&checked.vault, &after)?;
    let Joined { entries, conflicts, stale } = reverted(&checked.vault, &before.vault, &after.vault)?;
    if !conflicts.is_empty() {
        return Err(Error::ChangedSince(conflicts.into_iter().map(|conflict| conflict.subject.to_string()).collect()));
    }
    context.out.say(&format!("undoes {} of {}", save.command, words::time(i64::try_from(save.at).unwrap_or_default())));
    if save.steps.iter().any(model::Step::is_of_keys) {
        context.out.warn("note: recipients are unchanged; agevault recipients changes them");
    }
    tell_stale(context, &stale);
    let change = Change::of(Op::Restore(Box::new(entries)));
    finish(context, args, opened, checked, (change, asks), &stale)
}

/// The states before and after a save.
fn around(context: &mut Context, opened: &Opened, save: &Save) -> Result<(Seen, Seen), Error> {
    Ok((state::open_kept(context, opened, &save.from)?, state::open_kept(context, opened, &save.to)?))
}

/// The vault with the changes from `before` to `after` reverted. `after` is the merge base: other changes made since
/// are preserved, and an entry that was changed again is a conflict.
fn reverted(ours: &Vault<'_>, before: &Vault<'_>, after: &Vault<'_>) -> Result<Joined, Error> {
    let mut joined = Sides { bases: &[after], theirs: before, ours }.join(&Choice::default())?;
    let (then, now) = (model::Entries::of(before)?, model::Entries::of(ours)?);
    // A merge reports some one-sided changes as conflicts, such as a change of type. For an undo, what has not changed
    // since the save is not a conflict.
    let is_ours = |subject: &Subject| !after.contents().differs(ours.contents(), subject);
    for one in joined.conflicts.extract_if(.., |conflict| is_ours(&conflict.subject)) {
        joined.entries.take_from(&then, &one.subject);
    }
    // A refresh token may have been superseded under another name of its profile.
    let lineage = store::Lineage::of(ours)?;
    let difference = ours.contents().difference(joined.entries.contents());
    for id in difference.added.into_iter().chain(difference.changed) {
        let is_old = |state: Contents<'_>| state.get(&id).is_some_and(|raw| lineage.is_old(&id, raw));
        if is_old(joined.entries.contents()) && !is_old(ours.contents()) {
            joined.entries.take_from(&now, &Subject::Entry(id.clone()));
            joined.stale.push(id);
        }
    }
    Ok(joined)
}

/// Whether a removed recipient could have made a state. A state of another vault is refused: write access to the
/// vault's directory is enough to put it there.
fn asks(standing: &Vault<'_>, state: &Checked<'_>) -> Result<bool, Error> {
    match store::relation(standing, &state.vault)? {
        Relation::Same => Ok(false),
        Relation::Earlier => Ok(true),
        _ => Err(Error::NotACopy(state.pin.clone())),
    }
}

fn entries(context: &mut Context, args: &Undo, opened: &Opened, checked: Checked<'_>) -> Result<(), Error> {
    let saves = model::saves(&checked.vault);
    let mut entries = model::Entries::of(&checked.vault)?;
    let (mut stale, mut changed, mut is_asked) = (Vec::new(), Vec::new(), false);
    for name in &args.ids {
        let subject = Subject::parse(name).ok_or(Usage::Subject)?;
        let save = last_change(context, opened, (&saves, &checked.vault), &subject)?;
        let (before, after) = around(context, opened, save)?;
        let (before, after) = (state::look(context, opened, &before)?, state::look(context, opened, &after)?);
        is_asked |= asks(&checked.vault, &before)? | asks(&checked.vault, &after)?;
        let joined = reverted(&checked.vault, &before.vault, &after.vault)?;
        let has_conflict = |subject: &Subject| joined.conflicts.iter().any(|one| one.subject == *subject);
        let names = names(save, &subject);
        changed.extend(names.iter().filter(|name| has_conflict(name)).map(ToString::to_string));
        stale.extend(joined.stale.iter().filter(|id| names.contains(&Subject::Entry((*id).clone()))).cloned());
        names.iter().for_each(|subject| entries.take_from(&joined.entries, subject));
        let (before, after) = (before.vault.contents(), after.vault.contents());
        let only = |one: Contents<'_>, other: Contents<'_>| {
            let is_one = |subject: &&Subject| one.has(subject) && !other.has(subject);
            names.iter().find(is_one).and_then(|subject| match subject {
                Subject::Entry(id) => Some(id.clone()),
                Subject::Order(..) => None,
            })
        };
        entries.relist(only(after, before).as_ref(), only(before, after).as_ref(), before, after);
    }
    if !changed.is_empty() {
        return Err(Error::ChangedSince(changed));
    }
    tell_stale(context, &stale);
    let change = Change::of(Op::Restore(Box::new(entries)));
    finish(context, args, opened, checked, (change, is_asked), &stale)
}

/// The last save that changed a subject, on the path of `from` states back from the vault. A change that came with a
/// merge counts as made by the merge.
fn last_change<'s>(
    context: &mut Context,
    opened: &Opened,
    (saves, vault): (&'s [Save], &Vault<'_>),
    subject: &Subject,
) -> Result<&'s Save, Error> {
    let name = subject.to_string();
    let mut state = model::state_name(vault.generation, &vault.rev);
    while let Some(save) = saves.iter().find(|save| save.states().any(|one| one == state)) {
        if save.steps.iter().any(|step| step.names(&name) && !step.is_kept()) {
            return Ok(save);
        }
        // The record leaves out some of the changes, so the states are compared.
        if save.more > 0 {
            let (before, after) = around(context, opened, save)?;
            let (before, after) = (state::look(context, opened, &before)?, state::look(context, opened, &after)?);
            if before.vault.contents().differs(after.vault.contents(), subject) {
                return Ok(save);
            }
        }
        state.clone_from(&save.from);
    }
    Err(Error::NoChange(name))
}

/// Both names of a rename, or else the subject alone.
fn names(save: &Save, subject: &Subject) -> Vec<Subject> {
    let name = subject.to_string();
    let step = save.steps.iter().find(|step| step.names(&name));
    match step.and_then(model::Step::renamed) {
        Some((from, to)) => [from, to].into_iter().filter_map(Subject::parse).collect(),
        None => vec![subject.clone()],
    }
}

fn finish(
    context: &Context,
    args: &Undo,
    opened: &Opened,
    checked: Checked<'_>,
    (change, asks): (Change, bool),
    stale: &[SecretId],
) -> Result<(), Error> {
    let difference = preview(context, &checked.vault, &change);
    let mut handover = Handover::default();
    if difference.is_empty() {
        context.out.say("nothing to undo: entries and orders are the same");
    } else if !args.dry_run {
        if asks {
            context.out.warn("note: the earlier state predates the removal of a recipient, who could have written it");
            context.terminal.confirm("undo?")?;
        }
        handover = hand_over(context, &checked.vault.vault_id, &difference);
        let saved = context.save(opened, checked, change)?;
        context.out.say(&format!(
            "undone; the previous state is generation {}, and another undo restores it",
            saved.displaced
        ));
    }
    if context.out.json {
        context.out.json(&json_of(&difference, !args.dry_run, stale, None))?;
    }
    handover.tell(context);
    Ok(())
}

fn tell_stale(context: &Context, stale: &[SecretId]) {
    for id in stale {
        context.out.warn(&format!("note: {id}: left unchanged; its earlier refresh token has been superseded"));
    }
}
