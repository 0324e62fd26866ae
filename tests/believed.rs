//! What no command does with a vault file that somebody else put there: serve a forged one, write over one that is
//! rolled back or forked. The table has every command of `--help`; one that is missing in it fails the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[allow(dead_code)] // Shared with tests/crash.rs, which uses all of it.
#[path = "crash/world.rs"]
mod world;

use agevault::seal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use world::{Ran, World};

/// What a command does with the vault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// Nothing: it opens no vault.
    Nothing,
    /// Hands out what is in it.
    Reads,
    /// Saves it.
    Writes,
    /// Opens it first, and then needs a gateway or views that are not here.
    More,
    /// Judges it, and says so by this code.
    Reports(i32),
}

/// Each command with arguments that are good in [`world`], and `INPUT` for those that read any.
const TABLE: &[(&[&str], &[&str], Does)] = &[
    (&["init"], &["--generate-identity=new", "--vault", "new.age"], Does::Nothing),
    (&["import"], &["-", "--format", "dotenv"], Does::Writes),
    (&["list"], &[], Does::Reads),
    (&["get"], &["env/A"], Does::Reads),
    (&["set"], &["env/A"], Does::Writes),
    (&["rm"], &["env/A"], Does::Writes),
    (&["rename"], &["env/A", "env/C"], Does::Writes),
    (&["auth", "paste-api-key"], &["--provider", "openai"], Does::Writes),
    (&["auth", "paste-token"], &["--provider", "openai"], Does::Writes),
    (&["auth", "setup-token"], &["--provider", "anthropic"], Does::Writes),
    (&["auth", "order", "get"], &["--provider", "openai"], Does::Reads),
    (&["auth", "order", "set"], &["--provider", "openai", "openai:manual"], Does::Writes),
    (&["auth", "order", "clear"], &["--provider", "openai"], Does::Writes),
    (&["auth", "list"], &[], Does::Reads),
    (&["auth", "logout"], &["env/A"], Does::Writes),
    (&["status"], &[], Does::Reads),
    (&["render"], &["dotenv"], Does::Reads),
    (&["export"], &["out", "--on-disk", "--gateway-version", "none"], Does::Reads),
    (&["capture"], &[], Does::Reads),
    (&["wipe"], &[], Does::Reads),
    (&["connect"], &["--dry-run", "--openclaw", "pkg/openclaw.mjs"], Does::More),
    (&["run"], &["--", "true"], Does::Reads),
    (&["resolve"], &[], Does::Reads),
    (&["recipients", "list"], &[], Does::Reads),
    (&["recipients", "add"], &["./third", "--label", "third"], Does::Writes),
    (&["recipients", "remove"], &["second", "--yes"], Does::Writes),
    (&["recipients", "exposed"], &[], Does::Reads),
    (&["recipients", "rename"], &["second", "other"], Does::Writes),
    (&["recipients", "export-identity"], &["words", "--out", "exported"], Does::More),
    (&["passwd"], &["--new-passphrase-file", "words", "--kdf-memory", "8"], Does::Writes),
    (&["trust"], &[], Does::Reports(2)),
    (&["unlock"], &["--for", "5s", "--no-reload", "--session", "run"], Does::Reads),
    (&["lock"], &[], Does::Nothing),
    (&["backup", "create"], &["backups"], Does::Reads),
    (&["backup", "list"], &["."], Does::Nothing),
    (&["backup", "verify"], &["good.age"], Does::Nothing),
    (&["restore"], &["--generation", "2", "--yes"], Does::Writes),
    (&["diff"], &["2"], Does::Reads),
    (&["undo"], &[], Does::Writes),
    (&["merge"], &["good.age"], Does::Reads),
    (&["git", "install"], &[], Does::Nothing),
    (&["history", "list"], &[], Does::Nothing),
    (&["history", "show"], &["2"], Does::Nothing),
    (&["completions"], &["bash"], Does::Nothing),
    (&["man"], &[], Does::Nothing),
];

const SETUP: &[u8] = b"sk-ant-oat01-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const REQUEST: &str = r#"{"protocolVersion":1,"provider":"vault","ids":["env/A"]}"#;

