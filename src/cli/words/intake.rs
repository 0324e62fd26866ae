//! Words for values that do not become those of entries.

use super::refusal::misfit;
use super::{Words, exit, typed};
use crate::cli::Usage;
use crate::formats::placeholder::{Placeholder, Tool};
use crate::ops::intake::Refused;
use crate::ops::judge::Why;

/// Why a value is not taken, as a clause: "left out, it is empty".
pub fn refused(why: Refused) -> String {
    let clause = match why {
        Refused::Placeholder(kind) => return placeholder(kind),
        Refused::NoSecret => "it holds neither a secret nor a reference",
        Refused::Reference => "it is a reference now, and the vault has the secret",
        Refused::LostRefresh => "it has no refresh token, and the vault's has one",
        Refused::Dotenv(why) => return format!("no .env file could carry it back: {}", misfit(why)),
        Refused::Nul => "it has a NUL in it",
        Refused::TooLarge => "it is longer than 1 MiB or nested too deeply",
        Refused::NotText => "it has bytes that are not UTF-8",
        Refused::LongName => "its id is longer than 1024 bytes",
        Refused::Ignored => "the gateway ignores it",
        Refused::NotThere => "it is not in the vault, and a capture adds profiles only",
        Refused::Powerful => "it decides what a process runs or trusts",
        Refused::Redirects => "it decides where secrets are sent",
        Refused::Referred => {
            "another place in the configuration refers to this entry; agevault connect gives that place its own"
        }
    };
    clause.to_owned()
}

fn placeholder(kind: Placeholder) -> String {
    match kind {
        Placeholder::Blank => "it is empty".to_owned(),
        Placeholder::Redacted => "it is what the gateway shows in the place of a secret".to_owned(),
        Placeholder::Variable => "it is the name of a variable or a template, not a secret".to_owned(),
        Placeholder::Reference(of) => format!("it is a reference of {}, not a secret", tool(of)),
        Placeholder::Ciphertext(of) => format!("it is ciphertext of {}, not a secret", tool(of)),
        Placeholder::Masked => "it is masked: only the ends of a secret, or none of it".to_owned(),
        Placeholder::Example => "it is an example, or a word that stands for a value".to_owned(),
        Placeholder::Torn => "it is the beginning of a PEM block without its end".to_owned(),
        Placeholder::Metadata => "it is metadata of sops, not a secret".to_owned(),
    }
}

fn tool(tool: Tool) -> &'static str {
    match tool {
        Tool::Age => "age",
        Tool::Ansible => "ansible-vault",
        Tool::Aws => "AWS",
        Tool::Azure => "Azure Key Vault",
        Tool::Dotenvx => "dotenvx",
        Tool::Gateway => "the gateway",
        Tool::Jasypt => "Jasypt",
        Tool::OnePassword => "1Password",
        Tool::Pgp => "OpenPGP",
        Tool::Sops => "sops",
        Tool::Vals => "vals",
        Tool::Vault => "HashiCorp Vault",
    }
}

/// Words for a value that a person brings and that is not taken.
pub fn of_refused(why: Refused) -> Words {
    let (what, hint) = match why {
        Refused::Placeholder(Placeholder::Blank) => {
            ("there is no value, or only white space".to_owned(), "give it on standard input or at the prompt")
        }
        Refused::Nul => ("the value has a NUL in it".to_owned(), "neither an environment nor a header can carry one"),
        Refused::Dotenv(why) => (misfit(why).to_owned(), "no .env file could hand it to the gateway unchanged"),
        Refused::TooLarge => return typed::words(Usage::TooLong),
        Refused::Placeholder(_)
        | Refused::NoSecret
        | Refused::Reference
        | Refused::LostRefresh
        | Refused::NotText
        | Refused::LongName
        | Refused::Ignored
        | Refused::NotThere
        | Refused::Powerful
        | Refused::Redirects
        | Refused::Referred => {
            (format!("the value is not taken: {}", refused(why)), "nothing was changed; give the secret itself")
        }
    };
    Words::new("bad-value", exit::USAGE, what, hint)
}

/// Why no rule decides between two values, as a clause: "not taken, it is of another type than the vault's".
pub fn undecided(why: Why) -> &'static str {
    match why {
        Why::BothChanged => "both the gateway and the vault changed it",
        Why::LostRefresh => "it has no refresh token, and the vault's has one",
        Why::OtherType => "it is of another type than the vault's",
    }
}

/// What there is to know about a variable that decides what a process does.
pub fn powerful(name: &str) -> String {
    format!("decides what a process runs or trusts; agevault run hands it over only with --allow {name}")
}

/// What an unattended capture has left out, by the token of the reason: why, and what to do about the entry `name`.
pub fn left_out(token: &str, name: &str) -> (String, String) {
    if let Some(why) = Refused::all().find(|why| why.token() == token) {
        return (refused(why), remedy(why, name));
    }
    let why = Why::ALL.into_iter().find(|why| why.token() == token);
    let what = why.map_or_else(|| "it was not taken".to_owned(), |why| undecided(why).to_owned());
    (what, "agevault capture names what to do".to_owned())
}

/// What to do about an entry that a capture does not take.
pub fn remedy(why: Refused, name: &str) -> String {
    match why {
        Refused::NotThere | Refused::Powerful | Refused::Redirects => {
            format!("agevault set {name} puts it in, if you want it")
        }
        _ => "correct it at the gateway".to_owned(),
    }
}
