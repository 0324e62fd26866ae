//! A current gateway connected to the vault: it works with the vault's secrets, and its disk has none.

use crate::tools;
use crate::wired::{Wired, token};
use serde_json::json;
use std::fs;

const GATEWAY_TOKEN: &str = "canary-gateway-token-0000000001";

fn current() -> Wired {
    let (_, script) = tools::current_gateway();
    Wired::new(script.parent().expect("the package").to_owned())
}

#[test]
fn a_fresh_gateway_starts_with_the_secrets_of_the_vault_and_writes_none() {
    let wired = current();
    wired.configure(GATEWAY_TOKEN, "} }");
    let (key, other, of_coder) =
        ("sk-ant-api03-canary-main-key-0000", token("canary-main-token"), token("canary-coder-token"));
    let paste = |verb: &str, agent: &str, more: &[&str], secret: &str| {
        let args = ["auth", verb, "--agent", agent, "--provider", "anthropic"];
        wired.vault(&[&args[..], more].concat(), secret);
    };
    paste("paste-api-key", "main", &[], key);
    paste("paste-token", "main", &["--profile-id", "anthropic:token", "--expires-in", "300d"], &other);
    paste("paste-token", "coder", &["--expires-in", "200d"], &of_coder);
    // Without an order a token goes first.
    let order = ["auth", "order", "set", "--agent", "main", "--provider", "anthropic"];
    wired.vault(&[&order[..], &["anthropic:manual", "anthropic:token"]].concat(), "");

    wired.connect();
    let running = wired.start();
    assert_eq!(wired.turn("main", &[]), key);
    assert_eq!(wired.turn("coder", &[]), format!("Bearer {of_coder}"));
    wired.audit();
    let secrets = [key, &other, &of_coder, GATEWAY_TOKEN];
    assert_eq!(wired.files_with(&secrets), [""; 0], "while it runs");
    running.stop();
    assert_eq!(wired.files_with(&secrets), [""; 0], "after it has ended");
    assert!(wired.connect().contains("nothing is to be changed"));
}

const MORE: &str = r#"xai: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "xai-canary-config-key-00000", models: [{ id: "x", name: "x" }] },
  } },
  // Of use for maps only.
  skills: { entries: { goplaces: { apiKey: "AIza-canary-skill-key-0000" } } },"#;
// Of known providers only xai: the gateway would install a plugin for another, or ask it for a memory.
const DOTENV: &str = "\
XAI_API_KEY=xai-canary-config-key-00000
GITHUB_TOKEN=ghp-canary-without-target-00
";
const COMMENTS: [&str; 3] = ["// What the operator notes here stays.", "/* and here */", "// Of use for maps only."];

