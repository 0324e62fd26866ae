//! How much memory this process may still take.

use std::fs::read_to_string;

/// The memory that a derivation may use, in MiB: what the machine has available and, on
/// Linux, what the process's cgroup leaves. `None` where the system does not tell.
pub fn available_mib() -> Option<u64> {
    let machine = machine_kib("MemAvailable:").map(|kib| kib / 1024);
    match (machine, cgroup_left_mib()) {
        (Some(machine), Some(cgroup)) => Some(machine.min(cgroup)),
        (machine, cgroup) => machine.or(cgroup),
    }
}

/// All memory of the machine, or of the cgroup if that is less, in MiB.
pub fn total_mib() -> Option<u64> {
    let machine = machine_kib("MemTotal:").map(|kib| kib / 1024);
    match (machine, cgroup_mib("memory.max")) {
        (Some(machine), Some(cgroup)) => Some(machine.min(cgroup)),
        (machine, cgroup) => machine.or(cgroup),
    }
}

fn machine_kib(name: &str) -> Option<u64> {
    let text = read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn cgroup_left_mib() -> Option<u64> {
    Some(cgroup_mib("memory.max")?.saturating_sub(cgroup_mib("memory.current")?))
}

/// A number of this process's own cgroup (version 2), in MiB; `max` is no number.
fn cgroup_mib(name: &str) -> Option<u64> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let text = read_to_string(format!("/sys/fs/cgroup{}/{name}", path.trim_end_matches('/'))).ok()?;
    text.trim().parse::<u64>().ok().map(|bytes| bytes / (1024 * 1024))
}
