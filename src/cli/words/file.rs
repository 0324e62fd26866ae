//! Words for files and places.

use super::{Words, exit, name};
use crate::fsio;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether it is a directory that is there for others too: the modes of such a one must stay as they are.
fn is_shared(path: &Path) -> bool {
    const STICKY: u32 = 0o1000;
    // The root, what lies in it, and what lies there.
    const NEAR_THE_ROOT: usize = 3;
    let meta = path.metadata().ok().filter(Metadata::is_dir);
    meta.is_some_and(|meta| meta.mode() & STICKY != 0 || path.components().count() <= NEAR_THE_ROOT)
}

/// What to do about a place, unless others need it as it is.
fn unless_shared(path: &Path, hint: String) -> String {
    if is_shared(path) { "choose a directory that is yours alone".to_owned() } else { hint }
}

/// Words for files.
pub fn of_file(error: &fsio::Error) -> Words {
    use fsio::Error;
    let place = |token, what: String, hint: &str| Words::new(token, exit::UNSAFE, what, hint);
    match error {
        Error::NotFound(path) => Words::new(
            "not-found",
            exit::NO_ENTRY,
            format!("there is nothing at {}", name::path(path)),
            "check the path",
        ),
        Error::Exists(path) => Words::new(
            "exists",
            exit::CONFLICT,
            format!("there is something at {} already", name::path(path)),
            "it is not overwritten; name another place, for an identity with --generate-identity=PATH",
        ),
        Error::Kind(path) => place(
            "wrong-kind",
            format!("{} is not the kind of file that is needed", name::path(path)),
            "a regular file, or a directory where one is asked for",
        ),
        Error::Owner(path, uid) => place(
            "owner",
            format!("{} belongs to user id {uid}", name::path(path)),
            &unless_shared(
                path,
                format!("vault, gateway and this command share one user: sudo -u '#{uid}' -H agevault ..."),
            ),
        ),
        Error::Mode(path, mode) => place(
            "mode",
            format!("{} can be reached by others (mode {:04o})", name::path(path), mode & 0o7777),
            &unless_shared(path, "chmod go-rwx takes their permissions away".to_owned()),
        ),
        Error::Writable(path, mode) => place(
            "mode",
            format!("{} can be changed by others (mode {:04o})", name::path(path), mode & 0o7777),
            &unless_shared(path, format!("chmod go-w {} takes that away from them", name::path(path))),
        ),
        Error::Link(path) => {
            place("link", format!("{} is a link, or has several names", name::path(path)), "name the file itself")
        }
        Error::TooLarge(path, limit) => Words::new(
            "too-large",
            exit::DAMAGED,
            format!("{} is larger than {limit} bytes", name::path(path)),
            "nothing was changed",
        ),
        Error::Busy(path) => Words::new(
            "busy",
            exit::BUSY,
            format!("another command keeps {}", name::path(path)),
            "repeat when it is done, or wait longer with --lock-timeout",
        ),
        Error::Mounted(path) => Words::new(
            "mounted",
            exit::FAILED,
            format!("{} is a mount of its own, so that nothing can take its place", name::path(path)),
            "nothing was changed; mount the directory that holds it instead of the file",
        ),
        Error::ReadBack(path) => Words::new(
            "read-back",
            exit::FAILED,
            format!("the disk gave back other bytes than were written beside {}", name::path(path)),
            "the old file is still in place; check the disk",
        ),
        Error::Unsynced(path) => Words::new(
            "unsynced",
            exit::FAILED,
            format!("{} is written, but the disk did not confirm it", name::path(path)),
            "a power cut could still take it back; check the disk and save again",
        ),
        Error::Io(tried, path, error) => Words::new(
            "io",
            exit::FAILED,
            format!("cannot {tried} {}: {}", name::path(path), reason(error)),
            if path.is_absolute() {
                "the old file, if there was one, is still in place"
            } else {
                "nothing was changed"
            },
        ),
    }
}

/// How a gateway's own file comes back that a link took the place of, in lines: by stock age, closed to others. `key` is
/// the identity that opens the sealed copy, if it is in a file.
pub fn original(file: &Path, sealed: &Path, key: Option<&Path>) -> Vec<String> {
    let quoted = |path: &Path| {
        let text = path.to_string_lossy();
        name::plain(&shlex::try_quote(&text).unwrap_or_default())
    };
    let (sealed, to) = (quoted(sealed), quoted(file));
    let word = key.map_or("KEY".to_owned(), quoted);
    let mut lines = vec![
        format!("note: this puts back what the gateway had at {} before the link:", name::path(file)),
        format!("  (umask 077; age -d -i {word} {sealed} > {to})"),
    ];
    if key.is_none() {
        lines.push(
            "  with an identity as KEY; agevault recipients export-identity writes that of a passphrase".to_owned(),
        );
    }
    lines
}

/// The system's own words for an error; many kinds have none in the standard library.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
