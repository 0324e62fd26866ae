#![allow(unsafe_code)]
//! What a process that will hold secrets does first.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Forbids core dumps and, on Linux, reading of this process by others of the same user.
///
/// To be called before any secret is in memory and before any thread is started.
///
/// # Errors
/// The system's error when the limit or the attribute cannot be set.
pub fn protect_process() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // The hard limit stays: a command that `run` starts may want cores again, and could not
    // have them. What is not dumpable writes none under any limit.
    let maximum = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Takes over the descriptor `number` that the parent process has opened for us.
///
/// # Errors
/// `EBADF` when it is not open; standard output and error are refused with `InvalidInput`.
pub fn take_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number == 0 {
        return Ok(rustix::io::dup(rustix::stdio::stdin())?);
    }
    if number <= 2 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: only borrowed for the check below; -1 cannot be here.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    let flags = rustix::io::fcntl_getfd(borrowed)?;
    // What this process opened itself closes on exec, what it inherited cannot have.
    if flags.contains(rustix::io::FdFlags::CLOEXEC) {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    // From now on it is like one of ours: nobody can take it over a second time.
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: open, inherited, and by the flag above taken over only once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Has a program start with standard input, output and error alone: what this process was given besides, such as
/// the descriptor of a key, is closed there. Here it stays open, for whoever still wants to read it.
pub fn inherits_nothing(command: &mut Command) {
    // SAFETY: makes system calls only, which is what may be done between fork and exec.
    unsafe { command.pre_exec(close_on_exec) };
}

/// Marks every descriptor but the first three. Not closed at once: on one of them the parent learns why a program
/// could not be started.
fn close_on_exec() -> io::Result<()> {
    /// Without the system call that knows where the last one is; it came with Linux 5.11.
    const MOST: libc::rlim_t = 65_536;
    #[cfg(target_os = "linux")]
    // SAFETY: takes numbers and touches no memory.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) } == 0 {
        return Ok(());
    }
    let mut limit = libc::rlimit { rlim_cur: MOST, rlim_max: MOST };
    // SAFETY: writes to `limit` alone, and leaves it when it fails.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    let end = RawFd::try_from(limit.rlim_cur.min(MOST)).unwrap_or(RawFd::MAX);
    for number in 3..end {
        // SAFETY: takes numbers and touches no memory; one that is not open is no matter.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_gets_no_other_descriptors() {
        let file = std::fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        let has = |start: fn(&mut Command)| {
            let mut command = Command::new("test");
            command.arg("-e").arg(format!("/proc/self/fd/{}", file.as_raw_fd()));
            start(&mut command);
            command.status().unwrap().success()
        };
        assert!(has(|_| ()));
        assert!(!has(inherits_nothing));
    }
}
