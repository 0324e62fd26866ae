//! Opening a vault with what the ladder gives.

use super::{Ask, Error, Ladder, MAX_KEY_FILE, Prompt, SessionPlace, Source, TRIES};
use crate::seal::{self, Identity, Key, Opener, Passphrase, Refused};
use crate::secret::SecretBuf;
use crate::{fsio, harden};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Opens `sealed`, the vault at `vault`, with the first key source that is present. `labels`
/// names its passphrase slots when there is a prompt.
///
/// # Errors
/// Why that source does not open it; [`Error::NoKey`] when there is none.
pub fn unlock(
    sealed: &[u8],
    ladder: &Ladder,
    ask: &mut dyn Ask,
    vault: &Path,
    labels: &dyn Fn() -> Vec<String>,
) -> Result<(SecretBuf, Opener), Error> {
    let sources = ladder.first_present();
    match sources.first() {
        None => Err(Error::NoKey(ladder.looked_for())),
        Some(source @ Source::Session(place)) => by_session(sealed, source, place),
        Some(Source::Prompt) => by_prompt(sealed, ask, vault, labels, ladder),
        Some(source @ (Source::PassphraseFd(_) | Source::PassphraseFile(_) | Source::CredentialPassphrase(_))) => {
            let passphrase = read_passphrase(source)?;
            let _slow = ask.slow();
            seal::unlock(sealed, Key::Passphrase(passphrase)).map_err(|error| match error {
                seal::Error::NoMatch | seal::Error::NoSlot => Error::Wrong(source.clone()),
                other => Error::Seal(other),
            })
        }
        Some(first) => {
            let mut identities = Vec::new();
            for source in &sources {
                identities.extend(read_identities(source, ask)?);
            }
            seal::unlock(sealed, Key::Identities(identities)).map_err(|error| match error {
                seal::Error::NoMatch if sources.len() > 1 => Error::NoneOf(sources.clone()),
                seal::Error::NoMatch => Error::Wrong(first.clone()),
                other => Error::Seal(other),
            })
        }
    }
}

fn by_session(sealed: &[u8], source: &Source, place: &SessionPlace) -> Result<(SecretBuf, Opener), Error> {
    let opener = Opener::held_by(place.find().ok_or(Error::NoSession)?);
    let plain = opener.open(sealed).map_err(|error| match error {
        seal::Error::NoMatch => Error::Wrong(source.clone()),
        other => Error::Seal(other),
    })?;
    Ok((plain, opener))
}

fn by_prompt(
    sealed: &[u8],
    ask: &mut dyn Ask,
    vault: &Path,
    labels: &dyn Fn() -> Vec<String>,
    ladder: &Ladder,
) -> Result<(SecretBuf, Opener), Error> {
    // Not worth asking for a passphrase that could open nothing.
    if !seal::has_slot(sealed).map_err(Error::Seal)? {
        let asked = ladder.prompt_only;
        return Err(if asked { Error::Seal(seal::Error::NoSlot) } else { Error::NoKey(ladder.looked_for()) });
    }
    let labels = labels();
    for _ in 0..TRIES {
        let passphrase = match ask.passphrase(&Prompt::Vault(vault, &labels)) {
            Err(Error::NoTerminal) if !ladder.prompt_only => return Err(Error::NoKey(ladder.looked_for())),
            Err(Error::Refused(Source::Prompt, Refused::Empty)) => {
                ask.wrong();
                continue;
            }
            other => other?,
        };
        let slow = ask.slow();
        let opened = seal::unlock(sealed, Key::Passphrase(passphrase));
        drop(slow);
        match opened {
            Err(seal::Error::NoMatch) => ask.wrong(),
            other => return other.map_err(Error::Seal),
        }
    }
    Err(Error::Wrong(Source::Prompt))
}

/// The identities of one source; an encrypted file is opened with its passphrase.
///
/// # Errors
/// As [`unlock`].
pub fn read_identities(source: &Source, ask: &mut dyn Ask) -> Result<Vec<Identity>, Error> {
    let unusable = |error| Error::Unusable(source.clone(), error);
    let bytes = read_source(source)?;
    let path = match source {
        Source::Identity(path) | Source::DefaultIdentity(path) | Source::Credential(path) => path.as_path(),
        Source::Command(_) => Path::new("of AGEVAULT_IDENTITY_CMD"),
        _ => Path::new("standard input"),
    };
    if seal::SshKeyFile::is(&bytes) {
        let key = seal::SshKeyFile::parse(&bytes).map_err(unusable)?;
        let one = if key.is_encrypted() {
            with_passphrase(source, path, ask, |passphrase| key.decrypt(passphrase))?
        } else {
            key.open().map_err(unusable)?
        };
        return Ok(vec![one]);
    }
    if !seal::is_encrypted(&bytes) {
        return seal::parse_file(&bytes).map_err(unusable);
    }
    seal::sealed_to_passphrase(&bytes).map_err(unusable)?;
    let plain = with_passphrase(source, path, ask, |passphrase| seal::decrypt_file(&bytes, passphrase))?;
    seal::parse_file(&plain).map_err(unusable)
}

