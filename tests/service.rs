//! agevault as a part of services: keys that a service manager hands over, and the files that
//! `connect --print-unit` prints, judged by the programs that read them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

#[allow(dead_code)] // Shared with tests/crash.rs, which uses all of it.
#[path = "crash/world.rs"]
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use world::{AGEVAULT, Ran, World};

const VALUE: &str = "canary-value-of-an-env-entry-0123456789";
const OAUTH: &str =
    r#"{"version":1,"profiles":{"p:a":{"type":"oauth","provider":"p","access":"a","refresh":"r","expires":5}}}"#;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// An access list that lets user 65534 do what `may` says, and nobody else but the owner. The group
/// bits of the mode are its mask, so that a file reads 0440 and a directory 0550.
fn grant(path: &Path, may: u16) {
    let mut list = 2_u32.to_le_bytes().to_vec();
    // Owner, that user, the group, the mask, others: tag, permissions, id.
    for (tag, may, id) in
        [(1_u16, may, u32::MAX), (2, may, 65534), (4, 0, u32::MAX), (16, may, u32::MAX), (32, 0, u32::MAX)]
    {
        list.extend(tag.to_le_bytes());
        list.extend(may.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    rustix::fs::setxattr(path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty()).unwrap();
}

/// As systemd does it for a service of another user: file and directory are root's, and an access
/// list lets the service read them.
#[test]
fn a_credential_of_roots_opens_the_vault_of_a_service() {
    let world = World::with_vault();
    world.ok(&["set", "env/A", "-q"], VALUE.as_bytes());
    let (binary, credentials) = (world.path("agevault"), world.path("credentials"));
    fs::copy(AGEVAULT, &binary).unwrap();
    fs::create_dir(&credentials).unwrap();
    let key = credentials.join("agevault.identity");
    fs::rename(world.identity(), &key).unwrap();
    let root = fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let get = || {
        let mut command = world.command(if root { "setpriv" } else { "env" });
        if root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        }
        command.arg(&binary).args(["get", "env/A", "--no-input"]).env("CREDENTIALS_DIRECTORY", &credentials);
        world::run(command, b"")
    };
    if root {
        let chown = |args: &[&str], path: &Path| {
            assert!(Command::new("chown").args(args).arg(path).status().unwrap().success());
        };
        chown(&["-R", "65534"], world.home().parent().unwrap());
        chown(&["-R", "0:0"], &credentials);
    }
    if root {
        grant(&key, 4);
        grant(&credentials, 5);
    } else {
        chmod(&key, 0o400);
        chmod(&credentials, 0o550);
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&key), mode(&credentials)), (if root { 0o440 } else { 0o400 }, 0o550));
    let ran = get();
    assert_eq!((ran.code, ran.stdout.as_slice()), (Some(0), VALUE.as_bytes()), "{}", ran.stderr);
    // Others of its group could have read that one, or put another key there.
    chmod(&key, 0o644);
    refused(&get(), "credential");
    chmod(&key, if root { 0o440 } else { 0o400 });
    chmod(&credentials, 0o770);
    refused(&get(), "credential");
}

fn refused(ran: &Ran, what: &str) {
    assert!(ran.code == Some(8) && ran.stdout.is_empty() && ran.stderr.contains(what), "{ran:?}");
}

/// A vault with an OAuth profile and an env entry, and programs in the place of the gateway's.
struct Host {
    world: World,
    openclaw: PathBuf,
}

