//! Processes that wait with a vault open: what is in them, and who may look.

use crate::world::{self, AGEVAULT, World};
use crate::{VALUE, found_in, runtime};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A vault may be open for months in it: only the key that is needed in the end is.
#[test]
fn run_holds_no_value_while_it_waits() {
    let (world, needles) = crate::world();
    let ram = runtime();
    let mut command = world.command(AGEVAULT);
    command.env("AGEVAULT_RUNTIME_DIR", ram.path()).args(["run", "--views", "--", "cat"]);
    let child = asleep(command, AGEVAULT);
    assert!(ram.path().join("openclaw/.env").exists());
    let found = found_in(child.id(), &needles);
    println!("while it waits: {found:?}");
    assert!(found.keys().all(|(what, _)| *what == "identity key"), "{found:?}");
    end(child);
}

/// A command that has opened the vault and waits for a value, run by `nobody` if we are root:
/// root could look into everything.
fn waiting(world: &World, ram: &Path, program: &str, args: &[&str]) -> Child {
    let mut command = world.command("sh");
    command.env("AGEVAULT_RUNTIME_DIR", ram);
    let start = if is_root() { "exec setpriv --reuid=65534 --regid=65534 --clear-groups --" } else { "exec" };
    // With core dumps enabled, so that the program must disable them.
    command.args(["-c", &format!("ulimit -S -c unlimited; {start} \"$@\"")]);
    command.arg("sh").arg(program).args(args);
    asleep(command, program)
}

/// Starts a command, and waits until it waits.
fn asleep(mut command: Command, program: &str) -> Child {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut still = 0;
    while still < 10 {
        assert!(Instant::now() < deadline, "{program} never waits for its input");
        std::thread::sleep(Duration::from_millis(20));
        let text = fs::read_to_string(&stat).unwrap();
        let name = &text[text.find('(').unwrap() + 1..text.rfind(')').unwrap()];
        let sleeps = text.rsplit(')').next().unwrap().trim_start().starts_with('S');
        still = if sleeps && program.ends_with(name) { still + 1 } else { 0 };
    }
    child
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

#[test]
fn another_process_of_the_same_user_cannot_look_in() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], VALUE.as_bytes());
    // The binary lies where `nobody` may not be allowed to go.
    let binary = world.path("agevault");
    fs::copy(AGEVAULT, &binary).unwrap();
    let ram = runtime();
    if is_root() {
        for dir in [world.home().parent().unwrap(), ram.path()] {
            assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(dir).status().unwrap().success());
        }
    }
    let binary = binary.to_str().unwrap();
    let control = waiting(&world, ram.path(), "cat", &[]);
    let set = waiting(&world, ram.path(), binary, &["set", "env/A"]);
    // Beside a command that has the secrets in its environment.
    let run = waiting(&world, ram.path(), binary, &["run", "--views", "--", "cat"]);
    let look = |pid: u32, what: &str| {
        let script = format!("head -c 1 /proc/{pid}/{what} >/dev/null && echo seen");
        let mut command = world.command("sh");
        command.args([
            "-c",
            if is_root() {
                "exec setpriv --reuid=65534 --regid=65534 --clear-groups -- sh -c \"$0\""
            } else {
                "eval \"$0\""
            },
        ]);
        command.arg(script);
        world::run(command, b"").stdout == b"seen\n"
    };
    for what in ["environ", "maps", "auxv"] {
        assert!(look(control.id(), what), "the test itself can see {what} of an ordinary process");
    }
    for child in [&set, &run] {
        for what in ["environ", "maps", "auxv", "mem"] {
            assert!(!look(child.id(), what), "{what} can be read");
        }
        let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(cores.split_whitespace().nth(4), Some("0"), "{cores}");
    }
    [set, run, control].into_iter().for_each(end);
}
