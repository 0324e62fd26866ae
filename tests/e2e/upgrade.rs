//! Stories of an upgrade: a gateway is connected, another release takes the place of its own and migrates what it finds,
//! and `connect` follows.

use crate::place::stdout_of;
use crate::release::{KEY, KEY_OF_CODER, Release, SECRETS, with_plaintext};
use crate::told;
use crate::wired::{Wired, compiled};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

/// A story: its name, and what tells it of two releases.
type Story = (&'static str, fn(&Release, &Release) -> Outcome);

pub const STORIES: [Story; 3] = [("keys", keys), ("login", login), ("back", back)];

/// What came of one story.
#[derive(Default)]
pub struct Outcome {
    /// How `status --check` ended after the upgrade.
    pub check: Option<i32>,
    /// How `connect` ended then.
    pub connect: Option<i32>,
    /// Whether a turn reached the provider with the vault's key.
    pub turn: bool,
    /// Files with a secret in them.
    pub left: Vec<String>,
    /// Whether the gateway has what it had in the end.
    pub back: bool,
    /// What was not as it should be.
    pub wrong: Vec<String>,
}

impl Outcome {
    pub fn holds(&self) -> bool {
        let clean = self.left.is_empty() && self.wrong.is_empty();
        self.check == Some(1) && self.connect == Some(0) && self.turn && clean && self.back
    }

    fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.wrong.push(what.to_owned());
        }
    }

    /// Another release takes the place of this one, its own repair migrates what it finds, and `then` something happens
    /// there: `status` says what to run, and `connect` with these options is all that it takes.
    fn upgrade(&mut self, wired: &mut Wired, new: &Release, options: &[&str], then: impl FnOnce(&Wired)) {
        install(wired, new);
        let doctor = told(wired.openclaw().args(["doctor", "--fix", "--non-interactive", "--yes"]));
        self.expect(doctor.status.success(), "the gateway's own repair");
        then(wired);
        let check = told(wired.agevault().args(["status", "--check"]));
        self.check = check.status.code();
        self.expect(says(&check, "agevault connect"), "status names the command");
        self.connect = told(wired.agevault().arg("connect").args(options)).status.code();
        let again = told(wired.agevault().args(["status", "--check"]));
        self.expect(again.status.success(), "status is content after connect");
        let again = told(wired.agevault().arg("connect"));
        self.expect(again.status.success() && says(&again, "nothing is to be changed"), "connect again does nothing");
    }
}

/// Puts a release where this host has its gateway from now on, whatever was there before.
fn install(wired: &mut Wired, release: &Release) {
    let installed = wired.place.path("installed");
    if installed.exists() {
        fs::remove_file(&installed).expect("a link");
    }
    symlink(&release.package, &installed).expect("a link");
    (wired.package, wired.compiled) = (installed, compiled(&release.package));
}

fn says(output: &Output, text: &str) -> bool {
    [&output.stdout, &output.stderr].iter().any(|bytes| String::from_utf8_lossy(bytes).contains(text))
}

fn does(wired: &Wired, args: &[&str]) -> bool {
    told(wired.agevault().args(args)).status.success()
}

/// Whether the provider is asked with the keys that there are.
fn has_keys(wired: &Wired) -> bool {
    let of = |agent, key| wired.turn(agent, &["--local"]) == key;
    of("main", KEY) && of("coder", KEY_OF_CODER)
}

/// A gateway of this release, connected.
fn connected(old: &Release, wired: &mut Wired) {
    install(wired, old);
    assert!(has_keys(wired), "before it is connected");
    assert!(does(wired, &["connect", "--keep-oauth"]), "connected");
    assert!(has_keys(wired), "connected");
}

/// Keys alone: references move into the stores of the newer release.
fn keys(old: &Release, new: &Release) -> Outcome {
    let mut outcome = Outcome::default();
    let mut wired = with_plaintext(old);
    connected(old, &mut wired);
    outcome.upgrade(&mut wired, new, &[], |_| ());
    outcome.turn = has_keys(&wired);
    outcome.left = wired.files_with(&SECRETS);
    outcome.expect(does(&wired, &["connect", "--undo", "--yes"]), "undo");
    outcome.back = !wired.text("openclaw.json").contains("agevault") && has_keys(&wired);
    outcome
}

/// The name that Codex has with a release that has databases, and before.
const PROVIDERS: [&str; 2] = ["openai", "openai-codex"];
const RENEWALS: [&str; 3] = ["first", "second", "third"];

fn token_of(renewal: &str, kind: &str) -> String {
    format!("canary-codex-{kind}-of-the-{renewal}")
}

fn provider(release: &Release) -> &'static str {
    if release.has_databases() { PROVIDERS[0] } else { PROVIDERS[1] }
}

/// The profile of the login, by its id.
fn profile(release: &Release, renewal: &str) -> Value {
    let provider = provider(release);
    json!({ format!("{provider}:me@example.org"): {
        "type": "oauth", "provider": provider, "access": token_of(renewal, "access"),
        "refresh": token_of(renewal, "refresh"), "expires": 4_102_444_800_000_u64, "accountId": "of-the-tests",
    } })
}

