use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// Values by their places in names; those without a place by their concrete ones.
fn values(document: &Value) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut named, mut unnamed) = (BTreeMap::new(), Vec::new());
    for member in members(document, Some(&[])) {
        let Content::Value(value) = &member.content else { continue };
        match &member.path {
            Some(path) => _ = named.insert(path.join("/"), value.expose().to_owned()),
            None => unnamed.push(member.at.join("/")),
        }
    }
    (named, unnamed)
}

#[test]
fn every_kind_of_member_is_found() {
    let document = json!({
        "gateway": {"auth": {"token": "g", "mode": "token"}},
        "agents": {"list": [{"id": "a", "memorySearch": {"remote": {"apiKey": "m"}}}]},
        "hooks": {"token": "h", "path": "/hooks"},
        "mcp": {"servers": {"x": {"command": "npx", "env": {"X_TOKEN": "t", "LOG": "debug", "Y": "${Y_KEY}"},
            "args": ["--token", "ghp_0123456789"]}, "u": {"url": "https://me:pass@x.org", "headers": {"X-API-Key": "k"}}}},
        "skills": {"entries": {"s": {"env": {"S_SECRET": "s"}, "apiKey": {"source": "env", "provider": "default", "id": "S"}}}},
        "env": {"A": "a", "vars": {"B": "b"}},
        "secrets": {"providers": {"p": {"source": "exec", "command": "/c", "env": {"P_TOKEN": "p"}}, "agevault": {"command": "/a", "env": {"A_TOKEN": "not looked at"}}}},
        "models": {"providers": {"o": {"apiKey": "ollama-local"}, "e": {"apiKey": "GROQ_API_KEY"}}},
        "channels": {"x": {"api_key": "spelled", "token": "/run/secrets/x", "maxTokens": 5}},
    });
    let found: Vec<(String, &str)> = members(&document, Some(&[]))
        .iter()
        .map(|member| {
            let what = match (&member.role, &member.content) {
                (Role::Variable(_), Content::Value(_)) => "variable",
                (Role::Target, Content::Value(_)) => "target",
                (Role::Command(..), Content::Value(_)) => "command",
                (Role::Other, Content::Value(_)) => "other",
                (Role::Argument, Content::Value(_)) => "argument",
                (_, Content::Variable(_)) => "named",
                (_, Content::Marker) => "marker",
                _ => "else",
            };
            (member.at.join("."), what)
        })
        .collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(at, what)| (at.as_str(), *what)).collect();
    assert_eq!(
        found,
        [
            ("gateway.auth.token", "target"),
            ("agents.list.0.memorySearch.remote.apiKey", "target"),
            ("hooks.token", "other"),
            ("mcp.servers.x.env.X_TOKEN", "command"),
            ("mcp.servers.x.env.Y", "named"),
            ("mcp.servers.x.args.1", "argument"),
            ("mcp.servers.u.url", "other"),
            ("mcp.servers.u.headers.X-API-Key", "other"),
            ("skills.entries.s.env.S_SECRET", "other"),
            ("skills.entries.s.apiKey", "named"),
            ("env.A", "variable"),
            ("env.vars.B", "variable"),
            ("secrets.providers.p.env.P_TOKEN", "other"),
            ("models.providers.o.apiKey", "marker"),
            ("models.providers.e.apiKey", "named"),
            ("channels.x.api_key", "other"),
        ]
    );
}

#[test]
fn an_element_without_a_name_of_its_own_has_no_path() {
    let document = json!({"list": [{"token": "a"}, {"id": "x", "token": "b"}, {"id": "x", "token": "c"}, {"name": "y", "token": "d"}]});
    let (named, unnamed) = values(&document);
    assert_eq!(named.into_iter().collect::<Vec<_>>(), [("list/y/token".into(), "d".into())]);
    assert_eq!(unnamed, ["list/0/token", "list/1/token", "list/2/token"]);
    // A name by one member that is another element's by another one names neither.
    assert_eq!(element_names(&[json!({"id": "x"}), json!({"name": "x"})]), [None, None]);
}

proptest! {
    /// Whatever is put before, taken away or moved: what keeps its name keeps its value, and is found by it.
    #[test]
    fn an_element_means_the_same_wherever_it_is(
        order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
        kept in proptest::collection::vec(any::<bool>(), 6),
        member in prop_oneof![Just("id"), Just("name"), Just("accountId"), Just("url")],
        at in prop_oneof![Just(vec!["agents", "list"]), Just(vec!["channels", "x", "accounts"]), Just(vec!["tts", "providers"])],
    ) {
        let element = |nth: usize| json!({member: format!("e{nth}"), "memorySearch": {"remote": {"apiKey": format!("value-{nth}")}}});
        let document = |elements: Vec<Value>| at.iter().rev().fold(json!(elements), |below, name| json!({*name: below}));
        let before = values(&document((0..6).map(element).collect())).0;
        let moved: Vec<Value> = order.iter().filter(|nth| kept.get(**nth) == Some(&true)).map(|nth| element(*nth)).collect();
        let tree = document(moved);
        let after = values(&tree).0;
        prop_assert_eq!(after.len(), kept.iter().filter(|kept| **kept).count());
        for (path, value) in &after {
            prop_assert_eq!(before.get(path), Some(value));
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            let place = locate(&tree, &path).unwrap();
            prop_assert_eq!(crate::formats::openclaw_config::at(&tree, &place).and_then(Value::as_str), Some(value.as_str()));
        }
    }
}

/// The concrete place of a path by names.
fn locate(tree: &Value, path: &[String]) -> Option<Vec<String>> {
    let found = members(tree, Some(&[])).into_iter().find(|member| member.path.as_deref() == Some(path));
    found.map(|member| member.at)
}
