//! Any text as an id: what is one has one spelling.
#![no_main]

use agevault::model::SecretId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = SecretId::parse(text) {
        let spelled = id.to_string();
        assert_eq!(SecretId::parse(&spelled).ok().as_ref(), Some(&id), "{spelled}");
    }
});
