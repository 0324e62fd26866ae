//! Names, times and what was typed, made fit for a message.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Whether a character moves the cursor, or hides or reorders text.
fn is_unfit(character: char) -> bool {
    let hidden = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    character.is_control() || hidden
}

/// A name from a file or a vault as it may stand on a terminal: no control characters, none
/// that hide or reorder text.
pub fn plain(name: &str) -> String {
    name.chars().map(|character| if is_unfit(character) { '\u{fffd}' } else { character }).collect()
}

/// JSON as it may stand on a terminal, and still means the same: what [`plain`] would replace
/// is written as an escape. Outside its strings JSON has no such character.
pub fn json_text(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        if is_unfit(character) {
            // All of them are in the first plane.
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

/// A point in time, in UTC. `seconds` is Unix time.
pub fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// A span of milliseconds in its largest unit.
pub fn span(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    let (amount, unit) = match seconds {
        ..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "min"),
        7_200..172_800 => (seconds / 3600, "h"),
        172_800..63_115_200 => (seconds / 86_400, "d"),
        _ => (seconds / 31_557_600, "y"),
    };
    format!("{amount} {unit}")
}

/// A path as it may stand in a message. What was typed and is not seen to be a path is told by the option's
/// name, for a secret that was pasted in the place of a path must not stand in a log.
pub fn path(path: &Path) -> String {
    unshown(path).unwrap_or_else(|| plain(&path.to_string_lossy()))
}

/// Whether a path may stand in a message as it is.
pub fn is_shown(path: &Path) -> bool {
    unshown(path).is_none()
}

/// What stands in the place of a path that is not shown.
fn unshown(path: &Path) -> Option<String> {
    for (role, value) in typed() {
        if is_path(&value) {
            continue;
        }
        let typed = PathBuf::from(value);
        let absolute = std::path::absolute(&typed).unwrap_or_else(|_| typed.clone());
        let parent = absolute.parent().and_then(|parent| parent.canonicalize().ok());
        let real = parent.and_then(|parent| Some(parent.join(absolute.file_name()?)));
        for form in [Some(typed), Some(absolute), real].into_iter().flatten() {
            match path.strip_prefix(&form) {
                Ok(rest) if rest.as_os_str().is_empty() => return Some(format!("<{role}>")),
                Ok(rest) => return Some(format!("<{role}>/{}", plain(&rest.to_string_lossy()))),
                // What is ours beside it.
                Err(_) if path.as_os_str().as_encoded_bytes().starts_with(form.as_os_str().as_encoded_bytes()) => {
                    let rest = path.to_string_lossy().replacen(&*form.to_string_lossy(), "", 1);
                    if [".lock", ".d"].contains(&rest.as_str()) {
                        return Some(format!("<{role}>{rest}"));
                    }
                }
                // A directory that is there is no secret.
                Err(_) if form.starts_with(path) && !path.is_dir() => {
                    return Some(format!("the directory of <{role}>"));
                }
                Err(_) => {}
            }
        }
    }
    None
}

/// Whether what was typed can be nothing but a path: it names something, or something in a directory that was
/// typed with it, or is short and ends as files do. Whatever looks like a secret key of ours is none.
fn is_path(typed: &OsStr) -> bool {
    const SHORT: usize = 40;
    const ENDINGS: [&str; 12] = ["txt", "age", "key", "pub", "json", "env", "pem", "toml", "bak", "asc", "yaml", "yml"];
    let text = typed.to_string_lossy().to_ascii_uppercase();
    if ["AGE-SECRET-KEY", "AGE-PLUGIN"].iter().any(|secret| text.contains(secret)) {
        return false;
    }
    let path = Path::new(typed);
    // Text in base64 may begin with a slash: the root is no directory that says anything.
    let mut parents = path.parent().into_iter().filter(|dir| dir.parent().is_some());
    let ends = path.extension().and_then(OsStr::to_str).is_some_and(|ending| ENDINGS.contains(&ending));
    typed == "-" || path.symlink_metadata().is_ok() || parents.any(Path::is_dir) || (ends && typed.len() <= SHORT)
}

/// The values on the command line and in variables of ours, each with the name it came under.
fn typed() -> Vec<(String, OsString)> {
    const POSITIONAL: &str = "what was given";
    let table = crate::cli::usage::whole_table();
    let mut options = Vec::new();
    with_values(&table, &mut options);
    let takes_value = |name: &str| options.iter().any(|(long, short)| name == long || Some(name) == short.as_deref());
    let mut found = Vec::new();
    let mut option = None;
    for argument in crate::cli::usage::own() {
        let bytes = argument.as_encoded_bytes();
        let text = argument.to_string_lossy();
        if let Some(name) = option.take() {
            found.push((name, argument));
        } else if takes_value(&text) {
            option = Some(text.into_owned());
        } else if bytes.first() != Some(&b'-') {
            found.push((POSITIONAL.to_owned(), argument));
        } else if text.starts_with("--") {
            // The name is only told if it is one of ours.
            let known = |name: &str| is_long(&table, name.trim_start_matches('-'));
            found.extend(
                text.split_once('=')
                    .map(|(name, value)| (if known(name) { name } else { POSITIONAL }.to_owned(), value.into())),
            );
        } else {
            // Short options may stand together, the last with its value attached.
            let letters = text.char_indices().skip(1);
            let valued = letters.map(|(at, letter)| (at + letter.len_utf8(), format!("-{letter}")));
            let cluster = valued.into_iter().find(|(_, name)| takes_value(name));
            match cluster.and_then(|(at, name)| Some((name, text.get(at..)?.to_owned()))) {
                Some((name, value)) if value.is_empty() => option = Some(name),
                Some((name, value)) => found.push((name, value.into())),
                None => {}
            }
        }
    }
    let variables = ["AGEVAULT_FILE", "AGEVAULT_PASSPHRASE_FILE"];
    found.extend(variables.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?))));
    let identities = std::env::var_os("AGEVAULT_IDENTITY_FILE").unwrap_or_default();
    let identities = std::env::split_paths(&identities).filter(|path| !path.as_os_str().is_empty());
    found.extend(identities.map(|path| ("AGEVAULT_IDENTITY_FILE".to_owned(), path.into_os_string())));
    found
}

