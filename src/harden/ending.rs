#![allow(unsafe_code)]
//! The signals that ask a process to end.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// Calls `then` with the number of each signal that asks this process to end, from a thread of
/// its own, instead of ending it. One that is ignored, as under `nohup`, stays ignored.
///
/// To be called after the last prompt: [`super::Unseen`] changes dispositions too.
///
/// # Errors
/// The system's, when a handler or the thread cannot be had.
pub fn on_end(mut then: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    let heard: Vec<i32> = [SIGTERM, SIGINT, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let mut signals = Signals::new(heard)?;
    let listen = move || signals.forever().for_each(&mut then);
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
}

fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action the call only writes the present one to `now`, which is zeroed
    // before, so that it is initialised even if the call fails.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
