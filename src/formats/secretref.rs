//! SecretRefs: how the gateway writes "the secret is over there".

use super::js;
use super::json::Object;
use crate::model::SecretId;
use serde_json::value::RawValue;

/// Where a SecretRef may point; `store` only in newer gateways.
const SOURCES: [&str; 4] = ["env", "file", "exec", "store"];

/// Whether a JSON value is a SecretRef object: `source`, `provider` and `id`, or the older
/// form without `provider`.
pub fn is_reference(raw: &RawValue) -> bool {
    let Some(object) = Object::read(raw.get()) else { return false };
    let filled = |name: &str| object.text(name).is_some_and(|text| !js::is_blank(&text));
    let source = object.text("source").is_some_and(|source| SOURCES.contains(&source.as_str()));
    let provider = object.get("provider").is_none() || (filled("provider") && object.members.len() == 3);
    source && provider && filled("id")
}

/// The variable that a text stands for: `${NAME}` in all gateways, `$NAME` in newer ones,
/// `secretref-env:NAME` and `__env__:NAME` in older ones. Nobody's key looks like that.
pub fn env_reference(text: &str) -> Option<&str> {
    let text = js::trim(text);
    let braced = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let name = braced
        .or_else(|| text.strip_prefix('$'))
        .or_else(|| text.strip_prefix("secretref-env:"))
        .or_else(|| text.strip_prefix("__env__:"))?;
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    let rest = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    (first && rest && name.len() <= 128).then_some(name)
}

/// The SecretRef object of a variable, with the provider that gateways assume.
#[derive(serde::Serialize)]
pub(super) struct EnvRef<'a> {
    source: &'static str,
    provider: &'static str,
    id: &'a str,
}

impl<'a> EnvRef<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        Self { source: "env", provider: "default", id: name }
    }
}

/// The provider under which a gateway knows the program that answers for the vault.
pub const ALIAS: &str = "agevault";

/// A SecretRef that leads to the vault.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecRef {
    source: String,
    provider: String,
    id: String,
}

impl ExecRef {
    /// The reference to an entry of the vault; `None` for an id that is too long for one.
    pub fn to(id: &SecretId) -> Option<Self> {
        let to = |id: &SecretId| Self { source: "exec".to_owned(), provider: ALIAS.to_owned(), id: id.to_string() };
        id.fits_secret_ref().then(|| to(id))
    }

    /// The entry to which a JSON value refers, if it is a reference to the vault.
    pub fn read(raw: &str) -> Option<SecretId> {
        SecretId::parse(&Self::asked(raw)?).ok()
    }

    /// What the vault will be asked for by a JSON value, if it is a reference to the vault; it need not
    /// be an id.
    pub fn asked(raw: &str) -> Option<String> {
        let found: Self = serde_json::from_str(raw).ok()?;
        let ours = found.source == "exec" && found.provider == ALIAS;
        ours.then(|| found.id.trim().to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_other_objects() {
        let is = |text: &str| is_reference(&RawValue::from_string(text.to_owned()).unwrap());
        assert!(is(r#"{"source":"exec","provider":"vault","id":"auth/main/x"}"#));
        assert!(is(r#"{"id":"X","source":"env"}"#));
        for text in [
            r#"{"source":"exec","provider":"vault","id":"x","more":1}"#,
            r#"{"source":"env","provider":null,"id":"X"}"#,
            r#"{"source":"env","id":" "}"#,
            r#"{"source":"other","id":"X"}"#,
            r#""x""#,
            "[]",
            "1",
        ] {
            assert!(!is(text), "{text}");
        }
    }

    #[test]
    fn a_reference_to_the_vault_is_known_again() {
        let id = SecretId::parse("auth/main/p:me_x40_x.org").unwrap();
        let text = serde_json::to_string(&ExecRef::to(&id)).unwrap();
        assert_eq!(text, r#"{"source":"exec","provider":"agevault","id":"auth/main/p:me_x40_x.org"}"#);
        assert_eq!(ExecRef::read(&text), Some(id));
        assert_eq!(ExecRef::read(&text.replace("agevault", "vault")), None);
        assert_eq!(ExecRef::read(&text.replace("auth/main", "auth")), None);
    }

    #[test]
    fn texts_that_name_a_variable_are_told_from_keys() {
        for text in ["${A_1}", " $A_1\n", "secretref-env:A_1", "__env__:A_1"] {
            assert_eq!(env_reference(text), Some("A_1"), "{text}");
        }
        for text in ["${a}", "x${A}", "${A}x", "$", "${}", "$1", "A_1", "${A", "secretref-env:", "$A-B"] {
            assert_eq!(env_reference(text), None, "{text}");
        }
    }
}
