//! `auth` and its verbs.

use super::{Later, Rm, Then};
use clap::{Args, Subcommand};
use std::ffi::OsString;

// Whose credential.
#[derive(Args, Clone, Debug)]
pub struct Whose {
    /// The provider, such as `anthropic`
    #[arg(long, value_name = "NAME")]
    pub provider: String,
    /// The agent
    #[arg(long, value_name = "AGENT", default_value = "main")]
    pub agent: String,
}

#[derive(Args, Debug)]
pub struct Paste {
    #[command(flatten)]
    pub whose: Whose,
    /// The profile [default: the gateway's for this verb]
    #[arg(long, value_name = "ID")]
    pub profile_id: Option<String>,
    #[command(flatten)]
    pub then: Then,
    /// Refused: values are never taken from the command line
    #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
    pub value: Vec<OsString>,
}

#[derive(Args, Debug)]
pub struct PasteToken {
    #[command(flatten)]
    pub paste: Paste,
    /// How long the token is valid: 365d, 12h, 1d12h; a bare number means days
    #[arg(long, value_name = "DURATION")]
    pub expires_in: Option<String>,
}

#[derive(Args, Debug)]
pub struct SetupToken {
    /// The provider
    #[arg(long, value_name = "NAME", default_value = "anthropic")]
    pub provider: String,
    /// The agent
    #[arg(long, value_name = "AGENT", default_value = "main")]
    pub agent: String,
    /// The profile [default: anthropic:default]
    #[arg(long, value_name = "ID")]
    pub profile_id: Option<String>,
    /// How long the token is valid: 365d, 12h, 1d12h; a bare number means days
    #[arg(long, value_name = "DURATION")]
    pub expires_in: Option<String>,
    #[command(flatten)]
    pub then: Then,
    /// Refused: values are never taken from the command line
    #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
    pub value: Vec<OsString>,
}

/// Shown under `auth setup-token --help`.
const SETUP_TOKEN_HELP: &str = "The token is what `claude setup-token` prints: it begins with sk-ant-oat01-.

If the provider answers \"This credential is only authorized for use with Claude Code\", the token
is sound but Anthropic refuses it outside Claude Code for this account or model: use an API key
instead (agevault auth paste-api-key --provider anthropic), or a gateway release that reuses the
Claude CLI's own login.";

#[derive(Debug, Subcommand)]
pub enum Auth {
    /// Put an API key, pasted or from standard input
    PasteApiKey(Later<Paste>),
    /// Put a token, pasted or from standard input
    PasteToken(Later<PasteToken>),
    /// Put an Anthropic setup-token, pasted or from standard input
    #[command(after_help = SETUP_TOKEN_HELP)]
    SetupToken(Later<SetupToken>),
    /// Which profile a provider uses first
    #[command(subcommand)]
    Order(Later<Order>),
    /// List the profiles
    #[command(hide = true)]
    List,
    /// Remove profiles
    #[command(hide = true)]
    Logout(Later<Rm>),
}

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Show the order
    Get(Whose),
    /// Set the order
    Set {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        then: Then,
        /// Profile ids, first first; profiles that are not named are not used
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Forget the order
    Clear {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        then: Then,
    },
}
