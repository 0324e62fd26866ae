//! How the gateway's language sees white space, and what the gateway does to a key before it
//! uses one.

/// What the gateway would take out of a value before it uses it as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mangle {
    /// Line breaks, removed everywhere.
    LineBreak,
    /// Code points above 255, removed everywhere.
    NotLatin1,
    /// Other control characters, removed everywhere by newer gateways.
    Control,
    /// White space at the ends, trimmed.
    Edges,
}

/// `\s` and `trim` of JavaScript: unlike Rust's it has U+FEFF and lacks U+0085.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, '\t'..='\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
        | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

/// What ends a line for `^`, `$` and `.` of JavaScript.
pub(super) fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// What the gateway takes for absent.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

fn flaw(character: char) -> Option<Mangle> {
    match character {
        other if is_line_end(other) => Some(Mangle::LineBreak),
        '\u{100}'.. => Some(Mangle::NotLatin1),
        other if other.is_control() => Some(Mangle::Control),
        _ => None,
    }
}

/// A key as the newer gateway uses it; the older one keeps control characters.
pub(super) fn normalise_key(value: &str) -> String {
    let kept: String = value.chars().filter(|&character| flaw(character).is_none()).collect();
    trim(&kept).to_owned()
}

/// What the gateway would do to `value` before it uses it as a key, if anything.
pub fn mangled(value: &str) -> Option<Mangle> {
    let edges = || (trim(value) != value).then_some(Mangle::Edges);
    value.chars().find_map(flaw).or_else(edges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_is_that_of_javascript() {
        assert_eq!(trim("\u{feff} \u{3000}\u{2029}a b\u{85}\n"), "a b\u{85}");
        assert!(!is_space('\u{85}') && !is_space('\u{200b}') && !is_space('\u{180e}'));
    }

    #[test]
    fn the_gateway_drops_what_no_header_carries() {
        assert_eq!(normalise_key(" sk-\r\n1\u{2028}2…3\t4\u{7f}5\u{85}\u{feff}\u{a0}6 7 "), "sk-12345\u{a0}6 7");
        assert_eq!(mangled("a\nb"), Some(Mangle::LineBreak));
        assert_eq!(mangled("ключ"), Some(Mangle::NotLatin1));
        assert_eq!(mangled("a\tb"), Some(Mangle::Control));
        assert_eq!(mangled("a "), Some(Mangle::Edges));
        assert_eq!(mangled("sk-é b"), None);
    }

    proptest! {
        #[test]
        fn a_value_is_mangled_exactly_if_it_changes(value in "\\PC{0,8}|[a \\r\\n\\t\u{85}\u{a0}\u{feff}é…]{0,8}") {
            prop_assert_eq!(mangled(&value).is_some(), normalise_key(&value) != value);
        }
    }
}
