//! A command to be run.

use clap::Args;
use std::ffi::OsString;

/// Shown under `run --help`.
pub const HELP: &str = "\
CMD gets the env entries of the vault, over variables of the same name, and other entries only by
--only NAME=ID: a value of the gateway's configuration, the key or token of a profile. It gets no
variable AGEVAULT_* or CREDENTIALS_DIRECTORY. If one of them decides what a process runs or trusts
(PATH, NODE_OPTIONS, LD_PRELOAD...), nothing is run unless --allow names it. Without --views this
process becomes CMD: streams, terminal, signals and exit code are CMD's own. With --views it waits:
it passes on SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH and SIGTSTP that are sent
to it alone, ends as CMD ends, and takes the views away unless another run needs them; what the
gateway changed stays there and is named. In a systemd unit give it KillMode=mixed, or CMD gets
SIGTERM twice. CMD starts with core dumps off, for its memory holds the secrets; ulimit -c in it
allows them again.

--views writes what `agevault export` writes, and sets for CMD OPENCLAW_STATE_DIR to that directory
and OPENCLAW_CONFIG_PATH (if it is not set) to the openclaw.json of your state directory; neither if
the files of your state directory are links to the views.

As the wrapper of a gateway's service (openclaw gateway install --wrapper /abs/path), a script:
  #!/bin/sh
  exec agevault run -- openclaw \"$@\"";

#[derive(Args, Debug)]
pub struct Run {
    /// Keep the views in the runtime directory while CMD runs, and lead it there
    #[arg(long)]
    pub views: bool,
    /// Only this variable: NAME of env/NAME, or NAME=ID with the value of any entry; repeatable. With --views there is no .env then
    #[arg(long, value_name = "NAME[=ID]")]
    pub only: Vec<String>,
    /// Hand over this variable although it decides what a process runs or trusts: PATH, NODE_OPTIONS...; repeatable
    #[arg(long, value_name = "NAME")]
    pub allow: Vec<String>,
    /// Run what writes its environment to the disk: openclaw gateway install, update, doctor, onboard...
    #[arg(long)]
    pub force: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}
