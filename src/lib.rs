//! agevault keeps the credentials of an OpenClaw gateway in one age-encrypted file.

pub mod formats;
pub mod fsio;
pub mod harden;
pub mod keys;
pub mod model;
pub mod seal;
pub mod secret;
pub mod store;
