//! A configuration in JSON5 of any bytes: read or refused, never a panic.
#![no_main]

use agevault::formats::openclaw_config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = openclaw_config::parse(bytes);
});
