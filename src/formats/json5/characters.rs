//! Which characters a name without quotes may have.

use unicode_normalization::char::is_combining_mark;

/// Connector punctuation beyond the underscore.
const CONNECTORS: [char; 9] =
    ['\u{203f}', '\u{2040}', '\u{2054}', '\u{fe33}', '\u{fe34}', '\u{fe4d}', '\u{fe4e}', '\u{fe4f}', '\u{ff3f}'];

/// A letter of any script, `$` or `_`.
pub(super) fn starts_name(character: char) -> bool {
    let is_letter = |character: char| character.is_alphabetic() && !is_combining_mark(character);
    matches!(character, '$' | '_') || is_letter(character)
}

/// The same, or a mark, a digit, a connector, or one of the two joiners. More than the gateway takes: numbers that are
/// not digits, and circled letters.
pub(super) fn is_in_name(character: char) -> bool {
    let is_more = is_combining_mark(character) || character.is_numeric() || CONNECTORS.contains(&character);
    starts_name(character) || is_more || matches!(character, '\u{200c}' | '\u{200d}')
}
