//! Words for keys: where they were looked for and what is wrong with them.

use super::vault::{of_file, of_seal};
use super::{Words, exit, name};
use crate::fsio;
use crate::keys::{Error, Source};
use crate::seal::{self, Refused};

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
                "name one with -i FILE or --passphrase-file FILE, or run this on a terminal",
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
                    return locked("no-key-file", format!("{} is not there", source(from)), "check the path");
                }
                fsio::Error::Owner(path, _) | fsio::Error::Mode(path, _) | fsio::Error::Kind(path) => {
                    (words.exit, words.what.replace(&name::path(path), "it"))
                }
                fsio::Error::TooLarge(path, _) => (exit::LOCKED, words.what.replace(&name::path(path), "it")),
                _ => (exit::LOCKED, words.what),
            };
            Words { exit, what: format!("cannot use {}: {what}", source(from)), ..words }
        }
        Error::Unusable(from, error) => unusable(from, error),
        Error::Refused(from, refused) => locked(
            "bad-passphrase",
            format!("cannot use {}: {}", source(from), why(*refused)),
            "a passphrase is one line of UTF-8 text, at most 1024 bytes",
        ),
        Error::Wrong(from) => locked(
            "wrong-key",
            format!("{} does not open the vault", source(from)),
            "agevault recipients list, run with a key that opens it, shows which ones do",
        ),
        Error::Seal(error) => of_seal(error),
        Error::NoTerminal => locked(
            "no-terminal",
            "there is no terminal to ask at".to_owned(),
            "name a file instead, such as --passphrase-file or --new-passphrase-file, or use standard input",
        ),
        Error::Interrupted => Words::new("interrupted", exit::INTERRUPTED, "interrupted, nothing was changed", ""),
        Error::Differ => Words::new("differ", exit::USAGE, "the two entries differ, nothing was changed", "try again"),
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
            "an identity file has lines that begin with AGE-SECRET-KEY-1, as age-keygen writes it",
        ),
        other => {
            let words = of_seal(other);
            let what = format!("cannot use {place}: {}", words.what);
            // What to do about a vault is no help with a key file.
            let hint = match other {
                seal::Error::Memory(_) => words.hint,
                _ => "nothing was changed".to_owned(),
            };
            Words { token: words.token, exit: exit::LOCKED, what, hint }
        }
    }
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
        Source::Prompt => "what was typed".to_owned(),
    }
}
