//! A current gateway of a test's own: its commands, and the gateway itself on a loopback port.

use crate::place::{Place, narrow, stdout_of};
use crate::tools;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a gateway may take to be ready; several may be starting on this machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A state directory with a configuration for a loopback gateway and nothing else in it.
pub struct Current {
    pub state: PathBuf,
}

impl Current {
    pub fn new(place: &Place) -> Self {
        let current = Self { state: place.dir("openclaw") };
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let config = serde_json::json!({
            "gateway": {
                "mode": "local", "port": port, "bind": "loopback",
                "auth": {"mode": "token", "token": "canary-token-of-the-gateway"},
            },
            "agents": {"defaults": {"model": {"primary": "anthropic/claude-opus-4-8"}}},
        });
        place.file("openclaw/openclaw.json", config.to_string().as_bytes());
        current
    }

    /// One of the gateway's commands.
    pub fn openclaw(&self, place: &Place) -> Command {
        let (node, script) = tools::current_gateway();
        let compiled = script.ancestors().nth(3).expect("the folder of the gateway").join("compiled");
        let mut command = place.command(node);
        command
            .arg(script)
            .env("NODE_COMPILE_CACHE", compiled)
            .env("OPENCLAW_STATE_DIR", &self.state)
            .env("OPENCLAW_SKIP_CHANNELS", "1")
            .env("OPENCLAW_DISABLE_BONJOUR", "1");
        command
    }

    /// One of the gateway's commands, to success, with a secret on its standard input.
    pub fn ok(&self, place: &Place, args: &[&str], stdin: &str) -> Vec<u8> {
        let input = place.path("stdin");
        fs::write(&input, stdin).expect("an input");
        narrow(&input, 0o600);
        let printed = stdout_of(self.openclaw(place).args(args).stdin(File::open(&input).expect("an input")));
        fs::remove_file(input).expect("an input");
        printed
    }

    /// Starts the gateway and waits until it is ready.
    pub fn start(&self, place: &Place) -> Running {
        Running::start(self.openclaw(place), place)
    }
}

/// A gateway that runs until this is dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Runs `gateway run` of this program and waits until it is ready.
    pub fn start(mut openclaw: Command, place: &Place) -> Self {
        let log = place.path("gateway.log");
        let file = File::create(&log).expect("a log");
        openclaw.args(["gateway", "run"]).stdin(Stdio::null()).stdout(file.try_clone().expect("a log")).stderr(file);
        openclaw.process_group(0);
        let running = Self { child: openclaw.spawn().expect("a gateway that starts"), log };
        running.says("[gateway] ready");
        running
    }

    /// Waits until its log has this text.
    pub fn says(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(&self.log).expect("a log");
            if log.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "the gateway does not say {text:?}:\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks it to end, and waits until it has; killed if it takes too long.
    pub fn stop(mut self) {
        self.end();
    }

    /// Ends it as a power cut does, with what it has started.
    pub fn kill(mut self) {
        self.kill_all();
    }

    /// The gateway's program may start itself once more.
    fn kill_all(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }

    fn end(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.kill_all();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn a_current_gateway_starts_over_its_own_store_and_stops() {
    let place = Place::new();
    let current = Current::new(&place);
    current.ok(&place, &["models", "auth", "paste-api-key", "--provider", "anthropic"], "canary-key-of-the-test");
    let running = current.start(&place);
    assert!(current.state.join("state/openclaw.sqlite").is_file(), "it keeps its credentials in SQLite");
    assert!(!current.state.join("agents/main/agent/auth-profiles.json").exists());
    running.stop();
}
