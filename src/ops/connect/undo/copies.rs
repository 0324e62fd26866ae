//! The copies that a gateway keeps of its configuration.

use super::{Error, Seal};
use crate::formats::openclaw_config::{self, Member};
use crate::secret::SecretBuf;
use crate::{formats, fsio};
use std::path::{Path, PathBuf};

/// Gives the copies that a gateway keeps of its configuration, and puts back when it finds the file much
/// smaller than before, the same content, if they refer to the vault. Which.
pub(super) fn follow_copies(path: &Path, now: &SecretBuf, seal: Seal<'_>) -> Result<Vec<PathBuf>, Error> {
    let mut followed = Vec::new();
    for end in [".bak", ".last-good"] {
        let copy = PathBuf::from(format!("{}{end}", path.display()));
        let refers = |bytes: &SecretBuf| {
            let tree = openclaw_config::tree(bytes.expose()).unwrap_or_default();
            let ours = |member: &Member| matches!(member.content, openclaw_config::Content::Ours(_));
            openclaw_config::members(&tree, Some(&[])).iter().any(ours)
        };
        // A link leads to somebody else's file.
        let is_file = std::fs::symlink_metadata(&copy).is_ok_and(|found| found.is_file());
        let Some(bytes) = is_file.then(|| fsio::read_own(&copy, formats::MAX_INPUT).ok()).flatten() else { continue };
        if !refers(&bytes) {
            continue;
        }
        seal(&copy, &bytes)?;
        if fsio::replace_foreign(&copy, now.expose(), Some(bytes.expose()))? {
            followed.push(copy);
        }
    }
    Ok(followed)
}
