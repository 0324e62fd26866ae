//! Where a case runs: its own HOME, environment and tools, and nothing of the machine's owner.

use super::process::{Run, Streams, wait};
use super::{Outcome, detach, failed, terminal};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What else is on PATH. A real `openclaw` or `ssh` there would make cases depend on the machine.
pub const TOOLS: &str = "age age-keygen base64 cat chmod chown cp cut dd diff env false find flock git grep \
    head id ln ls mkdir mkfifo mv readlink rm sed setpriv sh sleep sort ssh-keygen stat stty tail tee touch tr true \
    truncate wc";

pub struct World {
    root: TempDir,
    ram: Option<TempDir>,
    home: PathBuf,
    cwd: PathBuf,
    env: BTreeMap<String, String>,
}

/// Which streams a command on a terminal has there.
pub struct OnTerminal {
    pub stdout: bool,
    pub stderr: bool,
}

impl World {
    pub fn new() -> Outcome<World> {
        let scratch = Path::new(crate::SCRATCH);
        fs::create_dir_all(scratch).map_err(failed("make", scratch))?;
        let root = TempDir::with_prefix_in("case-", scratch).map_err(failed("make a folder in", scratch))?;
        let base = root.path().canonicalize().map_err(failed("resolve", root.path()))?;
        let (home, bin) = (base.join("home"), base.join("bin"));
        private_dir(&home)?;
        private_dir(&bin)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        for tool in TOOLS.split_whitespace() {
            let found = std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|file| file.is_file());
            if let Some(file) = found {
                symlink(&file, bin.join(tool)).map_err(failed("link", &file))?;
            }
        }
        let agevault = Path::new(crate::AGEVAULT);
        symlink(agevault, bin.join("agevault")).map_err(failed("link", agevault))?;

        // As on a real machine the runtime directory is in RAM, where there is a place for that.
        let ram = TempDir::with_prefix_in("case-", "/dev/shm").ok();
        let runtime = ram.as_ref().map_or(home.join(".run"), |ram| ram.path().join("run"));
        private_dir(&runtime)?;
        let mut world = World { root, ram, cwd: home.clone(), home, env: BTreeMap::new() };
        let home = world.home.clone();
        let env = [
            ("HOME", home.clone()),
            ("PATH", bin),
            ("XDG_CACHE_HOME", home.join(".cache")),
            ("XDG_CONFIG_HOME", home.join(".config")),
            ("XDG_DATA_HOME", home.join(".local/share")),
            ("XDG_RUNTIME_DIR", runtime),
            ("XDG_STATE_HOME", home.join(".local/state")),
        ];
        for (name, path) in env {
            world.set_env(name, &path.to_string_lossy());
        }
        // No colours on a terminal, unless a case asks for them.
        world.set_env("TERM", "dumb");
        Ok(world)
    }

    /// The directories that output may name, as placeholders without brackets.
    pub fn places(&self) -> Vec<(&'static str, String)> {
        let mut places = vec![("HOME", self.home.to_string_lossy().into_owned())];
        places.extend(self.ram.iter().map(|ram| ("RAM", ram.path().to_string_lossy().into_owned())));
        places.push(("FIXTURES", crate::FIXTURES.to_owned()));
        places
    }

    pub fn variable(&self, name: &str) -> Outcome<String> {
        let place = self.places().into_iter().find(|(known, _)| *known == name);
        let value = self.env.get(name).cloned().or(place.map(|(_, path)| path));
        value.ok_or_else(|| format!("there is no variable {name}"))
    }

    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    pub fn unset_env(&mut self, name: &str) {
        self.env.remove(name);
    }

    pub fn condition(&self, name: &str) -> Outcome<bool> {
        match name {
            "linux" => Ok(cfg!(target_os = "linux")),
            "ram" => Ok(self.ram.is_some()),
            "root" => Ok(rustix::process::geteuid().is_root()),
            _ => Err(format!("there is no condition {name}")),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.cwd.join(name)
    }

    pub fn change_dir(&mut self, name: &str) -> Outcome<()> {
        let path = self.path(name);
        self.cwd = path.canonicalize().map_err(failed("go to", &path))?;
        Ok(())
    }

    /// Writes a file of the case: private, since that is what keys and views have to be.
    pub fn write(&self, name: &str, text: &str) -> Outcome<()> {
        let path = self.home.join(name);
        if let Some(dir) = path.parent().filter(|dir| dir.starts_with(&self.home)) {
            private_dir(dir)?;
        }
        fs::write(&path, text).map_err(failed("write", &path))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed("protect", &path))
    }

    /// Runs a command that has no terminal.
    pub fn exec(&self, argv: &[String], stdin: Option<&[u8]>) -> Outcome<Run> {
        let (program, args) = argv.split_first().ok_or("no command")?;
        let streams = Streams::open(self.root.path(), stdin)?;
        let mut command = detach::command(self.program(program)?.as_os_str()).map_err(|e| e.to_string())?;
        command.args(args).env_clear().envs(&self.env).current_dir(&self.cwd);
        command.stdin(streams.stdin()?).stdout(streams.file("stdout")?).stderr(streams.file("stderr")?);
        let mut child = command.spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
        let status = wait(&mut child)?;
        streams.read(status, String::new())
    }

    /// Runs a command on a terminal, with somebody at it who follows `script`.
    pub fn tty(&self, argv: &[String], stdin: Option<&[u8]>, on: &OnTerminal, script: &str) -> Outcome<Run> {
        let (program, args) = argv.split_first().ok_or("no command")?;
        let streams = Streams::open(self.root.path(), stdin)?;
        let mut command = pty_process::blocking::Command::new(self.program(program)?)
            .args(args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.cwd);
        if stdin.is_some() {
            command = command.stdin(streams.stdin()?);
        }
        if !on.stdout {
            command = command.stdout(streams.file("stdout")?);
        }
        if !on.stderr {
            command = command.stderr(streams.file("stderr")?);
        }
        let (status, ttyout) = terminal::run(command, script)?;
        streams.read(status, ttyout)
    }

    /// Leaves the folders for a look at them, and says where they are.
    pub fn keep(&mut self) -> String {
        self.root.disable_cleanup(true);
        if let Some(ram) = &mut self.ram {
            ram.disable_cleanup(true);
        }
        let ram = self.ram.as_ref().map(TempDir::path);
        format!("kept: {:?} {ram:?}\n", self.root.path())
    }

    fn program(&self, name: &str) -> Outcome<PathBuf> {
        if name == "agevault" {
            return Ok(crate::AGEVAULT.into());
        }
        if name.contains('/') {
            return Ok(self.path(name));
        }
        let tool = self.root.path().join("bin").join(name);
        let known = tool.exists();
        known.then_some(tool).ok_or_else(|| format!("{name} is not a tool of cases, or not on this machine"))
    }
}

fn private_dir(path: &Path) -> Outcome<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(failed("make", path))
}
