//! `EnvironmentFile=` of systemd.exec(5).

use super::{Error, Misfit, provider, suspicion};
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

/// The secrets that a unit, a drop-in or a file of variables hands to a service: line, name and value of each word
/// `NAME=value` whose name or value says that it is one. In a command, where an option has the name, it is no variable.
pub fn secrets(text: &str) -> Vec<(usize, Option<EnvName>, Secret)> {
    let is_quote = |character| matches!(character, '"' | '\'');
    let of_word = |word: &str| {
        let (name, value) = word.split_once('=')?;
        let name = EnvName::parse(name.trim_start_matches(is_quote)).ok()?;
        let value = value.trim_matches(is_quote);
        let named = suspicion::names_secret(name.as_str()) || provider::is_variable(name.as_str());
        let is_one = (named && !value.is_empty() && !suspicion::is_pointer(value)) || suspicion::is_key(value);
        is_one.then(|| (name, Secret::new(value.to_owned())))
    };
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with(['#', ';']));
    let words = lines.flat_map(|(line, nth)| {
        // Blanks around the first `=` belong neither to the name nor to the value (systemd.syntax(7), systemd.exec(5)).
        let line = line.trim_start();
        let assigned = line.split_once('=').map(|(name, value)| format!("{}={}", name.trim_end(), value.trim_start()));
        let line = assigned.unwrap_or_else(|| line.to_owned());
        let command = ["ExecStart=", "SetCredential="].iter().find_map(|start| line.strip_prefix(start));
        let rest = command.unwrap_or_else(|| line.strip_prefix("Environment=").unwrap_or(&line));
        let word = |word: &str| (nth, command.is_none(), word.trim_start_matches('-').to_owned());
        rest.split_whitespace().map(word).collect::<Vec<_>>()
    });
    let found = words.filter_map(|(nth, is_variable, word)| Some((nth, is_variable, of_word(&word)?)));
    found.map(|(nth, is_variable, (name, value))| (nth, is_variable.then_some(name), value)).collect()
}

/// The files that a unit's `EnvironmentFile=` lines name, as glob(7) patterns, with specifiers expanded by `specifier`
/// (systemd.unit(5)). `Err` holds a path with a specifier that cannot be expanded.
pub fn environment_files(
    unit: &str,
    specifier: impl Fn(char) -> Option<String>,
) -> impl Iterator<Item = Result<String, String>> {
    let lines = lines(unit);
    let named: Vec<String> = lines
        .iter()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.trim() == "EnvironmentFile")
        .map(|(_, path)| path.trim().trim_start_matches('-').trim_matches('"').to_owned())
        .collect();
    let expand = move |path: String| -> Result<String, String> {
        let mut out = String::new();
        let mut rest = path.chars();
        while let Some(character) = rest.next() {
            match character {
                '%' => match rest.next() {
                    Some('%') => out.push('%'),
                    other => out += &other.and_then(&specifier).ok_or_else(|| path.clone())?,
                },
                other => out.push(other),
            }
        }
        Ok(out)
    };
    // An empty path resets systemd's list, but the files before it are listed here too. systemd ignores relative paths.
    let told = named.into_iter().filter(|path| !path.is_empty()).map(expand);
    told.filter(|path| path.as_ref().map_or(true, |path| path.starts_with('/')))
}

/// The lines of a unit without its comments. A line that ends in a backslash is joined to the next one with a space
/// (systemd.syntax(7)).
fn lines(unit: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for line in unit.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        let goes_on = line.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1;
        if let Some(last) = lines.last_mut() {
            last.push_str(if goes_on { &line[..line.len() - 1] } else { line });
            last.extend(goes_on.then_some(' '));
        }
        lines.extend((!goes_on).then(String::new));
    }
    lines
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
    fn secrets_of_a_unit_are_found_by_name_or_value() {
        let unit = "[Service]\n# Environment=OLD_TOKEN=o\nEnvironment=\"A_TOKEN=one two\" LOG=debug\n\
                    Environment='B=ghp_0123456789'\nExecStart=/x --token=y\nC_KEY=v\nD_TOKEN=/run/secrets/d\nE_TOKEN=\n\
                    F_TOKEN = w\nEnvironment = G_TOKEN=z\n";
        let name = |name: Option<EnvName>| name.map(|name| name.as_str().to_owned()).unwrap_or_default();
        let found: Vec<_> = secrets(unit).into_iter().map(|(line, of, _)| (line, name(of))).collect();
        let found: Vec<_> = found.iter().map(|(line, name)| (*line, name.as_str())).collect();
        assert_eq!(found, [(3, "A_TOKEN"), (4, "B"), (5, ""), (6, "C_KEY"), (9, "F_TOKEN"), (10, "G_TOKEN")]);
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
