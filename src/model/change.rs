//! Changes: what a command wants, applied to whatever the vault holds when its turn comes.

use super::check::{MAX_DEPTH, is_too_deep};
use super::recipient::{add, position};
use super::{Credential, Entries, Error, Label, LazyMap, MAX_NAME, MAX_VALUE, Meta, Recipient, Scope, SecretId, Vault};
use crate::secret::Secret;
use serde_json::value::{RawValue, to_raw_value};

/// One step of a change.
#[derive(Clone)]
pub enum Op {
    /// Puts a secret: a credential object for `auth/` ids, else a JSON string. The last part
    /// is the command that brings it.
    Put(SecretId, Box<RawValue>, &'static str),
    /// Takes a secret away, and out of its agent's orders.
    Remove(SecretId),
    /// Gives a secret another id of the same world, in its agent's orders too.
    Rename(SecretId, SecretId),
    /// Sets (or with `None` forgets) the order of a provider's profiles for one scope.
    Order(Scope, String, Option<Vec<String>>),
    /// One more recipient.
    AddRecipient(Recipient),
    /// One recipient less; always together with a [`Rotation`]. The second label is that of the same holder's new key.
    RemoveRecipient(Label, Option<Label>),
    /// Another name for a recipient.
    RenameRecipient(Label, Label),
    /// A new key under the same label.
    ReplaceRecipient(Label, Recipient),
    /// All entries and what is known of them, as a snapshot has them.
    Restore(Box<Entries>),
    /// The checklist after a removal, with something taken off it.
    Checklist(Box<RawValue>),
    /// New vault secret: those who knew the old one can no longer forge.
    Rotate(Rotation),
}

/// The new secret of a vault, and the record that links it to the old one.
pub struct Rotation {
    /// 32 random bytes, base64.
    pub secret: Secret,
    /// One entry of `succession`.
    pub link: Box<RawValue>,
}

impl Clone for Rotation {
    fn clone(&self) -> Self {
        Self { secret: Secret::new(self.secret.expose().to_owned()), link: self.link.clone() }
    }
}

/// The member that links the secrets of a vault, the oldest first.
pub const SUCCESSION: &str = "succession";
/// So many links are kept, the newest ones: a host that is further behind asks for the fingerprint again.
pub const MAX_LINKS: usize = 512;
/// The member with the number of the save that left hosts out of `writers`.
pub const FOLDED: &str = "folded";
/// The member that holds the checklist.
pub const CHECKLIST: &str = "checklist";
/// The member of a vault whose last save was a capture.
pub(super) const CAPTURED: &str = "captured";

/// The steps of one command, all or none of which happen.
#[derive(Clone, Default)]
pub struct Change {
    ops: Vec<Op>,
    capture: bool,
}

impl Change {
    /// One step.
    pub fn of(op: Op) -> Self {
        Self { ops: vec![op], capture: false }
    }

    /// No step yet. Its save is a capture: consecutive ones replace each other.
    pub fn capture() -> Self {
        Self { ops: Vec::new(), capture: true }
    }

    /// The same steps as a capture.
    pub fn captured(self) -> Self {
        Self { capture: true, ..self }
    }