/// Asks for the passphrase of a key file until it opens, three times at most.
fn with_passphrase<T>(
    source: &Source,
    path: &Path,
    ask: &mut dyn Ask,
    open: impl Fn(&Passphrase) -> Result<T, seal::Error>,
) -> Result<T, Error> {
    for _ in 0..TRIES {
        let passphrase = match ask.passphrase(&Prompt::IdentityFile(path)) {
            Err(Error::Refused(Source::Prompt, Refused::Empty)) => {
                ask.wrong();
                continue;
            }
            Err(Error::NoTerminal) => return Err(Error::Encrypted(source.clone())),
            other => other?,
        };
        let slow = ask.slow();
        let opened = open(&passphrase);
        drop(slow);
        match opened {
            Ok(opened) => return Ok(opened),
            Err(seal::Error::NoMatch) => ask.wrong(),
            Err(error) => return Err(Error::Unusable(source.clone(), error)),
        }
    }
    Err(Error::NotItsPassphrase(source.clone()))
}

/// Whether a file holds recipients and nothing else.
fn is_public(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    lines.peek().is_some() && lines.all(|line| line.starts_with("age1") || seal::is_ssh_public(line))
}

/// What an identity source holds, encrypted or not.
pub(super) fn read_source(source: &Source) -> Result<SecretBuf, Error> {
    let read = match source {
        Source::Identity(path) | Source::DefaultIdentity(path) => match fsio::read_private(path, MAX_KEY_FILE) {
            // Whoever sees it may read a public half, and most can.
            Err(fsio::Error::Mode(..))
                if fsio::read_own(path, MAX_KEY_FILE).is_ok_and(|bytes| is_public(bytes.expose())) =>
            {
                return Err(Error::PublicHalf(source.clone()));
            }
            Ok(bytes) if is_public(bytes.expose()) => return Err(Error::PublicHalf(source.clone())),
            other => other,
        },
        Source::Credential(path) => fsio::read_credential(path, MAX_KEY_FILE),
        Source::Command(command) => return command.run(),
        _ => {
            let _unseen = unseen(rustix::stdio::stdin())?;
            fsio::read_stdin(MAX_KEY_FILE)
        }
    };
    read.map_err(|error| Error::File(source.clone(), error))
}

/// Where it is a terminal, what is typed there is not shown as long as this is held.
fn unseen(fd: BorrowedFd<'_>) -> Result<Option<harden::Unseen>, Error> {
    if !rustix::termios::isatty(fd) {
        return Ok(None);
    }
    let tty = fd.try_clone_to_owned().map_err(|_| Error::NoTerminal)?;
    harden::Unseen::begin(tty.into(), None).map(Some).map_err(|_| Error::NoTerminal)
}

/// Reads a passphrase from a file of ours or an inherited descriptor.
///
/// # Errors
/// A file that others can read, a descriptor that is not open, a text that is no passphrase.
pub fn read_passphrase(source: &Source) -> Result<Passphrase, Error> {
    let file = |error| Error::File(source.clone(), error);
    let bytes = match source {
        Source::PassphraseFd(number) => {
            let closed = |_| file(fsio::Error::NotFound(PathBuf::from("descriptor")));
            let fd = harden::take_descriptor(*number).map_err(closed)?;
            let _unseen = unseen(fd.as_fd())?;
            fsio::read_descriptor(fd, MAX_KEY_FILE)
        }
        Source::PassphraseFile(path) => fsio::read_private(path, MAX_KEY_FILE),
        Source::CredentialPassphrase(path) => fsio::read_credential(path, MAX_KEY_FILE),
        _ => return Err(Error::NoTerminal),
    };
    Passphrase::new(&bytes.map_err(file)?).map_err(|refused| Error::Refused(source.clone(), refused))
}

/// A new passphrase: from `source` if one is given, else typed twice.
///
/// # Errors
/// As [`read_passphrase`]; [`Error::Differ`].
pub fn read_new_passphrase(source: Option<&Source>, ask: &mut dyn Ask) -> Result<Passphrase, Error> {
    if let Some(source) = source {
        return read_passphrase(source);
    }
    let first = ask.passphrase(&Prompt::New)?;
    let second = ask.passphrase(&Prompt::Again)?;
    if first.equals(&second) { Ok(first) } else { Err(Error::Differ) }
}
