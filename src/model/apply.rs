//! Applies each step of a change to the document.

use super::change::{Adopted, CHECKLIST, FOLDED, Join, MAX_LINKS, Rotation, SUCCESSION};
use super::check::{MAX_DEPTH, is_too_deep};
use super::history;
use super::recipient::{add, position};
use super::{Credential, Entries, Error, LazyMap, MAX_NAME, MAX_VALUE, Meta, Op, Scope, SecretId, Vault};
use serde_json::value::{RawValue, to_raw_value};

/// More changes than any vault secret can have had.
const MOST_EPOCHS: u64 = 1 << 52;

impl Op {
    pub(super) fn apply(self, vault: &mut Vault<'_>, now: u64) -> Result<(), Error> {
        match self {
            Self::Put(id, value, source) => put(vault, &id, value, now, source),
            Self::Remove(id) => {
                take(vault, &id)?;
                in_orders(vault, &id, |order, at| {
                    order.remove(at);
                });
                Ok(())
            }
            Self::Rename(from, to) => rename(vault, &from, &to, now),
            Self::Order(scope, provider, ids) => {
                let orders = &mut vault.scopes.entry(scope.as_str().to_owned()).or_default().order;
                match ids {
                    Some(ids) => orders.insert(provider, ids),
                    None => orders.remove(&provider),
                };
                Ok(())
            }
            Self::AddRecipient(recipient) => add(&mut vault.recipients, recipient),
            Self::RemoveRecipient(label) => {
                let at = position(&vault.recipients, &label)?;
                vault.recipients.remove(at);
                if vault.recipients.is_empty() { Err(Error::LastRecipient) } else { Ok(()) }
            }
            Self::RenameRecipient(from, to) => {
                if vault.recipients.iter().any(|have| have.label == to) {
                    return Err(Error::Taken(to.as_str().to_owned()));
                }
                let at = position(&vault.recipients, &from)?;
                vault.recipients.iter_mut().skip(at).take(1).for_each(|recipient| recipient.label = to.clone());
                Ok(())
            }
            Self::ReplaceRecipient(label, new) => {
                let at = position(&vault.recipients, &label)?;
                vault.recipients.iter_mut().skip(at).take(1).for_each(|recipient| *recipient = new.clone());
                Ok(())
            }
            Self::Restore(entries) => {
                let Entries { scopes, env, config, meta } = *entries;
                (vault.scopes, vault.env, vault.config) = (scopes, env, config);
                vault.meta = LazyMap::Map(meta);
                Ok(())
            }
            Self::Checklist(list) => {
                vault.other.put(CHECKLIST, list);
                Ok(())
            }
            Self::Join(join) => {
                let Join { writers, generation, recipients, saves, members, secret, .. } = *join;
                vault.writers = writers;
                vault.generation = vault.generation.max(generation);
                vault.recipients = recipients;
                history::put(vault, &saves)?;
                for (name, value) in members {
                    vault.other.take(name);
                    value.into_iter().for_each(|value| vault.other.put(name, value));
                }
                if let Some(Adopted { secret, epoch }) = secret {
                    (vault.vault_secret, vault.epoch) = (secret, epoch);
                }
                if vault.recipients.is_empty() { Err(Error::LastRecipient) } else { Ok(()) }
            }
            Self::Rotate(Rotation { secret, link }) => {
                vault.vault_secret = secret;
                // A number above the limit was forged: counting starts again.
                vault.epoch = if vault.epoch < MOST_EPOCHS { vault.epoch + 1 } else { 1 };
                vault.other.take(FOLDED);
                let have = vault.other.get(SUCCESSION).map_or("[]", RawValue::get);
                // Links that cannot be parsed were forged too, and are dropped: no host follows them.
                let mut links: Vec<Box<RawValue>> = serde_json::from_str(have).unwrap_or_default();
                links.push(link);
                links.drain(..links.len().saturating_sub(MAX_LINKS));
                vault.other.put(SUCCESSION, to_raw_value(&links)?);
                Ok(())
            }
        }
    }
}

