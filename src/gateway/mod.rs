//! The gateway's side of the disk: which state directory it uses, and what lies in it.

mod state_dir;
mod version;

pub use state_dir::{Found, Settings, Shape, find, open, resolve};
pub use version::{Era, Installed, Known, Version, installed, known, store_in};

use crate::fsio;

/// What can be wrong with a gateway's state directory.
#[derive(Debug)]
pub enum Error {
    /// A file or directory.
    File(fsio::Error),
    /// The home directory is not known.
    NoHome,
    /// Nothing that could be imported lies there.
    Empty(std::path::PathBuf),
}

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::File(error)
    }
}
