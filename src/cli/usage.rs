//! Clap's errors in our words: from kind and option name, never from what was typed.

use super::{Error, Usage};
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is wrong with a command line, and the option or command of ours that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No such option, argument or command; one of ours that is near.
    Unknown(Option<&'static str>),
    /// This option or argument is missing.
    Missing(Option<&'static str>),
    /// The value of this option is not one of its values.
    Invalid(Option<&'static str>),
    /// This option needs a value, or takes none, or stands there twice.
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
            super::out::Out::default().line(error.render().to_string().trim_end())
        }
        _ => Err(Usage::Parse(kind(error)).into()),
    }
}

/// The kind of an error, without any text of the command line.
pub fn kind(error: &clap::Error) -> Kind {
    let name = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => ours(name),
        Some(ContextValue::Strings(names)) => names.iter().find_map(|name| ours(name)),
        _ => None,
    };
    let argument = name(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidSubcommand => Kind::Unknown(name(ContextKind::SuggestedSubcommand)),
        ErrorKind::UnknownArgument => Kind::Unknown(name(ContextKind::SuggestedArg)),
        ErrorKind::MissingRequiredArgument => Kind::Missing(argument),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => Kind::Invalid(argument),
        ErrorKind::ArgumentConflict => Kind::Conflict(argument),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Kind::NoCommand,
        ErrorKind::InvalidUtf8 => Kind::NotText,
        _ => Kind::Count(argument),
    }
}

/// The name if it is in our own table: whatever clap says, nothing typed gets through.
fn ours(name: &str) -> Option<&'static str> {
    let word = name.split([' ', '=', '[']).next().unwrap_or_default().trim_matches(['<', '>', '.']);
    let mut names = Vec::new();
    collect(&super::Cli::command(), &mut names);
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

/// Whether the command line that could not be parsed was one of `status --check`.
pub fn is_check() -> bool {
    let has = |word: &str| std::env::args_os().any(|arg| arg == word);
    has("status") && has("--check")
}