/// The refresh token that the vault has, if the login has the name that it has with this release, and no other.
fn has_login(wired: &Wired, release: &Release, renewal: &str) -> bool {
    let get = |provider: &str| {
        let id = format!("auth/main/{provider}:me@example.org");
        let output = wired.agevault().args(["get", &id, "--field", "refresh"]).output().expect("a program that starts");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let other = PROVIDERS.iter().filter(|name| **name != provider(release)).all(|name| get(name).is_none());
    other && get(provider(release)) == Some(token_of(renewal, "refresh"))
}

/// A gateway with keys and a login of Codex, connected; in memory there is what the release takes no reference for.
fn with_login(old: &Release, ram: &TempDir) -> Wired {
    let mut wired = with_plaintext(old);
    wired.env.push(("AGEVAULT_RUNTIME_DIR", PathBuf::from(ram.path())));
    wired.gateway_stores(Some("main"), &profile(old, "first"));
    connected(old, &mut wired);
    wired
}

/// Files with a token of the login, other than the gateway's own databases.
fn tokens_left(wired: &Wired) -> Vec<String> {
    let tokens: Vec<String> =
        RENEWALS.iter().flat_map(|renewal| ["access", "refresh"].map(|kind| token_of(renewal, kind))).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut found = wired.files_with(&tokens);
    found.retain(|file| !(file.ends_with(".sqlite") || file.ends_with(".sqlite-wal")));
    found
}

/// A login beside the keys: the gateway renews it before the upgrade, where nobody captures it, and after.
fn login(old: &Release, new: &Release) -> Outcome {
    let mut outcome = Outcome::default();
    let ram = TempDir::new_in("/dev/shm").expect("a directory in memory");
    let mut wired = with_login(old, &ram);
    let views = !old.has_databases();
    let warns = says(&told(wired.agevault().arg("status")), "upgrade ");
    outcome.expect(warns == views, "status warns of an upgrade that moves views");
    wired.gateway_stores(Some("main"), &profile(old, "second"));
    outcome.upgrade(&mut wired, new, &["--keep-oauth"], |wired| {
        wired.gateway_stores(new.store_of_main(), &profile(new, "third"));
    });
    outcome.expect(has_login(&wired, new, "third"), "the newest tokens are in the vault, by the new name alone");
    outcome.expect(fs::read_dir(&ram).expect("a directory").next().is_none(), "no view is left");
    outcome.turn = has_keys(&wired);
    outcome.left = wired.files_with(&SECRETS);
    outcome.left.extend(tokens_left(&wired));
    for args in [&["wipe"][..], &["capture"], &["capture", "--removals"], &["connect", "--undo", "--yes"]] {
        outcome.expect(does(&wired, args), &args.join(" "));
    }
    outcome.expect(has_login(&wired, new, "third"), "the login is in the vault in the end");
    outcome.back = !wired.text("openclaw.json").contains("agevault") && has_keys(&wired);
    outcome
}

/// Back to the old release: its state directory as it was copied, and the vault as it was backed up.
fn back(old: &Release, new: &Release) -> Outcome {
    let mut outcome = Outcome::default();
    let ram = TempDir::new_in("/dev/shm").expect("a directory in memory");
    let mut wired = with_login(old, &ram);
    let (copy, backups) = (wired.place.path("copy"), wired.place.path("backups"));
    assert!(told(wired.agevault().args(["backup", "create"]).arg(&backups)).status.success(), "backed up");
    stdout_of(wired.place.command("cp").arg("-a").arg(&wired.state).arg(&copy));
    outcome.upgrade(&mut wired, new, &["--keep-oauth"], |_| ());
    outcome.expect(has_login(&wired, new, "first"), "the vault follows");

    install(&mut wired, old);
    fs::remove_dir_all(&wired.state).expect("a directory");
    fs::rename(&copy, &wired.state).expect("a directory");
    let check = told(wired.agevault().args(["status", "--check"]));
    outcome.expect(
        !check.status.success() && says(&check, "agevault connect"),
        "status names the command for the way back",
    );
    let backup = fs::read_dir(&backups).expect("a directory").next().expect("a backup").expect("an entry").path();
    outcome.expect(told(wired.agevault().args(["--yes", "restore"]).arg(&backup)).status.success(), "restored");
    outcome.expect(does(&wired, &["connect", "--keep-oauth"]), "connected again");
    outcome.expect(has_login(&wired, old, "first"), "the login has its name again");
    outcome.expect(does(&wired, &["status", "--check"]), "status is content in the end");
    outcome.turn = has_keys(&wired);
    outcome.left = wired.files_with(&SECRETS);
    outcome.left.extend(tokens_left(&wired));
    outcome.back = wired.text("openclaw.json").contains("// What the operator notes here stays.");
    outcome
}
