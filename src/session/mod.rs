//! A process of ours that holds one key, for one vault, for a time.
//!
//! [`start`] gives a key to a new process ([`serve`] is what that does), which locks its page into memory and
//! answers at a socket in a directory of ours: what it holds ([`Session::find`]), the file key of a header (it is a
//! [`Holder`](crate::seal::Holder)), and [`Session::lock`], by which it ends. It never sees a vault, knows no
//! passphrase, and nothing that is asked makes it live longer.

mod client;
mod given;
mod protocol;
mod server;

pub use client::{Session, start};
pub use server::serve;

use crate::fsio;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why there is no session.
#[derive(Debug)]
pub enum Error {
    /// The directory of its socket.
    File(fsio::Error),
    /// The process could not be started, or did not say that it serves.
    Start,
    /// It did not end when it was asked to.
    Stays,
    /// What was given to the process is not what [`start`] gives.
    Foreign,
}

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::File(error)
    }
}

/// What a session is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The directory of its socket, made if missing (0700).
    pub dir: PathBuf,
    /// The real path of the vault.
    pub vault: PathBuf,
    /// The id of the vault.
    pub vault_id: String,
    /// The one message that it may tag: what `store` makes of the vault as it was checked.
    pub vouched: Vec<u8>,
    /// How long it may last, sleep of the machine included; `None` is until the next boot.
    pub lasts: Option<Duration>,
}

/// The socket of the session for the vault with this real path: one for each vault.
pub fn socket(dir: &Path, vault: &Path) -> PathBuf {
    dir.join(name(vault))
}

fn name(vault: &Path) -> OsString {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(vault.as_os_str().as_bytes());
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{short}.sock").into()
}
