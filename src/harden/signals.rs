#![allow(unsafe_code)]
//! Signals of a process that waits for another one in its own place.

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};
use std::io;
use std::process::{Child, ExitStatus};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// What is passed on. `SIGCONT` needs no handler: it ends our own stop, see [`Relay::wait`].
const RELAYED: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGTSTP,
];

/// The process that signals are passed on to; 0 while there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// For each of [`RELAYED`] that came while there was none the process that sent it; -1 for a
/// terminal or a process that has no number here, 0 if it did not come.
static PENDING: [AtomicI32; RELAYED.len()] = [const { AtomicI32::new(0) }; RELAYED.len()];

/// As long as there is one, none of the signals that are passed on ends this process: what somebody sends to
/// it goes to its child, what a terminal sends has reached the child already.
#[derive(Debug)]
pub struct Relay(());

impl Relay {
    /// Takes over the signals. Those that were ignored stay so, here and in the child, as
    /// `nohup` means it; in the child all others have their default again.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn begin() -> io::Result<Self> {
        for signal in RELAYED {
            // SAFETY: `old` is written by the call; the handler is async-signal-safe.
            unsafe {
                let mut old = std::mem::zeroed::<libc::sigaction>();
                check(libc::sigaction(signal, ptr::null(), &mut old))?;
                if old.sa_sigaction != libc::SIG_IGN {
                    install(signal)?;
                }
            }
        }
        // Where it is ignored the system forgets how a child has ended.
        // SAFETY: a valid disposition.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        Ok(Self(()))
    }

    /// A signal that came before there was a child.
    pub fn pending(&self) -> Option<i32> {
        let mut came = RELAYED.into_iter().zip(&PENDING).filter(|(_, sender)| sender.load(Ordering::SeqCst) != 0);
        came.find_map(|(signal, _)| ends(signal).then_some(signal))
    }

    /// Passes signals on to `child` from now on. To be called as soon as it is there: what came
    /// before this is sent to it again.
    pub fn serve(&self, child: &Child) {
        let pid = Pid::from_child(child);
        CHILD.store(pid.as_raw_nonzero().get(), Ordering::SeqCst);
        // What came while it was being started; better twice than never.
        for (signal, sender) in RELAYED.into_iter().zip(&PENDING) {
            let sender = sender.swap(0, Ordering::SeqCst);
            if sender != 0 && sender != pid.as_raw_nonzero().get() {
                send(pid, signal);
            }
        }
    }

    /// Waits until the child that it [serves](Relay::serve), which must not have been waited for,
    /// has ended, and stops with it when a terminal stops it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let pid = Pid::from_child(child);
        loop {
            // Not reaped yet, so that its number is no other process's while handlers use it.
            let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
            let status = look(pid, options)?;
            let Some(signal) = status.as_ref().and_then(WaitIdStatus::stopping_signal) else { break };
            // Reported once.
            look(pid, WaitIdOptions::STOPPED | WaitIdOptions::NOHANG)?;
            if [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal) {
                stop_by(signal)?;
                send(pid, libc::SIGCONT);
            }
        }
        CHILD.store(0, Ordering::SeqCst);
        child.wait()
    }
}

/// Ends this process as `signal` ends one. Returns where that does not: as the first process of
/// a container, for which no signal has a default.
pub fn die_by(signal: i32) {
    // SAFETY: valid dispositions and sets; a signal that is none makes each call fail.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
        libc::raise(signal);
    }
}

fn look(pid: Pid, options: WaitIdOptions) -> io::Result<Option<WaitIdStatus>> {
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Whether the signal ends a process that does nothing about it.
fn ends(signal: i32) -> bool {
    ![libc::SIGWINCH, libc::SIGTSTP].contains(&signal)
}

/// Stops this process as a terminal does, so that the shell takes the terminal back; returns
/// when it goes on. Where no shell could make it go on, the system does not stop it.
fn stop_by(signal: i32) -> io::Result<()> {
    // SAFETY: valid dispositions.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    if RELAYED.contains(&signal) { install(signal) } else { Ok(()) }
}

fn install(signal: i32) -> io::Result<()> {
    // SAFETY: a complete action with a handler that is async-signal-safe.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = relay as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        check(libc::sigaction(signal, &action, ptr::null_mut()))
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn send(pid: Pid, signal: i32) {
    // SAFETY: a system call on numbers; the process is a child that was not reaped.
    unsafe { libc::kill(pid.as_raw_nonzero().get(), signal) };
}

/// The handler: atomics and `kill` only.
extern "C" fn relay(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system gives a valid `info`.
    let (sent, sender) = unsafe { origin(&*info) };
    let child = CHILD.load(Ordering::SeqCst);
    if child == 0 {
        if let Some((_, pending)) = RELAYED.iter().zip(&PENDING).find(|(known, _)| **known == signal) {
            pending.store(if sender > 0 { sender } else { -1 }, Ordering::SeqCst);
        }
    // A signal of the terminal goes to all processes in its foreground, and one that the child
    // sends to its own group has reached it.
    } else if sent && sender != child {
        // SAFETY: errno is put back to what it was.
        unsafe {
            let errno = errno();
            let before = *errno;
            libc::kill(child, signal);
            *errno = before;
        }
    }
}

/// Whether a process has sent the signal, and which.
unsafe fn origin(info: &libc::siginfo_t) -> (bool, i32) {
    // SAFETY: 0 for signals that no process has sent.
    let sender = unsafe { info.si_pid() };
    #[cfg(target_os = "linux")]
    // From outside of a container the sender is 0 as well: only the code tells.
    return (info.si_code <= 0, sender);
    #[cfg(not(target_os = "linux"))]
    return (sender != 0, sender);
}

unsafe fn errno() -> *mut libc::c_int {
    #[cfg(target_os = "linux")]
    // SAFETY: always valid for this thread.
    return unsafe { libc::__errno_location() };
    #[cfg(not(target_os = "linux"))]
    // SAFETY: always valid for this thread.
    return unsafe { libc::__error() };
}