fn input(command: &[&str]) -> &'static [u8] {
    match command {
        ["resolve"] => REQUEST.as_bytes(),
        ["import"] => b"IMPORTED=value-of-it\n",
        ["auth", "paste-token"] => b"token-0123456789abcdef0123456789abcdef",
        ["auth", "setup-token"] => SETUP,
        _ => b"sk-0123456789abcdef0123456789abcdef",
    }
}

/// A vault with entries of each kind, kept generations, and a second key.
fn a_world() -> World {
    let world = World::with_vault();
    world.write("words", b"words of the tests");
    for (name, label) in [("second", "second"), ("third", "")] {
        let key = seal::Identity::generate();
        world.write(name, key.to_file("2026-01-01T00:00:00Z", "of a test").unwrap().expose());
        if !label.is_empty() {
            world.ok(&["recipients", "add", &format!("./{name}"), "--label", label, "-q"], b"");
        }
    }
    let words = ["--new-passphrase-file", "words", "--kdf-memory", "8", "-q"];
    world.ok(&[&["recipients", "add", "passphrase", "--label", "words"][..], &words].concat(), b"");
    world.ok(&["set", "env/A", "-q"], b"canary-a");
    world.ok(&["set", "env/B", "-q"], b"canary-b");
    world.ok(&["auth", "paste-api-key", "--provider", "openai", "-q"], b"sk-canary456789abcdef0123456789abcdef");
    world.ok(&["auth", "order", "set", "--provider", "openai", "openai:manual", "-q"], b"");
    fs::copy(world.vault(), world.path("good.age")).unwrap();
    let beside = world.vault().parent().unwrap().to_owned();
    assert!(Command::new("git").args(["init", "-q"]).current_dir(beside).status().unwrap().success());
    world.write(".openclaw/openclaw.json", b"{}");
    world.write("pkg/package.json", br#"{"name":"openclaw","version":"2026.4.27"}"#);
    world.write("pkg/openclaw.mjs", b"");
    world
}

fn run(world: &World, (command, arguments, _): &(&[&str], &[&str], Does), more: &[&str]) -> Ran {
    let all: Vec<&str> = command.iter().chain(&["--no-input"]).chain(more).chain(*arguments).copied().collect();
    world.run(&all, input(command))
}

/// The names that `--help` shows below a command.
fn verbs(world: &World, of: &[&str]) -> Vec<String> {
    let help = world.ok(&[of, &["--help"]].concat(), b"").stdout;
    let help = String::from_utf8(help).unwrap();
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let name = |line: &str| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')).map(str::to_owned);
    lines.filter_map(name).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn the_table_has_every_command() {
    let world = World::new();
    let mut leaves = BTreeSet::new();
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let below = verbs(&world, &words);
        if below.is_empty() {
            leaves.insert(path.join(" "));
        }
        open.extend(below.into_iter().map(|verb| [path.clone(), vec![verb]].concat()));
    }
    let hidden = ["auth list", "auth logout"].map(str::to_owned);
    let table: BTreeSet<String> = TABLE.iter().map(|(command, ..)| command.join(" ")).collect();
    assert!(leaves.len() > 30, "{leaves:?}");
    leaves.extend(hidden);
    assert_eq!(table, leaves, "this table and agevault --help");
}

/// Documents that somebody makes who knows the public keys, and all of an earlier state but its secret.
fn forgeries(plain: &str) -> Vec<(&'static str, Value)> {
    let vault: Value = serde_json::from_str(plain.trim_end()).unwrap();
    let (id, own) = (vault["vault_id"].as_str().unwrap(), vault["vault_secret"].as_str().unwrap());
    let secret = BASE64_STANDARD_NO_PAD.encode([7_u8; 32]);
    let pin = |id: &str, secret: &str| -> String {
        let secret = BASE64_STANDARD_NO_PAD.decode(secret).unwrap();
        let digest = Sha256::new().chain_update(b"agevault/pin/v1").chain_update(id).chain_update(secret).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let with = |changes: &[(&str, Value)]| {
        let mut forged = vault.clone();
        for (name, value) in changes {
            forged[*name] = value.clone();
        }
        forged["env"]["A"] = json!("canary-forged");
        forged
    };
    let (from, to) = (pin(id, own), pin(id, &secret));
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    for part in ["agevault/succession/v1", id, &from, &to] {
        mac.update(part.as_bytes());
    }
    let mac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let link = json!([{"from": from, "to": to, "secret": secret, "mac": mac}]);
    let secret = ("vault_secret", json!(secret));
    vec![
        ("another secret", with(std::slice::from_ref(&secret))),
        ("a fresh id", with(&[secret.clone(), ("vault_id", json!("5b1a4e0c-3f5f-4a52-9d6e-0f2f6f3a9b11"))])),
        ("a forged succession", with(&[secret, ("epoch", json!(1)), ("succession", link)])),
    ]
}

fn seal_for_all(document: &Value) -> Vec<u8> {
    let publics = document["recipients"].as_array().unwrap().iter().map(|have| have["public"].as_str().unwrap());
    let to: Vec<seal::Recipient> = publics.map(|public| seal::Recipient::parse(public, None).unwrap()).collect();
    seal::seal(canonical(document).to_string().as_bytes(), &to).unwrap()
}

/// Members in byte order, as readers want them.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), canonical(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect())
        }
        other => other.clone(),
    }
}