    /// Adds a step.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether it brings back all entries of a snapshot.
    pub fn restores(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Restore(_)))
    }

    /// The label of the recipient that it removes.
    pub fn leaver(&self) -> Option<&Label> {
        self.ops.iter().find_map(|op| match op {
            Op::RemoveRecipient(label, _) => Some(label),
            _ => None,
        })
    }

    /// The ids that it renames: from, to.
    pub fn renamed(&self) -> impl Iterator<Item = (&SecretId, &SecretId)> {
        self.ops.iter().filter_map(|op| match op {
            Op::Rename(from, to) => Some((from, to)),
            _ => None,
        })
    }

    /// The ids whose values it replaces or removes.
    pub fn touched(&self) -> impl Iterator<Item = &SecretId> {
        self.ops
            .iter()
            .flat_map(|op| match op {
                Op::Put(id, ..) | Op::Remove(id) => [Some(id), None],
                Op::Rename(from, to) => [Some(from), Some(to)],
                _ => [None, None],
            })
            .flatten()
    }

    /// The ids that are not there any more after it.
    pub fn removed(&self) -> impl Iterator<Item = &SecretId> {
        self.ops.iter().filter_map(|op| match op {
            Op::Remove(id) | Op::Rename(id, _) => Some(id),
            _ => None,
        })
    }

    /// Whether it changes which profile a provider uses first.
    pub fn reorders(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Order(..)))
    }

    /// Refuses when somebody else changed what this change was made for: `seen` is the vault
    /// that its maker saw, `now` the one that it would be applied to.
    ///
    /// # Errors
    /// [`Error::Conflict`] with the id or label.
    pub fn check_against(&self, seen: &Vault<'_>, now: &Vault<'_>) -> Result<(), Error> {
        for id in self.touched() {
            if seen.get(id).map(RawValue::get) != now.get(id).map(RawValue::get) {
                return Err(Error::Conflict(id.to_string()));
            }
        }
        for op in &self.ops {
            match op {
                Op::Order(scope, provider, _) => {
                    let order = |vault: &Vault<'_>| vault.scopes.get(scope.as_str())?.order.get(provider).cloned();
                    if order(seen) != order(now) {
                        return Err(Error::Conflict(format!("{}: order of {provider}", scope.as_str())));
                    }
                }
                Op::Checklist(_) => {
                    let list = |vault: &Vault<'_>| vault.other.get(CHECKLIST).map(|raw| raw.get().to_owned());
                    if list(seen) != list(now) {
                        return Err(Error::Conflict(CHECKLIST.to_owned()));
                    }
                }
                Op::Restore(_) if seen.rev != now.rev => return Err(Error::Conflict("all entries".to_owned())),
                Op::RemoveRecipient(..) | Op::RenameRecipient(..) | Op::ReplaceRecipient(..) | Op::Rotate(_) => {
                    // Names too: a label means somebody, and must mean the same one still.
                    let keys = |vault: &Vault<'_>| -> Vec<(String, String)> {
                        let pair = |recipient: &super::Recipient| {
                            (recipient.label.as_str().to_owned(), recipient.public.clone())
                        };
                        vault.recipients.iter().map(pair).collect()
                    };
                    if keys(seen) != keys(now) || seen.epoch != now.epoch {
                        return Err(Error::Conflict("recipients".to_owned()));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Applies every step to `vault`. `now` is in Unix seconds.
    ///
    /// # Errors
    /// The first step that cannot be done; the vault is then to be thrown away.
    pub fn apply(self, vault: &mut Vault<'_>, now: u64) -> Result<(), Error> {
        vault.other.take(CAPTURED);
        if self.capture {
            vault.other.put(CAPTURED, to_raw_value(&true)?);
        }
        self.ops.into_iter().try_for_each(|op| op.apply(vault, now))
    }
}

impl Op {
    fn apply(self, vault: &mut Vault<'_>, now: u64) -> Result<(), Error> {
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
            Self::RemoveRecipient(label, heir) => {
                let at = position(&vault.recipients, &label)?;
                let removed = vault.recipients.remove(at);
                let heirs = vault.recipients.iter_mut().filter(|have| Some(&have.label) == heir.as_ref());
                heirs.for_each(|heir| heir.follow(&removed));
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
            Self::ReplaceRecipient(label, mut new) => {
                let at = position(&vault.recipients, &label)?;
                let old = vault.recipients.remove(at);
                new.follow(&old);
                vault.recipients.insert(at, new);
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
            Self::Rotate(Rotation { secret, link }) => {
                vault.vault_secret = secret;
                vault.epoch += 1;
                let have = vault.other.get(SUCCESSION).map_or("[]", RawValue::get);
                let mut links: Vec<Box<RawValue>> = serde_json::from_str(have)?;
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

/// A name that readers will accept: encoding can make it longer than it was.
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

/// Calls `change` with each order that means the id, and where: those of its own agent, and for
/// the main agent those of agents without a profile of that name, which use main's. Orders that
/// have become empty are dropped, since an empty order would exclude every profile.
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
