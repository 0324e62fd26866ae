//! What of the gateway's own may be replaced: only what the vault has, member by member.

use crate::model::{Credential, SecretId, Vault};
use crate::secret::Secret;
use serde_json::value::RawValue;

/// Members of credentials that are secret.
pub(super) const MEMBERS: [&str; 7] = ["key", "apiKey", "token", "access", "refresh", "idToken", "id_token"];

/// Whether the vault's entry has every secret of this credential, which the gateway has in its place. A type
/// that is not known may hold anything.
pub(super) fn has_all(vault: &Vault<'_>, id: &SecretId, held: &RawValue) -> bool {
    let Ok(held) = Credential::parse("", held) else { return false };
    let ours = of_entry(vault, id);
    held.kind().is_some()
        && secrets(&held).iter().all(|theirs| ours.iter().any(|have| have.expose() == theirs.expose()))
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
        (_, Some(raw)) => serde_json::from_str(raw.get()).map(Secret::new).into_iter().collect(),
    }
}

fn secrets(credential: &Credential<'_>) -> Vec<Secret> {
    let texts = MEMBERS.iter().filter_map(|member| credential.text(member));
    texts.filter(|text| !text.expose().trim().is_empty()).collect()
}
