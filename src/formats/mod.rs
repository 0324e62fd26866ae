//! Foreign formats, one file each, reader and writer together: bytes in, bytes out.
//!
//! Knows no file and no words for users. What a reader leaves out or finds remarkable comes
//! back as [`Note`]s, which hold names and never values. The older gateway is 2026.4.27, the
//! newer one 2026.9.6; a rule is the stricter of the two unless its comment says otherwise.

pub mod auth_profiles;
pub mod document;
pub mod dotenv;
pub mod exec;
pub mod exec_config;
mod js;
pub mod openclaw_config;
pub mod paste;
mod pretty;
pub mod provider;
pub mod secretref;
pub mod shell;
mod strict;
pub mod systemd;
pub mod targets;
pub mod units;
pub mod wrapper;

use crate::model;
pub use js::{Mangle, mangled};

/// Largest input of any reader, in bytes.
pub const MAX_INPUT: usize = 16 * 1024 * 1024;

/// Why bytes are not read or values not written. Holds no input text but names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not UTF-8.
    NotText,
    /// Not the syntax of the format; where.
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The same name twice inside one object; where the second one is.
    Duplicate {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A NUL, written as such or as an escape; where.
    Nul {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A bound is broken: which one, and its value.
    Bound(&'static str, usize),
    /// The syntax is right, but it is not this kind of file.
    Shape(&'static str),
    /// A value that this format cannot carry.
    Unrepresentable {
        /// The name of the value.
        name: String,
        /// What is in the way.
        why: Misfit,
    },
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        match error {
            model::Error::Malformed { line, column } => Self::Syntax { line, column },
            model::Error::Bound(what, bound) => Self::Bound(what, bound),
            _ => Self::Shape("credential"),
        }
    }
}

/// Why a format cannot carry a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The name is not one that the reader of the format takes.
    Name,
    /// It has a NUL.
    Nul,
    /// It is empty or white space only, which the gateway takes for unset.
    Blank,
    /// It ends with a backslash, and something else in it needs quotes.
    Backslash,
    /// It has all kinds of quotes, or quotes together with a carriage return.
    Quotes,
    /// It has a control character or a code point that the reader drops.
    Control,
}

/// Something that a reader leaves out, or takes and finds remarkable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// A profile id, the name of a variable, or a dotted path of the configuration.
    pub name: String,
    /// What there is to say.
    pub what: NoteKind,
}

/// What a [`Note`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// A SecretRef stands where the secret would: there is none to take.
    Reference,
    /// The same, as a text that names a variable: `${NAME}`, `$NAME`, `secretref-env:NAME`.
    EnvReference,
    /// A secret that the gateway does not use, since something else goes before it.
    Shadowed,
    /// A refresh token that another one followed since.
    Superseded,
    /// An `oauthRef` profile: its tokens lie in a sidecar file.
    Elsewhere,
    /// Neither a secret nor a reference.
    NoSecret,
    /// A word of the gateway that says "no key needed", not a secret.
    Marker,
    /// A secret target that holds something else than a text.
    NotAText,
    /// An entry that is no object: ignored, as the gateway does.
    NotAnObject,
    /// An entry of no known type: ignored, as the gateway does.
    UnknownType,
    /// An entry without a provider: ignored, as the gateway does.
    NoProvider,
    /// A name that cannot be one here: ignored.
    NotAName,
    /// The same in a file where the text may be a piece of a secret: the line instead.
    NotANameAt(usize),
    /// An empty value: ignored, since the gateway takes it for unset.
    Blank,
    /// The gateway would use another value than the one that stands there.
    Mangled(Mangle),
    /// The vault had it when this was exported, and has it no more.
    TakenOut,
    /// It includes another file, which is not followed.
    Include,
}

impl Note {
    fn new(name: &str, what: NoteKind) -> Self {
        Self { name: name.to_owned(), what }
    }
}

/// The text of an input, with the checks that every format needs.
fn text(bytes: &[u8]) -> Result<&str, Error> {
    if bytes.len() > MAX_INPUT {
        return Err(Error::Bound("input size", MAX_INPUT));
    }
    if let Some(at) = memchr::memchr(0, bytes) {
        let before = bytes.get(..at).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = at - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1) + 1;
        return Err(Error::Nul { line, column });
    }
    std::str::from_utf8(bytes).map_err(|_| Error::NotText)
}

/// Whether every format that has quotes can do without them for this value.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@+=,-".contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        assert_eq!(text(b"a\xff"), Err(Error::NotText));
        assert_eq!(text(b"a\nbc\0"), Err(Error::Nul { line: 2, column: 3 }));
        assert_eq!(text(&vec![b' '; MAX_INPUT + 1]), Err(Error::Bound("input size", MAX_INPUT)));
        assert_eq!(text("é".as_bytes()), Ok("é"));
    }
}
