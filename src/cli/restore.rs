//! `restore`: bringing back what was kept.

use super::Error;
use super::args::Restore;
use super::backup::open_snapshot;
use super::context::{Context, Opened};
use super::handover::Handover;
use super::state::generation;
use super::{Usage, words};
use crate::keys::{self, Source};
use crate::model::{Change, Difference, Entries, SecretId, Subject, Vault};
use crate::store::{self, Checked, Kin, Place, Policy, Restoring, Seen, Trust};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Brings a snapshot back: everything where no vault is or none can be opened, entries where
/// one stands.
pub fn run(context: &mut Context, args: &Restore) -> Result<(), Error> {
    let place = Place::prepare(context.vault_path())?;
    let from = source(&place, args)?;
    if !place.exists()? && !args.only.is_empty() {
        return Err(Error::NoVault(place.path().to_owned(), None));
    }
    if !place.exists()? {
        return into_empty(context, args, &place, &from, false);
    }
    // Only what is wrong with the standing vault itself: nothing in a backup may displace it.
    let opened = match context.open() {
        Err(error) if is_damaged(&error) => return over_damaged(context, args, &place, &from, &error),
        other => other?,
    };
    match context.check(&opened) {
        Err(error) if is_damaged(&error) => over_damaged(context, args, &place, &from, &error),
        Err(error) => Err(error),
        Ok(checked) => into_standing(context, args, &opened, checked, &from),
    }
}

/// Whether the standing vault cannot be opened by anybody.
fn is_damaged(error: &Error) -> bool {
    use crate::model::Error::Malformed;
    use crate::seal::Error::{Bound, Damaged, NotAge};
    matches!(
        error,
        Error::Keys(keys::Error::Seal(Damaged | NotAge | Bound(..)))
            | Error::Store(store::Error::Model(Malformed { .. }))
    )
}

/// The standing file is kept beside, and the snapshot takes its place whole.
fn over_damaged(context: &mut Context, args: &Restore, place: &Place, from: &Path, error: &Error) -> Result<(), Error> {
    context.out.warn(&format!("the current vault cannot be opened: {}", words::of(error).what));
    into_empty(context, args, place, from, true)
}

fn source(place: &Place, args: &Restore) -> Result<PathBuf, Error> {
    match (&args.path, &args.generation) {
        (Some(path), _) => Ok(path.clone()),
        (None, name) => Ok(generation(place, name.as_deref().unwrap_or_default())?.path),
    }
}

/// Checks a snapshot. A pin that does not match is not an error.
pub fn report<'a>(context: &Context, snapshot: &'a Opened) -> Result<Checked<'a>, Error> {
    let policy = Policy { report_only: true, ..context.policy.clone() };
    Ok(store::check(&context.local, &snapshot.place, &snapshot.seen, &policy)?)
}

fn into_empty(context: &mut Context, args: &Restore, place: &Place, from: &Path, replaces: bool) -> Result<(), Error> {
    let snapshot = match own_key(args.backup_identity.as_ref(), args.backup_passphrase_file.as_ref()) {
        None => undamaged(open_snapshot(context, from))?,
        key => with_own_key(context, from, key)?,
    };
    let checked = undamaged(report(context, &snapshot))?;
    believe_whole(context, place, &checked)?;
    if undamaged(report(context, &snapshot))?.trust != checked.trust {
        // Another command came to know the vault while a question stood there.
        return Err(store::Error::NotAuthentic(checked.pin).into());
    }
    // What no save could take must not become the vault.
    undamaged(Entries::of(&checked.vault).map_err(Error::from))?;
    let entries = words::count(checked.vault.entries(), "entry", "entries");
    let mut handover = Handover::default();
    if !args.dry_run {
        if replaces {
            context.terminal.confirm("keep the damaged file aside and restore the whole vault?")?;
        }
        let patience = context.patience();
        let kept = store::place_whole(&context.local, place, &snapshot.seen, &checked, (patience, replaces))?;
        let kept = kept.map(|kept| format!("; the previous file is {}", kept.display())).unwrap_or_default();
        context.out.say(&format!("restored {} with {entries}{kept}", place.path().display()));
        context.out.say(&format!("fingerprint {}", checked.pin));
        handover.note_ids(context, &checked.vault.vault_id, &[], &BTreeSet::new(), true);
    } else if !context.out.json {
        context.out.say(&format!("would restore a whole vault with {entries}"));
    }
    if context.out.json {
        let (entries, fingerprint) = (checked.vault.entries(), checked.pin.to_string());
        let done = !args.dry_run;
        context.out.json(&json!({"version": 1, "done": done, "entries": entries, "fingerprint": fingerprint}))?;
    }
    handover.tell(context);
    Ok(())
}

