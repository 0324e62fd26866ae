//! What this host holds to once it has believed a vault (DESIGN F9).

use super::local::{Known, Local, Slot};
use super::{Checked, Error, Pin, Place, Trust, pin};
use crate::model::Vault;

/// Whether somebody stands behind a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    /// A person compared it, gave it, or made the vault.
    Yes,
    /// As much as of the vault that was saved.
    Saved,
    /// Nobody does: a tag or the succession spoke for it.
    Believed,
}

/// Remembers a vault whose fingerprint somebody has compared or given, whatever was known before.
///
/// # Errors
/// When local state cannot be written.
pub fn confirm(local: &Local, place: &Place, checked: &Checked<'_>) -> Result<(), Error> {
    let _lock = local.lock_known(&checked.vault.vault_id)?;
    remember(local, place, &checked.vault, Sure::Yes)
}

/// Holds to a vault that was believed without a question, by a tag, by `--pin` or by its succession. Only forward: what
/// another command has remembered meanwhile stays.
///
/// # Errors
/// When local state cannot be written.
pub fn hold_to(local: &Local, place: &Place, checked: &Checked<'_>) -> Result<(), Error> {
    let Checked { vault, pin, trust, .. } = checked;
    if *trust == Trust::Known {
        return Ok(());
    }
    let _lock = local.lock_known(&vault.vault_id)?;
    let is_next = |known: &Known| {
        let follows = pin::succeeds(vault, &known.pin, pin) || (*trust == Trust::Given && known.yields_to(pin));
        known.pin != *pin && follows
    };
    match local.known(&vault.vault_id)? {
        Some(known) if known.pin == *pin => place.remember(local, &vault.vault_id),
        Some(known) if !is_next(&known) => Ok(()),
        _ => remember(local, place, vault, Sure::Believed),
    }
}

/// The pin: for a new vault before it has its name, so that nobody ever
/// finds one there that this host does not know.
pub(super) fn remember(local: &Local, place: &Place, vault: &Vault<'_>, sure: Sure) -> Result<(), Error> {
    let pin = Pin::of(vault)?;
    let before = local.known(&vault.vault_id)?;
    let mut retired = pin::retired(vault);
    if let Some(before) = &before {
        let had = before.retired.iter().chain([&before.pin]).filter(|had| **had != pin);
        let more: Vec<Pin> = had.filter(|had| !retired.contains(had)).cloned().collect();
        retired.extend(more);
    }
    let slots: Vec<Slot> = vault
        .recipients
        .iter()
        .filter_map(|recipient| {
            let salt = recipient.kdf.as_ref()?.salt.clone();
            Some(Slot { salt, label: recipient.label.as_str().to_owned() })
        })
        .collect();
    let unconfirmed = match sure {
        Sure::Yes => false,
        Sure::Saved => before.as_ref().is_none_or(|before| before.unconfirmed),
        Sure::Believed => before.as_ref().is_none_or(|before| before.unconfirmed || before.pin != pin),
    };
    let new = Known { pin, retired, slots, unconfirmed };
    if before.as_ref() != Some(&new) {
        local.remember(&vault.vault_id, &new)?;
    }
    place.remember(local, &vault.vault_id)
}
