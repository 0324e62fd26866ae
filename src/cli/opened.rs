//! A vault that a command has opened.

use super::Error;
use crate::seal::Opener;
use crate::store::{Place, Seen};

/// A vault that was opened, and where it is.
pub struct Opened {
    /// Its place.
    pub place: Place,
    /// Its content, not yet believed: [`super::context::Context::check`].
    pub seen: Seen,
}

/// A vault that was opened before, and the key that did.
pub struct Closed {
    place: Place,
    opener: Opener,
}

impl Opened {
    /// Whether what was opened still is what stands there.
    pub fn is_current(&self) -> bool {
        self.seen.is_current(&self.place).unwrap_or(false)
    }

    /// Forgets the content.
    pub fn close(self) -> Closed {
        Closed { opener: self.seen.opener().clone(), place: self.place }
    }
}

impl Closed {
    /// Reads and opens it again, as it stands now.
    ///
    /// # Errors
    /// A key that fits no more, a damaged file.
    pub fn open(self) -> Result<Opened, Error> {
        let sealed = self.place.read()?;
        let plain = self.opener.open(&sealed)?;
        Ok(Opened { seen: Seen::new(sealed, plain, self.opener), place: self.place })
    }
}
