//! Another program that puts a file in the place of the vault between any two system calls of a save, as one that
//! synchronises files does: it takes no lock.

use super::kill::step;
use super::trace::Job;
use super::world::{Ran, World, identity_key};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The vault as another host has saved it, from the same state and with the same key.
fn of_another_host(world: &World, args: &[&str], value: &[u8]) -> Vec<u8> {
    let other = World::new();
    let (vault, identity) = (".local/share/agevault/vault.age", ".config/agevault/identity.txt");
    other.write(vault, &world.sealed().unwrap());
    other.write(identity, &fs::read(world.identity()).unwrap());
    give_plugin(&other);
    other.ok(args, value);
    other.sealed().unwrap()
}

/// Every generation that is kept has the number and the random name that it says.
fn names_are_true(world: &World) -> Result<(), String> {
    for path in world.generations() {
        let sealed = fs::read(&path).unwrap();
        let (plain, _) =
            agevault::seal::unlock(&sealed, identity_key(&world.identity())).map_err(|error| format!("{error:?}"))?;
        let vault = agevault::model::Vault::parse(plain.text().unwrap()).map_err(|error| format!("{error:?}"))?;
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with(&format!("{}-{}", vault.generation, vault.rev)) {
            return Err(format!("{name} holds generation {} ({})", vault.generation, vault.rev));
        }
    }
    Ok(())
}

/// Runs `job` once for each of its system calls, with `theirs` put in place before that call. `judge` is told whether the
/// save stood there by then.
fn everywhere(world: &World, job: Job<'_>, theirs: &[u8], judge: impl Fn(&World, &Ran, bool) -> Result<(), String>) {
    let (start, old) = (world.tree(), world.sealed());
    let old = old.as_ref();
    let (mut places, mut failures) = (0, Vec::new());
    for (call, count) in &job.calls(world) {
        for n in 1..=*count {
            world.reset(&start);
            let mut saved = false;
            let put = || {
                saved = world.sealed().as_ref() != old;
                let beside = world.write(".local/share/agevault/.sync.tmp", theirs);
                fs::rename(beside, world.vault()).unwrap();
            };
            // Randomised code may need one call less.
            let Some(ran) = job.interrupted_at(world, call, n, put) else { continue };
            places += 1;
            let outcome = judge(world, &ran, saved).and_then(|()| names_are_true(world));
            if let Err(why) = outcome {
                failures.push(format!("{call} {n}: {why} (ended with {:?}: {})", ran.code, ran.stderr));
            }
        }
    }
    assert!(places > 50, "{places} places");
    assert!(failures.is_empty(), "{} of {places} places:\n{}", failures.len(), failures.join("\n"));
    println!("{:?}: raced at {places} calls", job.args);
}

/// Ids and values of the vault as it stands.
fn held(world: &World) -> Result<BTreeSet<(String, String)>, String> {
    Ok(step("opens", world.entries())?.into_iter().collect())
}

fn pair(id: &str, value: &str) -> (String, String) {
    (id.to_owned(), format!("\"{value}\""))
}

#[test]
fn a_save_that_is_raced_joins_what_was_put_in_place_or_leaves_it() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"before");
    let theirs = of_another_host(&world, &["set", "env/THEIRS"], b"theirs");
    let (ours, before) = (pair("env/A", "ours"), pair("env/A", "before"));
    everywhere(&world, Job { args: &["set", "env/A"], stdin: b"ours" }, &theirs, |world, ran, saved| {
        let held = held(world)?;
        if !held.contains(&pair("env/THEIRS", "theirs")) {
            return Err("their value is lost".to_owned());
        }
        step("ends well", ran.expect(0))?;
        // What is put in place after the save stands there as it is.
        if held.contains(if saved { &before } else { &ours }) { Ok(()) } else { Err("our value is lost".to_owned()) }
    });
}

/// The same with another kind of key: a slower unlock leaves more time for the race.
fn is_joined_by(key: &[&str], prepare: impl FnOnce(&World)) {
    let world = World::with_vault();
    prepare(&world);
    world.ok(&["set", "env/A", "-q"], b"before");
    let theirs = of_another_host(&world, &["set", "env/THEIRS"], b"theirs");
    let (ours, before) = (pair("env/A", "ours"), pair("env/A", "before"));
    let args = [&["set", "env/A"][..], key].concat();
    everywhere(&world, Job { args: &args, stdin: b"ours" }, &theirs, |world, ran, saved| {
        let held = held(world)?;
        if !held.contains(&pair("env/THEIRS", "theirs")) {
            return Err("their value is lost".to_owned());
        }
        step("ends well", ran.expect(0))?;
        if held.contains(if saved { &before } else { &ours }) { Ok(()) } else { Err("our value is lost".to_owned()) }
    });
}

