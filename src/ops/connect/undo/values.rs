//! Values as a gateway writes them, and whether two files have the same.

use super::super::Error;
use crate::formats::{auth_profiles, dotenv, openclaw_config, secretref};
use crate::gateway::Document;
use crate::model::{self, Credential, SecretId, Vault};
use crate::secret::SecretBuf;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The variables of a file.
pub(super) fn entries(bytes: &SecretBuf) -> BTreeMap<String, String> {
    let read = dotenv::parse(bytes.expose()).map(|env| env.entries).unwrap_or_default();
    read.into_iter().map(|(name, value)| (name.as_str().to_owned(), value.expose().to_owned())).collect()
}

pub(super) fn same_store(one: &SecretBuf, other: &SecretBuf) -> bool {
    let (Ok(one), Ok(other)) = (auth_profiles::parse(one.expose()), auth_profiles::parse(other.expose())) else {
        return false;
    };
    let map = |store: auth_profiles::Store| store.profiles.into_iter().collect::<BTreeMap<_, _>>();
    let order = one.order == other.order;
    let (one, other) = (map(one), map(other));
    let same = |name: &String, raw: &RawValue| other.get(name).is_some_and(|have| model::same_json(have, raw));
    order && one.len() == other.len() && one.iter().all(|(name, raw)| same(name, raw))
}

/// The value of an entry as the configuration has it: of a profile its key or token.
pub(in super::super) fn text_of(vault: &Vault<'_>, id: &SecretId) -> Option<Value> {
    Some(Value::from(openclaw_config::escaped(vault.text(id)?.expose())))
}

/// A credential with its value and without a reference beside it.
pub(super) fn plain(profile: &str, raw: &RawValue) -> Result<Box<RawValue>, Error> {
    let mut credential = Credential::parse(profile, raw)?;
    for member in ["keyRef", "tokenRef"] {
        credential.remove(member);
    }
    Ok(credential.to_raw()?)
}

/// A credential that has its secret from a variable again.
pub(super) fn of_variable(raw: &RawValue, name: &str) -> Result<Box<RawValue>, Error> {
    let mut credential = Credential::parse("", raw)?;
    if let Some(member) = credential.kind().and_then(model::Kind::secret_member) {
        credential.put(&format!("{member}Ref"), &json!({"source": "env", "provider": "default", "id": name}));
    }
    Ok(credential.to_raw()?)
}

/// What a configuration means: an empty list of arguments is none.
pub(super) fn meaning(bytes: &SecretBuf) -> Option<Value> {
    fn without_empty(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|name, value| !(name == "args" && value.as_array().is_some_and(Vec::is_empty)));
                members.values_mut().for_each(without_empty);
            }
            Value::Array(elements) => elements.iter_mut().for_each(without_empty),
            _ => {}
        }
    }
    let mut tree = openclaw_config::tree(bytes.expose()).ok()?;
    without_empty(&mut tree);
    Some(tree)
}

/// Whether a text or a reference names this variable.
pub(super) fn names(value: &Value, variable: &str) -> bool {
    let text = value.as_str().map(|text| secretref::env_reference(text).unwrap_or(text));
    text.or_else(|| value.get("id")?.as_str()) == Some(variable)
}

/// Whether there is an object; the variables of a configuration make their own.
pub(super) fn is_object(document: &Document, at: &[String]) -> bool {
    let of_env = at.iter().eq(["env"]) || at.iter().eq(["env", "vars"]);
    at.is_empty() || of_env || openclaw_config::at(document.tree(), at).is_some_and(Value::is_object)
}
