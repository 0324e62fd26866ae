//! What of a vault is expired, expires soon, or is missing: the verdict of `status --check`.

use crate::formats::provider;
use crate::model::{Credential, Kind, Scope, SecretId, Standing, Vault, standing};

/// What is asked.
#[derive(Debug)]
pub struct Question {
    /// Unix milliseconds.
    pub now: i64,
    /// What "soon" means, in milliseconds.
    pub warn: i64,
    /// Judge OAuth by its access token alone.
    pub strict: bool,
    /// Only this provider.
    pub provider: Option<String>,
    /// Only this agent.
    pub scope: Option<Scope>,
}

/// One profile, judged.
#[derive(Debug)]
pub struct Profile {
    /// Its id.
    pub id: SecretId,
    /// Whose credential it is.
    pub provider: String,
    /// Its type, if it is one that gateways know.
    pub kind: Option<Kind>,
    /// How long it lasts.
    pub standing: Standing,
}

/// A provider with an order in which no profile can be used, or a profile that is not there.
#[derive(Debug)]
pub struct Missing {
    /// The agent.
    pub scope: String,
    /// The provider; empty if none was asked for.
    pub provider: String,
    /// The first profile of the order; empty if there is no order.
    pub profile: String,
}

/// The state of a vault.
#[derive(Debug)]
pub struct Judged {
    /// The profiles that were asked for.
    pub profiles: Vec<Profile>,
    /// What is not there.
    pub missing: Vec<Missing>,
}

/// The worst of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do.
    Fine,
    /// Something expires soon.
    Expiring,
    /// Something is expired or missing.
    Missing,
}

impl Judged {
    /// Expired or missing beats soon, soon beats fine.
    pub fn verdict(&self) -> Verdict {
        let any = |test: fn(Standing) -> bool| self.profiles.iter().any(|profile| test(profile.standing));
        if !self.missing.is_empty() || any(Standing::is_unusable) {
            Verdict::Missing
        } else if any(|at| matches!(at, Standing::Expiring(_))) {
            Verdict::Expiring
        } else {
            Verdict::Fine
        }
    }
}

/// Judges every profile that `question` asks for, and the orders.
pub fn judge(vault: &Vault<'_>, question: &Question) -> Judged {
    let mut judged = Judged { profiles: Vec::new(), missing: Vec::new() };
    for (name, entries) in &vault.scopes {
        let Ok(scope) = Scope::parse(name) else { continue };
        if question.scope.as_ref().is_some_and(|wanted| *wanted != scope) {
            continue;
        }
        for (profile, credential) in entries.profiles.credentials() {
            let Ok(id) = SecretId::auth(scope.clone(), profile) else { continue };
            let found = judge_one(id, credential.as_ref().ok(), question);
            judged.profiles.extend(found.filter(|found| asked(question, &found.provider)));
        }
        for (provider, order) in &entries.order {
            // Profiles that an agent does not have come from the main agent.
            let profiles = |id: &String| {
                [name.as_str(), "main"].iter().find_map(|scope| vault.scopes.get(*scope)?.profiles.get(id))
            };
            let usable = order.iter().filter_map(profiles).any(|raw| {
                Credential::parse(provider, raw)
                    .is_ok_and(|credential| !standing(&credential, question.now, 0, question.strict).is_unusable())
            });
            if !usable && asked(question, provider) {
                let profile = order.first().cloned().unwrap_or_default();
                judged.missing.push(Missing { scope: name.clone(), provider: provider.clone(), profile });
            }
        }
    }
    // What was asked for by name must be there.
    let named = question.provider.is_some() || question.scope.is_some();
    if judged.profiles.is_empty() && judged.missing.is_empty() && named {
        let scope = question.scope.as_ref().map_or("any agent", Scope::as_str).to_owned();
        let provider = question.provider.clone().unwrap_or_default();
        judged.missing.push(Missing { scope, provider, profile: String::new() });
    }
    judged
}

fn asked(question: &Question, name: &str) -> bool {
    question.provider.as_ref().is_none_or(|wanted| provider::same(name, wanted))
}

fn judge_one(id: SecretId, credential: Option<&Credential<'_>>, question: &Question) -> Option<Profile> {
    let Some(credential) = credential else {
        return Some(Profile { id, provider: String::new(), kind: None, standing: Standing::Missing });
    };
    let standing = standing(credential, question.now, question.warn, question.strict);
    Some(Profile { id, provider: credential.provider(), kind: credential.kind(), standing })
}
