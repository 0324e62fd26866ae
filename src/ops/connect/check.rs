//! The gateway's own rules for the program that answers for the vault, replayed on the one that is
//! configured; then the program is asked, cold, for all that the gateway will ask it for.

use super::drift::unread;
use super::plan::MAX_REFS;
use super::provider::{ask, same_program};
use super::{Drift, Entry};
use crate::formats::exec;
use crate::formats::exec_config::{self, Configured, Misfit};
use crate::fsio;
use crate::gateway::Inventory;
use rustix::fs::FileType;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a check has found, in the order in which it looked.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// The configuration does not name the program.
    NotConnected,
    /// Its entry is not one that every gateway takes.
    Entry(Misfit),
    /// Nothing is at the path of the program.
    Gone,
    /// A link is there.
    Link,
    /// It is no regular file.
    NotAFile,
    /// It belongs to this other user.
    Owner(u32),
    /// Others may write to it, with this mode.
    Writable(u32),
    /// Its owner may not run it, with this mode.
    NotExecutable(u32),
    /// It is in none of the directories that the entry trusts.
    Untrusted,
    /// It is not the program that checks.
    Another,
    /// So many references are more than a gateway asks one program for.
    TooMany(usize),
    /// It ended with this code: 0 without an answer, `None` by a signal, or it could not be run. And the key that
    /// its arguments name.
    Failed(Option<i32>, Option<NamedKey>),
    /// It did not end within the time that the gateway waits.
    TooSlow(Duration),
    /// It took more than half of the time that the gateway waits.
    Slow(Duration, Duration),
    /// It printed more than the gateway takes.
    TooMuch(u64),
    /// It has no value for these.
    Missing(Vec<String>),
    /// These files of the gateway should be links to views, and lead to none.
    ViewsGone(Vec<PathBuf>),
    /// The gateway is not as `connect` left it.
    Drift(Drift),
}

/// A key in the arguments of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// Its option.
    pub option: &'static str,
    /// Its file.
    pub path: PathBuf,
    /// Whether something is there.
    pub exists: bool,
}

impl Finding {
    /// Whether the gateway gets its secrets all the same.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Another | Self::Slow(..) | Self::Drift(Drift::Version { .. }))
    }

    /// Whether the gateway would not even run the program.
    fn prevents(&self) -> bool {
        use Finding::{Gone, Link, NotAFile, NotExecutable, Owner, Untrusted, Writable};
        matches!(self, Gone | Link | NotAFile | Owner(_) | Writable(_) | NotExecutable(_) | Untrusted)
    }
}

/// The outcome of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// The program, if one is configured.
    pub command: Option<PathBuf>,
    /// How many secrets the gateway refers to.
    pub asked: usize,
    /// How long the program took, if it was asked.
    pub took: Option<Duration>,
    /// How long the gateway waits.
    pub timeout: Option<Duration>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks the program that the configuration of a gateway names. `running` is the program that checks,
/// `variable` tells what a variable is set to where the gateway runs.
pub fn check(held: &Inventory, running: &Path, variable: &dyn Fn(&str) -> Option<OsString>) -> Report {
    let mut report = Report::default();
    report.findings.extend(unread(held).into_iter().map(Finding::Drift));
    let Some(entry) = held.entry() else {
        if held.config.is_some() || report.findings.is_empty() {
            report.findings.push(Finding::NotConnected);
        }
        return report;
    };
    let ids = held.asked();
    let (configured, misfits) = exec_config::read(entry);
    report.findings.extend(misfits.into_iter().map(Finding::Entry));
    report.asked = ids.len();
    let Some(configured) = configured else { return report };
    look_at(&configured, &mut report.findings);
    if !report.findings.iter().any(Finding::prevents) {
        if configured.command != running && !same_program(&configured.command, running) {
            report.findings.push(Finding::Another);
        }
        if ids.len() > MAX_REFS {
            report.findings.push(Finding::TooMany(ids.len()));
        }
        run(&configured, &ids, variable, &mut report);
    }
    report.timeout = Some(configured.timeout);
    report.command = Some(configured.command);
    report
}

