//! Two gateways of one user on one host, each with its own vault: neither touches the other's.

use crate::tools;
use crate::wired::Wired;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const KEY: &str = "sk-ant-api03-canary-two-first-000";
const KEY_OF_OTHER: &str = "sk-ant-api03-canary-two-other-000";
const NEW_KEY: &str = "sk-ant-api03-canary-two-newer-000";
const TOKEN: &str = "canary-gateway-token-00000000first";
const TOKEN_OF_OTHER: &str = "canary-gateway-token-00000000other";
const SECRETS: [&str; 5] = [KEY, KEY_OF_OTHER, NEW_KEY, TOKEN, TOKEN_OF_OTHER];

/// Digests of every file below a directory, but for what a gateway writes when it only looks.
fn digests(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut dirs) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.insert(path.clone(), Sha256::digest(fs::read(&path).expect("a file")).to_vec());
            }
        }
    }
    found
}

#[test]
fn two_gateways_with_two_vaults_leave_each_other_alone() {
    let mut first = Wired::new(tools::openclaw());
    first.env = vec![("OPENCLAW_DISABLE_BUNDLED_PLUGINS", PathBuf::from("1"))];
    first.configure(TOKEN, "} },");
    let store = |key: &str| json!({ "anthropic:default": { "type": "api_key", "provider": "anthropic", "key": key } });
    let file = json!({ "version": 1, "profiles": store(KEY) });
    first.put("agents/main/agent/auth-profiles.json", &file.to_string());
    let (_, script) = tools::current_gateway();
    let other = first.beside("openclaw-work", script.parent().expect("the package").to_owned());
    other.configure(TOKEN_OF_OTHER, "} },");
    other.gateway_stores(Some("main"), &store(KEY_OF_OTHER));

    first.connect();
    // One vault for both is refused before anything is read in, whatever is said of conflicts.
    let (vault, files) = (fs::read(first.vault_file()).expect("a vault"), digests(&other.state));
    for more in [&[][..], &["--on-conflict", "replace"], &["--dry-run"]] {
        let mut command = other.agevault_of(&first);
        let output = command.arg("connect").args(more).output().expect("a program that starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(
            said.contains(&first.state.display().to_string()),
            "it says to which gateway the vault belongs: {said}"
        );
        assert_eq!(fs::read(first.vault_file()).expect("a vault"), vault, "{more:?}");
        assert_eq!(digests(&other.state), files);
    }
    let before = digests(&first.state);
    other.connect();
    assert_eq!(digests(&first.state), before, "the first gateway's files are as they were");
    assert_eq!(first.files_with(&SECRETS), [""; 0]);
    first.env = tools::plugins(&tools::stage());
    assert_eq!(first.turn("main", &["--local"]), KEY);
    assert_eq!(other.turn("main", &["--local"]), KEY_OF_OTHER);

    // A change of one reaches its own gateway alone.
    other.vault(&["set", "auth/main/anthropic:default", "--connect"], NEW_KEY);
    assert_eq!(first.turn("main", &["--local"]), KEY);
    assert_eq!(other.turn("main", &["--local"]), NEW_KEY);
    let before = digests(&first.state);
    other.vault(&["connect", "--undo", "--yes"], "");
    assert_eq!(digests(&first.state), before);
    assert_eq!(other.turn("main", &["--local"]), NEW_KEY);
    assert_eq!(first.turn("main", &["--local"]), KEY);
    assert_eq!(first.files_with(&[KEY, TOKEN]), [""; 0], "the first one is still connected");
}
