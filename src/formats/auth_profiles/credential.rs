//! One entry of a file of profiles: aliases of older gateways resolved, everything else kept.

use super::super::json::{self, Object};
use super::super::text::Text;
use super::super::{Error, Note, NoteKind, js, secretref};
use crate::model::{self, Credential, Kind};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Members that the gateway uses as they are written; an entry with a flaw in one of them is not taken.
const USED: [&str; 9] = ["type", "mode", "provider", "key", "apiKey", "token", "access", "refresh", "idToken"];

/// Which file an entry comes from, and so what it may leave out.
#[derive(Clone, Copy)]
pub(super) enum Era<'a> {
    /// `profiles` of `auth-profiles.json`: nothing.
    Current,
    /// A flat file: the provider, and the type where the members tell it.
    Flat { provider: &'a str },
    /// `oauth.json`: provider and type.
    OauthFile { provider: &'a str },
}

/// The credential as the vault keeps it, and what there is to say about it; without a
/// credential the gateway ignores the entry, or the vault cannot hold it. `raw` is a part of `text`.
///
/// Of a member and its older name the gateway uses one, and of a secret and a reference too: the other one is left out
/// here, once, so that nothing later finds it when the first is gone.
pub(super) fn normalise(
    name: &str,
    raw: &RawValue,
    era: Era<'_>,
    text: &Text<'_>,
) -> Result<(Option<Box<RawValue>>, Vec<Note>), Error> {
    let note = |what| Note::new(name, what);
    let Some(object) = Object::read(raw.get()) else { return Ok((None, vec![note(NoteKind::NotAnObject)])) };
    if !model::fits(raw.get()) || object.members.len() > model::MAX_MEMBERS {
        return Ok((None, vec![note(NoteKind::TooLarge).at(super::line(text, raw))]));
    }
    let mut notes = flaws(name, &object, text);
    if notes.iter().any(|note| note.what != NoteKind::Replaced) {
        return Ok((None, notes));
    }
    let mut shadowed = Vec::new();
    let settled = RawValue::from_string(json::settled(raw, &mut shadowed)).map_err(model::Error::from)?;
    let line = super::line(text, raw);
    notes.extend(shadowed.iter().map(|member| note(NoteKind::Duplicate).member(member).at(line)));
    let mut credential = match era {
        Era::OauthFile { provider } => {
            let mut credential = Credential::new(Kind::Oauth, provider);
            let members = Credential::parse(name, &settled)?;
            members.members().for_each(|(member, value)| credential.put(member, &value));
            credential
        }
        _ => Credential::parse(name, &settled)?,
    };
    let Some(kind) = resolve_type(&mut credential, era) else { return Ok((None, vec![note(NoteKind::UnknownType)])) };
    if !resolve_provider(&mut credential, era) {
        return Ok((None, vec![note(NoteKind::NoProvider)]));
    }
    let what = match kind {
        Kind::ApiKey => {
            let alias = resolve_key(&mut credential, era);
            let mut notes = resolve_reference(&mut credential, "key", "keyRef");
            if alias && !notes.contains(&NoteKind::Beside) {
                notes.push(NoteKind::Beside);
            }
            notes
        }
        Kind::Token => resolve_reference(&mut credential, "token", "tokenRef"),
        Kind::Oauth => of_oauth(&credential).into_iter().collect(),
    };
    // Other spellings of names may be longer.
    let raw = credential.to_raw().ok().filter(|raw| model::fits(raw.get()));
    match raw {
        Some(_) => notes.extend(what.into_iter().map(note)),
        None => notes.push(note(NoteKind::TooLarge).at(line)),
    }
    Ok((raw, notes))
}

/// NULs in the members that the gateway uses, and everywhere text that is not what the file holds.
fn flaws(name: &str, object: &Object<'_>, text: &Text<'_>) -> Vec<Note> {
    let flaw = |(member, raw): &(Cow<'_, str>, &RawValue)| {
        let is_used = USED.contains(&&**member);
        let is_replaced = text.was_replaced(&text.range_of(raw.get())) || json::has_half_character(raw);
        let value: Option<String> = serde_json::from_str(raw.get()).ok();
        let what = match (is_used, is_replaced) {
            (true, _) if value.is_some_and(|value| value.contains('\0')) => NoteKind::Nul,
            (true, true) => NoteKind::NotUtf8,
            (false, true) => NoteKind::Replaced,
            (_, false) => return None,
        };
        Some(Note::new(name, what).member(member).at(super::line(text, raw)))
    };
    object.members.iter().filter_map(flaw).collect()
}

/// `apiKey` is an older word for `key`, which counts where there is one, be it empty; in a flat file the first that is
/// filled does. Newer gateways do not look for it beside a reference, and older ones use the reference. True if a
/// secret was left out.
fn resolve_key(credential: &mut Credential<'_>, era: Era<'_>) -> bool {
    const ALIAS: &str = "apiKey";
    if credential.text(ALIAS).is_none() {
        return false;
    }
    if matches!(era, Era::Flat { .. }) && !filled(credential, "key") && filled(credential, ALIAS) {
        credential.remove("key");
    }
    if credential.get("key").is_none() && !is_filled_reference(credential, "keyRef") {
        credential.rename(ALIAS, "key");
        return false;
    }
    let (alias, key) = (credential.text(ALIAS), credential.text("key"));
    let is_same = alias.zip(key).is_some_and(|(alias, key)| alias.expose() == key.expose());
    let left_out = filled(credential, ALIAS) && !is_same;
    credential.remove(ALIAS);
    left_out
}

/// `mode` is an older word for `type`, `apiKey` an older one for `api_key`.
fn resolve_type(credential: &mut Credential<'_>, era: Era<'_>) -> Option<Kind> {
    if credential.text("mode").is_some() {
        if credential.get("type").is_none() {
            credential.rename("mode", "type");
        } else {
            credential.remove("mode");
        }
    }
    if credential.text("type").is_some_and(|kind| kind.expose() == "apiKey") {
        credential.put("type", &Kind::ApiKey.word());
    }
    if credential.get("type").is_none() && matches!(era, Era::Flat { .. }) {
        let has = |member: &str| filled(credential, member);
        let kind = if has("key") || has("apiKey") {
            Kind::ApiKey
        } else if has("token") {
            Kind::Token
        } else if has("access") && has("refresh") {
            Kind::Oauth
        } else {
            return None;
        };
        credential.put("type", &kind.word());
    }
    credential.kind()
}

fn resolve_provider(credential: &mut Credential<'_>, era: Era<'_>) -> bool {
    if let (None, Era::Flat { provider }) = (credential.get("provider"), era) {
        credential.put("provider", &provider);
    }
    !js::is_blank(&credential.provider())
}

/// A reference in the place of the secret goes to the member for references, where the
/// gateway puts it too.
fn resolve_reference(credential: &mut Credential<'_>, member: &str, ref_member: &str) -> Vec<NoteKind> {
    let stands = |credential: &Credential<'_>| is_filled_reference(credential, ref_member);
    let text = credential.text(member);
    let variable = text.as_ref().and_then(|text| secretref::env_reference(text.expose()));
    let is_reference = variable.is_some() || credential.get(member).is_some_and(secretref::is_reference);
    if is_reference {
        if stands(credential) {
            credential.remove(member);
        } else {
            credential.remove(ref_member);
            credential.rename(member, ref_member);
            if let Some(variable) = variable {
                credential.put(ref_member, &secretref::EnvRef::of(variable));
            }
        }
        return vec![if variable.is_some() { NoteKind::EnvReference } else { NoteKind::Reference }];
    }
    match (stands(credential), text.filter(|text| !js::is_blank(text.expose()))) {
        (true, beside) => {
            credential.remove(member);
            let beside = beside.map(|_| NoteKind::Beside);
            [NoteKind::Reference].into_iter().chain(beside).collect()
        }
        (false, Some(text)) => js::mangled(text.expose()).map(NoteKind::Mangled).into_iter().collect(),
        (false, None) => Vec::new(),
    }
}

/// Whether a member is a reference that the gateway can follow.
fn is_filled_reference(credential: &Credential<'_>, member: &str) -> bool {
    let as_text = || credential.text(member).is_some_and(|text| secretref::env_reference(text.expose()).is_some());
    credential.get(member).is_some_and(secretref::is_reference) || as_text()
}

fn of_oauth(credential: &Credential<'_>) -> Option<NoteKind> {
    let tokens = ["access", "refresh"].map(|member| credential.text(member));
    let mut filled = tokens.iter().flatten().filter(|text| !js::is_blank(text.expose())).peekable();
    match (filled.peek().is_some(), credential.get("oauthRef").is_some()) {
        (true, _) => filled.find_map(|text| js::mangled(text.expose())).map(NoteKind::Mangled),
        (false, true) => Some(NoteKind::Elsewhere),
        (false, false) => None,
    }
}

fn filled(credential: &Credential<'_>, member: &str) -> bool {
    credential.text(member).is_some_and(|text| !js::is_blank(text.expose()))
}
