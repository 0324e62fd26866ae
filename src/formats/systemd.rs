//! `EnvironmentFile=` of systemd.exec(5).

use super::{Error, Misfit};
use crate::model::EnvName;
use crate::secret::{Secret, SecretBuf};

/// `NAME=value` for each entry. In double quotes a backslash escapes `"`, `\`, `` ` `` and `$`,
/// in this and in all older versions of systemd; line breaks stand for themselves.
///
/// # Errors
/// [`Error::Unrepresentable`] for a name that is none, and for characters that some version
/// drops with the whole entry: NUL, control characters but TAB and LF, U+FEFF, noncharacters.
pub fn render(entries: &[(&str, &Secret)]) -> Result<SecretBuf, Error> {
    let mut out = String::new();
    for &(name, value) in entries {
        let refuse = |why| Error::Unrepresentable { name: name.to_owned(), why };
        EnvName::parse(name).map_err(|_| refuse(Misfit::Name))?;
        out.extend([name, "=", &encode(value.expose()).map_err(refuse)?, "\n"]);
    }
    Ok(SecretBuf::new(out.into_bytes()))
}

fn encode(value: &str) -> Result<String, Misfit> {
    if value.contains('\0') {
        return Err(Misfit::Nul);
    }
    if value.contains(is_dropped) {
        return Err(Misfit::Control);
    }
    if super::is_plain(value) {
        return Ok(value.to_owned());
    }
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for character in value.chars() {
        if "\"\\`$".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    Ok(out)
}

fn is_dropped(character: char) -> bool {
    let noncharacter = matches!(character, '\u{fdd0}'..='\u{fdef}') || u32::from(character) & 0xfffe == 0xfffe;
    let control = character.is_ascii_control() && character != '\t' && character != '\n';
    control || noncharacter || character == '\u{feff}'
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The double-quote states of systemd's env-file.c.
    fn unquoted(text: &str) -> Option<String> {
        let Some(inner) = text.strip_prefix('"') else { return Some(text.to_owned()) };
        let mut out = String::new();
        let mut rest = inner.strip_suffix('"')?.chars();
        while let Some(next) = rest.next() {
            match next {
                '"' => return None,
                '\\' => match rest.next()? {
                    '\n' => {}
                    escaped if "\"\\`$".contains(escaped) => out.push(escaped),
                    other => out.extend(['\\', other]),
                },
                other => out.push(other),
            }
        }
        Some(out)
    }

    #[test]
    fn values_get_quotes_where_they_need_them() {
        for (value, text) in [("sk-a/b=", "sk-a/b="), ("", "\"\""), ("a b", "\"a b\""), ("a\\\n$", "\"a\\\\\n\\$\"")] {
            assert_eq!(encode(value).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_systemd_drops_is_refused() {
        assert_eq!(encode("\0"), Err(Misfit::Nul));
        for value in ["\r", "\u{7f}", "\u{feff}", "\u{fdd0}", "\u{1ffff}"] {
            assert_eq!(encode(value), Err(Misfit::Control));
        }
        let secret = Secret::new("x".to_owned());
        let refused = Error::Unrepresentable { name: "A B".to_owned(), why: Misfit::Name };
        assert_eq!(render(&[("A B", &secret)]).err(), Some(refused));
    }

    proptest! {
        #[test]
        fn every_accepted_value_comes_back(value in "\\PC{0,30}|[\"\\\\`$a\\n\\t #;']{0,16}") {
            if let Ok(text) = encode(&value) {
                prop_assert_eq!(unquoted(&text), Some(value));
            }
        }
    }
}
