//! The text of an input as the gateway sees it, and the way back from the text to the bytes.

use super::{Error, MAX_INPUT};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

/// Bytes between two places whose line is kept; a list of all line ends would be larger than the largest input.
const BLOCK: usize = 4096;

/// Most places with bytes that are not UTF-8, and most lines that end with CRLF in a file of variables: each is kept.
const MAX_PLACES: usize = 250_000;

/// An input decoded as Node decodes it: each sequence of bytes that is not UTF-8 becomes one U+FFFD.
pub(super) struct Text<'b> {
    text: Cow<'b, str>,
    bytes: &'b [u8],
    /// Where the text changed a length: an offset after that, and the offset in the bytes that it stands for.
    shifts: Vec<(usize, usize)>,
    /// Offsets of the characters that stand for bytes that are not UTF-8.
    replaced: Vec<usize>,
    /// How many lines end before each block of [`BLOCK`] bytes.
    lines: OnceCell<Vec<usize>>,
}

impl<'b> Text<'b> {
    /// Decodes an input.
    ///
    /// # Errors
    /// [`Error::Bound`] above [`MAX_INPUT`], [`Error::NotText`] for UTF-16, and for what has far more bytes that are not
    /// UTF-8 than a text could.
    pub(super) fn of(bytes: &'b [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_INPUT {
            return Err(Error::Bound("input size", MAX_INPUT));
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(Error::NotText);
        }
        let (mut shifts, mut replaced) = (Vec::new(), Vec::new());
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(Self { text: Cow::Borrowed(text), bytes, shifts, replaced, lines: OnceCell::new() });
        }
        let (mut text, mut at) = (String::with_capacity(bytes.len()), 0);
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            at += chunk.valid().len() + chunk.invalid().len();
            if !chunk.invalid().is_empty() {
                replaced.push(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
                shifts.push((text.len(), at));
            }
            if replaced.len() > MAX_PLACES {
                return Err(Error::NotText);
            }
        }
        let text = Cow::Owned(text);
        Ok(Self { text, bytes, shifts, replaced, lines: OnceCell::new() })
    }

    /// The same text with LF for every CRLF and CR, as dotenv reads it.
    ///
    /// # Errors
    /// [`Error::Bound`] for too many lines that end with CRLF.
    pub(super) fn with_folded_line_ends(self) -> Result<Self, Error> {
        if !self.text.contains('\r') {
            return Ok(self);
        }
        // Pairs of offsets as in `shifts`, from the new text to the old one.
        let (mut text, mut folded) = (String::with_capacity(self.text.len()), Vec::new());
        let mut rest = &*self.text;
        while let Some((line, after)) = rest.split_once('\r') {
            text.extend([line, "\n"]);
            rest = after.strip_prefix('\n').unwrap_or(after);
            if rest.len() < after.len() {
                folded.push((text.len(), self.text.len() - rest.len()));
            }
            if folded.len() > MAX_PLACES {
                return Err(Error::Bound("number of lines", MAX_PLACES));
            }
        }
        text.push_str(rest);
        let new = |old: usize| {
            let after = folded.partition_point(|&(_, folded)| folded <= old);
            let last = after.checked_sub(1).and_then(|last| folded.get(last));
            last.map_or(old, |&(text, folded)| text + (old - folded))
        };
        let replaced = self.replaced.iter().map(|&at| new(at)).collect();
        let decoded = self.shifts.iter().map(|&(at, original)| (new(at), original));
        let mut shifts: Vec<_> = folded.iter().map(|&(at, old)| (at, shifted(&self.shifts, old))).collect();
        shifts.extend(decoded);
        shifts.sort_unstable();
        let lines = OnceCell::new();
        Ok(Self { text: Cow::Owned(text), bytes: self.bytes, shifts, replaced, lines })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The bytes that a part of the text stands for, as a range of the input.
    pub(super) fn bytes_of(&self, part: &Range<usize>) -> Range<usize> {
        shifted(&self.shifts, part.start)..shifted(&self.shifts, part.end)
    }

    /// The input with other bytes in the place of some parts of the text; parts that overlap are joined.
    pub(super) fn with(&self, mut cuts: Vec<(Range<usize>, String)>) -> Vec<u8> {
        cuts.sort_by_key(|(part, _)| part.start);
        let (mut out, mut kept) = (Vec::with_capacity(self.bytes.len()), 0);
        for (part, put) in cuts {
            let part = self.bytes_of(&part);
            out.extend_from_slice(self.bytes.get(kept..part.start).unwrap_or_default());
            out.extend_from_slice(put.as_bytes());
            kept = kept.max(part.end);
        }
        out.extend_from_slice(self.bytes.get(kept..).unwrap_or_default());
        out
    }

    /// Whether bytes that are not UTF-8 stood in a part of the text.
    pub(super) fn was_replaced(&self, part: &Range<usize>) -> bool {
        let first = self.replaced.partition_point(|&at| at < part.start);
        self.replaced.get(first).is_some_and(|&at| at < part.end)
    }

    /// The first place outside of `parts`, which are in order, where bytes that are not UTF-8 stood.
    pub(super) fn replaced_outside(&self, parts: &[Range<usize>]) -> Option<usize> {
        let is_inside = |at: usize| {
            let after = parts.partition_point(|part| part.start <= at);
            after.checked_sub(1).and_then(|last| parts.get(last)).is_some_and(|part| at < part.end)
        };
        self.replaced.iter().copied().find(|&at| !is_inside(at))
    }

    /// The part of the text that `part` is a slice of.
    pub(super) fn range_of(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        start..start + part.len()
    }

    /// The line of an offset, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let ends = |part: Range<usize>| {
            let is_end = |&at: &usize| bytes.get(at..at + 2).is_none_or(|pair| pair != b"\r\n");
            let start = part.start;
            let slice = bytes.get(part).unwrap_or_default();
            memchr::memchr2_iter(b'\n', b'\r', slice).map(|at| start + at).filter(is_end).count()
        };
        let lines = self.lines.get_or_init(|| {
            let before = (0..bytes.len()).step_by(BLOCK).scan(0, |before, start| {
                let line = *before;
                *before += ends(start..bytes.len().min(start + BLOCK));
                Some(line)
            });
            before.collect()
        });
        let at = at.min(bytes.len());
        let block = (at / BLOCK).min(lines.len().saturating_sub(1));
        lines.get(block).copied().unwrap_or_default() + ends(block * BLOCK..at) + 1
    }

    /// Line and column of an offset, in characters from 1.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        (self.line(at), line.chars().count() + 1)
    }
}

