//! From sealed bytes to a trusted vault.

use super::local::{LastSeen, Served};
use super::{Error, Local, Pin, Place, pin, tag};
use crate::model::{FOLDED, Vault};
use crate::seal::Opener;
use crate::secret::SecretBuf;

/// A vault file, opened but not yet checked.
pub struct Seen {
    pub(super) sealed: Vec<u8>,
    pub(super) plain: SecretBuf,
    pub(super) opener: Opener,
}

impl Seen {
    /// Sealed bytes and what an opener has decrypted from them.
    pub fn new(sealed: Vec<u8>, plain: SecretBuf, opener: Opener) -> Self {
        Self { sealed, plain, opener }
    }

    /// The key that opened it.
    pub fn opener(&self) -> &Opener {
        &self.opener
    }

    /// Opens another sealed state with the same key, if it fits.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub fn reopen(&self, sealed: Vec<u8>) -> Result<Self, Error> {
        let plain = self.opener.open(&sealed)?;
        Ok(Self { sealed, plain, opener: self.opener.clone() })
    }

    /// The sealed bytes.
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// Whether this was opened from these bytes.
    pub fn is(&self, sealed: &[u8]) -> bool {
        self.sealed == sealed
    }

    /// Whether the file at `place` still has these bytes.
    ///
    /// # Errors
    /// As [`Place::read`].
    pub fn is_current(&self, place: &Place) -> Result<bool, Error> {
        Ok(place.read()? == self.sealed)
    }

    /// Size of the payload in bytes, a hint for what is made of it.
    pub fn size(&self) -> usize {
        self.plain.expose().len()
    }
}

/// What a command requires before it trusts a vault.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// A given fingerprint: it must match.
    pub pin: Option<String>,
    /// Accept a file that is older than the last one seen, for this command.
    pub accept_rollback: bool,
    /// Report a misfit in [`Checked::trust`] instead of stopping.
    pub report_only: bool,
}

/// Why a vault is trusted, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its pin is the one that this host remembers.
    Known,
    /// A recipient was removed on another host; its pin succeeds the remembered one.
    Succeeded,
    /// Its pin was given with the command.
    Given,
    /// Its pin succeeds a given one: recipients were removed since, and could have forged it too.
    GivenFormer,
    /// Never seen on this host, but tagged at a save by the key that opened it.
    Tagged,
    /// Never seen on this host.
    New,
    /// Its pin is not the one that it should be.
    Misfit,
}

/// A vault, and the result of its checks.
pub struct Checked<'a> {
    /// The document.
    pub vault: Vault<'a>,
    /// Its pin.
    pub pin: Pin,
    /// Why it is trusted, or not.
    pub trust: Trust,
    /// [`Error::RolledBack`] or [`Error::Forked`], which reading only warns of.
    pub behind: Option<Error>,
    /// What this host accepted last, for the next save to join.
    pub(super) last: Option<LastSeen>,
}

impl Checked<'_> {
    /// Whether this state and `other` together include every save that this host has accepted.
    pub fn is_covered_by(&self, other: &Vault<'_>) -> bool {
        let count = |vault: &Vault<'_>, host: &str| vault.writers.get(host).copied().unwrap_or_default();
        let is_covered = |last: &LastSeen| {
            let mut hosts = last.writers.iter();
            hosts.all(|(host, saves)| count(&self.vault, host).max(count(other, host)) >= *saves)
        };
        self.last.as_ref().is_none_or(is_covered)
    }
}

/// Parses `seen` and checks its pin and its place in history.
///
/// # Errors
/// A malformed document; [`Error::NotAuthentic`] for a pin that does not fit,
/// [`Error::Unknown`] for a vault never seen here, unless `policy` wants a report.
pub fn check<'a>(local: &Local, place: &Place, seen: &'a Seen, policy: &Policy) -> Result<Checked<'a>, Error> {
    parse_and_check(local, place, &seen.plain, &seen.opener, policy)
}

pub(super) fn parse_and_check<'a>(
    local: &Local,
    place: &Place,
    plain: &'a SecretBuf,
    opener: &Opener,
    policy: &Policy,
) -> Result<Checked<'a>, Error> {
    let text = plain.text().ok_or(crate::model::Error::Malformed { line: 1, column: 1 })?;
    let vault = Vault::parse(text)?;
    let pin = Pin::of(&vault)?;
    let trust = match trust(local, place, &vault, &pin, policy)? {
        Trust::New | Trust::GivenFormer if tag::fits(&vault, &pin, opener) => Trust::Tagged,
        other => other,
    };
    match trust {
        Trust::Misfit if !policy.report_only => {
            let known = local.known(&vault.vault_id)?;
            let is_former = policy.pin.is_none() && known.is_some_and(|known| known.retired.contains(&pin));
            return Err(if is_former { Error::Retired(pin) } else { Error::NotAuthentic(pin) });
        }
        Trust::New if !policy.report_only => return Err(Error::Unknown(pin)),
        _ => {}
    }
    let last = local.last_seen(&vault.vault_id)?;
    let behind = last.as_ref().and_then(|last| behind(last, &vault));
    Ok(Checked { vault, pin, trust, behind, last })
}

