//! A host whose only key is a passphrase that somebody knows: after a boot it is given once, and the gateway works.

use crate::tools;
use crate::wired::{Wired, with_input};
use std::fs;

const GATEWAY_TOKEN: &str = "canary-gateway-token-0000000001";
const KEY: &str = "sk-ant-api03-canary-main-key-0000";

/// Runs one of ours to success; gives what it said.
fn ok(wired: &Wired, args: &[&str], input: &str) -> String {
    let output = with_input(wired.keyless().args(args), input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

#[test]
fn a_current_gateway_gets_its_secrets_after_a_boot_by_one_unlock() {
    let (_, script) = tools::current_gateway();
    let wired = Wired::new(script.parent().expect("the package").to_owned());
    wired.configure(GATEWAY_TOKEN, "} }");
    let passphrase = wired.place.file("passphrase", b"what only the operator knows");
    let passphrase = passphrase.to_str().expect("a path that is text");
    let add = ["recipients", "add", "passphrase", "--label", "mine", "--kdf-memory", "8", "--new-passphrase-file"];
    wired.vault(&[&add[..], &[passphrase]].concat(), "");
    fs::remove_file(&wired.identity).expect("an identity");
    let paste = ["auth", "paste-api-key", "--agent", "main", "--provider", "anthropic", "--passphrase-file"];
    ok(&wired, &[&paste[..], &[passphrase]].concat(), KEY);

    // Without a session nothing could open the vault for the gateway, and nothing is connected.
    let connect = ["connect", "--keep-gateway-token"];
    let output = wired.keyless().args(connect).output().expect("a program that starts");
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let unlock = ["unlock", "--passphrase-file", passphrase];
    assert!(ok(&wired, &unlock, "").contains(" until 2"), "an hour is enough where no gateway is connected");
    ok(&wired, &connect, "");
    let config = wired.text("openclaw.json");
    assert!(config.contains("--session") && !config.contains("passphrase"), "{config}");

    // The machine goes down and comes up again.
    ok(&wired, &["lock"], "");
    fs::remove_dir_all(wired.place.path("run/agevault")).expect("a runtime directory");
    let running = wired.start();
    running.says("[SECRETS_PROVIDER_DEGRADED] exec:agevault: secret provider failed");
    let said = ok(&wired, &unlock, "");
    assert!(said.contains("until the next boot") && said.contains("the gateway has reloaded"), "{said}");
    assert_eq!(wired.turn("main", &[]), KEY);
    assert_eq!(wired.files_with(&[KEY]), [""; 0]);
    ok(&wired, &["lock"], "");
    running.stop();
}
