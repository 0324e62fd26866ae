//! `auth`: the gateway's own verbs for credentials, with its defaults and checks.

use super::args::{Auth, Paste, Then};
use super::context::{Context, agent};
use super::handover::Handover;
use super::value::{self, Refused};
use super::{Error, Usage};
use crate::formats::{paste, provider};
use crate::model::{self, Change, Credential, Kind, Scope, SecretId};
use crate::ops::intake::{self, Presence};
use crate::secret::Secret;
use crate::store::now;

/// The one provider that has setup-tokens.
const SETUP_PROVIDER: &str = "anthropic";

/// What one verb puts where.
struct Wanted<'a> {
    kind: Kind,
    provider: String,
    scope: Scope,
    profile: String,
    expires_in: Option<&'a str>,
    prompt: &'static str,
    source: &'static str,
    then: Then,
}

/// One of the pasting verbs.
pub fn run(context: &mut Context, args: &Auth) -> Result<(), Error> {
    match args {
        Auth::PasteApiKey(args) => {
            let wanted = wanted(args, Kind::ApiKey, None, "API key", "paste-api-key")?;
            put(context, &wanted, |wanted, value| paste::api_key(&wanted.provider, value.expose()))
        }
        Auth::PasteToken(args) => {
            let wanted = wanted(&args.paste, Kind::Token, args.expires_in.as_deref(), "token", "paste-token")?;
            put(context, &wanted, |wanted, value| paste::token(&wanted.provider, value.expose()))
        }
        Auth::SetupToken(args) => {
            value::none_in_args(&args.value)?;
            let provider = provider::normalise(&args.provider);
            if provider != SETUP_PROVIDER {
                return Err(Usage::NoSetupToken.into());
            }
            let wanted = Wanted {
                kind: Kind::Token,
                provider,
                scope: agent(&args.agent)?,
                profile: paste::setup_profile_id(args.profile_id.as_deref()),
                expires_in: args.expires_in.as_deref(),
                prompt: "setup-token",
                source: "setup-token",
                then: args.then,
            };
            put(context, &wanted, |_, value| paste::setup_token(value.expose()))
        }
        // The others are dispatched before.
        Auth::Order(_) | Auth::List | Auth::Logout(_) => Ok(()),
    }
}

fn wanted<'a>(
    args: &'a Paste,
    kind: Kind,
    expires_in: Option<&'a str>,
    prompt: &'static str,
    source: &'static str,
) -> Result<Wanted<'a>, Error> {
    value::none_in_args(&args.value)?;
    let provider = provider::normalise(&args.whose.provider);
    if provider.is_empty() {
        return Err(Usage::Provider.into());
    }
    let profile = paste::profile_id(args.profile_id.as_deref(), &provider).map_err(refused)?;
    let (scope, then) = (agent(&args.whose.agent)?, args.then);
    Ok(Wanted { kind, provider, scope, profile, expires_in, prompt, source, then })
}

fn refused(refused: paste::Refused) -> Error {
    Error::Value(Refused::Paste(refused))
}

fn put(
    context: &mut Context,
    wanted: &Wanted<'_>,
    check: impl FnOnce(&Wanted<'_>, &Secret) -> Result<Secret, paste::Refused>,
) -> Result<(), Error> {
    // Before anybody pastes; blank means no expiry, as it does for the gateway.
    let expires = |text| paste::expiry(text, now().saturating_mul(1000)).map_err(refused);
    let expires = wanted.expires_in.map(expires).transpose()?.flatten();
    let id = SecretId::auth(wanted.scope.clone(), &wanted.profile).map_err(Usage::Id)?;
    let mut handover = Handover::prepare(context, wanted.then.connect)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let pasted = value::read(context, None, wanted.prompt)?;
    // As it was pasted: what the gateway would drop may be what shows that it is no secret.
    intake::check_text(pasted.expose())?;
    let value = check(wanted, &pasted).map_err(refused)?;
    let old = checked.vault.get(&id);
    let old_credential = old.map(|raw| Credential::parse(&id.to_string(), raw)).transpose()?;
    let other_kind = old_credential.as_ref().and_then(Credential::kind).filter(|kind| *kind != wanted.kind);
    let mut credential = match old_credential {
        // An API key keeps what else is known of it, and never takes the place of another sign-in; a token
        // replaces the whole. Both as the gateway's.
        Some(old) if wanted.kind == Kind::ApiKey => {
            let same = old.kind() == Some(Kind::ApiKey) && provider::same(&old.provider(), &wanted.provider);
            if !same || old.get("keyRef").is_some() {
                return Err(model::Error::Taken(id.to_string()).into());
            }
            old
        }
        _ => Credential::new(wanted.kind, &wanted.provider),
    };
    if let Some(member) = wanted.kind.secret_member() {
        credential.put("provider", &wanted.provider);
        credential.put(member, &value.expose());
    }
    if let Some(expires) = expires {
        credential.put("expires", &expires);
    }
    let verb = if old.is_some() { "replaced" } else { "added" };
    let raw = credential.to_raw()?;
    let change = Change::of(intake::put(&checked.vault, &id, raw, wanted.source, Presence::Attended)?);
    // The gateway keeps the expiry and the type beside its reference.
    handover.note(context, &checked.vault, &change, expires.is_some() || other_kind.is_some());
    let saved = context.save(&opened, checked, change)?;
    context.out.say(&format!("{verb} {id} ({}, {})", wanted.provider, wanted.kind.word()));
    if let Some(kind) = other_kind {
        let (kind, before) = (kind.word(), saved.displaced);
        context.out.warn(&format!(
            "note: it held a credential of type {kind}; agevault restore --generation {before} brings that back"
        ));
    }
    handover.finish(context, opened)
}
