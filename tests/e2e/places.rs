//! A gateway with a secret in every place that it can have one and do without: all of them work after `connect`, none is
//! left in a file or in an archive of the gateway's, and the way back gives every byte that was changed.

use crate::place::stdout_of;
use crate::tools;
use crate::wired::Wired;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const KEY: &str = "sk-ant-api03-canary-places-main-0";
const KEY_OF_CODER: &str = "sk-ant-api03-canary-places-coder";
const GATEWAY_TOKEN: &str = "canary-gateway-token-000000places";
const PROBE: &str = "canary-probe-key-0000000000places";
const TOOL: &str = "canary-tool-token-000000000places";
/// Every secret, those that only old copies have too.
const SECRETS: [&str; 10] = [
    KEY,
    KEY_OF_CODER,
    GATEWAY_TOKEN,
    PROBE,
    TOOL,
    "canary-included-key-00000000places",
    "canary-named-key-00000000000places",
    "canary-variable-in-config-00places",
    "canary-old-key-of-a-copy-0000places",
    "canary-generated-catalog-000places",
];

/// A server of the Model Context Protocol that notes digests of what its environment has.
const SERVER: &str = r#"
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
const digest = (name) => createHash("sha256").update(process.env[name] ?? "").digest("hex");
writeFileSync(process.argv[2], `${digest("PROBE_KEY")} ${digest("TOOL_TOKEN")}`);
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result =
    method === "initialize"
      ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "probe", version: "1" } }
      : { tools: [] };
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
});
"#;

/// Plants a secret in each place; `elsewhere` is where the configuration has the files of `coder`.
fn planted(wired: &Wired, elsewhere: &str) {
    let server = wired.place.file("server.mjs", SERVER.as_bytes());
    let seen = wired.place.path("seen");
    let more = format!(
        r#"mistral: {{ baseUrl: "http://127.0.0.1:9/v1", apiKey: {{ source: "env", provider: "default", id: "NAMED_KEY" }}, models: [{{ id: "x", name: "x" }}] }},
  }} }},
  skills: {{ $include: './parts/skills.json5' }},
  env: {{ vars: {{ SET_IN_CONFIG: "canary-variable-in-config-00places" }} }},
  mcp: {{ servers: {{ probe: {{ command: "{}", args: ["{}", "{}"], env: {{ TOOL_TOKEN: '{TOOL}', PROBE_KEY: "${{PROBE_KEY}}" }} }} }} }},"#,
        tools::node().display(),
        server.display(),
        seen.display(),
    );
    wired.configure(GATEWAY_TOKEN, &more);
    let config = wired
        .text("openclaw.json")
        .replace(r#"{ id: "coder" }"#, &format!(r#"{{ id: "coder", agentDir: "{elsewhere}" }}"#));
    wired.put("openclaw.json", &config);
    wired.put(
        "parts/skills.json5",
        "// Included.\n{ entries: { goplaces: { apiKey: 'canary-included-key-00000000places' } } }\n",
    );
    wired.put(
        ".env",
        &format!(
            "# Of the operator.\r\nPROBE_KEY=\"{PROBE}\"\r\nNAMED_KEY=canary-named-key-00000000000places # named\r\n"
        ),
    );
    wired.put("openclaw.json.bak", r#"{"gateway":{"auth":{"token":"canary-old-key-of-a-copy-0000places"}}}"#);
    let catalog = r#"{"providers":{"x":{"apiKey":"canary-generated-catalog-000places"}}}"#;
    wired.put("agents/main/agent/plugins/x/catalog.json", catalog);
}

/// Files that must have the same bytes again in the end.
fn bytes(files: &[PathBuf]) -> BTreeMap<PathBuf, Vec<u8>> {
    files.iter().map(|file| (file.clone(), fs::read(file).expect("a file"))).collect()
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The whole story; `files` are those whose bytes come back.
fn story(wired: &Wired, files: &[PathBuf], how: &[&str]) {
    let before = bytes(files);
    let said = wired.connect();
    assert!(said.contains("no plaintext is left in the gateway's files"), "{said}");
    assert_eq!(wired.files_with(&SECRETS), [""; 0]);
    assert_eq!(wired.turn("main", how), KEY);
    assert_eq!(wired.turn("coder", how), KEY_OF_CODER);
    let seen = fs::read_to_string(wired.place.path("seen")).expect("a server that was started");
    assert_eq!(seen, format!("{} {}", digest(PROBE), digest(TOOL)), "its variables");
    let archives = wired.place.dir("archives");
    stdout_of(wired.openclaw().args(["backup", "create", "--no-include-workspace", "--output"]).arg(&archives));
    let archive = fs::read_dir(&archives).expect("a folder").next().expect("an archive").expect("an entry").path();
    stdout_of(wired.place.command("tar").arg("-xzf").arg(&archive).arg("-C").arg(&archives));
    assert_eq!(wired.files_with(&SECRETS), [""; 0], "after turns, and in an archive");
    // What a gateway is told by its own commands is seen.
    assert!(wired.connect().contains("nothing is to be changed"));
    wired.vault(&["status", "--check"], "");

    wired.vault(&["connect", "--undo", "--yes"], "");
    let after = bytes(files);
    for (file, bytes) in before {
        let now = String::from_utf8_lossy(&after[&file]);
        assert_eq!(now, String::from_utf8_lossy(&bytes), "{}", file.display());
    }
    assert_eq!(wired.turn("main", how), KEY);
}

#[test]
fn a_gateway_of_the_json_era_with_secrets_everywhere() {
    let mut wired = Wired::new(tools::openclaw());
    let coder = wired.place.dir("coder");
    planted(&wired, coder.to_str().expect("text"));
    let store = |key: &str| {
        let profiles =
            json!({ "anthropic:default": { "type": "api_key", "provider": "anthropic", "key": key, "note": "mine" } });
        serde_json::to_string_pretty(&json!({ "version": 1, "profiles": profiles })).expect("JSON")
    };
    wired.put("agents/main/agent/auth-profiles.json", &store(KEY));
    wired.place.file("coder/auth-profiles.json", store(KEY_OF_CODER).as_bytes());
    wired.env = tools::plugins(&tools::stage());
    let files = ["openclaw.json", "parts/skills.json5", ".env", "agents/main/agent/auth-profiles.json"];
    let files: Vec<PathBuf> =
        files.iter().map(|name| wired.state.join(name)).chain([coder.join("auth-profiles.json")]).collect();
    story(&wired, &files, &["--local"]);
}

#[test]
fn a_current_gateway_with_secrets_everywhere() {
    let (_, script) = tools::current_gateway();
    let wired = Wired::new(script.parent().expect("the package").to_owned());
    // A database belongs to an agent, which the gateway tells by the directory when it makes it.
    planted(&wired, wired.state.join("agents/coder/agent").to_str().expect("text"));
    let key = |key: &str| json!({ "anthropic:default": { "type": "api_key", "provider": "anthropic", "key": key } });
    wired.gateway_stores(None, &key(KEY));
    wired.gateway_stores(Some("coder"), &key(KEY_OF_CODER));
    let files = ["openclaw.json", "parts/skills.json5", ".env"].map(|name| wired.state.join(name));
    story(&wired, &files, &["--local"]);
}
