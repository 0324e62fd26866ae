//! A home of its own for one test, and commands that see nothing of the real one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(TempDir::new().expect("a temporary directory"));
        for dir in ["home", "data", "state", "config", "cache", "run", "tmp"] {
            place.dir(dir);
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a private directory.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a new directory");
        narrow(&path, 0o700);
        path
    }

    /// Writes a private file.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a new file");
        narrow(&path, 0o600);
        path
    }

    /// Any program, in this place: only `PATH` comes from outside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("HOME", self.path("home"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("home"))
            .stdin(Stdio::null());
        command
    }

    /// The binary under test; a prompt would be an error, also where the tests run in a terminal.
    pub fn agevault(&self) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_agevault"));
        command.arg("--no-input");
        command
    }
}

/// Runs to success and gives what was printed.
pub fn stdout_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("a program that starts");
    assert!(output.status.success(), "{command:?}\n{}\n{}", output.status, both(&output));
    output.stdout
}

fn both(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Copies a tree as a gateway would hold it: directories 0700, files 0600.
pub fn copy_private(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).expect("a new directory");
        narrow(to, 0o700);
        for entry in fs::read_dir(from).expect("a directory to copy") {
            let name = entry.expect("a directory entry").file_name();
            copy_private(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::copy(from, to).expect("a file to copy");
        narrow(to, 0o600);
    }
}

pub fn narrow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}
