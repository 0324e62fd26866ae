//! `recipients remove` and `passwd`: after them a key opens nothing here any more.

use super::args::Passwd;
use super::context::{Context, Opened};
use super::init::{WEAK_BELOW, label, passphrase_recipient};
use super::recipients::{find, source};
use super::{Error, Usage, handover, words};
use crate::model::{self, Change, Op, Recipient, RecipientKind, Vault};
use crate::seal::Opener;
use crate::store::{self, Checked, Heir, Keys, Opens, Unreadable, rotation};
use crate::{fsio, keys};
use std::path::Path;

/// Removes a recipient, rotates the vault secret, seals kept generations anew.
pub fn remove(context: &mut Context, name: &str, drop_unreadable: bool) -> Result<(), Error> {
    let label = label(name)?;
    let opened = context.open_with_all()?;
    let checked = context.check(&opened)?;
    let removed_last = store::last_removed(&checked.vault).is_some_and(|last| last == name);
    if removed_last && find(&checked.vault, &label).is_err() && store::is_unfinished(&opened.place, &checked.vault)? {
        // It was removed by a command that did not come to its end.
        let vault_id = checked.vault.vault_id.clone();
        let unreadable = if drop_unreadable { Unreadable::Drop } else { Unreadable::Refuse };
        let edit = context.edit(&opened);
        let keys = Keys { proof: opened.seen.opener(), heir: None, known: Vec::new(), beside: Vec::new() };
        edit.save_resealing(checked, Change::default(), keys, unreadable)?;
        super::sweep::after_save(context, &opened, opened.seen.opener(), &vault_id);
        context.out.say(&format!("finished the removal of {name}"));
        return strangers(context, &opened);
    }
    let vault_id = checked.vault.vault_id.clone();
    let leaving = find(&checked.vault, &label)?.clone();
    if checked.vault.recipients.len() == 1 {
        return Err(model::Error::LastRecipient.into());
    }
    // What is written is opened with a key at hand, so that one must stay.
    let (mut staying, mut is_at_hand) = (Vec::new(), false);
    for key in opened.seen.opener().all() {
        if stays(key, &checked.vault, &leaving)? {
            staying.push(key);
        } else {
            is_at_hand |= is_key_of(key, &leaving);
        }
    }
    let proof = *staying.first().ok_or(Usage::RemovesItself)?;
    // If the leaving key is at hand too, one of the remaining keys replaces it: which one must be unambiguous.
    if is_at_hand && staying.len() > 1 {
        return Err(Usage::SeveralStay.into());
    }
    if !is_at_hand && checked.vault.recipients.iter().all(|one| one.public == leaving.public || is_here(&opened, one)) {
        context.out.warn(
            "warning: every remaining key to this vault is on this host; if the host is lost, so are the vault and its backups",
        );
        context.terminal.confirm(&format!("remove {name}?"))?;
    }
    let heir = if is_at_hand { own(proof, &checked.vault, &leaving).cloned() } else { None };
    let mut change = Change::of(Op::RemoveRecipient(label));
    change.push(Op::Rotate(rotation(&checked.vault)?));
    let readable = store::readable(&checked.vault);
    let inherits = heir.as_ref().map(|heir| Heir { of: leaving.public.clone(), key: heir.public.clone() });
    save(
        context,
        &opened,
        checked,
        change,
        Keys { proof, heir: inherits, known: Vec::new(), beside: Vec::new() },
        drop_unreadable,
    )?;
    context.out.say(&format!("removed {name}; it opens neither the vault nor its kept generations any more"));
    if let Some(heir) = heir {
        context.out.say(&format!("{} opens the kept generations that {name} opened", heir.label.as_str()));
    }
    if readable > 0 {
        let secrets = words::count(readable, "secret", "secrets");
        context.out.warn(&format!(
            "note: that key could read {secrets}: rotate them at their providers; agevault recipients exposed lists what is left"
        ));
    }
    backups(context, &opened, &vault_id, &leaving.public);
    context.end_stale_session();
    for option in ["-i", "--passphrase-file"] {
        if let Some(file) = handover::resolver_option(context, &vault_id, option) {
            let file = words::path(&file);
            context.out.warn(&format!(
                "note: the gateway opens the vault with {option} {file}; agevault resolve --check tells whether it still does"
            ));
        }
    }
    strangers(context, &opened)
}

