//! What this host holds to once it has believed a vault.

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::read::parse_and_check;
    use super::super::{Policy, rotation};
    use super::*;
    use crate::model::{Change, Op};
    use crate::seal::{Identity, Opener};
    use crate::secret::SecretBuf;

    /// A vault from before a removal.
    fn first() -> String {
        let secret = "A".repeat(43);
        format!(
            r#"{{"config":{{}},"created":1,"env":{{}},"epoch":0,"generation":1,"keys":{{"ledger":"bGVkZ2Vy","log":"bG9n"}},"meta":{{}},"recipients":[],"requires":[],"rev":"00","schema":1,"scopes":{{}},"updated":1,"vault_id":"6f8b9f0a-3f1e-4c55-9f5d-0f1b5b3c2a10","vault_secret":"{secret}","writers":{{}}}}"#
        )
    }

    /// What follows from it; everybody who knows its secret can make one.
    fn next(before: &str) -> String {
        let mut vault = Vault::parse(before).unwrap();
        Change::of(Op::Rotate(rotation(&vault).unwrap())).apply(&mut vault, 1).unwrap();
        vault.render(before.len()).unwrap().text().unwrap().to_owned()
    }

    /// What a command of a host with this local state makes of a vault, and holds to; `pin` is given.
    fn reads(local: &Local, place: &Place, text: &str, pin: Option<&str>) -> Trust {
        let plain = SecretBuf::new(text.as_bytes().to_vec());
        let policy = Policy { pin: pin.map(str::to_owned), report_only: true, ..Policy::default() };
        let opener = Opener::new(Identity::generate());
        let checked = parse_and_check(local, place, &plain, &opener, &policy).unwrap();
        if !matches!(checked.trust, Trust::New | Trust::GivenFormer | Trust::Misfit) {
            hold_to(local, place, &checked).unwrap();
        }
        checked.trust
    }

    #[test]
    fn an_owner_who_gives_the_right_fingerprint_gets_the_vault_back_and_nobody_else_goes_back() {
        let before = first();
        let (owners, strangers) = (next(&before), next(&before));
        let pin = |text: &str| Pin::of(&Vault::parse(text).unwrap()).unwrap().to_string();
        let dir = tempfile::tempdir().unwrap();
        let (local, place) = (Local::new(dir.path().join("state")), Place::at(&dir.path().join("vault.age")).unwrap());
        let reads = |text: &str, pin: Option<&str>| reads(&local, &place, text, pin);
        assert_eq!(reads(&before, None), Trust::New);
        assert_eq!(reads(&strangers, Some(&pin(&before))), Trust::GivenFormer, "and nothing is held to");
        assert_eq!(reads(&before, Some(&pin(&before))), Trust::Given);
        // Whoever knows the secret of then can lead on from there.
        assert_eq!(reads(&strangers, None), Trust::Succeeded);
        assert_eq!(reads(&owners, None), Trust::Misfit);
        assert_eq!(reads(&owners, Some(&pin(&before))), Trust::Misfit);
        assert_eq!(reads(&owners, Some(&pin(&owners))), Trust::Given);
        assert_eq!(reads(&owners, None), Trust::Known);
        for former in [&before, &strangers] {
            assert_eq!(reads(former, Some(&pin(former))), Trust::Misfit, "it was left behind");
        }
        // Once a person has compared it, another fingerprint is no reason to leave it.
        let (plain, opener) = (SecretBuf::new(owners.as_bytes().to_vec()), Opener::new(Identity::generate()));
        let known = parse_and_check(&local, &place, &plain, &opener, &Policy::default()).unwrap();
        confirm(&local, &place, &known).unwrap();
        let another = next(&before);
        assert_eq!(reads(&another, Some(&pin(&another))), Trust::Misfit);
    }
}