/// A backup that takes the place of a vault is believed if this host knows it and nothing else there,
/// if the key at hand has saved it, or if its fingerprint was given or is confirmed. One from before a removal brings the removed key back: that
/// is told, and needs a yes. Anybody who knows a public key can make a file that looks like one.
fn believe_whole(context: &Context, place: &Place, checked: &Checked<'_>) -> Result<(), Error> {
    let given = context.policy.pin.as_ref().is_some_and(|pin| checked.pin.matches(pin));
    let other = place.held_another(&context.local, &checked.vault.vault_id)?.is_some();
    match checked.trust {
        _ if other && !given => Err(store::Error::NotAuthentic(checked.pin.clone()).into()),
        Trust::Misfit if context.policy.pin.is_some() && !given => Err(Error::BackupPin(checked.pin.clone())),
        Trust::Misfit if store::is_retired(&context.local, checked)? => {
            let labels: Vec<&str> = checked.vault.recipients.iter().map(|have| have.label.as_str()).collect();
            context.out.warn("warning: this backup is from before a recipient was removed, who can have made it");
            context
                .out
                .warn(&format!("         and who could open the vault again; it opens with: {}", labels.join(", ")));
            context.terminal.confirm("restore it?")
        }
        Trust::Misfit => Err(store::Error::NotAuthentic(checked.pin.clone()).into()),
        Trust::Succeeded if context.policy.pin.is_some() && !given => former(context, &checked.pin),
        Trust::Known | Trust::Succeeded | Trust::Given | Trust::Tagged => Ok(()),
        Trust::GivenFormer => former(context, &checked.pin),
        // Whoever knows a public key of the backup's owner could have made it.
        Trust::New if context.terminal.present() => {
            context.compare("the vault in the backup was never used on this host", &checked.pin)
        }
        Trust::New => Err(Error::UnknownBackup(checked.pin.clone())),
    }
}

/// A backup that follows from a fingerprint that was given: with the secret of then one who was removed since could have
/// made all of it.
fn former(context: &Context, pin: &store::Pin) -> Result<(), Error> {
    if !context.terminal.present() {
        return Err(Error::UnknownBackup(pin.clone()));
    }
    context.terminal.confirm_in_person(&format!(
        "--pin names a fingerprint from before a recipient was removed, who could have made this backup too; its own is\n\
         {pin}\nrestore it?"
    ))
}

/// What is wrong with a snapshot, told as such.
pub(super) fn undamaged<T>(opened: Result<T, Error>) -> Result<T, Error> {
    use crate::seal;
    opened.map_err(|error| match error {
        Error::Keys(keys::Error::Seal(seal::Error::Damaged)) => Error::DamagedBackup,
        Error::Keys(keys::Error::Seal(seal::Error::NotAge)) => Error::NoBackup,
        Error::Keys(keys::Error::Seal(error)) => error.into(),
        Error::Store(store::Error::Model(crate::model::Error::Malformed { .. })) => Error::DamagedBackup,
        other => other,
    })
}

fn into_standing(
    context: &mut Context,
    args: &Restore,
    opened: &Opened,
    checked: Checked<'_>,
    from: &Path,
) -> Result<(), Error> {
    let snapshot = open_again(context, opened, args, from)?;
    let old = undamaged(report(context, &snapshot))?;
    let only =
        args.only.iter().map(|name| Subject::parse(name).ok_or(Usage::Subject)).collect::<Result<Vec<_>, _>>()?;
    let only = (!only.is_empty()).then_some(only);
    let restoring = store::restore_change(&checked.vault, &old.vault, only.as_deref());
    let Restoring { change, kin, superseded } = undamaged(restoring.map_err(Error::from))?;
    let difference = preview(context, &checked.vault, &change);
    for id in &superseded {
        context.out.warn(&format!("note: {id}: left as it is, its refresh token in the snapshot was superseded since"));
    }
    let nothing = difference.is_empty();
    match kin {
        _ if nothing => {}
        Kin::Same => {}
        Kin::Retired => {
            context.out.warn("note: this snapshot is from before a recipient was removed, who can have made it");
        }
        Kin::Another => {
            context.out.warn(&format!("warning: not a snapshot of this vault: its fingerprint is {}", old.pin));
        }
    }
    let mut handover = Handover::default();
    if !args.dry_run && !nothing {
        if kin == Kin::Another {
            // The fingerprint was just shown.
            context.terminal.confirm_in_person("take entries of that vault?")?;
        } else if kin != Kin::Same || !difference.removed.is_empty() {
            context.terminal.confirm("restore?")?;
        }
        handover = hand_over(context, &checked.vault.vault_id, &difference);
        let saved = context.save(opened, checked, change)?;
        context.out.say(&format!("restored; the previous state is generation {}", saved.displaced));
    } else if nothing {
        context.out.say("nothing to restore: entries and orders are the same");
    }
    if context.out.json {
        let same = ("same_vault", json!(kin != Kin::Another));
        context.out.json(&json_of(&difference, !args.dry_run, &superseded, Some(same)))?;
    }
    handover.tell(context);
    Ok(())
}

