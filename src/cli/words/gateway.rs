//! Words for the gateway: its state directory, its program, what connects it to the vault.

use super::super::Reach;
use super::file::of_file;
use super::name::plain;
use super::{Words, exit, name, views};
use crate::gateway::{Error, Fault};
use crate::model::SecretId;
use crate::ops::connect::{self, Reload, Road};
use std::path::Path;

/// Words for the gateway's side.
pub fn of_gateway(error: &Error) -> Words {
    let program = |token, what: &str, hint: &str| Words::new(token, exit::FAILED, what, hint);
    match error {
        Error::File(error) => of_file(error),
        Error::NoHome => Words::new(
            "no-home",
            exit::UNSAFE,
            "HOME is not set",
            "set HOME, or name the gateway's directory with --state-dir",
        ),
        Error::NoProgram => Words::new(
            "no-gateway",
            exit::USAGE,
            "no openclaw was found that this command could use: nothing was changed",
            "name it with --openclaw PATH, or put it in PATH",
        ),
        Error::NoNode => Words::new(
            "no-node",
            exit::USAGE,
            "no node was found to run the gateway's program with: nothing was changed",
            "put it in PATH",
        ),
        Error::Program => program(
            "gateway-failed",
            "the gateway's program could not be run, or did not do what it should",
            "run openclaw --version and openclaw doctor to see what it says, then repeat; nothing is lost",
        ),
        Error::StoreBusy => Words::new(
            "gateway-store-busy",
            exit::BUSY,
            "a store of the gateway's could not be changed: something else has its lock",
            "repeat the command; what was done stays done",
        ),
        Error::StoreChanged => Words::new(
            "gateway-store-changed",
            exit::CONFLICT,
            "the gateway changed a profile while this command looked at it",
            "run the command again; what was done stays done",
        ),
        Error::Empty(path) => Words::new(
            "nothing-to-import",
            exit::NO_ENTRY,
            format!("nothing at {} holds credentials", name::path(path)),
            "name a state directory, or files called auth-profiles.json, auth.json, oauth.json, .env, openclaw.json, \
             openclaw.sqlite or openclaw-agent.sqlite",
        ),
        Error::Database(path, fault) => of_database(path, *fault),
        Error::Format(error, path) => super::refusal::format(error, Some(path)),
    }
}

pub(super) fn of_database(path: &Path, fault: Fault) -> Words {
    let damaged =
        |what: &str, hint| Words::new("bad-input", exit::DAMAGED, format!("{}: {what}", name::path(path)), hint);
    match fault {
        Fault::NotOne => damaged("not a SQLite database", "nothing was changed"),
        Fault::Damaged => {
            damaged("the database is damaged", "nothing was changed; openclaw doctor --fix may repair it")
        }
        Fault::HalfWritten => damaged(
            "its last writer ended in the middle of writing",
            "nothing was changed; start and stop the gateway, which completes it, then try again",
        ),
        Fault::Bound => damaged("larger than any credential store of a gateway", "nothing was changed"),
        Fault::Table(table) => damaged(
            &format!("the table {table} is not as a gateway makes it"),
            "nothing was changed; a newer gateway may need a newer agevault",
        ),
        Fault::Owner => damaged(
            "it does not say in known words where the shared credentials are",
            "nothing was changed; openclaw doctor --fix may repair it",
        ),
        Fault::Busy => Words::new(
            "busy",
            exit::BUSY,
            format!("{} is being written to", name::path(path)),
            "nothing was changed; try again in a moment",
        ),
        Fault::Unreadable => Words::new(
            "unreadable",
            exit::FAILED,
            format!("{} cannot be read", name::path(path)),
            "nothing was changed; its owner must be allowed to read it and the files beside it",
        ),
    }
}

/// What a gateway is to do whose own repair comes first.
pub const REPAIR: &str = "run openclaw doctor --fix, which takes them into its store, then agevault connect";
/// The same where it would find links to views that are gone.
pub const REPAIR_WITH_VIEWS: &str = "agevault --gateway-version 2026.6.1 export --refs --link makes the views again, then openclaw doctor --fix takes them \
     into its store, then agevault connect; agevault wipe gives them up";

