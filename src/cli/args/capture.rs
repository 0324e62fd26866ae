//! Taking back what the gateway changed.

use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct Capture {
    /// Only what was exported into this directory [default: everything that was exported]
    pub dir: Option<PathBuf>,
    /// Go on until ended by a signal, saving each change within a second
    #[arg(long)]
    pub watch: bool,
    /// Take out of the vault too what the gateway removed
    #[arg(long)]
    pub removals: bool,
}
