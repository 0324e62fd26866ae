//! Words for a command line that makes no sense.

use super::{Words, exit};
use crate::cli::Usage;
use crate::cli::usage::Kind;
use crate::model::IdError;

/// Words for a command line that makes no sense.
pub fn words(usage: Usage) -> Words {
    let (what, hint) = match usage {
        Usage::Parse(kind) => return parse(kind),
        Usage::TwoKeys => (
            "several keys are named to open the vault with".to_owned(),
            "name an identity, a passphrase file or descriptor, or --prompt; not two of them",
        ),
        Usage::Id(error) => (
            id(error).to_owned(),
            "an id is auth/AGENT/PROFILE, env/NAME or config/PATH/..., as agevault list shows it",
        ),
        Usage::Agent => (
            "this is no agent id".to_owned(),
            "an agent id has lower-case letters, digits, - and _, at most 64, and begins with a letter or digit",
        ),
        Usage::ValueInArgs => (
            "a value was given on the command line, where other users and the shell's history see it".to_owned(),
            "give it on standard input, at the prompt, or with --value-file where there is one; and rotate the one that was typed",
        ),
        Usage::RecoveryPlace => (
            "a recovery key is shown once, and there is no terminal to show it on".to_owned(),
            "repeat on a terminal, or have it written to a new file with --out FILE",
        ),
        Usage::KeyInArgs => (
            "a secret key was given on the command line, where other users and the shell's history see it".to_owned(),
            "name the file that holds it; and take another key, for this one is not secret any more",
        ),
        Usage::AsksAgain => {
            return Words::new(
                "no-key",
                exit::LOCKED,
                "there is a session, but this asks for the key itself",
                "give -i FILE or --passphrase-file FILE, or repeat on a terminal",
            );
        }
        Usage::OtherRecipient => (
            "this identity does not open what is sealed to the recipient that its file names".to_owned(),
            "correct the comment in the file, or add the right recipient itself",
        ),
        Usage::Duration => {
            ("this is no duration".to_owned(), "write 365d, 12h, 30m or 1d12h; a bare number means days")
        }
        Usage::HoldFor => (
            "this is no time that a session lasts".to_owned(),
            "write 8h, 30m or 2d, a year at most, or boot for until the next boot",
        ),
        Usage::RecipientMistyped => (
            "this looks like an age recipient, but its checksum is wrong".to_owned(),
            "a character is mistyped or missing: copy it whole, as age-keygen -y prints it",
        ),
        Usage::NeitherRecipientNorFile => {
            return Words::new(
                "not-found",
                exit::NO_ENTRY,
                "this is no recipient, and no file of this name is there",
                "give age1..., 'ssh-ed25519 ...', a file with a key or its public half (*.pub), or the word passphrase",
            );
        }
        Usage::KeyToStdout => (
            "a secret key is not written to standard output".to_owned(),
            "name a new file with --out FILE, on a tmpfs for instance",
        ),
        Usage::Variable(name) => (format!("{name} is set to something that cannot be used"), "unset it or correct it"),
        Usage::Only => (
            "the value of --only is not one that it takes".to_owned(),
            "write NAME for env/NAME, or NAME=ID with an id as agevault list shows it",
        ),
        Usage::NeedsYes => {
            ("this needs a yes, and there is nobody to ask".to_owned(), "repeat on a terminal, or with --yes")
        }
        Usage::NotHeld => (
            "a session cannot hold this kind of key".to_owned(),
            "unlock with an age identity or a passphrase of the vault",
        ),
        Usage::Label => (
            "this is no label".to_owned(),
            "a label has 1 to 64 characters, none of them invisible, and no white space at its ends",
        ),
        Usage::NoRecipient => (
            "a vault needs somebody who can open it".to_owned(),
            "give --generate-identity, -r AGE1..., --passphrase-file FILE, or run this on a terminal",
        ),
        Usage::StdinFormat => (
            "standard input and --format go together, alone".to_owned(),
            "agevault import - --format auth-profiles, or --format dotenv",
        ),
        Usage::OtherWorld => (
            "an entry cannot move between auth/, env/ and config/".to_owned(),
            "put the value under the new id with agevault set and remove the old one",
        ),
        Usage::NoPassphrase => {
            ("the vault has no passphrase".to_owned(), "agevault recipients add passphrase --label NAME adds one")
        }
        Usage::NeedsItsPassphrase => {
            return Words::new(
                "no-terminal",
                exit::LOCKED,
                "there is no terminal to ask at",
                "open the vault with this passphrase: --passphrase-file FILE",
            );
        }
        Usage::Pin => (
            "the value of --pin is not one that it takes".to_owned(),
            "a fingerprint has 32 hexadecimal digits, as agevault trust shows it",
        ),
        Usage::GatewayVersion => (
            "the value of --gateway-version is not one that it takes".to_owned(),
            "write it as openclaw --version does, 2026.9.6 for instance, or none",
        ),
        Usage::WhichGateway => (
            "no openclaw was found, and what the unit needs depends on its version".to_owned(),
            "name its program with --openclaw PATH, or its version with --gateway-version V",
        ),
        Usage::SetNewAuth => {
            return Words::new(
                "no-entry",
                exit::NO_ENTRY,
                "there is no such profile to set",
                "make one with agevault auth paste-api-key, paste-token or setup-token",
            );
        }
        Usage::Oauth => (
            "an OAuth credential has no single value".to_owned(),
            "get one member with --field access or --field refresh; to change it, log in with the gateway and import",
        ),
        Usage::WhichPassphrase => (
            "the vault has several passphrases".to_owned(),
            "name one by its label: agevault recipients list shows them",
        ),
        Usage::NotPassphrase => {
            ("this recipient is not a passphrase".to_owned(), "agevault recipients list shows which are")
        }
        Usage::NeedsPerson => (
            "this needs somebody who compares the fingerprint, and there is nobody".to_owned(),
            "repeat on a terminal; --yes is no answer to it",
        ),
        Usage::TrustNeedsPin => {
            ("there is nobody to compare the fingerprint".to_owned(), "give the one that it must have with --pin")
        }
        Usage::RemovesItself => (
            "this would remove the key that it uses itself".to_owned(),
            "name a key that stays as well, with another -i or --passphrase-file",
        ),
        Usage::SeveralStay => (
            "several of the given keys would stay".to_owned(),
            "give one key besides the one that is removed; it will open the kept generations that the removed key opened",
        ),
        Usage::ChooseForOne => (
            "--ours and --theirs apply to one state, and there are several to merge".to_owned(),
            "name one: agevault merge FILE --theirs ID",
        ),
        Usage::Subject => (
            "neither an entry id nor an order".to_owned(),
            "write auth/AGENT/PROFILE, env/NAME, config/PATH/... or order/AGENT/PROVIDER",
        ),
        Usage::NothingToUndo => {
            ("no save of this host to undo".to_owned(), "agevault history list shows what was saved")
        }
        Usage::NothingBefore => {
            ("no earlier state is kept".to_owned(), "name two states, each a generation, a file or a git revision")
        }
        Usage::OptionsWithoutPassphrase => (
            "options for a new passphrase, but none is added".to_owned(),
            "write agevault recipients add passphrase --label NAME",
        ),
        Usage::StdinTwice => (
            "standard input cannot hold both the key and what this command reads there".to_owned(),
            "put one of them into a file and name it",
        ),
        Usage::AcceptUnattended => (
            "--accept-rollback is not for a command that runs without anybody".to_owned(),
            "save once by hand with --accept-rollback; what follows needs it no more",
        ),
        Usage::ResolveInput => (
            "the request of a gateway comes on standard input, and there is none".to_owned(),
            "agevault get prints a value to a person; for a key name a file",
        ),
        Usage::Provider => ("no provider is named".to_owned(), "write --provider anthropic, for instance"),
        Usage::NothingToRun => return super::run::nothing(),
        Usage::OtherProvider => (
            "one of the profiles is of another provider".to_owned(),
            "agevault status shows the provider of each profile",
        ),
        Usage::NoSetupToken => (
            "only anthropic has setup-tokens".to_owned(),
            "put a token of another provider with agevault auth paste-token",
        ),
        Usage::KdfMemory => (
            "the memory of a derivation is 8 to 1024 MiB".to_owned(),
            "choose it with --kdf-memory, or leave it to agevault",
        ),
        Usage::TooLong => ("the value is longer than 1 MiB".to_owned(), "nothing was changed"),
        Usage::NoInput => (
            "a value is needed, and nobody may be asked".to_owned(),
            "give it on standard input, or with --value-file where there is one",
        ),
        Usage::NoProfiles => {
            ("no profile is named".to_owned(), "name at least one; agevault auth order clear forgets the order")
        }
    };
    Words::new("usage", exit::USAGE, what, hint)
}

