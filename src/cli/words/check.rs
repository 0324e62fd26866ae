//! Words for what `resolve --check` finds.

use super::{Words, exit, name};
use crate::formats::exec_config::Misfit;
use crate::ops::connect::{Finding, NamedKey};
use std::path::PathBuf;

/// What puts the program and its entry right in most cases.
const AGAIN: &str = "agevault connect installs it anew and writes its place into the configuration";

/// How views in memory come back after a boot or `wipe`.
pub const VIEWS_AGAIN: &str = "agevault export --refs --link makes them again, or agevault connect if the gateway wrote \
     there meanwhile; agevault connect --print-unit has it done before each start";
/// The same for a gateway that is not connected.
pub const LINKS_AGAIN: &str = "agevault export --link makes them again";

/// Words for one finding: the cause and its remedy.
pub fn finding(finding: &Finding) -> Words {
    let found = |token, what: &str, hint: &str| Words::new(token, exit::FINDINGS, what, hint);
    match finding {
        Finding::NotConnected => found(
            "not-connected",
            "the gateway's configuration has no entry secrets.providers.agevault",
            "agevault connect writes it; --state-dir names another gateway",
        ),
        Finding::Entry(misfit) => entry(misfit),
        Finding::Gone => found("command-gone", "nothing is at the path of command", AGAIN),
        Finding::Link => found(
            "command-link",
            "command is a symbolic link, which the gateway refuses",
            "name the real path, or run agevault connect, which installs a copy",
        ),
        Finding::NotAFile => found("command-no-file", "command is not a regular file", AGAIN),
        Finding::Owner(uid) => Words::new(
            "command-owner",
            exit::FINDINGS,
            format!("command belongs to uid {uid}, and the gateway runs only its own"),
            "run agevault connect as the user of the gateway: it installs a copy of its own",
        ),
        Finding::Writable(mode) => Words::new(
            "command-writable",
            exit::FINDINGS,
            format!("command has mode {mode:04o}: others may write to it, and the gateway refuses it"),
            "make sure that it is still the right program, then chmod go-w; or run agevault connect",
        ),
        Finding::NotExecutable(mode) => Words::new(
            "command-not-executable",
            exit::FINDINGS,
            format!("command has mode {mode:04o}: its owner may not run it"),
            "chmod u+x, or run agevault connect",
        ),
        Finding::Untrusted => found(
            "command-untrusted",
            "command is in none of the directories in trustedDirs",
            "add its directory there, or take trustedDirs away",
        ),
        Finding::Another => found(
            "command-differs",
            "command is another agevault than the one that runs now",
            "agevault connect puts this one in its place",
        ),
        Finding::TooMany(count) => Words::new(
            "too-many-asked",
            exit::FINDINGS,
            format!("the gateway refers to {count} secrets, more than it asks one program for"),
            "remove entries that it does not need, then run agevault connect",
        ),
        Finding::Failed(code, key) => failed(*code, key.as_ref()),
        Finding::TooSlow(timeout) => Words::new(
            "resolver-too-slow",
            exit::FINDINGS,
            format!("the resolver did not end within the {} ms of timeoutMs", timeout.as_millis()),
            "open with an age identity rather than a passphrase, or raise timeoutMs; agevault connect sets it to 20000",
        ),
        Finding::Slow(took, timeout) => Words::new(
            "resolver-slow",
            exit::FINDINGS,
            format!(
                "the resolver took {} ms, more than half of the {} ms of timeoutMs",
                took.as_millis(),
                timeout.as_millis()
            ),
            "a busy machine may make it too slow: open with an age identity rather than a passphrase",
        ),
        Finding::TooMuch(most) => Words::new(
            "resolver-too-much",
            exit::FINDINGS,
            format!("the resolver printed more than the {most} bytes of maxOutputBytes"),
            "agevault connect sets it to what gateways take at most",
        ),
        Finding::Missing(ids) => {
            let ids: Vec<String> = ids.iter().map(|id| name::plain(id)).collect();
            Words::new(
                "references-unresolved",
                exit::FINDINGS,
                format!("the gateway asks for these, and the resolver has no value: {}", ids.join(", ")),
                "put them with agevault set or agevault auth; or run agevault connect, which removes dead references",
            )
        }
        Finding::Drift(drift) => super::findings::drift(drift),
        Finding::ViewsGone(paths) => Words::new(
            "views-gone",
            exit::FINDINGS,
            format!("no view is behind files of the gateway's: {}", views(paths)),
            VIEWS_AGAIN,
        ),
    }
}

