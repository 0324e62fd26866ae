use super::*;
use crate::ops::export::tests::{World, sorted};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Members that gateways and their plugins know, and others: wherever a secret may stand.
const MEMBERS: [&str; 30] = [
    "access",
    "accessToken",
    "accountId",
    "apiKey",
    "api_key",
    "authFlow",
    "chatgptPlanType",
    "clientId",
    "clientSecret",
    "enterpriseUrl",
    "gatewayId",
    "headers",
    "idToken",
    "id_token",
    "issuer",
    "key",
    "keyRef",
    "metadata",
    "mode",
    "oauthRef",
    "password",
    "projectId",
    "refresh",
    "refreshToken",
    "secret",
    "setup",
    "token",
    "tokenEndpoint",
    "tokenRef",
    "value",
];
const CANARY: &str = "canary-4f1d";

/// The canary as the value of a member, in every shape that a value has.
fn hidden() -> Vec<Value> {
    vec![
        json!(CANARY),
        json!({ CANARY: CANARY }),
        json!([CANARY]),
        json!({"accountId": CANARY, "apiKey": CANARY}),
        json!({"source": CANARY, "id": "x"}),
        json!({"source": "env", "provider": "default", "id": "A", "more": CANARY}),
    ]
}

/// A credential of each kind with a secret, and of those that lead elsewhere or have none.
fn credentials() -> Vec<(&'static str, Value)> {
    let elsewhere = json!({"source": "exec", "provider": "other", "id": "x"});
    vec![
        ("key", json!({"type": "api_key", "provider": "p", "key": CANARY})),
        ("token", json!({"type": "token", "provider": "p", "token": CANARY, "expires": 4})),
        ("keyRef", json!({"type": "api_key", "provider": "p", "keyRef": elsewhere})),
        ("tokenRef", json!({"type": "token", "provider": "p", "tokenRef": elsewhere})),
        ("", json!({"type": "api_key", "provider": "p"})),
    ]
}

/// What a view of references shows of one credential, and whether it counts as plaintext.
fn shown(credential: &Value) -> (String, bool) {
    let mut world = World::new();
    world.vault["scopes"]["main"] = json!({"order": {}, "profiles": {"p:a": credential}});
    let text = sorted(&world.vault);
    let vault = Vault::parse(&text).unwrap();
    let kind = Kind::AuthProfiles(Scope::main());
    let view = render(&vault, &kind, &Carried::default(), Content::References).unwrap();
    (view.text().unwrap().to_owned(), is_plaintext(&vault, &kind, Content::References))
}

/// Every kind of credential x every member x every shape of its value: a view without secrets has none.
#[test]
fn a_view_of_references_has_no_member_that_may_be_secret() {
    for (own, credential) in credentials() {
        for member in MEMBERS.iter().filter(|member| **member != own) {
            for value in hidden() {
                let mut credential = credential.clone();
                credential[*member] = value;
                let (view, plaintext) = shown(&credential);
                let is_secret = plaintext || own.is_empty() || ["key", "token"].contains(member);
                assert!(!view.contains(CANARY) || plaintext, "{credential}: {view}");
                assert!(!plaintext || is_secret, "{credential}");
            }
        }
    }
}

#[test]
fn a_plugin_gets_what_it_needs_beside_a_reference_and_no_more() {
    let metadata =
        json!({"accountId": "a", "gatewayId": "g", "endpoint": "e", "apiKey": CANARY, "modelId": {"x": CANARY}});
    let of = |provider: &str| {
        let credential = json!({"type": "api_key", "provider": provider, "key": CANARY, "metadata": metadata,
            "email": "e@x", "displayName": {"x": CANARY}, "copyToAgents": true});
        let (view, plaintext) = shown(&credential);
        assert!(!plaintext && !view.contains(CANARY), "{view}");
        serde_json::from_str::<Value>(&view).unwrap()["profiles"]["p:a"].clone()
    };
    let reference = json!({"source": "exec", "provider": "agevault", "id": "auth/main/p:a"});
    let with = |provider: &str, metadata: Value| {
        json!({"type": "api_key", "provider": provider, "keyRef": reference, "metadata": metadata, "email": "e@x",
            "copyToAgents": true})
    };
    assert_eq!(of("cloudflare-ai-gateway"), with("cloudflare-ai-gateway", json!({"accountId": "a", "gatewayId": "g"})));
    assert_eq!(of("microsoft-foundry"), with("microsoft-foundry", json!({"endpoint": "e"})));
    assert!(of("p").get("metadata").is_none());
}

#[test]
fn a_login_stays_plaintext_and_is_called_so() {
    let (view, plaintext) = shown(&json!({"type": "oauth", "provider": "p", "access": CANARY, "refresh": CANARY}));
    assert!(plaintext && view.contains(CANARY));
}

proptest! {
    #[test]
    fn no_unknown_member_gets_into_a_view_of_references(name in "\\PC{1,12}", at in 0_usize..6, which in 0_usize..5) {
        prop_assume!(!["type", "provider", "email", "displayName"].contains(&name.as_str()));
        let (own, mut credential) = credentials().swap_remove(which);
        prop_assume!(name != own && !["key", "token"].contains(&name.as_str()));
        credential[name] = hidden().swap_remove(at);
        let (view, plaintext) = shown(&credential);
        prop_assert!(!view.contains(CANARY) && !plaintext, "{}", view);
    }
}
