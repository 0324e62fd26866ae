//! Profiles that the gateway's own repair gave another name.

use super::Gathered;
use crate::model::{Op, Scope, SecretId, Vault};
use serde_json::value::RawValue;

/// From 2026.6.1 on `openclaw doctor` makes profiles of the first provider profiles of the second.
const RENAMED: (&str, &str) = ("openai-codex", "openai");
/// How it names one whose name is taken.
const OTHER: &str = "chatgpt-";

impl Gathered {
    /// Follows a repair: a profile that the vault has under the old name and the gateway under the new one is the same
    /// one. One that the gateway still asks for by its old id keeps it.
    pub(super) fn follow_renames(&mut self, vault: &Vault<'_>) {
        let (from, to) = RENAMED;
        let gathered: Vec<(Scope, String)> = self.entries.keys().filter_map(of_auth).collect();
        let has = |scope: &Scope, profile: &str| {
            let in_vault = vault.scopes.get(scope.as_str()).and_then(|entries| entries.profiles.get(profile));
            in_vault.is_some()
        };
        for (name, entries) in &vault.scopes {
            let Ok(scope) = Scope::parse(name) else { continue };
            for (old, raw) in entries.profiles.iter() {
                let Some(suffix) = old.strip_prefix(from).and_then(|rest| rest.strip_prefix(':')) else { continue };
                let still = gathered.contains(&(scope.clone(), old.to_owned()))
                    || self.referred.contains(&(scope.clone(), old.to_owned()));
                let new = [format!("{to}:{suffix}"), format!("{to}:{OTHER}{suffix}")];
                let new =
                    new.into_iter().find(|new| gathered.contains(&(scope.clone(), new.clone())) && !has(&scope, new));
                let Some(new) = new.filter(|_| !still && is_login(raw)) else { continue };
                let ids = SecretId::auth(scope.clone(), old).ok().zip(SecretId::auth(scope.clone(), &new).ok());
                let Some((old_id, new_id)) = ids else { continue };
                self.plan.renamed.push((old_id.to_string(), new_id.to_string()));
                self.plan.change.push(Op::Rename(old_id, new_id));
            }
            // The order of the provider that is gone; the gateway has put it before that of the other one.
            let moved = self.plan.renamed.iter().any(|(old, _)| old.starts_with(&format!("auth/{name}/{from}:")));
            if moved && entries.order.contains_key(from) {
                self.plan.change.push(Op::Order(scope, from.to_owned(), None));
            }
        }
    }
}

fn of_auth(id: &SecretId) -> Option<(Scope, String)> {
    if let SecretId::Auth(scope, profile) = id { Some((scope.clone(), profile.clone())) } else { None }
}

/// Whether it is OAuth: keys and tokens of a connected gateway are references, which keep their ids.
fn is_login(raw: &RawValue) -> bool {
    let credential = crate::model::Credential::parse("", raw);
    credential.is_ok_and(|credential| credential.kind() == Some(crate::model::Kind::Oauth))
}
