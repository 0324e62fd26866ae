//! What of the gateway's own may be replaced: only what the vault has, member by member.

use crate::formats::auth_profiles;
use crate::model::{self, Credential, Member, SecretId, Vault};
use crate::secret::Secret;
use serde_json::value::RawValue;

/// Members of credentials that are secret.
pub(super) const MEMBERS: [&str; 7] = ["key", "apiKey", "token", "access", "refresh", "idToken", "id_token"];

/// Members that say what a credential is, and are no secret of anybody's.
const PLAIN: [&str; 4] = ["type", "provider", "keyRef", "tokenRef"];

/// Whether the vault's entry has all that this credential says, which the gateway has in its place; a reference of
/// ours says nothing. A type that is not known may hold anything.
pub(super) fn has_all(vault: &Vault<'_>, id: &SecretId, held: &RawValue) -> bool {
    if auth_profiles::referred(held).is_some() {
        return true;
    }
    let Ok(held) = Credential::parse("", held) else { return false };
    let (entry, values) = (vault.get(id), of_entry(vault, id));
    let entry = entry.filter(|_| matches!(id, SecretId::Auth(..))).and_then(|raw| Credential::parse("", raw).ok());
    let known = |(name, value): Member<'_>| {
        let is_text = model::text(value).is_some_and(|text| {
            text.expose().trim().is_empty() || values.iter().any(|have| have.expose() == text.expose())
        });
        // Neither a number nor a word of the language is a secret.
        let is_plain = PLAIN.contains(&name) || !value.get().starts_with(['"', '{', '[']);
        let same =
            || entry.as_ref().and_then(|entry| entry.get(name)).is_some_and(|have| model::same_json(have, value));
        is_plain || is_text || same()
    };
    held.kind().is_some() && held.members().all(known)
}

/// Whether a JSON text is the value of an entry of the vault.
pub(super) fn is_raw_value(vault: &Vault<'_>, id: &SecretId, raw: &RawValue) -> bool {
    model::text(raw).is_some_and(|text| is_value(vault, id, &text))
}

/// Whether this is the value of an entry of the vault.
pub(super) fn is_value(vault: &Vault<'_>, id: &SecretId, text: &Secret) -> bool {
    of_entry(vault, id).iter().any(|have| have.expose() == text.expose())
}

fn of_entry(vault: &Vault<'_>, id: &SecretId) -> Vec<Secret> {
    match (id, vault.get(id)) {
        (_, None) => Vec::new(),
        (SecretId::Auth(_, profile), Some(raw)) => {
            Credential::parse(profile, raw).map(|credential| secrets(&credential)).unwrap_or_default()
        }
        (_, Some(raw)) => model::text(raw).into_iter().collect(),
    }
}

fn secrets(credential: &Credential<'_>) -> Vec<Secret> {
    let texts = MEMBERS.iter().filter_map(|member| credential.text(member));
    texts.filter(|text| !text.expose().trim().is_empty()).collect()
}