/// Words for a gateway that was not connected.
pub fn of_connect(error: &connect::Error) -> Words {
    use connect::Error;
    let names = |names: &[String]| names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
    match error {
        Error::File(error) => of_file(error),
        Error::Gateway(error) => of_gateway(error),
        Error::Views(error) => super::vault::of_views(error),
        Error::Model(error) => super::vault::of_model(error),
        Error::Store(error) => super::vault::of_store(error),
        Error::Format(error, path) => super::refusal::format(error, Some(path)),
        Error::Resolver(code) => {
            let ended = match code {
                Some(0) => "it printed no answer".to_owned(),
                Some(code) => format!("it ended with {code}"),
                None => "it could not be run, or did not end in time".to_owned(),
            };
            Words::new(
                "resolver-failed",
                exit::FAILED,
                format!("the resolver does not work when it is called as the gateway will call it: {ended}"),
                "nothing of the gateway was changed; agevault resolve --check names the cause",
            )
        }
        Error::Unresolved(ids) => Words::new(
            "unresolved",
            exit::NO_ENTRY,
            format!("the vault has no value for: {}", names(ids)),
            "nothing of the gateway was changed; put the values with agevault set or agevault auth",
        ),
        Error::Unmigrated(paths) => Words::new(
            "unmigrated",
            exit::CONFLICT,
            format!("this gateway wants files of profiles migrated first: {}", views(paths)),
            REPAIR,
        ),
        Error::ViewsGone(paths) => Words::new(
            "unmigrated",
            exit::CONFLICT,
            format!(
                "this gateway wants files of profiles migrated first, and no view is behind them: {}",
                views(paths)
            ),
            REPAIR_WITH_VIEWS,
        ),
        Error::NoReferences => Words::new(
            "no-references",
            exit::UNSAFE,
            "this gateway is older than references",
            "nothing was changed; hand it views in memory: agevault export --link, or agevault run --views -- openclaw ...",
        ),
        Error::AnotherVault(path) => Words::new(
            "another-vault",
            exit::CONFLICT,
            format!("this gateway gets secrets from the vault at {}, which this one does not have", name::path(path)),
            "nothing was changed; name that vault with --vault, also for agevault connect --undo; if it is lost, remove secrets.providers.agevault from openclaw.json",
        ),
        Error::NotPutBack(profiles) => Words::new(
            "not-put-back",
            exit::FAILED,
            format!("the gateway's program did not put these back into its stores: {}", names(profiles)),
            "the references still work; run it again, with the gateway stopped",
        ),
        Error::Another(dir) => Words::new(
            "another-gateway",
            exit::CONFLICT,
            format!("this vault is connected to the gateway at {}", name::path(dir)),
            format!(
                "nothing was changed; another gateway needs a vault of its own (--vault FILE); agevault --state-dir {} connect --undo frees this one",
                name::path(dir)
            ),
        ),
        Error::Untraced => Words::new(
            "untraced",
            exit::CONFLICT,
            "the vault's records do not reach back to the last connect, so entries that the gateway refers to may have been renamed since",
            "nothing of the gateway was changed; check its references with agevault resolve --check, then agevault connect --on-conflict replace takes them by name",
        ),
        Error::Torn(names) => Words::new(
            "renamed",
            exit::CONFLICT,
            format!(
                "references of the gateway are ambiguous, since these entries were renamed and others have their old names: {}",
                names.join(", ")
            ),
            "nothing of the gateway was changed; agevault connect --on-conflict keep points them at the renamed entries, --on-conflict replace at the entries with the old names",
        ),
        Error::NotConnected(dir) => Words::new(
            "unconnected",
            exit::CONFLICT,
            format!(
                "the gateway at {} is not connected to this vault: nobody would answer for references",
                name::path(dir)
            ),
            "nothing was changed; agevault connect connects it; if that was undone, take agevault's lines out of its unit",
        ),
        Error::TooMany(most) => Words::new(
            "too-many-references",
            exit::CONFLICT,
            format!("these are more than the {most} references that a gateway asks one program for"),
            "nothing was changed; remove entries that the gateway does not need",
        ),
        Error::Record(path) => Words::new(
            "bad-connection",
            exit::DAMAGED,
            format!("what this host remembers of the connection cannot be read: {}", name::path(path)),
            "move the file away and run agevault connect again",
        ),
        Error::ReadOnly(None) => Words::new(
            "read-only",
            exit::UNSAFE,
            "the configuration is declared read-only (OPENCLAW_CONFIG_READONLY or OPENCLAW_NIX_MODE)",
            "nothing was changed; agevault connect --dry-run --plan shows what to put into its source",
        ),
        Error::ReadOnly(Some(path)) => Words::new(
            "read-only",
            exit::UNSAFE,
            format!("{} belongs to another user, and is not changed", name::path(path)),
            "nothing was changed; agevault connect --dry-run --plan shows what to put into its source",
        ),
        Error::PutBack(names_of) => Words::new(
            "put-back",
            exit::CONFLICT,
            format!("the gateway has another secret now than was taken in: {}", names(names_of)),
            "it was not touched; run agevault connect again, with --on-conflict replace to take it, or keep to give it up",
        ),
    }
}

