//! States of the vault as a person names them: a number, a file, a revision of git.

use super::backup::open_snapshot;
use super::context::{Context, Opened};
use super::restore::report;
use super::{Error, git};
use crate::keys;
use crate::store::{self, Checked, Place, Seen, Snapshot};
use std::path::Path;

/// A kept generation by its number, or by its number and the start of its random name: `12` or `12-0a1b2c3d`.
///
/// # Errors
/// [`store::Error::NoGeneration`]; [`Error::Ambiguous`] for a number that several have.
pub fn generation(place: &Place, name: &str) -> Result<Snapshot, Error> {
    let number = name.split('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let is_it = |one: &Snapshot| one.generation == number && (!name.contains('-') || one.state().starts_with(name));
    let mut found: Vec<Snapshot> = store::history(place)?.into_iter().filter(is_it).collect();
    // Copies of one state that a change of keys has not come to the end with are one.
    found.dedup_by(|one, other| one.state() == other.state());
    match found.as_slice() {
        [] => Err(store::Error::NoGeneration(number).into()),
        [_] => Ok(found.remove(0)),
        several => Err(Error::Ambiguous(number, several.iter().map(Snapshot::state).collect())),
    }
}

/// Whether a text names a generation.
pub fn is_generation(name: &str) -> bool {
    let (number, rev) = name.split_once('-').unwrap_or((name, "0"));
    !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && rev.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Opens a state of the vault that `opened` is: a kept generation, a file, or else what the vault file was in a
/// revision of git.
///
/// # Errors
/// No such state; one that no key at hand opens.
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
/// No such one; one that no key at hand opens; [`Error::NotACopy`] for a file that holds another state than its name says.
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

/// Opens sealed bytes with the keys that opened the vault, or else with those that are named for it.
///
/// # Errors
/// As [`Context::unlock`].
pub fn open_sealed(context: &mut Context, opened: &Opened, sealed: Vec<u8>) -> Result<Seen, Error> {
    let by = opened.seen.opener().all().find_map(|key| Some((key.open(&sealed).ok()?, key.clone())));
    let (plain, opener) = by.map_or_else(|| context.unlock(&sealed, opened.place.path()), Ok)?;
    Ok(Seen::new(sealed, plain, opener))
}

/// The same with a key that is named for this state alone.
///
/// # Errors
/// [`Error::BackupKey`].
pub fn open_other(
    context: &mut Context,
    opened: &Opened,
    sealed: Vec<u8>,
    key: Option<keys::Source>,
) -> Result<Seen, Error> {
    let by = opened.seen.opener().all().find_map(|own| Some((own.open(&sealed).ok()?, own.clone())));
    let (plain, opener) = match (by, key) {
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

/// Looks at a state without stopping where its pin does not fit.
///
/// # Errors
/// A document that is none.
pub fn look<'s>(context: &Context, opened: &Opened, seen: &'s Seen) -> Result<Checked<'s>, Error> {
    let policy = store::Policy { report_only: true, ..context.policy.clone() };
    super::restore::undamaged(store::check(&context.local, &opened.place, seen, &policy).map_err(Error::from))
}

/// The names in a kept generation.
///
/// # Errors
/// As [`generation`]; a key that does not open it.
pub fn ids(context: &mut Context, name: &str) -> Result<Vec<String>, Error> {
    let snapshot = open_snapshot(context, &generation(&context.kept_place()?, name)?.path)?;
    Ok(report(context, &snapshot)?.vault.ids().map(|id| id.to_string()).collect())
}
