//! What must be left of each command that changes a vault when it is killed somewhere.

use super::kill::{everywhere, step};
use super::trace::Job;
use super::world::{Entries, World, entries, identity_key, passphrase_key};
use agevault::secret::SecretBuf;
use std::fs;

#[test]
fn a_killed_set_leaves_the_old_or_the_new_value() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"old");
    let job = Job { args: &["set", "env/A"], stdin: b"new" };
    let places = everywhere(&world, job, |world| {
        let is = either(step("opens", world.entries())?, &["old", "new"])?;
        gets(world, &[], &is)?;
        step("again", job.run(world).expect(0))?;
        clean_after_a_save(world, &[])
    });
    println!("set: killed at {places} calls");
}

#[test]
fn a_killed_removal_leaves_the_recipient_or_takes_it_from_every_file() {
    let world = World::new();
    let leaver = agevault::seal::Identity::generate();
    let file = world.write("leaver.txt", leaver.to_secret().unwrap().expose().as_bytes());
    world.ok(&["init", "--generate-identity", "-q", "-r", &leaver.public()], b"");
    for value in [b"1", b"2"] {
        world.ok(&["set", "env/A", "-q"], value);
    }
    let job = Job { args: &["recipients", "remove", "recipient", "-y"], stdin: b"" };
    let places = everywhere(&world, job, |world| {
        either(step("opens", world.entries())?, &["2"])?;
        gets(world, &[], "2")?;
        let left = entries(&world.sealed().unwrap(), identity_key(&file)).is_err();
        // Once it is gone, there is nothing to remove or an interrupted removal to finish.
        let again = job.run(world);
        if !left || again.code != Some(3) {
            step("again", again.expect(0))?;
        }
        clean_after_a_save(world, &[])?;
        for path in world.generations().into_iter().chain([world.vault()]) {
            let sealed = fs::read(&path).unwrap();
            step("a kept generation", entries(&sealed, identity_key(&world.identity())))?;
            if entries(&sealed, identity_key(&file)).is_ok() {
                return Err(format!("the key that was removed opens {path:?}"));
            }
        }
        Ok(())
    });
    println!("recipients remove: killed at {places} calls");
}

#[test]
fn a_killed_addition_leaves_a_vault_that_its_owner_opens_and_the_new_key_if_it_was_saved() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"1");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(world.path("id_ed25519"))
        .status();
    assert!(made.unwrap().success(), "ssh-keygen is needed");
    let ssh: &[&str] = &["-i", "id_ed25519"];
    let job = Job { args: &["recipients", "add", "id_ed25519", "--label", "laptop"], stdin: b"" };
    let places = everywhere(&world, job, |world| {
        either(step("opens", world.entries())?, &["1"])?;
        gets(world, &[], "1")?;
        let again = job.run(world);
        // There already, or added now: then the key opens it in either case.
        if again.code != Some(6) {
            step("again", again.expect(0))?;
        }
        gets(world, ssh, "1")?;
        clean_after_a_save(world, ssh)
    });
    println!("recipients add: killed at {places} calls");
}

#[test]
fn a_killed_passwd_leaves_one_passphrase_that_opens_everything() {
    const OLD: &[&str] = &["--passphrase-file", "old.txt"];
    const NEW: &[&str] = &["--passphrase-file", "new.txt"];
    let world = World::new();
    world.write("old.txt", b"old passphrase");
    world.write("new.txt", b"new passphrase");
    world.ok(&[&["init", "-q", "--kdf-memory", "8"], OLD].concat(), b"");
    for value in [b"1", b"2"] {
        world.ok(&[&["set", "env/A", "-q"], OLD].concat(), value);
    }
    let args = &["passwd", "--new-passphrase-file", "new.txt", "--kdf-memory", "8", "--passphrase-file", "old.txt"];
    let job = Job { args, stdin: b"" };
    let places = everywhere(&world, job, |world| {
        let sealed = world.sealed().unwrap();
        let old = entries(&sealed, passphrase_key("old passphrase"));
        let new = entries(&sealed, passphrase_key("new passphrase"));
        let (is_new, holds) = match (old, new) {
            (Ok(holds), Err(_)) => (false, holds),
            (Err(_), Ok(holds)) => (true, holds),
            (old, new) => return Err(format!("old passphrase: {old:?}, new passphrase: {new:?}")),
        };
        either(holds, &["2"])?;
        gets(world, if is_new { NEW } else { OLD }, "2")?;
        step("again", job.run(world).expect(if is_new { 4 } else { 0 }))?;
        clean_after_a_save(world, NEW)?;
        for path in world.generations() {
            step("a kept generation", entries(&fs::read(&path).unwrap(), passphrase_key("new passphrase")))?;
        }
        Ok(())
    });
    println!("passwd: killed at {places} calls");
}

