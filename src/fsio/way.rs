//! Whether somebody else could put something of theirs in the place of a file.

use super::accounts::Accounts;
use super::{Error, own_uid};
use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most files and directories that are looked at in one tree: some times what a gateway brings.
const MOST: usize = 200_000;

/// Most links that are followed on one way, as by Linux.
const MOST_LINKS: usize = 40;

/// Checks what is there of a path: itself and every directory and link on the way, those that a link leads through
/// too, belong to us or to root and take no changes by others.
///
/// # Errors
/// [`Error::Owner`], [`Error::Writable`]; [`Error::Link`] for links without end; what cannot be looked at.
pub fn check_way(path: &Path) -> Result<(), Error> {
    let absolute = std::path::absolute(path).map_err(|error| Error::io("look at", path, error))?;
    let guard = Guard::default();
    let (mut here, mut links) = (PathBuf::from("/"), 0_usize);
    let mut rest = parts(&absolute);
    guard.check(&here)?;
    while let Some(part) = rest.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        // An absolute one, as a link may begin, starts from the root again.
        let place = here.join(part);
        let meta = match guard.check(&place) {
            Err(Error::NotFound(_) | Error::Kind(_)) => return Ok(()),
            meta => meta?,
        };
        if !meta.is_symlink() {
            here = place;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Error::Link(path.to_owned()));
        }
        let target = std::fs::read_link(&place).map_err(|error| Error::io("look at", &place, error))?;
        rest.extend(parts(&target));
    }
    Ok(())
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// The same of a directory and everything below it, links not followed, and without directories of the name `but`.
///
/// # Errors
/// As [`check_way`]; a tree that is too large.
pub fn check_tree(top: &Path, but: &OsStr) -> Result<(), Error> {
    let guard = Guard::default();
    let (mut dirs, mut seen) = (vec![top.to_owned()], 0_usize);
    guard.check(top)?;
    while let Some(dir) = dirs.pop() {
        let failed = |error| Error::io("look at", &dir, error);
        for entry in std::fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            seen += 1;
            if seen > MOST {
                return Err(Error::TooLarge(top.to_owned(), MOST));
            }
            if guard.check(&entry.path())?.is_dir() && entry.file_name() != but {
                dirs.push(entry.path());
            }
        }
    }
    Ok(())
}

/// What is known of the users of this host, once it is asked for.
#[derive(Default)]
struct Guard {
    accounts: OnceCell<Accounts>,
}

impl Guard {
    fn check(&self, place: &Path) -> Result<Metadata, Error> {
        let meta = std::fs::symlink_metadata(place).map_err(|error| Error::io("look at", place, error))?;
        let accounts = || self.accounts.get_or_init(Accounts::of_host);
        if ![0, own_uid()].contains(&meta.uid()) && !accounts().is_foreign_root(meta.uid()) {
            return Err(Error::Owner(place.to_owned(), meta.uid()));
        }
        // In a sticky directory nobody can replace what is ours; the mode of a link says nothing.
        let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
        let by_others = meta.mode() & 0o002 != 0;
        let by_group = || meta.mode() & 0o020 != 0 && !accounts().are_alone(meta.uid(), meta.gid(), own_uid());
        if !sticky && !meta.is_symlink() && (by_others || by_group()) {
            return Err(Error::Writable(place.to_owned(), meta.mode() & 0o7777));
        }
        Ok(meta)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nothing_in_a_tree_may_be_changed_by_others() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("dist/a/b/c");
        fs::create_dir_all(&deep).unwrap();
        let (module, other) = (deep.join("module.js"), root.path().join("dist/a/node_modules"));
        fs::create_dir(&other).unwrap();
        let open = other.join("open.js");
        fs::write(&module, "").unwrap();
        fs::write(&open, "").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(&open, 0o666);
        let check = || check_tree(&root.path().join("dist"), OsStr::new("node_modules"));
        std::os::unix::fs::symlink("/nothing/there", deep.join("link")).unwrap();
        check().unwrap();
        for (path, open) in [(&module, 0o646), (&deep, 0o757), (&other, 0o757)] {
            mode(path, open);
            assert!(matches!(check(), Err(Error::Writable(found, mode)) if found == *path && mode == open));
            mode(path, 0o755);
        }
        check().unwrap();
    }

    #[test]
    fn a_way_is_taken_where_only_we_and_root_can_change_it() {
        let root = tempfile::tempdir().unwrap();
        let (dir, file) = (root.path().join("dir"), root.path().join("dir/node"));
        fs::create_dir(&dir).unwrap();
        fs::write(&file, "").unwrap();
        let mode = |mode| fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
        mode(0o1777);
        check_way(&file).unwrap();
        mode(0o757);
        assert!(matches!(check_way(&file), Err(Error::Writable(path, 0o757)) if path == dir.canonicalize().unwrap()));
        // Our own group, as a user's files have it under umask 002, and one that is nobody's.
        mode(0o775);
        let meta = fs::metadata(&dir).unwrap();
        let alone = Accounts::of_host().are_alone(meta.uid(), meta.gid(), own_uid());
        assert_eq!(check_way(&file).is_ok(), alone);
    }

    #[test]
    fn what_a_link_leads_through_counts_wherever_it_ends() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        for dir in ["bin", "open", "real"] {
            fs::create_dir(at(dir)).unwrap();
        }
        fs::write(at("real/node"), "").unwrap();
        link("../open/hop", "bin/node");
        link(at("real/node").to_str().unwrap(), "open/hop");
        link("../real/./../real", "open/dir");
        link("turn", "bin/turn");
        link("../nowhere/node", "bin/dangling");
        let ways = ["bin/node", "open/dir/node", "real/../open/hop"].map(at);
        ways.iter().for_each(|way| check_way(way).unwrap());
        check_way(&at("bin/dangling")).unwrap();
        assert!(matches!(check_way(&at("bin/turn")), Err(Error::Link(_))));
        fs::set_permissions(at("open"), Permissions::from_mode(0o757)).unwrap();
        let open = at("open").canonicalize().unwrap();
        for way in ways {
            assert!(matches!(check_way(&way), Err(Error::Writable(path, 0o757)) if path == open), "{}", way.display());
        }
        check_way(&at("real/node")).unwrap();
    }
}
