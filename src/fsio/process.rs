//! Processes, told apart although their numbers are used again.

/// A process by its number and the time it was started, as one word. `None` if it has ended, or
/// where the system does not tell.
pub fn process_name(pid: u32) -> Option<String> {
    // Linux alone: after the name, which may hold anything, come the state and at last, as the
    // 22nd of all fields, the start.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    let ended = ["Z", "X", "x"].contains(&state);
    (!ended).then(|| format!("{pid}@{started}"))
}

/// Whether the process that had this name still has it.
pub fn process_lives(name: &str) -> bool {
    let pid = name.split_once('@').and_then(|(pid, _)| pid.parse().ok());
    pid.and_then(process_name).is_some_and(|now| now == name)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_until_it_has_ended_and_never_taken_for_another() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let name = process_name(child.id()).unwrap();
        assert!(process_lives(&name));
        assert!(!process_lives(&format!("{name}0")) && !process_lives("") && !process_lives("1"));
        child.kill().unwrap();
        // Ended, and its number not free yet.
        let waited = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&child)), waited)
            .unwrap();
        assert!(!process_lives(&name));
        child.wait().unwrap();
        assert!(!process_lives(&name));
    }
}
