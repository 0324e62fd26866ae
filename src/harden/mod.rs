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