/// Paths in a message.
pub fn views(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| name::path(path)).collect::<Vec<_>>().join(", ")
}

fn entry(misfit: &Misfit) -> Words {
    let found = |token, what: String, hint: &str| Words::new(token, exit::FINDINGS, what, hint);
    match misfit {
        Misfit::Source => found(
            "entry-source",
            "secrets.providers.agevault is not an entry of a program".to_owned(),
            "its source must be exec; agevault connect writes it anew",
        ),
        Misfit::Command => found(
            "entry-command",
            "command is missing, or not an absolute path".to_owned(),
            "gateways search no PATH and know no ~; agevault connect writes the path",
        ),
        Misfit::Unknown(member) => found(
            "entry-member",
            format!("{} is no member that every gateway takes", name::plain(member)),
            "a gateway that does not know it refuses its whole configuration: take it out, or run agevault connect",
        ),
        Misfit::Bounds(member) => found(
            "entry-bounds",
            format!("{member} is not as gateways take it"),
            "a wrong type, too much of it, or a part that they refuse; agevault connect writes the entry anew",
        ),
        Misfit::Secret(variable) => found(
            "entry-secret",
            format!("{} is handed to the resolver, and by its name holds a secret", name::plain(variable)),
            "the resolver needs none: take it out of passEnv and env, or run agevault connect",
        ),
    }
}

/// The resolver says by its exit code why it did not answer.
fn failed(code: Option<i32>, key: Option<&NamedKey>) -> Words {
    let named = key.map(|key| format!("{} {}", key.option, name::path(&key.path)));
    let locked = match (&named, key.is_some_and(|key| key.exists)) {
        (Some(named), false) => {
            format!(
                "nothing is at {named} of args: put the key there; agevault connect takes another that needs no person"
            )
        }
        (Some(named), true) => {
            format!(
                "what is at {named} of args does not open it unattended; agevault connect takes another key that does"
            )
        }
        (None, _) => {
            "args name none: agevault unlock, if a person has it; else give agevault connect one with -i FILE or --passphrase-file FILE"
                .to_owned()
        }
    };
    let with = named.map(|named| format!("agevault {named} list")).unwrap_or("agevault list".to_owned());
    let (what, hint) = match code.map(u8::try_from) {
        Some(Ok(0)) => ("it printed no answer", AGAIN.to_owned()),
        Some(Ok(exit::USAGE)) => ("it does not take the arguments in args", AGAIN.to_owned()),
        Some(Ok(exit::NO_ENTRY)) => (
            "there is no vault where --vault in args says",
            "agevault restore brings one back; if it was moved, run agevault connect".to_owned(),
        ),
        Some(Ok(exit::LOCKED)) => ("it cannot open the vault: no key, or one that does not fit", locked),
        Some(Ok(exit::BUSY)) => {
            ("something took too long", format!("{with} shows what is slow: a derivation, a file system"))
        }
        Some(Ok(exit::DAMAGED)) => (
            "the vault file, or what this host knows of it, is damaged",
            "agevault restore brings a kept generation back".to_owned(),
        ),
        Some(Ok(exit::UNSAFE)) => {
            ("it refuses the owner or the mode of a file or directory", format!("{with} names it"))
        }
        Some(Ok(exit::NOT_AUTHENTIC)) => (
            "it does not believe the vault: its fingerprint is not the one in args",
            "if you changed the keys, run agevault connect; if you did not, agevault trust shows what is known"
                .to_owned(),
        ),
        Some(_) => (
            "it ended with a code of its own",
            "make sure that command is agevault, and args end with resolve".to_owned(),
        ),
        None => ("it cannot be run, or a signal ended it", AGAIN.to_owned()),
    };
    let code = code.filter(|code| *code != 0).map(|code| format!(" (code {code})")).unwrap_or_default();
    Words::new("resolver-no-answer", exit::FINDINGS, format!("the resolver does not answer: {what}{code}"), hint)
}
