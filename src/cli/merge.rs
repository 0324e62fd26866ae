//! `merge`: two states of one vault become one.

use super::args::Merge;
use super::context::{Context, Opened};
use super::restore::{hand_over, json_of, preview};
use super::{Error, Usage, git, state};
use crate::model::{Label, Subject, Vault, state_name};
use crate::ops::join::{Choice, Joined, Sides};
use crate::store::{self, Checked, Joining, Place, Relation, Seen, Unreadable};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Another state of the vault.
struct Source {
    /// As it is spoken of.
    name: String,
    sealed: Vec<u8>,
    /// A conflict copy, which goes once the vault has all of it.
    copy: Option<PathBuf>,
    /// A state that both come from, if one is known.
    base: Option<Vec<u8>>,
}

/// Merges the files that are named, or what is found: conflict copies beside the vault, the other side of a merge of
/// git, and what this host has saved and the vault does not come from.
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
    let sources = if args.files.is_empty() { found(&opened, &checked)? } else { named(&args.files)? };
    drop(checked);
    if sources.is_empty() {
        context
            .out
            .say("nothing to merge: no conflict copy is beside the vault, and it comes from all that was saved here");
    }
    let mut done = Vec::new();
    for source in sources {
        done.push(one(context, args, &choice, &opened, source)?);
        opened = opened.close().open()?;
    }
    if context.out.json {
        context.out.json(&json!({"version": 1, "merged": done}))?;
    }
    Ok(())
}

fn named(files: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let read = |path: &PathBuf| {
        let sealed = Place::at(path)?.read()?;
        Ok(Source { name: path.display().to_string(), sealed, copy: None, base: None })
    };
    files.iter().map(read).collect()
}

fn found(opened: &Opened, checked: &Checked<'_>) -> Result<Vec<Source>, Error> {
    let place = &opened.place;
    let mut all = Vec::new();
    for path in store::conflict_copies(place)? {
        let sealed = Place::at(&path)?.read()?;
        all.push(Source { name: path.display().to_string(), sealed, copy: Some(path), base: None });
    }
    if let Some((base, sealed)) = git::other_side(place.path()) {
        all.push(Source { name: "the other side in git".to_owned(), sealed, copy: None, base });
    }
    for (state, sealed) in store::forks(place, &opened.seen, checked)? {
        all.push(Source { name: format!("generation {state}"), sealed, copy: None, base: None });
    }
    Ok(all)
}

fn one(
    context: &mut Context,
    args: &Merge,
    choice: &Choice,
    opened: &Opened,
    source: Source,
) -> Result<serde_json::Value, Error> {
    let Source { name, sealed, copy, base } = source;
    // What there is to be said of it was said.
    let checked = store::check(&context.local, &opened.place, &opened.seen, &context.policy)?;
    let seen = state::open_sealed(context, opened, sealed)?;
    let theirs = state::look(context, opened, &seen)?;
    let (ours, their) = (&checked.vault, &theirs.vault);
    if store::relation(ours, their)? == Relation::Another {
        return Err(Error::NotACopy(theirs.pin.clone()));
    }
    if store::descends(ours, their) {
        context.out.say(&format!("{name}: the vault comes from it already"));
        if let Some(copy) = copy.filter(|_| !args.dry_run) {
            put_away(context, opened, &seen, their, &copy)?;
        }
        return Ok(json!({"from": name, "done": false}));
    }
    let base = match base {
        Some(base) => Some(state::open_sealed(context, opened, base)?),
        None => store::common(&opened.place, &opened.seen, ours, their)?,
    };
    let base = base.as_ref().map(|base| state::look(context, opened, base)).transpose()?;
    let base = base.as_ref().map(|base| &base.vault);
    let Joined { entries, conflicts, stale } = Sides { base, theirs: their, ours }.join(choice)?;
    context.out.say(&format!("{name}:"));
    if !conflicts.is_empty() {
        return Err(Error::Merge(conflicts));
    }
    let joining = store::joining(ours, their, base, entries)?;
    let difference = preview(context, ours, &joining.change);
    tell_recipients(context, &joining);
    for id in &stale {
        context.out.warn(&format!("note: {id}: left as it is, its refresh token there was superseded since"));
    }
    if difference.is_empty() && joining.removed.is_empty() && joining.added.is_empty() {
        context.out.say("adds nothing to the entries");
    }
    let told = json_of(&difference, !args.dry_run, &stale, Some(("from", json!(name))));
    if args.dry_run {
        return Ok(told);
    }
    confirm(context, store::relation(ours, their)?, &theirs)?;
    let handover = hand_over(context, &ours.vault_id, &difference);
    let covered = checked.is_covered_by(their);
    let resealing = !joining.removed.is_empty();
    let unreadable = if args.drop_unreadable { Unreadable::Drop } else { Unreadable::Refuse };
    let saved = context.save_joined(opened, checked, joining.change, covered, resealing.then_some(unreadable))?;
    context.out.say(&format!("merged; what stood before is generation {}", saved.displaced));
    if resealing {
        context.out.say(&format!("the vault's fingerprint is now {}", saved.pin));
    }
    if let Some(copy) = copy {
        put_away(context, opened, &seen, &theirs.vault, &copy)?;
    }
    handover.tell(context);
    Ok(told)
}

/// Asks where somebody who was removed can have made the other state.
fn confirm(context: &Context, relation: Relation, theirs: &Checked<'_>) -> Result<(), Error> {
    match relation {
        Relation::Same | Relation::Later => Ok(()),
        Relation::Earlier => {
            context.out.warn("note: this state is from before a recipient was removed, who can have made it");
            context.terminal.confirm("merge it?")
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
            "note: recipient {} is of that side alone, and not taken; agevault recipients add takes it",
            label.as_str()
        ));
    }
}

/// Keeps a conflict copy among the generations, and takes it away from beside the vault.
fn put_away(context: &Context, opened: &Opened, seen: &Seen, theirs: &Vault<'_>, copy: &Path) -> Result<(), Error> {
    store::put_away(&opened.place, seen, theirs, copy, context.patience())?;
    let state = state_name(theirs.generation, &theirs.rev);
    context.out.say(&format!("moved {} to the generations, as {state}", copy.display()));
    Ok(())
}
