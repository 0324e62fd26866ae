//! What is left of secrets in a process that has done its work, and who may look at it
//! (facts of the threat model: malware and other programs of the same user).
//!
//! `strace` stops a command at its very last system call; then every mapping that it can
//! write is searched for 16 bytes out of the middle of each secret.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Figures of a run, for those who ask with `--nocapture`.
#![allow(clippy::print_stdout)]
#![cfg(target_os = "linux")]

#[path = "memory/capture.rs"]
mod capture;
#[path = "memory/waiting.rs"]
mod waiting;
#[allow(dead_code)] // Shared with tests/crash.rs, which uses all of it.
#[path = "crash/world.rs"]
mod world;

use agevault::seal::{Identity, Passphrase, Slot};
use agevault::secret::SecretBuf;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use world::{AGEVAULT, World};

const VALUE: &str = "canary-value-of-a-env-entry-0123456789";
const OTHER: &str = "canary-other-value-never-asked-for-9876543210";
const NEW: &str = "canary-new-value-that-was-just-set-5555566666";
const PASSPHRASE: &str = "canary passphrase of seven plain words";

/// Secret -> the 16 bytes to look for.
type Needles = BTreeMap<&'static str, [u8; 16]>;

fn middle(bytes: &[u8]) -> [u8; 16] {
    let start = (bytes.len() - 16) / 2;
    bytes[start..start + 16].try_into().unwrap()
}

/// A vault with two entries, an identity and a passphrase, and all that must not stay.
fn world() -> (World, Needles) {
    let world = World::new();
    world.write("pw", PASSPHRASE.as_bytes());
    world.ok(&["init", "-q", "--generate-identity", "--passphrase-file", "pw", "--kdf-memory", "8"], b"");
    world.ok(&["set", "env/A", "-q"], VALUE.as_bytes());
    world.ok(&["set", "config/gateway/auth/token", "-q"], OTHER.as_bytes());

    let file = fs::read_to_string(world.identity()).unwrap();
    let text = file.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    let slot = agevault::seal::slots(&world.sealed().unwrap()).unwrap().remove(0);
    let passphrase = Passphrase::new(&SecretBuf::new(PASSPHRASE.as_bytes().to_vec())).unwrap();
    let derived = slot.recipient(&passphrase).unwrap().1.to_secret().unwrap();
    let needles = BTreeMap::from([
        ("value", middle(VALUE.as_bytes())),
        ("another value", middle(OTHER.as_bytes())),
        ("new value", middle(NEW.as_bytes())),
        ("identity text", middle(text.as_bytes())),
        ("identity key", middle(&scalar(text))),
        ("passphrase", middle(PASSPHRASE.as_bytes())),
        ("Argon2id output", middle(&seed(&slot))),
        ("derived key", middle(&scalar(derived.expose()))),
        ("derived text", middle(derived.expose().as_bytes())),
    ]);
    (world, needles)
}

/// The 32 bytes that an identity's text spells.
fn scalar(text: &str) -> Vec<u8> {
    assert!(Identity::parse(text).is_ok());
    bech32::decode(&text.to_lowercase()).unwrap().1
}

