//! The verdict of `connect`: a secret is out of every file, or its file is named and the exit code is 10.

use super::world::{Tree, World};
use super::{Release, agevault, configure, put, targets, with_gateway};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A secret of its own for each place: no value is in two of them.
struct Planted {
    world: World,
    /// What was planted: the file below HOME, the place in it, the secret.
    secrets: Vec<(String, String, String)>,
}

impl Planted {
    fn secret(&mut self, file: &str, at: &str) -> String {
        let secret = format!("canary{:04}{}", self.secrets.len(), "0123456789abcdef");
        self.secrets.push((file.to_owned(), at.to_owned(), secret.clone()));
        secret
    }

    /// A file with one secret, where the text has `@`.
    fn file(&mut self, file: &str, text: &str) {
        let secret = self.secret(file, "");
        self.world.write(file, text.replace('@', &secret).as_bytes());
    }

    /// Credentials of every type, with every member that may be a secret.
    fn profiles(&mut self, file: &str) -> Value {
        let metadata = self.secret(file, "zai:metadata");
        let mut profile = |name: &str, members: &[&str], extra: Value| {
            let mut profile = extra;
            profile["provider"] = name.split(':').next().unwrap().into();
            members.iter().for_each(|member| profile[*member] = self.secret(file, name).into());
            (name.to_owned(), profile)
        };
        let all = [
            profile("anthropic:key", &["key"], json!({"type": "api_key"})),
            profile("openai:alias", &["apiKey"], json!({"mode": "api_key"})),
            profile("groq:both", &["key", "apiKey"], json!({"type": "api_key"})),
            profile("mistral:token", &["token"], json!({"type": "token"})),
            profile("xai:more", &["key", "secretKey", "note"], json!({"type": "api_key"})),
            profile("zai:metadata", &["key"], json!({"type": "api_key", "metadata": {"a": metadata}})),
        ];
        all.into_iter().collect::<serde_json::Map<_, _>>().into()
    }
}

/// Everything that a gateway of the files' era may have, each with secrets in it.
fn planted(version: Release) -> Planted {
    let mut planted = Planted { world: with_gateway(version), secrets: Vec::new() };
    let has_files = version < (2026, 6, 5);
    let config_file = ".openclaw/openclaw.json";
    let mut config = json!({});
    let every: BTreeSet<Vec<&str>> = targets(version).into_iter().chain(targets((2026, 9, 6))).collect();
    for path in every {
        let names: Vec<&str> = path.iter().map(|segment| if *segment == "*" { "any" } else { segment }).collect();
        match names.iter().position(|name| *name == "[]") {
            Some(at) => {
                let (list, below) = (&names[..at], &names[at + 1..]);
                let secret = planted.secret(config_file, &below.join("."));
                let have = config.pointer(&format!("/{}/0", list.join("/"))).cloned();
                let mut element = have.unwrap_or_else(|| json!({"id": "one"}));
                put(&mut element, below, secret.into());
                put(&mut config, list, json!([element]));
            }
            None => {
                let secret = planted.secret(config_file, &names.join("."));
                put(&mut config, &names, secret.into());
            }
        }
    }
    for path in [
        &["env", "CONFIG_KEY"][..],
        &["env", "vars", "NESTED_KEY"],
        &["mcp", "servers", "stdio", "env", "MCP_TOKEN"],
        &["mcp", "servers", "http", "headers", "Authorization"],
        &["skills", "entries", "one", "env", "SKILL_TOKEN"],
        &["agents", "defaults", "sandbox", "docker", "env", "SANDBOX_TOKEN"],
        &["hooks", "token"],
        &["plugins", "entries", "custom", "config", "api_key"],
        &["models", "providers", "other", "headers", "X-Api-Key"],
    ] {
        let secret = planted.secret(config_file, &path.join("."));
        put(&mut config, path, secret.into());
    }
    config["mcp"]["servers"]["stdio"]["command"] = "npx".into();
    let arguments = [
        format!("--api-key={}", planted.secret(config_file, "mcp.servers.stdio.args.")),
        "--token".to_owned(),
        planted.secret(config_file, "mcp.servers.stdio.args."),
    ];
    config["mcp"]["servers"]["stdio"]["args"] = json!(arguments);
    config["mcp"]["servers"]["http"]["url"] = "https://example.org/mcp".into();
    let home = planted.world.home().display().to_string();
    config["agents"]["list"].as_array_mut().unwrap().push(json!({"id": "moved", "agentDir": format!("{home}/moved")}));
    config["agents"]["entries"]["named"] = json!({"agentDir": "~/named"});
    config["tools"]["included"] = json!({"$include": "./included.json5"});
    configure(&planted.world, &config);
    // What JSON5 allows beside the values.
    let text = fs::read_to_string(planted.world.path(config_file)).unwrap();
    let (comment, shadowed) = (planted.secret(config_file, "line"), planted.secret(config_file, "hooks.token"));
    let text =
        text.replacen("\"hooks\": {", &format!("// was sk-{comment}\n\"hooks\": {{ \"token\": \"{shadowed}\","), 1);
    planted.world.write(config_file, text.as_bytes());
    planted.file(".openclaw/included.json5", "{ clientSecret: '@' }");

    if has_files {
        for dir in [".openclaw/agents/main/agent", ".openclaw/agents/coder/agent", "moved", "named"] {
            let file = format!("{dir}/auth-profiles.json");
            let profiles = planted.profiles(&file);
            planted.world.write(&file, json!({"version": 1, "profiles": profiles}).to_string().as_bytes());
        }
    }
    let env = ".openclaw/.env";
    let lines = [
        "PLAIN_TOKEN=@",
        if has_files { "export OPENAI_API_KEY='@'" } else { "export OTHER_API_KEY='@'" },
        "# OLD_TOKEN=@",
        "set SHELL_TOKEN=@",
        "OPENCLAW_GATEWAY_TOKEN=@",
        "TORN=-----BEGIN PRIVATE KEY-----\n@\n-----END PRIVATE KEY-----",
        "NODE_OPTIONS=--require sk-@",
    ];
    let lines: Vec<String> = lines.iter().map(|line| line.replace('@', &planted.secret(env, line))).collect();
    planted.world.write(env, (lines.join("\n") + "\n").as_bytes());
    for (file, text) in [
        (".config/openclaw/gateway.env", "GATEWAY_ENV_TOKEN=@\n"),
        (".config/systemd/user/openclaw-gateway.service", "[Service]\nEnvironment=UNIT_TOKEN=@\n"),
        (".config/systemd/user/openclaw-gateway.service.d/keys.conf", "[Service]\nEnvironment=UNIT_TOKEN=@\n"),
        (".openclaw/gateway.systemd.env", "COPIED_TOKEN=@\n"),
        (".openclaw/openclaw.json.bak", "{ gateway: { auth: { token: '@' } } }"),
        (".openclaw/openclaw.json.bak.1", "{ gateway: { auth: { token: '@' } } }"),
        (".openclaw/openclaw.json.last-good", "{ gateway: { auth: { token: '@' } } }"),
        (".openclaw/openclaw.json.clobbered.2026-11-23T12-00-00-000Z", "{ gateway: { auth: { token: '@' } } }"),
        (".openclaw/agents/main/agent/models.json", r#"{"providers":{"anthropic":{"apiKey":"@"}}}"#),
        (".openclaw/agents/main/agent/plugins/openai/catalog.json", r#"{"providers":{"openai":{"apiKey":"@"}}}"#),
        (
            ".openclaw/agents/main/agent/auth-profiles.json.openai-provider-unification.1.bak",
            r#"{"version":1,"profiles":{"openai:x":{"type":"api_key","provider":"openai","key":"@"}}}"#,
        ),
        (".openclaw/clawdbot.json", "{ gateway: { auth: { token: '@' } } }"),
    ] {
        planted.file(file, text);
    }
    planted
}

/// Files below HOME, but for the vault's own.
fn files(world: &World) -> Tree {
    let own = [".local", ".config/agevault"].map(Path::new);
    world.tree().into_iter().filter(|(path, _)| own.iter().all(|own| !path.starts_with(own))).collect()
}

/// The files of a tree in which a text is.
fn holders<'t>(tree: &'t Tree, text: &str) -> Vec<&'t Path> {
    let holds = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    tree.iter().filter(|(_, bytes)| bytes.as_ref().is_some_and(holds)).map(|(path, _)| path.as_path()).collect()
}