/// How a change gets to a gateway that is connected.
pub fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Reload => "the gateway takes it after openclaw secrets reload, or agevault connect",
        Reach::Gone => {
            "the gateway still asks for what has gone (agevault resolve --check names it): put it back with agevault set, or have agevault connect remove the references"
        }
        Reach::Connect => "run agevault connect to hand it to the gateway",
    }
}

/// What a gateway that did not take its secrets anew does or needs; nothing if it did.
pub fn reload(reload: &Reload) -> Option<String> {
    match reload {
        Reload::Done => None,
        Reload::Degraded => Some("the gateway has reloaded and misses a secret: agevault resolve --check".to_owned()),
        Reload::Refused { port, reason } => {
            let reason = reason.as_ref().map(|reason| format!(" ({})", plain(reason))).unwrap_or_default();
            Some(format!(
                "a gateway runs (something listens on port {port}) and did not reload its secrets{reason}; until it is \
                 restarted it uses the old ones: restart it"
            ))
        }
        Reload::NotRunning(port) => {
            Some(format!("no gateway is running (nothing listens on port {port}): it takes its secrets when it starts"))
        }
    }
}

/// The same in one stable word.
pub fn reload_token(reload: &Reload) -> &'static str {
    match reload {
        Reload::Done => "done",
        Reload::Degraded => "degraded",
        Reload::Refused { .. } => "refused",
        Reload::NotRunning(_) => "not-running",
    }
}

/// An entry or an order that somebody removed at the gateway, which gets it again.
pub fn removed_there(name: &str) -> String {
    let name = plain(name);
    match SecretId::parse(&name) {
        Ok(_) => format!(
            "{name} was removed at the gateway and comes back; agevault rm --connect {name} removes it here too"
        ),
        Err(_) => {
            format!("{name} was removed at the gateway and comes back; agevault auth order clear removes it here too")
        }
    }
}

/// What changes of the resolver's entry: these members, or all of it.
pub fn resolver_entry(members: &[String]) -> String {
    match members {
        [] => "secrets.providers.agevault, the resolver's entry,".to_owned(),
        members => format!("{} of secrets.providers.agevault", plain(&members.join(", "))),
    }
}

/// How a secret reaches the gateway.
pub fn road(road: Road) -> &'static str {
    match road {
        Road::Store => "a reference in the gateway's store",
        Road::Config => "a reference in openclaw.json",
        Road::Profile => "a reference in a profile made for it; as a variable only under agevault run",
        Road::Run => "only to a gateway that was started with agevault run -- openclaw ...",
        Road::Command => "in the environment of the command that uses it, which runs under agevault run",
        Road::View => {
            "in a view in memory, beside references; agevault capture --watch takes back what the gateway renews"
        }
        Road::Own => "stays with the gateway, in plaintext",
        Road::Nowhere => "the gateway does not have it; agevault connect --restore-oauth puts it there",
        Road::Shadowed => "out of use: the gateway takes a profile of the same provider before it",
        Road::NoTarget => "stays in openclaw.json: this gateway takes no reference there",
        Road::TooLong => "its id is too long for a reference",
    }
}

/// The same in one stable word.
pub fn road_token(road: Road) -> &'static str {
    match road {
        Road::Store => "store",
        Road::Config => "config",
        Road::Profile => "profile",
        Road::Run => "run",
        Road::Command => "command",
        Road::View => "view",
        Road::Own => "own",
        Road::Nowhere => "none",
        Road::Shadowed => "shadowed",
        Road::NoTarget => "no-target",
        Road::TooLong => "too-long",
    }
}
