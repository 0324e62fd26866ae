//! What this host remembers of a vault once it trusts it.

use super::local::{Known, Local, Slot};
use super::{Checked, Error, Pin, Place, Trust, pin};
use crate::model::Vault;

/// Whether a person has confirmed a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    /// A person compared it, gave it, or made the vault.
    Yes,
    /// As before the save.
    Saved,
    /// Not confirmed: a tag, `--pin` or the succession authenticated it.
    Believed,
}

/// Remembers a vault whose fingerprint a person has compared or given, regardless of what was known before.
///
/// # Errors
/// When local state cannot be written.
pub fn confirm(local: &Local, place: &Place, checked: &Checked<'_>) -> Result<(), Error> {
    let _lock = local.lock_known(&checked.vault.vault_id)?;
    remember(local, place, &checked.vault, Sure::Yes)
}

/// Remembers a vault that was trusted without a prompt: by a tag, by `--pin` or by its succession. Only moves forward:
/// what another command has remembered meanwhile stays.
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

/// Remembers the pin. A new vault gets its file name only after that, so that no command finds a vault there whose pin
/// is unknown to this host.
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

    /// A successor of it; making one takes only its secret.
    fn next(before: &str) -> String {
        let mut vault = Vault::parse(before).unwrap();
        Change::of(Op::Rotate(rotation(&vault).unwrap())).apply(&mut vault, 1).unwrap();
        vault.render(before.len()).unwrap().text().unwrap().to_owned()
    }

    /// Checks a vault with this local state and the given `pin`, and remembers it if it is trusted.
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
        // The former secret suffices to make a successor.
        assert_eq!(reads(&strangers, None), Trust::Succeeded);
        assert_eq!(reads(&owners, None), Trust::Misfit);
        assert_eq!(reads(&owners, Some(&pin(&before))), Trust::Misfit);
        assert_eq!(reads(&owners, Some(&pin(&owners))), Trust::Given);
        assert_eq!(reads(&owners, None), Trust::Known);
        for former in [&before, &strangers] {
            assert_eq!(reads(former, Some(&pin(former))), Trust::Misfit, "it was left behind");
        }
        // A pin that a person has confirmed is not replaced by another one that is given.
        let (plain, opener) = (SecretBuf::new(owners.as_bytes().to_vec()), Opener::new(Identity::generate()));
        let known = parse_and_check(&local, &place, &plain, &opener, &Policy::default()).unwrap();
        confirm(&local, &place, &known).unwrap();
        let another = next(&before);
        assert_eq!(reads(&another, Some(&pin(&another))), Trust::Misfit);
    }

    /// The command that read the older state finishes last.
    #[test]
    fn what_was_seen_moves_forward_only() {
        let saved = |text: &str, rev: &str| {
            let mut vault = Vault::parse(text).unwrap();
            *vault.writers.entry("00".repeat(16)).or_default() += 1;
            vault.rev = rev.to_owned();
            vault.render(text.len()).unwrap().text().unwrap().to_owned()
        };
        let older = saved(&first(), "01");
        let newer = saved(&older, "02");
        let dir = tempfile::tempdir().unwrap();
        let (local, place) = (Local::new(dir.path().join("state")), Place::at(&dir.path().join("vault.age")).unwrap());
        let (older, newer) = (SecretBuf::new(older.into_bytes()), SecretBuf::new(newer.into_bytes()));
        let (opener, policy) = (Opener::new(Identity::generate()), Policy { report_only: true, ..Policy::default() });
        let check = |plain| parse_and_check(&local, &place, plain, &opener, &policy).unwrap();
        let first = check(&older);
        super::super::accept(&local, &check(&newer)).unwrap();
        super::super::accept(&local, &first).unwrap();
        assert!(matches!(check(&older).behind, Some(Error::RolledBack)));
    }

    /// What a host remembers of a vault.
    #[derive(Clone, Copy, Debug)]
    enum Remembers {
        Nothing,
        This,
        /// The state before a removal; this one succeeds it.
        Before,
        /// A different successor of that state.
        Foreign,
        /// This state after a further removal.
        After,
    }

    /// Every combination of the remembered pin, whether it is confirmed, and the given fingerprint.
    #[test]
    fn what_is_remembered_and_what_is_given_decide_whether_a_vault_is_believed() {
        use Trust::{Given, GivenFormer, Known as Same, Misfit, New, Succeeded, Tagged};
        let before = first();
        let (this, foreign) = (next(&before), next(&before));
        let after = next(&this);
        let pin = |text: &str| Pin::of(&Vault::parse(text).unwrap()).unwrap();
        // The given fingerprint: none, its own, the one before, the foreign one.
        let given =
            [None, Some(&this), Some(&before), Some(&foreign)].map(|text| text.map(|text| pin(text).to_string()));
        let table = [
            (Remembers::Nothing, false, [New, Given, GivenFormer, Misfit]),
            (Remembers::This, false, [Same, Same, Same, Misfit]),
            (Remembers::This, true, [Same, Same, Same, Misfit]),
            (Remembers::Before, false, [Succeeded, Succeeded, Succeeded, Misfit]),
            (Remembers::Before, true, [Succeeded, Succeeded, Succeeded, Misfit]),
            (Remembers::Foreign, false, [Misfit, Misfit, Misfit, Misfit]),
            (Remembers::Foreign, true, [Misfit, Given, Misfit, Misfit]),
            (Remembers::After, false, [Misfit, Misfit, Misfit, Misfit]),
            (Remembers::After, true, [Misfit, Misfit, Misfit, Misfit]),
        ];
        let id = Vault::parse(&before).unwrap().vault_id;
        let key = Opener::new(Identity::generate());
        let tagged = {
            let mut vault = Vault::parse(&this).unwrap();
            let label = crate::model::Label::parse("key").unwrap();
            vault.recipients.push(crate::model::Recipient::new(label, key.public(), None, 1));
            let pin = Pin::of(&vault).unwrap();
            super::super::tag::renew(&mut vault, &pin, &[&key]).unwrap();
            vault.render(this.len()).unwrap().text().unwrap().to_owned()
        };
        for (remembers, unconfirmed, expected) in table {
            for (given, expected) in given.iter().zip(expected) {
                // Another vault seen at the path before: none, one with a confirmed pin, one with an unconfirmed pin.
                for at_path in [None, Some(false), Some(true)] {
                    for is_tagged in [false, true] {
                        let dir = tempfile::tempdir().unwrap();
                        let local = Local::new(dir.path().join("state"));
                        let place = Place::at(&dir.path().join("vault.age")).unwrap();
                        let known = |text: &str, retired: &[&String]| Known {
                            pin: pin(text),
                            retired: retired.iter().map(|text| pin(text)).collect(),
                            slots: Vec::new(),
                            unconfirmed,
                        };
                        let known = match remembers {
                            Remembers::Nothing => None,
                            Remembers::This => Some(known(&this, &[&before])),
                            Remembers::Before => Some(known(&before, &[])),
                            Remembers::Foreign => Some(known(&foreign, &[&before])),
                            Remembers::After => Some(known(&after, &[&before, &this])),
                        };
                        known.iter().for_each(|known| local.remember(&id, known).unwrap());
                        if let Some(unconfirmed) = at_path {
                            let other = "0b8f9f0a-3f1e-4c55-9f5d-0f1b5b3c2a11";
                            let known =
                                Known { pin: pin(&before), retired: Vec::new(), slots: Vec::new(), unconfirmed };
                            local.remember(other, &known).unwrap();
                            place.remember(&local, other).unwrap();
                        }
                        let is_own = given.as_ref() == Some(&pin(&this).to_string());
                        let expected = match (at_path, &expected) {
                            (Some(false), _) => Misfit,
                            (Some(true), _) if !is_own => Misfit,
                            (_, New | GivenFormer) if is_tagged => Tagged,
                            (_, expected) => expected.clone(),
                        };
                        let text = if is_tagged { &tagged } else { &this };
                        let plain = SecretBuf::new(text.as_bytes().to_vec());
                        let policy = Policy { pin: given.clone(), report_only: true, ..Policy::default() };
                        let checked = parse_and_check(&local, &place, &plain, &key, &policy).unwrap();
                        assert_eq!(
                            checked.trust, expected,
                            "{remembers:?}, unconfirmed {unconfirmed}, given {given:?}, path {at_path:?}, tag {is_tagged}"
                        );
                    }
                }
            }
        }
    }
}
