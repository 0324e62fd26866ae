//! A host whose only key is a passphrase that somebody knows: after a boot it is given once, and the gateway works.

use crate::manager::Manager;
use crate::tools;
use crate::wired::{Wired, with_input};
use std::fs;
use std::path::PathBuf;

const GATEWAY_TOKEN: &str = "canary-gateway-token-0000000001";
const UNIT: &str = "openclaw-gateway.service";
const KEY: &str = "sk-ant-api03-canary-main-key-0000";

/// Runs one of ours to success; gives what it said.
fn ok(wired: &Wired, args: &[&str], input: &str) -> String {
    let output = with_input(wired.keyless().args(args), input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

/// A gateway whose vault has a key for its provider, and opens with a passphrase in this file and with nothing else.
fn with_passphrase(package: PathBuf) -> (Wired, String) {
    let wired = Wired::new(package);
    wired.configure(GATEWAY_TOKEN, "} }");
    let passphrase = wired.place.file("passphrase", b"what only the operator knows");
    let passphrase = passphrase.to_str().expect("a path that is text").to_owned();
    let add = ["recipients", "add", "passphrase", "--label", "mine", "--kdf-memory", "8", "--new-passphrase-file"];
    wired.vault(&[&add[..], &[&passphrase]].concat(), "");
    fs::remove_file(&wired.identity).expect("an identity");
    let paste = ["auth", "paste-api-key", "--agent", "main", "--provider", "anthropic", "--passphrase-file"];
    ok(&wired, &[&paste[..], &[&passphrase]].concat(), KEY);
    (wired, passphrase)
}

#[test]
fn a_current_gateway_gets_its_secrets_after_a_boot_by_one_unlock() {
    let (_, script) = tools::current_gateway();
    let (wired, passphrase) = with_passphrase(script.parent().expect("the package").to_owned());

    // Without a session nothing could open the vault for the gateway, and nothing is connected.
    let connect = ["connect", "--keep-gateway-token"];
    let output = wired.keyless().args(connect).output().expect("a program that starts");
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let unlock = ["unlock", "--passphrase-file", &passphrase];
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

#[test]
fn a_gateway_of_the_json_era_is_started_after_a_boot_by_one_unlock() {
    let (mut wired, passphrase) = with_passphrase(tools::openclaw());
    wired.env = vec![("OPENCLAW_DISABLE_BUNDLED_PLUGINS", PathBuf::from("1"))];
    let unlock = ["unlock", "--passphrase-file", &passphrase];
    ok(&wired, &unlock, "");
    ok(&wired, &["connect"], "");
    // Where the gateway puts its unit whatever this says.
    let config = wired.place.path("home/.config");
    wired.env = tools::plugins(&tools::stage()).into_iter().chain([("XDG_CONFIG_HOME", config)]).collect();

    // Installed as its own command does it, with what we print beside it.
    let manager = Manager::boot(&wired);
    let log = wired.place.path("gateway.log");
    let says = format!("[Service]\nStandardOutput=append:{}\nStandardError=inherit\n", log.display());
    manager.put(&format!("{UNIT}.d/log.conf"), &says);
    let installed = wired.openclaw().args(["gateway", "install"]).output().expect("a program that starts");
    assert!(installed.status.success(), "{installed:?}");
    let prints = |kind: &str| {
        let output = wired.keyless().args(["connect", kind]).output().expect("a program that starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let dropin = prints("--print-unit");
    assert!(dropin.contains("--session") && !dropin.contains("passphrase"), "{dropin}");
    manager.put(&format!("{UNIT}.d/agevault.conf"), &dropin);
    let path = prints("--print-unit=systemd-session");
    manager.shut_down();

    // The machine comes up again: the gateway fails until the vault is unlocked.
    ok(&wired, &["lock"], "");
    fs::remove_dir_all(wired.place.path("run/agevault")).expect("a runtime directory");
    fs::remove_file(&log).expect("a log");
    let manager = Manager::boot(&wired);
    manager
        .until("the gateway failed", |manager| manager.property(UNIT, "NRestarts").parse::<u32>().is_ok_and(|n| n > 0));
    // This is all that is typed, with nothing said of the gateway.
    let unlock_alone = |more: &[&str]| {
        let mut command = wired.command(env!("CARGO_BIN_EXE_agevault"));
        let output = with_input(command.arg("--no-input").args(unlock).args(more), "");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    let said = unlock_alone(&[]);
    assert!(said.contains("until the next boot"), "{said}");
    // As it happens to stand when it is looked for: its manager starts it again and again.
    let ends = [format!("started {UNIT}"), format!("{UNIT} is starting"), "the gateway has reloaded".to_owned()];
    assert!(ends.iter().any(|end| said.contains(end)), "{said}");
    manager
        .until("the gateway is ready", |_| fs::read_to_string(&log).is_ok_and(|log| log.contains("[gateway] ready")));
    assert_eq!(wired.turn("main", &[]), KEY);
    assert_eq!(wired.files_with(&[KEY, GATEWAY_TOKEN]), [""; 0]);

    // With the unit that watches for the session nobody has to start anything.
    ok(&wired, &["lock"], "");
    manager.stop(UNIT);
    manager.put("agevault-session.path", &path);
    manager.enable("agevault-session.path");
    assert_eq!(manager.property(UNIT, "ActiveState"), "inactive");
    assert!(!unlock_alone(&["--no-reload"]).contains(UNIT));
    manager.until("the gateway is started", |manager| manager.property(UNIT, "ActiveState") == "active");
    ok(&wired, &["lock"], "");
    manager.shut_down();
}
