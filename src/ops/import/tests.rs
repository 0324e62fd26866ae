use super::*;
use crate::formats::placeholder::tests::SAMPLES;
use crate::gateway::{Configuration, Files, Found, Shape};
use crate::ops::export::tests::{World, sorted};
use crate::ops::intake::Presence;
use crate::secret::SecretBuf;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The file of each kind that has `text` where a secret would be, and the names that it has for it.
fn files(text: &str) -> Vec<(Option<Shape>, String, &'static [&'static str])> {
    let profiles = json!({"version": 1, "profiles": {
        "p:key": {"type": "api_key", "provider": "p", "key": text},
        "p:login": {"type": "oauth", "provider": "p", "access": text, "refresh": text},
        "p:token": {"type": "token", "provider": "p", "token": text},
    }})
    .to_string();
    let config = json!({"gateway": {"auth": {"token": text}}, "env": {"ENTRY": text}}).to_string();
    let main = Scope::main;
    let names: &[&str] = &["auth/main/p:key", "auth/main/p:login", "auth/main/p:token"];
    let mut files = vec![
        (Some(Shape::AuthProfiles(main())), profiles.clone(), names),
        (Some(Shape::Store(main())), profiles, names),
        (None, config, &["config/gateway/auth/token", "env/ENTRY"]),
    ];
    // Quotes that the text does not have; line breaks may stand within them.
    files.push((Some(Shape::Dotenv), format!("ENTRY='{text}'\n"), &["env/ENTRY"]));
    files
}

/// The inventory of one file; without a shape, of a configuration.
fn inventory(shape: Option<Shape>, text: &str) -> Inventory {
    let bytes = SecretBuf::new(text.as_bytes().to_vec());
    let path = PathBuf::from("/a/file");
    let files = match shape {
        Some(shape) => Files { found: vec![Found { shape, path, bytes }], ..Files::default() },
        None => {
            let config = Configuration::load(&path, bytes, &mut Vec::new()).unwrap();
            Files { config: Some(config), ..Files::default() }
        }
    };
    Inventory::of(files, None)
}

/// A vault with a real secret under every name of [`files`], or an empty one.
fn vault(text: Option<&str>) -> String {
    let mut world = World::new();
    world.vault["scopes"] = json!({});
    (world.vault["env"], world.vault["config"]) = (json!({}), json!({}));
    if let Some(text) = text {
        world.vault["scopes"] = json!({"main": {"order": {}, "profiles": {
            "p:key": {"type": "api_key", "provider": "p", "key": text},
            "p:login": {"type": "oauth", "provider": "p", "access": text, "refresh": text},
            "p:token": {"type": "token", "provider": "p", "token": text},
        }}});
        world.vault["env"] = json!({"ENTRY": text});
        world.vault["config"] = json!({"gateway/auth/token": text});
    }
    sorted(&world.vault)
}

fn planned(
    vault: &Vault<'_>,
    shape: Option<Shape>,
    text: &str,
    on: OnConflict,
    presence: Presence,
) -> Result<Plan, Error> {
    plan(vault, &[inventory(shape, text)], Terms { only: None, on, presence, powerful: true }, &Unchanged::default())
}