/// The file, as the gateway looks at it: its own name, and no link behind it.
fn look_at(configured: &Configured, findings: &mut Vec<Finding>) {
    let Ok(stat) = rustix::fs::lstat(&configured.command) else { return findings.push(Finding::Gone) };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return findings.push(Finding::Link),
        _ => return findings.push(Finding::NotAFile),
    }
    let mode = stat.st_mode & 0o7777;
    if stat.st_uid != fsio::own_uid() {
        findings.push(Finding::Owner(stat.st_uid));
    }
    if mode & 0o022 != 0 {
        findings.push(Finding::Writable(mode));
    }
    if mode & 0o100 == 0 {
        findings.push(Finding::NotExecutable(mode));
    }
    let trusted = |dirs: &Vec<PathBuf>| dirs.iter().any(|dir| configured.command.starts_with(dir));
    if configured.trusted_dirs.as_ref().is_some_and(|dirs| !trusted(dirs)) {
        findings.push(Finding::Untrusted);
    }
}

/// Asks it with exactly the environment that it will have.
fn run(
    configured: &Configured,
    ids: &BTreeSet<String>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    report: &mut Report,
) {
    let passed = configured.pass_env.iter().filter_map(|name| Some((name.clone(), variable(name)?)));
    let own = ("OPENCLAW_CLI".to_owned(), OsString::from("1"));
    let env: Vec<(String, OsString)> = passed.chain(configured.env.iter().cloned()).chain([own]).collect();
    let entry = Entry { command: configured.command.clone(), args: configured.args.clone() };
    let (output, took) = ask(&entry, ids, &env, configured.timeout);
    report.took = Some(took);
    let key = named_key(&configured.args);
    let findings = &mut report.findings;
    let Some(output) = output else {
        return findings.push(match took >= configured.timeout {
            true => Finding::TooSlow(configured.timeout),
            false => Finding::Failed(None, key),
        });
    };
    if output.code != Some(0) {
        return findings.push(Finding::Failed(output.code, key));
    }
    let printed = u64::try_from(output.stdout.expose().len()).unwrap_or(u64::MAX);
    if printed > configured.max_output {
        return findings.push(Finding::TooMuch(configured.max_output));
    }
    let Some(have) = exec::read_answer(output.stdout.expose()) else {
        return findings.push(Finding::Failed(Some(0), key));
    };
    if took > configured.timeout / 2 {
        findings.push(Finding::Slow(took, configured.timeout));
    }
    let missing: Vec<String> = ids.difference(&have).cloned().collect();
    if !missing.is_empty() {
        findings.push(Finding::Missing(missing));
    }
}

