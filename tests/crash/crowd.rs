//! Several commands at once.

use super::world::{AGEVAULT, Ran, World};
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

#[test]
fn eight_processes_with_25_edits_each_lose_none() {
    const EACH: usize = 25;
    let world = World::with_vault();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let world = &world;
            scope.spawn(move || {
                for edit in 0..EACH {
                    let id = format!("env/W{writer}_{edit}");
                    world.ok(&["set", &id, "-q", "--lock-timeout", "60"], format!("{writer}.{edit}").as_bytes());
                }
            });
        }
    });
    let entries = world.entries().unwrap();
    assert_eq!(entries.len(), 8 * EACH);
    for (id, value) in &entries {
        assert_eq!(*value, format!("\"{}\"", id.trim_start_matches("env/W").replace('_', ".")));
    }
    let listed = world.ok(&["--json", "history", "list", "--all"], b"");
    let generations: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let last = generations["generations"].as_array().unwrap().last().unwrap()["generation"].clone();
    assert_eq!(last, 1 + 8 * EACH as u64, "every edit was a save of its own");
    assert_eq!(world.temps(), Vec::<std::path::PathBuf>::new());
    println!("200 edits by 8 processes took {:?}", start.elapsed());
}

#[test]
fn of_two_who_change_the_same_entry_one_is_refused_or_comes_second() {
    let world = World::with_vault();
    world.ok(&["set", "env/X", "-q"], b"start");
    let mut refused = 0;
    for round in 0..15 {
        let barrier = Barrier::new(2);
        let values = [format!("{round}-one"), format!("{round}-two")];
        let edit = |value: &String| {
            barrier.wait();
            world.run(&["set", "env/X", "-q"], value.as_bytes())
        };
        let ran: Vec<Ran> = std::thread::scope(|scope| {
            let threads: Vec<_> = values.iter().map(|value| scope.spawn(|| edit(value))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let is = world.entries().unwrap()["env/X"].trim_matches('"').to_owned();
        match [ran[0].code, ran[1].code] {
            [Some(0), Some(0)] => assert!(values.contains(&is), "{is}"),
            [Some(0), Some(6)] => assert_eq!(is, values[0]),
            [Some(6), Some(0)] => assert_eq!(is, values[1]),
            _ => panic!("{ran:?}"),
        }
        refused += ran.iter().filter(|ran| ran.code == Some(6)).count();
    }
    println!("two at the same entry: {refused} of 15 rounds had a conflict");
}

#[test]
fn who_looked_before_somebody_else_changed_the_entry_gets_a_conflict() {
    let world = World::with_vault();
    world.ok(&["set", "env/X", "-q"], b"start");
    let slow = paused_set(&world, "env/X");
    world.ok(&["set", "env/X", "-q"], b"quick");
    let ran = finish(slow, b"slow");
    ran.expect(6).unwrap();
    assert!(ran.stderr.contains("env/X"), "{}", ran.stderr);
    assert_eq!(world.entries().unwrap()["env/X"], "\"quick\"");
}

#[test]
fn who_looked_before_somebody_else_changed_another_entry_keeps_it() {
    let world = World::with_vault();
    let slow = paused_set(&world, "env/X");
    world.ok(&["set", "env/Y", "-q"], b"quick");
    finish(slow, b"slow").expect(0).unwrap();
    let entries = world.entries().unwrap();
    assert_eq!((entries["env/X"].as_str(), entries["env/Y"].as_str()), ("\"slow\"", "\"quick\""));
}

#[test]
fn who_finds_the_lock_taken_waits_and_then_says_who_is_busy() {
    let world = World::with_vault();
    let lock = std::fs::File::open(world.vault().with_extension("age.lock")).unwrap();
    lock.lock().unwrap();
    let before = world.tree();
    let ran = world.run(&["set", "env/X", "--lock-timeout", "1"], b"value");
    ran.expect(5).unwrap();
    assert!(ran.took >= Duration::from_secs(1) && ran.took < Duration::from_secs(5), "{:?}", ran.took);
    assert_eq!(world.tree(), before);
    drop(lock);
    world.ok(&["set", "env/X", "--lock-timeout", "1"], b"value");
}

/// `set` that has opened the vault and waits for its value.
fn paused_set(world: &World, id: &str) -> Child {
    let mut command = world.command(AGEVAULT);
    command.args(["set", id]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let sleeps = || std::fs::read_to_string(&stat).unwrap().rsplit(')').next().unwrap().trim_start().starts_with('S');
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut seen = 0;
    while seen < 5 {
        assert!(Instant::now() < deadline, "it never waits for its input");
        std::thread::sleep(Duration::from_millis(10));
        seen = if sleeps() { seen + 1 } else { 0 };
    }
    child
}

fn finish(mut child: Child, value: &[u8]) -> Ran {
    child.stdin.take().unwrap().write_all(value).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ran { code: output.status.code(), signal: None, stdout: output.stdout, stderr, took: Duration::ZERO }
}
