//! `merge`: two states of one vault become one.

use super::args::Merge;
use super::context::{Context, Opened};
use super::restore::{hand_over, json_of, own_key, preview};
use super::{Error, Usage, git, state, words};
use crate::keys;
use crate::model::{Change, Label, Op, Subject, Vault, saves, state_name};
use crate::ops::join::{Choice, Conflict, Merged, Sides, merge};
use crate::seal::Opener;
use crate::store::{self, Checked, Joining, Place, Relation, Seen, Stray, Trust, Unreadable};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The other side of a merge of git, as it is spoken of.
pub const OF_GIT: &str = "the other side in git";

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

/// Merges the states that are named, or what is found: what this host has saved and the vault does not come from, the
/// other side of a merge of git, and conflict copies beside the vault. One that cannot be merged does not stop the others.
///
/// # Errors
/// [`Error::Merge`] for what nobody has decided; another vault; a removal on the other side that nobody confirms.
pub fn run(context: &mut Context, args: &Merge) -> Result<(), Error> {
    let subjects = |names: &[String]| -> Result<BTreeSet<Subject>, Usage> {
        names.iter().map(|name| Subject::parse(name).ok_or(Usage::Subject)).collect()
    };
    let choice = Choice { ours: subjects(&args.ours)?, theirs: subjects(&args.theirs)? };
    let mut opened = open(context)?;
    let checked = context.check(&opened)?;
    let sources = if args.files.is_empty() { found(context, &opened, &checked)? } else { named(&opened, &args.files)? };
    let vault_id = checked.vault.vault_id.clone();
    drop(checked);
    if sources.is_empty() {
        context
            .out
            .say("nothing to merge: no conflict copy is beside the vault, and it comes from all that was saved here");
        if git::is_unknown(context, opened.place.path(), &vault_id)? {
            context.out.warn(
                "note: it lies in a repository of git; after agevault git install there, merge looks at the other side of a merge of git too",
            );
        }
    }
    let mut choice = Some(choice).filter(|choice| !(choice.ours.is_empty() && choice.theirs.is_empty()));
    if choice.is_some() && args.files.len() > 1 {
        // What is meant for one of them would decide over the others unseen.
        return Err(Usage::ChooseForOne.into());
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for source in sources {
        let (name, is_named) = (source.name.clone(), !args.files.is_empty());
        match one(context, args, (&mut choice, is_named), &opened, source) {
            Ok(told) => done.push(told),
            Err(error @ Error::Merge(..)) => failed.push((name, error)),
            Err(error) => failed.push((name.clone(), Error::Of(name, Box::new(error)))),
        }
        opened = opened.close().open()?;
    }
    if context.out.json {
        let left: Vec<&String> = failed.iter().map(|(name, _)| name).collect();
        context.out.json(&json!({"version": 1, "merged": done, "left": left}))?;
    }
    let Some((_, last)) = failed.pop() else { return Ok(()) };
    failed.iter().for_each(|(_, error)| context.out.warn(&format!("not merged: {}", words::of(error).what)));
    Err(last)
}

/// Opens the vault. Where a state from before a change of keys was put in its place, the newest kept state that this host
/// knows takes that again, and the other one is kept aside, to be merged.
fn open(context: &mut Context) -> Result<Opened, Error> {
    use store::Error::Retired;
    let error = match context.open_with_all() {
        Ok(opened) => match store::check(&context.local, &opened.place, &opened.seen, &context.policy) {
            Err(error @ Retired(_)) => error.into(),
            _ => return Ok(opened),
        },
        Err(error @ Error::Keys(keys::Error::Wrong(_) | keys::Error::NoKey(_) | keys::Error::NoneOf(_))) => error,
        Err(error) => return Err(error),
    };
    let place = context.place()?;
    let Some((state, seen)) = newest_known(context, &place)? else { return Err(error) };
    context.out.warn(&format!("warning: {}", words::of(&error).what));
    context.terminal.confirm(&format!(
        "put generation {state}, the newest that this host knows, back, and merge what stands here?"
    ))?;
    let aside = store::set_aside(&place, context.patience())?;
    let report = store::Policy { report_only: true, ..context.policy.clone() };
    let checked = store::check(&context.local, &place, &seen, &report)?;
    store::place_whole(&context.local, &place, &seen, &checked, context.patience())?;
    drop(checked);
    context.out.say(&format!("generation {state} stands here again; what stood here is {}", aside.display()));
    Ok(Opened { place, seen })
}

/// The newest kept state under the secret that this host knows.
fn newest_known(context: &mut Context, place: &Place) -> Result<Option<(String, Seen)>, Error> {
    let Some(id) = context.known_id()? else { return Ok(None) };
    let mut opener: Option<Opener> = None;
    for snapshot in store::history(place)?.iter().rev() {
        let sealed = snapshot.read()?;
        let opened = match &opener {
            Some(opener) => opener.open(&sealed).ok().map(|plain| (plain, opener.clone())),
            None => context.unlock(&sealed, place.path()).ok(),
        };
        let Some((plain, by)) = opened else { continue };
        let seen = Seen::new(sealed, plain, by.clone());
        opener = Some(by);
        let checked = store::check(&context.local, place, &seen, &context.policy);
        let is_known = checked.is_ok_and(|checked| checked.trust == Trust::Known && checked.vault.vault_id == id);
        if is_known {
            return Ok(Some((snapshot.state(), seen)));
        }
    }
    Ok(None)
}

fn named(opened: &Opened, files: &[String]) -> Result<Vec<Source>, Error> {
    let read = |name: &String| {
        let path = Path::new(name);
        let sealed = if state::is_generation(name) && !path.exists() {
            state::generation(&opened.place, name)?.read()?
        } else {
            Place::at(path)?.read()?
        };
        Ok(Source { name: name.clone(), sealed, copy: None, base: None })
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
        all.push(Source { name: OF_GIT.to_owned(), sealed, copy: None, base });
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

fn one(
    context: &mut Context,
    args: &Merge,
    (choice, is_named): (&mut Option<Choice>, bool),
    opened: &Opened,
    source: Source,
) -> Result<Value, Error> {
    let Source { name, sealed, copy, base } = source;
    let is_git = name == OF_GIT;
    // What there is to be said of it was said.
    let checked = store::check(&context.local, &opened.place, &opened.seen, &context.policy)?;
    let key = own_key(args.backup_identity.as_ref(), args.backup_passphrase_file.as_ref());
    let seen = state::open_other(context, opened, sealed, key)?;
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
    let sides = Sides { bases: &bases, theirs: their, ours };
    // For what was found a choice is for the first conflict alone: it must not decide over another one unseen.
    let given = choice.take_if(|_| is_named).unwrap_or_default();
    let mut merged = merge(sides, &given)?;
    if matches!(merged, Merged::Conflicts(_))
        && let Some(choice) = choice.take()
    {
        merged = merge(sides, &choice)?;
    }
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
        Merged::Conflicts(conflicts) => return Err(Error::Merge(name, told(ours, their, conflicts))),
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
        let saved = context.save_joined(
            opened,
            checked,
            change,
            covered,
            resealing.then_some((unreadable, known, seen.opener())),
        )?;
        context.out.say(&format!("merged; what stood before is generation {}", saved.displaced));
        if !is_sure || relation == Relation::Later {
            context.out.say(&format!("the vault's fingerprint is now {}", saved.pin));
        }
        saved
    } else {
        context.save_forward(opened, checked, &seen, covered)?
    };
    if joining.is_none() {
        let before = saved.displaced;
        context.out.say(&format!("took it, as it comes from this vault; what stood before is generation {before}"));
    }
    if let Some(copy) = copy {
        put_away(context, opened, &seen, &theirs.vault, &copy)?;
    }
    if is_git {
        context.out.say("git add and git commit settle it in git");
    }
    handover.tell(context);
    Ok(told)
}

/// Conflicts, each with who saved it when.
pub fn told(ours: &Vault<'_>, theirs: &Vault<'_>, conflicts: Vec<Conflict>) -> Vec<(Conflict, String)> {
    let last = |of: &Vault<'_>, name: &str| {
        let save = saves(of).into_iter().rfind(|save| save.steps.iter().any(|step| step.names(name)))?;
        Some(format!("of {} at {}", save.machine, words::time(i64::try_from(save.at).unwrap_or_default())))
    };
    let sides = |conflict: &Conflict| {
        let name = conflict.subject.to_string();
        let (here, there) = (last(ours, &name), last(theirs, &name));
        here.zip(there).map(|(here, there)| format!("ours {here}, theirs {there}")).unwrap_or_default()
    };
    conflicts.into_iter().map(|conflict| (conflict.clone(), sides(&conflict))).collect()
}

/// Asks where somebody who was removed can have made the other state.
fn confirm(context: &Context, relation: Relation, theirs: &Checked<'_>, is_behind: bool) -> Result<(), Error> {
    match relation {
        Relation::Same | Relation::Later => Ok(()),
        Relation::Earlier if !is_behind => {
            context
                .out
                .warn("note: this state is from before a recipient was removed, and may have been written by that one");
            context.terminal.confirm("merge it?")
        }
        Relation::Earlier => {
            context.out.warn(
                "warning: the vault is older than the last one seen here, and this state, from before a recipient was removed, may have been written by that one",
            );
            context.terminal.confirm_in_person("merge it?")
        }
        Relation::Apart | Relation::Another => {
            context.out.warn(&format!(
                "warning: recipients were removed on both sides, and this state may have been written by one of them; its fingerprint is {}",
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
