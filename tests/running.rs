//! `run` beside a command: which signals reach it, what is left in the process that waits, and
//! who takes the views away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[allow(dead_code)] // Shared with tests/crash.rs, which uses all of it.
#[path = "crash/world.rs"]
mod world;

use pty_process::blocking as pty;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use world::{AGEVAULT, World};

const VALUE: &str = "canary-value-of-a-env-entry-0123456789";
const PATIENCE: Duration = Duration::from_secs(20);
/// Until the vault has what the gateway wrote: a second, and the time of a loaded machine.
const SOON: Duration = Duration::from_secs(2);
/// Waits for a word on its input, and counts the signals that it gets.
const CHILD: &str = r#"
for name in INT TERM HUP USR1 USR2; do trap "echo $name >> caught" $name; done
echo $$ > up
until read -r line && [ "$line" = end ]; do [ -e up ] && [ ! -e gone ] || exit 4; done
exit 3"#;

/// A vault with one env entry, and a runtime directory in memory.
struct Desk {
    world: World,
    ram: TempDir,
}

impl Desk {
    fn new() -> Self {
        let world = World::with_vault();
        world.ok(&["set", "env/A", "-q"], VALUE.as_bytes());
        Self { world, ram: TempDir::with_prefix_in("running-", "/dev/shm").expect("a tmpfs at /dev/shm") }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program);
        command.env("AGEVAULT_RUNTIME_DIR", self.ram.path());
        command
    }

    fn agevault(&self, args: &[&str], stdin: &str) -> world::Ran {
        let mut command = self.command(AGEVAULT);
        command.args(args);
        world::run(command, stdin.as_bytes())
    }

    fn view(&self) -> PathBuf {
        self.ram.path().join("openclaw/.env")
    }

    /// One whose vault has an OAuth profile too, with the token `r0`.
    fn with_profile() -> Self {
        let desk = Self::new();
        desk.world.write("auth-profiles.json", profiles("r0").as_bytes());
        desk.world.ok(&["import", "auth-profiles.json", "-q"], b"");
        desk
    }

    fn profiles(&self) -> PathBuf {
        self.ram.path().join("openclaw/agents/main/agent/auth-profiles.json")
    }

    /// Writes as gateways do: a file beside, then a rename.
    fn renames(&self, token: &str) {
        let beside = self.profiles().with_extension("tmp");
        fs::write(&beside, profiles(token)).unwrap();
        fs::rename(beside, self.profiles()).unwrap();
    }

    fn token(&self) -> String {
        let got = self.agevault(&["get", "auth/main/p:a", "--field", "refresh"], "");
        String::from_utf8(got.stdout).unwrap()
    }

    /// A run that was killed, and its command, after `change`, before it could capture that.
    fn killed_after(&self, change: impl FnOnce()) {
        let mut running = self.up("one");
        // Stopped it captures nothing, however long this takes.
        kill_process(Pid::from_child(&running.run), Signal::STOP).unwrap();
        change();
        running.kill_run();
        running.kill_child();
    }

    fn has_no_views(&self) -> bool {
        !self.ram.path().join("openclaw").exists()
    }

    /// `run --views` with [`CHILD`] in a directory of its own below HOME, once that is up.
    fn up(&self, name: &str) -> Running {
        let dir = self.world.path(name);
        fs::create_dir(&dir).unwrap();
        let mut command = self.command(AGEVAULT);
        command.args(["run", "--views", "--", "sh", "-c", CHILD]).current_dir(&dir).process_group(0);
        let run = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let child = until("the command is up", || fs::read_to_string(dir.join("up")).ok()?.trim().parse().ok());
        Running { run, child: Pid::from_raw(child).unwrap(), dir }
    }
}

/// A view of the gateway's with one OAuth profile.
fn profiles(token: &str) -> String {
    format!(
        r#"{{"version":1,"profiles":{{"p:a":{{"type":"oauth","provider":"p","access":"a","refresh":"{token}","expires":5}}}}}}"#
    )
}

struct Running {
    run: Child,
    child: Pid,
    dir: PathBuf,
}

impl Running {
    fn caught(&self) -> String {
        fs::read_to_string(self.dir.join("caught")).unwrap_or_default()
    }

    fn kill_run(&mut self) {
        self.run.kill().unwrap();
        self.run.wait().unwrap();
    }

    fn kill_child(&self) {
        kill_process(self.child, Signal::KILL).unwrap();
        let stat = format!("/proc/{}/stat", self.child.as_raw_nonzero());
        let ended = |stat: String| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z"));
        until("the command ends", || fs::read_to_string(&stat).map_or(true, ended).then_some(()));
    }

    fn end(mut self) -> ExitStatus {
        self.run.stdin.take().unwrap().write_all(b"end\n").unwrap();
        until("run ends", || self.run.try_wait().unwrap())
    }
}

