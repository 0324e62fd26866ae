//! A vault that a command has opened.

use crate::store::{Place, Seen};

/// A vault that was opened, and where it is.
pub struct Opened {
    /// Its place.
    pub place: Place,
    /// Its content, not yet believed: [`super::context::Context::check`].
    pub seen: Seen,
}
