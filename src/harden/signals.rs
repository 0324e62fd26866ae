#![allow(unsafe_code)]
//! Signals of a process that waits for another one in its own place.

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};
use std::io;
use std::process::{Child, ExitStatus};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

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
/// A bit for each signal that came while there was none.
static PENDING: AtomicU32 = AtomicU32::new(0);

/// As long as there is one, no signal of [`RELAYED`] ends this process: what somebody sends to
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
        let pending = PENDING.load(Ordering::SeqCst);
        RELAYED.into_iter().find(|signal| pending & (1 << signal) != 0 && ends(*signal))
    }

    /// Waits until `child`, which must not have been waited for, has ended, and stops with it
    /// when a terminal stops it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let pid = Pid::from_child(child);
        CHILD.store(pid.as_raw_nonzero().get(), Ordering::SeqCst);
        // What came while it was being started; better twice than never.
        let pending = PENDING.swap(0, Ordering::SeqCst);
        for signal in RELAYED.into_iter().filter(|signal| pending & (1 << signal) != 0) {
            send(pid, signal);
        }
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
    let child = CHILD.load(Ordering::SeqCst);
    if child == 0 {
        PENDING.fetch_or(1 << signal, Ordering::SeqCst);
        return;
    }
    // SAFETY: the system gives a valid `info`; errno is put back to what it was.
    unsafe {
        if is_for_us_alone(&*info, child) {
            let errno = errno();
            let before = *errno;
            libc::kill(child, signal);
            *errno = before;
        }
    }
}

/// Whether somebody sent a signal to this process: one of the terminal goes to all processes in
/// its foreground, and so did one that the child sends to its own group.
unsafe fn is_for_us_alone(info: &libc::siginfo_t, child: i32) -> bool {
    // SAFETY: signals that are sent by a process carry its number.
    let sender = unsafe { info.si_pid() };
    #[cfg(target_os = "linux")]
    // From outside of a container the sender is 0, so only the code tells.
    let sent = info.si_code <= 0;
    #[cfg(not(target_os = "linux"))]
    let sent = sender != 0;
    sent && sender != child
}

unsafe fn errno() -> *mut libc::c_int {
    #[cfg(target_os = "linux")]
    // SAFETY: always valid for this thread.
    return unsafe { libc::__errno_location() };
    #[cfg(not(target_os = "linux"))]
    // SAFETY: always valid for this thread.
    return unsafe { libc::__error() };
}
