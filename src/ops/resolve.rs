//! The gateway's question for secrets, answered from an opened vault.

use crate::formats::exec::{Answer, Missing, Request};
use crate::model::{Credential, SecretId, Vault};
use crate::secret::SecretBuf;

/// The answer to one request: for each id its value, or that there is none. A batch costs no more
/// than the lookups; nothing is decoded on the way.
pub fn resolve(vault: &Vault<'_>, request: &Request) -> SecretBuf {
    let mut answer = Answer::new(request);
    for id in &request.ids {
        if answer_one(vault, id, &mut answer).is_none() {
            answer.miss(id, Missing::NotFound);
        }
    }
    answer.finish()
}

/// `None` for what is no id in its one form, for an entry that is not there, and for one that has
/// no single value: an OAuth credential, a mere reference.
fn answer_one(vault: &Vault<'_>, text: &str, answer: &mut Answer) -> Option<()> {
    let id = SecretId::parse(text).ok().filter(SecretId::fits_secret_ref)?;
    let raw = vault.get(&id)?;
    if matches!(id, SecretId::Auth(..)) {
        let credential = Credential::parse(text, raw).ok()?;
        answer.put(text, credential.get(credential.kind()?.secret_member()?)?);
    } else {
        answer.put(text, raw);
    }
    Some(())
}
