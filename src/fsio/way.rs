//! Whether somebody else could put something of theirs in the place of a file.

use super::accounts::Accounts;
use super::{Error, own_uid};
use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most files and directories that are looked at in trees: what a gateway and its packages bring is some 40,000, and a
/// tree of its sources with all tools some 300,000.
const MOST: usize = 1_000_000;

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

/// Checks that a directory belongs to this user or root, and that neither its group nor others can write to it.
///
/// # Errors
/// [`Error::Owner`], [`Error::Mode`]; a directory that cannot be opened.
pub fn check_dir(path: &Path) -> Result<(), Error> {
    let meta = super::Dir::open(path)?.own_meta()?;
    match () {
        () if ![0, own_uid()].contains(&meta.uid) => Err(Error::Owner(path.to_owned(), meta.uid)),
        () if meta.mode & 0o022 != 0 => Err(Error::Mode(path.to_owned(), meta.mode)),
        () => Ok(()),
    }
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// The same of directories and everything below them. Links are followed: what one leads to counts as well.
///
/// # Errors
/// As [`check_way`]; trees that are too large together.
pub fn check_trees(tops: &[PathBuf]) -> Result<(), Error> {
    let guard = Guard::default();
    tops.iter().try_for_each(|top| check_way(top))?;
    let real = |path: &PathBuf| path.canonicalize().map_err(|error| Error::io("look at", path, error));
    let mut trees = tops.iter().map(real).collect::<Result<Vec<_>, _>>()?;
    let (mut dirs, mut seen) = (trees.clone(), 0_usize);
    while let Some(dir) = dirs.pop() {
        let failed = |error| Error::io("look at", &dir, error);
        for entry in std::fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            seen += 1;
            if seen > MOST {
                let error = std::io::Error::other(format!("there are more than {MOST} files"));
                return Err(Error::io("look through", &dir, error));
            }
            // Of the open directory: its path is not walked for each of its entries.
            let meta = entry.metadata().map_err(|error| Error::io("look at", &entry.path(), error))?;
            guard.judge(&entry.path(), &meta)?;
            if meta.is_dir() {
                dirs.push(entry.path());
            } else if meta.is_symlink()
                && let Ok(to) = entry.path().canonicalize()
                && !trees.iter().any(|tree| to.starts_with(tree))
            {
                check_way(&entry.path())?;
                if to.is_dir() {
                    dirs.push(to.clone());
                    trees.push(to);
                }
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
        self.judge(place, &meta)?;
        Ok(meta)
    }

    /// What `meta` says of who can change `place`.
    fn judge(&self, place: &Path, meta: &Metadata) -> Result<(), Error> {
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
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nothing_in_a_tree_or_behind_its_links_may_be_changed_by_others() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        for dir in ["top/a/b", "other/pkg/dist", "third", "hop"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        for file in ["top/a/b/module.js", "other/pkg/dist/index.js", "third/file.js", "unused.js"] {
            fs::write(at(file), "").unwrap();
        }
        link("../hop/pkg", "top/pkg");
        link("../other/pkg", "hop/pkg");
        link("../../../third/file.js", "other/pkg/dist/third.js");
        link("..", "top/a/up");
        link("/nothing/there", "top/a/dangling");
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(&at("unused.js"), 0o666);
        let check = || check_trees(&[at("top")]);
        check().unwrap();
        for name in
            ["top/a/b/module.js", "top/a/b", "top", "hop", "other", "other/pkg/dist/index.js", "third", "third/file.js"]
        {
            let before = fs::metadata(at(name)).unwrap().permissions();
            mode(&at(name), before.mode() & 0o777 | 0o002);
            assert!(matches!(check(), Err(Error::Writable(found, _)) if found == at(name)), "{name}");
            fs::set_permissions(at(name), before).unwrap();
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
