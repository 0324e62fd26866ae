//! A configuration in JSON5 of any bytes: read and edited, or refused, never a panic. An edit that would change
//! anything else is refused by itself.
#![no_main]

use agevault::formats::openclaw_config::{self, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(_) = openclaw_config::parse(bytes) else { return };
    for path in [&["a"][..], &["a", "b"], &["gateway", "auth", "token"]] {
        let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
        let _ = openclaw_config::edit(bytes, &[Step::Put(path.clone(), "x".into())]);
        let _ = openclaw_config::edit(bytes, &[Step::Remove(path)]);
    }
});
