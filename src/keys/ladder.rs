//! The sources in their order.

use std::path::PathBuf;

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
    /// An identity that the service manager gave.
    Credential(PathBuf),
    /// A passphrase that the service manager gave.
    CredentialPassphrase(PathBuf),
    /// The identity file at its usual place.
    DefaultIdentity(PathBuf),
    /// A person at the terminal.
    Prompt,
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
    /// `CREDENTIALS_DIRECTORY`, where a service finds `agevault.identity` or `agevault.passphrase`.
    pub credentials: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME/agevault/identity.txt`.
    pub default_identity: Option<PathBuf>,
    /// `-p`: ask now, use nothing else.
    pub prompt_only: bool,
    /// `--no-input`: never ask.
    pub no_input: bool,
}

impl Ladder {
    /// The sources to use: all identity files together count as one.
    pub fn first_present(&self) -> Vec<Source> {
        if self.prompt_only {
            return vec![Source::Prompt];
        }
        if !self.identities.is_empty() {
            return self.identities.clone();
        }
        let passphrase = |fd: Option<i32>, file: &Option<PathBuf>| {
            fd.map(Source::PassphraseFd).or_else(|| file.clone().map(Source::PassphraseFile))
        };
        if let Some(source) = passphrase(self.passphrase_fd, &self.passphrase_file) {
            return vec![source];
        }
        if !self.env_identities.is_empty() {
            return self.env_identities.iter().cloned().map(Source::Identity).collect();
        }
        if let Some(source) = passphrase(self.env_passphrase_fd, &self.env_passphrase_file) {
            return vec![source];
        }
        // These places are there whether or not somebody has put a file there.
        let is_there = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok();
        if let Some(source) = self.credential().into_iter().find(|(path, _)| is_there(path)).map(|(_, source)| source) {
            return vec![source];
        }
        match &self.default_identity {
            Some(path) if is_there(path) => vec![Source::DefaultIdentity(path.clone())],
            _ if self.no_input => Vec::new(),
            _ => vec![Source::Prompt],
        }
    }

    /// The credentials of a service, there or not.
    fn credential(&self) -> Vec<(PathBuf, Source)> {
        let Some(dir) = &self.credentials else { return Vec::new() };
        let (identity, passphrase) = (dir.join("agevault.identity"), dir.join("agevault.passphrase"));
        vec![
            (identity.clone(), Source::Credential(identity)),
            (passphrase.clone(), Source::CredentialPassphrase(passphrase)),
        ]
    }

    /// What was looked for when nothing was found.
    pub(super) fn looked_for(&self) -> Vec<Source> {
        let credentials = self.credential().into_iter().map(|(_, source)| source);
        credentials.chain(self.default_identity.clone().map(Source::DefaultIdentity)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn options_come_before_the_environment_and_both_before_the_usual_place() {
        let mut ladder = Ladder {
            identities: vec![Source::IdentityStdin],
            passphrase_fd: Some(3),
            passphrase_file: Some("p".into()),
            env_identities: vec!["e".into()],
            env_passphrase_fd: Some(4),
            env_passphrase_file: Some("q".into()),
            credentials: None,
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
