//! The bounds: constants of the format, checked before any work.

use super::passphrase::Slot;
use super::{Error, Recipient};
use std::collections::BTreeMap;

/// Largest vault file, in bytes.
pub const MAX_FILE: usize = 64 * 1024 * 1024;
/// Largest header, in bytes.
pub const MAX_HEADER: usize = 64 * 1024;
/// Most stanzas.
pub const MAX_STANZAS: usize = 128;
/// Most passphrase slots.
pub const MAX_SLOTS: usize = 8;
/// Largest memory times passes of one slot, in KiB.
pub const MAX_COST_SLOT: u64 = 4 * 1024 * 1024;
/// Largest memory times passes of all slots together, in KiB.
pub const MAX_COST_ALL: u64 = 8 * 1024 * 1024;

const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// Bounds size and number of stanzas before age's parser, whose time grows with the square
/// of their number (str4d/rage#368), sees the header.
/// Returns the header.
pub(super) fn check_header(sealed: &[u8]) -> Result<&[u8], Error> {
    if sealed.len() > MAX_FILE {
        return Err(Error::Bound("file size", MAX_FILE as u64));
    }
    if !sealed.starts_with(MAGIC) {
        return Err(Error::NotAge);
    }
    let head = sealed.get(..sealed.len().min(MAX_HEADER)).unwrap_or(sealed);
    let end = memchr::memmem::find(head, b"\n--- ");
    let stanzas = memchr::memmem::find_iter(head.get(..end.unwrap_or(head.len())).unwrap_or(head), b"\n-> ").count();
    if stanzas > MAX_STANZAS {
        return Err(Error::Bound("number of stanzas", MAX_STANZAS as u64));
    }
    match end {
        Some(end) => Ok(head.get(..end).unwrap_or(head)),
        None if sealed.len() >= MAX_HEADER => Err(Error::Bound("header size", MAX_HEADER as u64)),
        None => Err(Error::Damaged),
    }
}

/// How many stanzas of each kind the header of a sealed file has, but for those that mean nothing.
///
/// # Errors
/// As for opening it.
pub fn stanza_kinds(sealed: &[u8]) -> Result<BTreeMap<String, usize>, Error> {
    let head = String::from_utf8_lossy(check_header(sealed)?);
    let mut kinds = BTreeMap::new();
    for line in head.lines().filter_map(|line| line.strip_prefix("-> ")) {
        let kind = line.split(' ').next().unwrap_or_default();
        if !kind.ends_with("-grease") {
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
    }
    Ok(kinds)
}

/// Whether stanzas of this kind are of keys that no plugin is needed for.
pub fn is_native(kind: &str) -> bool {
    [super::passphrase::TAG, "X25519", "scrypt", "ssh-ed25519", "ssh-rsa"].contains(&kind)
}

/// Bounds the slots of one file taken together; each is already bounded by itself.
pub(super) fn check_slots<'a>(slots: impl Iterator<Item = &'a Slot>) -> Result<(), Error> {
    let (mut count, mut cost) = (0, 0);
    for slot in slots {
        count += 1;
        cost += slot.costs.total();
        if count > MAX_SLOTS {
            return Err(Error::Bound("number of passphrase slots", MAX_SLOTS as u64));
        }
        if cost > MAX_COST_ALL {
            return Err(Error::Bound("Argon2id cost of all slots", MAX_COST_ALL));
        }
    }
    Ok(())
}

/// What is written must be readable: the same bounds before sealing.
pub(super) fn check_recipients(recipients: &[Recipient]) -> Result<(), Error> {
    if recipients.is_empty() {
        return Err(Error::Failed("sealing to nobody"));
    }
    // Two stanzas for a passphrase, and one that age adds at random.
    if recipients.len() * 2 + 1 > MAX_STANZAS {
        return Err(Error::Bound("number of stanzas", MAX_STANZAS as u64));
    }
    check_slots(recipients.iter().filter_map(|recipient| match recipient {
        Recipient::Passphrase(_, slot) => Some(slot),
        Recipient::Native(_) | Recipient::Ssh(_) | Recipient::Tag(_) | Recipient::Plugin(_) => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_bomb_is_named_before_it_is_parsed() {
        let many = [MAGIC, &b"-> x\n\n".repeat(129), b"--- mac\n"].concat();
        assert_eq!(check_header(&many), Err(Error::Bound("number of stanzas", 128)));
        let long = [MAGIC, &b"x".repeat(MAX_HEADER)].concat();
        assert_eq!(check_header(&long), Err(Error::Bound("header size", MAX_HEADER as u64)));
        assert_eq!(check_header(MAGIC), Err(Error::Damaged));
        assert_eq!(check_header(b"{}"), Err(Error::NotAge));
    }
}
