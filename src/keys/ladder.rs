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
        // There is a default place whether or not somebody has put a file there.
        match &self.default_identity {
            Some(path) if std::fs::symlink_metadata(path).is_ok() => vec![Source::DefaultIdentity(path.clone())],
            _ if self.no_input => Vec::new(),
            _ => vec![Source::Prompt],
        }
    }

    /// What was looked for when nothing was found.
    pub(super) fn looked_for(&self) -> Vec<Source> {
        self.default_identity.clone().map(Source::DefaultIdentity).into_iter().collect()
    }
}

#[cfg(test)]
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
        ladder.default_identity = Some("/nowhere/at/all".into());
        assert_eq!(ladder.first_present(), [Source::Prompt]);
        ladder.no_input = true;
        assert_eq!(ladder.first_present(), []);
    }
}
