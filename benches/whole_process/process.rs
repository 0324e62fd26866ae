//! Starting whole processes: a clean environment, a clock around each, and their peak memory.

use crate::Result;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// First argument of this program when it stands between itself and a command to measure its memory.
pub const PEAK_FLAG: &str = "--peak";

/// A home of its own for everything that is started: nothing of the user's is read or written.
pub struct Home(PathBuf);

impl Home {
    pub fn make(dir: &Path) -> Result<Self> {
        for (_, name) in XDG {
            private_dir(&dir.join(name))?;
        }
        Ok(Self(dir.to_owned()))
    }

    pub fn command<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("HOME", &self.0);
        command.envs(XDG.map(|(variable, name)| (variable, self.0.join(name))));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

const XDG: [(&str, &str); 5] = [
    ("XDG_DATA_HOME", "data"),
    ("XDG_STATE_HOME", "state"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_RUNTIME_DIR", "runtime"),
];

pub fn private_dir(path: &Path) -> Result<()> {
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?)
}

/// From the start of the process to its end, as the caller of a command sees it.
pub fn time(mut command: Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.status()?;
    let time = start.elapsed();
    if status.success() { Ok(time) } else { Err(format!("{} ended with {status}", shown(&command)).into()) }
}

/// Standard output of a command that has to succeed.
pub fn output(mut command: Command) -> Result<Vec<u8>> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ended with {}: {}", shown(&command), output.status, said.trim_end()).into())
}

/// A command line without its environment; what it may show of values is made up.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Peak resident memory in megabytes.
///
/// A process inherits the peak of the one that started it until it has more itself, and this program grows with
/// its data: so a fresh copy of it, which has next to nothing, starts the command.
pub fn peak_memory(home: &Home, program: &Path, args: &[String], stdin: Option<&Path>) -> Result<f64> {
    let through = [PEAK_FLAG, program.to_str().ok_or("path is not UTF-8")?];
    let args: Vec<&str> = through.into_iter().chain(args.iter().map(String::as_str)).collect();
    let mut command = home.command(&std::env::current_exe()?, &args);
    if let Some(path) = stdin {
        command.stdin(File::open(path)?);
    }
    let kibibytes: u32 = String::from_utf8(output(command)?)?.trim().parse()?;
    Ok(f64::from(kibibytes) * 1024.0 / 1e6)
}

/// The other side of [`peak_memory`]: runs `command` and prints its peak in KiB.
pub fn report_peak(command: &[String]) -> Result<()> {
    let (program, args) = command.split_first().ok_or("no command")?;
    let child = Command::new(program).args(args).stdout(Stdio::null()).spawn()?;
    let (status, kibibytes) = wait(child.id())?;
    if status != 0 {
        return Err(format!("wait status {status}").into());
    }
    Ok(writeln!(std::io::stdout(), "{kibibytes}")?)
}

#[allow(unsafe_code, reason = "std does not give the resource usage of a child")]
fn wait(child: u32) -> Result<(i32, libc::c_long)> {
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage; both pointers are to live variables; the child is ours and waited for once.
    let (found, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child as libc::pid_t, &mut status, 0, &mut usage), usage)
    };
    if found < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let unit = if cfg!(target_os = "macos") { 1024 } else { 1 };
    Ok((status, usage.ru_maxrss / unit))
}
