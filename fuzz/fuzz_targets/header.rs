//! A sealed file of any bytes: refused or opened, never a panic, never much work.
#![no_main]

use agevault::seal::{self, Identity, Key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = seal::has_slot(bytes);
    if let Ok(slots) = seal::slots(bytes) {
        assert!(slots.len() <= seal::MAX_SLOTS);
    }
    // Not a passphrase: within its bounds an honest header may ask for a second of work.
    let _ = seal::unlock(bytes, Key::Identities(vec![Identity::generate()]));
});
