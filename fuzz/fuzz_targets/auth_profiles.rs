//! A credential store, in any of its shapes of any bytes: read or refused, never a panic.
#![no_main]

use agevault::formats::auth_profiles;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = auth_profiles::parse(bytes);
    let _ = auth_profiles::parse_legacy_oauth(bytes);
    let _ = auth_profiles::parse_state(bytes);
});
