//! Words for keys: where they were looked for and what is wrong with them.

use super::file::{of_file, reason};
use super::name::plain;
use super::vault::of_seal;
use super::{Words, exit, name};
use crate::fsio;
use crate::keys::{CommandError, Error, Rung, Source, State, Untried};
use crate::seal::{self, PluginFault, Refused, SshRefused};

/// A passphrase is not taken from a pipe by a name.
const FROM_STDIN: &str =
    "a regular file is; standard input is read with --passphrase-fd 0, and a pipe with --passphrase-fd 3 3<FILE";

/// Words for an error of the opening key.
pub fn of_keys(error: &Error) -> Words {
    let locked = |token, what: String, hint: &str| Words::new(token, exit::LOCKED, what, hint);
    match error {
        Error::NoKey(looked) => {
            let places: Vec<String> = looked.iter().map(source).collect();
            let tried = if places.is_empty() { String::new() } else { format!("; looked for {}", places.join(", ")) };
            locked(
                "no-key",
                format!("no key at hand opens the vault{tried}"),
                "name one with -i FILE or --passphrase-file FILE, run this on a terminal, or agevault unlock there first",
            )
        }
        Error::File(from, error) => {
            // Permissions have a code of their own; everything else cannot unlock.
            let words = of_file(error);
            let (exit, what) = match error {
                fsio::Error::NotFound(_) if matches!(from, Source::PassphraseFd(_)) => {
                    let hint = "redirect a file to it, as in --passphrase-fd 3 3<FILE";
                    return locked("no-key-file", format!("cannot use {}: it is not open", source(from)), hint);
                }
                fsio::Error::NotFound(_) => {
                    let hint = match from {
                        Source::PassphraseFile(path) if path.as_os_str() == "-" => FROM_STDIN,
                        _ => "check the path",
                    };
                    return locked("no-key-file", format!("{} is not there", source(from)), hint);
                }
                fsio::Error::Kind(_) => (words.exit, "it is not the kind of file that is needed".to_owned()),
                // What is wrong may be the directory of a file that nobody has named by itself.
                fsio::Error::Owner(path, _) | fsio::Error::Mode(path, _)
                    if from.path().is_some_and(|file| file.parent() == Some(path)) =>
                {
                    (words.exit, words.what.replace(&name::path(path), "its directory"))
                }
                fsio::Error::Owner(path, _) | fsio::Error::Mode(path, _) | fsio::Error::Writable(path, _) => {
                    (words.exit, words.what.replace(&name::path(path), "it"))
                }
                fsio::Error::TooLarge(path, _) => (exit::LOCKED, words.what.replace(&name::path(path), "it")),
                _ => (exit::LOCKED, words.what),
            };
            let hint = match (error, from) {
                (fsio::Error::Kind(_), Source::PassphraseFile(_)) => FROM_STDIN.to_owned(),
                (fsio::Error::Kind(_), Source::Identity(_)) => {
                    "a regular file is; what another program prints is taken on standard input, with -i -".to_owned()
                }
                _ => words.hint,
            };
            Words { exit, what: format!("cannot use {}: {what}", source(from)), hint, ..words }
        }
        Error::Unusable(from, error) => unusable(from, error),
        Error::Refused(from, refused) => locked(
            "bad-passphrase",
            format!("cannot use {}: {}", source(from), why(*refused)),
            "a passphrase is one line of UTF-8 text, at most 1024 bytes",
        ),
        Error::Wrong(from @ Source::Session(_)) => locked(
            "wrong-key",
            format!("{} does not open the vault", source(from)),
            "the vault's keys were changed since: agevault lock, then agevault unlock",
        ),
        Error::Wrong(from) => locked(
            "wrong-key",
            format!("{} does not open the vault", source(from)),
            match from {
                Source::DefaultIdentity(_) => "name another key with -i FILE or -p",
                _ => "agevault recipients list, run with a key that opens it, shows which ones do",
            },
        ),
        Error::NoneOf(all) => locked(
            "wrong-key",
            format!("none of these opens the vault: {}", all.iter().map(source).collect::<Vec<_>>().join(", ")),
            "agevault recipients list, run with a key that opens it, shows which ones do",
        ),
        Error::PublicHalf(from) => {
            let whole = from.path().filter(|path| path.extension().is_some_and(|ending| ending == "pub"));
            let hint = match whole.map(|path| path.with_extension("")).filter(|path| path.exists()) {
                Some(whole) => format!("name the key itself: {}", name::path(&whole)),
                None => {
                    "name the file of the key itself; its public half can only be added, with recipients add".to_owned()
                }
            };
            locked("public-half", format!("{} holds the public half of a key", source(from)), &hint)
        }
        Error::Encrypted(from) => locked(
            "no-terminal",
            format!("{} is encrypted, and there is no terminal to ask for its passphrase at", source(from)),
            "run this on a terminal, or name a key that needs nobody",
        ),
        Error::NotItsPassphrase(from) => locked(
            "bad-passphrase",
            format!("what was entered does not open {}", source(from)),
            "it has a passphrase of its own, which is none of the vault's",
        ),
        Error::Command(error) => of_command(error),
        Error::Seal(error) => of_seal(error),
        Error::NoSession => locked(
            "no-session",
            "there is no session that holds a key for the vault".to_owned(),
            "agevault unlock starts one",
        ),
        Error::NoTerminal => locked(
            "no-terminal",
            "there is no terminal to ask at".to_owned(),
            "name a file instead, such as --passphrase-file or --new-passphrase-file, or use standard input: --passphrase-fd 0",
        ),
        Error::Interrupted => Words::new("interrupted", exit::INTERRUPTED, "interrupted, nothing was changed", ""),
        Error::Pasted => Words::new(
            "pasted",
            exit::USAGE,
            "more than one line was entered where one is taken; none of it was used",
            "enter one line; longer text is taken from a file or from standard input",
        ),
        Error::Differ => Words::new("differ", exit::USAGE, "the two entries differ, nothing was changed", "try again"),
    }
}

