//! What a real gateway writes into its views, which lie in memory, is in the vault within seconds.

use crate::gateway::gateway;
use crate::place::stdout_of;
use crate::vault::Vault;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// From the end of the gateway's command to the vault.
const SECONDS: Duration = Duration::from_secs(5);

/// A watch that ends with the test.
pub struct Watch(Child);

impl Watch {
    pub fn with(mut agevault: Command) -> Self {
        Self(agevault.args(["capture", "--watch"]).spawn().expect("a watch"))
    }
}

impl Drop for Watch {
    /// As a power cut ends it: what was captured is in the vault.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn soon(vault: &Vault, args: &[&str], expected: &str) {
    let start = Instant::now();
    loop {
        let output = vault.agevault().args(args).output().expect("an answer");
        if output.status.success() && output.stdout == expected.as_bytes() {
            return;
        }
        assert!(start.elapsed() < SECONDS, "{args:?}: {output:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Types at the gateway's prompt.
fn pastes(vault: &Vault, state: &Path, config: &Path, token: &str) {
    let mut command = gateway(vault, state, config);
    command.args(["models", "auth", "paste-token", "--provider", "minimax", "--profile-id", "minimax:pasted"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = piped.spawn().expect("a gateway");
    let typed = format!("{token}\r");
    child.stdin.take().expect("a prompt").write_all(typed.as_bytes()).expect("a reader");
    assert!(child.wait().expect("an end").success());
}

#[test]
fn what_the_gateway_writes_is_in_the_vault_within_seconds() {
    let vault = Vault::imported();
    let ram = TempDir::new_in("/dev/shm").expect("a directory in memory");
    let views = ram.path().join("views");
    // Without --on-disk: that the views lie in memory is a part of it.
    stdout_of(vault.agevault().arg("export").arg(&views));
    let config = vault.place.file("gateway.json", br#"{"agents":{"list":[{"id":"main"}]}}"#);

    let watch = Watch::with(vault.agevault());
    let order = ["anthropic:default", "anthropic:manual"];
    let set = ["models", "auth", "order", "set", "--provider", "anthropic", "--agent", "main"];
    stdout_of(gateway(&vault, &views, &config).args(set).args(order));
    let state = views.join("agents/main/agent/auth-state.json");
    assert!(state.exists(), "this gateway keeps orders in a file of its own");
    let lines = format!("{}\n", order.join("\n"));
    soon(&vault, &["auth", "order", "get", "--provider", "anthropic"], &lines);

    for token in ["fixture-pasted-token-one", "fixture-pasted-token-two"] {
        pastes(&vault, &views, &config, token);
        soon(&vault, &["get", "auth/main/minimax:pasted"], token);
    }
    drop(watch);
    soon(&vault, &["get", "auth/main/minimax:pasted"], "fixture-pasted-token-two");
    // All of it was captured: nothing stands in the way of taking the views away.
    stdout_of(vault.agevault().arg("wipe"));
    assert!(!views.join("agents/main/agent/auth-profiles.json").exists());
}
