//! Views, and the gateway that asks.

use super::OnConflict;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    AuthProfiles,
    Dotenv,
    Shell,
    Systemd,
    Json,
}

#[derive(Args, Debug)]
pub struct Render {
    /// The form
    pub format: Format,
    /// The agent, for auth-profiles
    #[arg(long, value_name = "AGENT", default_value = "main")]
    pub agent: String,
    /// References to the vault in the place of keys and tokens, for auth-profiles
    #[arg(long)]
    pub refs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    AuthProfiles,
    Env,
}

#[derive(Args, Debug)]
pub struct Export {
    /// Where to [default: openclaw/ in AGEVAULT_RUNTIME_DIR, RUNTIME_DIRECTORY, XDG_RUNTIME_DIR/agevault or /run/user/UID/agevault]
    pub dir: Option<PathBuf>,
    /// Only one kind of view
    #[arg(long, value_name = "KIND")]
    pub only: Option<Only>,
    /// Only this agent's profiles
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// References to the vault in the place of keys and tokens; OAuth, which takes none, stays
    #[arg(long)]
    pub refs: bool,
    /// Put links to the views into the gateway's state directory, over its own files if you agree, which are sealed
    /// first; with --refs only of one that is connected
    #[arg(long)]
    pub link: bool,
    /// Write plaintext to a disk, not only to memory
    #[arg(long)]
    pub on_disk: bool,
    /// Write where it is not safe for the gateway, or where nothing answers for references
    #[arg(long)]
    pub force: bool,
    /// Replace views that the gateway has changed
    #[arg(long)]
    pub discard: bool,
}

#[derive(Args, Debug)]
pub struct Wipe {
    /// Only below this directory [default: everything that was exported]
    pub dir: Option<PathBuf>,
    /// Remove views that the gateway has changed too
    #[arg(long)]
    pub discard: bool,
}

#[derive(Args, Debug)]
pub struct Resolve {
    /// Answer nothing: see whether the gateway's configuration leads to an answer, and what is in the way
    #[arg(long)]
    pub check: bool,
    /// Give up after this many seconds; less than the gateway's timeoutMs
    #[arg(long, value_name = "SECONDS", default_value_t = 14)]
    pub deadline: u64,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Connect {
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: also how each secret would reach the gateway
    #[arg(long, requires = "dry_run")]
    pub plan: bool,
    /// Put the secrets back into the gateway's own files, in plaintext
    #[arg(long, conflicts_with_all = ["dry_run", "restore_oauth"])]
    pub undo: bool,
    /// Leave gateway.auth.token in the configuration
    #[arg(long)]
    pub keep_gateway_token: bool,
    /// Leave the gateway's .env, and env in its configuration, as they are
    #[arg(long)]
    pub keep_env: bool,
    /// Leave MCP servers and other commands of the configuration with the secrets of their environment
    #[arg(long)]
    pub keep_mcp: bool,
    /// Accept that OAuth stays in the gateway's own database, in plaintext
    #[arg(long)]
    pub keep_oauth: bool,
    /// Put OAuth profiles, which take no references, into stores that lack them
    #[arg(long)]
    pub restore_oauth: bool,
    /// What to do with entries that the vault has with another value [default: fail]
    #[arg(long, value_name = "WHAT")]
    pub on_conflict: Option<OnConflict>,
    /// Print a file for a service manager or a container, and change nothing; without KIND, systemd
    #[arg(
        long,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "systemd",
        conflicts_with_all = ["dry_run", "undo", "keep_gateway_token", "keep_env", "keep_mcp", "keep_oauth", "restore_oauth", "on_conflict"]
    )]
    pub print_unit: Option<PrintUnit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrintUnit {
    /// A drop-in for the gateway's user unit
    Systemd,
    /// A user unit that takes back what the gateway renews
    SystemdCapture,
    /// A user unit that starts the gateway when there is a session
    SystemdSession,
    /// A system unit of the gateway, with its key as a credential
    SystemdSystem,
    /// A script for `openclaw gateway install --wrapper`
    Wrapper,
    /// A launch agent that takes back what the gateway renews
    Launchd,
    /// A compose file
    Container,
}
