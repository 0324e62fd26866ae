//! A plugin of somebody else's, with recipients, identities and cryptography of its own: X-Wing, by ML-KEM and X25519.

use crate::place::{Place, stdout_of};
use crate::tools;
use crate::vault::{Vault, strings};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const VALUE: &str = "fixture-sealed-by-a-plugin";

/// The plugin before everything else.
fn path() -> OsString {
    let others = std::env::var_os("PATH").unwrap_or_default();
    let dirs = [tools::age_plugins()].into_iter().chain(std::env::split_paths(&others));
    std::env::join_paths(dirs).expect("a search path")
}

/// A new identity of the plugin, and its recipient.
fn identity(place: &Place) -> (PathBuf, String) {
    let made = stdout_of(&mut place.command(tools::age_plugins().join("age-plugin-xwing")));
    let text = String::from_utf8(made).expect("an identity that is text");
    let recipient = text.lines().find_map(|line| line.strip_prefix("# recipient: ")).expect("a recipient");
    (place.file("xwing.txt", text.as_bytes()), recipient.to_owned())
}

fn with(vault: &Vault, identity: &Path) -> Command {
    let mut command = vault.place.agevault();
    command.env("PATH", path()).arg("-i").arg(identity);
    command
}

fn label_of_ours(vault: &Vault) -> String {
    let listed = stdout_of(vault.agevault().args(["--json", "recipients", "list"]));
    let listed: Value = serde_json::from_slice(&listed).expect("a list that is JSON");
    let all = listed["recipients"].as_array().expect("recipients");
    let ours = all.iter().find(|recipient| recipient["kind"] == "x25519").expect("a key of ours");
    ours["label"].as_str().expect("a label").to_owned()
}

fn assert_opens(vault: &Vault, identity: &Path) {
    assert_eq!(stdout_of(with(vault, identity).args(["get", "env/SEALED"])), VALUE.as_bytes());
    let mut age = vault.place.command(tools::age());
    let bytes = stdout_of(age.env("PATH", path()).arg("-d").arg("-i").arg(identity).arg(&vault.file));
    let payload: Value = serde_json::from_slice(&bytes).expect("a payload that is JSON");
    assert!(strings(&payload).contains(&VALUE), "age printed no {VALUE}");
}

#[test]
fn a_vault_sealed_by_a_plugin_opens_with_its_identity_here_and_in_stock_age() {
    let vault = Vault::imported();
    let (xwing, recipient) = identity(&vault.place);
    let value = vault.place.file("value", VALUE.as_bytes());
    stdout_of(with(&vault, &vault.identity).args(["recipients", "add", &recipient, "--label", "xwing", "--yes"]));
    // A save of every day, by a key that is not the plugin's.
    stdout_of(with(&vault, &vault.identity).args(["set", "env/SEALED", "--value-file"]).arg(value));
    assert_opens(&vault, &xwing);

    // The plugin's takes the other one away: what was kept before it was added goes with that.
    stdout_of(with(&vault, &xwing).args([
        "recipients",
        "remove",
        "--drop-unreadable",
        "--yes",
        &label_of_ours(&vault),
    ]));
    assert_opens(&vault, &xwing);
    let mut refused = with(&vault, &vault.identity);
    assert_eq!(refused.args(["get", "env/SEALED"]).output().expect("a program that starts").status.code(), Some(4));
}