fn until<R>(what: &str, mut look: impl FnMut() -> Option<R>) -> R {
    let start = Instant::now();
    loop {
        match look() {
            Some(found) => return found,
            None if start.elapsed() > PATIENCE => panic!("not within {} s: {what}", PATIENCE.as_secs()),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn what_is_sent_to_run_alone_reaches_the_command() {
    let desk = Desk::new();
    let running = desk.up("one");
    let mut want = String::new();
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        kill_process(Pid::from_child(&running.run), signal).unwrap();
        want += &format!("{name}\n");
        until(name, || (running.caught() == want).then_some(()));
    }
    assert_eq!(running.end().code(), Some(3));
    assert!(!desk.view().exists());
}

#[test]
fn what_the_command_sends_to_its_group_does_not_come_back() {
    let desk = Desk::new();
    let script = "trap 'echo caught' USR1; kill -USR1 0; sleep 0.3; exit 5";
    let mut command = desk.command(AGEVAULT);
    command.args(["run", "-q", "--views", "--", "sh", "-c", script]).process_group(0);
    let ran = world::run(command, b"");
    assert_eq!((ran.code, ran.stdout.as_slice()), (Some(5), b"caught\n".as_slice()), "{}", ran.stderr);
}

/// Two signals may become one before a command sees them, so the system calls are looked at.
#[test]
fn keys_at_a_terminal_are_not_passed_on() {
    let desk = Desk::new();
    let log = desk.world.path("log");
    let (mut pty, pts) = pty::open().unwrap();
    let mut args = vec!["-f", "-I4", "-qq", "-e", "trace=kill", "-o", log.to_str().unwrap(), AGEVAULT];
    args.extend(["run", "--views", "--", "sh", "-c", CHILD]);
    let mut strace = pty::Command::new("strace")
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", desk.world.home())
        .env("AGEVAULT_RUNTIME_DIR", desk.ram.path())
        .current_dir(desk.world.home())
        .spawn(pts)
        .unwrap_or_else(|error| panic!("cannot start strace ({error}): run tests/run"));
    until("the command is up", || desk.world.path("up").exists().then_some(()));
    let caught = || fs::read_to_string(desk.world.path("caught")).unwrap_or_default();
    pty.write_all(b"\x03").unwrap();
    until("the key has come", || (caught() == "INT\n").then_some(()));
    // And one that is passed on, to see that the test would see it.
    let child = fs::read_to_string(desk.world.path("up")).unwrap();
    let run: i32 = until("run has the key too", || {
        let log = fs::read_to_string(&log).unwrap();
        let pid = |line: &str| line.split_whitespace().next().map(str::to_owned);
        log.lines().filter_map(pid).find(|pid| pid != child.trim())?.parse().ok()
    });
    kill_process(Pid::from_raw(run).unwrap(), Signal::TERM).unwrap();
    until("the signal has come", || (caught() == "INT\nTERM\n").then_some(()));
    pty.write_all(b"end\n").unwrap();
    let status = until("run ends", || {
        // Nobody else reads what is echoed.
        rustix::io::ioctl_fionread(&pty).is_ok_and(|there| there > 0).then(|| pty.read(&mut [0; 4096]));
        strace.try_wait().unwrap()
    });
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(status.code(), Some(3), "{log}");
    let passed_on: Vec<&str> = log.lines().filter(|line| line.contains(" kill(")).collect();
    assert_eq!(log.matches("--- SIGINT {si_signo=SIGINT, si_code=SI_KERNEL").count(), 2, "{log}");
    assert!(passed_on.len() == 1 && passed_on[0].contains("SIGTERM"), "{log}");
}

#[test]
fn views_stay_until_the_last_run_ends() {
    let desk = Desk::new();
    let (one, other) = (desk.up("one"), desk.up("other"));
    assert_eq!(one.end().code(), Some(3));
    assert!(desk.view().exists());
    let refused = desk.agevault(&["wipe"], "");
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    desk.agevault(&["set", "env/B", "-q"], "x").expect(0).unwrap();
    assert!(desk.view().exists());
    assert_eq!(other.end().code(), Some(3));
    assert!(!desk.view().exists());
    assert_eq!(fs::read_dir(desk.world.path(".local/state/agevault/leases")).unwrap().count(), 0);
}

#[test]
fn what_a_killed_run_has_left_goes_with_the_next_save_and_not_by_reading() {
    let desk = Desk::new();
    desk.killed_after(|| ());
    for args in [&["get", "env/A"][..], &["list"], &["status"], &["run", "--", "true"]] {
        desk.agevault(args, "").expect(0).unwrap();
        assert!(desk.view().exists(), "{args:?}");
    }
    let saved = desk.agevault(&["set", "env/B"], "x");
    assert_eq!(saved.stderr, format!("removed {}\nadded env/B\n", desk.view().display()));
    assert!(desk.has_no_views());
}

/// What was exported for good is not swept with what was there for a run.
#[test]
fn a_killed_run_does_not_take_views_away_that_were_exported() {
    let desk = Desk::new();
    desk.agevault(&["export", "-q"], "").expect(0).unwrap();
    desk.killed_after(|| ());
    desk.agevault(&["set", "env/B", "-q"], "x").expect(0).unwrap();
    assert!(desk.view().exists());
}

#[test]
fn what_the_gateway_writes_is_in_the_vault_while_it_runs() {
    let desk = Desk::with_profile();
    let mut running = desk.up("one");
    for n in 1..=3 {
        let token = format!("r{n}");
        desk.renames(&token);
        let start = Instant::now();
        until(&token, || (desk.token() == token).then_some(()));
        assert!(start.elapsed() < SOON, "{token} took {:?}", start.elapsed());
    }
    // From here on nobody is left who could capture.
    running.kill_run();
    running.kill_child();
    assert_eq!(desk.token(), "r3");
    desk.agevault(&["set", "env/B", "-q"], "x").expect(0).unwrap();
    assert!(desk.has_no_views());
}

#[test]
fn what_a_killed_run_did_not_capture_the_next_save_does() {
    let desk = Desk::with_profile();
    desk.killed_after(|| desk.renames("r1"));
    assert_eq!(desk.token(), "r0");
    let saved = desk.agevault(&["set", "env/B"], "x");
    saved.expect(0).unwrap();
    assert!(saved.stderr.starts_with("took auth/main/p:a\nremoved "), "{}", saved.stderr);
    assert_eq!(desk.token(), "r1");
    assert!(desk.has_no_views());
}

/// A save neither fails nor loses its value by what a killed run has left.
#[test]
fn what_both_changed_is_told_by_the_save_and_kept() {
    let desk = Desk::new();
    desk.killed_after(|| fs::write(desk.view(), "A=gateways\n").unwrap());
    let saved = desk.agevault(&["set", "env/A"], "vaults");
    saved.expect(0).unwrap();
    assert!(saved.stderr.contains("warning: both the gateway and the vault changed: env/A"), "{}", saved.stderr);
    assert_eq!(desk.agevault(&["get", "env/A"], "").stdout, b"vaults");
    // A service is started all the same, with what the gateway had.
    let again = desk.agevault(&["run", "--views", "--", "sh", "-c", "cat $OPENCLAW_STATE_DIR/.env"], "");
    again.expect(0).unwrap();
    assert_eq!(again.stdout, b"A=gateways\n");
    assert!(again.stderr.contains("those of the last run"), "{}", again.stderr);
    assert_eq!(fs::read(desk.view()).unwrap(), b"A=gateways\n");
}

#[test]
fn a_service_that_was_killed_starts_again_and_loses_nothing() {
    let desk = Desk::with_profile();
    desk.killed_after(|| desk.renames("r1"));
    let again = desk.agevault(&["run", "--views", "--", "sh", "-c", "cat $OPENCLAW_STATE_DIR/agents/*/*/*.json"], "");
    again.expect(0).unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("\"r1\""), "{}", again.stderr);
    assert_eq!(desk.token(), "r1");
    assert!(desk.has_no_views());
}

#[test]
fn a_command_that_outlives_run_keeps_its_views() {
    let desk = Desk::with_profile();
    let mut running = desk.up("one");
    running.kill_run();
    desk.renames("r1");
    assert_eq!(desk.agevault(&["wipe"], "").code, Some(5));
    // Captured all the same, for nobody else does.
    desk.agevault(&["set", "env/B", "-q"], "x").expect(0).unwrap();
    assert_eq!(desk.token(), "r1");
    assert!(desk.profiles().exists());
    running.kill_child();
    desk.agevault(&["set", "env/B", "-q"], "y").expect(0).unwrap();
    assert!(desk.has_no_views());
}

#[test]
fn a_group_that_is_ended_takes_the_views_along() {
    let desk = Desk::new();
    let dir = desk.world.path("one");
    fs::create_dir(&dir).unwrap();
    let mut command = desk.command(AGEVAULT);
    command.args(["run", "--views", "--", "sleep", "60"]).current_dir(&dir).process_group(0);
    let mut run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", run.id());
    until("the command is up", || fs::read_to_string(&children).ok().filter(|list| !list.is_empty()));
    assert!(desk.view().exists());
    kill_process_group(Pid::from_child(&run), Signal::TERM).unwrap();
    let status = until("run ends", || run.try_wait().unwrap());
    assert_eq!(status.signal(), Some(15));
    assert!(!desk.view().exists());
}

/// The process that waits has no secret in what others could read of it, and no limit that the
/// command would miss.
#[test]
fn no_secret_is_in_the_environment_of_run_itself() {
    let desk = Desk::new();
    let running = desk.up("one");
    let proc = |pid: i32, what: &str| fs::read(format!("/proc/{pid}/{what}")).expect("this test needs root");
    let own = i32::try_from(running.run.id()).unwrap();
    let child = running.child.as_raw_nonzero().get();
    let has = |bytes: &[u8]| memchr::memmem::find(bytes, VALUE.as_bytes()).is_some();
    assert!(has(&proc(child, "environ")));
    for what in ["environ", "cmdline"] {
        assert!(!has(&proc(own, what)), "{what}");
    }
    let limit = |pid: i32| {
        let limits = String::from_utf8(proc(pid, "limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        line.split_whitespace().skip(4).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = limit(i32::try_from(std::process::id()).unwrap());
    assert_eq!(limit(child), ["0".to_owned(), ours[1].clone()]);
    assert_eq!(running.end().code(), Some(3));
}
