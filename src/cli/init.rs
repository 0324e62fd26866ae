//! `init`: makes a vault.

use super::add_recipient::public_half;
use super::args::Init;
use super::context::Context;
use super::environment::default_identity;
use super::{Error, Usage, words};
use crate::fsio::{self, Dir};
use crate::keys::{self, Ask, Source};
use crate::model::{self, Kdf, Label, Recipient};
use crate::seal::{self, Costs, Identity, Opener, Passphrase, Slot};
use crate::secret::SecretBuf;
use crate::store::{self, Place, now};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// Memory of a derivation, in MiB, below which guessing is cheap: nobody gets it unasked.
pub const WEAK_BELOW: u32 = 64;

/// Makes a vault from the recipients that were asked for.
pub fn run(context: &mut Context, args: &Init) -> Result<(), Error> {
    if args.kdf_memory.is_some_and(|mib| Costs::with_memory(mib).is_err()) {
        return Err(Usage::KdfMemory.into());
    }
    let place = Place::prepare(context.vault_path())?;
    if place.exists()? {
        return Err(fsio::Error::Exists(place.path().to_owned()).into());
    }
    if !store::history(&place)?.is_empty() {
        return Err(Error::KeptGenerations);
    }
    let mut recipients = Vec::new();
    let mut proofs = Vec::new();
    let mut elsewhere = false;
    for (at, public) in args.recipient.iter().enumerate() {
        let public = public_half(public)?.ok_or(seal::Error::BadRecipient)?;
        let label = label(&if at == 0 { "recipient".to_owned() } else { format!("recipient {}", at + 1) })?;
        recipients.push(Recipient::new(label, public, None, now()));
        elsewhere = true;
    }
    for source in context.named_identities() {
        for identity in keys::read_identities(&source, &mut context.terminal)? {
            let name = if recipients.is_empty() { "key".to_owned() } else { format!("key {}", recipients.len() + 1) };
            recipients.push(Recipient::new(label(&name)?, identity.public(), None, now()));
            proofs.push(Opener::new(identity));
        }
    }
    let passphrase = wanted_passphrase(context, args)?;
    if let Some(passphrase) = passphrase {
        let (recipient, opener) = passphrase_recipient(context, &passphrase, "passphrase", args.kdf_memory)?;
        recipients.push(recipient);
        proofs.push(opener);
        elsewhere = true;
    }
    let mut keys = BTreeSet::new();
    if let Some(again) = recipients.iter().find(|recipient| !keys.insert(&recipient.public)) {
        return Err(model::Error::Taken(again.label.as_str().to_owned()).into());
    }
    let mut written = None;
    if let Some(path) = &args.generate_identity {
        let path = path.clone().map_or_else(default_identity, Ok)?;
        let note = format!("made by agevault init for {}", words::plain(&place.path().to_string_lossy()));
        let (identity, fresh) = match left_behind(&path, &note, &mut context.terminal) {
            Some(identity) => (identity, false),
            None => {
                let identity = Identity::generate();
                write_identity(&path, &identity, &note)?;
                (identity, true)
            }
        };
        recipients.push(Recipient::new(label("identity")?, identity.public(), None, now()));
        proofs.push(Opener::new(identity));
        written = Some((path, fresh));
    }
    if recipients.is_empty() {
        return Err(Usage::NoRecipient.into());
    }
    let made = match store::create(&context.local, &place, recipients, &proofs, context.patience()) {
        Ok(made) => made,
        Err(error @ store::Error::AfterSave(_)) => return Err(error.into()),
        Err(error) => {
            // A key to a vault that was never made would only be in the way of the next try.
            // One that was there before this command may be the key to another.
            if let Some((path, true)) = &written
                && !place.exists().unwrap_or(true)
            {
                let _ = std::fs::remove_file(path);
            }
            return Err(error.into());
        }
    };
    if context.out.json {
        let identity = written.as_ref().map(|(path, _)| path.display().to_string());
        let (vault, fingerprint) = (place.path().display().to_string(), made.pin.to_string());
        context.out.json(&json!({"version": 1, "vault": vault, "fingerprint": fingerprint, "identity": identity}))?;
    } else {
        context.out.say(&format!("made {}", place.path().display()));
        if let Some((path, fresh)) = &written {
            let did = if *fresh { "wrote identity" } else { "uses the identity that was left at" };
            context.out.say(&format!("{did} {}", path.display()));
        }
        context.out.say(&format!("fingerprint {}", made.pin));
    }
    if !elsewhere {
        context
            .out
            .warn("note: every key to this vault lies on this host; if it is lost, so are the vault and its backups");
        context.out.warn("      agevault recipients add passphrase --label NAME adds one that you can remember");
    }
    Ok(())
}

