//! Words for what was pasted or is to be imported and is not taken.

use super::name::{self, plain};
use super::{Words, exit};
use crate::cli::Usage;
use crate::cli::value::Refused;
use crate::formats::{self, Mangle, Misfit, Note, NoteKind, exec, paste};
use crate::gateway::{Unread, Why};
use crate::ops::import;
use std::path::Path;

/// Words for a value that is not taken.
pub fn value(refused: Refused) -> Words {
    match refused {
        Refused::NotText => {
            Words::new("bad-value", exit::USAGE, "the value is not UTF-8", "the gateway takes text only")
        }
        Refused::Intake(refused) => super::intake::of_refused(refused),
        Refused::Paste(refused) => paste(refused),
    }
}

/// Words for a request of a gateway's.
pub fn request(refused: exec::Refused) -> Words {
    let what = match refused {
        exec::Refused::Malformed => "this is no request of a gateway's, or not a whole one".to_owned(),
        exec::Refused::Version => "the request is of another version of the protocol than 1".to_owned(),
        exec::Refused::TooMany => format!("the request has more than {} ids", exec::MAX_IDS),
        exec::Refused::TooLong => format!("the request is longer than {} MiB", exec::MAX_REQUEST >> 20),
    };
    Words::new("bad-request", exit::USAGE, what, "nothing was answered; the gateway must be one that agevault knows")
}

pub(super) fn misfit(why: Misfit) -> &'static str {
    match why {
        Misfit::Name => "the name cannot be one in this format",
        Misfit::Nul => "the value has a NUL in it",
        Misfit::Blank => "the value is only white space",
        Misfit::Backslash => "the value ends with a backslash and needs quotes",
        Misfit::Quotes => "the value has every kind of quotes, or quotes beside a carriage return",
        Misfit::Control => "the value has a control character that the reader drops",
    }
}

/// Words for a file of another format.
pub fn format(error: &formats::Error, path: Option<&Path>) -> Words {
    format_at(error, &path.map_or_else(|| "the input".to_owned(), name::path))
}

fn format_at(error: &formats::Error, place: &str) -> Words {
    use formats::Error;
    let encoded = |what: &str, hint: &str| Words::new("bad-input", exit::DAMAGED, format!("{place}: {what}"), hint);
    let damaged =
        |what: String| Words::new("bad-input", exit::DAMAGED, format!("{place}: {what}"), "nothing was changed");
    match error {
        Error::NotText => encoded("UTF-16, which the gateway does not read", "save the file as UTF-8"),
        Error::ByteOrderMark => encoded(
            "JSON after a byte order mark, which the gateway does not read",
            "save the file as UTF-8 without a byte order mark",
        ),
        Error::Syntax { line, column } => damaged(format!("wrong syntax at line {line}, column {column}")),
        Error::NotEditable { path, line, column } => damaged(format!(
            "{} at line {line}, column {column} is neither an object nor a list, so nothing can be put below it",
            plain(path)
        )),
        Error::Bound(what, bound) => damaged(format!("{what} is beyond the bound of {bound}")),
        Error::Shape(what) => damaged(format!("not the kind of file that its name says: {what}")),
        Error::Unrepresentable { name, why } => Words::new(
            "unrepresentable",
            exit::CONFLICT,
            format!("this format cannot carry {}: {}", plain(name), misfit(*why)),
            "choose another format, or replace the value",
        ),
    }
}

/// Words for an import that was not done.
pub fn import(error: &import::Error) -> Words {
    use import::Error;
    let names = |names: &[String]| names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
    match error {
        Error::Model(error) => super::vault::of_model(error),
        Error::Conflict(ids) => Words::new(
            "conflict",
            exit::CONFLICT,
            format!("the vault has another value for: {}", names(ids)),
            "nothing was changed; choose with --on-conflict keep or --on-conflict replace",
        ),
        Error::Referred(ids) => Words::new(
            "referred",
            exit::CONFLICT,
            format!("new secrets for entries that other places refer to: {}", names(ids)),
            "nothing was imported; first point those places at entries of their own; an account name that is too long for a reference prevents it",
        ),
        Error::Disputed(ids) => Words::new(
            "disputed",
            exit::CONFLICT,
            format!("the files give different values for: {}", names(ids)),
            "nothing was changed; import them one after the other with --on-conflict keep or replace",
        ),
        Error::Unrepresentable(ids) => Words::new(
            "unrepresentable",
            exit::CONFLICT,
            format!("values that no .env file could carry back: {}", names(ids)),
            "nothing was changed; remove them from the file, or rewrite their values",
        ),
    }
}

