use super::compare::{Plan, plan};
use super::*;
use crate::model::{Scope, SecretId, Vault};
use crate::ops::export::tests::{World, sorted};
use crate::secret::SecretBuf;
use crate::views::digests;
use serde_json::{Value, json};

fn kind() -> Kind {
    Kind::AuthProfiles(Scope::main())
}

fn key(vault: &Vault<'_>) -> Key {
    Key::of(vault)
}

/// The view with these profiles and this order.
fn view(profiles: &Value, order: &Value) -> SecretBuf {
    SecretBuf::new(json!({"version": 1, "profiles": profiles, "order": order}).to_string().into_bytes())
}

/// A document whose main agent has these profiles and this order.
fn document(profiles: &Value, order: &Value) -> String {
    let mut world = World::new();
    world.vault["scopes"]["main"] = json!({"order": order, "profiles": profiles});
    sorted(&world.vault)
}

fn source(key: &Key, base: Option<&SecretBuf>, now: &SecretBuf, state: Option<&str>) -> Source {
    let state = state.map(|state| SecretBuf::new(state.as_bytes().to_vec()));
    Source {
        kind: kind(),
        path: "/views/auth-profiles.json".into(),
        held: Held::read(key, &kind(), now, state.as_ref()).unwrap(),
        base: base.iter().map(|base| digests(key, &kind(), base).unwrap()).collect(),
    }
}

/// One capture of profiles: what is planned, and what the vault has afterwards under `p:a`.
fn captured(base: &Value, gateway: &Value, vault: &Value, removals: Removals) -> (Plan, Option<String>) {
    let text = document(vault, &json!({}));
    let mut vault = Vault::parse(&text).unwrap();
    let key = key(&vault);
    let (base, now) = (view(base, &json!({})), view(gateway, &json!({})));
    let mut planned = plan(&vault, &key, &[source(&key, Some(&base), &now, None)], removals).unwrap();
    std::mem::take(&mut planned.change).apply(&mut vault, 1).unwrap();
    let id = SecretId::auth(Scope::main(), "p:a").unwrap();
    let after = vault.get(&id).map(|raw| raw.get().to_owned());
    (planned, after)
}

fn oauth(access: &str, refresh: &str, expires: u64) -> Value {
    json!({"p:a": {"type": "oauth", "provider": "p", "access": access, "refresh": refresh, "expires": expires}})
}

/// Every state of one profile on the three sides: what is done is told, what is not known to be
/// the vault's older state is never overwritten, and what is left open stays open.
#[test]
fn nothing_is_lost_or_left_untold_in_any_combination() {
    let state = |key: Option<&str>| match key {
        None => json!({}),
        Some(key) => json!({"p:a": {"type": "api_key", "provider": "p", "key": key}}),
    };
    let states = [None, Some("x"), Some("y"), Some("z")];
    let all = states.iter().flat_map(|base| states.iter().map(move |gateway| (base, gateway)));
    for (base, gateway) in all {
        for (vault, removals) in states.iter().flat_map(|vault| [(vault, Removals::Name), (vault, Removals::Take)]) {
            let case = format!("{base:?} {gateway:?} {vault:?} {removals:?}");
            let (plan, after) = captured(&state(*base), &state(*gateway), &state(*vault), removals);
            let after =
                after.map(|raw| serde_json::from_str::<Value>(&raw).unwrap()["key"].as_str().unwrap().to_owned());
            let report = &plan.report;
            let told = [&report.taken, &report.added, &report.removed, &report.missing];
            let told: Vec<usize> = told.iter().map(|list| list.len()).chain([report.conflicts.len()]).collect();
            let (expected, holds) = match (gateway == vault, base == gateway, base == vault) {
                (true, _, _) | (_, true, _) => ([0, 0, 0, 0, 0], vault),
                (_, _, true) if vault.is_none() => ([0, 1, 0, 0, 0], gateway),
                (_, _, true) if gateway.is_some() => ([1, 0, 0, 0, 0], gateway),
                (_, _, true) if removals == Removals::Take => ([0, 0, 1, 0, 0], gateway),
                _ if gateway.is_none() && removals == Removals::Name => ([0, 0, 0, 1, 0], vault),
                _ => ([0, 0, 0, 0, 1], vault),
            };
            assert_eq!((told, after.as_deref()), (expected.to_vec(), *holds), "{case}");

            // The base moves on, except where somebody has to decide.
            let new = &plan.bases[0];
            let moved = if expected[3] + expected[4] == 0 { gateway } else { base };
            let text = document(&json!({}), &json!({}));
            let key = key(&Vault::parse(&text).unwrap());
            assert_eq!(*new, [digests(&key, &kind(), &view(&state(*moved), &json!({}))).unwrap()], "{case}");
        }
    }
}

