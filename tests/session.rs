//! The process that `unlock` starts: who may talk to it, what is in it, and when it is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[allow(dead_code)] // Shared with tests/crash.rs, which uses all of it.
#[path = "crash/world.rs"]
mod world;

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use world::{AGEVAULT, Ran, World};

const VALUE: &str = "canary-value-of-an-env-entry-0123456789";
const PASSPHRASE: &str = "canary passphrase of seven plain words";
const UNLOCK: [&str; 4] = ["unlock", "--quiet", "--passphrase-file", "pw"];
/// The mark and the number that every request begins with.
const PROTOCOL: &[u8] = b"agvs\0\x02";

/// A vault that only a passphrase opens, run as `nobody` if the tests are root's: root may look into everything.
struct Desk {
    world: World,
    binary: PathBuf,
    as_nobody: bool,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        world.write("pw", PASSPHRASE.as_bytes());
        world.write("run/nothing", b"");
        world.ok(&["init", "-q", "--passphrase-file", "pw", "--kdf-memory", "8"], b"");
        world.ok(&["set", "env/A", "-q", "--passphrase-file", "pw"], VALUE.as_bytes());
        // The binary lies where `nobody` may not be allowed to go.
        let binary = world.path("agevault");
        // By another process: one of this process that is being started meanwhile would hold it open.
        assert!(Command::new("cp").arg(AGEVAULT).arg(&binary).status().unwrap().success());
        Self { binary, as_nobody: false, world }
    }

    /// The same, and everything is nobody's.
    fn of_nobody() -> Self {
        let root = fs::metadata("/proc/self").unwrap().uid() == 0;
        assert!(root, "two users are needed: run the tests as root");
        let mut desk = Self::new();
        desk.as_nobody = true;
        let home = desk.world.home().parent().unwrap();
        assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(home).status().unwrap().success());
        desk
    }

    fn command(&self, uid: Option<u32>, program: &str) -> Command {
        let uid = uid.or(self.as_nobody.then_some(65534));
        let mut command = self.world.command(if uid.is_some() { "setpriv" } else { program });
        if let Some(uid) = uid {
            command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups", "--", program]);
        }
        command.env("AGEVAULT_RUNTIME_DIR", self.world.path("run"));
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command(None, self.binary.to_str().unwrap());
        command.args(args);
        world::run(command, b"")
    }

    fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        ran.expect(0).unwrap_or_else(|why| panic!("{args:?} {why}"));
        ran
    }

    /// What needs a session, for nothing else is there.
    fn get(&self) -> Ran {
        self.run(&["get", "env/A", "--no-input"])
    }

    fn serves(&self) -> bool {
        self.get().stdout == VALUE.as_bytes()
    }

    /// The sockets that are there.
    fn sockets(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.world.path("run/session")).into_iter().flatten();
        let paths = names.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "sock")).collect()
    }

    fn stream(&self) -> UnixStream {
        let stream = UnixStream::connect(short(&self.sockets()[0])).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The processes that hold a key for this desk: their program is its own.
    fn holders(&self) -> Vec<u32> {
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.binary)).collect()
    }

    fn holder(&self) -> u32 {
        let holders = self.holders();
        assert_eq!(holders.len(), 1, "{holders:?}");
        holders[0]
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for pid in self.holders() {
            let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A socket's address is short, and the paths of tests are not.
fn short(path: &Path) -> PathBuf {
    let link = tempfile::tempdir().unwrap().path().to_owned();
    std::os::unix::fs::symlink(path.parent().unwrap(), &link).unwrap();
    link.join(path.file_name().unwrap())
}

fn within(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + patience;
    loop {
        match done() {
            true => return true,
            false if Instant::now() > until => return false,
            false => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn times(pid: u32, needle: &[u8]) -> usize {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("reading another process's memory needs root");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let ranges = maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|mode| mode.starts_with("rw")));
    let mut count = 0;
    for range in ranges.filter_map(|line| line.split_whitespace().next()?.split_once('-')) {
        let [start, end] = [range.0, range.1].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            count += memchr::memmem::find_iter(&bytes, needle).count();
        }
    }
    count
}

#[test]
fn a_session_holds_nothing_of_its_caller_but_the_key() {
    let desk = Desk::new();
    let out = desk.world.path("out");
    // A descriptor that the caller left open, and streams that somebody waits for.
    let script = format!("exec 7<pw; {} {}", desk.binary.display(), UNLOCK.join(" "));
    let mut command = desk.command(None, "sh");
    command.args(["-c", &script]).env("SECRET_OF_THE_CALLER", "canary-environment");
    assert_eq!(world::run(command, b"").code, Some(0));
    assert!(!out.exists() && desk.serves());
    let pid = desk.holder();
    let links = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(links(stream), Path::new("/dev/null"));
    }
    assert_eq!(links("cwd"), Path::new("/"));
    let open: Vec<PathBuf> = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|fd| fd.unwrap().path()).collect();
    assert!(open.iter().all(|fd| !fs::read_link(fd).unwrap().ends_with("pw")) && open.len() <= 7, "{open:?}");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Its own session, and no terminal.
    assert_eq!((fields[3], fields[4]), (pid.to_string().as_str(), "0"), "{stat}");
    assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(!status.lines().any(|line| line.starts_with("VmLck:") && line.ends_with(" 0 kB")), "{status}");

    // The key's text is in its one place, also after it was used; nothing else is there.
    let key = desk.world.path("key");
    desk.ok(&["recipients", "export-identity", "passphrase", "--passphrase-file", "pw", "--out", "key", "-q"]);
    let text = fs::read_to_string(key).unwrap();
    let text = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    let scalar = bech32::decode(&text.to_lowercase()).unwrap().1;
    assert!(desk.serves());
    assert_eq!(times(pid, &text.as_bytes()[30..60]), 1, "the key");
    assert_eq!(times(pid, &text.to_lowercase().as_bytes()[30..60]), 0, "the key, written small");
    assert_eq!(times(pid, &scalar[8..24]), 0, "the number that it spells");
    assert_eq!(times(pid, &PASSPHRASE.as_bytes()[4..20]), 0, "the passphrase");
    assert_eq!(times(pid, &VALUE.as_bytes()[4..20]), 0, "a value");
}

