//! Values that people bring: where they are read, and what is no value.

use super::context::Context;
use super::{Error, Usage};
use crate::fsio;
use crate::ops::intake;
use crate::secret::Secret;
use std::io::IsTerminal;
use std::path::Path;

/// Why a text is not taken as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not UTF-8.
    NotText,
    /// No value for the entry.
    Intake(intake::Refused),
    /// The gateway's rule for this kind of credential.
    Paste(crate::formats::paste::Refused),
}

/// Reads a value: from `file` if one is named, else hidden from the terminal if standard input
/// is one, else from standard input. One trailing line break is dropped.
///
/// # Errors
/// No terminal to ask at; a value that is not text, or too long.
pub fn read(context: &Context, file: Option<&Path>, prompt: &str) -> Result<Secret, Error> {
    // One byte more than a value may have: the check below then has its own words for it.
    const LIMIT: usize = crate::model::MAX_VALUE + 2;
    let too_long = |error| match error {
        fsio::Error::TooLarge(..) => Usage::TooLong.into(),
        other => Error::from(other),
    };
    let bytes = match file {
        Some(path) if path.as_os_str() != "-" => fsio::read_capped(path, LIMIT).map_err(too_long)?,
        None if std::io::stdin().is_terminal() && !context.takes_key_from_stdin() => {
            return context.terminal.hidden(prompt).map_err(|error| match error {
                crate::keys::Error::NoTerminal => Usage::NoInput.into(),
                other => Error::from(other),
            });
        }
        _ if context.takes_key_from_stdin() => return Err(Usage::StdinTwice.into()),
        _ => fsio::read_stdin(LIMIT).map_err(too_long)?,
    };
    let text = bytes.text().ok_or(Error::Value(Refused::NotText))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Secret::new(text.to_owned()))
}

/// Refuses values on the command line, where every user of the machine can read them.
///
/// # Errors
/// [`Usage::ValueInArgs`], without the value.
pub fn none_in_args(values: &[std::ffi::OsString]) -> Result<(), Error> {
    if values.is_empty() { Ok(()) } else { Err(Usage::ValueInArgs.into()) }
}
