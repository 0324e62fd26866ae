//! A save that is interrupted, refused by the disk or run beside others leaves the old vault
//! or the new one. Ends and fails commands at each of their system calls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// Figures of a run, for those who ask with `--nocapture`.
#![allow(clippy::print_stdout)]
#![cfg(target_os = "linux")]

#[path = "crash/crowd.rs"]
mod crowd;
#[path = "crash/failed.rs"]
mod failed;
#[path = "crash/full.rs"]
mod full;
#[path = "crash/kill.rs"]
mod kill;
#[path = "crash/killed.rs"]
mod killed;
#[path = "crash/order.rs"]
mod order;
#[path = "crash/raced.rs"]
mod raced;
#[path = "crash/trace.rs"]
mod trace;
#[path = "crash/world.rs"]
mod world;
