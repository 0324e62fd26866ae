#![allow(unsafe_code)]
//! A terminal that does not show what is typed, and shows it again however that ends.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;
use zeroize::Zeroize;

/// Signals that end this process unless it does something about them, the one by which a terminal stops it, and the
/// one by which it goes on.
const HEARD: [libc::c_int; 21] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGUSR1,
    libc::SIGSEGV,
    libc::SIGUSR2,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGSYS,
    libc::SIGTSTP,
    libc::SIGCONT,
];
/// How long the rest of what was pasted may take to come.
const REST: Duration = Duration::from_millis(20);

/// What the handler needs. Never freed: a handler may be looking at it.
struct Modes {
    fd: RawFd,
    shown: libc::termios,
    hidden: libc::termios,
    prompt: Vec<u8>,
}

/// The terminal that hides just now.
static NOW: AtomicPtr<Modes> = AtomicPtr::new(ptr::null_mut());

/// As long as there is one, a terminal does not echo. Signals that end or stop this process
/// give the echo back first, and one by which it goes on takes it again.
pub struct Unseen {
    tty: File,
    modes: &'static Modes,
    before: Vec<(libc::c_int, libc::sigaction)>,
}

impl Unseen {
    /// Hides what is typed at `tty` until this is dropped. With a `prompt`, which is written, each
    /// key is given at once, Ctrl-C too; without one only the echo is gone.
    ///
    /// # Errors
    /// Not a terminal; the system's.
    pub fn begin(tty: File, prompt: Option<&str>) -> io::Result<Self> {
        let fd = tty.as_raw_fd();
        // SAFETY: `shown` is written by the call before it is read.
        let shown = unsafe {
            let mut shown = std::mem::zeroed::<libc::termios>();
            check(libc::tcgetattr(fd, &mut shown))?;
            shown
        };
        let mut hidden = shown;
        hidden.c_lflag &= !(libc::ECHO | libc::ECHONL);
        if prompt.is_some() {
            hidden.c_lflag &= !libc::ICANON;
            let [interrupt, least, time] = [libc::VINTR, libc::VMIN, libc::VTIME];
            for (at, value) in [(interrupt, libc::_POSIX_VDISABLE), (least, 1), (time, 0)] {
                hidden.c_cc.get_mut(at).map(|place| *place = value).unwrap_or_default();
            }
        }
        let prompt = prompt.unwrap_or_default().as_bytes().to_vec();
        let modes: &'static Modes = Box::leak(Box::new(Modes { fd, shown, hidden, prompt }));
        let mut unseen = Self { tty, modes, before: Vec::new() };
        NOW.store(ptr::from_ref(modes).cast_mut(), Ordering::SeqCst);
        for signal in HEARD.into_iter().chain(heard_here()) {
            // SAFETY: `old` is written by the call; what `install` installs is async-signal-safe.
            unsafe {
                let mut old = std::mem::zeroed::<libc::sigaction>();
                check(libc::sigaction(signal, ptr::null(), &mut old))?;
                if old.sa_sigaction != libc::SIG_IGN || signal == libc::SIGCONT {
                    check(install(signal))?;
                    unseen.before.push((signal, old));
                }
            }
        }
        set(fd, &modes.hidden)?;
        say(modes);
        Ok(unseen)
    }

    /// Reads and forgets what is there already, or comes at once; whether it was more than line
    /// breaks. For a terminal with a prompt.
    pub fn discard_waiting(&mut self) -> bool {
        let mut at_once = self.modes.hidden;
        if let Some(least) = at_once.c_cc.get_mut(libc::VMIN) {
            *least = 0;
        }
        if set(self.modes.fd, &at_once).is_err() {
            return false;
        }
        let mut bytes = vec![0_u8; 4096];
        let mut more = false;
        loop {
            std::thread::sleep(REST);
            match io::Read::read(&mut self.tty, &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(read) => more |= bytes.iter().take(read).any(|byte| !byte.is_ascii_whitespace()),
            }
        }
        bytes.zeroize();
        let _ = set(self.modes.fd, &self.modes.hidden);
        more
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = set(self.modes.fd, &self.modes.shown);
        for (signal, old) in &self.before {
            // SAFETY: the action that was there before.
            unsafe { libc::sigaction(*signal, old, ptr::null_mut()) };
        }
        NOW.store(ptr::null_mut(), Ordering::SeqCst);
    }
}

/// Those that only this system has; the ones that have a number and no name end a process as well.
#[cfg(target_os = "linux")]
fn heard_here() -> impl Iterator<Item = libc::c_int> {
    [libc::SIGSTKFLT, libc::SIGIO, libc::SIGPWR].into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// Those that only this system has.
#[cfg(not(target_os = "linux"))]
fn heard_here() -> impl Iterator<Item = libc::c_int> {
    [libc::SIGEMT].into_iter()
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Async-signal-safe.
fn set(fd: RawFd, modes: &libc::termios) -> io::Result<()> {
    loop {
        // SAFETY: a system call with complete modes; a descriptor that is none makes it fail.
        let done = check(unsafe { libc::tcsetattr(fd, libc::TCSANOW, modes) });
        match done {
            // In the background it stops here until somebody brings it to the front.
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            other => return other,
        }
    }
}

/// Async-signal-safe.
fn say(modes: &Modes) {
    // SAFETY: the bytes are there for their length.
    unsafe { libc::write(modes.fd, modes.prompt.as_ptr().cast(), modes.prompt.len()) };
}

fn install(signal: libc::c_int) -> libc::c_int {
    // SAFETY: a complete action with a handler that is async-signal-safe.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = handle as *const () as libc::sighandler_t;
        // On the stack that is kept for it: it may be that the other one is used up.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut())
    }
}

/// The handler: terminal modes, dispositions, a write.
extern "C" fn handle(signal: libc::c_int) {
    // SAFETY: null, or what `begin` has leaked.
    let modes = unsafe { NOW.load(Ordering::SeqCst).as_ref() };
    if signal == libc::SIGCONT {
        if let Some(modes) = modes {
            let _ = set(modes.fd, &modes.hidden);
            say(modes);
        }
        return;
    }
    if let Some(modes) = modes {
        let _ = set(modes.fd, &modes.shown);
    }
    super::die_by(signal);
    // It was a stop, and this process goes on.
    install(signal);
}
