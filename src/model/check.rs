//! The bounds of DESIGN F7, checked before the document is parsed.

use super::Error;

/// Largest payload, in bytes: the file's bound.
pub const MAX_PAYLOAD: usize = 64 * 1024 * 1024;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 32;
/// Most entries of all kinds together.
pub const MAX_ENTRIES: usize = 100_000;
/// Longest name, in bytes.
pub const MAX_NAME: usize = 1024;
/// Longest value, in bytes of its JSON text.
pub const MAX_VALUE: usize = 1024 * 1024;

/// Refuses text nested deeper than [`MAX_DEPTH`] without parsing it: `serde_json` skips
/// values that nobody asked for without counting their depth.
pub(super) fn check_depth(text: &str) -> Result<(), Error> {
    let mut depth = 0_usize;
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_string(rest),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Error::Bound("nesting depth", MAX_DEPTH));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// What follows the closing quote; nothing if there is none, which the parser will report.
fn after_string(mut rest: &[u8]) -> &[u8] {
    // Most strings are names of a few bytes, for which a call costs more than the search.
    const SHORT: usize = 16;
    if let Some(at) = rest.iter().take(SHORT).position(|byte| matches!(byte, b'"' | b'\\'))
        && rest.get(at) == Some(&b'"')
    {
        return rest.get(at + 1..).unwrap_or_default();
    }
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
        assert_eq!(check_depth(&"[".repeat(MAX_DEPTH)), Ok(()));
        assert!(check_depth(&"[".repeat(MAX_DEPTH + 1)).is_err());
        assert_eq!(check_depth(&format!("\"{}\"", "[".repeat(99))), Ok(()));
        assert_eq!(check_depth(r#"{"a\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[":1}"#), Ok(()));
        assert!(check_depth(&format!(r#"{{"a\\":{}"#, "[".repeat(MAX_DEPTH))).is_err());
        assert_eq!(check_depth(&"[]".repeat(1000)), Ok(()));
    }
}