fn opened(sealed: &[u8], key: &Path) -> String {
    let (plain, _) = seal::unlock(sealed, world::identity_key(key)).unwrap();
    plain.text().unwrap().to_owned()
}

#[test]
fn no_command_takes_a_forged_vault() {
    let world = a_world();
    let genuine = world.sealed().unwrap();
    let before = world.tree();
    for (kind, forged) in forgeries(&opened(&genuine, &world.identity())) {
        let forged = seal_for_all(&forged);
        for row @ (command, _, does) in TABLE {
            world.reset(&before);
            fs::write(world.vault(), &forged).unwrap();
            let ran = run(&world, row, &[]);
            let all = [ran.stdout.as_slice(), ran.stderr.as_bytes()].concat();
            let says = |text: &str| memchr::memmem::find(&all, text.as_bytes()).is_some();
            assert!(!says("canary"), "{command:?} on {kind}: {ran:?}");
            assert!(world.sealed().unwrap() == forged, "{command:?} on {kind}");
            let code = match does {
                Does::Nothing => continue,
                Does::Reports(code) => *code,
                _ if *command == ["run"] => 125,
                _ => 9,
            };
            assert_eq!(ran.code, Some(code), "{command:?} on {kind}: {ran:?}");
            assert!(ran.stdout.is_empty() || matches!(does, Does::Reports(_)), "{command:?} on {kind}: {ran:?}");
            // Nothing was remembered either: the genuine one is taken again.
            fs::write(world.vault(), &genuine).unwrap();
            world.ok(&["list", "-q"], b"");
        }
    }
}

/// Two hosts by their local state, with files that go to and fro.
struct Hosts {
    world: World,
    common: Vec<u8>,
}

impl Hosts {
    fn new() -> Self {
        let world = a_world();
        let pin = String::from_utf8(world.ok(&["trust"], b"").stdout).unwrap();
        world.ok(&["trust", "--local-state", "far", "--pin", pin.trim(), "-q"], b"");
        world.ok(&["list", "--local-state", "far"], b"");
        let common = world.sealed().unwrap();
        Self { world, common }
    }

    /// Saves `count` times on a host, from the state `from`; the file then.
    fn saves(&self, state: &str, from: &[u8], count: usize) -> Vec<u8> {
        fs::write(self.world.vault(), from).unwrap();
        for number in 0..count {
            let id = format!("env/SAVE_{number}");
            self.world.ok(&["set", &id, "--local-state", state, "-q"], b"value");
        }
        self.world.sealed().unwrap()
    }
}

const NEAR: &str = ".local/state/agevault";

/// Every command on a file that `state` has to refuse to write: what it says, and whether it was refused.
fn refused_for_writes(world: &World, file: &[u8], state: &str, named: &str) {
    let before = world.tree();
    for row @ (command, _, does) in TABLE {
        if !matches!(does, Does::Reads | Does::Writes) {
            continue;
        }
        world.reset(&before);
        fs::write(world.vault(), file).unwrap();
        let ran = run(world, row, &["--local-state", state]);
        assert!(ran.stderr.contains(named), "{command:?}: {ran:?}");
        match does {
            Does::Writes => {
                assert_eq!(ran.code, Some(9), "{command:?}: {ran:?}");
                assert!(world.sealed().unwrap() == file, "{command:?}");
            }
            _ => assert_eq!(ran.code, Some(0), "{command:?}: {ran:?}"),
        }
    }
    world.reset(&before);
}