#[test]
fn nobody_else_may_talk_to_it_or_look_in() {
    let desk = Desk::of_nobody();
    desk.ok(&UNLOCK);
    assert!(desk.serves());
    let pid = desk.holder();
    let look = |uid: u32, what: &str| {
        let mut command = desk.command(Some(uid), "sh");
        command.args(["-c", &format!("head -c 1 /proc/{pid}/{what} >/dev/null && echo seen")]);
        world::run(command, b"").stdout == b"seen\n"
    };
    for what in ["mem", "maps", "environ", "auxv"] {
        assert!(!look(65534, what), "{what} can be read by its own user");
    }
    let mut command = desk.command(None, "strace");
    command.args(["-p", &pid.to_string()]);
    assert_ne!(world::run(command, b"").code, Some(0), "its own user can trace it");

    // Another user does not even get to the socket; and one that does is not heard.
    let socket = desk.sockets()[0].clone();
    let talk = |uid: u32, name: &Path| {
        let script = "$SIG{PIPE} = q(IGNORE); chdir $ARGV[0] or die $!; socket my $s, AF_UNIX, SOCK_STREAM, 0 or die $!; \
                      connect $s, pack_sockaddr_un($ARGV[1]) or die $!; \
                      syswrite $s, qq(agvs\\0\\2\\1\\0\\0\\0\\0); print 0 + sysread $s, my $answer, 999;";
        let mut command = desk.command(Some(uid), "/usr/bin/perl");
        command.args(["-MSocket", "-e", script]).current_dir("/");
        command.arg(name.parent().unwrap()).arg(name.file_name().unwrap());
        world::run(command, b"")
    };
    let heard = talk(65534, &socket);
    assert!(heard.stdout.len() > 1, "the test can ask: {heard:?}");
    let refused = talk(65533, &socket);
    assert!(refused.code != Some(0) && refused.stderr.contains("Permission denied"), "{refused:?}");
    for dir in desk.world.path("run/session").ancestors().take(4) {
        fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
    let refused = talk(65533, &socket);
    assert_eq!(refused.stdout, b"0", "another user is heard: {refused:?}");
    // And root is another user, too.
    assert_eq!(talk(0, &socket).stdout, b"0");
    // Nor is a place that others can reach asked for a key.
    assert_eq!(desk.get().code, Some(4));
}

#[test]
fn a_key_goes_to_the_new_process_alone_and_not_while_others_can_look_in() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let path = |name: &str| dir.path().join(name);
    // Not a session, but it shows what comes over a stream that others could have opened.
    let program = path("program");
    fs::write(&program, format!("#!/bin/sh\ncat >{0}/given\nprintf x\nsleep 9\n", dir.path().display())).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let (vault, vault_id) = (path("vault"), "id".to_owned());
    let terms = agevault::session::Terms { dir: path("run"), vault, vault_id, vouched: Vec::new(), lasts: None };
    fs::create_dir(&terms.dir).unwrap();
    fs::set_permissions(&terms.dir, Permissions::from_mode(0o700)).unwrap();
    // And another process of this user is in the place of the new one.
    let socket = agevault::session::socket(&terms.dir, &terms.vault);
    let listener = std::os::unix::net::UnixListener::bind(short(&socket)).unwrap();
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut heard).unwrap();
        heard
    });
    let key = agevault::secret::Secret::new("AGE-SECRET-KEY-1CANARY".to_owned());
    let started = agevault::session::start(&program, &[], &terms, &key);
    assert!(matches!(started, Err(agevault::session::Error::Start)), "{started:?}");
    assert_eq!(heard.join().unwrap(), b"", "another process is told something");
    let given = fs::read(path("given")).unwrap();
    assert!(given.starts_with(PROTOCOL) && memchr::memmem::find(&given, b"SECRET").is_none(), "{given:?}");
}

