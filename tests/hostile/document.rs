//! The smallest document that is a vault, and variants of it.

use std::collections::BTreeMap;

const ID: &str = "6f8b9f0a-3f1e-4c55-9f5d-0f1b5b3c2a10";

/// A document with these members in place of its own, in order of their names.
pub fn document(replaced: &[(&str, String)]) -> String {
    let key = format!("\"{}\"", "A".repeat(43));
    let own = [
        ("config", "{}".to_owned()),
        ("created", "1".to_owned()),
        ("env", "{}".to_owned()),
        ("epoch", "0".to_owned()),
        ("generation", "1".to_owned()),
        ("keys", format!(r#"{{"ledger":{key},"log":{key}}}"#)),
        ("meta", "{}".to_owned()),
        ("recipients", "[]".to_owned()),
        ("requires", "[]".to_owned()),
        ("rev", "\"00\"".to_owned()),
        ("schema", "1".to_owned()),
        ("scopes", "{}".to_owned()),
        ("updated", "1".to_owned()),
        ("vault_id", format!("\"{ID}\"")),
        ("vault_secret", key.clone()),
        ("writers", "{}".to_owned()),
    ];
    let mut members: BTreeMap<&str, String> = own.into_iter().collect();
    members.extend(replaced.iter().map(|(name, value)| (*name, value.clone())));
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}
