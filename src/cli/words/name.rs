//! Names, times and what was typed, made fit for a message.

/// A name from a file or a vault as it may stand on a terminal: no control characters, none
/// that hide or reorder text.
pub fn plain(name: &str) -> String {
    let shown = |character: char| {
        let hidden = matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || hidden { '\u{fffd}' } else { character }
    };
    name.chars().map(shown).collect()
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

/// Shorter words are parts of sentences, not secrets.
const SHORTEST: usize = 6;

/// A message without what was typed on the command line: a secret that was pasted in the place
/// of a path or a name must not stand in a log. The option's name stands there instead.
pub fn without_typed(message: &str) -> String {
    let mut message = message.to_owned();
    let mut option = None;
    for argument in std::env::args_os().skip(1) {
        let argument = argument.to_string_lossy().into_owned();
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (Some(name.to_owned()), value.to_owned()),
            _ if argument.starts_with("--") => {
                option = Some(argument);
                continue;
            }
            _ => (option.take(), argument),
        };
        // A relative path is told resolved: its parts count one by one.
        let parts = std::iter::once(value.as_str()).chain(value.split('/'));
        for part in parts.filter(|part| part.len() >= SHORTEST && !is_ours(part)) {
            let role = name.as_deref().filter(|name| is_ours(name)).unwrap_or("what was given");
            message = message.replace(part, &format!("<{role}>"));
        }
    }
    message
}

/// Whether a word is one of the program's own, which may stand in a message.
fn is_ours(word: &str) -> bool {
    fn has(command: &clap::Command, word: &str) -> bool {
        let option = word.trim_start_matches('-');
        let arguments = command.get_arguments().any(|argument| {
            argument.get_long() == Some(option)
                || argument.get_possible_values().iter().any(|value| value.get_name() == word)
        });
        command.get_name() == word || arguments || command.get_subcommands().any(|command| has(command, word))
    }
    has(&<crate::cli::Cli as clap::CommandFactory>::command(), word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_files_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
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