#[test]
fn a_save_by_a_passphrase_that_is_raced_joins_what_was_put_in_place() {
    is_joined_by(&["--passphrase-file", "words"], |world| {
        world.write("words", b"a passphrase of the tests");
        let new = ["--new-passphrase-file", "words", "--kdf-memory", "8", "-q"];
        world.ok(&[&["recipients", "add", "passphrase", "--label", "words"][..], &new].concat(), b"");
    });
}

#[test]
fn a_save_by_an_ssh_key_that_is_raced_joins_what_was_put_in_place() {
    is_joined_by(&["-i", "ssh"], |world| {
        let made = world.command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "ssh"]).status().unwrap();
        assert!(made.success());
        world.ok(&["recipients", "add", "ssh.pub", "--label", "ssh", "-q", "--yes"], b"");
    });
}

/// A plugin that "seals" the file key by writing it down.
const PLUGIN: &str = r#"#!/bin/sh
body() { body=; while IFS= read -r line; do body=$body$line; [ ${#line} -ge 64 ] || break; done; }
say() { printf '%s\n' "$1" "$2"; IFS=' ' read -r arrow answer more; body; }
while read -r arrow command file tag more; do
    body
    case $command in
        wrap-file-key) key=$body ;;
        recipient-stanza) [ "$tag" != two ] || key=$body ;;
        done) break ;;
    esac
done
case $1-$key in
    --age-plugin=recipient-v1-*) say '-> recipient-stanza 0 two' "$key" ;;
    --age-plugin=identity-v1-?*) say '-> file-key 0' "$key" ;;
esac
printf '%s\n' '-> done' ''
"#;

fn give_plugin(world: &World) {
    // Beside the home, which is written anew for each race.
    let dir = world.home().with_file_name("plugins");
    fs::create_dir(&dir).unwrap();
    let program = dir.join("age-plugin-two");
    fs::write(&program, PLUGIN).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_save_by_a_plugin_that_is_raced_joins_what_was_put_in_place() {
    is_joined_by(&["-i", "token"], |world| {
        give_plugin(world);
        world.write("token", b"AGE-PLUGIN-TWO-1VE5HYUM5J26QJ4\n");
        world.ok(&["recipients", "add", "age1two1ve5hyum5h7uzc9", "--label", "token", "-q", "--yes"], b"");
    });
}

#[test]
fn a_save_of_the_same_entry_that_is_raced_is_a_conflict_by_name() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"before");
    let theirs = of_another_host(&world, &["set", "env/A"], b"theirs");
    everywhere(&world, Job { args: &["set", "env/A"], stdin: b"ours" }, &theirs, |world, ran, saved| {
        let held = held(world)?;
        match ran.code {
            // It was there before the command looked, or was put in place when all was done.
            Some(0) if saved || held.contains(&pair("env/A", "ours")) => Ok(()),
            Some(6) if held.contains(&pair("env/A", "theirs")) && ran.stderr.contains("env/A") => Ok(()),
            _ => Err(format!("{held:?}")),
        }
    });
}

#[test]
fn a_removal_of_a_key_that_is_raced_keeps_what_was_put_in_place() {
    let world = World::new();
    let leaver = agevault::seal::Identity::generate();
    world.ok(&["init", "--generate-identity", "-q", "-r", &leaver.public()], b"");
    world.ok(&["set", "env/A", "-q"], b"before");
    let theirs = of_another_host(&world, &["set", "env/THEIRS"], b"theirs");
    let job = Job { args: &["recipients", "remove", "recipient", "-y"], stdin: b"" };
    everywhere(&world, job, &theirs, |world, ran, _| {
        let held = held(world)?;
        step("ends well", ran.expect(0))?;
        let has = |id, value| if held.contains(&pair(id, value)) { Ok(()) } else { Err(format!("{id} is lost")) };
        has("env/THEIRS", "theirs")?;
        has("env/A", "before")
    });
}
