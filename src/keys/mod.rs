//! Where the opening key comes from: the first source that is present wins, and
//! one that is present but unusable is an error, not a reason to try the next.

mod command;
mod ladder;
mod survey;
mod unlock;

pub use command::{CommandError, IdentityCommand};
pub use ladder::{Ladder, Rung, SessionPlace, Source};
pub use survey::{Found, State, Untried, survey};
pub use unlock::{read_identities, read_new_passphrase, read_passphrase, unlock};

use crate::seal::{Passphrase, Refused};
use crate::{fsio, seal};

/// Largest identity file or passphrase file, in bytes.
pub const MAX_KEY_FILE: usize = 1024 * 1024;
/// Entries at a prompt before giving up.
const TRIES: usize = 3;

/// Asks a person; given by the command line.
pub trait Ask {
    /// A hidden entry for `what`.
    ///
    /// # Errors
    /// [`Error::NoTerminal`], [`Error::Interrupted`].
    fn passphrase(&mut self, what: &Prompt<'_>) -> Result<Passphrase, Error>;

    /// Says that the last entry did not open it.
    fn wrong(&mut self);

    /// Says that a derivation begins, and ends when the result is dropped.
    fn slow(&mut self) -> Box<dyn std::any::Any>;
}

/// What a prompt is for.
#[derive(Clone, Copy, Debug)]
pub enum Prompt<'a> {
    /// Opening this vault; the labels of its slots, if they are known here.
    Vault(&'a std::path::Path, &'a [String]),
    /// Opening this encrypted identity file.
    IdentityFile(&'a std::path::Path),
    /// A new passphrase, first entry.
    New,
    /// The same once more.
    Again,
}

/// Why there is no key.
#[derive(Debug)]
pub enum Error {
    /// No source is present: what was looked for, in order.
    NoKey(Vec<Source>),
    /// A source is there but cannot be read.
    File(Source, fsio::Error),
    /// A source holds no usable key.
    Unusable(Source, seal::Error),
    /// A source holds no usable passphrase.
    Refused(Source, Refused),
    /// The key of this source opens something else.
    Wrong(Source),
    /// The keys of these sources, which count as one, open something else.
    NoneOf(Vec<Source>),
    /// A source holds nothing but the public half of a key.
    PublicHalf(Source),
    /// A source is encrypted, and nobody is there to ask for its passphrase.
    Encrypted(Source),
    /// A source is encrypted, and what was entered does not open it.
    NotItsPassphrase(Source),
    /// The program that prints an identity did not.
    Command(CommandError),
    /// What is to be opened is at fault.
    Seal(seal::Error),
    /// There is no session for the vault.
    NoSession,
    /// There is nobody to ask.
    NoTerminal,
    /// The person gave up.
    Interrupted,
    /// More than one line came at once where one is taken.
    Pasted,
    /// The two entries of a new passphrase differ.
    Differ,
}
