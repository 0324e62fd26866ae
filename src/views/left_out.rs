//! What captures have left out of a vault, and why: names and places, no values. `status` shows it while it holds.

use super::Error;
use super::record::Record;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

const VERSION: u32 = 1;
const FOLDER: &str = "left-out";
/// How long to wait for another capture that writes the record.
const PATIENCE: Duration = Duration::from_secs(10);

/// One entry that a capture has left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its id, or another name where it has none.
    pub name: String,
    /// The view or the state directory where it was found.
    pub place: PathBuf,
    /// The token of the reason.
    pub why: String,
    /// When it was first left out for this reason, in Unix seconds.
    pub since: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    version: u32,
    left_out: Vec<LeftOut>,
}

impl LeftOut {
    /// What the last captures have left out of the vault. Local state is in `root`; nothing is written there.
    ///
    /// # Errors
    /// [`Error::Record`].
    pub fn list(root: &Path, vault_id: &str) -> Result<Vec<Self>, Error> {
        let content: Option<Content> = Record::peek(root, FOLDER, vault_id)?;
        Ok(content.filter(|content| content.version == VERSION).map(|content| content.left_out).unwrap_or_default())
    }

    /// Replaces what is known of `places` by what a capture has left out there now: name and reason. What was left out
    /// before keeps its time. Writes only what changes something; a record that cannot be read is written anew.
    ///
    /// # Errors
    /// A directory that others reach; a disk that fails.
    pub fn note(
        root: &Path,
        vault_id: &str,
        places: &[&Path],
        found: &[(PathBuf, String, &'static str)],
        now: u64,
    ) -> Result<(), Error> {
        let next = |before: &[Self]| -> Vec<Self> {
            let others = before.iter().filter(|left| !places.contains(&left.place.as_path())).cloned();
            let here = found.iter().map(|(place, name, why)| {
                let same = |left: &&Self| (&left.place, &left.name, left.why.as_str()) == (place, name, *why);
                let since = before.iter().find(same).map_or(now, |left| left.since);
                Self { name: name.clone(), place: place.clone(), why: (*why).to_owned(), since }
            });
            others.chain(here).collect()
        };
        let before = readable(Self::list(root, vault_id))?;
        if next(&before) == before {
            return Ok(());
        }
        let record = Record::open(root, FOLDER, vault_id, PATIENCE)?;
        let before = readable(record.load::<Content>())?.unwrap_or_default().left_out;
        record.keep(&Content { version: VERSION, left_out: next(&before) })
    }

    /// Forgets what was left out at `places`, which hold something else now, or nothing.
    ///
    /// # Errors
    /// As [`LeftOut::note`].
    pub fn forget(root: &Path, vault_id: &str, places: &[&Path]) -> Result<(), Error> {
        Self::note(root, vault_id, places, &[], 0)
    }
}

/// A record that cannot be read says nothing, and the next capture finds all of it again.
fn readable<T: Default>(read: Result<T, Error>) -> Result<T, Error> {
    match read {
        Err(Error::Record(_)) => Ok(T::default()),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "6b1c5a3e-5d0f-4c8e-9c39-0d5b7c1f2a11";

    #[test]
    fn what_is_left_out_keeps_its_time_and_goes_when_it_no_longer_holds() {
        let home = tempfile::tempdir().unwrap();
        let root = &home.path().join("state");
        let (one, two) = (Path::new("/one/.env"), Path::new("/two/.env"));
        let left = |place: &Path, name: &str, why| (place.to_owned(), name.to_owned(), why);
        let list = || LeftOut::list(root, ID).unwrap();
        let times = || list().into_iter().map(|left| (left.name, left.why, left.since)).collect::<Vec<_>>();
        let entry = |name: &str, why: &str, since| (name.to_owned(), why.to_owned(), since);
        LeftOut::note(root, ID, &[one], &[], 1).unwrap();
        assert!(list().is_empty() && !root.join(FOLDER).exists(), "nothing is made for nothing");
        LeftOut::note(root, ID, &[one], &[left(one, "env/A", "not-in-vault")], 2).unwrap();
        LeftOut::note(root, ID, &[two], &[left(two, "env/B", "powerful")], 3).unwrap();
        let again = [left(one, "env/A", "not-in-vault"), left(one, "env/C", "masked")];
        LeftOut::note(root, ID, &[one], &again, 4).unwrap();
        let all = [entry("env/B", "powerful", 3), entry("env/A", "not-in-vault", 2), entry("env/C", "masked", 4)];
        assert_eq!(times(), all);
        // Another reason is another finding.
        LeftOut::note(root, ID, &[one], &[left(one, "env/A", "masked")], 5).unwrap();
        assert_eq!(times(), [entry("env/B", "powerful", 3), entry("env/A", "masked", 5)]);
        LeftOut::forget(root, ID, &[one, two]).unwrap();
        assert!(list().is_empty());
    }
}
