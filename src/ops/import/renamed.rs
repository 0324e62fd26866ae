//! Profiles that the gateway's own repair gave another name.

use super::{Error, Gathered};
use crate::model::{Credential, Kind, Op, Scope, SecretId, Vault};
use crate::store::Lineage;
use serde_json::value::RawValue;

/// From 2026.6.1 on `openclaw doctor` makes profiles of the first provider profiles of the second.
const RENAMED: (&str, &str) = ("openai-codex", "openai");
/// How it names one whose name is taken.
const OTHER: &str = "chatgpt-";

impl Gathered {
    /// Follows a repair: a profile that the vault has under the old name and the gateway under the new one is the same
    /// one. If the vault has it under both, since a view was captured in between, the old one goes. One that the gateway
    /// still asks for by its old id keeps it.
    pub(super) fn follow_renames(&mut self, vault: &Vault<'_>) -> Result<(), Error> {
        let lineage = Lineage::of(vault)?;
        let (from, to) = RENAMED;
        let gathered: Vec<(Scope, String)> = self.entries.keys().filter_map(of_auth).collect();
        for (name, entries) in &vault.scopes {
            let Ok(scope) = Scope::parse(name) else { continue };
            // What the main agent had may lie in the store that agents share.
            let shared = Some(Scope::shared()).filter(|_| scope == Scope::main());
            let places: Vec<Scope> = [scope.clone()].into_iter().chain(shared).collect();
            for (old, raw) in entries.profiles.iter() {
                let Some(suffix) = old.strip_prefix(from).and_then(|rest| rest.strip_prefix(':')) else { continue };
                let lies = |profile: &str| places.iter().any(|at| gathered.contains(&(at.clone(), profile.to_owned())));
                let referred = self.referred.contains(&(scope.clone(), old.to_owned()));
                if lies(old) || referred || !is_login(raw) {
                    continue;
                }
                let new = [format!("{to}:{suffix}"), format!("{to}:{OTHER}{suffix}")];
                let new = new.into_iter().filter(|new| lies(new));
                let id_of = |new: String| {
                    let known =
                        |at: &&Scope| SecretId::auth((*at).clone(), &new).is_ok_and(|id| vault.get(&id).is_some());
                    SecretId::auth(places.iter().find(known).unwrap_or(&scope).clone(), &new).ok()
                };
                let is_it = |new: &SecretId| {
                    let came_to = |have| is_same(raw, have) || lineage.is_superseded(new, raw);
                    vault.get(new).is_none_or(came_to)
                };
                let new = new.filter_map(id_of).find(is_it);
                let Some((old, new)) = SecretId::auth(scope.clone(), old).ok().zip(new) else { continue };
                self.plan.renamed.push((old.to_string(), new.to_string()));
                self.plan.change.push(if vault.get(&new).is_none() { Op::Rename(old, new) } else { Op::Remove(old) });
            }
            // The order of the provider that is gone; the gateway has put it before that of the other one.
            let moved = self.plan.renamed.iter().any(|(old, _)| old.starts_with(&format!("auth/{name}/{from}:")));
            if moved && entries.order.contains_key(from) {
                self.plan.change.push(Op::Order(scope, from.to_owned(), None));
            }
        }
        Ok(())
    }
}

fn of_auth(id: &SecretId) -> Option<(Scope, String)> {
    if let SecretId::Auth(scope, profile) = id { Some((scope.clone(), profile.clone())) } else { None }
}

/// Whether it is OAuth: keys and tokens of a connected gateway are references, which keep their ids.
fn is_login(raw: &RawValue) -> bool {
    Credential::parse("", raw).is_ok_and(|credential| credential.kind() == Some(Kind::Oauth))
}

/// Whether two logins have one refresh token.
fn is_same(one: &RawValue, other: &RawValue) -> bool {
    let refresh = |raw| Some(Credential::parse("", raw).ok()?.text("refresh")?.expose().to_owned());
    refresh(one).is_some_and(|token: String| refresh(other) == Some(token))
}