/// Every kind of file x every placeholder x a vault with and without the entry: nothing is taken, and everything is
/// named. Only a reference becomes a profile that holds one.
#[test]
fn no_file_brings_a_placeholder_in() {
    for (text, _) in SAMPLES {
        for presence in [Presence::Attended, Presence::Unattended] {
            for have in [None, Some("canary")] {
                let document = vault(have);
                let vault = Vault::parse(&document).unwrap();
                for (shape, file, names) in files(text) {
                    let case = format!("{shape:?} {text:?} {presence:?} {have:?}");
                    let plan = planned(&vault, shape.clone(), &file, OnConflict::Replace, presence).unwrap();
                    let told = plan.refused.iter().map(|(name, _)| name.as_str());
                    let told: Vec<&str> = told.chain(plan.notes.iter().map(|note| note.name.as_str())).collect();
                    for name in names {
                        let short = name.trim_start_matches("env/").trim_start_matches("config/").replace('/', ".");
                        let is_told = |told: &&&str| **told == *name || told.ends_with(&short);
                        assert!(told.iter().any(|told| is_told(&told)), "{case}: {name} in {told:?}");
                    }
                    let is_reference = crate::formats::secretref::env_reference(text).is_some();
                    let takes_reference = is_reference && presence == Presence::Attended;
                    let may = plan.change.touched().all(|id| matches!(id, SecretId::Auth(..)));
                    let adds = is_reference && have.is_none();
                    assert!(plan.change.is_empty() || (may && (takes_reference || adds)), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_placeholder_in_one_file_disputes_nothing_in_another() {
    let document = vault(None);
    let vault = Vault::parse(&document).unwrap();
    let found = |text: &str| {
        let file = json!({"profiles": {"p:a": {"type": "api_key", "provider": "p", "key": text}}});
        inventory(Some(Shape::AuthProfiles(Scope::main())), &file.to_string())
    };
    let terms = Terms { only: None, on: OnConflict::Fail, presence: Presence::Attended, powerful: true };
    for files in [[found("sk-...abcd"), found("canary")], [found("canary"), found("sk-...abcd")]] {
        let plan = plan(&vault, &files, terms, &Unchanged::default()).unwrap();
        assert_eq!((plan.added.concat(), plan.refused.len()), ("auth/main/p:a".to_owned(), 1));
    }
}

/// What the gateway keeps itself is newer there, unless it lost what the vault has.
#[test]
fn a_copy_of_the_gateways_login_follows_it() {
    let login = |access: &str, refresh: Option<&str>| {
        let mut login = json!({"type": "oauth", "provider": "p", "access": access});
        refresh.iter().for_each(|refresh| login["refresh"] = json!(refresh));
        json!({"version": 1, "profiles": {"p:login": login}}).to_string()
    };
    let document = vault(Some("canary"));
    let vault = Vault::parse(&document).unwrap();
    let of = |file: &str, own_oauth: bool| {
        let terms = Terms { only: None, on: OnConflict::Keep, presence: Presence::Unattended, powerful: true };
        let held = inventory(Some(Shape::Store(Scope::main())), file);
        plan(&vault, &[held], terms, &Unchanged { own_oauth, ..Unchanged::default() }).unwrap()
    };
    let renewed = login("new", Some("next"));
    assert_eq!(of(&renewed, true).replaced, ["auth/main/p:login"]);
    assert_eq!(of(&renewed, false).kept, ["auth/main/p:login"]);
    for own_oauth in [true, false] {
        let lost = of(&login("new", None), own_oauth);
        assert_eq!(lost.refused, [("auth/main/p:login".to_owned(), Refused::LostRefresh)]);
        assert!(lost.change.is_empty());
    }
}

/// A person who wants a reference in the place of a secret says so; without a word it is a conflict.
#[test]
fn a_reference_replaces_a_secret_only_on_demand() {
    let document = vault(Some("canary"));
    let vault = Vault::parse(&document).unwrap();
    let reference: Value = json!({"source": "exec", "provider": "other", "id": "x"});
    let file = json!({"version": 1, "profiles": {"p:key": {"type": "api_key", "provider": "p", "keyRef": reference}}});
    let of = |on, presence| planned(&vault, Some(Shape::AuthProfiles(Scope::main())), &file.to_string(), on, presence);
    assert!(
        matches!(of(OnConflict::Fail, Presence::Attended), Err(Error::Conflict(names)) if names == ["auth/main/p:key"])
    );
    assert_eq!(of(OnConflict::Keep, Presence::Attended).unwrap().kept, ["auth/main/p:key"]);
    assert_eq!(of(OnConflict::Replace, Presence::Attended).unwrap().replaced, ["auth/main/p:key"]);
    let left = of(OnConflict::Replace, Presence::Unattended).unwrap();
    assert_eq!((left.refused.len(), left.change.is_empty()), (1, true));
}

/// The gateway's repair renames OpenAI's OAuth profiles: the vault's follow, with the newest tokens. What the gateway
/// still asks for by its old name keeps it.
#[test]
fn a_login_that_the_gateway_renamed_is_renamed_in_the_vault() {
    let login = |access: &str| json!({"type": "oauth", "provider": "openai", "access": access, "refresh": "r"});
    let mut world = World::new();
    world.vault["scopes"] = json!({"main": {
        "order": {"openai-codex": ["openai-codex:default"]},
        "profiles": {"openai-codex:default": login("old"), "openai:key": {"type": "api_key", "provider": "openai", "key": "k"}},
    }});
    let document = sorted(&world.vault);
    let mut vault = Vault::parse(&document).unwrap();
    let terms = Terms { only: None, on: OnConflict::Keep, presence: Presence::Attended, powerful: false };
    let known = Unchanged { own_oauth: true, ..Unchanged::default() };
    let of = |vault: &Vault<'_>, profiles: Value| {
        let file = json!({"version": 1, "profiles": profiles}).to_string();
        plan(vault, &[inventory(Some(Shape::Store(Scope::main())), &file)], terms, &known).unwrap()
    };
    let both = of(&vault, json!({"openai-codex:default": login("old"), "openai:default": login("new")}));
    assert!(both.renamed.is_empty());
    let moved = of(&vault, json!({"openai:default": login("new")}));
    let names = [("auth/main/openai-codex:default".to_owned(), "auth/main/openai:default".to_owned())];
    assert_eq!(moved.renamed, names);
    moved.change.apply(&mut vault, 1).unwrap();
    let id = SecretId::auth(Scope::main(), "openai:default").unwrap();
    let after: Value = serde_json::from_str(vault.get(&id).unwrap().get()).unwrap();
    assert_eq!(after["access"], "new");
    let order = &vault.scopes["main"].order;
    assert!(!order.contains_key("openai-codex"));

    // From 2026.8.1 on what the main agent had lies in the store that agents share.
    let mut vault = Vault::parse(&document).unwrap();
    let file = json!({"version": 1, "profiles": {"openai:default": login("new")}}).to_string();
    let moved = plan(&vault, &[inventory(Some(Shape::Store(Scope::shared())), &file)], terms, &known).unwrap();
    assert_eq!(moved.renamed, names);
    moved.change.apply(&mut vault, 1).unwrap();
    assert!(vault.get(&id).unwrap().get().contains("new") && !vault.scopes.contains_key("_shared"));

    // A capture between the repair and this one brought the new name: it stays alone, if it is the same login.
    for (refresh, renamed) in [("r", &names[..]), ("of another login", &[])] {
        let new = json!({"type": "oauth", "provider": "openai", "access": "new", "refresh": refresh});
        world.vault["scopes"] =
            json!({"main": {"profiles": {"openai-codex:default": login("old"), "openai:default": new}}});
        let document = sorted(&world.vault);
        let mut vault = Vault::parse(&document).unwrap();
        let captured = of(&vault, json!({"openai:default": new}));
        assert_eq!(captured.renamed, renamed, "{refresh}");
        captured.change.apply(&mut vault, 1).unwrap();
        let old = SecretId::auth(Scope::main(), "openai-codex:default").unwrap();
        assert_eq!((vault.get(&old).is_none(), vault.get(&id).is_some()), (!renamed.is_empty(), true), "{refresh}");
    }
}
