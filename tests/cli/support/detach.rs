//! Starts a command without a controlling terminal. A program under test that opens `/dev/tty` must
//! not find the terminal of whoever runs the tests. Only a fresh process that leads no group may leave
//! its session, so the test binary starts itself in between; `pre_exec` would do it too, but is unsafe.

use std::ffi::OsStr;
use std::io::{Error, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

const FLAG: &str = "--detached";

/// A command that runs `program` in a session, and so in a process group, of its own.
pub fn command(program: &OsStr) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(FLAG).arg(program);
    Ok(command)
}

/// In the process in between: becomes the program. `None` in any other.
pub fn requested() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != FLAG {
        return None;
    }
    let program = args.next()?;
    let error = match rustix::process::setsid() {
        Ok(_) => Command::new(&program).args(args).exec(),
        Err(errno) => Error::from(errno),
    };
    let _ = writeln!(std::io::stderr(), "cannot run {}: {error}", program.display());
    Some(ExitCode::from(126))
}
