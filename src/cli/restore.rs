//! `restore` and `history`: what was kept, and bringing it back.

use super::Error;
use super::args::Restore;
use super::backup::open_snapshot;
use super::context::{Context, Opened};
use super::out::columns;
use crate::keys::Source;
use crate::model::{SecretId, Vault};
use crate::store::{self, Checked, Place, Policy, Seen, Snapshot};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Brings a snapshot back: everything where no vault is, entries where one stands.
pub fn run(context: &mut Context, args: &Restore) -> Result<(), Error> {
    let place = Place::prepare(context.vault_path())?;
    let from = source(&place, args)?;
    if place.exists()? { into_standing(context, args, &from) } else { into_empty(context, args, &place, &from) }
}

fn source(place: &Place, args: &Restore) -> Result<PathBuf, Error> {
    match (&args.path, args.generation) {
        (Some(path), _) => Ok(path.clone()),
        (None, number) => Ok(generation(place, number.unwrap_or_default())?.path),
    }
}

fn generation(place: &Place, number: u64) -> Result<Snapshot, Error> {
    let found = store::history(place)?.into_iter().rev().find(|snapshot| snapshot.generation == number);
    found.ok_or_else(|| store::Error::NoGeneration(number).into())
}

fn report<'a>(context: &Context, snapshot: &'a Opened) -> Result<Checked<'a>, Error> {
    let policy = Policy { report_only: true, ..context.policy.clone() };
    Ok(store::check(&context.local, &snapshot.place, &snapshot.seen, &policy)?)
}

fn into_empty(context: &mut Context, args: &Restore, place: &Place, from: &Path) -> Result<(), Error> {
    let snapshot = match own_key(args) {
        None => open_snapshot(context, from)?,
        key => with_own_key(context, from, key)?,
    };
    let checked = report(context, &snapshot)?;
    if context.policy.pin.as_ref().is_some_and(|pin| !checked.pin.matches(pin)) {
        return Err(store::Error::NotAuthentic(checked.pin).into());
    }
    let entries = checked.vault.entries();
    if args.dry_run {
        context.out.say(&format!("would restore a whole vault with {entries} entries"));
        return Ok(());
    }
    store::place_whole(&context.local, place, &snapshot.seen, &checked, context.patience())?;
    context.out.say(&format!("restored {} with {entries} entries", place.path().display()));
    context.out.say(&format!("fingerprint {}", checked.pin));
    Ok(())
}

fn into_standing(context: &mut Context, args: &Restore, from: &Path) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let snapshot = open_again(context, &opened, args, from)?;
    let old = report(context, &snapshot)?;
    let differences = differences(&checked.vault, &old.vault);
    let (change, same_vault) = store::restore_change(&checked.vault, &old.vault)?;
    if context.out.json {
        let [added, replaced, removed] = &differences;
        let done = !args.dry_run;
        context.out.json(&json!({
            "version": 1, "same_vault": same_vault, "done": done,
            "added": added, "replaced": replaced, "removed": removed,
        }))?;
    } else {
        for (verb, ids) in ["adds", "replaces", "removes"].iter().zip(&differences) {
            ids.iter().for_each(|id| context.out.say(&format!("{verb} {id}")));
        }
    }
    if !same_vault {
        context.out.warn(&format!("warning: not a snapshot of this vault: its fingerprint is {}", old.pin));
    }
    if args.dry_run {
        return Ok(());
    }
    if differences.iter().all(Vec::is_empty) {
        context.out.say("nothing to restore: the entries are the same");
        return Ok(());
    }
    let removed = differences.last().map_or(0, Vec::len);
    if !same_vault || removed > 0 {
        context.terminal.confirm("restore?")?;
    }
    let saved = context.save(&opened, checked, change)?;
    context.out.say(&format!("restored; what stood before is generation {}", saved.generation.saturating_sub(1)));
    Ok(())
}

/// The key that was named for the backup alone.
fn own_key(args: &Restore) -> Option<Source> {
    let passphrase = args.backup_passphrase_file.clone().map(Source::PassphraseFile);
    args.backup_identity.clone().map(Source::Identity).or(passphrase)
}

/// Opens a snapshot with the key that opened the vault, or else with its own.
fn open_again(context: &mut Context, opened: &Opened, args: &Restore, from: &Path) -> Result<Opened, Error> {
    let key = own_key(args);
    if key.is_none() {
        let place = Place::at(from)?;
        if let Ok(seen) = opened.seen.reopen(place.read()?) {
            return Ok(Opened { place, seen });
        }
    }
    with_own_key(context, from, key)
}

fn with_own_key(context: &mut Context, from: &Path, key: Option<Source>) -> Result<Opened, Error> {
    let place = Place::at(from)?;
    let sealed = place.read()?;
    let (plain, opener) = context.unlock_with(&sealed, place.path(), key)?;
    Ok(Opened { place, seen: Seen::new(sealed, plain, opener) })
}

/// Ids that a restore would add, replace and remove.
fn differences(standing: &Vault<'_>, old: &Vault<'_>) -> [Vec<String>; 3] {
    let now: BTreeSet<SecretId> = standing.ids().collect();
    let then: BTreeSet<SecretId> = old.ids().collect();
    let text = |vault: &Vault<'_>, id: &SecretId| vault.get(id).map(RawValue::get).map(str::to_owned);
    let names = |ids: Vec<&SecretId>| ids.into_iter().map(ToString::to_string).collect();
    let differs = |id: &&SecretId| text(standing, id) != text(old, id);
    [
        names(then.difference(&now).collect()),
        names(then.intersection(&now).filter(differs).collect()),
        names(now.difference(&then).collect()),
    ]
}

/// Lists the kept generations.
pub fn history(context: &Context) -> Result<(), Error> {
    let place = context.place()?;
    let all = store::history(&place)?;
    let time = |snapshot: &Snapshot| {
        let seconds = i64::try_from(snapshot.saved).unwrap_or_default();
        jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
    };
    if context.out.json {
        let one = |snapshot: &Snapshot| json!({"generation": snapshot.generation, "rev": snapshot.rev, "saved": snapshot.saved, "size": snapshot.size});
        let all: Vec<Value> = all.iter().map(one).collect();
        return context.out.json(&json!({"version": 1, "generations": all}));
    }
    let row =
        |snapshot: &Snapshot| vec![snapshot.generation.to_string(), time(snapshot), format!("{} bytes", snapshot.size)];
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    columns(&rows).iter().try_for_each(|line| context.out.line(line))
}

/// Shows the names in one generation.
pub fn show(context: &mut Context, number: u64) -> Result<(), Error> {
    let place = context.place()?;
    let snapshot = open_snapshot(context, &generation(&place, number)?.path)?;
    let checked = report(context, &snapshot)?;
    let ids: Vec<String> = checked.vault.ids().map(|id| id.to_string()).collect();
    if context.out.json {
        return context.out.json(&json!({"version": 1, "generation": number, "ids": ids}));
    }
    ids.iter().try_for_each(|id| context.out.line(id))
}