#[test]
fn a_killed_restore_leaves_what_stood_or_what_was_kept() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"kept");
    let backup = backup(&world);
    world.ok(&["set", "env/A", "-q"], b"standing");
    let job = Job { args: &["restore", &backup, "-y"], stdin: b"" };
    let places = everywhere(&world, job, |world| {
        let is = either(step("opens", world.entries())?, &["standing", "kept"])?;
        gets(world, &[], &is)?;
        step("again", job.run(world).expect(0))?;
        gets(world, &[], "kept")?;
        clean_after_a_save(world, &[])
    });
    println!("restore beside a vault: killed at {places} calls");
}

#[test]
fn a_killed_restore_onto_an_empty_place_leaves_nothing_or_a_vault_that_works() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"kept");
    let backup = backup(&world);
    // Another machine: it has the backup and the key, and has never seen the vault.
    fs::remove_dir_all(world.path(".local")).unwrap();
    let job = Job { args: &["restore", &backup], stdin: b"" };
    let places = everywhere(&world, job, |world| {
        if world.sealed().is_none() {
            step("next get", world.run(&["get", "env/A"], b"").expect(3))?;
        } else {
            either(step("opens", world.entries())?, &["kept"])?;
            gets(world, &[], "kept")?;
        }
        step("again", job.run(world).expect(0))?;
        gets(world, &[], "kept")?;
        clean_after_a_save(world, &[])
    });
    println!("restore onto an empty place: killed at {places} calls");
}

#[test]
fn a_killed_init_leaves_nothing_in_the_way_or_a_vault_that_works() {
    let world = World::new();
    let job = Job { args: &["init", "--generate-identity"], stdin: b"" };
    let places = everywhere(&world, job, |world| {
        let made = world.sealed().is_some();
        step("next get", world.run(&["get", "env/A"], b"").expect(3))?;
        step("again", job.run(world).expect(if made { 6 } else { 0 }))?;
        clean_after_a_save(world, &[])
    });
    println!("init: killed at {places} calls");
}

#[test]
fn a_killed_capture_loses_neither_what_the_gateway_wrote_nor_what_the_vault_has() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], b"old");
    world.ok(&["export", "views", "--on-disk", "-q"], b"");
    world.write("views/.env", b"A=new\n");
    let job = Job { args: &["capture"], stdin: b"" };
    let places = everywhere(&world, job, |world| {
        let is = either(step("opens", world.entries())?, &["old", "new"])?;
        gets(world, &[], &is)?;
        if fs::read(world.path("views/.env")).unwrap() != b"A=new\n" {
            return Err("the view was changed".to_owned());
        }
        step("again", job.run(world).expect(0))?;
        gets(world, &[], "new")?;
        step("wipe", world.run(&["wipe", "-q"], b"").expect(0))?;
        clean_after_a_save(world, &[])
    });
    println!("capture: killed at {places} calls");
}

fn backup(world: &World) -> String {
    let made = world.ok(&["backup", "create", "backups", "-q"], b"");
    SecretBuf::new(made.stdout).text().unwrap().trim().to_owned()
}

/// The value of `env/A`, which is one of these.
fn either(holds: Entries, allowed: &[&str]) -> Result<String, String> {
    let is = holds.get("env/A").map(|value| value.trim_matches('"').to_owned());
    is.filter(|is| allowed.contains(&is.as_str())).ok_or_else(|| format!("holds {holds:?}"))
}

/// The next command works without help or complaint. What it found unfinished it may tell.
fn gets(world: &World, key: &[&str], value: &str) -> Result<(), String> {
    let got = world.run(&[&["get", "env/A"], key].concat(), b"");
    step("next get", got.expect(0))?;
    let told = |line: &str| line.starts_with("note: ") || line.contains("fingerprint is now");
    let quiet = got.stderr.lines().all(told);
    let same = got.stdout == value.as_bytes() && quiet;
    same.then_some(()).ok_or_else(|| format!("next get: {got:?}"))
}

/// One more save, after which everything is as if nothing had been interrupted.
fn clean_after_a_save(world: &World, key: &[&str]) -> Result<(), String> {
    step("further save", world.run(&[&["set", "env/B"], key].concat(), b"b").expect(0))?;
    let got = world.run(&[&["get", "env/B"], key].concat(), b"");
    if got.stdout != b"b" {
        return Err(format!("the further save: {got:?}"));
    }
    let temps = world.temps();
    temps.is_empty().then_some(()).ok_or_else(|| format!("temp files stay: {temps:?}"))
}
