//! Argon2 itself, with the costs of a vault: what an unlock by passphrase cannot go below.

use crate::Result;
use argon2::{Algorithm, Argon2, Params, Version};
use std::time::{Duration, Instant};

/// The costs in the passphrase's stanza: `-> agevault/argon2id/v1 SALT M T P`.
pub fn costs(vault: &[u8]) -> Result<Params> {
    let header = String::from_utf8_lossy(vault.get(..4096).unwrap_or(vault));
    let stanza = header.lines().find_map(|line| line.strip_prefix("-> agevault/argon2id/v1 "));
    let numbers: Vec<u32> = stanza.unwrap_or_default().split(' ').skip(1).flat_map(str::parse).collect();
    match numbers[..] {
        [m, t, p] => Params::new(m, t, p, Some(32)).map_err(|error| error.to_string().into()),
        _ => Err("the vault has no passphrase stanza".into()),
    }
}

pub fn derive(params: &Params, passphrase: &str) -> Result<Duration> {
    let mut seed = [0; 32];
    let start = Instant::now();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into(passphrase.as_bytes(), &[7; 16], &mut seed)
        .map_err(|error| error.to_string())?;
    std::hint::black_box(seed);
    Ok(start.elapsed())
}
