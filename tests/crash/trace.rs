//! What `strace` lets a test do to a command: list its system calls, end it at one, or let
//! one fail.

use super::world::{AGEVAULT, Ran, World, run};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A command of agevault, and what it is given.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub args: &'a [&'a str],
    pub stdin: &'a [u8],
}

impl Job<'_> {
    pub fn run(self, world: &World) -> Ran {
        world.run(self.args, self.stdin)
    }

    /// Runs it to the end; the lines of its trace, from the first call of the program itself, and without those of the
    /// programs that it starts.
    pub fn trace(self, world: &World) -> Vec<String> {
        let log = world.home().with_file_name("trace");
        let ran = self.under(world, &["-y", "-s", "4096", "-o", log.to_str().unwrap()]);
        ran.expect(0).unwrap_or_else(|why| panic!("{:?} {why}", self.args));
        let text = std::fs::read_to_string(log).unwrap();
        let mut lines = text.lines().map(|line| line.split_once(' ').unwrap());
        let own = lines.next().unwrap().0;
        lines.filter(|(pid, _)| *pid == own).map(|(_, line)| line.trim_start().to_owned()).collect()
    }

    /// How often it uses each system call.
    pub fn calls(self, world: &World) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for line in self.trace(world) {
            let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                *calls.entry(name).or_default() += 1;
            }
        }
        calls
    }

    /// kill -9 instead of the `n`-th use of `call`.
    pub fn killed_at(self, world: &World, call: &str, n: usize) -> Ran {
        self.injected(world, call, n, "signal=KILL")
    }

    /// The `n`-th use of `call` fails with `error`.
    pub fn failing_at(self, world: &World, call: &str, n: usize, error: &str) -> Ran {
        self.injected(world, call, n, &format!("error={error}"))
    }

    /// Stopped at the `n`-th use of `call` until `then` is done; `None` if it does not come to that.
    pub fn interrupted_at(self, world: &World, call: &str, n: usize, then: impl FnOnce()) -> Option<Ran> {
        let log = world.home().with_file_name("trace");
        let _ = std::fs::remove_file(&log);
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=STOP:when={n}"));
        let options = ["-o", log.to_str().unwrap(), "-e", &trace, "-e", &inject];
        std::thread::scope(|scope| {
            let running = scope.spawn(|| self.under(world, &options));
            let stopped = loop {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let line = text.lines().find(|line| line.contains("stopped by SIGSTOP"));
                if let Some(pid) = line.and_then(|line| line.split_whitespace().next()) {
                    break Some(pid.to_owned());
                }
                if running.is_finished() {
                    break None;
                }
                std::thread::sleep(Duration::from_micros(500));
            };
            if stopped.is_some() {
                then();
            }
            // Programs that it starts are stopped at their own `n`-th use.
            let mut continued = BTreeSet::new();
            while !running.is_finished() {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                for line in text.lines().filter(|line| line.contains("stopped by SIGSTOP")) {
                    let pid = line.split_whitespace().next().unwrap_or_default();
                    if continued.insert(pid.to_owned()) {
                        // It may have been ended meanwhile.
                        Command::new("kill").args(["-CONT", pid]).stderr(Stdio::null()).status().unwrap();
                    }
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            let ran = running.join().unwrap();
            stopped.map(|_| ran)
        })
    }

    fn injected(self, world: &World, call: &str, n: usize, what: &str) -> Ran {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}:when={n}"));
        self.under(world, &["-o", "/dev/null", "-e", &trace, "-e", &inject])
    }

    fn under(self, world: &World, options: &[&str]) -> Ran {
        let mut command = world.command("strace");
        command.args(["-f", "-qq"]).args(options).arg(AGEVAULT).args(self.args);
        run(command, self.stdin)
    }
}
