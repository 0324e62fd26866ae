//! The sources in their order.

use super::IdentityCommand;
use crate::session::Session;
use std::path::{Path, PathBuf};

/// One place where a key can come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An identity file, named by option or environment.
    Identity(PathBuf),
    /// Identities on standard input.
    IdentityStdin,
    /// A passphrase file, named by option or environment.
    PassphraseFile(PathBuf),
    /// A passphrase on an inherited descriptor.
    PassphraseFd(i32),
    /// A program that prints an identity file.
    Command(Box<IdentityCommand>),
    /// An identity that the service manager gave.
    Credential(PathBuf),
    /// A passphrase that the service manager gave.
    CredentialPassphrase(PathBuf),
    /// A process of ours that holds a key.
    Session(Box<SessionPlace>),
    /// The identity file at its usual place.
    DefaultIdentity(PathBuf),
    /// A person at the terminal.
    Prompt,
}

impl Source {
    /// The file of a source that is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Identity(path) | Self::PassphraseFile(path) | Self::DefaultIdentity(path) => Some(path),
            Self::Credential(path) | Self::CredentialPassphrase(path) => Some(path),
            Self::IdentityStdin | Self::PassphraseFd(_) | Self::Command(_) | Self::Session(_) | Self::Prompt => None,
        }
    }
}

/// A rung of the ladder: how a source is named, or where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// `-i`.
    Identity,
    /// `--session`.
    NamedSession,
    /// `--passphrase-fd`.
    PassphraseFd,
    /// `--passphrase-file`.
    PassphraseFile,
    /// `AGEVAULT_IDENTITY_FILE`.
    EnvIdentity,
    /// `AGEVAULT_PASSPHRASE_FD`.
    EnvPassphraseFd,
    /// `AGEVAULT_PASSPHRASE_FILE`.
    EnvPassphraseFile,
    /// `AGEVAULT_IDENTITY_CMD`.
    Command,
    /// `$CREDENTIALS_DIRECTORY/agevault.identity`.
    Credential,
    /// `$CREDENTIALS_DIRECTORY/agevault.passphrase`.
    CredentialPassphrase,
    /// The session that `unlock` has started.
    Session,
    /// `$XDG_CONFIG_HOME/agevault/identity.txt`.
    DefaultIdentity,
    /// The terminal.
    Prompt,
}

impl Rung {
    /// Whether what it leads to may be missing: nobody has named it.
    fn may_be_missing(self) -> bool {
        matches!(self, Self::Credential | Self::CredentialPassphrase | Self::Session | Self::DefaultIdentity)
    }
}

/// Where a session is looked for, and for which vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlace {
    /// The directory of its socket.
    pub dir: PathBuf,
    /// The real path of the vault.
    pub vault: PathBuf,
    /// The id that this host knows at that path.
    pub vault_id: Option<String>,
    /// It was asked for by `--session`: nothing else is tried.
    pub named: bool,
}

impl SessionPlace {
    /// The session, if one answers that holds a key for this vault.
    pub fn find(&self) -> Option<Session> {
        Session::find(&self.dir, &self.vault, self.vault_id.as_deref())
    }
}

/// What was given with the command and what is set in its environment.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    /// `-i`, repeatable; `-` is standard input.
    pub identities: Vec<Source>,
    /// `--passphrase-fd`.
    pub passphrase_fd: Option<i32>,
    /// `--passphrase-file`.
    pub passphrase_file: Option<PathBuf>,
    /// `AGEVAULT_IDENTITY_FILE`.
    pub env_identities: Vec<PathBuf>,
    /// `AGEVAULT_PASSPHRASE_FD`.
    pub env_passphrase_fd: Option<i32>,
    /// `AGEVAULT_PASSPHRASE_FILE`.
    pub env_passphrase_file: Option<PathBuf>,
    /// `AGEVAULT_IDENTITY_CMD`.
    pub identity_command: Option<IdentityCommand>,
    /// `CREDENTIALS_DIRECTORY`, where a service finds `agevault.identity` or `agevault.passphrase`.
    pub credentials: Option<PathBuf>,
    /// The session for this vault; `None` where it does not count.
    pub session: Option<SessionPlace>,
    /// `$XDG_CONFIG_HOME/agevault/identity.txt`.
    pub default_identity: Option<PathBuf>,
    /// `-p`: ask now, use nothing else.
    pub prompt_only: bool,
    /// `--no-input`: never ask.
    pub no_input: bool,
}

