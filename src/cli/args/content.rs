//! Options of commands that change entries.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

// What follows a change.
#[derive(Args, Clone, Copy, Debug)]
pub struct Then {
    /// Have the gateway follow at once, as agevault connect does
    #[arg(long)]
    pub connect: bool,
}

#[derive(Args, Debug)]
pub struct Set {
    /// The entry
    pub id: String,
    /// Take the value from this file, `-` for standard input
    #[arg(long, value_name = "PATH")]
    pub value_file: Option<PathBuf>,
    /// Replace the same old value in all other entries too
    #[arg(long)]
    pub everywhere: bool,
    #[command(flatten)]
    pub then: Then,
    /// Refused: values are never taken from the command line
    #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
    pub value: Vec<OsString>,
}

#[derive(Args, Debug)]
pub struct Rm {
    /// The entries
    #[arg(required = true)]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub then: Then,
    /// Remove what a connected gateway still asks for
    #[arg(long, conflicts_with = "connect")]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct Rename {
    /// The entry
    pub old: String,
    /// Its new name
    pub new: String,
    #[command(flatten)]
    pub then: Then,
    /// Rename what a connected gateway still asks for by the old name
    #[arg(long, conflicts_with = "connect")]
    pub force: bool,
}
