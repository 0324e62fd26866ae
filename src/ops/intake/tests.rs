use super::*;
use crate::formats::placeholder::tests::SAMPLES;
use crate::ops::export::tests::{World, sorted};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PRESENCES: [Presence; 2] = [Presence::Attended, Presence::Unattended];

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn id(text: &str) -> SecretId {
    SecretId::parse(text).unwrap()
}

fn oauth(access: &str, refresh: &str) -> Value {
    json!({"type": "oauth", "provider": "p", "access": access, "refresh": refresh, "expires": 1})
}

/// A vault with one real secret of every kind.
fn document() -> String {
    let mut world = World::new();
    world.vault["scopes"] = json!({"main": {"order": {}, "profiles": {
        "p:key": {"type": "api_key", "provider": "p", "key": "canary-key"},
        "p:login": oauth("canary-access", "canary-refresh"),
        "p:token": {"type": "token", "provider": "p", "token": "canary-token"},
    }}});
    world.vault["env"] = json!({"NODE_OPTIONS": "--canary", "THERE": "canary-env"});
    world.vault["config"] = json!({"gateway/auth/token": "canary-config"});
    sorted(&world.vault)
}

/// The value of every kind of entry with `text` as its secret, of entries that are there and of new ones.
fn shapes(text: &str) -> Vec<(SecretId, Value)> {
    let both = |name: &str, value: Value| {
        [id(&format!("auth/main/{name}")), id("auth/main/p:new")].map(|id| (id, value.clone()))
    };
    let mut shapes = Vec::new();
    shapes.extend(both("p:key", json!({"type": "api_key", "provider": "p", "key": text})));
    shapes.extend(both("p:token", json!({"type": "token", "provider": "p", "token": text})));
    shapes.extend(both("p:login", oauth(text, text)));
    for name in ["env/THERE", "env/NEW", "config/gateway/auth/token", "config/models/providers/p/apiKey"] {
        shapes.push((id(name), json!(text)));
    }
    shapes
}

/// Every kind of entry x every placeholder x with and without a person: none becomes a value.
#[test]
fn no_placeholder_becomes_a_value() {
    let text = document();
    let vault = Vault::parse(&text).unwrap();
    for (text, kind) in SAMPLES {
        for (id, value) in shapes(text) {
            for presence in PRESENCES {
                let refused = put(&vault, &id, raw(&value), "test", presence).err();
                assert_eq!(refused, Some(Refused::Placeholder(kind)), "{id} {text:?} {presence:?}");
            }
        }
        // One of two tokens is enough, unless it is only missing.
        for (access, refresh) in [(text, "canary-refresh"), ("canary-access", text)] {
            let put = |id: &str| put(&vault, &self::id(id), raw(&oauth(access, refresh)), "test", PRESENCES[1]).err();
            let expected = match kind {
                Placeholder::Blank => [None, (access != text).then_some(Refused::LostRefresh)],
                kind => [Some(Refused::Placeholder(kind)); 2],
            };
            assert_eq!([put("auth/main/p:new"), put("auth/main/p:login")], expected, "{access:?} {refresh:?}");
        }
    }
    let metadata = put(&vault, &id("env/sops_mac"), raw(&json!("canary")), "test", Presence::Attended).err();
    assert_eq!(metadata, Some(Refused::Placeholder(Placeholder::Metadata)));
}

#[test]
fn without_a_person_nothing_is_added_but_profiles_and_no_powerful_name_is_changed() {
    let text = document();
    let vault = Vault::parse(&text).unwrap();
    for (id, value) in shapes("canary-new") {
        assert!(put(&vault, &id, raw(&value), "test", Presence::Attended).is_ok(), "{id}");
        let refused = put(&vault, &id, raw(&value), "test", Presence::Unattended).err();
        let is_new = vault.get(&id).is_none() && !matches!(id, SecretId::Auth(..));
        assert_eq!(refused, is_new.then_some(Refused::NotThere), "{id}");
    }
    for name in ["env/NODE_OPTIONS", "env/BASH_ENV", "env/LD_PRELOAD", "env/PATH", "env/GIT_SSH_COMMAND"] {
        assert!(put(&vault, &id(name), raw(&json!("canary")), "test", Presence::Attended).is_ok(), "{name}");
        let refused = put(&vault, &id(name), raw(&json!("canary")), "test", Presence::Unattended).err();
        assert_eq!(refused, Some(Refused::Powerful), "{name}");
    }
}