impl Ladder {
    /// Every rung in its order, with what was named there; all identity files together count as one.
    pub fn rungs(&self) -> Vec<(Rung, Vec<Source>)> {
        let fd = |fd: Option<i32>| fd.map(Source::PassphraseFd).into_iter().collect();
        let file = |file: &Option<PathBuf>| file.clone().map(Source::PassphraseFile).into_iter().collect();
        let credential = |name: &str| self.credentials.as_ref().map(|dir| dir.join(name)).into_iter();
        let session = |named: bool| {
            let place = self.session.iter().filter(|place| place.named == named);
            place.cloned().map(|place| Source::Session(Box::new(place))).collect()
        };
        vec![
            (Rung::Identity, self.identities.clone()),
            (Rung::NamedSession, session(true)),
            (Rung::PassphraseFd, fd(self.passphrase_fd)),
            (Rung::PassphraseFile, file(&self.passphrase_file)),
            (Rung::EnvIdentity, self.env_identities.iter().cloned().map(Source::Identity).collect()),
            (Rung::EnvPassphraseFd, fd(self.env_passphrase_fd)),
            (Rung::EnvPassphraseFile, file(&self.env_passphrase_file)),
            (
                Rung::Command,
                self.identity_command.iter().cloned().map(|command| Source::Command(Box::new(command))).collect(),
            ),
            (Rung::Credential, credential("agevault.identity").map(Source::Credential).collect()),
            (Rung::CredentialPassphrase, credential("agevault.passphrase").map(Source::CredentialPassphrase).collect()),
            (Rung::Session, session(false)),
            (Rung::DefaultIdentity, self.default_identity.iter().cloned().map(Source::DefaultIdentity).collect()),
            (Rung::Prompt, if self.no_input { Vec::new() } else { vec![Source::Prompt] }),
        ]
    }

    /// The sources of the first rung that is present: those to use. None with `--no-input`, if
    /// there is nothing.
    pub fn first_present(&self) -> Vec<Source> {
        self.first_rung().map(|(_, sources)| sources).unwrap_or_default()
    }

    /// The same with its rung.
    pub(super) fn first_rung(&self) -> Option<(Rung, Vec<Source>)> {
        if self.prompt_only {
            return Some((Rung::Prompt, vec![Source::Prompt]));
        }
        self.rungs().into_iter().find(|(rung, sources)| is_present(*rung, sources))
    }

    /// What was looked for when nothing was found.
    pub(super) fn looked_for(&self) -> Vec<Source> {
        // Who has no session knows that nobody has unlocked.
        let places = self.rungs().into_iter().filter(|(rung, _)| rung.may_be_missing() && *rung != Rung::Session);
        places.flat_map(|(_, sources)| sources).collect()
    }
}

/// Whether a rung counts: what was named does, whatever it is worth; a usual place does if
/// somebody has put something there.
pub(super) fn is_present(rung: Rung, sources: &[Source]) -> bool {
    !sources.is_empty() && (!rung.may_be_missing() || sources.iter().all(is_there))
}

fn is_there(source: &Source) -> bool {
    match source {
        Source::Credential(path) | Source::CredentialPassphrase(path) | Source::DefaultIdentity(path) => {
            std::fs::symlink_metadata(path).is_ok()
        }
        Source::Session(place) => place.find().is_some(),
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn options_come_before_the_environment_and_both_before_the_usual_place() {
        let command = IdentityCommand { line: "true".into(), search: Vec::new(), without: Vec::new() };
        let mut ladder = Ladder {
            identities: vec![Source::IdentityStdin],
            passphrase_fd: Some(3),
            passphrase_file: Some("p".into()),
            env_identities: vec!["e".into()],
            env_passphrase_fd: Some(4),
            env_passphrase_file: Some("q".into()),
            identity_command: Some(command.clone()),
            credentials: None,
            session: None,
            default_identity: Some("/".into()),
            prompt_only: false,
            no_input: false,
        };
        assert_eq!(ladder.first_present(), [Source::IdentityStdin]);
        ladder.identities.clear();
        assert_eq!(ladder.first_present(), [Source::PassphraseFd(3)]);
        ladder.passphrase_fd = None;
        assert_eq!(ladder.first_present(), [Source::PassphraseFile("p".into())]);
        ladder.passphrase_file = None;
        assert_eq!(ladder.first_present(), [Source::Identity("e".into())]);
        ladder.env_identities.clear();
        assert_eq!(ladder.first_present(), [Source::PassphraseFd(4)]);
        ladder.env_passphrase_fd = None;
        assert_eq!(ladder.first_present(), [Source::PassphraseFile("q".into())]);
        ladder.env_passphrase_file = None;
        assert_eq!(ladder.first_present(), [Source::Command(Box::new(command))]);
        ladder.identity_command = None;
        assert_eq!(ladder.first_present(), [Source::DefaultIdentity("/".into())]);
        let dir = tempfile::tempdir().unwrap();
        ladder.credentials = Some(dir.path().to_owned());
        assert_eq!(ladder.first_present(), [Source::DefaultIdentity("/".into())]);
        let [identity, passphrase] = ["agevault.identity", "agevault.passphrase"].map(|name| dir.path().join(name));
        std::fs::write(&passphrase, "").unwrap();
        assert_eq!(ladder.first_present(), [Source::CredentialPassphrase(passphrase)]);
        std::fs::write(&identity, "").unwrap();
        assert_eq!(ladder.first_present(), [Source::Credential(identity)]);
        ladder.credentials = None;
        ladder.default_identity = Some("/nowhere/at/all".into());
        assert_eq!(ladder.first_present(), [Source::Prompt]);
        ladder.no_input = true;
        assert_eq!(ladder.first_present(), []);
    }
}
