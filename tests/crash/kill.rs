//! `kill -9` instead of each system call that a command makes.

use super::trace::Job;
use super::world::World;

const KILLED: i32 = 9;

/// Ends `job` at every call in turn, from the same start, and lets `after` judge what is left.
/// Returns at how many places it was ended.
pub fn everywhere(world: &World, job: Job<'_>, after: impl Fn(&World) -> Result<(), String>) -> usize {
    let start = world.tree();
    let calls = job.calls(world);
    let (mut places, mut failures, mut untouched) = (0, Vec::new(), false);
    for (call, count) in &calls {
        let mut n = 1;
        loop {
            world.reset(&start);
            let ran = job.killed_at(world, call, n);
            if ran.signal != Some(KILLED) {
                // Not reached any more: the command has ended by itself.
                ran.expect(0).unwrap_or_else(|why| panic!("{call} {n}: {why}"));
                break;
            }
            places += 1;
            n += 1;
            // Before its first change every place leaves the same: one look at it is enough.
            if world.tree() == start && std::mem::replace(&mut untouched, true) {
                continue;
            }
            if let Err(why) = after(world) {
                failures.push(format!("{call} {}: {why}", n - 1));
            }
        }
        // Randomised code may need one `brk` less; calls that change something do not vary.
        assert!(n > count / 2, "{call} was reached {} times of {count}", n - 1);
    }
    assert!(failures.is_empty(), "{} of {places} places:\n{}", failures.len(), failures.join("\n"));
    places
}

/// That a step of the aftermath went as it must, with its name.
pub fn step<T>(name: &str, outcome: Result<T, String>) -> Result<T, String> {
    outcome.map_err(|why| format!("{name}: {why}"))
}
