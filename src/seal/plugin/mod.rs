//! age plugins: programs `age-plugin-NAME` that seal and open for recipients of their own.
//!
//! One runs only for a string that names it: a recipient of the vault when it is saved, an identity
//! in a key file when it is opened. What it is called comes from that string, so names are checked
//! before anything looks for a program (CVE-2024-56327).

mod pipes;
mod talk;

use super::Error;
use crate::secret::Secret;
use age_core::format::{FileKey, Stanza};
use age_core::primitives::bech32_decode;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Longest name of a plugin.
const MAX_NAME: usize = 64;
/// Longest recipient or identity, in bytes.
const MAX_TEXT: usize = 8 * 1024;

/// Why a plugin did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No program of this name is to be found.
    Missing,
    /// Somebody else than we or the system could have put it there.
    Unsafe(PathBuf),
    /// It ended, refused, or said something that is no answer.
    Failed,
    /// It said nothing, or took nothing that it was told, for so many seconds.
    Silent(u64),
    /// Nobody was there to answer what it asked.
    Unanswered,
}

/// What plugins need from outside: where they are, and who answers.
pub trait Host: Send + Sync {
    /// The program `age-plugin-NAME`, checked, with its absolute path.
    ///
    /// # Errors
    /// [`Fault::Missing`], [`Fault::Unsafe`].
    fn find(&self, name: &str) -> Result<PathBuf, Fault>;

    /// The variables that it is started with.
    fn environment(&self) -> Vec<(OsString, OsString)>;

    /// Tells a person something: that a key wants to be touched.
    fn message(&self, name: &str, text: &str);

    /// Asks for one of two answers. `None` if nobody answers.
    fn confirm(&self, name: &str, text: &str, yes: &str, no: Option<&str>) -> Option<bool>;

    /// Asks for something that may be seen.
    fn public(&self, name: &str, text: &str) -> Option<String>;

    /// Asks for something hidden: a PIN.
    fn secret(&self, name: &str, text: &str) -> Option<Secret>;
}

/// One per process, as there is one terminal and one path to look for programs in.
static HOST: OnceLock<Box<dyn Host>> = OnceLock::new();

/// Says where plugins come from; without it none runs. The first one counts.
pub fn set_host(host: Box<dyn Host>) {
    let _ = HOST.set(host);
}

fn host(name: &str) -> Result<&'static dyn Host, Error> {
    HOST.get().map(AsRef::as_ref).ok_or_else(|| Error::Plugin(name.to_owned(), Fault::Missing))
}

/// A name that may become part of a file's.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-._".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

/// What stands before the last `1` of a Bech32 string whose checksum is right.
fn prefix(text: &str) -> Option<String> {
    if text.len() > MAX_TEXT {
        return None;
    }
    bech32_decode(text, |_| (), |_| Ok(()), |hrp, _| Ok(hrp.to_string())).ok()
}

/// A recipient of a plugin, `age1NAME1...`.
#[derive(Clone)]
pub struct Recipient {
    name: String,
    text: String,
}

impl Recipient {
    /// # Errors
    /// [`Error::BadRecipient`] for a wrong checksum or name.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let prefix = prefix(text).ok_or(Error::BadRecipient)?;
        let name = prefix.strip_prefix("age1").filter(|name| is_name(name)).ok_or(Error::BadRecipient)?;
        Ok(Self { name: name.to_owned(), text: text.to_owned() })
    }

    pub(super) fn public(&self) -> &str {
        &self.text
    }

    /// What the plugin makes of the file key, and the labels that it wants.
    pub(super) fn wrap(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), Error> {
        talk::wrap(host(&self.name)?, &self.name, &self.text, file_key, talk::SEALING)
            .map_err(|fault| Error::Plugin(self.name.clone(), fault))
    }
}

/// An identity of a plugin, `AGE-PLUGIN-NAME-1...`.
pub struct Identity {
    name: String,
    text: Secret,
    /// Its recipient, if the file says so in a comment.
    public: Option<String>,
    /// What it asked for and was told when it last opened something: nobody is asked twice.
    answers: Mutex<BTreeMap<String, Secret>>,
}

impl Identity {
    /// `public` is what a comment before it names as its recipient.
    pub(super) fn parse(text: &str, public: Option<String>) -> Option<Self> {
        let prefix = prefix(text).filter(|_| !text.bytes().any(|byte| byte.is_ascii_lowercase()))?;
        let name = prefix.strip_prefix("AGE-PLUGIN-")?.strip_suffix('-')?.to_ascii_lowercase();
        let answers = Mutex::default();
        is_name(&name).then(|| Self { name, text: Secret::new(text.to_owned()), public, answers })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn public(&self) -> Option<&str> {
        self.public.as_deref()
    }

    /// The file key, if one of the stanzas is for this identity.
    pub(super) fn unwrap(&self, stanzas: &[Stanza]) -> Result<Option<FileKey>, Error> {
        let host = host(&self.name)?;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        talk::unwrap(host, &self.name, &self.text, stanzas, &mut answers, talk::OPENING)
            .map_err(|fault| Error::Plugin(self.name.clone(), fault))
    }
}

/// The recipient that a comment of an identity file names, as plugins write them: one of a plugin's, since a
/// comment may speak of other keys too.
pub(super) fn named_in(comment: &str) -> Option<String> {
    let word = comment.split_ascii_whitespace().last()?;
    Recipient::parse(word).ok().map(|_| word.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn encoded(prefix: &str) -> String {
        age_core::primitives::bech32_encode(bech32::Hrp::parse_unchecked(prefix), b"fixture")
    }

    #[test]
    fn a_comment_names_a_recipient_of_a_plugin_and_nobody_else() {
        let own = encoded("age1fixture");
        assert_eq!(named_in(&format!("#    Recipient: {own}")), Some(own));
        let native = super::super::Identity::generate().public();
        assert_eq!(named_in(&format!("# the paper key is {native}")), None);
        assert_eq!(named_in("# made by hand"), None);
    }

    #[test]
    fn a_name_never_leads_elsewhere() {
        for name in ["../../bin/sh", "a/b", "a\\b", "", "a:b", &"x".repeat(65)] {
            assert!(Recipient::parse(&encoded(&format!("age1{name}"))).is_err(), "{name}");
            let identity = encoded(&format!("AGE-PLUGIN-{}-", name.to_uppercase())).to_uppercase();
            assert!(Identity::parse(&identity, None).is_none(), "{name}");
        }
        let good = encoded("age1fido2-hmac");
        assert_eq!(Recipient::parse(&good).unwrap().name, "fido2-hmac");
        // Upper and mixed case, a wrong checksum, another prefix.
        for bad in
            [good.to_uppercase(), good.replacen('a', "A", 1), format!("{good}q"), encoded("bge1x"), encoded("age")]
        {
            assert!(Recipient::parse(&bad).is_err(), "{bad}");
        }
        let good = encoded("AGE-PLUGIN-X.Y-").to_uppercase();
        assert_eq!(Identity::parse(&good, None).unwrap().name, "x.y");
        assert!(Identity::parse(&good.to_lowercase(), None).is_none());
    }
}
