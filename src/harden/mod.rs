//! The only `unsafe` of the project: what the operating system must do for secrets.
//!
//! [`protect_process`] comes first in `main`, [`WipingAllocator`] is the binary's global
//! allocator and, by [`wipe_sqlite_memory`], SQLite's. [`LockedBytes`] holds what opens a vault,
//! [`scrub_stack`] is called after derivations and unwrapping. Nothing here knows what a vault is.

mod alloc;
mod caller;
mod ending;
mod locked;
mod memory;
mod process;
mod signals;
mod sqlite;
mod terminal;

pub use alloc::{WipingAllocator, wipe};
pub use caller::{leave_caller, peer_pid, peer_uid};
pub use ending::on_end;
pub use locked::LockedBytes;
pub use memory::{available_mib, total_mib};
pub use process::{inherits_nothing, protect_process, take_descriptor};
pub use signals::{Relay, die_by};
pub use sqlite::wipe_sqlite_memory;
pub use terminal::Unseen;

/// How much of the stack [`scrub_stack`] overwrites, in bytes.
const SCRUBBED: usize = 128 * 1024;

/// Overwrites the part of the stack that earlier calls have used and left.
///
/// Key schedules and seeds that crates return by value stay there otherwise.
#[inline(never)]
pub fn scrub_stack() {
    let mut dead = [0_u8; SCRUBBED];
    zeroize::Zeroize::zeroize(&mut dead[..]);
    std::hint::black_box(&dead);
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;

    /// Leaves a pattern on the stack and returns its address.
    #[inline(never)]
    fn leave() -> usize {
        let value = [0xA5_u8; 4096];
        std::hint::black_box(value.as_ptr()).expose_provenance()
    }

    #[inline(never)]
    fn is_there(at: usize) -> bool {
        let start: *const u8 = std::ptr::with_exposed_provenance(at);
        // SAFETY: the address is in this thread's stack, which is mapped, and every byte is a valid u8.
        let left = (0..4096).filter(|offset| unsafe { start.add(*offset).read_volatile() } == 0xA5);
        left.count() > 1024
    }

    #[test]
    fn what_calls_left_on_the_stack_is_overwritten() {
        let at = leave();
        assert!(is_there(at));
        scrub_stack();
        assert!(!is_there(at));
    }
}