fn trust(local: &Local, place: &Place, vault: &Vault<'_>, pin: &Pin, policy: &Policy) -> Result<Trust, Error> {
    let given = policy.pin.as_deref();
    let is_given = given.is_some_and(|given| pin.matches(given));
    let known = local.known(&vault.vault_id)?;
    // A forged vault can have any id, so another vault seen at this path before makes this one a misfit, unless that
    // one is unconfirmed and the given fingerprint is this one's.
    if let Some(other) = place.held_another(local, &vault.vault_id)? {
        let yields = is_given && local.known(&other)?.is_none_or(|other| other.unconfirmed);
        if !yields {
            return Ok(Trust::Misfit);
        }
    }
    if given.is_some_and(|given| !is_given && !pin::succeeds_fingerprint(vault, given, pin)) {
        return Ok(Trust::Misfit);
    }
    Ok(match known {
        Some(known) if known.pin == *pin => Trust::Known,
        Some(known) if pin::succeeds(vault, &known.pin, pin) => Trust::Succeeded,
        Some(known) if is_given && known.yields_to(pin) => Trust::Given,
        Some(_) => Trust::Misfit,
        None if is_given => Trust::Given,
        None if given.is_some() => Trust::GivenFormer,
        None => Trust::New,
    })
}

/// Compares the counts of saves per host: lower somewhere is not a successor.
fn behind(last: &LastSeen, vault: &Vault<'_>) -> Option<Error> {
    let count = |writers: &std::collections::BTreeMap<String, u64>, host: &str| writers.get(host).copied().unwrap_or(0);
    let folded: u64 = vault.other.get(FOLDED).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    // A missing host may have been dropped since then; that leaves at least `FOLD_TO` hosts.
    let is_possible = folded <= vault.generation && vault.writers.len() >= super::edit::FOLD_TO;
    let is_folded = |host: &String| is_possible && folded > last.generation && !vault.writers.contains_key(host);
    let lower = last.writers.iter().any(|(host, saves)| count(&vault.writers, host) < *saves && !is_folded(host));
    let higher = vault.writers.iter().any(|(host, saves)| count(&last.writers, host) < *saves);
    match (lower, higher) {
        (true, false) => Some(Error::RolledBack),
        (true, true) => Some(Error::Forked),
        (false, true) => None,
        (false, false) => (last.rev != vault.rev).then_some(Error::Forked),
    }
}

/// Remembers that this host has accepted `checked`, so that an older state is seen as such.
/// Writes only what is newer than what is remembered.
///
/// # Errors
/// When local state cannot be written.
pub fn accept(local: &Local, checked: &Checked<'_>) -> Result<(), Error> {
    let seen = LastSeen::of(&checked.vault, &checked.pin);
    if checked.behind.is_some() || checked.last.as_ref() == Some(&seen) {
        return Ok(());
    }
    let is_newer = |last: Option<LastSeen>| last.is_none_or(|last| behind(&last, &checked.vault).is_none());
    local.accept_if(&checked.vault.vault_id, &seen, is_newer)
}

/// How often at most it is noted that the same old state is served, in seconds.
const NOTED: u64 = 60;

/// Notes that `checked` was served to a gateway although this host has accepted a later save. Does nothing for a
/// vault that is not behind, and never changes what was accepted.
///
/// # Errors
/// When local state cannot be written.
pub fn note_served(local: &Local, checked: &Checked<'_>) -> Result<(), Error> {
    if checked.behind.is_none() {
        return Ok(());
    }
    let Vault { vault_id, rev, generation, .. } = &checked.vault;
    let at = super::now();
    let fresh = |before: Served| before.rev == *rev && at.saturating_sub(before.at) < NOTED;
    if local.served(vault_id).is_some_and(fresh) {
        return Ok(());
    }
    local.note_served(vault_id, &Served { at, rev: rev.clone(), generation: *generation })
}

/// Whether a vault that does not fit is a snapshot from before a change of its secret: the
/// host's own pin is then further down the same chain.
///
/// # Errors
/// When local state cannot be read.
pub fn is_retired(local: &Local, snapshot: &Checked<'_>) -> Result<bool, Error> {
    let known = local.known(&snapshot.vault.vault_id)?;
    Ok(known.is_some_and(|known| known.retired.contains(&snapshot.pin)))
}
