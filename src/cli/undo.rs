//! `undo`: reverts the last save of this host, or the last change of named entries.

use super::args::Undo;
use super::context::{Context, Opened};
use super::handover::Handover;
use super::restore::{hand_over, json_of, preview};
use super::{Error, Usage, state, words};
use crate::model::{self, Change, Op, Save, SecretId, Subject, Vault};
use crate::ops::join::{Choice, Joined, Sides};
use crate::store::{self, Checked, Relation};

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
    let before = state::open_kept(context, opened, &save.from)?;
    let after = state::open_kept(context, opened, &save.to)?;
    let (before, after) = (state::look(context, opened, &before)?, state::look(context, opened, &after)?);
    let asks = asks(&checked.vault, &before)? | asks(&checked.vault, &after)?;
    // The state after the save is the merge base, so that later changes are preserved.
    let sides = Sides { bases: &[&after.vault], theirs: &before.vault, ours: &checked.vault };
    let Joined { entries, conflicts, stale } = sides.join(&Choice::default())?;
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
    let lineage = store::Lineage::of(&checked.vault)?;
    let (mut stale, mut is_asked) = (Vec::new(), false);
    for name in &args.ids {
        let subject = Subject::parse(name).ok_or(Usage::Subject)?;
        let text = subject.to_string();
        let save: &Save = saves
            .iter()
            .rfind(|save| save.steps.iter().any(|step| step.names(&text)))
            .ok_or_else(|| Error::NoChange(text.clone()))?;
        // A rename has two names: both are restored to what they were.
        let both = save.steps.iter().filter(|step| step.names(&text)).find_map(|step| step.renamed());
        let subjects = match both {
            Some((from, to)) => [from, to].into_iter().filter_map(Subject::parse).collect(),
            None => vec![subject.clone()],
        };
        let before = state::open_kept(context, opened, &save.from)?;
        let before = state::look(context, opened, &before)?;
        is_asked |= asks(&checked.vault, &before)?;
        if let Subject::Entry(id) = &subject
            && is_stale(&lineage, &before.vault, id)
        {
            stale.push(id.clone());
            continue;
        }
        let then = model::Entries::of(&before.vault)?;
        subjects.iter().for_each(|subject| entries.take_from(&then, subject));
    }
    tell_stale(context, &stale);
    let change = Change::of(Op::Restore(Box::new(entries)));
    finish(context, args, opened, checked, (change, is_asked), &stale)
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

fn is_stale(lineage: &store::Lineage, before: &Vault<'_>, id: &SecretId) -> bool {
    before.get(id).is_some_and(|raw| lineage.is_old(id, raw))
}

fn tell_stale(context: &Context, stale: &[SecretId]) {
    for id in stale {
        context.out.warn(&format!("note: {id}: left unchanged; its earlier refresh token has been superseded"));
    }
}
