//! A `.env` of any bytes: read, and an entry taken out, or refused, never a panic.
#![no_main]

use agevault::formats::dotenv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = dotenv::parse(bytes);
    let _ = dotenv::without(bytes, |name| name == "A");
});
