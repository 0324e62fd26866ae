//! Words for the vault file, its document, files in general, and views.

use super::file::of_file;
use super::name::{self, plain};
use super::{Words, exit};
use crate::ops::join::Conflict;
use crate::ops::judge::Why;
use crate::{model, seal, store, views};
use std::path::Path;

/// Words for the vault file.
pub fn of_store(error: &store::Error) -> Words {
    use store::Error;
    let authentic = |token, what: String, hint: &str| Words::new(token, exit::NOT_AUTHENTIC, what, hint);
    match error {
        Error::File(error) => of_file(error),
        Error::Seal(error) => of_seal(error),
        Error::Model(error) => of_model(error),
        Error::NotAuthentic(pin) => authentic(
            "not-authentic",
            format!("this is not the vault that is known here: its fingerprint is {pin}"),
            "somebody may have replaced the file; restore a backup, or if you replaced it yourself: agevault trust",
        ),
        Error::Retired(pin) => authentic(
            "former",
            format!(
                "this vault predates a removal or change of a key that this host knows of: its fingerprint is {pin}"
            ),
            "a host that did not know of it saved the vault, or an old file was put back; agevault merge restores the newer state and merges this one into it",
        ),
        Error::Unknown(pin) => authentic(
            "unknown-vault",
            format!("this vault was never used on this host: its fingerprint is {pin}"),
            "compare it with the one shown when it was made: agevault trust asks, agevault trust --pin FINGERPRINT takes it",
        ),
        Error::RolledBack => authentic(
            "rolled-back",
            "the vault file is older than the last one seen here".to_owned(),
            "bring the newer file back; or, if the old state is what you want, repeat with --accept-rollback",
        ),
        Error::Forked => authentic(
            "forked",
            "the vault file was saved by another host from an older state than the last one seen here".to_owned(),
            "run agevault merge, or repeat with --accept-rollback to continue from this state",
        ),
        Error::Raced => Words::new(
            "raced",
            exit::CONFLICT,
            "another program keeps putting a vault in place of this one",
            "nothing was changed; stop what synchronises the file for a moment, then repeat",
        ),
        Error::Unreadable(names) => Words::new(
            "unreadable-generations",
            exit::CONFLICT,
            format!("{} kept generations do not open with the key at hand: {}", names.len(), names.join(", ")),
            "name a key that opens them as well, with another -i or --passphrase-file; or give them up with --drop-unreadable",
        ),
        Error::NotRecipient => Words::new(
            "not-a-recipient",
            exit::LOCKED,
            "the plugin's key opened the vault, but the file has recipients that the vault does not list, and this save would lock them out",
            "nothing was changed; open it with another key and add this one: agevault recipients add",
        ),
        Error::NoGeneration(number) => Words::new(
            "no-generation",
            exit::NO_ENTRY,
            format!("no generation {number} was kept"),
            "agevault history list shows those that were",
        ),
        Error::Record(path) => Words::new(
            "bad-record",
            exit::UNSAFE,
            format!("the local record {} cannot be read", name::path(path)),
            "move it away; then agevault trust remembers the vault anew",
        ),
        Error::AfterSave(error) => {
            let words = of_store(error);
            let what = format!("the vault is saved, but what follows a save failed: {}", words.what);
            Words {
                exit: exit::FAILED,
                what,
                hint: "mend that; the next save does what is missing".to_owned(),
                ..words
            }
        }
        Error::Random => {
            Words::new("no-randomness", exit::FAILED, "the system gave no random bytes", "nothing was changed")
        }
    }
}

/// What two states of a vault have in different ways, each with who saved it when.
pub fn of_merge(name: &str, conflicts: &[(Conflict, String)]) -> Words {
    let one = |(conflict, sides): &(Conflict, String)| {
        let fields = conflict.fields.join(", ");
        let fields = if fields.is_empty() { fields } else { format!(" ({fields})") };
        let why = match conflict.why {
            Why::BothChanged => "",
            Why::LostRefresh => ", which has no refresh token there",
            Why::OtherType => ", of another type there",
        };
        let sides = if sides.is_empty() { String::new() } else { format!(", {sides}") };
        format!("{}{}{why}{}", plain(&conflict.subject.to_string()), plain(&fields), plain(&sides))
    };
    Words::new(
        "merge-conflict",
        exit::CONFLICT,
        format!(
            "{} and the vault both changed: {}",
            plain(name),
            conflicts.iter().map(one).collect::<Vec<_>>().join("; ")
        ),
        "this state was not merged; resolve it with agevault merge --ours ID (the vault file's value) or --theirs ID (the other state's)",
    )
}

