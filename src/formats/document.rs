//! All secrets of a vault as one JSON document, for programs.

use super::Error;
use crate::model::{RawMap, Scope, Vault};
use crate::secret::SecretBuf;
use serde::Serialize;
use std::collections::BTreeMap;

/// `{"version":1,"auth":{scope:{"profiles":{..},"order":{..}}},"env":{..},"config":{..}}`.
/// The names under `config` are the part of the secret id after `config/`. With `only`, other
/// scopes are left out.
///
/// # Errors
/// None that a vault can cause; [`Error::Shape`] stands for JSON that cannot be written.
pub fn render(vault: &Vault<'_>, only: Option<&Scope>) -> Result<SecretBuf, Error> {
    #[derive(Serialize)]
    struct Entries<'a> {
        profiles: &'a RawMap<'a>,
        order: &'a BTreeMap<String, Vec<String>>,
    }
    #[derive(Serialize)]
    struct Document<'a> {
        version: u8,
        auth: BTreeMap<&'a str, Entries<'a>>,
        env: &'a RawMap<'a>,
        config: &'a RawMap<'a>,
    }
    let scopes = vault.scopes.iter().filter(|(name, _)| only.is_none_or(|only| only.as_str() == *name));
    let auth = scopes.map(|(name, scope)| (name.as_str(), Entries { profiles: &scope.profiles, order: &scope.order }));
    let document = Document { version: 1, auth: auth.collect(), env: &vault.env, config: &vault.config };
    // Compact: this one is for programs, and may be megabytes.
    let size = |map: &RawMap<'_>| map.iter().map(|(name, value)| name.len() + value.get().len() + 8).sum::<usize>();
    let auth_size: usize = vault.scopes.values().map(|scope| size(&scope.profiles) + 256).sum();
    let mut text = Vec::with_capacity(auth_size + size(&vault.env) + size(&vault.config) + 256);
    let written = serde_json::to_writer(&mut text, &document);
    text.push(b'\n');
    let text = SecretBuf::new(text);
    written.map(|()| text).map_err(|_| Error::Shape("document"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const VAULT: &str = r#"{"config":{"gateway/auth/token":"g"},"created":1,"env":{"A":"x"},"epoch":0,"generation":1,"keys":{"ledger":"bGVkZ2Vy","log":"bG9n"},"meta":{},"recipients":[],"requires":[],"rev":"00","schema":1,"scopes":{"main":{"order":{"p":["p:a"]},"profiles":{"p:a":{"type":"token","token":"t"}}},"ops":{"order":{},"profiles":{}}},"updated":1,"vault_id":"v","vault_secret":"s","writers":{}}"#;

    #[test]
    fn the_document_has_the_secrets_and_nothing_else_of_the_vault() {
        let vault = Vault::parse(VAULT).unwrap();
        let document: serde_json::Value = serde_json::from_slice(render(&vault, None).unwrap().expose()).unwrap();
        let expected = serde_json::json!({
            "version": 1,
            "auth": {
                "main": {"profiles": {"p:a": {"type": "token", "token": "t"}}, "order": {"p": ["p:a"]}},
                "ops": {"profiles": {}, "order": {}},
            },
            "env": {"A": "x"},
            "config": {"gateway/auth/token": "g"},
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn one_agent_can_be_asked_for() {
        let vault = Vault::parse(VAULT).unwrap();
        let view = render(&vault, Some(&Scope::parse("ops").unwrap())).unwrap();
        assert!(view.text().unwrap().contains("\"ops\"") && !view.text().unwrap().contains("\"main\""));
    }
}
