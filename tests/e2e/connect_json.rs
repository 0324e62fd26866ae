//! A gateway of the JSON era connected to the vault; also when `connect` is killed on its way.

use crate::tools;
use crate::wired::{Wired, token};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

const KEY: &str = "sk-ant-api03-canary-json-main-00";
const KEY_OF_CODER: &str = "sk-ant-api03-canary-json-coder-0";
const GATEWAY_TOKEN: &str = "canary-gateway-token-0000000427";
const CONFIG_KEY: &str = "canary-config-key-0000000000427";
const DOTENV: &str = "GITHUB_TOKEN=ghp-canary-json-github-0000\nGROQ_API_KEY=gsk-canary-json-groq-000000\n";
const MORE: &str = r#"mistral: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "canary-config-key-0000000000427", models: [{ id: "x", name: "x" }] },
  } }, // and behind"#;

fn secrets() -> Vec<String> {
    let short =
        [KEY, KEY_OF_CODER, GATEWAY_TOKEN, CONFIG_KEY, "ghp-canary-json-github-0000", "gsk-canary-json-groq-000000"];
    short.into_iter().map(str::to_owned).chain([token("canary-json-token")]).collect()
}

/// A gateway with plaintext everywhere. Its plugins are off: it is quick then, and needs no network.
fn with_plaintext() -> Wired {
    let mut wired = Wired::new(tools::openclaw());
    wired.env = vec![("OPENCLAW_DISABLE_BUNDLED_PLUGINS", PathBuf::from("1"))];
    wired.configure(GATEWAY_TOKEN, MORE);
    let expires = 4_102_444_800_000_u64;
    let main = json!({
        "anthropic:default": { "type": "api_key", "provider": "anthropic", "key": KEY },
        "anthropic:setup": {
            "type": "token", "provider": "anthropic", "token": token("canary-json-token"), "expires": expires,
        },
    });
    let coder = json!({ "anthropic:default": { "type": "api_key", "provider": "anthropic", "key": KEY_OF_CODER } });
    for (agent, profiles) in [("main", main), ("coder", coder)] {
        let store = json!({ "version": 1, "profiles": profiles });
        wired.put(&format!("agents/{agent}/agent/auth-profiles.json"), &store.to_string());
    }
    // Without an order the token goes first.
    let state = json!({ "version": 1, "order": { "anthropic": ["anthropic:default", "anthropic:setup"] } });
    wired.put("agents/main/agent/auth-state.json", &state.to_string());
    wired.put(".env", DOTENV);
    wired
}

fn assert_connected(wired: &Wired) {
    let secrets = secrets();
    assert_eq!(wired.files_with(&secrets.iter().map(String::as_str).collect::<Vec<_>>()), [""; 0]);
    let config = wired.text("openclaw.json");
    for comment in ["// What the operator notes here stays.", "/* and here */", "// and behind"] {
        assert!(config.contains(comment), "{config}");
    }
}

#[test]
fn a_gateway_of_the_json_era_works_with_references_and_keeps_no_plaintext() {
    let mut wired = with_plaintext();
    wired.connect();
    assert_connected(&wired);
    wired.audit();
    wired.env = tools::plugins(&tools::stage());
    assert_eq!(wired.turn("main", &["--local"]), KEY);
    assert_eq!(wired.turn("coder", &["--local"]), KEY_OF_CODER);
    let secrets = secrets();
    assert_eq!(wired.files_with(&secrets.iter().map(String::as_str).collect::<Vec<_>>()), [""; 0], "after turns");
}

/// Kills a connect once it has said this, and after a moment.
fn killed(wired: &Wired, after: &str, moment: Duration) {
    let mut command = wired.agevault();
    let mut child = command.arg("connect").stderr(Stdio::piped()).spawn().expect("a program that starts");
    let stderr = BufReader::new(child.stderr.take().expect("a stream"));
    let said: Vec<String> = stderr.lines().map_while(Result::ok).take_while(|line| !line.contains(after)).collect();
    std::thread::sleep(moment);
    let ended = child.try_wait().expect("a child");
    assert!(ended.is_none(), "{after} was not said in time: {said:?}");
    child.kill().expect("a child");
    child.wait().expect("a child");
}

/// The next connect. The gateway's program may still be doing what the killed one had it do: that is said with
/// the exit code of a conflict, and to run it again is right.
fn completed(wired: &Wired) {
    for _ in 0..10 {
        let output = wired.agevault().arg("connect").output().expect("a program that starts");
        if output.status.code() != Some(6) {
            assert!(output.status.success(), "{output:?}");
            return;
        }
    }
    panic!("the gateway's stores change all the time");
}

#[test]
fn a_connect_that_was_killed_is_completed_by_the_next() {
    // Between the backup and the first reference, most is changed.
    let moments = [
        ("installed", 0),
        ("the resolver answers", 0),
        ("backed up", 0),
        ("backed up", 20),
        ("backed up", 200),
        ("backed up", 500),
        ("referred", 0),
        ("out of the .env", 300),
    ];
    std::thread::scope(|threads| {
        let story = |(after, moment): (&str, u64)| {
            let wired = with_plaintext();
            killed(&wired, after, Duration::from_millis(moment));
            completed(&wired);
            assert_connected(&wired);
            for (id, value) in [
                ("auth/main/anthropic:default", KEY),
                ("auth/main/anthropic:setup", &token("canary-json-token")),
                ("auth/coder/anthropic:default", KEY_OF_CODER),
                ("config/gateway/auth/token", GATEWAY_TOKEN),
                ("config/models/providers/mistral/apiKey", CONFIG_KEY),
                ("env/GITHUB_TOKEN", "ghp-canary-json-github-0000"),
            ] {
                assert_eq!(wired.vault(&["get", id], ""), value, "{id}, killed after {after} and {moment} ms");
            }
            // What the killed one did is remembered too.
            wired.vault(&["connect", "--undo", "--yes"], "");
            let dotenv = wired.text(".env");
            assert!(DOTENV.lines().all(|line| dotenv.contains(line)), "{dotenv}");
            let files =
                ["openclaw.json", "agents/main/agent/auth-profiles.json", "agents/coder/agent/auth-profiles.json"];
            let all = files.map(|file| wired.text(file)).concat();
            for value in [KEY, KEY_OF_CODER, GATEWAY_TOKEN, CONFIG_KEY, &token("canary-json-token")] {
                assert!(all.contains(value), "{value}, killed after {after} and {moment} ms");
            }
        };
        let running: Vec<_> = moments.map(|moment| threads.spawn(move || story(moment))).into_iter().collect();
        running.into_iter().for_each(|thread| thread.join().expect("a story that ends well"));
    });
}