#[test]
fn forks_of_one_step_and_of_five_are_refused_for_writes_and_joined_on_demand() {
    for (near, far) in [(1, 1), (1, 5), (5, 1), (5, 5)] {
        let hosts = Hosts::new();
        let world = &hosts.world;
        let nears = hosts.saves(NEAR, &hosts.common, near);
        let fars = hosts.saves("far", &hosts.common, far);
        if (near, far) == (5, 1) {
            refused_for_writes(world, &fars, NEAR, "saved by another host from an older state");
        }
        for (file, state) in [(&fars, NEAR), (&nears, "far")] {
            fs::write(world.vault(), file).unwrap();
            let ran = world.run(&["set", "env/A", "--local-state", state], b"value");
            assert_eq!(ran.code, Some(9), "{near} {far} {state}: {ran:?}");
            assert!(ran.stderr.contains("saved by another host from an older state"), "{near} {far} {state}: {ran:?}");
        }
        // One save by hand, and the file is a successor of both for either host.
        fs::write(world.vault(), &fars).unwrap();
        world.ok(&["set", "env/JOINED", "--accept-rollback", "-q"], b"value");
        for state in ["far", NEAR, "far"] {
            let ran = world.ok(&["set", "env/JOINED", "--local-state", state], b"value of another");
            assert!(!ran.stderr.contains("older"), "{near} {far} {state}: {ran:?}");
        }
        // Neither side's file comes back unseen.
        for (file, state) in [(&fars, "far"), (&fars, NEAR), (&nears, "far"), (&nears, NEAR)] {
            fs::write(world.vault(), file).unwrap();
            let ran = world.run(&["set", "env/A", "--local-state", state], b"value");
            assert_eq!(ran.code, Some(9), "{near} {far} {state}: {ran:?}");
            assert!(ran.stderr.contains("older than the last one seen here"), "{near} {far} {state}: {ran:?}");
        }
    }
}

#[test]
fn a_file_that_one_host_knows_to_be_old_is_old_for_it_alone() {
    let hosts = Hosts::new();
    let world = &hosts.world;
    let newer = hosts.saves("far", &hosts.common, 2);
    refused_for_writes(world, &hosts.common, "far", "older than the last one seen here");
    // The other host has not seen the newer one: for it this is a replay that nothing tells.
    fs::write(world.vault(), &hosts.common).unwrap();
    assert!(!world.ok(&["list"], b"").stderr.contains("older"));
    fs::write(world.vault(), &newer).unwrap();
    assert!(!world.ok(&["list"], b"").stderr.contains("older"));
    // Now it has.
    refused_for_writes(world, &hosts.common, NEAR, "older than the last one seen here");
}

/// A copied machine has the same name for its saves: one save each is told apart by their random names.
#[test]
fn two_saves_of_one_name_are_a_fork() {
    let hosts = Hosts::new();
    let world = &hosts.world;
    let before = world.tree();
    let one = hosts.saves(NEAR, &hosts.common, 1);
    world.reset(&before);
    hosts.saves(NEAR, &hosts.common, 1);
    refused_for_writes(world, &one, NEAR, "saved by another host from an older state");
}

#[test]
fn accept_rollback_needs_a_vault_that_is_believed_and_is_for_one_command() {
    let hosts = Hosts::new();
    let world = &hosts.world;
    let fars = hosts.saves("far", &hosts.common, 1);
    hosts.saves(NEAR, &hosts.common, 1);
    fs::write(world.vault(), &fars).unwrap();
    // Reading with it settles nothing.
    world.ok(&["list", "--accept-rollback"], b"");
    assert_eq!(world.run(&["set", "env/A"], b"value").code, Some(9));
    // No command that runs alone takes it.
    for command in [&["resolve", "--accept-rollback"][..], &["capture", "--watch", "--accept-rollback"]] {
        assert_eq!(world.run(command, REQUEST.as_bytes()).code, Some(2), "{command:?}");
    }
    for (kind, forged) in forgeries(&opened(&fars, &world.identity())) {
        fs::write(world.vault(), seal_for_all(&forged)).unwrap();
        assert_eq!(world.run(&["set", "env/A", "--accept-rollback"], b"value").code, Some(9), "{kind}");
    }
}

