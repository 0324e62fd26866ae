//! A disk that refuses: each system call of a save fails once, in turn.

use super::kill::step;
use super::trace::Job;
use super::world::{Ran, World};

/// What goes wrong with which call. Looking, reading and writing; not memory and signals.
const ERRORS: &[(&str, &str)] = &[
    ("write", "ENOSPC"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("rename", "EIO"),
    ("renameat", "EIO"),
    ("renameat2", "EIO"),
    ("link", "EIO"),
    ("linkat", "EIO"),
    ("open", "EMFILE"),
    ("openat", "ENOSPC"),
    ("mkdir", "ENOSPC"),
    ("mkdirat", "ENOSPC"),
    ("fchmod", "EIO"),
    ("ftruncate", "EIO"),
    ("unlink", "EIO"),
    ("unlinkat", "EIO"),
    ("flock", "ENOLCK"),
    ("read", "EIO"),
    ("getdents64", "EIO"),
    ("fstat", "EIO"),
    ("newfstatat", "EIO"),
];

#[test]
fn a_set_that_the_disk_refuses_leaves_the_old_vault_and_says_so() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"old");
    let job = Job { args: &["set", "env/A"], stdin: b"new" };
    let done = |world: &World| Ok(step("opens", world.entries())?["env/A"] == "\"new\"");
    println!("set: failed at {} calls", everywhere(&world, job, done, &[0]));
}

#[test]
fn a_removal_that_the_disk_refuses_leaves_the_old_vault_and_says_so() {
    let world = World::new();
    let leaver = agevault::seal::Identity::generate();
    world.ok(&["init", "--generate-identity", "-q", "-r", &leaver.public()], b"");
    world.ok(&["set", "env/A", "-q"], b"1");
    let job = Job { args: &["recipients", "remove", "recipient", "-y"], stdin: b"" };
    let done = |world: &World| {
        let listed = world.run(&["recipients", "list"], b"");
        step("next list", listed.expect(0))?;
        Ok(!String::from_utf8_lossy(&listed.stdout).contains(&leaver.public()))
    };
    println!("recipients remove: failed at {} calls", everywhere(&world, job, done, &[0, 3]));
}

#[test]
fn an_init_that_the_disk_refuses_leaves_nothing_in_the_way_or_a_vault_with_its_key() {
    let world = World::new();
    let job = Job { args: &["init", "--generate-identity"], stdin: b"" };
    // A vault whose key is gone is worse than none.
    let done = |world: &World| match world.sealed() {
        None => Ok(false),
        Some(_) if !world.identity().exists() => Err("there is a vault, and no key to it".to_owned()),
        Some(_) => step("opens", world.entries()).map(|_| true),
    };
    println!("init: failed at {} calls", everywhere(&world, job, done, &[6]));
}

#[test]
fn a_disk_that_gives_back_other_bytes_replaces_nothing() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"old");
    let start = world.tree();
    let before = world.sealed();
    let job = Job { args: &["set", "env/A"], stdin: b"new" };
    // Changes the temp file of the vault between its fsync and the read-back.
    for n in 1..=job.calls(&world)["fsync"] {
        world.reset(&start);
        let mut is_changed = false;
        let ran = job.interrupted_at(&world, "fsync", n, || {
            let name =
                |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(".vault.age.");
            for temp in world.temps().into_iter().filter(name) {
                let temp = world.home().join(temp);
                let mut bytes = std::fs::read(&temp).unwrap_or_default();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                    is_changed = std::fs::write(temp, bytes).is_ok();
                }
            }
        });
        if is_changed {
            let ran = ran.unwrap();
            assert!(ran.code != Some(0) && ran.stderr.contains("still in place"), "{ran:?}");
            assert_eq!(world.sealed(), before);
            return;
        }
    }
    panic!("no such file was seen");
}

/// Lets every call fail in turn, from the same start. `done` says whether the vault has the
/// new state, `again` is how the same command may then end.
fn everywhere(world: &World, job: Job<'_>, done: impl Fn(&World) -> Result<bool, String>, again: &[i32]) -> usize {
    let start = world.tree();
    let before = world.sealed();
    let calls = job.calls(world);
    let (mut places, mut failures) = (0, Vec::new());
    for (call, error) in ERRORS {
        for n in 1..=calls.get(*call).copied().unwrap_or(0) {
            world.reset(&start);
            let ran = job.failing_at(world, call, n, error);
            places += 1;
            let judged = (|| {
                let is_done = done(world)?;
                says_what_happened(&ran, is_done)?;
                if !is_done && world.sealed() != before {
                    return Err("the old vault is not as it was".to_owned());
                }
                let (codes, ran) = (if is_done { again } else { &[0] }, job.run(world));
                if !ran.code.is_some_and(|code| codes.contains(&code)) {
                    return Err(format!("again: not {codes:?}: {ran:?}"));
                }
                step("further save", world.run(&["set", "env/B"], b"b").expect(0))?;
                let temps = world.temps();
                temps.is_empty().then_some(()).ok_or_else(|| format!("temp files stay: {temps:?}"))
            })();
            if let Err(why) = judged {
                failures.push(format!("{call} {n} {error}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {places} places:\n{}", failures.len(), failures.join("\n"));
    places
}

/// Success is only told when it is one, and a failure tells which vault is there now.
fn says_what_happened(ran: &Ran, is_done: bool) -> Result<(), String> {
    let keeps_old = ran.stderr.contains("still in place") || ran.stderr.contains("nothing was changed");
    match (ran.code, is_done) {
        (Some(0), true) => Ok(()),
        (Some(0), false) => Err(format!("exit 0, and nothing was saved: {}", ran.stderr)),
        (None, _) => Err(format!("ended by signal {:?}", ran.signal)),
        _ if ran.stderr.contains("internal error") || !ran.stderr.contains("agevault: ") => {
            Err(format!("says {}", ran.stderr))
        }
        (_, true) if keeps_old => Err(format!("saved, but says {}", ran.stderr)),
        _ => Ok(()),
    }
}
