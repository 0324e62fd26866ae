//! A real service manager: the systemd of this machine as a user's instance, for one place.

use crate::wired::Wired;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// It starts only on a host that systemd has booted: elsewhere it sees one, in a mount namespace of its own.
const SCRIPT: &str = r#"
[ -d /run/systemd/system ] || {
    mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && mkdir /run/systemd/system
} && exec /lib/systemd/systemd --user --log-target=console --log-level=info
"#;
/// How long the manager may take to be up, and a service to change its state.
const PATIENCE: Duration = Duration::from_secs(300);

/// A manager that runs until this is dropped, with all its services.
pub struct Manager<'a> {
    child: Child,
    wired: &'a Wired,
}

impl<'a> Manager<'a> {
    /// As after a boot: what is enabled starts, with the environment of the gateway's commands.
    pub fn boot(wired: &'a Wired) -> Self {
        let log = File::create(wired.place.path("manager.log")).expect("a log");
        let mut command = wired.command("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT]).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let manager = Self { child: command.spawn().expect("unshare"), wired };
        manager.until("a user's systemd comes up (it needs root, and the machine's cgroups)", |manager| {
            wired.place.path("run/systemd/private").exists() && manager.systemctl(&["show", "--property=Version"]).0
        });
        manager
    }

    /// Writes a unit file, or a drop-in, and has it read.
    pub fn put(&self, name: &str, text: &str) {
        let file = self.wired.place.path("home/.config/systemd/user").join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("a unit");
        assert!(self.systemctl(&["daemon-reload"]).0);
    }

    /// Has a unit started now and with every boot.
    pub fn enable(&self, name: &str) {
        assert!(self.systemctl(&["enable", "--now", name]).0, "{}", self.log());
    }

    /// Stops a unit.
    pub fn stop(&self, name: &str) {
        assert!(self.systemctl(&["stop", name]).0, "{}", self.log());
    }

    /// As before a boot: it ends its services, and then itself.
    pub fn shut_down(self) {}

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.systemctl(&["show", "--value", "--property", name, unit]).1.trim().to_owned()
    }

    /// Waits until this holds.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "not seen: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What it and its services have said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.wired.place.path("manager.log")).expect("a log")).into_owned()
    }

    fn systemctl(&self, args: &[&str]) -> (bool, String) {
        let mut command = self.wired.command("systemctl");
        let output = command.arg("--user").args(args).output().expect("systemctl");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Manager<'_> {
    fn drop(&mut self) {
        let _ = self.systemctl(&["exit"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
