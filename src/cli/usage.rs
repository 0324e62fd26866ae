//! Clap's errors in our words: from kind and option name, never from what was typed.

use super::words::Codes;
use super::{Error, Usage};
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// What is wrong with a command line, and the option or command of ours that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No such option, argument or command; what was typed, if it can be told, and one of ours that is near.
    Unknown(Option<&'static str>, Option<&'static str>),
    /// The value of this option stands behind a blank, where a `=` is needed.
    NeedsEquals(&'static str),
    /// This option or argument is missing.
    Missing(Option<&'static str>),
    /// The value of this option is not one of its values.
    Invalid(Option<&'static str>),
    /// This option needs a value.
    NeedsValue(Option<&'static str>),
    /// This option takes no value.
    TakesNone(Option<&'static str>),
    /// This option stands there twice.
    Twice(Option<&'static str>),
    /// Too many or too few values.
    Count(Option<&'static str>),
    /// These exclude each other.
    Conflict(Option<&'static str>),
    /// A command is missing.
    NoCommand,
    /// Not text.
    NotText,
}

/// Prints help and version; everything else is an error.
pub fn from_clap(error: &clap::Error) -> Result<(), Error> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            super::out::Out::default().text(&error.render().to_string())
        }
        _ if codes() == Codes::Run && lacks_command() => Err(Usage::NothingToRun.into()),
        _ => Err(Usage::Parse(kind(error)).into()),
    }
}

/// Whether nothing stands behind a `--`.
fn lacks_command() -> bool {
    std::env::args_os().skip_while(|word| word != "--").nth(1).is_none()
}

/// The kind of an error, without any text of the command line.
pub fn kind(error: &clap::Error) -> Kind {
    let name = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(name)) => ours(name),
        Some(ContextValue::Strings(names)) => {
            // The best suggestion comes last, the first thing that is missing first.
            let mut names = names.iter().filter_map(|name| ours(name));
            if kind == ContextKind::InvalidArg { names.next() } else { names.next_back() }
        }
        _ => None,
    };
    let argument = name(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            Kind::Unknown(typed(error, ContextKind::InvalidSubcommand), name(ContextKind::SuggestedSubcommand))
        }
        ErrorKind::UnknownArgument => {
            // A word that is no option may be a value.
            let option = typed(error, ContextKind::InvalidArg).filter(|word| word.starts_with("--"));
            match without_equals().filter(|_| option.is_none()) {
                Some(name) => Kind::NeedsEquals(name),
                None => Kind::Unknown(option, name(ContextKind::SuggestedArg)),
            }
        }
        ErrorKind::MissingRequiredArgument => Kind::Missing(argument),
        ErrorKind::InvalidValue if is_empty(error) => Kind::NeedsValue(argument),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => Kind::Invalid(argument),
        ErrorKind::TooManyValues if takes_none(argument) => Kind::TakesNone(argument),
        ErrorKind::ArgumentConflict if argument.is_some() && argument == name(ContextKind::PriorArg) => {
            Kind::Twice(argument)
        }
        ErrorKind::ArgumentConflict => Kind::Conflict(argument),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Kind::NoCommand,
        ErrorKind::InvalidUtf8 => Kind::NotText,
        _ => Kind::Count(argument),
    }
}

/// The unknown word, if it is short and such as only names of commands and options are.
fn typed(error: &clap::Error, kind: ContextKind) -> Option<&'static str> {
    const LONGEST_COMMAND: usize = 12;
    const LONGEST_OPTION: usize = 24;
    let Some(ContextValue::String(word)) = error.get(kind) else { return None };
    let word = word.split('=').next().unwrap_or_default();
    let plain = word.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase());
    // One word, leaked once, on the way out.
    let longest = if word.starts_with("--") { LONGEST_OPTION } else { LONGEST_COMMAND };
    (plain && word.len() <= longest).then(|| &*word.to_owned().leak())
}

/// An option that takes its value behind a `=` alone, and was typed without one.
fn without_equals() -> Option<&'static str> {
    fn takes(command: &clap::Command, name: &str) -> bool {
        let here = |argument: &clap::Arg| argument.is_require_equals_set() && argument.get_long() == Some(name);
        command.get_arguments().any(here) || command.get_subcommands().any(|command| takes(command, name))
    }
    let table = whole_table();
    let words: Vec<String> = options().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut followed = words.iter().zip(words.iter().skip(1)).filter(|(_, next)| !next.starts_with('-'));
    followed.find_map(|(word, _)| takes(&table, word.strip_prefix("--")?).then(|| ours(word))?)
}

fn is_empty(error: &clap::Error) -> bool {
    matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty())
}

/// Whether an option of ours is a mere switch.
fn takes_none(name: Option<&str>) -> bool {
    fn switch(command: &clap::Command, name: &str) -> bool {
        let here = command
            .get_arguments()
            .any(|argument| !argument.get_action().takes_values() && argument.get_long() == name.strip_prefix("--"));
        here || command.get_subcommands().any(|command| switch(command, name))
    }
    name.is_some_and(|name| switch(&whole_table(), name))
}

/// Every command with every option.
pub fn whole_table() -> clap::Command {
    let mut table = super::Cli::command();
    table.build();
    table
}

/// The name if it is in our own table: whatever clap says, nothing typed gets through.
fn ours(name: &str) -> Option<&'static str> {
    let word = name.trim_matches(['<', '>', '[', ']', '.']);
    let word = word.split([' ', '=', '[']).next().unwrap_or_default().trim_matches(['<', '>', '.']);
    let mut names = Vec::new();
    collect(&whole_table(), &mut names);
    // A handful of names, leaked once, on the way out.
    names.into_iter().find(|have| have == word).map(|have| &*have.leak())
}

fn collect(command: &clap::Command, names: &mut Vec<String>) {
    names.push(command.get_name().to_owned());
    for argument in command.get_arguments() {
        names.extend(argument.get_long().map(|long| format!("--{long}")));
        names.extend(argument.get_short().map(|short| format!("-{short}")));
        let values = argument.get_value_names().unwrap_or_default();
        names.extend(values.iter().map(ToString::to_string));
    }
    command.get_subcommands().for_each(|command| collect(command, names));
}

/// The table with one command only: the first word of the command line that is one.
pub fn only_typed(full: &clap::Command) -> Option<clap::Command> {
    let mut words = std::env::args_os().skip(1);
    let typed = words.find_map(|word| full.find_subcommand(word))?;
    Some(clap::Command::new("agevault").args(full.get_arguments()).subcommand(typed.clone()).subcommand_required(true))
}

/// What was typed before a `--`, where all options are.
pub fn options() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1).take_while(|word| word != "--")
}

/// What was typed for us: not the command that `run` is to run.
pub fn own() -> impl Iterator<Item = OsString> {
    let is_run = codes() == Codes::Run;
    std::env::args_os().skip(1).take_while(move |word| !(is_run && word == "--"))
}

/// The exit codes of a command line that perhaps could not be parsed: by the first word of it
/// that is a command, and its options.
pub fn codes() -> Codes {
    let table = super::Cli::command();
    let name = options().find_map(|word| Some(table.find_subcommand(word)?.get_name().to_owned()));
    match name.as_deref() {
        Some("run") => Codes::Run,
        Some("status") if options().any(|word| word == "--check") => Codes::Check,
        _ => Codes::Usual,
    }
}