/// Whether a recipient's key is an identity or SSH key given to this command, and so on this host. A key that is not
/// given is not looked for.
pub fn is_here(opened: &Opened, recipient: &Recipient) -> bool {
    let is_file = matches!(recipient.kind, RecipientKind::X25519 | RecipientKind::Ssh);
    is_file && opened.seen.opener().all().any(|key| key.public() == recipient.public)
}

/// Whether `key` belongs to `recipient`. A plugin's key that names another recipient, or none, is tried. An error
/// counts as no, since a plugin may fail on a file that is not sealed to it.
fn is_key_of(key: &Opener, recipient: &Recipient) -> bool {
    let opens = || key.opens(&store::recipients([recipient]).ok()?).ok();
    key.public() == recipient.public || (key.plugin().is_some() && opens() == Some(true))
}

/// The recipient, other than `leaving`, to which this key belongs.
fn own<'v>(key: &Opener, vault: &'v Vault<'_>, leaving: &Recipient) -> Option<&'v Recipient> {
    let mut others: Vec<&Recipient> = vault.recipients.iter().filter(|one| one.public != leaving.public).collect();
    // A plugin runs once per recipient until one matches: the most likely ones, plugin recipients, come first.
    others.sort_by_key(|one| (one.public != key.public(), one.kind != RecipientKind::Plugin));
    others.into_iter().find(|one| is_key_of(key, one))
}

/// Whether a key at hand opens the vault without `leaving`.
fn stays(in_use: &Opener, vault: &Vault<'_>, leaving: &Recipient) -> Result<bool, Error> {
    let Some(plugin) = in_use.plugin() else {
        return Ok(vault.recipients.iter().any(|have| have.public == in_use.public() && have.public != leaving.public));
    };
    // Which one it is is known to its plugin alone, and it may be of any kind: a native one on an OpenPGP card.
    let own = format!("age1{plugin}1");
    let left: Vec<&Recipient> = vault.recipients.iter().filter(|have| have.public != leaving.public).collect();
    let is_only = leaving.public.starts_with(&own) && left.iter().all(|have| have.kind != RecipientKind::Plugin);
    Ok(!is_only && in_use.opens(&store::recipients(left)?)?)
}

/// Names the backups that a removed key still opens.
fn backups(context: &Context, opened: &Opened, vault_id: &str, leaving: &str) {
    const SHOWN: usize = 10;
    // The removal is done: a record that cannot be read is no reason to fail.
    let mut found =
        store::backups_of(&context.local, &opened.place, vault_id, opened.seen.opener(), leaving).unwrap_or_default();
    found.reverse();
    let known = if found.is_empty() { "none is known here" } else { "known here:" };
    context.out.warn(&format!("note: backups made before still open with it; {known}"));
    for (path, opens) in found.iter().take(SHOWN) {
        let perhaps = if *opens == Opens::Perhaps { " (perhaps; the key at hand does not open it)" } else { "" };
        context.out.warn(&format!("  {}{perhaps}", words::plain(&path.to_string_lossy())));
    }
    if let more @ 1.. = found.len().saturating_sub(SHOWN) {
        context.out.warn(&format!("  and {more} more beside them"));
    }
    let kept = store::kept_sealed(&opened.place);
    if let Some(first) = kept.first() {
        let (count, first) = (words::count(kept.len(), "file", "files"), words::plain(&first.to_string_lossy()));
        context.out.warn(&format!("  and {count} that connect has sealed, such as {first}; remove what is not needed"));
    }
}

/// Names age files beside the vault that are not its own and that nobody sealed anew.
fn strangers(context: &Context, opened: &Opened) -> Result<(), Error> {
    // The removal is done: what cannot be looked through is told, and no failure.
    let Ok(found) = store::strangers(&opened.place) else {
        context
            .out
            .warn("note: the vault's directory cannot be looked through for other files that still open with it");
        return Ok(());
    };
    for path in found {
        let path = words::plain(&path.to_string_lossy());
        context.out.warn(&format!("note: {path} is not one of the vault's own files and may still open with it"));
    }
    Ok(())
}

