//! `set`, `rm`, `rename`.

use super::args::{Rename, Rm, Set};
use super::connect::Findings;
use super::context::Context;
use super::handover::{Handover, refuse_asked, refuse_connected};
use super::show::{entry, id};
use super::value;
use super::{Error, Usage, words};
use crate::formats;
use crate::formats::power::is_powerful;
use crate::model::{Change, Credential, MAX_VALUE, Op, SecretId, Standing, Vault, standing};
use crate::ops::intake::{self, Presence};
use crate::secret::Secret;
use crate::store::now;
use serde_json::value::{RawValue, to_raw_value};

/// Puts one value.
pub fn set(context: &mut Context, args: &Set) -> Result<(), Error> {
    value::none_in_args(&args.value)?;
    let id = id(&args.id)?;
    let mut handover = Handover::prepare(context, args.then.connect)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let vault = &checked.vault;
    // Before anybody pastes: what cannot be set at all.
    let old = vault.get(&id).map(|raw| secret_of(&id, raw)).transpose()?;
    if old.is_none() && matches!(id, SecretId::Auth(..)) {
        return Err(Usage::SetNewAuth.into());
    }
    let value = value::read(context, args.value_file.as_deref(), "value")?;
    if value.expose().len() > MAX_VALUE {
        return Err(Usage::TooLong.into());
    }
    let mut change = Change::of(put(vault, &id, &value)?);
    let same = old.flatten().map(|old| others_with(vault, &id, &old)).unwrap_or_default();
    for other in same.iter().filter(|_| args.everywhere) {
        change.push(put(vault, other, &value)?);
    }
    if let SecretId::Config(segments) = &id {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if !crate::formats::targets::is_target(&segments) {
            context.out.warn("warning: no known gateway version has a secret at this path of its configuration");
        }
    }
    if let Some(what) = formats::mangled(value.expose()) {
        context.out.warn(&format!("warning: the value {}", words::mangled(what)));
    }
    if let SecretId::Env(name) = &id
        && is_powerful(name.as_str())
    {
        context.out.warn(&format!("warning: {id} {}", words::powerful(name.as_str())));
    }
    let verb = if vault.get(&id).is_some() { "replaced" } else { "added" };
    let expired = is_expired(vault, &id);
    handover.note(context, vault, &change, false);
    context.save(&opened, checked, change)?;
    context.out.say(&format!("{verb} {id}"));
    if expired {
        context.out.warn(
            "warning: its expiry is in the past and stays; agevault auth paste-token --expires-in sets a new one",
        );
    }
    for other in same {
        match args.everywhere {
            true => context.out.say(&format!("replaced {other}")),
            false => context
                .out
                .warn(&format!("note: {other} still has the old value; agevault set {other} replaces it too")),
        }
    }
    handover.finish(context, opened)
}

/// Whether a profile says of itself that it has expired.
fn is_expired(vault: &Vault<'_>, id: &SecretId) -> bool {
    let credential = vault.get(id).and_then(|raw| Credential::parse(&id.to_string(), raw).ok());
    let now = i64::try_from(now().saturating_mul(1000)).unwrap_or(i64::MAX);
    let judged = |credential| standing(&credential, now, 0, false);
    matches!(id, SecretId::Auth(..)) && matches!(credential.map(judged), Some(Standing::Expired(_)))
}

/// The secret that stands for an entry: `None` for a credential that has none yet.
fn secret_of(id: &SecretId, raw: &RawValue) -> Result<Option<Secret>, Error> {
    if let SecretId::Auth(..) = id {
        let credential = Credential::parse(&id.to_string(), raw)?;
        let member = credential.kind().and_then(|kind| kind.secret_member()).ok_or(Usage::Oauth)?;
        return Ok(credential.text(member));
    }
    Ok(serde_json::from_str(raw.get()).ok().map(Secret::new))
}

/// The other entries that hold the same secret.
fn others_with(vault: &Vault<'_>, id: &SecretId, secret: &Secret) -> Vec<SecretId> {
    let needle = memchr::memmem::Finder::new(secret.expose());
    let holds = |other: &SecretId| {
        let Some(raw) = vault.get(other).filter(|_| other != id) else { return false };
        // Only a text with an escape in it can hold the secret without showing it.
        let may = raw.get().contains('\\') || needle.find(raw.get().as_bytes()).is_some();
        let held = if may { secret_of(other, raw).ok().flatten() } else { None };
        held.is_some_and(|held| held.expose() == secret.expose())
    };
    vault.ids().filter(holds).collect()
}

fn put(vault: &Vault<'_>, id: &SecretId, value: &Secret) -> Result<Op, Error> {
    let raw = if let SecretId::Auth(..) = id {
        let mut credential = Credential::parse(&id.to_string(), entry(vault, id)?)?;
        let member = credential.kind().and_then(|kind| kind.secret_member()).ok_or(Usage::Oauth)?;
        credential.put(member, &value.expose());
        // A reference beside the value would win over it.
        credential.remove(&format!("{member}Ref"));
        credential.to_raw()?
    } else {
        to_raw_value(value.expose()).map_err(crate::model::Error::from)?
    };
    Ok(intake::put(vault, id, raw, "set", Presence::Attended)?)
}

/// Removes entries, all or none. With `--connect` the references to them leave the gateway first.
pub fn remove(context: &mut Context, args: &Rm) -> Result<(), Error> {
    let mut ids = args.ids.iter().map(|text| id(text)).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    let mut handover = Handover::prepare(context, args.then.connect)?;
    let mut opened = context.open()?;
    let mut findings = Findings::default();
    {
        let checked = context.check(&opened)?;
        ids.iter().try_for_each(|id| entry(&checked.vault, id).map(drop))?;
        if !(args.force || args.then.connect) {
            refuse_connected(context, &checked.vault, &ids)?;
        }
    }
    if let Some(way) = handover.way() {
        let done = way.connect(context, opened, &ids).inspect_err(|_| {
            context.out.warn("the gateway could not be connected: nothing was removed from the vault");
        })?;
        (opened, findings) = (done.opened, done.findings);
    }
    let checked = context.check(&opened)?;
    let mut change = Change::default();
    ids.iter().for_each(|id| change.push(Op::Remove(id.clone())));
    handover.note(context, &checked.vault, &change, false);
    context.save(&opened, checked, change)?;
    ids.iter().for_each(|id| context.out.say(&format!("removed {id}")));
    match handover.way() {
        Some(_) => findings.outcome(),
        None => handover.finish(context, opened),
    }
}

/// Gives an entry another name of the same world.
pub fn rename(context: &mut Context, args: &Rename) -> Result<(), Error> {
    let (old, new) = (id(&args.old)?, id(&args.new)?);
    if std::mem::discriminant(&old) != std::mem::discriminant(&new) {
        return Err(Usage::OtherWorld.into());
    }
    let mut handover = Handover::prepare(context, args.then.connect)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    entry(&checked.vault, &old)?;
    if !args.force {
        refuse_asked(context, &checked.vault, &old, &new)?;
    }
    if !(args.force || args.then.connect) {
        refuse_connected(context, &checked.vault, std::slice::from_ref(&old))?;
    }
    let change = Change::of(Op::Rename(old.clone(), new.clone()));
    handover.note(context, &checked.vault, &change, false);
    context.save(&opened, checked, change)?;
    context.out.say(&format!("renamed {old} to {new}"));
    handover.finish(context, opened)
}
