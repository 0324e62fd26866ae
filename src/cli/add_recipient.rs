//! `recipients add`: one more way to open the vault.

use super::args::{NewPassphrase, NewRecipient};
use super::context::Context;
use super::init::{label, passphrase_recipient};
use super::recipients::source;
use super::{Error, Usage, recovery};
use crate::fsio;
use crate::keys::{self, Source};
use crate::model::{self, Change, Op, Recipient, RecipientKind};
use crate::seal::{self, Opener};
use crate::store::{Checked, now};
use std::io;
use std::path::Path;

/// Largest file of a public key, in bytes.
const MAX_PUBLIC_FILE: usize = 64 * 1024;

/// Of a plugin's identity without the usual comment.
const NO_RECIPIENT: &str = "does not say which recipient it belongs to, so add that one, age1...";

/// What was named to be added.
enum New {
    /// A passphrase that somebody is still to choose.
    Passphrase,
    /// A public half; nobody here has its other one.
    Public(String),
    /// A key that is at hand.
    Key(Opener),
}

/// Adds what was named.
pub fn run(context: &mut Context, args: &NewRecipient) -> Result<(), Error> {
    if args.recovery {
        return recovery::run(context, args);
    }
    let name = args.label.as_deref().unwrap_or_default();
    let label = label(name)?;
    // Before anybody types: names and strings that cannot be used.
    let what = read(context, args.recipient.as_deref().unwrap_or_default(), &args.new)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    if checked.vault.recipients.iter().any(|have| have.label == label) {
        return Err(model::Error::Taken(name.to_owned()).into());
    }
    let (recipient, proof) = match what {
        New::Passphrase => passphrase(context, &checked, name, &args.new)?,
        New::Public(public) => (Recipient::new(label, public, None, now()), None),
        New::Key(opener) => (Recipient::new(label, opener.public(), None, now()), Some(opener)),
    };
    if let Some(proof) = &proof {
        fits(proof, &recipient)?;
    }
    if let Some(same) = checked.vault.recipients.iter().find(|have| have.public == recipient.public) {
        return Err(model::Error::Taken(same.label.as_str().to_owned()).into());
    }
    if proof.is_none() {
        let who = &recipient.public;
        context.terminal.confirm(&format!("whoever has the identity of {who} will read every secret here; add it?"))?;
    }
    let kind = recipient.kind.word();
    let by_plugin = seal::Recipient::parse(&recipient.public, None).is_ok_and(|parsed| parsed.needs_plugin());
    context.save_with(&opened, checked, Change::of(Op::AddRecipient(recipient)), proof.as_ref())?;
    context.out.say(&format!("added {name} ({kind})"));
    if by_plugin {
        context.out.warn("note: from now on every save needs this plugin, those of unattended commands too");
    }
    Ok(())
}

/// A key that does not open what is sealed to the recipient that it names is told before anything is saved.
fn fits(proof: &Opener, recipient: &Recipient) -> Result<(), Error> {
    let is_it = proof.plugin().is_none() || proof.opens(&[seal::Recipient::parse(&recipient.public, None)?])?;
    if is_it { Ok(()) } else { Err(Usage::OtherRecipient.into()) }
}

/// What `text` names: the word `passphrase`, a recipient, or a file with a key or its public half.
fn read(context: &mut Context, text: &str, new: &NewPassphrase) -> Result<New, Error> {
    if text == "passphrase" {
        return Ok(New::Passphrase);
    }
    if source(new).is_some() || new.kdf_memory.is_some() {
        return Err(Usage::OptionsWithoutPassphrase.into());
    }
    if begins(text, "AGE-SECRET-KEY-") || begins(text, "AGE-PLUGIN-") {
        return Err(Usage::KeyInArgs.into());
    }
    let path = Path::new(text);
    if let Some(public) = public_half(text)? {
        Ok(New::Public(public))
    } else if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        Err(Usage::NeitherRecipientNorFile.into())
    } else {
        Ok(New::Key(identity_of(context, path)?))
    }
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
}

/// The recipient that `text` is, or that is in the file `*.pub` which it names; `None` if it is neither.
///
/// # Errors
/// A recipient that cannot be used, a file that holds none.
pub fn public_half(text: &str) -> Result<Option<String>, Error> {
    // As long as one of age's, or almost.
    const LONG: usize = 50;
    let path = Path::new(text);
    if begins(text, "age1") || begins(text, "ssh-") || seal::is_ssh_public(text) {
        let whole = begins(text, "age1") && text.len() >= LONG && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return match seal::Recipient::parse(text, None) {
            Err(seal::Error::BadRecipient) if whole => Err(Usage::RecipientMistyped.into()),
            parsed => Ok(Some(parsed?.public())),
        };
    }
    let is_file = path.extension().is_some_and(|extension| extension == "pub") && path.symlink_metadata().is_ok();
    is_file.then(|| public_file(path)).transpose()
}

/// The one recipient in a file such as `id_ed25519.pub`.
fn public_file(path: &Path) -> Result<String, Error> {
    let file = fsio::read_capped(path, MAX_PUBLIC_FILE)?;
    let text = file.text().ok_or(seal::Error::BadRecipient)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(one), None) => Ok(seal::Recipient::parse(one, None)?.public()),
        _ => Err(seal::Error::BadRecipient.into()),
    }
}

fn passphrase(
    context: &mut Context,
    checked: &Checked<'_>,
    name: &str,
    new: &NewPassphrase,
) -> Result<(Recipient, Option<Opener>), Error> {
    let slots = checked.vault.recipients.iter().filter(|have| have.kind == RecipientKind::Passphrase).count();
    if slots >= seal::MAX_SLOTS {
        return Err(model::Error::Slots(seal::MAX_SLOTS).into());
    }
    let passphrase = keys::read_new_passphrase(source(new).as_ref(), &mut context.terminal)?;
    let (recipient, opener) = passphrase_recipient(context, &passphrase, name, new.kdf_memory)?;
    Ok((recipient, Some(opener)))
}

/// The one identity in a key file.
fn identity_of(context: &mut Context, path: &Path) -> Result<Opener, Error> {
    let source = Source::Identity(path.to_owned());
    let mut identities = keys::read_identities(&source, &mut context.terminal)?;
    match (identities.pop(), identities.is_empty()) {
        (Some(one), true) if one.public().is_empty() => {
            Err(keys::Error::Unusable(source, seal::Error::BadIdentity(0, NO_RECIPIENT)).into())
        }
        (Some(one), true) => Ok(Opener::new(one)),
        _ => Err(keys::Error::Unusable(source, seal::Error::BadIdentity(0, "holds several identities")).into()),
    }
}
