//! The table of commands and options: parsing, help, man pages and completions come from it.

mod auth;
mod capture;
mod content;
mod gateway;
mod later;
mod run;
mod session;
mod shapes;
mod vault;

pub use auth::{Auth, Order, Paste, Whose};
pub use capture::Capture;
pub use content::{Rename, Rm, Set, Then};
pub use gateway::{Connect, Export, Format, Only, PrintUnit, Render, Resolve, Wipe};
pub use later::Later;
pub use run::Run;
pub use session::Unlock;
pub use vault::{Backup, Diff, Git, History, Merge, NewPassphrase, NewRecipient, Passwd, Recipients, Restore, Undo};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Shown under `--help`.
pub const EXIT_CODES: &str = "Exit codes:
  0 done   1 unexpected failure, or a question was answered with no
  2 usage   3 no such entry   4 cannot unlock
  5 busy   6 conflict   7 damaged or not a vault   8 unsafe permissions or place
  9 not authentic, rolled back or forked   10 findings   130 interrupted
  status --check: 0 fine, 1 expired or missing, 2 expires soon, 64 usage, 70 unexpected
  run: 125 any failure of its own, 126 CMD cannot be run, 127 there is no CMD, else CMD's own

Variables, beside those named above:
  AGEVAULT_IDENTITY_CMD  a program whose output is the identity file to open with; no shell runs it
  AGEVAULT_RUNTIME_DIR   where sessions and views lie, in memory [else RUNTIME_DIRECTORY,
                         XDG_RUNTIME_DIR/agevault, /run/user/UID/agevault]
  CREDENTIALS_DIRECTORY  of a service: the key is agevault.identity or agevault.passphrase in it
  XDG_CONFIG_HOME        its agevault/identity.txt opens when nothing else is named
  AGEVAULT_IDENTITY_FILE may name several files, with : between them";

/// One age-encrypted file for the credentials of an OpenClaw gateway.
#[derive(Debug, Parser)]
#[command(name = "agevault", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The vault file [env: AGEVAULT_FILE; default: $XDG_DATA_HOME/agevault/vault.age]
    #[arg(long, global = true, value_name = "PATH")]
    pub vault: Option<PathBuf>,
    /// What this host remembers of vaults [env: AGEVAULT_STATE_DIR; default: $XDG_STATE_HOME/agevault]
    #[arg(long, global = true, value_name = "DIR")]
    pub local_state: Option<PathBuf>,
    /// The gateway's state directory [default: as the gateway finds it]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The gateway's program [default: openclaw in PATH]
    #[arg(long, global = true, value_name = "PATH")]
    pub openclaw: Option<PathBuf>,
    /// The gateway's version, or `none` [default: that of its program, or by its state directory]
    #[arg(long, global = true, value_name = "VERSION")]
    pub gateway_version: Option<String>,
    /// Open with this age identity file, `-` for standard input; repeatable [env: AGEVAULT_IDENTITY_FILE]
    #[arg(short, long, global = true, value_name = "PATH")]
    pub identity: Vec<PathBuf>,
    /// Open with the passphrase in this file [env: AGEVAULT_PASSPHRASE_FILE]
    #[arg(long, global = true, value_name = "PATH")]
    pub passphrase_file: Option<PathBuf>,
    /// Open with the passphrase on this descriptor [env: AGEVAULT_PASSPHRASE_FD]
    #[arg(long, global = true, value_name = "N")]
    pub passphrase_fd: Option<i32>,
    /// Open with the session whose socket is in this directory [default: session/ in the runtime directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub session: Option<PathBuf>,
    /// Ask for the passphrase now, use nothing else
    #[arg(short, long, global = true)]
    pub prompt: bool,
    /// The fingerprint that the vault must have
    #[arg(long, global = true, value_name = "FINGERPRINT")]
    pub pin: Option<String>,
    /// Take a vault that is older than the last one seen here, for this command
    #[arg(long, global = true)]
    pub accept_rollback: bool,
    /// How long to wait for another command that is saving, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub lock_timeout: u64,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Never ask
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Machine-readable output
    #[arg(long, global = true)]
    pub json: bool,
    /// Whether errors stand out [env: NO_COLOR]
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Say nothing but errors and what was asked for
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a vault
    #[command(after_help = shapes::INIT)]
    Init(Later<Init>),
    /// Take the credentials of a gateway's state directory into the vault
    Import(Later<Import>),
    /// List the names in the vault, never values
    #[command(visible_alias = "ls", after_help = shapes::LIST)]
    List(Later<List>),
    /// Print one value
    Get(Later<Get>),
    /// Put one value, from standard input, a prompt or a file
    Set(Later<Set>),
    /// Remove entries
    #[command(visible_alias = "remove")]
    Rm(Later<Rm>),
    /// Give an entry another name
    #[command(visible_alias = "mv")]
    Rename(Later<Rename>),
    /// The gateway's own verbs for credentials
    #[command(subcommand)]
    Auth(Later<Auth>),
    /// What is in the vault, how long it lasts, which keys open it
    #[command(after_help = shapes::STATUS)]
    Status(Later<Status>),
    /// Print one view for a gateway or another program
    Render(Later<Render>),
    /// Write the views as files, in the gateway's layout
    Export(Later<Export>),
    /// Take back into the vault what the gateway changed in its views
    ///
    /// New values of what is there, and new profiles.
    Capture(Later<Capture>),
    /// Remove the files that `export` wrote
    Wipe(Later<Wipe>),
    /// Wire a gateway to the vault; run it again after any change
    #[command(after_help = shapes::CONNECT)]
    Connect(Later<Connect>),
    /// Run a command with the env entries in its environment
    #[command(visible_alias = "exec", after_help = run::HELP)]
    Run(Later<Run>),
    /// Answer a gateway that asks for secrets (exec SecretRef protocol)
    #[command(after_help = shapes::RESOLVE)]
    Resolve(Later<Resolve>),
    /// Who can open the vault
    #[command(subcommand)]
    Recipients(Later<Recipients>),
    /// Change a passphrase
    Passwd(Later<Passwd>),
    /// Hold the key in memory for a time, so that nobody is asked meanwhile
    #[command(after_help = shapes::UNLOCK)]
    Unlock(Later<Unlock>),
    /// Forget the key that `unlock` holds
    #[command(after_help = shapes::LOCK)]
    Lock,
    /// What `unlock` starts
    #[command(hide = true)]
    HoldSession,
    /// Show the vault's fingerprint and remember it here
    Trust,
    /// Sealed copies of the vault, elsewhere
    #[command(subcommand)]
    Backup(Later<Backup>),
    /// Bring a backup or a kept generation back
    Restore(Later<Restore>),
    /// List saves and kept generations
    #[command(subcommand)]
    History(Later<History>),
    /// Show how two states of the vault differ, by name
    Diff(Later<Diff>),
    /// Undo the last save of this host, or the last change of an entry
    Undo(Later<Undo>),
    /// Merge two states of the vault
    Merge(Later<Merge>),
    /// Set up git to merge vaults and to show their changes
    #[command(subcommand)]
    Git(Later<Git>),
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or that of one command
    Man { command: Vec<String> },
}

