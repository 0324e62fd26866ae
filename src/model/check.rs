//! The bounds of a document.

/// Largest payload, in bytes: sealed, with its header, it stays below the file's bound.
pub const MAX_PAYLOAD: usize = 63 * 1024 * 1024;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 32;
/// Most entries of all kinds together.
pub const MAX_ENTRIES: usize = 100_000;
/// Longest name, in bytes.
pub const MAX_NAME: usize = 1024;
/// Longest value, in bytes of its JSON text.
pub const MAX_VALUE: usize = 1024 * 1024;

/// Whether a vault can hold a value: its size and its depth.
pub fn fits(value: &str) -> bool {
    value.len() <= MAX_VALUE && !is_too_deep(value)
}

/// How deep the values of our own maps may be: profiles, the deepest, lie four levels down.
const MAX_LEAF_DEPTH: usize = MAX_DEPTH - 4;

/// Whether a value of one of our maps is nested too deep. `serde_json` skips values that
/// nobody asked for without counting.
pub(super) fn is_too_deep(value: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_string(rest),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_LEAF_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What follows the closing quote; nothing if there is none, which the parser will report.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let escaped = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escaped)..).unwrap_or_default();
        if !escaped {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        assert!(!is_too_deep(&"[".repeat(MAX_LEAF_DEPTH)));
        assert!(is_too_deep(&"[".repeat(MAX_LEAF_DEPTH + 1)));
        assert!(!is_too_deep(&format!("\"{}\"", "[".repeat(99))));
        assert!(!is_too_deep(r#"{"a\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[":1}"#));
        assert!(is_too_deep(&format!(r#"{{"a\\":{}"#, "[".repeat(MAX_LEAF_DEPTH))));
        assert!(!is_too_deep(&"[]".repeat(1000)));
    }
}