fn put(
    vault: &mut Vault<'_>,
    id: &SecretId,
    value: Box<RawValue>,
    now: u64,
    source: &'static str,
) -> Result<(), Error> {
    if value.get().len() > MAX_VALUE {
        return Err(Error::Bound("value size", MAX_VALUE));
    }
    if is_too_deep(value.get()) {
        return Err(Error::Bound("nesting depth", MAX_DEPTH));
    }
    let new = vault.get(id).is_none();
    let meta = if new {
        Meta::new(now, source)
    } else {
        Meta { updated: Some(now), source: source.to_owned(), ..vault.meta_of(id)? }
    };
    match id {
        SecretId::Auth(scope, profile) => {
            Credential::parse(&id.to_string(), &value)?;
            vault.scopes.entry(scope.as_str().to_owned()).or_default().profiles.put(profile, value);
        }
        SecretId::Env(name) => vault.env.put(name.as_str(), value),
        SecretId::Config(segments) => vault.config.put(&bounded(SecretId::config_key(segments))?, value),
    }
    vault.meta.read()?.put(&bounded(id.to_string())?, to_raw_value(&meta)?);
    Ok(())
}

/// Refuses a name that readers would not accept: encoding can make it longer than it was.
fn bounded(name: String) -> Result<String, Error> {
    if name.len() > MAX_NAME { Err(Error::Bound("name length", MAX_NAME)) } else { Ok(name) }
}

fn take(vault: &mut Vault<'_>, id: &SecretId) -> Result<Box<RawValue>, Error> {
    let taken = match id {
        SecretId::Auth(scope, profile) => {
            let scope = vault.scopes.get_mut(scope.as_str());
            scope.and_then(|scope| scope.profiles.take(profile))
        }
        SecretId::Env(name) => vault.env.take(name.as_str()),
        SecretId::Config(segments) => vault.config.take(&SecretId::config_key(segments)),
    };
    let taken = taken.ok_or_else(|| Error::NoEntry(id.to_string()))?;
    vault.meta.read()?.take(&id.to_string());
    Ok(taken)
}

fn rename(vault: &mut Vault<'_>, from: &SecretId, to: &SecretId, now: u64) -> Result<(), Error> {
    if vault.get(to).is_some() {
        return Err(Error::Taken(to.to_string()));
    }
    let meta = Meta { updated: Some(now), ..vault.meta_of(from)? };
    let value = take(vault, from)?;
    put(vault, to, value, now, "rename")?;
    vault.meta.read()?.put(&to.to_string(), to_raw_value(&meta)?);
    let stays = matches!((from, to), (SecretId::Auth(a, _), SecretId::Auth(b, _)) if a == b);
    in_orders(vault, from, |order, at| match to {
        SecretId::Auth(_, profile) if stays => {
            order.iter_mut().skip(at).take(1).for_each(|entry| entry.clone_from(profile));
        }
        _ => {
            order.remove(at);
        }
    });
    Ok(())
}

/// Calls `change` with each order that lists the id, and with its position: the orders of its own agent and, for the
/// main agent, those of agents without a profile of that name, which use main's. Orders that become empty are dropped,
/// since an empty order would exclude every profile.
fn in_orders(vault: &mut Vault<'_>, id: &SecretId, mut change: impl FnMut(&mut Vec<String>, usize)) {
    let SecretId::Auth(owner, profile) = id else { return };
    for (name, scope) in &mut vault.scopes {
        let own = name == owner.as_str();
        if !own && (*owner != Scope::main() || scope.profiles.get(profile).is_some()) {
            continue;
        }
        for order in scope.order.values_mut() {
            if let Some(at) = order.iter().position(|entry| entry == profile) {
                change(order, at);
            }
        }
        scope.order.retain(|_, order| !order.is_empty());
    }
}