/// Prints what a change does to entries and orders, and returns the difference.
pub fn preview(context: &Context, standing: &Vault<'_>, change: &Change) -> Difference {
    let Some(entries) = change.entries() else { return Difference::default() };
    let difference = standing.contents().difference(entries.contents());
    if !context.out.json {
        let Difference { added, changed, removed, .. } = &difference;
        for (verb, ids) in ["adds", "replaces", "removes"].iter().zip([added, changed, removed]) {
            ids.iter().for_each(|id| context.out.say(&format!("{verb} {id}")));
        }
        orders(&difference).for_each(|order| context.out.say(&format!("changes the {}", words::plain(&order))));
    }
    difference
}

fn orders(difference: &Difference) -> impl Iterator<Item = String> + '_ {
    difference.orders.iter().map(|(scope, provider)| format!("order of {provider} for {}", scope.as_str()))
}

/// What a connected gateway has to do about a difference.
pub fn hand_over(context: &Context, vault_id: &str, difference: &Difference) -> Handover {
    let mut handover = Handover::default();
    let put: Vec<&SecretId> = difference.added.iter().chain(&difference.changed).collect();
    let removed = difference.removed.iter().map(ToString::to_string).collect();
    handover.note_ids(context, vault_id, &put, &removed, !difference.orders.is_empty());
    handover
}

/// The difference as JSON, with an extra member of the command.
pub fn json_of(
    difference: &Difference,
    done: bool,
    superseded: &[SecretId],
    own: Option<(&str, serde_json::Value)>,
) -> serde_json::Value {
    let Difference { added, changed, removed, .. } = difference;
    let mut all = json!({
        "version": 1, "done": done, "added": names(added), "replaced": names(changed), "removed": names(removed),
        "orders": orders(difference).collect::<Vec<_>>(), "superseded": names(superseded),
    });
    if let Some(((name, value), members)) = own.zip(all.as_object_mut()) {
        members.insert(name.to_owned(), value);
    }
    all
}

fn names<'i>(ids: impl IntoIterator<Item = &'i SecretId>) -> Vec<String> {
    ids.into_iter().map(ToString::to_string).collect()
}

/// The key that was named for the backup alone.
pub fn own_key(identity: Option<&PathBuf>, passphrase: Option<&PathBuf>) -> Option<Source> {
    identity.cloned().map(Source::Identity).or_else(|| passphrase.cloned().map(Source::PassphraseFile))
}

/// Opens a snapshot with the key that opened the vault, or else with its own.
fn open_again(context: &mut Context, opened: &Opened, args: &Restore, from: &Path) -> Result<Opened, Error> {
    use crate::seal::Error as Sealed;
    let key = own_key(args.backup_identity.as_ref(), args.backup_passphrase_file.as_ref());
    if key.is_none() {
        let place = Place::at(from)?;
        match opened.seen.reopen(place.read()?) {
            Ok(seen) => return Ok(Opened { place, seen }),
            Err(store::Error::Seal(Sealed::NoMatch)) => {}
            Err(store::Error::Seal(Sealed::Damaged)) => return Err(Error::DamagedBackup),
            Err(store::Error::Seal(Sealed::NotAge)) => return Err(Error::NoBackup),
            Err(other) => return Err(other.into()),
        }
    }
    with_own_key(context, from, key)
}

fn with_own_key(context: &mut Context, from: &Path, key: Option<Source>) -> Result<Opened, Error> {
    let place = Place::at(from)?;
    let sealed = place.read()?;
    let opened = context.unlock_with(&sealed, place.path(), key).map_err(|error| match error {
        Error::Keys(keys::Error::NoKey(_) | keys::Error::Wrong(_) | keys::Error::NoneOf(_)) => Error::BackupKey,
        other => other,
    });
    let (plain, opener) = undamaged(opened)?;
    Ok(Opened { place, seen: Seen::new(sealed, plain, opener) })
}
