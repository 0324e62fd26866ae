//! A document of any text: what is taken is written back as the same document.
#![no_main]

use agevault::model::{Credential, SecretId, Vault};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut vault) = Vault::parse(text) else { return };
    let ids: Vec<SecretId> = vault.ids().collect();
    for id in &ids {
        if let (SecretId::Auth(..), Some(raw)) = (id, vault.get(id)) {
            let _ = Credential::parse("p", raw);
        }
        let _ = vault.meta_of(id);
    }
    let Ok(written) = vault.render(text.len()) else { return };
    let again = Vault::parse(written.text().unwrap_or_default());
    let again = again.unwrap_or_else(|error| panic!("written and not read: {error:?}"));
    assert!(vault.ids().eq(again.ids()));
    let rendered = again.render(text.len()).map(|twice| twice.expose().to_vec());
    assert_eq!(rendered.ok().as_deref(), Some(written.expose()));
});
