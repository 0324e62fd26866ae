//! The story that the tests start from: a gateway's state directory, imported into a vault that an
//! identity and a passphrase open, and exported again.

use crate::place::{Place, copy_private, stdout_of};
use crate::tools;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Vault {
    pub place: Place,
    /// The state directory as it was before the import; the vault has read it, nothing else has.
    pub original: PathBuf,
    pub identity: PathBuf,
    pub passphrase: PathBuf,
    pub file: PathBuf,
}

impl Vault {
    pub fn imported() -> Self {
        let place = Place::new();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openclaw-state");
        let original = place.path("openclaw");
        copy_private(&fixture, &original);
        let identity = place.path("identity.txt");
        let passphrase = place.file("passphrase", b"correct horse battery staple\n");
        let file = place.path("data/agevault/vault.age");

        let mut generate = std::ffi::OsString::from("--generate-identity=");
        generate.push(&identity);
        stdout_of(
            place
                .agevault()
                .arg("init")
                .arg(generate)
                .arg("--passphrase-file")
                .arg(&passphrase)
                .args(["--kdf-memory", "8"]),
        );
        let vault = Self { place, original, identity, passphrase, file };
        stdout_of(vault.agevault().arg("import").arg(&vault.original));
        vault
    }

    /// The binary, with the identity to open the vault.
    pub fn agevault(&self) -> Command {
        let mut command = self.place.agevault();
        command.arg("-i").arg(&self.identity);
        command
    }

    pub fn exported(&self) -> PathBuf {
        let dir = self.place.path("views");
        stdout_of(self.agevault().arg("export").arg(&dir).arg("--on-disk"));
        dir
    }

    /// The document, read by a tool that is not ours.
    pub fn payload(&self) -> Value {
        let mut age = self.place.command(tools::age());
        let bytes = stdout_of(age.arg("-d").arg("-i").arg(&self.identity).arg(&self.file));
        serde_json::from_slice(&bytes).expect("a payload that is JSON")
    }
}

/// The strings anywhere in a document.
pub fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}