/// Words for sealed bytes and keys.
pub fn of_seal(error: &seal::Error) -> Words {
    use seal::Error;
    let damaged = |token, what: String, hint: &str| Words::new(token, exit::DAMAGED, what, hint);
    match error {
        Error::NotAge => damaged(
            "not-a-vault",
            "this is not a vault file".to_owned(),
            "a vault is a binary age file; name another with --vault",
        ),
        Error::Bound(what, bound) => damaged(
            "bound",
            format!("{what} is beyond the bound of {bound}"),
            "nothing that agevault writes comes near it",
        ),
        Error::Damaged => damaged(
            "damaged",
            "the vault file is damaged".to_owned(),
            "nothing was changed; restore a kept generation or a backup with agevault restore",
        ),
        Error::NoSlot => {
            Words::new("no-slot", exit::LOCKED, "no passphrase opens the vault", "name an identity with -i FILE")
        }
        Error::NoMatch => Words::new(
            "wrong-key",
            exit::LOCKED,
            "the key at hand does not open it",
            "agevault recipients list, run with a key that opens it, shows which ones do",
        ),
        Error::Memory(mib) => Words::new(
            "memory",
            exit::LOCKED,
            format!("this passphrase needs {mib} MiB of memory, which this machine does not have"),
            "open with another recipient, or give the process more memory",
        ),
        Error::BadIdentity(0, what) => {
            Words::new("bad-identity", exit::LOCKED, format!("the key file {what}"), "nothing was changed")
        }
        Error::BadIdentity(line, what) => Words::new(
            "bad-identity",
            exit::LOCKED,
            format!("line {line} of the key file is {what}"),
            "nothing was changed",
        ),
        Error::BadRecipient => Words::new(
            "bad-recipient",
            exit::USAGE,
            "this is no recipient that can be used here",
            "a recipient begins with age1, as age-keygen -y prints it, or with ssh-ed25519, as in id_ed25519.pub",
        ),
        Error::LowOrder => Words::new(
            "low-order",
            exit::USAGE,
            "this recipient is a point of small order: everybody could open what is sealed to it",
            "no key pair has it; take the recipient that age-keygen -y prints",
        ),
        Error::PostQuantum => Words::new(
            "post-quantum",
            exit::USAGE,
            "post-quantum recipients (age1pq1..., age1tagpq1...) are not supported yet",
            "age keeps them from standing beside any other kind; name a recipient of a usual kind",
        ),
        Error::Plugin(name, fault) => super::key::plugin(name, fault),
        Error::Ssh(refused) => super::key::ssh(*refused),
        Error::Gone => Words::new(
            "no-session",
            exit::LOCKED,
            "the session that held the key has ended",
            "agevault unlock starts another",
        ),
        Error::Failed(what) => Words::new("failed", exit::FAILED, format!("{what} failed"), "nothing was changed"),
    }
}

/// Words for the document.
pub fn of_model(error: &model::Error) -> Words {
    use model::Error;
    let conflict = |token, what: String, hint: &str| Words::new(token, exit::CONFLICT, what, hint);
    match error {
        Error::Malformed { line, column } => Words::new(
            "malformed",
            exit::DAMAGED,
            format!("the content of the vault is malformed at line {line}, column {column}"),
            "restore a kept generation or a backup with agevault restore",
        ),
        Error::Bound(what, bound) => {
            Words::new("bound", exit::DAMAGED, format!("{what} is beyond the bound of {bound}"), "nothing was changed")
        }
        Error::Newer => {
            Words::new("newer", exit::DAMAGED, "written by a newer agevault", "update agevault on this host")
        }
        Error::Duplicate(name) => Words::new(
            "duplicate",
            exit::DAMAGED,
            format!("{} has the same member twice", plain(name)),
            "replace the entry, or restore a kept generation",
        ),
        Error::NoEntry(_) => Words::new(
            "no-entry",
            exit::NO_ENTRY,
            "there is no such entry",
            "agevault list and agevault recipients list show the names",
        ),
        Error::Taken(name) => {
            conflict("taken", format!("{} is there already", plain(name)), "choose another name, or remove it first")
        }
        Error::Conflict(name) => conflict(
            "conflict",
            format!("somebody else changed {} meanwhile", plain(name)),
            "nothing was changed; look at it and repeat",
        ),
        Error::LastRecipient => conflict(
            "last-recipient",
            "this is the only recipient: without it nothing would open the vault".to_owned(),
            "add another one first with agevault recipients add",
        ),
        Error::Slots(most) => conflict(
            "slots",
            format!("a vault has at most {most} passphrases"),
            "remove one first: agevault recipients list shows them",
        ),
    }
}

