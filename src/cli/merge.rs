//! `merge`: two states of one vault become one.

use super::args::Merge;
use super::context::{Context, Opened};
use super::restore::{hand_over, json_of, preview};
use super::{Error, Usage, git, state, words};
use crate::model::{Change, Label, Op, Subject, Vault, state_name};
use crate::ops::join::{Choice, Merged, Sides, merge};
use crate::store::{self, Checked, Joining, Place, Relation, Seen, Stray, Unreadable};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Another state of the vault.
struct Source {
    /// As it is spoken of.
    name: String,
    sealed: Vec<u8>,
    /// A copy that goes once the vault has all of it.
    copy: Option<Stray>,
    /// A state that both come from, if one is known.
    base: Option<Vec<u8>>,
}

/// Merges the files that are named, or what is found: what this host has saved and the vault does not come from, the
/// other side of a merge of git, and conflict copies beside the vault. One that cannot be merged does not stop the others.
///
/// # Errors
/// [`Error::Merge`] for what nobody has decided; another vault; a removal on the other side that nobody confirms.
pub fn run(context: &mut Context, args: &Merge) -> Result<(), Error> {
    let subjects = |names: &[String]| -> Result<BTreeSet<Subject>, Usage> {
        names.iter().map(|name| Subject::parse(name).ok_or(Usage::Subject)).collect()
    };
    let choice = Choice { ours: subjects(&args.ours)?, theirs: subjects(&args.theirs)? };
    let mut opened = context.open_with_all()?;
    let checked = context.check(&opened)?;
    let sources = if args.files.is_empty() { found(context, &opened, &checked)? } else { named(&args.files)? };
    drop(checked);
    if sources.is_empty() {
        context
            .out
            .say("nothing to merge: no conflict copy is beside the vault, and it comes from all that was saved here");
    }
    let is_chosen = !(choice.ours.is_empty() && choice.theirs.is_empty());
    if is_chosen && sources.len() > 1 {
        // What is meant for one of them would decide over the others unseen.
        return Err(Usage::ChooseForOne.into());
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for source in sources {
        let name = source.name.clone();
        match one(context, args, &choice, &opened, source) {
            Ok(told) => done.push(told),
            Err(error) => failed.push((name, error)),
        }
        opened = opened.close().open()?;
    }
    if context.out.json {
        let left: Vec<&String> = failed.iter().map(|(name, _)| name).collect();
        context.out.json(&json!({"version": 1, "merged": done, "left": left}))?;
    }
    let Some((name, last)) = failed.pop() else { return Ok(()) };
    for (name, error) in &failed {
        let words = words::of(error);
        context.out.warn(&format!("not merged: {name}: {}", words.what));
    }
    if !matches!(last, Error::Merge(..)) {
        context.out.warn(&format!("not merged: {name}"));
    }
    Err(last)
}

fn named(files: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let read = |path: &PathBuf| {
        let sealed = Place::at(path)?.read()?;
        Ok(Source { name: path.display().to_string(), sealed, copy: None, base: None })
    };
    files.iter().map(read).collect()
}

fn found(context: &Context, opened: &Opened, checked: &Checked<'_>) -> Result<Vec<Source>, Error> {
    let place = &opened.place;
    let mut all = Vec::new();
    for (state, sealed) in store::forks(place, &opened.seen, checked)? {
        all.push(Source { name: format!("generation {state}"), sealed, copy: None, base: None });
    }
    if let Some((base, sealed)) = git::other_side(context, place.path(), &checked.vault.vault_id)? {
        all.push(Source { name: "the other side in git".to_owned(), sealed, copy: None, base });
    }
    for copy in store::conflict_copies(place)? {
        match copy.read(place)? {
            Some(sealed) => {
                all.push(Source { name: copy.path.display().to_string(), sealed, copy: Some(copy), base: None });
            }
            None => context.out.warn(&format!("note: {} is no plain file, and passed over", copy.path.display())),
        }
    }
    Ok(all)
}

fn one(context: &mut Context, args: &Merge, choice: &Choice, opened: &Opened, source: Source) -> Result<Value, Error> {
    let Source { name, sealed, copy, base } = source;
    // What there is to be said of it was said.
    let checked = store::check(&context.local, &opened.place, &opened.seen, &context.policy)?;
    let seen = state::open_sealed(context, opened, sealed)?;
    let theirs = state::look(context, opened, &seen)?;
    let (ours, their) = (&checked.vault, &theirs.vault);
    let relation = store::relation(ours, their)?;
    if relation == Relation::Another {
        return Err(Error::NotACopy(theirs.pin.clone()));
    }
    let bases = match base {
        Some(base) => vec![state::open_sealed(context, opened, base)?],
        None => store::common(&opened.place, &opened.seen, ours, their)?,
    };
    let bases = bases.iter().map(|base| state::look(context, opened, base)).collect::<Result<Vec<_>, _>>()?;
    let bases: Vec<&Vault<'_>> =
        bases.iter().map(|base| &base.vault).filter(|base| store::is_base(base, ours, their)).collect();
    let merged = merge(Sides { bases: &bases, theirs: their, ours }, choice)?;
    let (change, joining, stale) = match merged {
        Merged::Nothing => {
            context.out.say(&format!("{name}: the vault comes from it already"));
            if let Some(copy) = copy.filter(|_| !args.dry_run) {
                if relation == Relation::Same {
                    store::keep_state(&opened.place, &seen, their, context.patience())?;
                    put_away(context, opened, &seen, their, &copy)?;
                } else {
                    context.out.warn(&format!(
                        "note: {} opens with keys that were removed since; remove it",
                        copy.path.display()
                    ));
                }
            }
            return Ok(json!({"from": name, "done": false}));
        }
        Merged::Conflicts(conflicts) => return Err(Error::Merge(name, conflicts)),
        Merged::Forward(entries) => (Change::of(Op::Restore(entries)), None, Vec::new()),
        Merged::Joins { joining, stale } => (joining.change.clone(), Some(joining), stale),
    };
    context.out.say(&format!("{name}:"));
    let difference = preview(context, ours, &change);
    if let Some(joining) = &joining {
        tell_recipients(context, joining);
        if difference.is_empty() && joining.removed.is_empty() && joining.added.is_empty() {
            context.out.say("adds nothing to the entries");
        }
    }
    for id in &stale {
        context.out.warn(&format!("note: {id}: left as it is, its refresh token there was superseded since"));
    }
    let told = json_of(&difference, !args.dry_run, &stale, Some(("from", json!(name))));
    if args.dry_run {
        return Ok(told);
    }
    // Counts of a state that somebody who was removed can have made say nothing.
    let is_sure = matches!(relation, Relation::Same | Relation::Later);
    confirm(context, relation, &theirs, checked.behind.is_some())?;
    let covered = checked.is_covered_by(their);
    let handover = hand_over(context, &ours.vault_id, &difference);
    store::keep_state(&opened.place, &seen, their, context.patience())?;
    let saved = if joining.is_some() {
        let resealing = relation != Relation::Same;
        let unreadable = if args.drop_unreadable { Unreadable::Drop } else { Unreadable::Refuse };
        let known = store::known_heirs(their);
        let saved = context.save_joined(opened, checked, change, covered, resealing.then_some((unreadable, known)))?;
        context.out.say(&format!("merged; what stood before is generation {}", saved.displaced));
        if !is_sure || relation == Relation::Later {
            context.out.say(&format!("the vault's fingerprint is now {}", saved.pin));
        }
        saved
    } else {
        context.save_forward(opened, checked, &seen, &change, covered)?
    };
    if joining.is_none() {
        let before = saved.displaced;
        context.out.say(&format!("took it, as it comes from this vault; what stood before is generation {before}"));
    }
    if let Some(copy) = copy {
        put_away(context, opened, &seen, &theirs.vault, &copy)?;
    }
    handover.tell(context);
    Ok(told)
}

/// Asks where somebody who was removed can have made the other state.
fn confirm(context: &Context, relation: Relation, theirs: &Checked<'_>, is_behind: bool) -> Result<(), Error> {
    match relation {
        Relation::Same | Relation::Later => Ok(()),
        Relation::Earlier if !is_behind => {
            context.out.warn("note: this state is from before a recipient was removed, who can have made it");
            context.terminal.confirm("merge it?")
        }
        Relation::Earlier => {
            context.out.warn(
                "warning: this state is from before a recipient was removed, who can have made it to hide that the vault is older than the last one seen here",
            );
            context.terminal.confirm_in_person("merge it?")
        }
        Relation::Apart | Relation::Another => {
            context.out.warn(&format!(
                "warning: recipients were removed on both sides, and one of them can have made this state; its fingerprint is {}",
                theirs.pin
            ));
            context.terminal.confirm_in_person("merge it?")
        }
    }
}

fn tell_recipients(context: &Context, joining: &Joining) {
    let say = |verb: &str, labels: &[Label]| {
        labels.iter().for_each(|label| context.out.say(&format!("{verb} recipient {}", label.as_str())));
    };
    say("adds", &joining.added);
    say("removes", &joining.removed);
    for label in &joining.left {
        context.out.warn(&format!(
            "note: recipient {} was added where a removal was not known, and is not taken; agevault recipients add takes it",
            label.as_str()
        ));
    }
}

/// Takes a conflict copy that is kept among the generations away from beside the vault.
fn put_away(context: &Context, opened: &Opened, seen: &Seen, theirs: &Vault<'_>, copy: &Stray) -> Result<(), Error> {
    store::remove_copy(&opened.place, copy, seen.sealed())?;
    let state = state_name(theirs.generation, &theirs.rev);
    context.out.say(&format!("moved {} to the generations, as {state}", copy.path.display()));
    Ok(())
}