#[test]
fn a_process_without_a_key_answers_nobody_and_takes_one_from_its_parent_alone() {
    let desk = Desk::new();
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let request = |kind: u8, body: &[u8]| [PROTOCOL, &[kind], &field(body)].concat();
    let dir = desk.world.path("run/session");
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
    let place = [dir.as_path(), Path::new("/vault")].map(|path| field(path.as_os_str().as_encoded_bytes())).concat();
    // Its parent is a shell, and not this process.
    let mut command = desk.command(None, "sh");
    command.args(["-c", &format!("{} hold-session; true", desk.binary.display())]).stdin(std::process::Stdio::piped());
    let mut shell = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(&request(0, &place)).unwrap();
    shell.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let key = b"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    let given = [field(b"id"), field(b""), field(b"tag"), field(key)].concat();
    for request in [request(5, &given), request(1, b""), request(3, b"")] {
        let mut stream = desk.stream();
        let _ = stream.write_all(&request);
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "{request:?} is answered");
        assert_eq!(desk.holders().len(), 1, "{request:?} ends it");
    }
    assert!(within(Duration::from_secs(15), || desk.holders().is_empty()), "it waits for ever");
    assert!(desk.sockets().is_empty());
    shell.wait().unwrap();
}

#[test]
fn a_thousand_reads_need_no_derivation_and_do_not_make_it_last() {
    let desk = Desk::new();
    let start = Instant::now();
    // A bare number means days; this is the smallest that can be typed.
    desk.ok(&[&UNLOCK[..], &["--for", "1m"]].concat());
    // No passphrase is there to derive from.
    fs::remove_file(desk.world.path("pw")).unwrap();
    for _ in 0..1000 {
        assert!(desk.serves());
    }
    assert!(start.elapsed() < Duration::from_secs(60), "too slow a machine for this test");
    let pid = desk.holder();
    let left = Duration::from_secs(60).saturating_sub(start.elapsed());
    assert!(within(left + Duration::from_secs(2), || desk.holders().is_empty()), "{pid} outlives its time");
    assert!(start.elapsed() > Duration::from_secs(59));
    assert!(desk.sockets().is_empty());
    assert_eq!(desk.get().code, Some(4));
}