const HIGHEST: u64 = (1 << 53) - 1;

/// The document of `sealed` with every host's count of saves set to `saves`.
fn with_counts(world: &World, sealed: &[u8], saves: u64) -> Value {
    let mut document: Value = serde_json::from_str(opened(sealed, &world.identity()).trim_end()).unwrap();
    document["writers"].as_object_mut().unwrap().values_mut().for_each(|count| *count = json!(saves));
    document
}

/// A former recipient can forge counts for a host without local state. They mislead that host, but not the vault.
#[test]
fn counts_that_were_made_up_under_an_earlier_secret_reach_no_later_vault() {
    let world = a_world();
    let former = with_counts(&world, &world.sealed().unwrap(), HIGHEST);
    world.ok(&["recipients", "remove", "second", "-q", "--yes"], b"");
    let genuine = world.sealed().unwrap();
    fs::write(world.vault(), seal_for_all(&former)).unwrap();
    world.ok(&["list", "--local-state", "new", "-q"], b"");
    fs::write(world.vault(), &genuine).unwrap();
    assert_eq!(world.run(&["set", "env/A", "--local-state", "new"], b"value").code, Some(9));
    world.ok(&["set", "env/A", "--local-state", "new", "--accept-rollback", "-q"], b"value");
    for state in ["new", NEAR, "new"] {
        world.ok(&["set", "env/A", "--local-state", state, "-q"], b"another value");
    }
    let document: Value = serde_json::from_str(opened(&world.sealed().unwrap(), &world.identity()).trim_end()).unwrap();
    assert!(document["writers"].as_object().unwrap().values().all(|saves| saves.as_u64().unwrap() < 100), "{document}");
}

/// A vault file can claim any count and any number of hosts. It stays writable, and no host prints a warning.
#[test]
fn neither_the_highest_count_nor_thousands_of_hosts_stop_a_save() {
    let hosts = Hosts::new();
    let world = &hosts.world;
    let saved = hosts.saves("far", &hosts.common, 1);
    let document = with_counts(world, &saved, HIGHEST);
    fs::write(world.vault(), seal_for_all(&document)).unwrap();
    for state in [NEAR, "far", NEAR, "far"] {
        world.ok(&["set", "env/A", "--local-state", state, "-q"], b"value");
    }
    let mut document = with_counts(world, &world.sealed().unwrap(), 1);
    for host in 0..5000 {
        document["writers"][format!("{host:016x}")] = json!(3);
    }
    document["vault_id"] = json!("5b1a4e0c-3f5f-4a52-9d6e-0f2f6f3a9b11");
    let pin = |sealed: &[u8], state: &str| {
        fs::write(world.path("crowded.age"), sealed).unwrap();
        let of = ["--vault", "crowded.age", "--local-state", state];
        let shown = world.run(&[&["trust", "--no-input"][..], &of].concat(), b"").stdout;
        world.ok(&[&["trust", "-q", "--pin", String::from_utf8(shown).unwrap().trim()][..], &of].concat(), b"");
    };
    let crowded = seal_for_all(&document);
    ["one", "two"].iter().for_each(|state| pin(&crowded, state));
    for (number, state) in ["one", "two", "one", "two"].into_iter().enumerate() {
        let of = ["--vault", "crowded.age", "--local-state", state];
        let ran = world.ok(&[&["set", "env/A"][..], &of].concat(), format!("value {number}").as_bytes());
        assert!(!ran.stderr.contains("warning"), "{state}: {ran:?}");
    }
    let sealed = fs::read(world.path("crowded.age")).unwrap();
    let document: Value = serde_json::from_str(opened(&sealed, &world.identity()).trim_end()).unwrap();
    assert!(document["writers"].as_object().unwrap().len() <= 1024);
    // The state from before these saves still counts as old.
    fs::write(world.path("crowded.age"), &crowded).unwrap();
    let ran = world.run(&["set", "env/A", "--vault", "crowded.age", "--local-state", "two"], b"value");
    assert_eq!(ran.code, Some(9), "{ran:?}");
}
