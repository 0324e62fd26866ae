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
mod json;
mod json5;
pub mod openclaw_config;
pub mod paste;
pub mod placeholder;
pub mod power;
mod pretty;
pub mod provider;
pub mod secretref;
pub mod shell;
mod suspicion;
pub mod systemd;
pub mod targets;
mod text;
pub mod units;
pub mod wrapper;

use crate::model;
pub use js::{Mangle, mangled};

/// Largest input of any reader, in bytes.
pub const MAX_INPUT: usize = 16 * 1024 * 1024;

/// Why bytes are not read or values not written. Holds no input text but names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// UTF-16, by its first two bytes.
    NotText,
    /// A byte order mark before JSON, where the gateway reads none.
    ByteOrderMark,
    /// Not the syntax of the format; where.
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A change leads through something that is neither an object nor a list; where.
    NotEditable {
        /// Dotted path of what is in the way.
        path: String,
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
    /// A profile id, the name of a variable, or a dotted path of the configuration. Empty where it could be a piece of
    /// a secret, and for a note about the whole file.
    pub name: String,
    /// A dotted path inside of it.
    pub member: Option<String>,
    /// First and last line, from 1.
    pub lines: Option<(usize, usize)>,
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
    /// A credential with a second secret, which the gateway does not use: under the older name of a member, or beside a
    /// reference.
    Beside,
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
    /// An empty value: ignored, since the gateway takes it for unset.
    Blank,
    /// The gateway would use another value than the one that stands there.
    Mangled(Mangle),
    /// The vault had it when this was exported, and has it no more.
    TakenOut,
    /// The file is empty: taken for a file without entries, as the gateway does.
    Empty,
    /// The same name again later in the same object, where its value counts.
    Duplicate,
    /// A NUL in the value: left out.
    Nul,
    /// Bytes in the value that are not UTF-8, or half a character: left out, since the gateway reads U+FFFD there.
    NotUtf8,
    /// The same in a member that is not a secret: taken with U+FFFD, as the gateway reads it.
    Replaced,
    /// Bytes that are not UTF-8 outside of any value.
    NotUtf8Between,
    /// Larger, deeper or of more members than a vault may hold: left out.
    TooLarge,
    /// The first line of a value of several lines that has no quotes: left out, the gateway does not read the rest.
    Torn,
    /// An assignment in a comment, with a value that looks like a key.
    Commented,
    /// An assignment for a shell (`set`, `setenv`, `$env:`) that the gateway does not read.
    Shell,
    /// Text that the gateway passes over.
    Unread,
}

impl Note {
    /// A note about a name, without member and lines.
    pub fn new(name: &str, what: NoteKind) -> Self {
        Self { name: name.to_owned(), member: None, lines: None, what }
    }

    fn member(self, member: &str) -> Self {
        Self { member: Some(member.to_owned()), ..self }
    }

    fn at(self, line: usize) -> Self {
        Self { lines: Some((line, line)), ..self }
    }
}

/// Whether every format that has quotes can do without them for this value.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@+=,-".contains(&byte))
}
