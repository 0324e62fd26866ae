//! `merge`: merges other states of a vault into it.

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

/// The name of the other side of a git merge in messages.
pub const OF_GIT: &str = "the other side in git";

/// Another state, to be merged into the vault.
struct Source {
    /// Its name in messages.
    name: String,
    sealed: Vec<u8>,
    /// The conflict copy to remove once the vault has all of it.
    copy: Option<Stray>,
    /// The merge base that git has recorded, if any.
    base: Option<Vec<u8>>,
}

/// Merges the named states, or else those that are found: states accepted on this host that are not ancestors of the
/// vault, the other side of a git merge, and conflict copies beside the vault. A state that cannot be merged does not
/// stop the others.
///
/// # Errors
/// [`Error::Merge`] for unresolved conflicts; a state of another vault; a confirmation that was declined.
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
        context.out.say(
            "nothing to merge: there is no conflict copy beside the vault, and it includes every save of this host",
        );
        if git::is_unknown(context, opened.place.path(), &vault_id)? {
            context.out.warn(
                "note: the vault is in a git repository; after agevault git install, agevault merge also reads the other side of an unfinished git merge",
            );
        }
    }
    let mut choice = Some(choice).filter(|choice| !(choice.ours.is_empty() && choice.theirs.is_empty()));
    if choice.is_some() && args.files.len() > 1 {
        // A choice meant for one state would silently apply to the others.
        return Err(Usage::ChooseForOne.into());
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for source in sources {
        let (name, is_named, is_kept) =
            (source.name.clone(), !args.files.is_empty(), source.copy.as_ref().is_some_and(Stray::is_kept));
        match one(context, args, (&mut choice, is_named), &opened, source) {
            Ok(told) => done.push(told),
            Err(error @ Error::Merge(..)) => failed.push((name, error)),
            // `restore` keeps a damaged vault in the generations directory.
            Err(error) if is_kept && words::of(&error).exit == words::exit::DAMAGED => {
                context.out.warn(&format!("note: {name} was skipped: it is damaged, or not an age file"));
            }
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

/// Opens the vault. If a state from before a key change has replaced it, the newest kept state that this host knows is
/// put back after confirmation, and the other one is set aside to be merged.
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
        "restore generation {state}, the newest that this host knows, and merge the current file into it?"
    ))?;
    let report = store::Policy { report_only: true, ..context.policy.clone() };
    let checked = store::check(&context.local, &place, &seen, &report)?;
    let aside = store::place_whole(&context.local, &place, &seen, &checked, (context.patience(), true))?;
    drop(checked);
    let aside = aside.map(|aside| format!("; the file that it replaced is now {}", aside.display()));
    context.out.say(&format!("restored generation {state}{}", aside.unwrap_or_default()));
    Ok(Opened { place, seen })
}

/// The newest kept state whose vault secret this host knows.
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
            None => context.out.warn(&format!("note: {} was skipped: not a regular file", copy.path.display())),
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
    // Checked without warnings: `run` has already printed them.
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
    // Among found states a choice applies only to the first that conflicts: it must not silently resolve another one.
    let given = choice.take_if(|_| is_named).unwrap_or_default();
    let mut merged = merge(sides, &given)?;
    if matches!(merged, Merged::Conflicts(_))
        && let Some(choice) = choice.take()
    {
        merged = merge(sides, &choice)?;
    }
    let (change, joining, stale) = match merged {
        Merged::Nothing => {
            context.out.say(&format!("{name}: already merged"));
            if let Some(copy) = copy.filter(|_| !args.dry_run) {
                if relation == Relation::Same {
                    store::keep_state(&opened.place, &seen, their, context.patience())?;
                    put_away(context, opened, &seen, their, &copy)?;
                } else {
                    context.out.warn(&format!(
                        "note: {} can still be opened with keys that were removed since; delete it",
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
        let lists = [&joining.removed, &joining.added, &joining.changed];
        if difference.is_empty() && lists.iter().all(|labels| labels.is_empty()) {
            context.out.say("no entries change");
        }
    }
    for id in &stale {
        context
            .out
            .warn(&format!("note: {id}: left unchanged; the refresh token of the other state has been superseded"));
    }
    let told = json_of(&difference, !args.dry_run, &stale, Some(("from", json!(name))));
    if args.dry_run {
        return Ok(told);
    }
    confirm(context, relation, &theirs, checked.behind.is_some())?;
    let covered = checked.is_covered_by(their);
    let handover = hand_over(context, &ours.vault_id, &difference);
    let is_new = store::keep_state(&opened.place, &seen, their, context.patience())?;
    if joining.is_some() {
        let resealing = relation != Relation::Same;
        let unreadable = if args.drop_unreadable { Unreadable::Drop } else { Unreadable::Refuse };
        let known = if relation == Relation::Later { store::known_heirs(their) } else { Vec::new() };
        let keys = resealing.then_some((unreadable, known, seen.opener()));
        let outcome = context.save_joined(opened, checked, change, covered, keys);
        let is_saved = matches!(outcome, Ok(_) | Err(Error::Store(store::Error::AfterSave(_))));
        if resealing && is_new && !is_saved {
            // It may be readable by a removed recipient.
            store::drop_state(&opened.place, &seen, context.patience())?;
        }
        let saved = outcome?;
        context.out.say(&format!("merged; the previous state is generation {}", saved.displaced));
        if relation != Relation::Same {
            context.out.say(&format!("the vault's fingerprint is now {}", saved.pin));
        }
    } else {
        let saved = context.save_forward(opened, checked, &seen, covered)?;
        context.out.say(&format!("fast-forwarded; the previous state is generation {}", saved.displaced));
    }
    if let Some(copy) = copy {
        put_away(context, opened, &seen, &theirs.vault, &copy)?;
    }
    if is_git {
        context.out.say("conclude the merge in git with git add and git commit");
    }
    handover.tell(context);
    Ok(told)
}

/// Conflicts, each with the host and time of the last save on both sides.
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

/// Asks for confirmation if a removed recipient could have made the other state.
fn confirm(context: &Context, relation: Relation, theirs: &Checked<'_>, is_behind: bool) -> Result<(), Error> {
    match relation {
        Relation::Same | Relation::Later => Ok(()),
        Relation::Earlier if !is_behind => {
            context.out.warn("note: this state predates the removal of a recipient, who could have written it");
            context.terminal.confirm("merge it?")
        }
        Relation::Earlier => {
            context.out.warn(
                "warning: the vault is older than the last one seen here, and this state predates the removal of a recipient, who could have written it",
            );
            context.terminal.confirm_in_person("merge it?")
        }
        Relation::Apart | Relation::Another => {
            context.out.warn(&format!(
                "warning: recipients were removed on both sides, and one of them could have written this state; its fingerprint is {}",
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
    say("changes the key of", &joining.changed);
    for label in &joining.left {
        context.out.warn(&format!(
            "note: recipient {} was added on a side that did not know of a removal, and was left out; agevault recipients add adds it",
            label.as_str()
        ));
    }
}

/// Removes a conflict copy from beside the vault once it is kept among the generations.
fn put_away(context: &Context, opened: &Opened, seen: &Seen, theirs: &Vault<'_>, copy: &Stray) -> Result<(), Error> {
    store::remove_copy(&opened.place, copy, seen.sealed())?;
    let state = state_name(theirs.generation, &theirs.rev);
    context.out.say(&format!("moved {} to the kept generations as {state}", copy.path.display()));
    Ok(())
}