#[derive(Args, Debug)]
pub struct Init {
    /// Make an age identity file and add it [default place: $XDG_CONFIG_HOME/agevault/identity.txt]
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true)]
    pub generate_identity: Option<Option<PathBuf>>,
    /// Add age1..., 'ssh-ed25519 ...' or the one in a file *.pub; repeatable
    #[arg(short, long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,
    /// Memory of the passphrase's Argon2id derivation in MiB [default: calibrated to about a second]
    #[arg(long, value_name = "MIB")]
    pub kdf_memory: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum InputFormat {
    AuthProfiles,
    Dotenv,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum OnConflict {
    #[default]
    Fail,
    Keep,
    Replace,
}

#[derive(Args, Debug)]
pub struct Import {
    /// A state directory or single files; `-` with --format for standard input [default: the gateway's state directory]
    pub paths: Vec<PathBuf>,
    /// What standard input holds
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<InputFormat>,
    /// Only this agent; for single files the agent that they belong to
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// What to do with entries that the vault has with another value
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub on_conflict: OnConflict,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub struct List {
    /// Only ids that begin like this
    pub prefix: Option<String>,
}

#[derive(Args, Debug)]
pub struct Get {
    /// The entry
    pub id: String,
    /// A member of the credential other than its key or token
    #[arg(long, value_name = "NAME")]
    pub field: Option<String>,
}

#[derive(Args, Debug)]
pub struct Status {
    /// Show where the opening key is looked for, and what is found there; opens nothing
    #[arg(long, conflicts_with = "check")]
    pub keys: bool,
    /// Tell by the exit code: 0 fine, 1 expired or missing, 2 expires soon
    #[arg(long)]
    pub check: bool,
    /// Only this provider
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Only this agent
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// What "soon" means: 24h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub warn: String,
    /// Judge OAuth by its access token alone, as the gateway does
    #[arg(long)]
    pub strict: bool,
}
