//! Jobs that join worlds: one file each; no format, no cryptography, no words.

pub mod capture;
pub mod connect;
pub mod export;
pub mod exported;
pub mod health;
pub mod import;
pub mod intake;
pub mod join;
pub mod judge;
pub mod ledger;
pub mod resolve;
pub mod run;
pub mod sweep;
pub mod wipe;
