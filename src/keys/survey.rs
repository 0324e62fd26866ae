//! Every source in its order, as it is found: for a person who wonders which key is used.

use super::ladder::{Rung, is_present};
use super::unlock::{read_passphrase, read_source};
use super::{Error, Ladder, Source};
use crate::seal::Holder;
use crate::{harden, seal};

/// One source, or a rung where none is named.
#[derive(Debug)]
pub struct Found {
    /// Where on the ladder.
    pub rung: Rung,
    /// What is named there.
    pub source: Option<Source>,
    /// What it is worth.
    pub state: State,
    /// Whether a command would use it: the first rung that is present.
    pub used: bool,
}

/// What a source is worth.
#[derive(Debug)]
pub enum State {
    /// Nothing is named, or nothing is at the usual place.
    Absent,
    /// It opens the vault.
    Opens,
    /// There, and not tried for this reason.
    Untried(Untried),
    /// There and no use; a command would end with this error.
    Refused(Error),
}

/// Why a source was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untried {
    /// There is no vault that could be opened.
    NoVault,
    /// A passphrase costs a derivation.
    Derivation,
    /// The identity file is encrypted, so that a person would be asked.
    Encrypted,
    /// Standard input and descriptors can be read once.
    Once,
    /// A program would be run.
    Program,
    /// A person would be asked.
    Person,
}

/// Looks at every source, and tries those whose trial costs nothing: nobody is asked, nothing is
/// run, no key derived. `sealed` is the vault, if there is one; `present` whether somebody can be asked.
pub fn survey(sealed: Option<&[u8]>, ladder: &Ladder, present: bool) -> Vec<Found> {
    let used = ladder.first_rung().map(|(rung, _)| rung);
    let mut all = Vec::new();
    for (rung, sources) in ladder.rungs() {
        let there = is_present(rung, &sources);
        let used = used == Some(rung);
        if sources.is_empty() {
            all.push(Found { rung, source: None, state: State::Absent, used });
        }
        for source in sources {
            let state = match there {
                false => State::Absent,
                true => look(sealed, &source, present).unwrap_or_else(State::Refused),
            };
            all.push(Found { rung, source: Some(source), state, used });
        }
    }
    all
}

fn look(sealed: Option<&[u8]>, source: &Source, present: bool) -> Result<State, Error> {
    match source {
        Source::IdentityStdin => Ok(State::Untried(Untried::Once)),
        Source::PassphraseFd(number) => {
            let closed = |_| Error::File(source.clone(), crate::fsio::Error::NotFound("descriptor".into()));
            harden::take_descriptor(*number).map_err(closed)?;
            slot(sealed, Error::Wrong(source.clone()), Untried::Once)
        }
        Source::PassphraseFile(_) | Source::CredentialPassphrase(_) => {
            read_passphrase(source)?;
            slot(sealed, Error::Wrong(source.clone()), Untried::Derivation)
        }
        Source::Command(command) => {
            command.resolve().map_err(Error::Command)?;
            Ok(State::Untried(Untried::Program))
        }
        Source::Session(place) => {
            let session = place.find().ok_or(Error::NoSession)?;
            match sealed.map(|sealed| session.file_key(seal::header(sealed)?)) {
                Some(Ok(_)) => Ok(State::Opens),
                Some(Err(seal::Error::NoMatch)) => Err(Error::Wrong(source.clone())),
                Some(Err(_)) | None => Ok(State::Untried(Untried::NoVault)),
            }
        }
        Source::Prompt if !present => Err(Error::NoTerminal),
        Source::Prompt => slot(sealed, Error::Seal(seal::Error::NoSlot), Untried::Person),
        Source::Identity(_) | Source::Credential(_) | Source::DefaultIdentity(_) => identity(sealed, source),
    }
}

/// A passphrase, which nothing is to be tried on without a slot.
fn slot(sealed: Option<&[u8]>, without: Error, untried: Untried) -> Result<State, Error> {
    match sealed.map(seal::has_slot) {
        Some(Ok(false)) => Err(without),
        Some(Ok(true)) => Ok(State::Untried(untried)),
        Some(Err(_)) | None => Ok(State::Untried(Untried::NoVault)),
    }
}

fn identity(sealed: Option<&[u8]>, source: &Source) -> Result<State, Error> {
    let unusable = |error| Error::Unusable(source.clone(), error);
    let bytes = read_source(source)?;
    let identities = if seal::SshKeyFile::is(&bytes) {
        let key = seal::SshKeyFile::parse(&bytes).map_err(unusable)?;
        if key.is_encrypted() {
            return Ok(State::Untried(Untried::Encrypted));
        }
        vec![key.open().map_err(unusable)?]
    } else if seal::is_encrypted(&bytes) {
        seal::sealed_to_passphrase(&bytes).map_err(unusable)?;
        return Ok(State::Untried(Untried::Encrypted));
    } else {
        seal::parse_file(&bytes).map_err(unusable)?
    };
    match sealed.map(|sealed| seal::fits(sealed, &identities)) {
        Some(Ok(true)) => Ok(State::Opens),
        Some(Ok(false)) if identities.iter().any(seal::Identity::needs_plugin) => Ok(State::Untried(Untried::Program)),
        Some(Ok(false)) => Err(Error::Wrong(source.clone())),
        Some(Err(_)) | None => Ok(State::Untried(Untried::NoVault)),
    }
}
