//! Credentials that hold a reference in the place of their secret.
//!
//! Any member of a credential may be a secret, also one with an unknown name. What is made here goes to files, so it has
//! only the members that are known to be no secret; everything else stays in the vault.

use super::super::secretref::{self, ExecRef};
use crate::model::{Credential, Error, Kind, SecretId};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// Members that are no secret, and how their JSON text begins: what is of another type is left out.
const ALLOWED: [(&str, &str); 6] = [
    ("type", "\""),
    ("provider", "\""),
    ("email", "\""),
    ("displayName", "\""),
    ("copyToAgents", "tf"),
    ("expires", "-0123456789"),
];

/// What providers' plugins read from `metadata` beside a reference (2026.4.25 to 2026.9.6): where a key is to be used.
/// Without it the key is of no use to them. Anything else in there may be a secret.
const METADATA: [(&str, &[&str]); 2] = [
    ("cloudflare-ai-gateway", &["accountId", "gatewayId"]),
    (
        "microsoft-foundry",
        &["api", "authMethod", "endpoint", "modelId", "modelName", "subscriptionId", "subscriptionName", "tenantId"],
    ),
];

/// The credential with a reference to `id` in the place of its key or token, and beside it only what is known to be no
/// secret. `None` for one that can have none: OAuth, and one that holds no secret.
///
/// # Errors
/// A credential that cannot be read.
pub fn to_reference(raw: &RawValue, id: &SecretId) -> Result<Option<Box<RawValue>>, Error> {
    let credential = Credential::parse(&id.to_string(), raw)?;
    let Some(member) = credential.kind().and_then(Kind::secret_member) else { return Ok(None) };
    let (Some(_), Some(reference)) = (credential.get(member), ExecRef::to(id)) else { return Ok(None) };
    // A reference to somewhere else is what the gateway uses: the secret beside it is out of use.
    if elsewhere(&credential, member).is_some() {
        return Ok(None);
    }
    public(&credential, member, Some(&to_raw_value(&reference)?)).to_raw().map(Some)
}

/// The credential for a view without secrets: as [`to_reference`] makes it, and one that has a reference to somewhere
/// else or no secret at all with nothing beside that. `None` for one that cannot do without its secret there.
///
/// # Errors
/// A credential that cannot be read.
pub fn for_view(raw: &RawValue, id: &SecretId) -> Result<Option<Box<RawValue>>, Error> {
    if let Some(reference) = to_reference(raw, id)? {
        return Ok(Some(reference));
    }
    let credential = Credential::parse(&id.to_string(), raw)?;
    let Some(member) = credential.kind().and_then(Kind::secret_member) else { return Ok(None) };
    let reference = elsewhere(&credential, member);
    if reference.is_none() && credential.get(member).is_some() {
        return Ok(None);
    }
    public(&credential, member, reference).to_raw().map(Some)
}

/// A reference that leads elsewhere than to the vault, in the member for references.
fn elsewhere<'c>(credential: &'c Credential<'_>, member: &str) -> Option<&'c RawValue> {
    let reference = credential.get(&format!("{member}Ref"))?;
    (is_reference(reference) && ExecRef::read(reference.get()).is_none()).then_some(reference)
}

/// Whether a member says where a secret is: an object, or a text that names a variable.
fn is_reference(raw: &RawValue) -> bool {
    let named = || serde_json::from_str::<&str>(raw.get()).is_ok_and(|text| secretref::env_reference(text).is_some());
    secretref::is_reference(raw) || named()
}

/// The members of a credential that are no secret, in their order, with `reference` in the place of `member`.
fn public(credential: &Credential<'_>, member: &str, reference: Option<&RawValue>) -> Credential<'static> {
    let ref_member = format!("{member}Ref");
    let mut out = Credential::default();
    let provider = credential.provider();
    for (name, raw) in credential.members() {
        if name == member || name == ref_member {
            reference.iter().for_each(|reference| out.put(&ref_member, reference));
        } else if let Some(value) = allowed(&provider, name, raw) {
            out.put(name, &value);
        }
    }
    out
}

/// A member as it may stand in a file.
fn allowed<'r>(provider: &str, name: &str, raw: &'r RawValue) -> Option<Cow<'r, RawValue>> {
    if name == "metadata" {
        let (_, names) = METADATA.iter().find(|(of, _)| *of == provider)?;
        let mut members = Credential::parse(name, raw).ok()?;
        let is_known = |name: &str, value: &RawValue| names.contains(&name) && value.get().starts_with('"');
        members.retain(is_known);
        return members.to_raw().ok().filter(|raw| raw.get() != "{}").map(Cow::Owned);
    }
    let (_, begins) = ALLOWED.iter().find(|(allowed, _)| *allowed == name)?;
    raw.get().starts_with(|first| begins.contains(first)).then_some(Cow::Borrowed(raw))
}

/// What the vault will be asked for by a credential, whatever stands beside.
pub fn asked(raw: &RawValue) -> Option<String> {
    let credential = Credential::parse("", raw).ok()?;
    let member = credential.kind()?.secret_member()?;
    ExecRef::asked(credential.get(&format!("{member}Ref"))?.get())
}

/// The entry of the vault to which a credential refers, if it refers to one and holds no secret
/// beside it.
pub fn referred(raw: &RawValue) -> Option<SecretId> {
    let credential = Credential::parse("", raw).ok()?;
    let member = credential.kind()?.secret_member()?;
    let empty = credential.text(member).is_none_or(|text| text.expose().is_empty());
    let reference = credential.get(&format!("{member}Ref")).filter(|_| empty)?;
    ExecRef::read(reference.get())
}
