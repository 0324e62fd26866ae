//! Words for what a capture leaves open.

use super::name::{self, plain};
use super::{Words, exit, vault};
use crate::ops::capture::Error;
use crate::ops::judge::Why;
use std::path::PathBuf;

/// Words for a capture that was not done.
pub fn of_capture(error: &Error) -> Words {
    match error {
        Error::Views(error) => vault::of_views(error),
        Error::Store(error) => vault::of_store(error),
    }
}

/// What no rule decides between a gateway and the vault, by reason.
pub fn conflict(open: &[(String, Why)]) -> Words {
    let of = |why: Why, before: &str| {
        let names: Vec<String> = open.iter().filter(|(_, of)| *of == why).map(|(name, _)| name.clone()).collect();
        (!names.is_empty()).then(|| format!("{before}: {}", listed(&names)))
    };
    let all = [
        of(Why::BothChanged, "both the gateway and the vault changed"),
        of(Why::LostRefresh, "the gateway has no refresh token any more, and the vault has one"),
        of(Why::OtherType, "the gateway has another type of credential now"),
    ];
    let takes = open.iter().any(|(_, why)| *why != Why::LostRefresh);
    let hint = if takes {
        "both are kept, everything else was captured; agevault import DIR --on-conflict replace takes the gateway's, agevault export DIR --discard puts the vault's in its place"
    } else {
        "the vault's is kept, everything else was captured; log in again at the gateway, or agevault export DIR --discard puts the vault's in its place"
    };
    let what = all.into_iter().flatten().collect::<Vec<_>>().join("; ");
    Words::new("capture-conflict", exit::CONFLICT, what, hint)
}

/// Views that stay half written, or that somebody broke.
pub fn unreadable(paths: &[PathBuf]) -> Words {
    let paths: Vec<String> = paths.iter().map(|path| name::path(path)).collect();
    Words::new(
        "unreadable-view",
        exit::DAMAGED,
        format!("this view cannot be read as what it was: {}", paths.join(", ")),
        "everything else was captured; repeat when whoever writes it is done, or agevault export --discard gives it up",
    )
}

/// Tokens that no view may bring back.
pub fn superseded(ids: &[String]) -> Words {
    Words::new(
        "superseded",
        exit::CONFLICT,
        format!("the vault has a refresh token that another one followed: {}", listed(ids)),
        "nothing was changed; log in again at the gateway and import that, or remove the profile with agevault rm",
    )
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ")
}