fn seed(slot: &Slot) -> [u8; 32] {
    use base64::Engine;
    let salt = base64::prelude::BASE64_STANDARD_NO_PAD.decode(slot.salt()).unwrap();
    let (m, t, p) = slot.costs.parts();
    let params = argon2::Params::new(m, t, p, Some(32)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut seed = [0; 32];
    argon2.hash_password_into(PASSPHRASE.as_bytes(), &salt, &mut seed).unwrap();
    seed
}

/// Secret and mapping -> how often it is there.
type Found = BTreeMap<(&'static str, String), usize>;

/// Runs a command up to its last system call, which ends it well, and counts what is found.
fn left_behind(world: &World, args: &[&str], stdin: &str, needles: &Needles) -> Found {
    let (found, code) = found_at("exit_group", libc::SYS_exit_group, world, args, stdin, needles);
    assert_eq!(code, "0x0", "{args:?} does what it is here for");
    found
}

/// Runs a command up to its first use of a system call; that call's first argument too.
fn found_at(call: &str, number: i64, world: &World, args: &[&str], stdin: &str, needles: &Needles) -> (Found, String) {
    let mut command = world.command("strace");
    let (trace, delay) = (format!("trace={call}"), format!("inject={call}:delay_enter=60s:when=1"));
    // A command under `run` is not looked into.
    command.args(if args.first() == Some(&"run") { &[][..] } else { &["-f"] });
    command.args(["-qq", "-o", "/dev/null", "-e", &trace, "-e", &delay]);
    let ram = runtime();
    command
        .env("AGEVAULT_RUNTIME_DIR", ram.path())
        .arg(AGEVAULT)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut strace = command.spawn().unwrap_or_else(|error| panic!("cannot start strace ({error}): run tests/run"));
    strace.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let (pid, argument) = stopped_child(&strace, number);
    let found = found_in(pid, needles);
    // Nothing is waited for: the process has done everything but end.
    strace.kill().unwrap();
    strace.wait().unwrap();
    (found, argument)
}

/// A directory in memory for views.
fn runtime() -> TempDir {
    TempDir::with_prefix_in("memory-", "/dev/shm").expect("a tmpfs at /dev/shm")
}

/// What is in the memory of a process now.
fn found_in(pid: u32, needles: &Needles) -> Found {
    let mut found = BTreeMap::new();
    let memory = File::open(format!("/proc/{pid}/mem")).expect("reading another process's memory needs root");
    for line in fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (range, mode) = (words.next().unwrap(), words.next().unwrap());
        let name = words.nth(3).unwrap_or("anonymous").to_owned();
        if !mode.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for (what, needle) in needles {
            let count = memchr::memmem::find_iter(&bytes, needle).count();
            if count > 0 {
                let place = if name.starts_with('/') { "statics".to_owned() } else { name.clone() };
                *found.entry((*what, place)).or_default() += count;
            }
        }
    }
    found
}

/// The process that `strace` runs, once it stands still before the call, and its argument.
fn stopped_child(strace: &Child, number: i64) -> (u32, String) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let children = format!("/proc/{0}/task/{0}/children", strace.id());
    loop {
        assert!(Instant::now() < deadline, "the command never came to the call");
        std::thread::sleep(Duration::from_millis(5));
        let text = fs::read_to_string(&children).unwrap_or_default();
        let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok()) else { continue };
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
        let mut words = call.split_whitespace();
        if matches!(state, Some('t' | 'T')) && words.next() == Some(&number.to_string()) {
            return (pid, words.next().unwrap().to_owned());
        }
    }
}

/// What a command may leave: nothing, but for secrets that it was asked to print.
fn leaves_nothing(args: &[&str], stdin: &str) {
    let (world, needles) = world();
    let found = left_behind(&world, args, stdin, &needles);
    println!("{args:?}: {found:?}");
    assert!(found.is_empty(), "{args:?} leaves {found:?}");
}

/// The search finds what is there: while a command works it must hold what it works with.
#[test]
fn a_secret_that_is_in_use_is_found() {
    let (world, needles) = world();
    let at_output = |args: &[&str]| found_at("write", libc::SYS_write, &world, args, NEW, &needles).0;
    let holds = |found: &Found, what: &str| found.keys().any(|(name, _)| *name == what);
    let found = at_output(&["get", "env/A"]);
    for what in ["value", "another value", "identity key"] {
        assert!(holds(&found, what), "{what}: {found:?}");
    }
    let found = at_output(&["set", "env/A", "--passphrase-file", "pw"]);
    for what in ["new value", "another value", "derived key"] {
        assert!(holds(&found, what), "{what}: {found:?}");
    }
    // Nothing can wipe what was given on the command line: this is why no option takes a secret.
    let found = found_at("exit_group", libc::SYS_exit_group, &world, &["get", VALUE], "", &needles).0;
    assert!(found.contains_key(&("value", "[stack]".to_owned())), "{found:?}");
}

#[test]
fn get_and_list_leave_no_secret_in_memory() {
    leaves_nothing(&["get", "env/A"], "");
    leaves_nothing(&["list"], "");
}

#[test]
fn get_by_passphrase_leaves_no_secret_in_memory() {
    leaves_nothing(&["get", "env/A", "--passphrase-file", "pw"], "");
}

