//! Local sockets in a directory of ours, between processes of one user.

use super::{Dir, Error, own_uid};
use crate::harden;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use std::ffi::OsStr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// How many callers may wait to be looked at.
const WAITING: i32 = 64;

/// Listens at `name` in `dir`, which must be ours and closed to others; nothing may be there. Does not block.
///
/// # Errors
/// As [`Dir::check_private`]; [`Error::Exists`]; when the system refuses.
pub fn listen(dir: &Dir, name: &OsStr) -> Result<UnixListener, Error> {
    dir.check_private()?;
    let failed = |error: rustix::io::Errno| match error {
        rustix::io::Errno::ADDRINUSE => Error::Exists(dir.path().join(name)),
        other => Error::io("listen at", &dir.path().join(name), other.into()),
    };
    let socket = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).map_err(failed)?;
    rustix::net::bind(&socket, &address(dir, name).map_err(failed)?).map_err(failed)?;
    rustix::net::listen(&socket, WAITING).map_err(failed)?;
    Ok(UnixListener::from(socket))
}

/// Connects to what listens at `name` in `dir`, which must be ours and closed to others, and makes sure that it
/// is a process of this user. Each step takes at most `patience`.
///
/// # Errors
/// As [`Dir::check_private`]; [`Error::Owner`] for another user's process; nobody listens.
pub fn connect(dir: &Dir, name: &OsStr, patience: Duration) -> Result<UnixStream, Error> {
    dir.check_private()?;
    let path = dir.path().join(name);
    let failed = |error: rustix::io::Errno| Error::io("connect to", &path, error.into());
    let socket = socket(SocketFlags::CLOEXEC).map_err(failed)?;
    for step in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&socket, step, Some(patience)).map_err(failed)?;
    }
    rustix::net::connect(&socket, &address(dir, name).map_err(failed)?).map_err(failed)?;
    let uid = harden::peer_uid(&socket).map_err(|error| Error::io("look at", &path, error))?;
    if uid != own_uid() {
        return Err(Error::Owner(path, uid));
    }
    Ok(UnixStream::from(socket))
}

fn socket(flags: SocketFlags) -> rustix::io::Result<std::os::fd::OwnedFd> {
    #[cfg(target_os = "linux")]
    return socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    #[cfg(not(target_os = "linux"))]
    {
        // No flags there: they are set one by one.
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        if flags.contains(SocketFlags::NONBLOCK) {
            rustix::io::ioctl_fionbio(&socket, true)?;
        }
        Ok(socket)
    }
}

/// An address is some hundred bytes at most: on Linux the open directory stands for a longer path.
fn address(dir: &Dir, name: &OsStr) -> rustix::io::Result<SocketAddrUnix> {
    let whole = SocketAddrUnix::new(dir.path().join(name));
    #[cfg(target_os = "linux")]
    if whole.is_err() {
        use std::os::fd::{AsFd, AsRawFd};
        let open = dir.fd().as_fd().as_raw_fd();
        return SocketAddrUnix::new(std::path::Path::new("/proc/self/fd").join(open.to_string()).join(name));
    }
    whole
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn meets(path: &Path) {
        let (dir, name) = (Dir::open(path).unwrap(), OsStr::new("socket"));
        let listener = listen(&dir, name).unwrap();
        let mut client = connect(&dir, name, Duration::from_secs(5)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"x").unwrap();
        let mut byte = [0];
        server.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
        assert!(matches!(listen(&dir, name), Err(Error::Exists(_))));
        // One that nobody listens at any more.
        drop(listener);
        assert!(connect(&dir, name, Duration::from_secs(5)).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_of_another_user_is_refused() {
        use rustix::process::Uid;
        let root = tempfile::tempdir().unwrap();
        set_permissions(root.path(), Permissions::from_mode(0o700)).unwrap();
        let (dir, name) = (Dir::open(root.path()).unwrap(), OsStr::new("socket"));
        let listener = listen(&dir, name).unwrap();
        // The kernel records the listener's user id at listen(2). Only this thread changes its own.
        let listens = std::thread::scope(|scope| {
            let begin = || {
                let nobody = Uid::from_raw(65_534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody)?;
                rustix::net::listen(&listener, WAITING)
            };
            scope.spawn(begin).join().unwrap()
        });
        assert!(listens.is_ok(), "this test needs root");
        assert!(matches!(connect(&dir, name, Duration::from_secs(5)), Err(Error::Owner(_, 65_534))));
    }

    #[test]
    fn a_path_of_any_length_leads_to_a_socket_and_only_a_private_directory_has_one() {
        let dir = tempfile::tempdir().unwrap();
        set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        meets(dir.path());
        if cfg!(target_os = "linux") {
            let long = dir.path().join("x".repeat(120));
            meets(Dir::open_or_create_private(&long).unwrap().path());
        }
        for mode in [0o750, 0o705] {
            set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let open = Dir::open(dir.path()).unwrap();
            let name = OsStr::new("socket");
            assert!(matches!(connect(&open, name, Duration::from_secs(5)), Err(Error::Mode(..))));
            assert!(matches!(listen(&open, OsStr::new("other")), Err(Error::Mode(..))));
        }
    }
}