impl Host {
    fn new(version: &str) -> Self {
        let world = World::with_vault();
        world.write("auth-profiles.json", OAUTH.as_bytes());
        world.ok(&["import", "auth-profiles.json", "-q"], b"");
        world.ok(&["set", "env/A", "-q"], VALUE.as_bytes());
        world.write("pkg/package.json", format!(r#"{{"name":"openclaw","version":"{version}"}}"#).as_bytes());
        let openclaw = world.write("pkg/openclaw", b"#!/bin/sh\necho \"$A $*\"\n");
        chmod(&openclaw, 0o700);
        let installed = world.path(".local/share/agevault/bin/agevault");
        fs::create_dir_all(installed.parent().unwrap()).unwrap();
        fs::copy(AGEVAULT, installed).unwrap();
        Self { world, openclaw }
    }

    /// A configuration that names the resolver, as `connect` writes it.
    fn wire(&self) {
        let entry = r#"{"secrets":{"providers":{"agevault":{"source":"exec","command":"/x/agevault"}}}}"#;
        self.world.write(".openclaw/openclaw.json", entry.as_bytes());
        chmod(&self.world.path(".openclaw"), 0o700);
    }

    fn prints(&self, kind: &str) -> String {
        let mut command = self.world.command(AGEVAULT);
        command.args(["connect", &format!("--print-unit={kind}"), "--openclaw"]).arg(&self.openclaw);
        command.env("XDG_RUNTIME_DIR", self.world.home());
        let ran = world::run(command, b"");
        ran.expect(0).unwrap_or_else(|why| panic!("{kind} {why}"));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// What systemd says of a unit among those in `units`.
    fn judged(&self, manager: &str, unit: &str) -> (bool, String) {
        let mut command = self.world.command("systemd-analyze");
        command.args([manager, "verify", "--man=no", "--recursive-errors=no"]).arg(self.world.path("units").join(unit));
        // The trailing colon keeps the units of the system, such as the targets.
        command.env("SYSTEMD_UNIT_PATH", format!("{}:", self.world.path("units").display()));
        command.env("XDG_RUNTIME_DIR", self.world.home());
        let output =
            command.output().unwrap_or_else(|error| panic!("cannot run systemd-analyze ({error}): run tests/run"));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A unit as `openclaw gateway install` writes it.
const GATEWAY: &str = "[Unit]\nDescription=OpenClaw Gateway\n[Service]\nExecStart=/bin/true gateway --port 1\n\
                       Restart=always\nKillMode=control-group\n[Install]\nWantedBy=default.target\n";

#[test]
fn systemd_takes_every_unit_that_is_printed() {
    for (version, views) in [("2026.4.27", true), ("2026.9.6", false)] {
        let host = Host::new(version);
        let drop_in = host.prints("systemd");
        assert_eq!(drop_in.contains("export --refs --link"), views, "{drop_in}");
        host.world.write("units/openclaw-gateway.service", GATEWAY.as_bytes());
        host.world.write("units/openclaw-gateway.service.d/agevault.conf", drop_in.as_bytes());
        host.world.write("units/agevault-capture.service", host.prints("systemd-capture").as_bytes());
        let path = host.prints("systemd-session");
        let socket = path.lines().find_map(|line| line.strip_prefix("PathExists=")).unwrap();
        assert!(Path::new(socket).starts_with(host.world.path("agevault/session")), "{path}");
        host.world.write("units/agevault-session.path", path.as_bytes());
        for unit in ["openclaw-gateway.service", "agevault-capture.service", "agevault-session.path"] {
            assert_eq!(host.judged("--user", unit), (true, String::new()), "{version} {unit}");
        }
        let system = host.prints("systemd-system");
        assert_eq!(system.contains("ExecStartPre"), views, "{system}");
        assert!(!system.contains(host.world.identity().to_str().unwrap()), "{system}");
        fs::remove_dir_all(host.world.path("units")).unwrap();
        host.world.write("units/openclaw-gateway.service", system.as_bytes());
        assert_eq!(host.judged("--system", "openclaw-gateway.service"), (true, String::new()), "{version}");
        // And the judge is one.
        host.world.write("units/broken.service", system.replace("ExecStart=", "ExecStart=relative/").as_bytes());
        assert!(!host.judged("--system", "broken.service").0);
    }
}

/// The commands in the units are run as they stand there.
#[test]
fn the_commands_of_a_unit_make_views_before_a_start_and_capture_them_after_it() {
    let host = Host::new("2026.4.27");
    host.wire();
    let state = host.world.path(".openclaw");
    let ram = tempfile::TempDir::with_prefix_in("service-", "/dev/shm").expect("a tmpfs at /dev/shm");
    let run = |line: &str| {
        let line = line.trim_start_matches('-');
        let mut command = host.world.command("sh");
        command.args(["-c", line]).env("AGEVAULT_RUNTIME_DIR", ram.path());
        world::run(command, b"").expect(0).unwrap_or_else(|why| panic!("{line} {why}"));
    };
    let drop_in = host.prints("systemd");
    let commands: Vec<&str> = drop_in.lines().filter_map(|line| line.strip_prefix("ExecStartPre=")).collect();
    assert_eq!(commands.len(), 2, "{drop_in}");
    commands.iter().for_each(|line| run(line));
    let file = state.join("agents/main/agent/auth-profiles.json");
    let view = fs::read_link(&file).unwrap();
    assert!(view.starts_with(ram.path()) && fs::read_to_string(&file).unwrap().contains("\"r\""));
    // The gateway renews a token and is killed; what follows is the next start.
    let beside = view.with_extension("tmp");
    fs::write(&beside, OAUTH.replace("\"r\"", "\"newer\"")).unwrap();
    fs::rename(beside, &view).unwrap();
    commands.iter().for_each(|line| run(line));
    let got = host.world.ok(&["get", "auth/main/p:a", "--field", "refresh"], b"");
    assert_eq!(got.stdout, b"newer");
}

/// The command of the system unit is run as systemd would: with a credential, which the resolver finds too.
#[test]
fn the_system_unit_gives_the_gateway_the_entries_and_the_resolver_its_credential() {
    for version in ["2026.4.27", "2026.9.6"] {
        let host = Host::new(version);
        let credentials = host.world.path("credentials");
        fs::create_dir(&credentials).unwrap();
        chmod(&credentials, 0o700);
        fs::rename(host.world.identity(), credentials.join("agevault.identity")).unwrap();
        fs::write(&host.openclaw, "#!/bin/sh\necho \"$A $CREDENTIALS_DIRECTORY $*\"\n").unwrap();
        let run = |command: &mut Command| {
            let output = command.env("CREDENTIALS_DIRECTORY", &credentials).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let args = ["connect", "--print-unit=systemd-system", "--openclaw", host.openclaw.to_str().unwrap()];
        let unit = run(host.world.command(AGEVAULT).args(args));
        assert!(!unit.contains(VALUE), "{unit}");
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let printed = run(host.world.command("sh").args(["-c", line]));
        assert_eq!(printed, format!("{VALUE} {} gateway\n", credentials.display()));
    }
}

#[test]
fn the_wrapper_runs_the_gateway_with_the_entries_of_the_vault() {
    let host = Host::new("2026.4.27");
    let wrapper = host.world.write("wrap", host.prints("wrapper").as_bytes());
    chmod(&wrapper, 0o700);
    let mut command = host.world.command(wrapper.to_str().unwrap());
    // Of a service nothing is certain but HOME; and the paths in the script are whole.
    command.args(["gateway", "--port", "1"]).env("PATH", "/usr/bin:/bin");
    let ran = world::run(command, b"");
    assert_eq!(ran.stdout, format!("{VALUE} gateway --port 1\n").as_bytes(), "{}", ran.stderr);
    assert!(!host.prints("wrapper").contains(VALUE));
}

#[test]
fn the_other_examples_are_what_their_readers_can_parse() {
    let host = Host::new("2026.9.6");
    let check = |script: &str, text: String| {
        let mut command = host.world.command("python3");
        command.args(["-c", script]);
        let ran = world::run(command, text.as_bytes());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    };
    check(
        "import plistlib, sys; p = plistlib.loads(sys.stdin.buffer.read()); assert p['ProgramArguments'][-1] == '--watch'",
        host.prints("launchd"),
    );
    // The part of YAML that it uses: no tab, and every list item in quotes is a JSON string.
    check(
        "import json, sys\nfor line in sys.stdin:\n  assert '\\t' not in line\n  word = line.strip()[2:]\n  \
         line.strip().startswith('- \"') and json.loads(word)",
        host.prints("container"),
    );
}