/// An SSH key in three forms: its file, its seed, and the scalar of the curve that unwraps.
#[test]
fn get_and_set_by_an_ssh_key_leave_no_secret_in_memory() {
    use sha2::Digest;
    let (world, mut needles) = world();
    let made = world.command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "key"]).status();
    assert!(made.expect("ssh-keygen: run tests/run").success());
    world.ok(&["recipients", "add", "key.pub", "--label", "ssh", "--yes", "-q"], b"");
    let text = fs::read_to_string(world.path("key")).unwrap();
    let key = ssh_key::PrivateKey::from_openssh(&text).unwrap();
    let seed = key.key_data().ed25519().unwrap().private.to_bytes();
    let mut scalar = sha2::Sha512::digest(seed)[..32].to_vec();
    (scalar[0], scalar[31]) = (scalar[0] & 248, scalar[31] & 127 | 64);
    let lines: Vec<&str> = text.lines().collect();
    needles.insert("SSH key text", middle(lines[lines.len() - 3].as_bytes()));
    needles.insert("SSH seed", middle(&seed));
    needles.insert("SSH scalar", middle(&scalar));
    let get = ["get", "env/A", "-i", "key"];
    let found = found_at("write", libc::SYS_write, &world, &get, "", &needles).0;
    assert!(found.keys().any(|(what, _)| what.starts_with("SSH")), "{found:?}");
    for args in [&get[..], &["set", "env/A", "-i", "key"]] {
        let found = left_behind(&world, args, NEW, &needles);
        assert!(found.is_empty(), "{args:?} leaves {found:?}");
    }
}

#[test]
fn set_leaves_no_secret_in_memory() {
    leaves_nothing(&["set", "env/A"], NEW);
}

#[test]
fn set_by_passphrase_leaves_no_secret_in_memory() {
    leaves_nothing(&["set", "env/A", "--passphrase-file", "pw"], NEW);
}

#[test]
fn render_leaves_no_secret_in_memory() {
    leaves_nothing(&["render", "dotenv"], "");
    leaves_nothing(&["render", "json"], "");
}

#[test]
fn import_leaves_no_secret_in_memory() {
    let env = format!("FIRST={NEW}\n");
    leaves_nothing(&["import", "-", "--format", "dotenv"], &env);
    let profile = format!(r#"{{"version":1,"profiles":{{"p:a":{{"type":"api_key","provider":"p","key":"{NEW}"}}}}}}"#);
    leaves_nothing(&["import", "-", "--format", "auth-profiles"], &profile);
}

/// SQLite is C and has an allocator, a cache and a log of its own: a small row lies in a page, a large one in
/// a chain of pages, a fresh one in the log.
#[test]
fn import_from_sqlite_leaves_no_secret_in_memory() {
    let (world, needles) = world();
    let path = world.path("openclaw-agent.sqlite");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.execute_batch("CREATE TABLE auth_profile_store (store_key TEXT PRIMARY KEY, store_json TEXT)").unwrap();
    for (name, size) in [("small", 0), ("large", 100_000)] {
        let filler = "x".repeat(size);
        let row = format!(
            r#"{{"profiles":{{"p:{name}":{{"type":"api_key","provider":"p","key":"{NEW}","x":"{filler}"}}}}}}"#
        );
        database.execute("INSERT OR REPLACE INTO auth_profile_store VALUES ('primary', ?1)", [row]).unwrap();
        for place in ["in the log", "in the database"] {
            let found = left_behind(&world, &["import", "openclaw-agent.sqlite"], "", &needles);
            println!("{name} row {place}: {found:?}");
            assert!(found.is_empty(), "a {name} row {place} leaves {found:?}");
            database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
    }
}

#[test]
fn export_leaves_no_secret_in_memory() {
    leaves_nothing(&["export", "out", "--on-disk"], "");
}

#[test]
fn run_with_views_leaves_no_secret_in_memory() {
    leaves_nothing(&["run", "--views", "--", "true"], "");
    leaves_nothing(&["run", "--views", "--passphrase-file", "pw", "--", "true"], "");
}

#[test]
fn passwd_leaves_no_secret_in_memory() {
    leaves_nothing(&["passwd", "--new-passphrase-file", "pw", "--kdf-memory", "8"], "");
}

#[test]
fn the_wrong_passphrase_leaves_no_secret_in_memory() {
    let (world, needles) = world();
    world.write("wrong", NEW.as_bytes());
    let args = ["get", "env/A", "--passphrase-file", "wrong"];
    let (found, code) = found_at("exit_group", libc::SYS_exit_group, &world, &args, "", &needles);
    assert_eq!((found, code.as_str()), (Found::new(), "0x4"));
}