#[test]
fn a_running_gateway_with_plaintext_is_connected_changed_broken_mended_and_left() {
    let wired = current();
    wired.configure(GATEWAY_TOKEN, MORE);
    let (shared, local) = ("sk-ant-api03-canary-shared-key-00", token("canary-local-token"));
    let key = json!({ "type": "api_key", "provider": "anthropic", "key": shared });
    wired.gateway_stores(None, &json!({ "anthropic:default": key }));
    let expiring =
        json!({ "type": "token", "provider": "anthropic", "token": local, "expires": 4_102_444_800_000_u64 });
    wired.gateway_stores(Some("coder"), &json!({ "anthropic:default": expiring }));
    wired.put(".env", DOTENV);
    let running = wired.start();
    assert_eq!(wired.turn("coder", &[]), format!("Bearer {local}"), "before it is connected");

    let said = wired.connect();
    assert!(said.contains("no plaintext is left in the gateway's files"), "{said}");
    assert_eq!(wired.turn("main", &[]), shared);
    assert_eq!(wired.turn("coder", &[]), format!("Bearer {local}"));
    assert_eq!(wired.turn("tester", &[]), shared);
    let config = wired.text("openclaw.json");
    assert!(COMMENTS.iter().all(|comment| config.contains(comment)), "{config}");
    let variable = "ghp-canary-without-target-00";
    let of_config = ["xai-canary-config-key-00000", "AIza-canary-skill-key-0000", GATEWAY_TOKEN];
    let secrets = [&[shared, &local, variable][..], &of_config].concat();
    assert_eq!(wired.files_with(&secrets), [""; 0]);
    wired.audit();

    let added = token("canary-added-token");
    let paste = ["auth", "paste-token", "--connect", "--agent", "tester", "--provider", "anthropic"];
    wired.vault(&[&paste[..], &["--profile-id", "anthropic:default"]].concat(), &added);
    assert_eq!(wired.turn("tester", &[]), format!("Bearer {added}"));
    let replaced = "sk-ant-api03-canary-replaced-key";
    wired.vault(&["set", "--connect", "auth/_shared/anthropic:default"], replaced);
    assert_eq!(wired.turn("main", &[]), replaced);
    wired.vault(&["rm", "--connect", "auth/tester/anthropic:default"], "");
    assert_eq!(wired.turn("tester", &[]), replaced);
    let said = wired.connect();
    assert!(said.contains("nothing is to be changed"), "{said}");

    // Its local commands come with the new token, which it does not know yet: it is told from none.
    let token = "canary-gateway-token-0000000002";
    let said = wired.found(&["set", "--connect", "config/gateway/auth/token"], token);
    assert!(said.contains("note: a gateway runs (something listens on port"), "{said}");
    wired.vault(&["set", "--connect", "config/gateway/auth/token"], GATEWAY_TOKEN);

    // Nobody can open the vault: a gateway that runs keeps what it has, and says so when it asks again.
    let reload = || {
        let mut command = wired.openclaw();
        command.args(["secrets", "reload", "--json", "--token", GATEWAY_TOKEN]);
        let output = command.output().expect("a program that starts");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("a report")
    };
    let away = wired.place.path("elsewhere.txt");
    fs::rename(&wired.identity, &away).expect("a rename");
    assert_eq!(reload()["ok"], false);
    let check = wired.agevault().args(["resolve", "--check"]).output().expect("a program that starts");
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(10), "{said}");
    assert!(said.contains("key"), "{said}");
    running.says("[SECRETS_PROVIDER_DEGRADED] exec:agevault: secret provider failed");
    fs::rename(&away, &wired.identity).expect("a rename");
    assert_eq!(reload(), json!({ "ok": true, "warningCount": 0 }));
    running.says("SECRETS_RELOADER_RECOVERED");
    assert_eq!(wired.turn("main", &[]), replaced);

    wired.vault(&["connect", "--undo", "--yes"], "");
    // No program answers for the vault now.
    fs::remove_file(wired.place.path("data/agevault/bin/agevault")).expect("a program of ours");
    assert_eq!(wired.turn("main", &[]), replaced);
    assert_eq!(wired.turn("coder", &[]), format!("Bearer {local}"));
    let config = wired.text("openclaw.json");
    assert!(COMMENTS.iter().chain(&of_config).all(|text| config.contains(text)), "{config}");
    let dotenv = wired.text(".env");
    assert!(DOTENV.lines().all(|line| dotenv.contains(line)), "{dotenv}");
    running.stop();
}

#[test]
fn a_gateway_that_is_left_and_connected_again_brings_no_entry_twice() {
    let wired = current();
    wired.configure(GATEWAY_TOKEN, "} }");
    let paste = ["auth", "paste-api-key", "--agent", "main", "--provider", "anthropic"];
    wired.vault(&paste, "sk-ant-api03-canary-again-key-00");
    let said = wired.connect();
    assert!(said.contains("note: no gateway is running (nothing listens on port"), "{said}");
    let ids = wired.vault(&["list"], "");
    let said = wired.said(&["connect", "--undo", "--yes"], "");
    assert!(said.contains("put back auth/main/anthropic:manual\n"), "{said}");
    assert!(said.contains("state/openclaw.sqlite holds plaintext again\n"), "{said}");
    assert!(!said.contains("in the vault alone"), "{said}");
    wired.connect();
    assert_eq!(wired.vault(&["list"], ""), ids);
}
