//! Secret types. They have one exit, `expose`, no `Display`, `Clone` or `Serialize`, and a
//! `Debug` that says nothing. Both are wiped when dropped.

use crate::harden;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// A secret text: the value of a key, a token, an env entry, a passphrase.
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over; spare capacity of the `String` is dropped by the allocator.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The one way out.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// A buffer of secret bytes: a payload, a view, input that was read.
///
/// Not a `SecretBox`: that one overwrites byte by byte, which for megabytes takes longer than
/// decrypting them.
pub struct SecretBuf(Vec<u8>);

impl SecretBuf {
    /// Takes the bytes over; they are wiped when dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The one way out.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The same as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.expose()).ok()
    }

    /// The bytes themselves, for what turned out to be no secret, such as a sealed file.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for SecretBuf {
    fn drop(&mut self) {
        harden::wipe(&mut self.0);
    }
}

impl fmt::Debug for SecretBuf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretBuf(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing() {
        let shown = format!("{:?} {:?}", Secret::new("canary-1".into()), SecretBuf::new(b"canary-2".to_vec()));
        assert_eq!(shown, "Secret(..) SecretBuf(..)");
    }
}
