//! Keys, snapshots and backups.

use crate::cli::state::is_generation;
use clap::{Args, Subcommand};
use std::path::PathBuf;

// Where a new passphrase comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct NewPassphrase {
    /// Take the new passphrase from this file
    #[arg(long, value_name = "PATH", conflicts_with = "new_passphrase_fd")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Take the new passphrase from this descriptor
    #[arg(long, value_name = "N")]
    pub new_passphrase_fd: Option<i32>,
    /// Memory of its Argon2id derivation in MiB [default: what the passphrase had that it replaces, if that was 64
    /// or more; else calibrated to about a second]
    #[arg(long, value_name = "MIB")]
    pub kdf_memory: Option<u32>,
}

#[derive(Args, Debug)]
pub struct NewRecipient {
    /// age1..., 'ssh-ed25519 ...', a file with a key or its public half (*.pub), or `passphrase`
    #[arg(required_unless_present = "recovery")]
    pub recipient: Option<String>,
    /// Its name [default with --recovery: recovery]
    #[arg(long, value_name = "LABEL", required_unless_present = "recovery")]
    pub label: Option<String>,
    /// Make a key that is kept off this host, on paper for instance, and show it once
    #[arg(long, conflicts_with_all = ["recipient", "new_passphrase_file", "new_passphrase_fd", "kdf_memory"])]
    pub recovery: bool,
    /// Write the recovery key to this new file instead of the terminal
    #[arg(long, value_name = "FILE", requires = "recovery", conflicts_with = "recipient")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub new: NewPassphrase,
}

#[derive(Debug, Subcommand)]
pub enum Recipients {
    /// List them
    #[command(after_help = super::shapes::RECIPIENTS)]
    List,
    /// Add one: an age recipient (age1...), an SSH key, an identity file, or the word `passphrase`
    Add(NewRecipient),
    /// Remove one; kept generations are sealed anew without it
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name
        label: String,
        /// Remove kept generations that the key at hand cannot open
        #[arg(long)]
        drop_unreadable: bool,
    },
    /// What removed keys could read and nobody has rotated yet
    #[command(after_help = super::shapes::EXPOSED)]
    Exposed {
        /// Only the one that had this name
        label: Option<String>,
        /// Take these entries off the list, or `all`
        #[arg(long, value_name = "ID", num_args = 1..)]
        waive: Vec<String>,
    },
    /// Give one another name
    Rename {
        /// Its name
        old: String,
        /// Its new name
        new: String,
    },
    /// Write the age identity that a passphrase leads to, for stock age
    ExportIdentity {
        /// Its name
        label: String,
        /// The file, 0600
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct Passwd {
    /// Which passphrase, if there are several
    pub label: Option<String>,
    #[command(flatten)]
    pub new: NewPassphrase,
    /// Remove kept generations that the key at hand cannot open
    #[arg(long)]
    pub drop_unreadable: bool,
}

#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Write a sealed copy, and check it
    Create {
        /// The directory, made if missing
        dir: PathBuf,
    },
    /// List the backups in a directory; needs no key
    #[command(after_help = super::shapes::BACKUPS)]
    List {
        /// The directory
        dir: PathBuf,
    },
    /// Open a backup, or all in a directory, and check every entry
    #[command(after_help = super::shapes::VERIFY)]
    Verify {
        /// The file or directory
        path: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct Restore {
    /// The backup
    #[arg(required_unless_present = "generation")]
    pub path: Option<PathBuf>,
    /// Open the backup with this age identity file [default: as the vault]
    #[arg(long, value_name = "PATH", conflicts_with = "backup_passphrase_file")]
    pub backup_identity: Option<PathBuf>,
    /// Open the backup with the passphrase in this file
    #[arg(long, value_name = "PATH")]
    pub backup_passphrase_file: Option<PathBuf>,
    /// Restore a kept generation instead: N, or N-REV if several have that number
    #[arg(long, value_name = "N", conflicts_with = "path", value_parser = generation)]
    pub generation: Option<String>,
    /// Restore only these entries and orders (ID, or order/AGENT/PROVIDER)
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub only: Vec<String>,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
}

/// The name of a generation: its number, or that and the start of its random name.
fn generation(text: &str) -> Result<String, &'static str> {
    if is_generation(text) { Ok(text.to_owned()) } else { Err("not a generation: expected N or N-REV") }
}

#[derive(Debug, Subcommand)]
pub enum History {
    /// List what each save changed, and the kept generations; without a key only the generations
    #[command(after_help = super::shapes::HISTORY)]
    List {
        /// List all saves [default: the last 20]
        #[arg(long)]
        all: bool,
    },
    /// Show the names in one
    Show {
        /// Its number, or N-REV if several have that number
        #[arg(value_parser = generation)]
        generation: String,
    },
}

#[derive(Args, Debug)]
pub struct Diff {
    /// A generation, a file or a git revision [default: the state before the last save]
    pub from: Option<String>,
    /// The state to compare it with, named in the same way [default: the current vault]
    pub to: Option<String>,
}

#[derive(Args, Debug)]
pub struct Undo {
    /// Restore these to what they were before their last change (ID, or order/AGENT/PROVIDER) [default: everything
    /// that the last save of this host changed]
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub struct Merge {
    /// Other states of the vault, files or kept generations [default: saves of this host that another program replaced,
    /// the other side of an unfinished git merge (see agevault git install), and conflict copies beside the vault]
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
    /// Open the other state with this age identity file [default: as the vault]
    #[arg(long, value_name = "PATH", conflicts_with = "backup_passphrase_file")]
    pub backup_identity: Option<PathBuf>,
    /// Open the other state with the passphrase in this file
    #[arg(long, value_name = "PATH")]
    pub backup_passphrase_file: Option<PathBuf>,
    /// Resolve this conflict with the value in the vault file
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub ours: Vec<String>,
    /// Resolve this conflict with the value in the other state
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub theirs: Vec<String>,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// If recipients were removed: delete kept generations that no key at hand can open
    #[arg(long)]
    pub drop_unreadable: bool,
}

#[derive(Debug, Subcommand)]
pub enum Git {
    /// Set up git to merge the vault and show its changes by name, in the repository that contains it
    Install,
    /// The merge driver that git runs
    #[command(hide = true)]
    MergeDriver {
        /// The merge base
        base: PathBuf,
        /// Our side; the result is written here
        ours: PathBuf,
        /// Their side
        theirs: PathBuf,
    },
    /// The textconv driver that git runs
    #[command(hide = true)]
    Textconv {
        /// The vault
        file: PathBuf,
    },
}