#[test]
fn after_lock_there_is_no_process() {
    let desk = Desk::new();
    desk.ok(&UNLOCK);
    let pid = desk.holder();
    desk.ok(&["lock"]);
    // Not a moment later: `lock` has waited for it.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    assert!(stat.as_ref().map_or(true, |stat| stat.contains(") Z ")), "{stat:?}");
    assert!(desk.sockets().is_empty());
    assert_eq!(desk.get().code, Some(4));
}

/// Whoever is told that there is no session goes away from the machine.
#[test]
fn a_session_that_cannot_be_ended_is_never_said_to_be_none() {
    let desk = Desk::new();
    desk.ok(&UNLOCK);
    let held = desk.world.path("run/session");
    fs::set_permissions(&held, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(desk.run(&["lock"]).code, Some(8));
    fs::set_permissions(&held, Permissions::from_mode(0o700)).unwrap();
    // Stopped, as by a debugger or a frozen group of processes.
    let holder = Pid::from_raw(i32::try_from(desk.holder()).unwrap()).unwrap();
    kill_process(holder, Signal::STOP).unwrap();
    let ran = desk.run(&["lock"]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    kill_process(holder, Signal::CONT).unwrap();
    desk.ok(&["lock"]);
    assert_eq!(desk.holders(), [0; 0]);
    // The name of a vault may come to mean another one.
    desk.ok(&UNLOCK);
    let ran = desk.ok(&["lock", "--vault", "elsewhere.age"]);
    assert!(ran.stderr.contains("there is no session") && ran.stderr.contains("note: there is one for "), "{ran:?}");
    desk.ok(&["lock"]);
}

#[test]
fn hostile_requests_get_nothing_and_keep_nobody_waiting() {
    let desk = Desk::new();
    desk.ok(&UNLOCK);
    let request = |kind: u8, length: u32, body: &[u8]| [PROTOCOL, &[kind], &length.to_be_bytes(), body].concat();
    let whole = |kind: u8, body: &[u8]| request(kind, u32::try_from(body.len()).unwrap(), body);
    let sealed = desk.world.sealed().unwrap();
    let end = memchr::memmem::find(&sealed, b"\n--- ").unwrap();
    let header = &sealed[..end + 1 + sealed[end + 1..].iter().position(|byte| *byte == b'\n').unwrap() + 1];
    let answer = |bytes: &[u8]| {
        let mut stream = desk.stream();
        // It may hang up before all of it was said.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    let fits = answer(&whole(2, header));
    assert_eq!((fits.len(), fits[6]), (11 + 16, 0), "a header gets its file key");
    let bomb = [b"age-encryption.org/v1\n", &b"-> x\n\n".repeat(10_000)[..], b"--- mac\n"].concat();
    let mut changed = header.to_vec();
    changed[40] ^= 1;
    for (body, what) in [
        (&bomb[..], "a header of 10,000 stanzas"),
        (&header[..header.len() - 1], "a header that is cut off"),
        (&changed, "a header that was changed"),
        (&sealed, "a whole vault"),
        (b"", "nothing"),
        (&[b'x'; 65536], "the longest body"),
    ] {
        let refused = answer(&whole(2, body));
        assert!(refused.len() == 11 && refused[6] != 0, "{what}: {refused:?}");
    }
    let named = |id: &str| [b"agevault/tag/v1\0", id.as_bytes(), b"\0whatever"].concat();
    let refused = answer(&whole(4, &named("00000000-0000-4000-8000-000000000000")));
    assert!(refused.len() == 11 && refused[6] != 0, "a tag for another vault: {refused:?}");
    let (plain, _) = agevault::seal::unlock(&sealed, world::passphrase_key(PASSPHRASE)).unwrap();
    let vault = agevault::model::Vault::parse(plain.text().unwrap()).unwrap();
    let refused = answer(&whole(4, &named(&vault.vault_id)));
    assert!(refused.len() == 11 && refused[6] != 0, "a tag for a vault that has its id alone: {refused:?}");
    let pin = agevault::store::Pin::of(&vault).unwrap();
    let tag = answer(&whole(4, &agevault::store::tag_message(&vault, &pin)));
    assert_eq!((tag.len(), tag[6]), (11 + 32, 0), "a tag for its own");
    for (bytes, what) in [
        (request(2, u32::MAX, b""), "a length that nobody has"),
        (request(2, 65_537, b""), "one byte too many"),
        (request(2, 100, b"short"), "a request that is cut off"),
        (whole(9, b""), "what cannot be asked"),
        ([whole(1, b""), whole(1, b"")].concat(), "two at once"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "something else"),
    ] {
        assert_eq!(answer(&bytes), b"", "{what}");
    }
    assert!(desk.serves());

    // More callers than it listens to, none of which says anything: others are served meanwhile.
    let mut idle: Vec<UnixStream> = (0..200).map(|_| desk.stream()).collect();
    idle.iter_mut().for_each(|stream| _ = stream.write_all(b"agv"));
    let start = Instant::now();
    assert!(desk.serves());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    for mut stream in idle {
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "an answer to nothing");
    }
    assert!(start.elapsed() < Duration::from_secs(8), "idle callers stay for {:?}", start.elapsed());
    let open = fs::read_dir(format!("/proc/{}/fd", desk.holder())).unwrap().count();
    assert!(open <= 8, "{open} descriptors are left");

    // Another number: a newer binary must not be in the way of an old process.
    let pid = desk.holder();
    assert_eq!(answer(b"agvs\0\x03whatever it has to say"), b"");
    assert!(within(Duration::from_secs(5), || desk.holders().is_empty()), "{pid} stays");
    assert!(desk.sockets().is_empty());
}

#[test]
fn what_a_killed_session_left_is_no_session_and_in_nobodys_way() {
    let desk = Desk::new();
    desk.ok(&UNLOCK);
    let pid = rustix::process::Pid::from_raw(desk.holder().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert!(within(Duration::from_secs(5), || desk.holders().is_empty()));
    assert_eq!(desk.sockets().len(), 1, "it could not take its socket away");
    assert_eq!(desk.get().code, Some(4));
    desk.ok(&UNLOCK);
    assert!(desk.serves());
    desk.holder();
    // What is at its place and is not its own is left alone.
    let socket = desk.sockets()[0].clone();
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "").unwrap();
    assert!(within(Duration::from_secs(15), || desk.holders().is_empty()), "nobody could end it any more");
    assert!(socket.exists());
}

#[test]
fn of_several_sessions_for_one_vault_one_stays() {
    let desk = Desk::new();
    std::thread::scope(|threads| {
        let unlocks: Vec<_> = (0..4).map(|_| threads.spawn(|| desk.run(&UNLOCK))).collect();
        for unlock in unlocks {
            let ran = unlock.join().unwrap();
            // One that another has replaced by then says so.
            assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
        }
    });
    assert!(within(Duration::from_secs(10), || desk.holders().len() == 1), "{:?}", desk.holders());
    assert!(desk.serves());
    desk.ok(&["lock"]);
    assert!(desk.holders().is_empty());
}

#[test]
fn a_save_is_proven_by_a_file_key_that_is_asked_for_again() {
    let desk = Desk::new();
    desk.ok(&UNLOCK);
    fs::remove_file(desk.world.path("pw")).unwrap();
    let before = desk.world.sealed();
    let mut command = desk.command(None, desk.binary.to_str().unwrap());
    command.args(["set", "env/A", "--no-input", "-q"]);
    let ran = world::run(command, b"another value");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_ne!(desk.world.sealed(), before);
    assert_eq!(desk.get().stdout, b"another value");
    assert_eq!(desk.world.generations().len(), 3);
}