fn is_long(command: &clap::Command, name: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(name))
        || command.get_subcommands().any(|command| is_long(command, name))
}

/// The options of a command and its subcommands that take a value: long and short form.
fn with_values(command: &clap::Command, names: &mut Vec<(String, Option<String>)>) {
    let next = |argument: &&clap::Arg| argument.get_action().takes_values() && !argument.is_require_equals_set();
    for argument in command.get_arguments().filter(next) {
        let long = argument.get_long().map(|long| format!("--{long}"));
        names.extend(long.map(|long| (long, argument.get_short().map(|short| format!("-{short}")))));
    }
    command.get_subcommands().for_each(|command| with_values(command, names));
}

/// A number of things, in words.
pub fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_from_files_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
    }

    #[test]
    fn what_may_be_a_secret_is_no_path() {
        let dir = tempfile::tempdir().unwrap();
        let inside = |name: &str| dir.path().join(name).into_os_string();
        for path in ["/etc/passwd".into(), "/".into(), ".".into(), "old/id.key".into(), "id.pub".into(), inside("none")]
        {
            assert!(is_path(&path), "{path:?}");
        }
        let endless = format!("{}.txt", "a".repeat(37));
        let secrets =
            ["sk-ant-oat01-abc", "hunter2", "/q3kXbase64+text", "none/q3kX", "a b.cd", "id.key.", "", &endless];
        for secret in secrets {
            assert!(!is_path(OsStr::new(secret)), "{secret}");
        }
        for secret in ["AGE-SECRET-KEY-1QQ.txt", "age-plugin-x-1qq.key"] {
            assert!(!is_path(OsStr::new(secret)) && !is_path(&inside(secret)), "{secret}");
        }
    }

    #[test]
    fn spans_are_told_in_one_unit() {
        for (milliseconds, text) in [
            (0, "0 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
            (63_115_200_000, "2 y"),
        ] {
            assert_eq!(span(milliseconds), text);
        }
    }
}