fn parse(kind: Kind) -> Words {
    let about = |name: Option<&str>| name.map(|name| format!(" {name}")).unwrap_or_default();
    let what = match kind {
        Kind::Unknown(typed, near) => {
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            match typed {
                Some(option) if option.starts_with('-') => format!("there is no option {option} here{near}"),
                Some(command) => format!("there is no command {command} here{near}"),
                None => format!("there is no such command, option or argument{near}"),
            }
        }
        Kind::NeedsEquals(name) => {
            let what = format!("the value of {name} needs a = before it, and no blank");
            return Words::new("usage", exit::USAGE, what, format!("write {name}=VALUE"));
        }
        Kind::Missing(name) => {
            format!("something is missing:{}", name.map_or(" an argument".to_owned(), |name| format!(" {name}")))
        }
        Kind::Invalid(name) => {
            format!("the value{} is not one that it takes", name.map_or(String::new(), |name| format!(" of {name}")))
        }
        Kind::NeedsValue(name) => format!("the option{} needs a value", about(name)),
        Kind::TakesNone(name) => format!("the option{} takes no value", about(name)),
        Kind::Twice(name) => format!("the option{} stands there twice", about(name)),
        Kind::Count(name) => format!("the option{} has too many or too few values", about(name)),
        Kind::Conflict(name) => format!("the option{} cannot stand beside another one here", about(name)),
        Kind::NoCommand => "a command is missing".to_owned(),
        Kind::NotText => "something on the command line is not UTF-8".to_owned(),
    };
    Words::new("usage", exit::USAGE, what, "agevault --help, and --help after a command, show what there is")
}

fn id(error: IdError) -> &'static str {
    match error {
        IdError::Shape => "this is no id of an entry",
        IdError::Scope => "the agent in this id is none",
        IdError::EnvName => "the name in this id is no name of a variable",
        IdError::Escape => "_x begins an escape in an id, and this is none (_x itself is written _x5f_x)",
        IdError::TooLong => "a name in this id is longer than 1024 bytes",
    }
}
