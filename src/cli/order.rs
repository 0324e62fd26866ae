//! `auth order`: which profile a provider uses first.

use super::Error;
use super::Usage;
use super::args::{Order, Whose};
use super::context::{Context, agent};
use super::handover::Handover;
use crate::formats::provider;
use crate::model::{self, Change, Credential, Op, Scope, SecretId, Vault};
use serde_json::json;

/// One of the verbs.
pub fn run(context: &mut Context, args: &Order) -> Result<(), Error> {
    let (Order::Get(whose) | Order::Set { whose, .. } | Order::Clear { whose, .. }) = args;
    let (scope, provider) = resolve(whose)?;
    let then = matches!(args, Order::Set { then, .. } | Order::Clear { then, .. } if then.connect);
    let mut handover = Handover::prepare(context, then)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    match args {
        Order::Get(_) => show(context, &checked.vault, &scope, &provider),
        Order::Set { ids, .. } => {
            let ids = existing(&checked.vault, &scope, &provider, ids)?;
            let text = ids.join(", ");
            let change = Change::of(Op::Order(scope.clone(), provider.clone(), Some(ids)));
            handover.note(context, &checked.vault, &change, false);
            context.save(&opened, checked, change)?;
            context.out.say(&format!("order of {provider} for {}: {text}", scope.as_str()));
            handover.finish(context, opened)
        }
        Order::Clear { .. } => {
            let change = Change::of(Op::Order(scope.clone(), provider.clone(), None));
            if order(&checked.vault, &scope, &provider).is_some() {
                handover.note(context, &checked.vault, &change, false);
                context.save(&opened, checked, change)?;
            }
            context.out.say(&format!("no order of {provider} for {}", scope.as_str()));
            handover.finish(context, opened)
        }
    }
}

fn resolve(whose: &Whose) -> Result<(Scope, String), Error> {
    let provider = provider::normalise(&whose.provider);
    if provider.is_empty() { Err(Usage::Provider.into()) } else { Ok((agent(&whose.agent)?, provider)) }
}

fn order<'v>(vault: &'v Vault<'_>, scope: &Scope, provider: &str) -> Option<&'v Vec<String>> {
    vault.scopes.get(scope.as_str())?.order.get(provider)
}

fn show(context: &Context, vault: &Vault<'_>, scope: &Scope, provider: &str) -> Result<(), Error> {
    let order = order(vault, scope, provider);
    if context.out.json {
        return context.out.json(&json!({
            "version": 1, "agentId": scope.as_str(), "provider": provider, "order": order,
        }));
    }
    match order {
        Some(ids) => ids.iter().try_for_each(|id| context.out.line(id)),
        None => {
            context.out.say(&format!("no order of {provider} for {}", scope.as_str()));
            Ok(())
        }
    }
}

/// The ids without blanks and repetitions, each of which must be a profile of the provider:
/// the agent's own, or the main agent's, which the gateway lays under every other.
fn existing(vault: &Vault<'_>, scope: &Scope, provider: &str, ids: &[String]) -> Result<Vec<String>, Error> {
    let mut order: Vec<String> = Vec::new();
    for id in ids.iter().map(|id| id.trim()).filter(|id| !id.is_empty()) {
        let found = [scope.clone(), Scope::main()].into_iter().find_map(|scope| {
            let id = SecretId::auth(scope, id).ok()?;
            vault.get(&id).map(|raw| Credential::parse(&id.to_string(), raw))
        });
        let credential = found.ok_or_else(|| model::Error::NoEntry(id.to_owned()))??;
        if !provider::same(&credential.provider(), provider) {
            return Err(Usage::OtherProvider.into());
        }
        if !order.iter().any(|have| have == id) {
            order.push(id.to_owned());
        }
    }
    if order.is_empty() { Err(Usage::NoProfiles.into()) } else { Ok(order) }
}