#[test]
fn a_credential_without_its_secret_replaces_none() {
    let text = document();
    let vault = Vault::parse(&text).unwrap();
    let reference = json!({"source": "env", "provider": "default", "id": "A"});
    let refused = |name: &str, value: Value| {
        PRESENCES.map(|presence| put(&vault, &id(&format!("auth/main/{name}")), raw(&value), "test", presence).err())
    };
    let key = json!({"type": "api_key", "provider": "p", "keyRef": reference});
    // A person may want the reference; nobody else may.
    assert_eq!(refused("p:key", key.clone()), [None, Some(Refused::Reference)]);
    assert_eq!(refused("p:new", key), [None, None]);
    for empty in [
        json!({"type": "api_key", "provider": "p"}),
        json!({"type": "token", "provider": "p", "tokenRef": null}),
        json!({"type": "oauth", "provider": "p", "expires": 1}),
    ] {
        assert_eq!(refused("p:key", empty.clone()), [Some(Refused::NoSecret); 2], "{empty}");
    }
    let lost = json!({"type": "oauth", "provider": "p", "access": "canary"});
    assert_eq!(refused("p:login", lost.clone()), [Some(Refused::LostRefresh); 2]);
    assert_eq!(refused("p:new", lost), [None, None]);
    for odd in [json!({"type": "other", "key": "k"}), json!("text"), json!({"provider": "p"})] {
        assert_eq!(refused("p:key", odd.clone()), [Some(Refused::Ignored); 2], "{odd}");
    }
}

#[test]
fn what_no_vault_and_no_view_can_hold_is_refused() {
    let text = document();
    let vault = Vault::parse(&text).unwrap();
    let refused = |name: &str, value: Value| put(&vault, &id(name), raw(&value), "test", Presence::Attended).err();
    assert_eq!(refused("env/THERE", json!("'a` \"#")), Some(Refused::Dotenv(Misfit::Quotes)));
    assert_eq!(refused("config/a", json!("a\0b")), Some(Refused::Nul));
    assert_eq!(refused("auth/main/p:key", json!({"type": "api_key", "key": "a\0b"})), Some(Refused::Nul));
    assert_eq!(refused("config/a", json!("ab".repeat(MAX_VALUE))), Some(Refused::TooLarge));
    let deep: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(40), "]".repeat(40))).unwrap();
    assert_eq!(refused("auth/main/p:key", json!({"type": "api_key", "key": "k", "x": deep})), Some(Refused::TooLarge));
    let long = SecretId::config(&["\u{1}".repeat(300).as_str()]).unwrap();
    let long = put(&vault, &long, raw(&json!("a value")), "test", Presence::Attended).err();
    assert_eq!(long, Some(Refused::LongName));
}

#[test]
fn a_token_means_one_reason() {
    let tokens: BTreeSet<&str> = Refused::all().map(Refused::token).collect();
    assert_eq!(tokens.len(), Refused::all().count());
    assert!(crate::ops::judge::Why::ALL.iter().all(|why| !tokens.contains(why.token())));
}

/// Whoever writes a view must not decide where the secrets of a vault are sent.
#[test]
fn nobody_but_a_person_sends_a_secret_elsewhere() {
    let text = document();
    let vault = Vault::parse(&text).unwrap();
    let key = |more: Value| {
        let mut value = json!({"type": "api_key", "provider": "p", "key": "canary-new"});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (id("auth/main/p:key"), value)
    };
    for (id, value) in [
        key(json!({"provider": "other"})),
        key(json!({"baseUrl": "https://example.org"})),
        key(json!({"api-endpoint": "https://example.org"})),
        (id("env/HTTPS_PROXY"), json!("http://example.org")),
        (id("env/OPENAI_BASE_URL"), json!("http://example.org")),
    ] {
        let by = |presence| put(&vault, &id, raw(&value), "test", presence).err();
        assert_eq!(by(Presence::Unattended), Some(Refused::Redirects), "{id} {value}");
        assert_eq!(by(Presence::Attended), None, "{id} {value}");
    }
    let (id, value) = key(json!({"email": "me@example.org"}));
    assert!(put(&vault, &id, raw(&value), "test", Presence::Unattended).is_ok());
}
