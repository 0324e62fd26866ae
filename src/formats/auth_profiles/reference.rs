//! Credentials that hold a reference in the place of their secret.

use super::super::secretref::ExecRef;
use crate::model::{Credential, Error, Kind, SecretId};
use serde_json::value::RawValue;

/// The credential with a reference to `id` in the place of its key or token, everything else as it
/// was. `None` for one that can have none: OAuth, and one that holds no secret.
///
/// # Errors
/// A credential that cannot be read.
pub fn to_reference(raw: &RawValue, id: &SecretId) -> Result<Option<Box<RawValue>>, Error> {
    let mut credential = Credential::parse(&id.to_string(), raw)?;
    let Some(member) = credential.kind().and_then(Kind::secret_member) else { return Ok(None) };
    let (Some(_), Some(reference)) = (credential.get(member), ExecRef::to(id)) else { return Ok(None) };
    let ref_member = format!("{member}Ref");
    // A reference to somewhere else is what the gateway uses: the secret beside it is out of use.
    if credential.get(&ref_member).is_some_and(|raw| ExecRef::read(raw.get()).is_none()) {
        return Ok(None);
    }
    credential.remove(&ref_member);
    credential.rename(member, &ref_member);
    credential.put(&ref_member, &reference);
    credential.to_raw().map(Some)
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
