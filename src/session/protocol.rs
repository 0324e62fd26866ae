//! What goes over the socket: one request, one answer, each in one frame.
//!
//! ```text
//! frame    "agvs" PROTOCOL(2) kind(1) length(4) body       numbers are big-endian
//! status   -> 0 Standing          what is held, for how long
//! open     HEADER -> 0 FILE-KEY   a whole age header (F4); 1 no stanza is for the key; 2 no header
//! tag      MESSAGE -> 0 TAG       the one of its vault as `unlock` found it (F9); 2 for any other
//! key      TERMS KEY -> 0         before anything else, from the parent; nobody is answered until then
//! lock     -> 0                   after the key was wiped; the end of the stream is the end of the process
//! ```
//!
//! The key comes over the socket as well, once and from the parent alone: a socket that was made by a process which
//! others may not look into cannot be opened by them, as its standard input can while it starts.
//!
//! The mark and the number come first in every protocol that there will be: a session that is asked by another
//! one ends, so that a new binary is never in the way of an old process.

use crate::seal::MAX_HEADER;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// Raised by hand with every change.
pub const PROTOCOL: u16 = 2;
const MARK: &[u8; 4] = b"agvs";
/// Bytes before a body.
const HEAD: usize = 11;
/// Longest frame, in bytes: no body is longer than a header.
pub const MAX_FRAME: usize = HEAD + MAX_HEADER;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is held.
    Status = 1,
    /// The file key of a header.
    Open = 2,
    /// End.
    Lock = 3,
    /// The tag of a message.
    Tag = 4,
    /// Hold this key.
    Key = 5,
}

/// How it is answered: the `kind` of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The body has it.
    Done = 0,
    /// The key fits no stanza of the header.
    NoMatch = 1,
    /// Not a header, or one beyond the bounds.
    Refused = 2,
}

/// What is wrong with bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing of ours.
    Malformed,
    /// Ours, of an earlier protocol.
    EarlierProtocol,
    /// Ours, of a later protocol.
    LaterProtocol,
    /// Longer than any frame.
    TooLong,
}

/// One frame.
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    for part in [&MARK[..], &PROTOCOL.to_be_bytes(), &[kind], &length.to_be_bytes(), body] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The kind and the body of the frame that `bytes` are, `None` as long as its end is missing.
///
/// # Errors
/// What else they are.
pub fn parse(bytes: &[u8]) -> Result<Option<(u8, &[u8])>, Refused> {
    let Some((head, body)) = bytes.split_at_checked(HEAD) else {
        // As much as there is must fit.
        let fits = bytes.iter().zip(MARK).all(|(have, want)| have == want);
        return match bytes.get(4..6) {
            _ if !fits => Err(Refused::Malformed),
            Some(&[high, low]) => same_protocol(high, low).map(|()| None),
            _ => Ok(None),
        };
    };
    let [a, b, c, d, high, low, kind, l1, l2, l3, l4] = *head else { return Err(Refused::Malformed) };
    if [a, b, c, d] != *MARK {
        return Err(Refused::Malformed);
    }
    same_protocol(high, low)?;
    let length = usize::try_from(u32::from_be_bytes([l1, l2, l3, l4])).map_err(|_| Refused::TooLong)?;
    if length > MAX_HEADER {
        return Err(Refused::TooLong);
    }
    match body.len().cmp(&length) {
        std::cmp::Ordering::Less => Ok(None),
        std::cmp::Ordering::Equal => Ok(Some((kind, body))),
        std::cmp::Ordering::Greater => Err(Refused::Malformed),
    }
}

fn same_protocol(high: u8, low: u8) -> Result<(), Refused> {
    match u16::from_be_bytes([high, low]).cmp(&PROTOCOL) {
        std::cmp::Ordering::Less => Err(Refused::EarlierProtocol),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Refused::LaterProtocol),
    }
}

/// What a session tells of itself; nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The real path of the vault.
    pub vault: PathBuf,
    /// The id of the vault.
    pub vault_id: String,
    /// The public half of the key.
    pub public: String,
    /// What is left of its time, `None` until the next boot.
    pub left: Option<Duration>,
    /// Whether the page of the key could be locked into memory.
    pub locked: bool,
}

impl Standing {
    /// As the body of an answer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, self.vault.as_os_str().as_bytes());
        put(&mut bytes, self.vault_id.as_bytes());
        put(&mut bytes, self.public.as_bytes());
        put_time(&mut bytes, self.left);
        put(&mut bytes, &[u8::from(self.locked)]);
        bytes
    }

    /// From the body of an answer.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let standing = Self {
            vault: take_path(rest)?,
            vault_id: take_text(rest)?,
            public: take_text(rest)?,
            left: take_time(rest)?,
            locked: take(rest)? == [1],
        };
        rest.is_empty().then_some(standing)
    }
}

/// A field: its length, and it.
pub fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(field);
}

/// The next field.
pub fn take<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (field, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(field)
}

/// The next field as text.
pub fn take_text(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(take(rest)?.to_vec()).ok()
}

/// The next field as a path.
pub fn take_path(rest: &mut &[u8]) -> Option<PathBuf> {
    Some(std::ffi::OsString::from_vec(take(rest)?.to_vec()).into())
}

/// A field with a time in milliseconds; an empty one is no time.
pub fn put_time(bytes: &mut Vec<u8>, time: Option<Duration>) {
    let millis = time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
    put(bytes, millis.as_ref().map_or(&[], |millis| &millis[..]));
}

/// The next field as a time, if there is one.
pub fn take_time(rest: &mut &[u8]) -> Option<Option<Duration>> {
    match take(rest)? {
        [] => Some(None),
        millis => Some(Some(Duration::from_millis(u64::from_be_bytes(millis.try_into().ok()?)))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_known_as_soon_as_it_can_be() {
        let whole = frame(Kind::Open as u8, b"body");
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), Ok(None), "{end}");
        }
        assert_eq!(parse(&whole), Ok(Some((2, &b"body"[..]))));
        assert_eq!(parse(&[&whole[..], b"x"].concat()), Err(Refused::Malformed));
        assert_eq!(parse(b"GET"), Err(Refused::Malformed));
        assert_eq!(parse(b"agvs\0\x03"), Err(Refused::LaterProtocol));
        assert_eq!(parse(b"agvs\0\x03 whatever that one has"), Err(Refused::LaterProtocol));
        assert_eq!(parse(b"agvs\0\x01 whatever that one had"), Err(Refused::EarlierProtocol));
        assert_eq!(parse(b"agvs\0\x02\x02\xff\xff\xff\xff"), Err(Refused::TooLong));
    }

    proptest! {
        #[test]
        fn what_a_session_tells_is_read_as_it_was_written(
            vault in proptest::collection::vec(1..=u8::MAX, 0..300), id in ".{0,40}", public in ".{0,80}",
            left in proptest::option::of(any::<u64>()), locked: bool,
        ) {
            let vault = std::ffi::OsString::from_vec(vault).into();
            let standing = Standing { vault, vault_id: id, public, left: left.map(Duration::from_millis), locked };
            let bytes = standing.to_bytes();
            prop_assert_eq!(Standing::from_bytes(&bytes), Some(standing));
            for end in 0..bytes.len() {
                prop_assert_eq!(Standing::from_bytes(&bytes[..end]), None);
            }
        }

        #[test]
        fn no_bytes_are_too_much_for_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            let _ = parse(&[&MARK[..], &bytes].concat());
            let _ = Standing::from_bytes(&bytes);
        }
    }
}
