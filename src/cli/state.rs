//! States of the vault by name: a generation, a file or a git revision.

use super::backup::open_snapshot;
use super::context::{Context, Opened};
use super::restore::report;
use super::{Error, git};
use crate::keys;
use crate::model;
use crate::seal::Opener;
use crate::secret::SecretBuf;
use crate::store::{self, Checked, Place, Seen, Snapshot};
use std::path::Path;

/// A kept generation by its number, or by its number and the start of its random name: `12` or `12-0a1b2c3d`.
///
/// # Errors
/// [`store::Error::NoGeneration`]; [`Error::Ambiguous`] if several kept states match.
pub fn generation(place: &Place, name: &str) -> Result<Snapshot, Error> {
    let number = model::number_of(name);
    let is_it = |one: &Snapshot| one.generation == number && (!name.contains('-') || one.state().starts_with(name));
    let mut found: Vec<Snapshot> = store::history(place)?.into_iter().filter(is_it).collect();
    // An interrupted key change can leave several copies of one state: they count as one.
    found.dedup_by(|one, other| one.state() == other.state());
    match found.as_slice() {
        [] => Err(store::Error::NoGeneration(number).into()),
        [_] => Ok(found.remove(0)),
        several => Err(Error::Ambiguous(number, several.iter().map(Snapshot::state).collect())),
    }
}

/// Whether a text has the form of a generation's name.
pub fn is_generation(name: &str) -> bool {
    let (number, rev) = name.split_once('-').unwrap_or((name, "0"));
    number.bytes().all(|byte| byte.is_ascii_digit())
        && number.parse::<u64>().is_ok()
        && rev.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Opens a state of the vault `opened` by name: a kept generation, a file, or else the vault file in a git revision.
///
/// # Errors
/// No such state; a state that no key at hand opens.
pub fn open(context: &mut Context, opened: &Opened, vault_id: &str, name: &str) -> Result<Seen, Error> {
    let place = &opened.place;
    if is_generation(name) {
        return open_kept(context, opened, name);
    }
    let sealed = if Path::new(name).exists() {
        Place::at(Path::new(name))?.read()?
    } else {
        git::file_of(context, place.path(), vault_id, name)?
    };
    open_sealed(context, opened, sealed)
}

/// Opens a kept generation.
///
/// # Errors
/// No such generation; a generation that no key at hand opens; [`Error::NotACopy`] for a file that does not hold the
/// state that its name says.
pub fn open_kept(context: &mut Context, opened: &Opened, name: &str) -> Result<Seen, Error> {
    let snapshot = generation(&opened.place, name)?;
    let seen = open_sealed(context, opened, snapshot.read()?)?;
    let checked = look(context, opened, &seen)?;
    if (checked.vault.generation, &checked.vault.rev) != (snapshot.generation, &snapshot.rev) {
        return Err(Error::NotACopy(checked.pin));
    }
    drop(checked);
    Ok(seen)
}

/// Opens sealed bytes with the keys that opened the vault, or else with the key sources of this command.
///
/// # Errors
/// As [`Context::unlock`].
pub fn open_sealed(context: &mut Context, opened: &Opened, sealed: Vec<u8>) -> Result<Seen, Error> {
    let (plain, opener) =
        by_keys_of(opened, &sealed).map_or_else(|| context.unlock(&sealed, opened.place.path()), Ok)?;
    Ok(Seen::new(sealed, plain, opener))
}

/// As [`open_sealed`], but falls back to `key`, if given, which is for this state alone.
///
/// # Errors
/// [`Error::BackupKey`].
pub fn open_other(
    context: &mut Context,
    opened: &Opened,
    sealed: Vec<u8>,
    key: Option<keys::Source>,
) -> Result<Seen, Error> {
    let (plain, opener) = match (by_keys_of(opened, &sealed), key) {
        (Some(by), _) => by,
        (None, Some(key)) => {
            context.unlock_with(&sealed, opened.place.path(), Some(key)).map_err(|_| Error::BackupKey)?
        }
        (None, None) => match context.unlock(&sealed, opened.place.path()) {
            Err(Error::Keys(keys::Error::NoKey(_) | keys::Error::Wrong(_) | keys::Error::NoneOf(_))) => {
                return Err(Error::BackupKey);
            }
            other => other?,
        },
    };
    Ok(Seen::new(sealed, plain, opener))
}

fn by_keys_of(opened: &Opened, sealed: &[u8]) -> Option<(SecretBuf, Opener)> {
    opened.seen.opener().all().find_map(|key| Some((key.open(sealed).ok()?, key.clone())))
}

/// Checks a state. A pin that does not match is not an error.
///
/// # Errors
/// Content that is not a vault document.
pub fn look<'s>(context: &Context, opened: &Opened, seen: &'s Seen) -> Result<Checked<'s>, Error> {
    let policy = store::Policy { report_only: true, ..context.policy.clone() };
    super::restore::undamaged(store::check(&context.local, &opened.place, seen, &policy).map_err(Error::from))
}

/// The entry ids in a kept generation.
///
/// # Errors
/// As [`generation`]; a key that does not open it.
pub fn ids(context: &mut Context, name: &str) -> Result<Vec<String>, Error> {
    let snapshot = open_snapshot(context, &generation(&context.kept_place()?, name)?.path)?;
    Ok(report(context, &snapshot)?.vault.ids().map(|id| id.to_string()).collect())
}
