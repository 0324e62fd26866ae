//! A real gateway reads the exported directory as it reads its own.

use crate::place::{copy_private, stdout_of};
use crate::tools;
use crate::vault::Vault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the gateway says of one profile: kind, status, expiry.
type Seen = (String, String, Option<u64>);

/// `models status` of each agent over a state directory, under a configuration that only names the
/// agents.
fn seen_by_gateway(vault: &Vault, state: &Path) -> BTreeMap<(String, String), Seen> {
    let agents: Vec<String> = fs::read_dir(state.join("agents"))
        .expect("a directory of agents")
        .map(|entry| entry.expect("a directory entry").file_name())
        .map(|name| name.into_string().expect("an agent id"))
        .collect();
    let list: Vec<Value> = agents.iter().map(|id| json!({ "id": id })).collect();
    let config = json!({ "agents": { "list": list } }).to_string();
    let config = vault.place.file("gateway.json", config.as_bytes());

    // Most of a command is the start of a Node: all agents at once.
    std::thread::scope(|threads| {
        let running: Vec<_> = agents
            .iter()
            .map(|agent| threads.spawn(|| status_of(vault.place.command(tools::node()), state, &config, agent)))
            .collect();
        let done = running.into_iter().map(|status| status.join());
        done.flat_map(|seen| seen.expect("a status")).collect()
    })
}

/// The gateway's own command, over a state directory.
pub fn gateway(vault: &Vault, state: &Path, config: &Path) -> Command {
    by_node(vault.place.command(tools::node()), state, config)
}

fn by_node(mut node: Command, state: &Path, config: &Path) -> Command {
    node.arg(tools::openclaw().join("openclaw.mjs"))
        .env("NODE_COMPILE_CACHE", tools::packages().join("compiled"))
        .env("OPENCLAW_STATE_DIR", state)
        .env("OPENCLAW_CONFIG_PATH", config)
        .env("OPENCLAW_SKIP_CHANNELS", "1")
        .env("OPENCLAW_DISABLE_BONJOUR", "1");
    node
}

fn status_of(node: Command, state: &Path, config: &Path, agent: &str) -> Vec<((String, String), Seen)> {
    let mut gateway = by_node(node, state, config);
    let printed = stdout_of(gateway.args(["models", "status", "--json", "--agent", agent]));
    let status: Value = serde_json::from_slice(&printed).expect("a status that is JSON");
    assert_eq!(status["agentId"], agent);
    let profiles = status["auth"]["oauth"]["profiles"].as_array();
    let profiles = profiles.expect("profiles").iter().map(|profile| {
        let text = |name: &str| profile[name].as_str().unwrap_or_default().to_owned();
        let seen = (text("type"), text("status"), profile["expiresAt"].as_u64());
        ((agent.to_owned(), text("profileId")), seen)
    });
    profiles.collect()
}

/// What the gateway must say of a stored credential, by its own rules; all expiries of the fixture are
/// more than a day away.
fn expected(credential: &Value) -> Seen {
    let kind = credential.get("type").or_else(|| credential.get("mode"));
    let kind = kind.and_then(Value::as_str).expect("a kind");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock").as_millis();
    let expires = credential["expires"].as_u64();
    let past = expires.is_some_and(|at| u128::from(at) <= now);
    let (status, shown) = match (kind, expires) {
        ("oauth", Some(_)) if past => ("expired", expires),
        ("oauth", None) => ("missing", None),
        ("token", Some(_)) if past => ("expired", None),
        ("api_key", _) | ("token", None) => ("static", None),
        _ => ("ok", expires),
    };
    (kind.to_owned(), status.to_owned(), shown)
}

#[test]
fn the_gateway_lists_every_exported_profile() {
    let vault = Vault::imported();
    let seen = seen_by_gateway(&vault, &vault.exported());
    let payload = vault.payload();
    let scopes = payload["scopes"].as_object().expect("scopes");
    let mut kinds = Vec::new();
    for (agent, scope) in scopes {
        for (profile, credential) in scope["profiles"].as_object().expect("profiles") {
            let of = seen.get(&(agent.clone(), profile.clone()));
            assert_eq!(of, Some(&expected(credential)), "{profile} of {agent}");
            kinds.extend(of.map(|(kind, _, expires)| (kind.as_str(), expires.is_some())));
        }
    }
    assert!(scopes.len() > 1, "the fixture has several agents");
    for kind in [("api_key", false), ("token", false), ("token", true), ("oauth", true)] {
        assert!(kinds.contains(&kind), "the fixture has a {kind:?}");
    }
}

/// What its operator's environment says of a state directory does not matter: it is led to the views.
#[test]
fn a_gateway_under_run_sees_the_views_and_leaves_none() {
    let vault = Vault::imported();
    let ram = tempfile::TempDir::with_prefix_in("e2e-", "/dev/shm").expect("a tmpfs at /dev/shm");
    let config = vault.place.file("gateway.json", b"{}");
    let mut run = vault.agevault();
    run.env("AGEVAULT_RUNTIME_DIR", ram.path()).args(["run", "--views", "--"]).arg(tools::node());
    let seen = status_of(run, &vault.place.path("home"), &config, "main");
    let seen: BTreeMap<(String, String), Seen> = seen.into_iter().collect();
    let payload = vault.payload();
    let profiles = payload["scopes"]["main"]["profiles"].as_object().expect("profiles");
    for (profile, credential) in profiles {
        let of = seen.get(&("main".to_owned(), profile.clone()));
        assert_eq!(of, Some(&expected(credential)), "{profile}");
    }
    assert!(!profiles.is_empty());
    let views = stdout_of(vault.place.command("find").arg(ram.path()).args([
        "-name",
        "auth-profiles.json",
        "-o",
        "-name",
        ".env",
    ]));
    assert_eq!(String::from_utf8_lossy(&views), "");
}

/// Compared with the gateway's own reading of the directory that was imported, so that a credential which
/// the import lost cannot hide.
#[test]
fn the_gateway_misses_nothing_that_it_saw_before() {
    let vault = Vault::imported();
    let before = vault.place.path("before");
    copy_private(&vault.original, &before);
    let unreadable = profiles_without_secrets(&before);
    let before = seen_by_gateway(&vault, &before);
    let after = seen_by_gateway(&vault, &vault.exported());
    let mut compared = 0;
    for (name, seen) in &before {
        if !unreadable.contains(&name.1) {
            assert_eq!(after.get(name), Some(seen), "{name:?}");
            compared += 1;
        }
    }
    assert!(compared > 0, "the gateway saw profiles before");
}

/// Profiles whose secrets lie in a sidecar that only their gateway can read: named by the import, not taken.
fn profiles_without_secrets(state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for agent in fs::read_dir(state.join("agents")).expect("a directory of agents") {
        let file = agent.expect("a directory entry").path();
        let Ok(bytes) = fs::read(file.join("agent/auth-profiles.json")) else {
            continue;
        };
        let store: Value = serde_json::from_slice(&bytes).expect("a store that is JSON");
        for (name, profile) in store["profiles"].as_object().expect("profiles") {
            if profile.get("oauthRef").is_some() {
                found.push(name.clone());
            }
        }
    }
    found
}