/// Words for views that the gateway changed before it kept these in databases.
pub fn of_left_views(names: &[String]) -> Words {
    changed(
        names,
        "the gateway keeps profiles in databases now: agevault connect takes what is there, seals these views and removes \
         them; --discard gives them up",
    )
}

fn changed(names: &[String], hint: &str) -> Words {
    // A view that cannot be read at all is named by its path.
    let shown = |name: &String| if name.starts_with('/') { name::path(Path::new(name)) } else { plain(name) };
    let names: Vec<String> = names.iter().map(shown).collect();
    Words::new("changed", exit::CONFLICT, format!("the gateway changed what was exported: {}", names.join(", ")), hint)
}

/// Words for views.
pub fn of_views(error: &views::Error) -> Words {
    use views::Error;
    let place = |token, what: String, hint: &str| Words::new(token, exit::UNSAFE, what, hint);
    match error {
        Error::File(error) => of_file(error),
        Error::Model(error) => of_model(error),
        Error::Format(error) => super::refusal::format(error, None),
        Error::Stale => Words::new(
            "stale",
            exit::CONFLICT,
            "the vault was saved by another command meanwhile",
            "no view was changed; run it again",
        ),
        Error::Changed(names) => changed(
            names,
            "agevault capture takes it into the vault, with --removals what was removed there too, and names what only agevault set takes; --discard gives it up",
        ),
        Error::Unreadable(paths) => super::capture::unreadable(paths),
        Error::Superseded(ids) => super::capture::superseded(ids),
        Error::NotOurs(paths) => {
            let paths: Vec<String> = paths.iter().map(|path| name::path(path)).collect();
            Words::new(
                "not-ours",
                exit::CONFLICT,
                format!("not written by agevault, and it holds more than the vault: {}", paths.join(", ")),
                "agevault import takes the entries into the vault; remove other lines by hand, or give all of it up with --discard",
            )
        }
        Error::Originals(paths) => {
            let paths: Vec<String> = paths.iter().map(|path| name::path(path)).collect();
            Words::new(
                "originals",
                exit::CONFLICT,
                format!("links would take the place of the gateway's own files: {}", paths.join(", ")),
                "nothing was changed; --yes replaces them, and keeps a sealed copy of each beside the vault",
            )
        }
        Error::OnDisk(path) => place(
            "on-disk",
            format!("{} is not in memory", name::path(path)),
            "plaintext stays on a disk even when it is removed; choose a place on a tmpfs, or insist with --on-disk",
        ),
        Error::Ignored => place(
            "gateway-ignores",
            "the gateway here keeps its credentials in databases and ignores such files".to_owned(),
            "agevault connect hands it references; --gateway-version names another gateway, --force insists",
        ),
        Error::HoldsStore(path) => place(
            "holds-store",
            format!("the gateway here keeps its credentials in {}", name::path(path)),
            "it would ignore the files, or import them into its database as plaintext; insist with --force",
        ),
        Error::Unrepresentable(name) => Words::new(
            "unrepresentable",
            exit::CONFLICT,
            format!("no .env file can hold the value of env/{}", plain(name)),
            "replace the value with agevault set, or leave env out with --only auth-profiles",
        ),
        Error::NoAgent(_) => Words::new(
            "no-entry",
            exit::NO_ENTRY,
            "the vault has nothing for this agent",
            "agevault list auth/ shows the agents",
        ),
        Error::Record(path) => place(
            "bad-record",
            format!("the local record {} cannot be read", name::path(path)),
            "move it away; what was exported before is then no longer known here",
        ),
        Error::InUse(path) => super::run::in_use(path),
    }
}