#[test]
fn expires_alone_never_decides_and_two_logins_are_a_conflict() {
    let base = oauth("a", "r", 5);
    for (gateway, vault) in [(9, 7), (7, 9)] {
        let (plan, after) = captured(&base, &oauth("b", "s", gateway), &oauth("c", "t", vault), Removals::Name);
        assert_eq!(plan.report.conflicts, [("auth/main/p:a".to_owned(), Why::BothChanged)]);
        assert!(after.unwrap().contains("\"t\""));
    }
}

#[test]
fn the_token_that_follows_the_vaults_own_is_taken_whatever_else_changed_there() {
    let mut vault = oauth("a", "r", 5);
    vault["p:a"]["displayName"] = json!("renamed");
    let (plan, after) = captured(&oauth("a", "r", 5), &oauth("b", "s", 4), &vault, Removals::Name);
    assert_eq!((plan.report.taken.len(), plan.report.conflicts.len()), (1, 0));
    let after = after.unwrap();
    assert!(after.contains("\"s\"") && after.contains("renamed"), "what the vault changed beside it stays");
}

#[test]
fn a_login_that_lost_its_refresh_token_or_its_type_says_so_and_stays_open() {
    let base = oauth("a", "r", 5);
    let key = json!({"p:a": {"type": "api_key", "provider": "p", "key": "k"}});
    for (gateway, why) in [(oauth("b", "", 5), Why::LostRefresh), (key, Why::OtherType)] {
        let (plan, after) = captured(&base, &gateway, &base, Removals::Name);
        assert_eq!(plan.report.conflicts, [("auth/main/p:a".to_owned(), why)]);
        assert!(after.unwrap().contains("\"r\""));
        assert_eq!(plan.left_out, [("/views/auth-profiles.json".into(), "auth/main/p:a".to_owned(), why.token())]);
    }
}

#[test]
fn what_is_no_secret_replaces_none_and_stays_open() {
    let key = |key: &str| json!({"p:a": {"type": "api_key", "provider": "p", "key": key}});
    for (text, kind) in crate::formats::placeholder::tests::SAMPLES {
        // A template in the place of a key is a reference by then.
        let expected = match crate::formats::secretref::env_reference(text) {
            Some(_) => Refused::Reference,
            None => Refused::Placeholder(kind),
        };
        for vault in [key("real"), key("newer")] {
            let (plan, after) = captured(&key("real"), &key(text), &vault, Removals::Take);
            assert_eq!(plan.report.left_out, [("auth/main/p:a".to_owned(), expected)], "{text:?}");
            assert!(after.unwrap().contains("real") || vault == key("newer"));
            assert!(plan.change.is_empty() && plan.report.conflicts.is_empty());
            let base = digests(
                &Key::of(&Vault::parse(&document(&vault, &json!({}))).unwrap()),
                &self::kind(),
                &view(&key("real"), &json!({})),
            )
            .unwrap();
            assert_eq!(plan.bases[0], [base], "it is told again");
        }
        // New ones: a reference is one, and the rest is none.
        let (plan, after) = captured(&json!({}), &key(text), &json!({}), Removals::Name);
        let is_reference = expected == Refused::Reference;
        assert_eq!((plan.report.left_out.is_empty(), after.is_some()), (is_reference, is_reference), "{text:?}");
    }
}

#[test]
fn an_entry_that_the_gateway_ignores_is_told_and_stays_open() {
    let odd = json!({"p:a": {"type": "unknown", "provider": "p"}});
    let (plan, after) = captured(&json!({}), &odd, &json!({}), Removals::Name);
    assert_eq!((plan.report.left_out, after), (vec![("auth/main/p:a".to_owned(), Refused::Ignored)], None));
    assert!(plan.bases[0][0].entries.is_empty());
}