/// Replaces a passphrase: a new slot with a new salt under the old label.
pub fn passwd(context: &mut Context, args: &Passwd) -> Result<(), Error> {
    let opened = context.open_with_all()?;
    let checked = context.check(&opened)?;
    let old = which(&checked, args.label.as_deref())?;
    let passphrase = keys::read_new_passphrase(source(&args.new).as_ref(), &mut context.terminal)?;
    let name = old.label.as_str().to_owned();
    let vault_id = checked.vault.vault_id.clone();
    let others = checked.vault.recipients.iter().filter(|have| have.kind == RecipientKind::Passphrase).count() > 1;
    // Whoever has chosen them for a small machine has not chosen anew.
    let kept = Some(old.memory_mib()).filter(|mib| *mib >= WEAK_BELOW);
    let (new, opener) = passphrase_recipient(context, &passphrase, &name, args.new.kdf_memory.or(kept))?;
    let memory = new.memory_mib();
    let key = new.public.clone();
    let mut change = Change::of(Op::ReplaceRecipient(old.label.clone(), new));
    change.push(Op::Rotate(rotation(&checked.vault)?));
    // The new passphrase opens kept generations only if the old one is at hand.
    let is_at_hand = opened.seen.opener().all().any(|key| key.public() == old.public);
    let heir = is_at_hand.then(|| Heir { of: old.public.clone(), key });
    let keys = Keys { proof: &opener, heir, known: Vec::new(), beside: Vec::new() };
    save(context, &opened, checked, change, keys, args.drop_unreadable)?;
    context.out.say(&format!("changed {name}; it needs {memory} MiB of memory"));
    if !is_at_hand {
        context.out.warn("note: the new passphrase opens no kept generations, because the old one was not given");
    }
    context.out.warn("note: backups made before still open with the old passphrase");
    context.out.warn("note: if somebody else knew it, rotate what the vault held at its providers");
    context.end_stale_session();
    tell_resolver(context, &vault_id, args.new.new_passphrase_file.as_deref(), others);
    Ok(())
}

/// A gateway opens the vault by itself with a file that holds the passphrase: it has to be told too. With `others`
/// that file may be about another one. `written` is the file that the new passphrase came from.
fn tell_resolver(context: &Context, vault_id: &str, written: Option<&Path>, others: bool) {
    let Some(file) = handover::resolver_option(context, vault_id, "--passphrase-file") else { return };
    if written.is_some_and(|written| fsio::real_or_same(written) == fsio::real_or_same(&file)) {
        return;
    }
    let which = if others { "if that is the old passphrase, write" } else { "write" };
    context.out.warn(&format!(
        "note: the gateway opens the vault with --passphrase-file {}: {which} the new one there, or it gets no secrets; \
         agevault resolve --check tells",
        words::path(&file)
    ));
}

fn which(checked: &Checked<'_>, name: Option<&str>) -> Result<Recipient, Error> {
    if let Some(name) = name {
        let found = find(&checked.vault, &label(name)?)?;
        return if found.kind == RecipientKind::Passphrase {
            Ok(found.clone())
        } else {
            Err(Usage::NotPassphrase.into())
        };
    }
    let mut slots = checked.vault.recipients.iter().filter(|have| have.kind == RecipientKind::Passphrase);
    match (slots.next(), slots.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) => Err(Usage::NoPassphrase.into()),
        _ => Err(Usage::WhichPassphrase.into()),
    }
}

fn save(
    context: &Context,
    opened: &Opened,
    checked: Checked<'_>,
    change: Change,
    keys: Keys<'_>,
    drop_unreadable: bool,
) -> Result<(), Error> {
    let unreadable = if drop_unreadable { Unreadable::Drop } else { Unreadable::Refuse };
    let vault_id = checked.vault.vault_id.clone();
    let proof = keys.proof;
    let saved = context.edit(opened).save_resealing(checked, change, keys, unreadable)?;
    super::sweep::after_save(context, opened, proof, &vault_id);
    context.out.say(&format!("the vault's fingerprint is now {}", saved.pin));
    context.out.say("update it where the old one is noted: --pin of services and containers, recovery kits, notes");
    if !saved.dropped.is_empty() {
        let (count, names) = (words::count(saved.dropped.len(), "kept generation", "kept generations"), saved.dropped);
        context.out.warn(&format!("note: gave up {count} that no key at hand opens: {}", names.join(", ")));
    }
    Ok(())
}