/// What is wrong with a backup, which is no vault.
pub fn of_backup(error: &crate::cli::Error) -> String {
    match error {
        crate::cli::Error::Keys(Error::Wrong(from)) => format!("{} does not open it", source(from)),
        other => super::of(other).what,
    }
}

fn of_command(error: &CommandError) -> Words {
    const NAME: &str = "AGEVAULT_IDENTITY_CMD";
    let (what, hint) = match error {
        CommandError::Words => (
            format!("{NAME} cannot be split into words"),
            "write it as for a shell, with quotes that end, or as a JSON array of strings; no shell reads it",
        ),
        CommandError::NoProgram => (
            format!("the program of {NAME} is not there"),
            "name it by an absolute path, or by a name that is found in PATH",
        ),
        CommandError::Unsafe(path) => {
            let what =
                format!("the program {} of {NAME} could be replaced by another user", plain(&path.to_string_lossy()));
            return Words::new("unsafe-identity-cmd", exit::UNSAFE, what, ONLY_OURS);
        }
        CommandError::NotRun(error) => (
            format!("the program of {NAME} cannot be run: {}", reason(error)),
            "try it by hand; it must print an identity file",
        ),
        CommandError::Failed(Some(code)) => (
            format!("the program of {NAME} ended with code {code}, and nothing that it printed was used"),
            "try it by hand; unset the variable to use another key",
        ),
        CommandError::Failed(None) => (
            format!("the program of {NAME} was ended by a signal"),
            "try it by hand; unset the variable to use another key",
        ),
        CommandError::TooLong(seconds) => (
            format!("the program of {NAME} did not end within {seconds} seconds"),
            "try it by hand; it must end, and so must what it starts, unless that lets go of its output",
        ),
    };
    Words::new("identity-cmd", exit::LOCKED, what, hint)
}

/// A rung of the ladder: a word for machines, and what a person knows it by.
pub fn rung(rung: Rung) -> (&'static str, &'static str) {
    match rung {
        Rung::Identity => ("identity", "-i"),
        Rung::NamedSession => ("named-session", "--session"),
        Rung::PassphraseFd => ("passphrase-fd", "--passphrase-fd"),
        Rung::PassphraseFile => ("passphrase-file", "--passphrase-file"),
        Rung::EnvIdentity => ("env-identity", "AGEVAULT_IDENTITY_FILE"),
        Rung::EnvPassphraseFd => ("env-passphrase-fd", "AGEVAULT_PASSPHRASE_FD"),
        Rung::EnvPassphraseFile => ("env-passphrase-file", "AGEVAULT_PASSPHRASE_FILE"),
        Rung::Command => ("identity-cmd", "AGEVAULT_IDENTITY_CMD"),
        Rung::Credential => ("credential-identity", "credential agevault.identity"),
        Rung::CredentialPassphrase => ("credential-passphrase", "credential agevault.passphrase"),
        Rung::Session => ("session", "a session"),
        Rung::DefaultIdentity => ("default-identity", "the usual identity file"),
        Rung::Prompt => ("prompt", "a prompt"),
    }
}

/// What a source is worth: a word for machines, and why.
pub fn state(state: &State) -> (&'static str, String) {
    match state {
        State::Absent => ("absent", String::new()),
        State::Opens => ("found", "opens the vault".to_owned()),
        State::Untried(untried) => ("found", format!("not tried: {}", why_untried(*untried))),
        State::Refused(error) => ("refused", of_keys(error).what),
    }
}

fn why_untried(untried: Untried) -> &'static str {
    match untried {
        Untried::NoVault => "there is no vault to open",
        Untried::Derivation => "a passphrase costs a derivation",
        Untried::Encrypted => "it is encrypted and needs its passphrase",
        Untried::Once => "it can be read only once",
        Untried::Program => "a program would be run",
        Untried::Person => "somebody would be asked",
    }
}

