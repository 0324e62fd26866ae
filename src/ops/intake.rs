//! The one way in for values: [`put`] alone makes the step of a change that gives an entry a value.
//!
//! What stands for a secret without being one is refused, whoever brings it. Without a person intake is narrower: new
//! values of entries that exist, and new profiles. A line that something appended to a `.env` never becomes a variable
//! of every command that gets the vault's.

use crate::formats::placeholder::{Placeholder, is_metadata, placeholder};
use crate::formats::power::{is_powerful, names_address};
use crate::formats::{Misfit, dotenv};
use crate::model::{self, Credential, Kind, MAX_NAME, MAX_VALUE, Op, SecretId, Vault};
use crate::secret::Secret;
use serde_json::value::RawValue;

/// Whether a person brings a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A command that was typed, and what it says is read.
    Attended,
    /// A capture: what a gateway wrote.
    Unattended,
}

/// Why a value does not become that of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It stands for a secret, and is none.
    Placeholder(Placeholder),
    /// A credential with neither a secret nor a reference to one.
    NoSecret,
    /// A credential with a reference elsewhere, where the vault has a secret; without a person only.
    Reference,
    /// OAuth without a refresh token, where the vault has one.
    LostRefresh,
    /// No `.env` could hand it to the gateway unchanged.
    Dotenv(Misfit),
    /// It has a NUL.
    Nul,
    /// Larger than a value may be, or nested deeper.
    TooLarge,
    /// Bytes that are not UTF-8.
    NotText,
    /// An id that is longer than a name may be.
    LongName,
    /// What gateways ignore: not a credential that they know, or not a name.
    Ignored,
    /// The vault has no such entry, and nothing but a profile is added without a person.
    NotThere,
    /// A variable with power over every process that gets it; without a person only.
    Powerful,
    /// It would send secrets to another address or provider; without a person only.
    Redirects,
    /// Other places of the configuration refer to its entry: this value would change their secret.
    Referred,
}

impl Refused {
    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let misfits = [Misfit::Name, Misfit::Nul, Misfit::Blank, Misfit::Backslash, Misfit::Quotes, Misfit::Control];
        let others = [
            Self::NoSecret,
            Self::Reference,
            Self::LostRefresh,
            Self::Nul,
            Self::TooLarge,
            Self::NotText,
            Self::LongName,
            Self::Ignored,
            Self::NotThere,
            Self::Powerful,
            Self::Redirects,
            Self::Referred,
        ];
        Placeholder::ALL.into_iter().map(Self::Placeholder).chain(misfits.map(Self::Dotenv)).chain(others)
    }

    /// A stable word for machines.
    pub fn token(self) -> &'static str {
        match self {
            Self::Placeholder(kind) => kind.token(),
            Self::NoSecret => "no-secret",
            Self::Reference => "reference",
            Self::LostRefresh => "no-refresh",
            Self::Dotenv(Misfit::Name) => "dotenv-name",
            Self::Dotenv(Misfit::Nul) => "dotenv-nul",
            Self::Dotenv(Misfit::Blank) => "dotenv-blank",
            Self::Dotenv(Misfit::Backslash) => "dotenv-backslash",
            Self::Dotenv(Misfit::Quotes) => "dotenv-quotes",
            Self::Dotenv(Misfit::Control) => "dotenv-control",
            Self::Nul => "nul",
            Self::TooLarge => "too-large",
            Self::NotText => "not-text",
            Self::LongName => "long-name",
            Self::Ignored => "ignored",
            Self::NotThere => "not-in-vault",
            Self::Powerful => "powerful",
            Self::Redirects => "redirects",
            Self::Referred => "referred",
        }
    }
}

/// The step that gives the entry `id` of `vault` the value `raw`: the JSON text of a credential for a profile, else of
/// a string. `source` is the command that brings it.
///
/// # Errors
/// Why the value is not taken; the entry stays as it is.
pub fn put(
    vault: &Vault<'_>,
    id: &SecretId,
    raw: Box<RawValue>,
    source: &'static str,
    presence: Presence,
) -> Result<Op, Refused> {
    check(vault, id, &raw, presence)?;
    Ok(Op::Put(id.clone(), raw, source))
}

/// Whether the value can be one, whatever the vault has.
///
/// # Errors
/// As [`put`].
pub fn check_value(id: &SecretId, raw: &RawValue) -> Result<(), Refused> {
    if raw.get().len() > MAX_VALUE {
        return Err(Refused::TooLarge);
    }
    if !model::fits(raw.get()) {
        return Err(Refused::TooLarge);
    }
    if id.to_string().len() > MAX_NAME {
        return Err(Refused::LongName);
    }
    match id {
        SecretId::Auth(_, profile) => of_credential(profile, raw).map(drop),
        SecretId::Env(name) if is_metadata(name.as_str()) => Err(Refused::Placeholder(Placeholder::Metadata)),
        SecretId::Env(name) => dotenv::accepts(name.as_str(), of_text(raw)?.expose()).map_err(Refused::Dotenv),
        SecretId::Config(_) => of_text(raw).map(drop),
    }
}

