//! agevault keeps the credentials of an OpenClaw gateway in one age-encrypted file.
//!
//! The map of the house. Every module may use those below it, never one beside or above it;
//! `tests/layers.rs` enforces that.
//!
//! | layer | module | what it owns |
//! |---|---|---|
//! | 6 | [`cli`] | words, options, prompts, environment variables, exit codes |
//! | 5 | [`ops`] | jobs that join worlds: import, export, capture, wipe, health |
//! | 4 | [`store`] | the vault file: reading, the one write path, snapshots, trust |
//! | 4 | [`keys`] | where the opening key comes from |
//! | 4 | [`gateway`] | the gateway's state directory and databases |
//! | 4 | [`views`] | plaintext views as files, and the ledger of them |
//! | 3 | [`formats`] | foreign formats, reader and writer together |
//! | 3 | [`session`] | the process that holds a key for a time |
//! | 2 | [`fsio`] | files: owners, modes, atomic replacing, locks |
//! | 2 | [`model`] | the document: ids, codec, changes |
//! | 2 | [`seal`] | bytes to sealed bytes and back; the only user of `age` |
//! | 1 | [`secret`] | secret types with one exit |
//! | 0 | [`harden`] | the only `unsafe` |
//!
//! The way of a secret from the file to a view: [`store::Place::read`] gives sealed bytes,
//! [`keys::unlock`] opens them with [`seal`], [`store::check`] believes them, [`model::Vault`]
//! selects a slice of the text, [`formats`] renders it, and one outlet ([`cli`]'s standard
//! output or [`views`]' private file) hands it over. The way back: input becomes a
//! [`model::Change`], which [`store::Edit`] alone can save.

pub mod cli;
pub mod formats;
pub mod fsio;
pub mod gateway;
pub mod harden;
pub mod keys;
pub mod model;
pub mod ops;
pub mod seal;
pub mod secret;
pub mod session;
pub mod store;
pub mod views;