fn unusable(from: &Source, error: &seal::Error) -> Words {
    let place = source(from);
    match error {
        seal::Error::BadIdentity(0, "holds several identities") => Words::new(
            "several-identities",
            exit::LOCKED,
            format!("cannot use {place}: it holds several identities"),
            "name a file with the one to add",
        ),
        seal::Error::BadIdentity(line, what) => Words::new(
            "bad-identity",
            exit::LOCKED,
            match line {
                0 => format!("cannot use {place}: it {what}"),
                _ => format!("cannot use {place}: line {line} is {what}"),
            },
            "an identity file is one that age-keygen writes, or an ed25519 key of OpenSSH",
        ),
        other => {
            let words = of_seal(other);
            let what = format!("cannot use {place}: {}", words.what);
            // What to do about a vault is no help with a key file.
            let hint = match other {
                seal::Error::Memory(_) | seal::Error::Ssh(_) | seal::Error::Plugin(..) => words.hint,
                _ => "nothing was changed".to_owned(),
            };
            let exit = if matches!(other, seal::Error::Plugin(..)) { words.exit } else { exit::LOCKED };
            Words { token: words.token, exit, what, hint }
        }
    }
}

/// What makes a program that opens vaults safe to run.
const ONLY_OURS: &str =
    "it, and every directory and link that leads to it, must be yours or root's, and writable by nobody else";

/// Words for a plugin; its name has passed the grammar for them.
pub fn plugin(name: &str, fault: &PluginFault) -> Words {
    let locked = |what: String, hint| Words::new("plugin", exit::LOCKED, what, hint);
    match fault {
        PluginFault::Missing => locked(
            format!("the plugin age-plugin-{name} is not there"),
            "install it into a directory that PATH names by its whole path",
        ),
        PluginFault::Unsafe(path) => Words::new(
            "unsafe-plugin",
            exit::UNSAFE,
            format!("the plugin {} could be replaced by another user", plain(&path.to_string_lossy())),
            ONLY_OURS,
        ),
        PluginFault::Failed => {
            locked(format!("the plugin age-plugin-{name} failed"), "what it said stands above; try it with age itself")
        }
        PluginFault::Silent(seconds) => locked(
            format!("the plugin age-plugin-{name} said nothing for {seconds} seconds, and was stopped"),
            "see whether it waits for a device, a touch or the network, then repeat",
        ),
        PluginFault::Unanswered => locked(
            format!("the plugin age-plugin-{name} asked something, and nobody answered"),
            "repeat on a terminal, or open the vault with another key",
        ),
    }
}

/// Words for an SSH key that is refused, as a recipient or as an identity.
pub fn ssh(refused: SshRefused) -> Words {
    let another = "make one with ssh-keygen -t ed25519, or an age identity with age-keygen";
    let (what, hint) = match refused {
        SshRefused::Rsa => {
            ("RSA keys are refused, because the time that their decryption takes can give them away", another)
        }
        SshRefused::OtherCurve => ("nothing can be sealed to SSH keys of type ECDSA or DSA", another),
        SshRefused::Hardware => ("SSH keys on a security key sign, but they cannot open anything", another),
        SshRefused::OldForm => (
            "this is a key in PEM, and only OpenSSH's own form is read",
            "ssh-keygen -p -f FILE writes an SSH key anew in it",
        ),
        SshRefused::Certificate => ("this is a certificate, and no key", "take the key itself, as in id_ed25519.pub"),
    };
    Words::new("ssh-key", exit::USAGE, what, hint)
}

fn why(refused: Refused) -> &'static str {
    match refused {
        Refused::Empty => "it is empty",
        Refused::TooLong => "it is longer than 1024 bytes",
        Refused::NotText => "it is not UTF-8",
        Refused::Control => "it has a control character in it, perhaps more than one line",
        Refused::Memory => "no memory page could be had for it",
    }
}

/// A key source, as it was named.
fn source(source: &Source) -> String {
    match source {
        Source::Identity(path) | Source::DefaultIdentity(path) => format!("identity file {}", name::path(path)),
        Source::Credential(path) => format!("the service's credential {}", name::path(path)),
        Source::CredentialPassphrase(path) => format!("the service's passphrase {}", name::path(path)),
        Source::IdentityStdin => "the identity on standard input".to_owned(),
        Source::PassphraseFile(path) => format!("passphrase file {}", name::path(path)),
        Source::PassphraseFd(_) => "the passphrase descriptor".to_owned(),
        Source::Command(_) => "the output of AGEVAULT_IDENTITY_CMD".to_owned(),
        Source::Session(_) => "the session's key".to_owned(),
        Source::Prompt => "what was typed".to_owned(),
    }
}
