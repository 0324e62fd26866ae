//! `capture --watch` beside a gateway that writes: what it writes is in the vault before anybody
//! could miss it, whatever happens to files and directories meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, reason = "a part of the world is for other tests")]
#![cfg(target_os = "linux")]

#[path = "crash/world.rs"]
mod world;

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use world::{AGEVAULT, World};

/// What the watch promises: a second, and the time of a loaded machine.
const SOON: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(30);

/// A world with an exported OAuth profile, whose refresh token is `r0`, and a watch over it.
struct Watched {
    world: World,
    child: Child,
    said: Receiver<String>,
}

impl Watched {
    fn new() -> Self {
        let world = World::with_vault();
        world.write("auth-profiles.json", profiles("r0").as_bytes());
        world.ok(&["import", "auth-profiles.json"], b"");
        world.ok(&["export", "views", "--on-disk"], b"");
        Self::over(world, &[])
    }

    fn over(world: World, environment: &[(&str, &str)]) -> Self {
        let mut command = world.command(AGEVAULT);
        command.args(["capture", "--watch", "--no-input"]).envs(environment.iter().copied());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, said) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let watched = Self { world, child, said };
        watched.hears("watching");
        watched
    }

    /// Waits for a line that begins like this; the lines before it.
    fn hears(&self, start: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let line = self.said.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no {start:?} but {before:?}"));
            if line.starts_with(start) {
                return before;
            }
            before.push(line);
        }
    }

    fn view(&self) -> PathBuf {
        self.world.path("views/agents/main/agent/auth-profiles.json")
    }

    /// Writes as gateways of era A2 do: a file beside, then a rename.
    fn renames(&self, token: &str) {
        replace(&self.view(), token);
    }

    fn token(&self) -> String {
        let got = self.world.ok(&["get", "auth/main/p:a", "--field", "refresh"], b"");
        String::from_utf8(got.stdout).unwrap()
    }

    /// The token that the vault has, as soon as it is this one.
    fn has_soon(&self, token: &str) {
        let start = Instant::now();
        while self.token() != token {
            assert!(start.elapsed() < SOON, "{token} is not in the vault, but {}", self.token());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it with a signal; nothing may be left behind.
    fn ends(mut self, signal: Signal) -> World {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < DEADLINE, "still there after {signal:?}");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert_eq!(self.world.temps(), Vec::<PathBuf>::new());
        std::mem::replace(&mut self.world, World::new())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // After a test that failed; one that has ended is not there any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn profiles(token: &str) -> String {
    format!(
        r#"{{"version":1,"profiles":{{"p:a":{{"type":"oauth","provider":"p","access":"a","refresh":"{token}","expires":5}}}}}}"#
    )
}

fn replace(view: &Path, token: &str) {
    let beside = view.with_extension("tmp");
    fs::write(&beside, profiles(token)).unwrap();
    fs::rename(beside, view).unwrap();
}

#[test]
fn each_rewrite_is_in_the_vault_soon() {
    let watched = Watched::new();
    for n in 1..=3 {
        watched.renames(&format!("r{n}"));
        watched.has_soon(&format!("r{n}"));
    }
    // As gateways of eras A0 and A1 write: in place, with a rest in the middle.
    let text = profiles("r4");
    let (first, rest) = text.split_at(50);
    fs::write(watched.view(), first).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(watched.token(), "r3");
    fs::write(watched.view(), [first, rest].concat()).unwrap();
    watched.has_soon("r4");
    let world = watched.ends(Signal::TERM);
    // Nothing of it stands in the way of what comes next.
    world.ok(&["wipe"], b"");
}

#[test]
fn what_was_written_before_and_at_the_very_end_is_not_missed() {
    let world = Watched::new().ends(Signal::HUP);
    replace(&world.path("views/agents/main/agent/auth-profiles.json"), "early");
    let watched = Watched::over(world, &[]);
    assert_eq!(watched.token(), "early");
    watched.renames("late");
    let world = watched.ends(Signal::INT);
    let got = world.ok(&["get", "auth/main/p:a", "--field", "refresh"], b"");
    assert_eq!(got.stdout, b"late");
}

#[test]
fn directories_that_are_removed_renamed_and_made_again_are_followed() {
    let watched = Watched::new();
    let (dir, away) = (watched.world.path("views/agents/main"), watched.world.path("views/agents/away"));
    fs::rename(&dir, &away).unwrap();
    watched.world.write("views/agents/main/agent/auth-profiles.json", profiles("r1").as_bytes());
    watched.has_soon("r1");
    // The one that was moved away is no view any more.
    replace(&away.join("agent/auth-profiles.json"), "other");
    fs::remove_dir_all(watched.world.path("views")).unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    watched.world.ok(&["export", "views", "--on-disk"], b"");
    watched.renames("r2");
    watched.has_soon("r2");
    watched.ends(Signal::TERM);
}

#[test]
fn saves_by_others_are_kept_and_what_both_changed_is_told_once() {
    let watched = Watched::new();
    watched.world.ok(&["set", "env/OTHER", "-q"], b"value");
    watched.renames("r1");
    watched.has_soon("r1");
    // A new target, and an entry that both sides change.
    watched.world.ok(&["export", "views", "--on-disk"], b"");
    watched.world.ok(&["set", "env/OTHER", "-q"], b"vaults");
    watched.world.write("views/.env", b"OTHER=gateways");
    watched.hears("warning: both the gateway and the vault changed: env/OTHER");
    for n in 2..=3 {
        watched.renames(&format!("r{n}"));
        watched.has_soon(&format!("r{n}"));
    }
    let got = watched.world.ok(&["get", "env/OTHER"], b"");
    assert_eq!(got.stdout, b"vaults");
    watched.hears("took");
    let later: Vec<String> = watched.said.try_iter().collect();
    assert!(!later.iter().any(|line| line.contains("env/OTHER")), "{later:?}");
    watched.ends(Signal::TERM);
}

#[test]
fn a_view_that_stays_broken_is_told_and_stops_nothing_else() {
    let watched = Watched::new();
    watched.world.ok(&["set", "env/OTHER", "-q"], b"value");
    watched.world.ok(&["export", "views", "--on-disk"], b"");
    fs::write(watched.view(), "{").unwrap();
    watched.hears("warning: this view cannot be read");
    watched.world.write("views/.env", b"OTHER=gateways");
    watched.hears("took env/OTHER");
    watched.renames("r1");
    watched.has_soon("r1");
    watched.ends(Signal::TERM);
}

#[test]
fn a_service_manager_is_told_when_everything_was_captured_once() {
    let world = Watched::new().ends(Signal::TERM);
    let socket = world.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let watched = Watched::over(world, &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    let mut told = [0; 16];
    let len = manager.recv(&mut told).unwrap();
    assert_eq!(&told[..len], b"READY=1");
    watched.ends(Signal::TERM);
}

#[test]
fn a_vault_that_is_locked_for_a_while_gets_it_afterwards() {
    let watched = Watched::new();
    let lock = File::open(watched.world.path(".local/share/agevault/vault.age.lock")).unwrap();
    fs2::FileExt::lock_exclusive(&lock).unwrap();
    watched.renames("r1");
    watched.hears("warning: another command keeps");
    assert_eq!(watched.token(), "r0");
    drop(lock);
    watched.has_soon("r1");
    watched.ends(Signal::TERM);
}