/// The first key that arguments name.
fn named_key(args: &[String]) -> Option<NamedKey> {
    let options = [("-i", "-i"), ("--identity", "-i"), ("--passphrase-file", "--passphrase-file")];
    let key = |words: &[String]| {
        let [option, path] = words else { return None };
        let option = options.iter().find(|(spelled, _)| spelled == option)?.1;
        Some(NamedKey { option, exists: Path::new(path).exists(), path: path.into() })
    };
    args.windows(2).find_map(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateway::{Configuration, Files, Found, Shape};
    use crate::model::Scope;
    use crate::secret::SecretBuf;
    use serde_json::{Value, json};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn held(config: &Value) -> Inventory {
        let bytes = SecretBuf::new(config.to_string().into_bytes());
        let config = Configuration::load(Path::new("openclaw.json"), bytes, &mut Vec::new()).unwrap();
        let reference = |id: &str| json!({"source": "exec", "provider": "agevault", "id": id});
        let profiles = json!({"version": 1, "profiles": {"p:key": {"type": "api_key", "provider": "p",
            "keyRef": reference("auth/main/p:key")}}});
        let bytes = SecretBuf::new(profiles.to_string().into_bytes());
        let store = Found { shape: Shape::AuthProfiles(Scope::main()), path: "auth-profiles.json".into(), bytes };
        Inventory::of(Files { found: vec![store], config: Some(config), ..Files::default() }, None)
    }

    fn checked(command: &Path, more: Value) -> Report {
        let mut entry =
            json!({"source": "exec", "command": command, "passEnv": ["GIVEN", "ABSENT"], "timeoutMs": 5000});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = json!({"secrets": {"providers": {"agevault": entry}},
            "gateway": {"auth": {"token": {"source": "exec", "provider": "agevault", "id": "config/gateway/auth/token"}}}});
        let variable = |name: &str| (name == "GIVEN").then(|| OsString::from("given"));
        check(&held(&config), command, &variable)
    }

    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("resolver");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        path
    }

    const BOTH: &str =
        r#"{"protocolVersion":1,"values":{"auth/main/p:key":"one","config/gateway/auth/token":"two"},"errors":{}}"#;

    #[test]
    fn what_the_gateway_refers_to_is_asked_for_as_the_gateway_will_ask() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let text = format!("/bin/cat >{0}; /usr/bin/env >>{0}; pwd >>{0}; echo '{BOTH}'", seen.display());
        let report = checked(&script(dir.path(), &text), json!({"env": {"SET": "set"}}));
        assert_eq!((report.findings, report.asked), (Vec::new(), 2));
        let seen = fs::read_to_string(seen).unwrap();
        let ids = r#"["auth/main/p:key","config/gateway/auth/token"]"#;
        for part in [ids, "GIVEN=given\n", "SET=set\n", "OPENCLAW_CLI=1\n", &format!("{}\n", dir.path().display())] {
            assert!(seen.contains(part), "{part}: {seen}");
        }
        assert!(!seen.contains("ABSENT") && !seen.contains("HOME"), "{seen}");
    }

    #[test]
    fn a_program_that_the_gateway_would_not_run_is_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let path = script(dir.path(), &format!("echo >{}", mark.display()));
        let found = |path: &Path| checked(path, json!({})).findings;
        for (mode, expected) in [
            (0o720, Finding::Writable(0o720)),
            (0o702, Finding::Writable(0o702)),
            (0o600, Finding::NotExecutable(0o600)),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(found(&path), [expected], "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(found(&link), [Finding::Link]);
        assert_eq!(found(&dir.path().join("none")), [Finding::Gone]);
        assert_eq!(found(dir.path()), [Finding::NotAFile]);
        let elsewhere = json!({"trustedDirs": [dir.path().join("resol")]});
        assert_eq!(checked(&path, elsewhere).findings, [Finding::Untrusted]);
        assert!(!mark.exists());
    }

    #[test]
    fn a_program_that_does_not_answer_is_told_by_how_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let found = |text: &str, more: Value| checked(&script(dir.path(), text), more).findings;
        assert_eq!(found("exit 4", json!({})), [Finding::Failed(Some(4), None)]);
        assert_eq!(found("kill -9 $$", json!({})), [Finding::Failed(None, None)]);
        assert_eq!(found("echo hello", json!({})), [Finding::Failed(Some(0), None)]);
        let one = BOTH.replace(r#""auth/main/p:key":"one","#, "");
        let missing = Finding::Missing(vec!["auth/main/p:key".to_owned()]);
        assert_eq!(found(&format!("echo '{one}'"), json!({})), [missing]);
        assert_eq!(found(&format!("echo '{BOTH}'"), json!({"maxOutputBytes": 9})), [Finding::TooMuch(9)]);
        // What it has started does not keep the check waiting.
        let short = json!({"timeoutMs": 300});
        assert_eq!(found("/bin/sleep 60", short.clone()), [Finding::TooSlow(Duration::from_millis(300))]);
        assert_eq!(found("/bin/sleep 60 & exit 0", short.clone()), [Finding::TooSlow(Duration::from_millis(300))]);
        let slow = found(&format!("/bin/sleep 0.6; echo '{BOTH}'"), json!({"timeoutMs": 1000}));
        assert!(matches!(slow.as_slice(), [slow @ Finding::Slow(..)] if slow.is_warning()), "{slow:?}");
    }

    #[test]
    fn a_configuration_without_the_program_is_not_connected() {
        let nothing = |_: &str| None;
        for held in [Inventory::default(), held(&json!({"secrets": {"providers": {"vault": {"source": "exec"}}}}))] {
            let report = check(&held, Path::new("/bin/true"), &nothing);
            assert_eq!(report.findings, [Finding::NotConnected]);
        }
    }
}
