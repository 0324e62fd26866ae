#![allow(unsafe_code)]
//! A process that outlives the command that started it, and who talks to it.

use std::io;
use std::os::fd::AsFd;

/// Takes this process out of its caller's hands: descriptors other than the three streams are closed, it has a
/// session of its own without a terminal, `/` as its directory, and creates nothing for others.
///
/// To be called while nothing but the streams was opened by this process itself, and with one thread.
///
/// # Errors
/// When descriptors cannot be closed or the directory cannot be changed.
pub fn leave_caller() -> io::Result<()> {
    close_inherited()?;
    // Fails for the leader of a group, which has then been started by hand and keeps its terminal.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    Ok(rustix::process::chdir("/")?)
}

fn close_inherited() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the caller promises that nobody owns what is closed.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
        if closed == 0 {
            return Ok(());
        }
    }
    // A kernel without that call.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 16);
    let limit = i32::try_from(limit.min(1 << 20)).map_err(io::Error::other)?;
    // SAFETY: as above; numbers that are not open are refused.
    (3..limit).for_each(|number| _ = unsafe { libc::close(number) });
    Ok(())
}

/// The user of the process at the other end of a local socket, as the system knows it.
///
/// # Errors
/// When it does not tell.
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    #[cfg(target_os = "linux")]
    {
        Ok(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw())
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::os::fd::AsRawFd;
        let (mut uid, mut gid) = (0, 0);
        // SAFETY: both are written by the call.
        let told = unsafe { libc::getpeereid(socket.as_fd().as_raw_fd(), &mut uid, &mut gid) };
        if told == 0 { Ok(uid) } else { Err(io::Error::last_os_error()) }
    }
}

/// The number of the process that has connected, or that listens, at the other end of a local socket.
///
/// # Errors
/// When the system does not tell.
pub fn peer_pid(socket: impl AsFd) -> io::Result<u32> {
    #[cfg(target_os = "linux")]
    let pid = rustix::net::sockopt::socket_peercred(socket)?.pid.as_raw_nonzero().get();
    #[cfg(not(target_os = "linux"))]
    let pid = {
        use std::os::fd::AsRawFd;
        let (mut pid, mut size): (libc::pid_t, _) = (0, size_of::<libc::pid_t>() as libc::socklen_t);
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: at most `size` bytes are written to `pid`.
        let told =
            unsafe { libc::getsockopt(fd, libc::SOL_LOCAL, libc::LOCAL_PEERPID, (&raw mut pid).cast(), &raw mut size) };
        if told != 0 {
            return Err(io::Error::last_os_error());
        }
        pid
    };
    u32::try_from(pid).map_err(io::Error::other)
}