#[test]
fn a_secret_is_gone_or_its_place_is_named() {
    for version in [(2026, 4, 27), (2026, 9, 6)] {
        let Planted { world, secrets } = planted(version);
        let before = files(&world);
        for (file, at, secret) in &secrets {
            assert_eq!(holders(&before, secret), [Path::new(file)], "{file} {at} is planted");
        }
        let ran = agevault(&world, &["connect"]);
        ran.expect(10).unwrap_or_else(|why| panic!("{version:?}: {why}"));
        let after = files(&world);
        let mut silent = Vec::new();
        for (file, at, secret) in &secrets {
            for holder in holders(&after, secret) {
                assert_eq!(holder, Path::new(file), "{version:?}: it went elsewhere");
                let path = world.path(file).display().to_string();
                let named = |line: &str| {
                    let place = line.strip_prefix("left in plaintext: ").and_then(|line| line.strip_prefix(&path));
                    // Another member of the same file is no word about this one.
                    place.is_some_and(|place| !file.ends_with("openclaw.json") || place.contains(at.as_str()))
                };
                if !ran.stderr.lines().any(named) {
                    silent.push(format!("{file} {at}"));
                }
            }
        }
        assert!(silent.is_empty(), "{version:?}: left without a word: {silent:#?}\n{}", ran.stderr);
        assert!(!ran.stderr.contains("canary") && ran.stdout.is_empty(), "no secret is printed");

        agevault(&world, &["connect", "--undo", "--yes"]).expect(0).unwrap_or_else(|why| panic!("{version:?}: {why}"));
        let back = files(&world);
        for (path, bytes) in &before {
            let is_copy = path.to_string_lossy().contains(".json.")
                || path.ends_with("models.json")
                || path.ends_with("catalog.json");
            let is_copy = is_copy && !path.ends_with("auth-profiles.json");
            let same = back.get(path) == Some(bytes) || (is_copy && !back.contains_key(path));
            assert!(same, "{version:?}: {} is as it was", path.display());
        }
    }
}
