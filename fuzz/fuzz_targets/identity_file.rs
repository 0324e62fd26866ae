//! A key file of any bytes: keys, or the line that is none and never its text.
#![no_main]

use agevault::seal::{self, Passphrase};
use agevault::secret::SecretBuf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = SecretBuf::new(bytes.to_vec());
    let _ = seal::parse_file(&file);
    let _ = seal::is_encrypted(&file);
    let _ = Passphrase::new(&file);
});