fn paste(refused: paste::Refused) -> Words {
    use paste::Refused as Why;
    let (what, hint) = match refused {
        Why::Required => ("there is no value, or only white space", "give it on standard input or at the prompt"),
        Why::TooLong => ("the value is longer than the gateway takes", "at most 1 MiB"),
        Why::SetupPrefix => (
            "an Anthropic token begins with sk-ant-oat01-, and this one does not",
            "paste what claude setup-token prints; an API key goes in with agevault auth paste-api-key",
        ),
        Why::SetupShort => ("the token looks too short", "paste the full setup-token"),
        Why::ApiKeyAsToken => {
            ("this looks like an OpenAI API key", "put it with agevault auth paste-api-key --provider openai")
        }
        Why::TokenAsApiKey => (
            "this looks like a token or OAuth material, not an OpenAI API key",
            "put a token with agevault auth paste-token --provider openai",
        ),
        Why::NotAnApiKey => ("this does not look like an OpenAI API key", "OpenAI's keys begin with sk-"),
        Why::Command => ("this is a command line, not a key", "paste the key itself"),
        Why::Reserved => {
            ("profile ids of the form personal:UUID:UUID are the gateway's own", "choose another with --profile-id")
        }
        Why::EmptyDuration | Why::Duration => return super::typed::words(Usage::Duration),
        Why::ExpiryRange => {
            ("this expiry is not after now, or after the end of the calendar", "write 365d, 12h, 30m or 1d12h")
        }
    };
    Words::new("bad-value", exit::USAGE, what, hint)
}

/// Words for a file, or a row of a database, that could not be read.
pub fn unread(unread: &Unread) -> Words {
    match &unread.why {
        Why::File(error) => super::file::of_file(error),
        Why::Format(error) => match unread.row {
            Some(row) => format_at(error, &format!("{}, row {row}", name::path(&unread.path))),
            None => format(error, Some(&unread.path)),
        },
        Why::Database(fault) => super::gateway::of_database(&unread.path, *fault),
        Why::Relative => Words::new(
            "relative-agent-dir",
            exit::DAMAGED,
            format!(
                "{} is an agentDir relative to where the gateway is started, which is not known here",
                name::path(&unread.path)
            ),
            "write the whole path into the configuration, or one that begins with ~",
        ),
        Why::Include => Words::new(
            "bad-include",
            exit::UNSAFE,
            format!("{} is included and not read", name::path(&unread.path)),
            "an included file must be inside the directory of openclaw.json, and at most 10 deep, for OpenClaw too",
        ),
    }
}

/// What a note is about: a name, a member, lines, or else the file.
pub fn noted(note: &Note) -> String {
    let name = Some(plain(&note.name)).filter(|name| !name.is_empty());
    let member = note.member.as_deref().map(|member| match name {
        Some(_) => format!("member {}", plain(member)),
        None => plain(member),
    });
    let lines = note.lines.map(|(first, last)| match first == last {
        true => format!("line {first}"),
        false => format!("lines {first} to {last}"),
    });
    let parts: Vec<String> = [name, member, lines].into_iter().flatten().collect();
    if parts.is_empty() { "the file".to_owned() } else { parts.join(", ") }
}

/// Words for what an import leaves out or finds remarkable.
pub fn note(note: NoteKind) -> &'static str {
    match note {
        NoteKind::Reference => "a reference, there is no secret to take",
        NoteKind::EnvReference => "names an environment variable, there is no secret to take",
        NoteKind::TakenOut => {
            "left out, the vault had it at the export and has it no more; import the file by its name to take it back"
        }
        NoteKind::Shadowed => "left out, the gateway uses something else before it",
        NoteKind::Superseded => "left out, the refresh token in the vault followed this one",
        NoteKind::Elsewhere => {
            "its tokens lie in a sidecar file of the gateway (oauthRef); run the gateway's doctor first, then import again"
        }
        NoteKind::Beside => "its second secret is left out, since the gateway does not use it",
        NoteKind::Marker => "a word of the gateway that says no key is needed, not a secret",
        NoteKind::NotAText => "left out, not a text",
        NoteKind::NotAnObject => "left out as the gateway does, not an object",
        NoteKind::UnknownType => "left out as the gateway does, of no known type",
        NoteKind::NoProvider => "left out as the gateway does, it names no provider",
        NoteKind::NotAName => "left out, its name is not one that can be used",
        NoteKind::Blank => "left out, it is empty",
        NoteKind::Mangled(what) => mangled(what),
        NoteKind::Empty => "is empty, and taken for a file without entries, as the gateway does",
        NoteKind::Duplicate => "left out, the same name comes again later in the same object, and the last one counts",
        NoteKind::Nul => "left out, it has a NUL",
        NoteKind::NotUtf8 => "left out, it has bytes that are not UTF-8",
        NoteKind::Replaced => "has bytes that are not UTF-8; taken with U+FFFD in their place, as the gateway reads it",
        NoteKind::NotUtf8Between => "bytes that are not UTF-8, outside of any value",
        NoteKind::TooLarge => "left out, larger or nested deeper than an entry of a vault may be",
        NoteKind::Torn => {
            "left out, a value of several lines without quotes: the gateway reads the first line alone; put it in single quotes"
        }
        NoteKind::Commented => "a comment with what looks like a key; it was not taken and stays in the file",
        NoteKind::Shell => "written for a shell, the gateway does not read it; it was not taken and stays in the file",
        NoteKind::Unread => "text that the gateway does not read; it was not taken and stays in the file",
    }
}

/// What the gateway would do to a value before it uses it as a key.
pub fn mangled(what: Mangle) -> &'static str {
    match what {
        Mangle::LineBreak => "has line breaks, which the gateway drops where it uses it as a key",
        Mangle::NotLatin1 => "has characters beyond U+00FF, which the gateway drops where it uses it as a key",
        Mangle::Control => "has control characters, which newer gateways drop where they use it as a key",
        Mangle::Edges => "has white space at its ends, which the gateway drops",
    }
}
