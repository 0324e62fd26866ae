//! Credentials that have their secret from a variable.

use super::super::secretref;
use crate::model::Credential;
use serde_json::value::RawValue;

/// The variable from which a credential has its key or token: by a reference to the environment, or by a text such as
/// `${NAME}` in its place. `None` for any other credential.
pub fn variable(raw: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Reference {
        source: String,
        id: String,
    }
    let credential = Credential::parse("", raw).ok()?;
    let member = credential.kind()?.secret_member()?;
    let reference = credential.get(&format!("{member}Ref"))?;
    if let Ok(Reference { source, id }) = serde_json::from_str(reference.get()) {
        return (source == "env").then(|| id.trim().to_owned());
    }
    let text: String = serde_json::from_str(reference.get()).ok()?;
    secretref::env_reference(&text).map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_told_from_other_references() {
        let of = |reference: &str| {
            let text = format!(r#"{{"type":"api_key","provider":"p","keyRef":{reference}}}"#);
            variable(&RawValue::from_string(text).unwrap())
        };
        assert_eq!(of(r#"{"source":"env","provider":"default","id":"A_KEY"}"#), Some("A_KEY".into()));
        assert_eq!(of(r#""${A_KEY}""#), Some("A_KEY".into()));
        assert_eq!(of(r#"{"source":"exec","provider":"agevault","id":"env/A_KEY"}"#), None);
        assert_eq!(of(r#""text""#), None);
    }
}
