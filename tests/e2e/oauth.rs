//! OAuth in a gateway of the JSON era: only in memory and in the vault, from `connect` to the end of everything.

use crate::capture::Watch;
use crate::tools;
use crate::wired::{Wired, token};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KEY_OF_CODER: &str = "sk-ant-api03-canary-oauth-coder-0";
const GATEWAY_TOKEN: &str = "canary-gateway-token-00000oauth";
/// From the gateway's write to the vault.
const SECONDS: Duration = Duration::from_secs(5);

fn login(name: &str) -> Value {
    json!({
        "type": "oauth", "provider": "anthropic", "access": token(&format!("{name}-access")),
        "refresh": format!("sk-ant-ort01-{name}-refresh-00000000"), "expires": 4_102_444_800_000_u64,
    })
}

/// A gateway with a login of `main` and a key of `coder`, whose views go into `ram`.
fn logged_in(ram: &TempDir) -> Wired {
    let mut wired = Wired::new(tools::openclaw());
    wired.configure(GATEWAY_TOKEN, "} }");
    let key = json!({ "type": "api_key", "provider": "anthropic", "key": KEY_OF_CODER });
    for (agent, profile) in [("main", login("canary-first")), ("coder", key)] {
        let store = json!({ "version": 1, "profiles": { "anthropic:default": profile } });
        wired.put(&format!("agents/{agent}/agent/auth-profiles.json"), &store.to_string());
    }
    wired.env = tools::plugins(&tools::stage());
    wired.env.push(("AGEVAULT_RUNTIME_DIR", PathBuf::from(ram.path())));
    // One process, which a kill ends.
    wired.env.push(("OPENCLAW_NO_RESPAWN", PathBuf::from("1")));
    wired
}

/// As the provider sees its access token.
fn bearer(name: &str) -> String {
    format!("Bearer {}", token(&format!("{name}-access")))
}

fn refresh_in_vault(wired: &Wired) -> String {
    let get = ["get", "auth/main/anthropic:default", "--field", "refresh"];
    let output = wired.agevault().args(get).output().expect("a program that starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn assert_no_plaintext(wired: &Wired, when: &str) {
    let logins = ["canary-first", "canary-second", "canary-third"].map(login);
    let of = |member: &str| logins.iter().map(|login| login[member].as_str().expect("text").to_owned()).collect();
    let secrets: Vec<String> = [of("access"), of("refresh"), vec![KEY_OF_CODER.into(), GATEWAY_TOKEN.into()]].concat();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    assert_eq!(wired.files_with(&secrets), [""; 0], "{when}");
}

#[test]
fn a_login_of_the_json_era_is_only_in_memory_and_its_newest_token_outlives_everything() {
    let ram = TempDir::new_in("/dev/shm").expect("a directory in memory");
    let wired = logged_in(&ram);
    wired.connect();
    assert_no_plaintext(&wired, "connected");
    let gateway = wired.start();
    let watch = Watch::with(wired.agevault());
    assert_eq!(wired.turn("main", &[]), bearer("canary-first"));
    assert_eq!(wired.turn("coder", &[]), KEY_OF_CODER);

    // As a refresh does: the gateway's own code writes what replaces both tokens.
    for name in ["canary-second", "canary-third"] {
        wired.gateway_stores(Some("main"), &json!({ "anthropic:default": login(name) }));
        let (start, expected) = (Instant::now(), login(name)["refresh"].as_str().expect("text").to_owned());
        while refresh_in_vault(&wired) != expected {
            assert!(start.elapsed() < SECONDS, "{name} is not in the vault");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // The end of everything, and of what was in memory.
    drop(watch);
    gateway.kill();
    for entry in std::fs::read_dir(ram.path()).expect("a directory").flatten() {
        std::fs::remove_dir_all(entry.path()).expect("what a power cut takes");
    }
    assert_no_plaintext(&wired, "after the end");
    assert_eq!(Value::from(refresh_in_vault(&wired)), login("canary-third")["refresh"]);

    // As the unit does before the gateway starts.
    wired.vault(&["export", "--refs", "--link"], "");
    let gateway = wired.start();
    assert_eq!(wired.turn("main", &[]), bearer("canary-third"));
    assert_eq!(wired.turn("coder", &[]), KEY_OF_CODER);
    drop(gateway);
    assert_no_plaintext(&wired, "after another start");
}