/// The passphrase that was given, or asked for: on a terminal it is the default when nothing
/// else was named.
fn wanted_passphrase(context: &mut Context, args: &Init) -> Result<Option<Passphrase>, Error> {
    let globals = &context.globals;
    if let Some(source) = context.named_passphrase() {
        return Ok(Some(keys::read_passphrase(&source)?));
    }
    let keys_named = !args.recipient.is_empty() || !globals.identity.is_empty();
    let nothing_named = !keys_named && args.generate_identity.is_none();
    if globals.prompt || (nothing_named && context.terminal.present()) {
        return Ok(Some(keys::read_new_passphrase(None, &mut context.terminal)?));
    }
    Ok(None)
}

/// The identity that an interrupted `init` wrote for the vault at this very place, which never
/// came about. One for another vault is not shared.
fn left_behind(path: &Path, note: &str, ask: &mut dyn Ask) -> Option<Identity> {
    let source = Source::Identity(path.to_owned());
    let file = fsio::read_private(path, keys::MAX_KEY_FILE).ok()?;
    let ours = file.text().is_some_and(|text| text.contains(&format!("\n# {note}\n")));
    let mut identities = ours.then(|| keys::read_identities(&source, ask).ok())??;
    identities.pop().filter(|_| identities.is_empty())
}

/// A label that is known to be one.
pub fn label(text: &str) -> Result<Label, Error> {
    Label::parse(text).ok_or_else(|| Usage::Label.into())
}

/// A new slot for `passphrase`: calibrated, or with the memory that was asked for.
pub fn passphrase_recipient(
    context: &mut Context,
    passphrase: &Passphrase,
    name: &str,
    memory: Option<u32>,
) -> Result<(Recipient, Opener), Error> {
    const SHORT: usize = 12;
    if passphrase.chars() < SHORT {
        context
            .out
            .warn("warning: a short passphrase is guessed by whoever gets the file; several random words are better");
    }
    let label = label(name)?;
    let slow = context.terminal.slow();
    let chosen = |mib| Costs::with_memory(mib).map_err(|_| Error::from(Usage::KdfMemory));
    let costs = memory.map_or_else(|| Ok(seal::calibrate()?), chosen)?;
    let slot = Slot::generate(costs)?;
    let (recipient, identity) = slot.recipient(passphrase)?;
    drop(slow);
    if costs.memory_mib() < WEAK_BELOW {
        context.out.warn("warning: less than 64 MiB of memory makes guessing cheap");
    }
    let (m, t, p) = costs.parts();
    let kdf = Kdf { salt: slot.salt(), m, t, p };
    Ok((Recipient::new(label, recipient.public(), Some(kdf), now()), Opener::new(identity)))
}

/// Writes an identity file, 0600, where nothing is.
pub fn write_identity(path: &Path, identity: &Identity, note: &str) -> Result<(), Error> {
    let text = identity.to_file(&jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), note);
    write_new(path, &text.ok_or(Usage::NotPassphrase)?)
}

/// Writes a secret to a file, 0600, where nothing is.
pub fn write_new(path: &Path, text: &SecretBuf) -> Result<(), Error> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let dir = match Dir::open(&fsio::real_path(parent).unwrap_or_else(|_| parent.to_owned())) {
        Ok(dir) => dir,
        Err(error) if error.is_not_found() => Dir::open_or_create_private(parent)?,
        Err(error) => return Err(error.into()),
    };
    let name = path.file_name().ok_or_else(|| fsio::Error::Kind(path.to_owned()))?;
    fsio::write_new(&dir, name, text.expose()).map_err(|error| match error {
        fsio::Error::Exists(_) => fsio::Error::Exists(path.to_owned()).into(),
        other => other.into(),
    })
}
