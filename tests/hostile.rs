//! Bytes that somebody else chose: in the vault file, its header and payload, in files to be
//! imported and in the place of key files. Refused in a word, quickly, in little memory, and
//! nothing is changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Figures of a run, for those who ask with `--nocapture`.
#![allow(clippy::print_stdout)]
#![cfg(target_os = "linux")]

#[path = "hostile/document.rs"]
mod document;
#[path = "hostile/flips.rs"]
mod flips;
#[path = "hostile/forge.rs"]
mod forge;
#[path = "hostile/headers.rs"]
mod headers;
#[path = "hostile/imports.rs"]
mod imports;
#[path = "hostile/limits.rs"]
mod limits;
#[path = "hostile/payloads.rs"]
mod payloads;
#[path = "hostile/places.rs"]
mod places;
#[path = "hostile/taken.rs"]
mod taken;
#[allow(dead_code)] // Shared with tests/crash.rs, which uses all of it.
#[path = "crash/world.rs"]
mod world;
