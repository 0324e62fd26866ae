//! What the service manager of this host does with a user's services.

use super::converse;
use crate::formats::{self, systemd};
use crate::fsio;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long the service manager may take to start a unit.
const PATIENCE: Duration = Duration::from_secs(90);

/// Whether the services of `user` end with the user's last session: systemd runs this host, below
/// `root`, and nobody has asked it to let them linger.
pub fn ends_with_logout(root: &Path, user: &str) -> bool {
    root.join("run/systemd/system").is_dir() && !root.join("var/lib/systemd/linger").join(user).exists()
}

/// Files outside the state directory that hold the environment of a user's gateway services.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServiceFiles {
    /// The files that exist: units, their drop-ins, the environment files that they name, and `openclaw/gateway.env`.
    pub found: Vec<PathBuf>,
    /// Environment files that cannot be resolved here, as the units name them.
    pub untold: Vec<PathBuf>,
}

/// Finds the service files below a user's home directory.
pub fn service_files(home: &Path) -> ServiceFiles {
    let config = home.join(".config");
    let list = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let is_unit = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // Drop-ins also apply to all services, and to those whose names begin alike (systemd.unit(5)).
        let of_all = ["service.d", "openclaw-.service.d"].contains(&name.as_str());
        of_all || (name.starts_with("openclaw-gateway") && name.contains(".service"))
    };
    let units = list(&config.join("systemd/user")).into_iter().filter(is_unit);
    let mut found: Vec<PathBuf> = units.flat_map(|unit| if unit.is_dir() { list(&unit) } else { vec![unit] }).collect();
    found.push(config.join("openclaw/gateway.env"));
    let mut untold = Vec::new();
    for file in found.clone() {
        let Ok(bytes) = fsio::read_own(&file, formats::MAX_INPUT) else { continue };
        let text = String::from_utf8_lossy(bytes.expose()).into_owned();
        for named in systemd::environment_files(&text, |letter| specifier(letter, home)) {
            match named.as_ref().ok().and_then(|pattern| matches(pattern)) {
                // A file in memory is not plaintext left on disk.
                Some(paths) => found.extend(paths.into_iter().filter(|path| !fsio::in_memory(path).unwrap_or(false))),
                None => untold.push(PathBuf::from(named.unwrap_or_else(|path| path))),
            }
        }
    }
    // Anything else, such as a pipe, would keep its reader waiting.
    found.retain(|file| file.is_file());
    found.sort();
    found.dedup();
    ServiceFiles { found, untold }
}

/// The files that match a pattern of glob(7). `None` for patterns that the crate reads differently (escapes, character
/// classes, negation by `^`), for patterns in directories, and for more matches than a unit names in practice.
fn matches(pattern: &str) -> Option<Vec<PathBuf>> {
    const MOST: usize = 100;
    let dir = pattern.rsplit_once('/').map_or("", |(dir, _)| dir);
    // Adjacent stars mean a single one. The glob crate would search whole directory trees for them instead.
    let mut last = '/';
    let single: String =
        pattern.chars().filter(|next| (*next, std::mem::replace(&mut last, *next)) != ('*', '*')).collect();
    let is_unlike = ["\\", "[^", "[:", "[=", "[."].iter().any(|form| pattern.contains(form));
    if is_unlike || dir.contains(['*', '?', '[']) {
        return None;
    }
    let found: Vec<PathBuf> = glob::glob(&single).ok()?.flatten().take(MOST).collect();
    (found.len() < MOST).then_some(found)
}

/// The value of a specifier in a user unit.
fn specifier(letter: char, home: &Path) -> Option<String> {
    let below = |path: &str| Some(home.join(path).to_string_lossy().into_owned());
    match letter {
        'h' => below(""),
        'E' => below(".config"),
        'C' => below(".cache"),
        't' => Some(format!("/run/user/{}", fsio::own_uid())),
        'U' => Some(fsio::own_uid().to_string()),
        _ => None,
    }
    .map(|path| path.trim_end_matches('/').to_owned())
}

/// What became of a unit that was to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It is started.
    Now,
    /// It was active: it is about to answer, or about to fail and to be started again by its manager.
    Before,
    /// There is no such unit, nobody to start it, or it could not be started.
    Not,
}

