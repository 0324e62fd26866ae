//! The programs that are compared: ours and the floor freshly built, the peers as their users have them.

use crate::Result;
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const RAGE_VERSION: &str = "0.12.1";

pub struct Tools {
    pub agevault: PathBuf,
    pub floor: PathBuf,
    /// age and rage, those that are here: name and program.
    pub peers: Vec<(&'static str, PathBuf)>,
}

pub fn find(root: &Path) -> Result<Tools> {
    let bench = root.join("target/bench");
    let agevault = match env::var_os("AGEVAULT_BIN") {
        Some(path) => fs::canonicalize(path)?,
        None => build(cargo(root).args(["build", "--release"]), "agevault")?,
    };
    let floor = build(
        cargo(&root.join("benches/floor"))
            .args(["build", "--release", "--locked", "--target-dir"])
            .arg(bench.join("floor"))
            // The project's own flags ask for a static binary; the floor is an ordinary one.
            .env("RUSTFLAGS", "-C target-feature=-crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"),
        "floor",
    )?;
    let peers = [("age -d", on_path("age")), ("rage -d", rage(root, &bench))];
    let peers = peers.into_iter().filter_map(|(name, found)| found.map(|path| (name, path))).collect();
    Ok(Tools { agevault, floor, peers })
}

fn cargo(dir: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(dir);
    command
}

/// Builds and asks cargo where the program is: its place depends on the target that the configuration names.
fn build(command: &mut Command, name: &str) -> Result<PathBuf> {
    let output = command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{name} does not build").into());
    }
    String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo named no program {name}").into())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let found = env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("{name} is not installed: its row is left out");
    }
    found
}

fn rage(root: &Path, bench: &Path) -> Option<PathBuf> {
    let program = bench.join("bin/rage");
    if !program.is_file() {
        let mut install = cargo(root);
        install.args(["install", "rage", "--locked", "--version", RAGE_VERSION, "--root"]).arg(bench);
        if !install.status().is_ok_and(|status| status.success()) {
            eprintln!("rage cannot be installed: its row is left out");
            return None;
        }
    }
    Some(program)
}
