//! The vault is an ordinary age file: its owner can leave with tools that are not ours.

use crate::place::stdout_of;
use crate::tools;
use crate::vault::{Vault, strings};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One value of each kind of source that the fixture has.
const IMPORTED: [&str; 6] = [
    "fixture-main-anthropic-key",
    "fixture-main-anthropic-token",
    "fixture-main-codex-refresh",
    "fixture-research-gemini-access",
    "fixture-shared-openrouter-key",
    "fixture-config-gateway-token",
];

fn opened_by_each(vault: &Vault, identity: &Path) -> [(&'static str, Vec<u8>); 3] {
    let mut age = vault.place.command(tools::age());
    age.arg("-d").arg("-i").arg(identity).arg(&vault.file);

    let mut pyrage = vault.place.command(tools::python());
    pyrage.arg(tools::script("open_age.py"));
    pyrage.arg(identity).arg(&vault.file);

    let mut npm = vault.place.command(tools::node());
    npm.arg(tools::script("node/open-age.mjs"));
    npm.arg(tools::packages()).arg(identity).arg(&vault.file);

    [("age", stdout_of(&mut age)), ("pyrage", stdout_of(&mut pyrage)), ("age-encryption", stdout_of(&mut npm))]
}

fn assert_opens(vault: &Vault, identity: &Path) {
    for (tool, bytes) in opened_by_each(vault, identity) {
        let payload: Value =
            serde_json::from_slice(&bytes).unwrap_or_else(|why| panic!("{tool} printed no JSON: {why}"));
        assert_eq!(payload["schema"], 1, "{tool}");
        let held = strings(&payload);
        for value in IMPORTED {
            assert!(held.contains(&value), "{tool} printed no {value}");
        }
    }
}

fn passphrase_label(vault: &Vault) -> String {
    let listed = stdout_of(vault.agevault().args(["--json", "recipients", "list"]));
    let listed: Value = serde_json::from_slice(&listed).expect("a list that is JSON");
    listed["recipients"]
        .as_array()
        .expect("recipients")
        .iter()
        .find(|recipient| recipient["kind"] == "passphrase")
        .and_then(|recipient| recipient["label"].as_str())
        .expect("a passphrase with a label")
        .to_owned()
}

fn passphrase_identity(vault: &Vault) -> PathBuf {
    let out = vault.place.path("passphrase-identity.txt");
    let mut export = vault.place.agevault();
    export.arg("--passphrase-file").arg(&vault.passphrase);
    export.args(["recipients", "export-identity", &passphrase_label(vault)]);
    stdout_of(export.arg("--out").arg(&out));
    out
}

#[test]
fn stock_tools_open_the_vault_with_its_identity_file() {
    let vault = Vault::imported();
    assert_opens(&vault, &vault.identity);
}

#[test]
fn stock_tools_open_the_vault_with_the_exported_passphrase_identity() {
    let vault = Vault::imported();
    assert_opens(&vault, &passphrase_identity(&vault));
}
