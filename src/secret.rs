//! Secret types. They have one exit, `expose`, no `Display`, `Clone` or `Serialize`, and a
//! `Debug` that says nothing. Both are built on `secrecy` and wiped when dropped.

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
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
pub struct SecretBuf(SecretBox<Vec<u8>>);

impl SecretBuf {
    /// Takes the bytes over; the whole capacity is wiped when dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// The one way out.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The same as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.expose()).ok()
    }

    /// The bytes themselves, for what turned out to be no secret, such as a sealed file.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(self.0.expose_secret_mut())
    }

    /// Shortens in place; the rest is wiped with the buffer.
    pub fn truncate(&mut self, len: usize) {
        self.0.expose_secret_mut().truncate(len);
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
