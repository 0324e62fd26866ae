//! Whether errors stand out on a terminal.

use super::args::Color;
use clap::ValueEnum;
use std::ffi::OsString;
use std::io::IsTerminal;

/// The name that an error begins with, bold and red where that is wanted.
pub fn name() -> &'static str {
    if is_wanted() { "\x1b[1;31magevault:\x1b[0m" } else { "agevault:" }
}

/// As `--color` says; without it on a terminal that knows colours, unless `NO_COLOR` is set
/// (no-color.org). Read from what was typed, since a command line that makes no sense is an error too.
fn is_wanted() -> bool {
    let is_set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match typed() {
        Some(Color::Always) => true,
        Some(Color::Never) => false,
        Some(Color::Auto) | None => {
            let dumb = is_set("TERM").is_none_or(|term| term == "dumb");
            !dumb && is_set("NO_COLOR").is_none() && std::io::stderr().is_terminal()
        }
    }
}

fn typed() -> Option<Color> {
    let words: Vec<OsString> = super::usage::options().collect();
    let at = words.iter().rposition(|word| word.to_string_lossy().starts_with("--color"))?;
    let word = words.get(at)?.to_str()?;
    let value = match word.strip_prefix("--color=") {
        Some(value) => value,
        None => words.get(at + 1)?.to_str()?,
    };
    Color::from_str(value, false).ok()
}
