//! Commands that must refuse, quickly and in little memory.

use super::world::{AGEVAULT, Ran, Tree, World, run};
use std::path::Path;

/// What a refusal may cost: processor seconds, and bytes beyond those of the input.
const SECONDS: u64 = 2;
const MEMORY: u64 = 64 * 1024 * 1024;

/// Runs a command with bounds on its processor time and its memory beyond `input` bytes; one
/// that breaks them is ended by the kernel and so does not have the exit code that it should.
pub fn bounded(world: &World, args: &[&str], stdin: Option<&Path>, input: u64) -> Ran {
    let mut command = world.command("prlimit");
    command.arg(format!("--cpu={SECONDS}")).arg(format!("--as={}", MEMORY + input)).arg(AGEVAULT).args(args);
    match stdin {
        None => run(command, b""),
        Some(path) => {
            let mut shell = world.command("sh");
            shell.args(["-c", "exec \"$@\" <\"$0\""]).arg(path).arg(command.get_program()).args(command.get_args());
            run(shell, b"")
        }
    }
}

/// The refusal of a command: this exit code, words, no output, nothing changed.
pub fn refused(name: &str, world: &World, ran: &Ran, codes: &[i32], before: &Tree) {
    let code = ran.code.unwrap_or(-1);
    assert!(codes.contains(&code), "{name}: exit {code} (signal {:?}), not {codes:?}: {}", ran.signal, ran.stderr);
    assert!(ran.stdout.is_empty(), "{name}: prints {} bytes", ran.stdout.len());
    assert!(ran.stderr.starts_with("agevault: "), "{name}: says {}", ran.stderr);
    assert!(!ran.stderr.contains("internal error"), "{name}: {}", ran.stderr);
    assert!(ran.stderr.len() < 2000, "{name}: says {} bytes", ran.stderr.len());
    assert!(world.tree() == *before, "{name}: something was changed");
}

/// The public half of the identity at its usual place.
pub fn own_public(world: &World) -> String {
    let text = std::fs::read_to_string(world.identity()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
}