/// Starts the user unit `name` if its file lies in `unit_dir` and it is not active. The first `systemctl` of
/// `search_path` does it.
pub fn start_unit(unit_dir: &Path, name: &str, search_path: &[PathBuf]) -> Started {
    let found = search_path.iter().map(|dir| dir.join("systemctl")).find(|path| path.is_absolute() && path.is_file());
    let Some(systemctl) = found.filter(|_| unit_dir.join(name).exists()) else { return Started::Not };
    let does = |verb: &str| {
        let output = converse(Command::new(&systemctl).args(["--user", verb, "--", name]), b"", PATIENCE);
        output.is_ok_and(|output| output.code == Some(0))
    };
    if does("is-active") {
        return Started::Before;
    }
    // One that has failed too often without the key must not wait for its turn.
    does("reset-failed");
    if does("start") { Started::Now } else { Started::Not }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_unit_is_started_if_it_is_there_and_does_not_run() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let (units, log) = (root.path().join("units"), root.path().join("log"));
        fs::create_dir(&units).unwrap();
        let systemctl = root.path().join("systemctl");
        let says = |active: u8| {
            let text = format!("#!/bin/sh\necho $2 $4 >>{}\ntest $2 != is-active || exit {active}\n", log.display());
            let beside = systemctl.with_extension("new");
            fs::write(&beside, text).unwrap();
            fs::set_permissions(&beside, fs::Permissions::from_mode(0o700)).unwrap();
            fs::rename(beside, &systemctl).unwrap();
        };
        says(3);
        let start = || start_unit(&units, "g.service", &[root.path().to_owned()]);
        assert!(start() == Started::Not && !log.exists(), "there is no such unit");
        fs::write(units.join("g.service"), "").unwrap();
        assert_eq!(start(), Started::Now);
        assert_eq!(fs::read_to_string(&log).unwrap(), "is-active g.service\nreset-failed g.service\nstart g.service\n");
        says(0);
        assert_eq!(start(), Started::Before);
        assert_eq!(
            start_unit(&units, "g.service", std::slice::from_ref(&units)),
            Started::Not,
            "there is no systemctl"
        );
    }

    #[test]
    fn services_linger_where_the_user_is_listed_or_there_is_no_systemd() {
        let root = tempfile::tempdir().unwrap();
        assert!(!ends_with_logout(root.path(), "claw"));
        fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert!(ends_with_logout(root.path(), "claw"));
        fs::create_dir_all(root.path().join("var/lib/systemd/linger")).unwrap();
        fs::write(root.path().join("var/lib/systemd/linger/claw"), "").unwrap();
        assert!(!ends_with_logout(root.path(), "claw") && ends_with_logout(root.path(), "other"));
    }

    #[test]
    fn files_with_the_environment_of_services_are_known() {
        let home = tempfile::tempdir().unwrap();
        let user = home.path().join(".config/systemd/user");
        fs::create_dir_all(user.join("openclaw-gateway-work.service.d")).unwrap();
        fs::create_dir_all(home.path().join(".config/openclaw")).unwrap();
        let names = [
            ".config/openclaw/gateway.env",
            ".config/systemd/user/openclaw-gateway-work.service.d/own.conf",
            ".config/systemd/user/openclaw-gateway.service",
        ];
        names.iter().chain(&[".config/systemd/user/other.service"]).for_each(|name| {
            fs::write(home.path().join(name), "").unwrap();
        });
        let found: Vec<PathBuf> = names.iter().map(|name| home.path().join(name)).collect();
        assert_eq!(service_files(home.path()).found, found);
        let unit = found[2].clone();
        let named: Vec<PathBuf> = ["a.vars", "b.vars"].iter().map(|name| user.join("../../own").join(name)).collect();
        fs::create_dir(home.path().join(".config/own")).unwrap();
        named.iter().for_each(|path| fs::write(path, "A_TOKEN=x\n").unwrap());
        for (lines, count) in [
            ("EnvironmentFile=-%h/.config/own/a.vars", 1),
            ("EnvironmentFile = \"%h/.config/own/a.vars\"", 1),
            ("EnvironmentFile=\\\n  %E/own/a.vars", 1),
            ("# in C:\\\nEnvironmentFile=\\\n; another\\\n%h/.config/own/a.vars", 1),
            ("EnvironmentFile=%h/.config/own/*.vars\nEnvironmentFile=", 2),
            ("EnvironmentFile=%h/.config/own/***.vars", 2),
            ("EnvironmentFile=%h/.config/own/[ab].vars", 2),
            ("EnvironmentFile=%h/.config/own/c.vars", 0),
        ] {
            fs::write(&unit, format!("[Service]\n{lines}\n")).unwrap();
            let files = service_files(home.path());
            assert_eq!((files.found.len(), files.untold.len()), (3 + count, 0), "{lines}");
        }
        let many = home.path().join(".config/many");
        fs::create_dir(&many).unwrap();
        (0..100).for_each(|nth| fs::write(many.join(nth.to_string()), "").unwrap());
        let many = format!("{}/*", many.display());
        for path in ["/etc/%i/vars", "%S/vars", "/etc/a\\ b", "/etc/[^a]", "/etc/[[:alpha:]]", "/**/vars", &many] {
            fs::write(&unit, format!("[Service]\nEnvironmentFile={path}\n")).unwrap();
            assert_eq!(service_files(home.path()).untold, [PathBuf::from(path)]);
        }
    }
}