fn check(vault: &Vault<'_>, id: &SecretId, raw: &RawValue, presence: Presence) -> Result<(), Refused> {
    let old = vault.get(id);
    match id {
        SecretId::Env(name) if presence == Presence::Unattended && is_powerful(name.as_str()) => Err(Refused::Powerful),
        SecretId::Env(name) if presence == Presence::Unattended && names_address(name.as_str()) => {
            Err(Refused::Redirects)
        }
        SecretId::Auth(_, profile) => {
            check_value(id, raw)?;
            let holds = of_credential(profile, raw)?;
            let had = old.map(|old| of_credential(profile, old));
            if holds == Holds::Reference && presence == Presence::Unattended && had == Some(Ok(Holds::Secret)) {
                Err(Refused::Reference)
            } else if presence == Presence::Unattended && old.is_some_and(|old| redirects(profile, old, raw)) {
                Err(Refused::Redirects)
            } else if old.is_some_and(model::has_refresh) && model::is_oauth(raw) && !model::has_refresh(raw) {
                Err(Refused::LostRefresh)
            } else {
                Ok(())
            }
        }
        SecretId::Env(_) | SecretId::Config(_) => {
            check_value(id, raw)?;
            if presence == Presence::Unattended && old.is_none() { Err(Refused::NotThere) } else { Ok(()) }
        }
    }
}

/// A value that is one text.
fn of_text(raw: &RawValue) -> Result<Secret, Refused> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| Refused::NoSecret)?;
    let text = Secret::new(text);
    check_text(text.expose())?;
    Ok(text)
}

/// Whether a text can be a secret, whatever it is for.
///
/// # Errors
/// [`Refused::Placeholder`], [`Refused::Nul`].
pub fn check_text(text: &str) -> Result<(), Refused> {
    match placeholder(text) {
        Some(kind) => Err(Refused::Placeholder(kind)),
        None if text.contains('\0') => Err(Refused::Nul),
        None => Ok(()),
    }
}

/// What a credential has for the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Secret,
    /// No secret, but where one is.
    Reference,
}

/// A credential is judged by the members that are its secret.
fn of_credential(profile: &str, raw: &RawValue) -> Result<Holds, Refused> {
    let credential = Credential::parse(profile, raw).map_err(|_| Refused::Ignored)?;
    let kind = credential.kind().ok_or(Refused::Ignored)?;
    let members: &[&str] = match kind {
        Kind::ApiKey => &["key"],
        Kind::Token => &["token"],
        Kind::Oauth => &["access", "refresh"],
    };
    let mut outcome = Err(Refused::NoSecret);
    for text in members.iter().filter_map(|member| credential.text(member)) {
        match check_text(text.expose()) {
            Ok(()) => outcome = Ok(Holds::Secret),
            // One of two tokens may be missing.
            Err(blank @ Refused::Placeholder(Placeholder::Blank)) => outcome = outcome.or(Err(blank)),
            Err(refused) => return Err(refused),
        }
    }
    if outcome.is_err() && has_reference(&credential, kind) { Ok(Holds::Reference) } else { outcome }
}

/// Whether a credential would go elsewhere than the one in the vault: to another provider, or another address.
fn redirects(profile: &str, old: &RawValue, new: &RawValue) -> bool {
    let (Ok(old), Ok(new)) = (Credential::parse(profile, old), Credential::parse(profile, new)) else { return true };
    let has = |credential: &Credential<'_>, name: &str, raw: &RawValue| {
        credential.get(name).is_some_and(|have| model::same_json(have, raw))
    };
    // What lies in an object may be anything.
    let leads = |name: &str, raw: &RawValue| names_address(name) || raw.get().starts_with(['{', '[']);
    let differ = |one: &Credential<'_>, other: &Credential<'_>| {
        one.members().filter(|(name, raw)| leads(name, raw)).any(|(name, raw)| !has(other, name, raw))
    };
    old.provider() != new.provider() || differ(&old, &new) || differ(&new, &old)
}

/// Whether a credential leads to a secret elsewhere.
fn has_reference(credential: &Credential<'_>, kind: Kind) -> bool {
    let member = match kind {
        Kind::ApiKey => "keyRef",
        Kind::Token => "tokenRef",
        Kind::Oauth => "oauthRef",
    };
    credential.get(member).is_some_and(|raw| raw.get() != "null")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
