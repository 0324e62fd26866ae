//! What a gateway still has in plaintext, and how it differs from what `connect` left.

use super::gateway::{REPAIR, REPAIR_WITH_VIEWS};
use super::name::plain;
use super::{Words, exit, name, views};
use crate::ops::connect::{Drift, Left, Reason};

/// Words for a gateway that was connected and is not as it should be.
pub fn of_findings(findings: super::super::connect::Findings) -> Words {
    let places = name::count(findings.left, "place still holds plaintext", "places still hold plaintext");
    if findings.planned {
        let places = name::count(findings.left, "place would still hold", "places would still hold");
        let hint = "nothing was changed; each is named above, with what would change it";
        return Words::new("findings", exit::FINDINGS, format!("{places} plaintext"), hint);
    }
    let (what, hint) = match (findings.left, findings.stale) {
        (0, _) => (
            "everything was done, but the gateway that runs did not take its secrets anew".to_owned(),
            "restart it; until then it has what it had",
        ),
        (_, false) => (format!("everything else was done; {places}"), "each is named above, with what would change it"),
        (_, true) => (
            format!("everything else was done; {places}, and the gateway that runs did not reload"),
            "each is named above, with what would change it; restart the gateway",
        ),
    };
    Words::new("findings", exit::FINDINGS, what, hint)
}

/// What is left in plaintext, or would be, and what would change that.
pub fn left(left: &Left, would: bool) -> (String, String) {
    let file = name::path(&left.file);
    let place = left.at.as_ref().map(|at| format!(", {}", plain(&at.to_string()))).unwrap_or_default();
    let ids = plain(&left.ids.join(", "));
    let ids = if ids.is_empty() { ids } else { format!(": {ids}") };
    let hint = match left.why {
        Reason::Kept => return (format!("kept in plaintext: {file}{place}{ids}"), String::new()),
        Reason::NoReference => {
            "OpenClaw takes no reference there: move the value to an environment variable and name it as ${NAME}, then \
             start the gateway with agevault run"
        }
        Reason::Unused => "the gateway does not use it: remove it once you are sure",
        Reason::Unnamed => {
            "nothing there has a name that lasts: give the list element an id, or include the file at one place only, then run agevault connect again"
        }
        Reason::Argument => {
            "an argument takes no reference: give it to the command by a variable of its env, then run agevault connect again"
        }
        Reason::Twice => {
            "the configuration sets it twice, and without this one the other would count: remove that one, then connect again"
        }
        Reason::Needed => "the gateway reads this variable itself: start it with agevault run, then remove the line",
        Reason::Oauth => {
            "OpenClaw takes no reference for OAuth and keeps it in its own store: --keep-oauth accepts that"
        }
        Reason::Row => {
            "openclaw secrets store holds it: refer to the vault instead, overwrite it with openclaw secrets store set, then rm it (rm alone keeps the value for 30 days)"
        }
        Reason::Service => {
            "the service gives it to the gateway before anything else: put it into the vault, take it out there, then reload and restart the service"
        }
        Reason::Command => "the command or its arguments are not plain text: agevault cannot run it",
        Reason::TooLong => "its id is too long for a reference: agevault rename gives it a shorter one",
        Reason::Unparsed => "the gateway passes over these lines: remove them",
        Reason::Mixed => "holds both a key and the name of a variable; put the whole text into the variable",
        Reason::Refused => {
            "it is not taken for a secret; if it is one, agevault set puts it into the vault, and agevault connect --on-conflict keep a reference in its place"
        }
        Reason::Written => "the gateway wrote it meanwhile: run agevault connect again",
        Reason::Copy => "a copy of a value of the vault: remove the file, or let the gateway write it anew",
        Reason::Unread => {
            return (
                format!("not read: {file}"),
                "it may hold secrets: make it readable, then run agevault connect again".to_owned(),
            );
        }
    };
    let verb = if would { "would stay" } else { "left" };
    (format!("{verb} in plaintext: {file}{place}{ids}"), hint.to_owned())
}

/// The same in one stable word.
pub fn left_token(why: Reason) -> &'static str {
    match why {
        Reason::Kept => "kept",
        Reason::NoReference => "no-reference",
        Reason::Unused => "unused",
        Reason::Unnamed => "unnamed",
        Reason::Argument => "argument",
        Reason::Needed => "needed",
        Reason::Twice => "twice",
        Reason::Oauth => "oauth",
        Reason::Row => "store-row",
        Reason::Service => "service",
        Reason::Command => "command",
        Reason::TooLong => "too-long",
        Reason::Unparsed => "unparsed",
        Reason::Mixed => "mixed",
        Reason::Refused => "refused",
        Reason::Written => "written",
        Reason::Copy => "copy",
        Reason::Unread => "unread",
    }
}

/// How a connected gateway differs from what `connect` left.
pub fn drift(drift: &Drift) -> Words {
    let names = |names: &[String]| names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
    let found = |token, what: String, hint: &str| Words::new(token, exit::FINDINGS, what, hint);
    match drift {
        Drift::Unread(file) => found(
            "gateway-not-read",
            format!("{} cannot be read: what the gateway has in it is not known", name::path(file)),
            "agevault connect --dry-run says what is wrong with it",
        ),
        Drift::NoEntry => found(
            "not-connected",
            "the gateway's configuration does not name the vault's resolver: nobody answers for its references"
                .to_owned(),
            "agevault connect writes the entry anew",
        ),
        Drift::NoProgram(path) => found(
            "resolver-gone",
            format!("{}, which answers for the gateway's references, is not there or cannot be run", name::path(path)),
            "agevault connect puts it there again",
        ),
        Drift::Unresolved(ids) => found(
            "references-unresolved",
            format!("the gateway asks for these, and the vault has no value: {}", names(ids)),
            "put them back with agevault set or agevault auth; or run agevault connect, which removes dead references",
        ),
        Drift::Gone(ids) => found(
            "references-gone",
            format!("the gateway has no reference any more to: {}", names(ids)),
            "agevault connect puts those of profiles back and names the others; agevault rm removes what is not needed",
        ),
        Drift::Plaintext(ids) => found(
            "plaintext",
            format!("the gateway's files hold in plaintext: {}", names(ids)),
            "agevault connect takes what is new and puts references there; where the vault has another value, --on-conflict replace takes the gateway's and keep leaves the vault's",
        ),
        Drift::Unmigrated(paths) => found(
            "stores-unmigrated",
            format!("files of profiles are not migrated to this release: {}", views(paths)),
            REPAIR,
        ),
        Drift::ViewsGone(paths) => found(
            "stores-unmigrated",
            format!("files of profiles are not migrated to this release, and no view is behind them: {}", views(paths)),
            REPAIR_WITH_VIEWS,
        ),
        Drift::Moved(version) => found(
            "stores-moved",
            format!("profiles are elsewhere with OpenClaw {version} than with the release that was connected"),
            "agevault connect takes what the gateway has there now and puts references in its place",
        ),
        Drift::Version { was, now } => found(
            "other-version",
            format!("the gateway is OpenClaw {now} now; it was {} when it was connected", plain(was)),
            "agevault connect makes sure that it fits",
        ),
    }
}
