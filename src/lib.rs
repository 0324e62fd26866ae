//! agevault keeps the credentials of an OpenClaw gateway in one age-encrypted file.

pub mod formats;
pub mod fsio;
pub mod gateway;
pub mod harden;
pub mod keys;
pub mod model;
pub mod ops;
pub mod seal;
pub mod secret;
pub mod store;
pub mod views;
