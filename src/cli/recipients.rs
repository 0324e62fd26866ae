//! `recipients`: who can open the vault.

use super::args::{NewPassphrase, Recipients};
use super::context::{Context, Opened};
use super::init::{label, write_identity};
use super::out::columns;
use super::{Error, Usage, add_recipient, exposed, key_change};
use crate::keys::{self, Source};
use crate::model::{self, Change, Label, Op, Recipient, RecipientKind, Vault};
use crate::seal::{self, Opener};
use serde_json::json;
use std::path::Path;

/// One of the verbs.
pub fn run(context: &mut Context, args: &Recipients) -> Result<(), Error> {
    match args {
        Recipients::List => list(context),
        Recipients::Add(args) => add_recipient::run(context, args),
        Recipients::Remove { label, drop_unreadable } => key_change::remove(context, label, *drop_unreadable),
        Recipients::Exposed { label, waive } => exposed::run(context, label.as_deref(), waive),
        Recipients::Rename { old, new } => rename(context, old, new),
        Recipients::ExportIdentity { out, .. } if out.as_os_str() == "-" => Err(Usage::KeyToStdout.into()),
        Recipients::ExportIdentity { label, out } => export_identity(context, label, out),
    }
}

fn list(context: &mut Context) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let used = opened.seen.opener().public();
    let recipients = &checked.vault.recipients;
    if context.out.json {
        let one = |recipient: &Recipient| {
            let kdf = recipient.kdf.as_ref().map(|kdf| json!({"memory_kib": kdf.m, "passes": kdf.t, "lanes": kdf.p}));
            json!({
                "label": recipient.label, "kind": recipient.kind.word(), "public": recipient.public,
                "added": recipient.added, "kdf": kdf, "used": recipient.public == used,
            })
        };
        let all: Vec<serde_json::Value> = recipients.iter().map(one).collect();
        return context.out.json(&json!({"version": 1, "recipients": all}));
    }
    let rows: Vec<Vec<String>> = recipients.iter().map(|recipient| row(recipient, &used)).collect();
    columns(&rows).iter().try_for_each(|line| context.out.line(line))
}

/// Label, kind with its cost, public half, and whether it is the one in use.
fn row(recipient: &Recipient, used: &str) -> Vec<String> {
    let kind = match recipient.memory_mib() {
        0 => recipient.kind.word().to_owned(),
        mib => format!("{} ({mib} MiB)", recipient.kind.word()),
    };
    let mark = if recipient.public == used { "in use" } else { "" };
    vec![recipient.label.as_str().to_owned(), kind, recipient.public.clone(), mark.to_owned()]
}

/// Where a new passphrase was said to come from.
pub fn source(new: &NewPassphrase) -> Option<Source> {
    let file = new.new_passphrase_file.clone().map(Source::PassphraseFile);
    new.new_passphrase_fd.map(Source::PassphraseFd).or(file)
}

fn rename(context: &mut Context, old: &str, new: &str) -> Result<(), Error> {
    let change = Change::of(Op::RenameRecipient(label(old)?, label(new)?));
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    context.save(&opened, checked, change)?;
    context.out.say(&format!("renamed {old} to {new}"));
    Ok(())
}

/// The escape hatch: the identity that a passphrase leads to, for stock age (facts of F3).
fn export_identity(context: &mut Context, name: &str, out: &Path) -> Result<(), Error> {
    let label = label(name)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let recipient = find(&checked.vault, &label)?;
    if recipient.kind != RecipientKind::Passphrase {
        return Err(Usage::NotPassphrase.into());
    }
    let opener = opener_of(context, &opened, recipient)?;
    let identity =
        opener.as_ref().unwrap_or_else(|| opened.seen.opener()).identity().ok_or(Usage::NeedsItsPassphrase)?;
    write_identity(out, identity, "opens an agevault vault without its passphrase")?;
    context.out.say(&format!("wrote {}", out.display()));
    context.out.warn("warning: this file opens the vault without the passphrase, until agevault passwd changes it");
    Ok(())
}

/// `None` if the key in use is this recipient's own; else its passphrase is asked for.
fn opener_of(context: &mut Context, opened: &Opened, recipient: &Recipient) -> Result<Option<Opener>, Error> {
    if opened.seen.opener().public() == recipient.public {
        return Ok(None);
    }
    let kdf = recipient.kdf.as_ref().ok_or(Usage::NotPassphrase)?;
    let slot = seal::Slot::parse(&kdf.salt, kdf.m, kdf.t, kdf.p)?;
    let labels = [recipient.label.as_str().to_owned()];
    let prompt = keys::Prompt::Vault(opened.place.path(), &labels);
    let passphrase = keys::Ask::passphrase(&mut context.terminal, &prompt).map_err(|error| match error {
        keys::Error::NoTerminal => Usage::NeedsItsPassphrase.into(),
        other => Error::from(other),
    })?;
    let slow = keys::Ask::slow(&mut context.terminal);
    let (derived, identity) = slot.recipient(&passphrase)?;
    drop(slow);
    if derived.public() != recipient.public {
        return Err(keys::Error::Wrong(Source::Prompt).into());
    }
    Ok(Some(Opener::new(identity)))
}

/// The recipient of a label.
pub fn find<'v>(vault: &'v Vault<'_>, label: &Label) -> Result<&'v Recipient, Error> {
    let found = vault.recipients.iter().find(|have| have.label == *label);
    found.ok_or_else(|| model::Error::NoEntry(label.as_str().to_owned()).into())
}