/// What an offset stands for, by the last of `shifts` that is not behind it.
fn shifted(shifts: &[(usize, usize)], at: usize) -> usize {
    let after = shifts.partition_point(|&(text, _)| text <= at);
    let last = after.checked_sub(1).and_then(|last| shifts.get(last));
    last.map_or(at, |&(text, original)| original + (at - text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_no_gateway_reads_as_text_is_refused() {
        assert_eq!(Text::of(b"\xff\xfeA\0").err(), Some(Error::NotText));
        assert_eq!(Text::of(b"\xfe\xff\0A").err(), Some(Error::NotText));
        assert_eq!(Text::of(&vec![b' '; MAX_INPUT + 1]).err(), Some(Error::Bound("input size", MAX_INPUT)));
    }

    #[test]
    fn places_are_those_of_an_editor() {
        let text = Text::of("a\nbé\r\nc\rd".as_bytes()).unwrap();
        let place = |part: &str| text.place(text.as_str().find(part).unwrap());
        assert_eq!(["a", "b", "\r\n", "c", "d"].map(place), [(1, 1), (2, 1), (2, 3), (3, 1), (4, 1)]);
    }

    #[test]
    fn every_offset_has_the_line_that_counting_gives_it() {
        for (what, piece) in [("CRLF", "é\r\n"), ("CR", "\r"), ("LF", "ab\n"), ("none", "a")] {
            // More than two blocks, with a pair over the border of one for some of them.
            let many = piece.repeat(2 * BLOCK / piece.len() + 7);
            let text = Text::of(many.as_bytes()).unwrap();
            let (mut line, mut ended) = (1, false);
            for at in 0..=many.len() {
                line += usize::from(std::mem::take(&mut ended));
                assert_eq!(text.line(at), line, "{what}, offset {at}");
                let rest = many.as_bytes().get(at..).unwrap();
                ended = rest.starts_with(b"\n") || (rest.starts_with(b"\r") && !rest.starts_with(b"\r\n"));
            }
        }
    }

    /// Bytes with all that shifts offsets: broken UTF-8, CRLF, CR.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let pieces: [&[u8]; 8] =
            [b"\r\n", b"\r", b"\n", b"a", b"\xff", b"\xe2\x80", "é".as_bytes(), "\u{fffd}".as_bytes()];
        let piece = proptest::sample::select(pieces.to_vec());
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_character_leads_back_to_its_bytes(bytes in bytes(), fold in any::<bool>()) {
            let text = Text::of(&bytes).unwrap();
            let text = if fold { text.with_folded_line_ends().unwrap() } else { text };
            let expected = String::from_utf8_lossy(&bytes).into_owned();
            let expected = if fold { expected.replace("\r\n", "\n").replace('\r', "\n") } else { expected };
            prop_assert_eq!(text.as_str(), &expected);
            let mut end = 0;
            let mut outside = None;
            for (at, character) in text.as_str().char_indices() {
                let part = at..at + character.len_utf8();
                let original = text.bytes_of(&part);
                prop_assert_eq!(original.start, end, "no byte is left out or taken twice");
                end = original.end;
                let original = &bytes[original];
                match character {
                    '\n' => prop_assert!([&b"\n"[..], b"\r", b"\r\n"].contains(&original)),
                    '\u{fffd}' => prop_assert_eq!(std::str::from_utf8(original).is_err(), text.was_replaced(&part)),
                    other => prop_assert_eq!(other.to_string(), String::from_utf8_lossy(original)),
                }
                if text.was_replaced(&part) {
                    outside = outside.or(Some(at));
                }
            }
            prop_assert_eq!(end, bytes.len());
            prop_assert_eq!(text.replaced_outside(&[]), outside);
            prop_assert_eq!(text.replaced_outside(&[0..1, 1..text.as_str().len()]), None);
        }
    }
}