#[test]
fn an_order_is_captured_from_the_state_beside_the_profiles() {
    let profiles = json!({});
    let (old, new) = (json!({"p": ["p:a", "p:b"]}), json!({"p": ["p:b"]}));
    let text = document(&profiles, &old);
    let vault = Vault::parse(&text).unwrap();
    let key = key(&vault);
    let base = view(&profiles, &old);
    let plan = |now: &Value, state| {
        let now = view(&profiles, now);
        plan(&vault, &key, &[source(&key, Some(&base), &now, state)], Removals::Name).unwrap()
    };
    let order = ["order of p for main".to_owned()];
    // Moved out of the file: unchanged, changed, cleared; and not there yet.
    assert!(plan(&json!({}), Some(r#"{"order":{"p":["p:a","p:b"]}}"#)).change.is_empty());
    assert_eq!(plan(&json!({}), Some(r#"{"order":{"p":["p:b"]}}"#)).report.taken, order);
    assert_eq!(plan(&json!({}), Some(r#"{"usageStats":{}}"#)).report.missing, order);
    assert_eq!(plan(&json!({}), None).report.missing, [""; 0]);
    // The file still has the old one, or the gateway is of an era before that.
    let moved = plan(&old, Some(r#"{"order":{"p":["p:b"]}}"#));
    assert_eq!(moved.report.taken, order);
    assert_eq!(moved.bases[0].len(), 2, "both orders are known from now on");
    assert_eq!(plan(&new, None).report.taken, order);
}

#[test]
fn a_store_without_a_base_adds_what_is_new_and_disputes_what_differs() {
    let text = document(&oauth("a", "r", 5), &json!({}));
    let vault = Vault::parse(&text).unwrap();
    let key = key(&vault);
    let mut now = oauth("b", "s", 5);
    now["p:new"] = json!({"type": "api_key", "provider": "p", "key": "k"});
    let plan = plan(&vault, &key, &[source(&key, None, &view(&now, &json!({})), None)], Removals::Take).unwrap();
    assert_eq!(
        (plan.report.added.concat(), plan.report.conflicts),
        ("auth/main/p:new".into(), vec![("auth/main/p:a".into(), Why::BothChanged)])
    );
}

#[test]
fn of_two_targets_with_different_changes_none_wins_silently() {
    let base = oauth("a", "r", 5);
    let text = document(&base, &json!({}));
    let vault = Vault::parse(&text).unwrap();
    let key = key(&vault);
    let base = view(&base, &json!({}));
    let source = |token| source(&key, Some(&base), &view(&oauth("b", token, 5), &json!({})), None);
    let plan = |sources: &[Source]| plan(&vault, &key, sources, Removals::Name).unwrap().report;
    let disputed = plan(&[source("one"), source("two")]);
    assert_eq!((disputed.taken.len(), disputed.conflicts.len()), (1, 1));
    let agreed = plan(&[source("one"), source("one")]);
    assert_eq!((agreed.taken.len(), agreed.conflicts.len()), (1, 0));
    // One that did not follow is older, and no obstacle.
    let older = Source {
        kind: kind(),
        path: "/older".into(),
        held: Held::read(&key, &kind(), &base, None).unwrap(),
        base: source("x").base,
    };
    let followed = plan(&[source("one"), older]);
    assert_eq!((followed.taken.len(), followed.conflicts.len()), (1, 0));
}

#[test]
fn a_merge_is_what_the_next_target_is_compared_with() {
    let entry = |key: &str, name: &str| json!({"p:a": {"type": "api_key", "provider": "p", "key": key, "email": name}});
    let text = document(&entry("vaults", "x@y"), &json!({}));
    let mut vault = Vault::parse(&text).unwrap();
    let key = key(&vault);
    let base = view(&entry("old", "x@y"), &json!({}));
    let source = |profiles: &Value| source(&key, Some(&base), &view(profiles, &json!({})), None);
    // One target has another address, one is as it was written, one has another key.
    let sources = [source(&entry("old", "x@z")), source(&entry("old", "x@y")), source(&entry("gateways", "x@y"))];
    let mut planned = plan(&vault, &key, &sources, Removals::Name).unwrap();
    assert_eq!((planned.report.taken.len(), planned.report.conflicts.len()), (1, 1));
    std::mem::take(&mut planned.change).apply(&mut vault, 1).unwrap();
    let id = SecretId::auth(Scope::main(), "p:a").unwrap();
    let after: Value = serde_json::from_str(vault.get(&id).unwrap().get()).unwrap();
    assert_eq!(after, entry("vaults", "x@z")["p:a"]);
}

#[test]
fn what_no_vault_can_hold_is_passed_over_and_spoils_nothing_else() {
    let deep: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(28), "]".repeat(28))).unwrap();
    let credential = |other: Value| json!({"type": "api_key", "provider": "p", "key": "k", "other": other});
    let mut now = json!({"p:a": credential(json!(1)), "p:deep": credential(deep)});
    now["\u{1}".repeat(300)] = credential(json!(1));
    let (plan, after) = captured(&json!({}), &now, &json!({}), Removals::Name);
    let why: Vec<Refused> = plan.report.left_out.iter().map(|(_, why)| *why).collect();
    assert_eq!(plan.report.added.concat(), "auth/main/p:a");
    assert_eq!(why, [Refused::LongName, Refused::TooLarge]);
    assert!(after.is_some());
}
