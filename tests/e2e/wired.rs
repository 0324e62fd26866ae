//! A gateway with agents `main`, `coder` and `tester`, whose model provider is the test's own, and a vault that an
//! identity file opens.

use crate::current::Running;
use crate::place::{Place, stdout_of};
use crate::provider::Provider;
use crate::tools;
use aho_corasick::AhoCorasick;
use serde_json::json;
use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;
use std::time::Duration;

/// Puts profiles into a store with the gateway's own code.
const STORES: &str = include_str!("../../src/gateway/data/stores.mjs");
/// How long the gateway may take for one turn, in seconds; the first one installs things.
const TURN: &str = "900";

pub struct Wired {
    pub place: Rc<Place>,
    pub provider: Provider,
    pub state: PathBuf,
    pub identity: PathBuf,
    vault: PathBuf,
    port: u16,
    node: PathBuf,
    pub package: PathBuf,
    /// Where Node keeps what it made of the programs of the package.
    pub compiled: PathBuf,
    /// What else the gateway's commands have in their environment.
    pub env: Vec<(&'static str, PathBuf)>,
    turns: Cell<u32>,
}

impl Wired {
    /// A state directory without anything in it, and an empty vault.
    pub fn new(package: PathBuf) -> Self {
        Self::with_node(package, tools::node())
    }

    /// The same, with the Node that runs the gateway.
    pub fn with_node(package: PathBuf, node: PathBuf) -> Self {
        let place = Place::new();
        let vault = place.path("data/agevault/vault.age");
        Self::at(Rc::new(place), "openclaw", vault, package, node)
    }

    /// Another gateway of the same user, with a vault of its own.
    pub fn beside(&self, name: &str, package: PathBuf) -> Self {
        let vault = self.place.dir(&format!("{name}-vault")).join("vault.age");
        Self::at(Rc::clone(&self.place), name, vault, package, self.node.clone())
    }

    fn at(place: Rc<Place>, name: &str, vault: PathBuf, package: PathBuf, node: PathBuf) -> Self {
        let identity = place.path(&format!("{name}-identity.txt"));
        let mut generate = std::ffi::OsString::from("--generate-identity=");
        generate.push(&identity);
        stdout_of(place.agevault().arg("--vault").arg(&vault).arg("init").arg(generate));
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        Self {
            state: place.dir(name),
            vault,
            provider: Provider::start(),
            identity,
            port: free.expect("a free port").port(),
            compiled: compiled(&package),
            node,
            package,
            env: Vec::new(),
            turns: Cell::new(0),
            place,
        }
    }

    /// Writes the configuration: `gateway` and `more` are members of it, in JSON5.
    pub fn configure(&self, token: &str, more: &str) {
        let (port, url) = (self.port, self.provider.url());
        let text = format!(
            r#"{{
  // What the operator notes here stays.
  gateway: {{ mode: "local", port: {port}, bind: "loopback", auth: {{ mode: 'token', token: "{token}" }} }},
  agents: {{
    defaults: {{ model: {{ primary: "anthropic/claude-sonnet-4-5" }} }},
    list: [{{ id: "main", default: true }}, {{ id: "coder" }}, {{ id: "tester" }}],
  }},
  models: {{ providers: {{
    anthropic: {{ baseUrl: "{url}", models: [{{ id: "claude-sonnet-4-5", name: "m" }}] }}, /* and here */
    {more}
}}
"#
        );
        self.put("openclaw.json", &text);
    }

    /// Writes a private file below the state directory.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.state.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        self.place.file(path.to_str().expect("a path that is text"), text.as_bytes());
    }

    /// A file below the state directory.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.state.join(name)).expect("a file that is text")
    }

    /// Any program, with the environment of the gateway's commands.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let dirs = [self.node.parent().expect("a folder").to_owned()];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(dirs.into_iter().chain(std::env::split_paths(&path))).expect("a search path");
        let mut command = self.place.command(program);
        command
            .env("PATH", path)
            .env("NODE_COMPILE_CACHE", &self.compiled)
            .env("OPENCLAW_STATE_DIR", &self.state)
            .env("OPENCLAW_SKIP_CHANNELS", "1")
            .env("OPENCLAW_DISABLE_BONJOUR", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// One of the gateway's commands.
    pub fn openclaw(&self) -> Command {
        let mut command = self.command(&self.node);
        command.arg(self.package.join("openclaw.mjs"));
        command
    }

    /// One of ours, with the identity to open the vault.
    pub fn agevault(&self) -> Command {
        let mut command = self.keyless();
        command.arg("-i").arg(&self.identity);
        command
    }

    /// One of ours, which must find its key itself.
    pub fn keyless(&self) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_agevault"));
        command.args(["--no-input", "--openclaw"]).arg(&self.package).arg("--vault").arg(&self.vault);
        command
    }

    /// One of ours for this gateway, with the vault of another one.
    pub fn agevault_of(&self, other: &Self) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_agevault"));
        command.args(["--no-input", "--openclaw"]).arg(&self.package);
        command.arg("--vault").arg(&other.vault).arg("-i").arg(&other.identity);
        command
    }

    /// The vault.
    pub fn vault_file(&self) -> &Path {
        &self.vault
    }

    /// `agevault ARGS` to success, with this on its standard input.
    pub fn vault(&self, args: &[&str], input: &str) -> String {
        ended_well(&with_input(self.agevault().args(args), input))
    }

    /// `agevault connect`; gives what it said.
    pub fn connect(&self) -> String {
        self.said(&["connect"], "")
    }

    /// `agevault ARGS` to success; gives what it said.
    pub fn said(&self, args: &[&str], input: &str) -> String {
        let output = with_input(self.agevault().args(args), input);
        ended_well(&output);
        String::from_utf8(output.stderr).expect("text")
    }

    /// `agevault ARGS`, which did everything and found something: exit code 10; gives what it said.
    pub fn found(&self, args: &[&str], input: &str) -> String {
        let output = with_input(self.agevault().args(args), input);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(10), "{said}");
        said
    }

    /// Has the gateway's own code put profiles in plaintext into the store of an agent, or into the shared one.
    pub fn gateway_stores(&self, agent: Option<&str>, profiles: &serde_json::Value) {
        self.put_stores(agent.map(|agent| self.state.join("agents").join(agent).join("agent")), profiles);
    }

    fn put_stores(&self, dir: Option<PathBuf>, profiles: &serde_json::Value) {
        let store = json!({ "dir": dir, "expect": {}, "put": profiles, "remove": [], "order": {} });
        let mut node = self.command(&self.node);
        node.args(["--input-type=module", "-e", STORES]).arg(&self.package);
        let output = with_input(&mut node, &json!({ "stores": [store], "compact": [] }).to_string());
        assert_eq!(ended_well(&output), r#"{"stores":["done"]}"#);
    }

    /// Starts the gateway and waits until it is ready.
    pub fn start(&self) -> Running {
        Running::start(self.openclaw(), &self.place)
    }

    /// One turn of an agent; gives the credential with which the provider was asked.
    pub fn turn(&self, agent: &str, how: &[&str]) -> String {
        self.turns.set(self.turns.get() + 1);
        let session = format!("turn-{}", self.turns.get());
        // The gateway asks for more than the answer, and of its own accord.
        let message = format!("ping {}.", self.turns.get());
        let once = || {
            let mut command = self.openclaw();
            command.args(["agent", "--agent", agent, "--session-id", &session, "--message", &message, "--json"]);
            command.args(["--timeout", TURN]).args(how).output().expect("a program that starts")
        };
        let mut output = once();
        // Two of the gateway's own processes may block each other, for a long time on a busy machine.
        for _ in 0..30 {
            if !String::from_utf8_lossy(&output.stdout).contains("another OpenClaw process owns state-lifecycle") {
                break;
            }
            std::thread::sleep(Duration::from_secs(2));
            output = once();
        }
        let printed = ended_well(&output);
        let errors = String::from_utf8_lossy(&output.stderr);
        // Up to 2026.4.25 the report is among the messages.
        assert!(printed.contains("pong") || errors.contains("pong"), "{printed}{errors}");
        assert!(!errors.contains("EMBEDDED FALLBACK"), "the gateway itself answers: {errors}");
        let mut asked = self.provider.asked_with(&message);
        asked.dedup();
        assert_eq!(asked.len(), 1, "{agent} asks with one credential: {asked:?}");
        asked.remove(0)
    }

    /// The gateway's own audit finds nothing.
    pub fn audit(&self) {
        stdout_of(self.openclaw().args(["secrets", "audit", "--check", "--allow-exec"]));
    }

    /// Files of this place with the bytes of a secret: state directory, HOME, temporary files, logs, the vault too.
    pub fn files_with(&self, secrets: &[&str]) -> Vec<String> {
        let search = AhoCorasick::new(secrets).expect("a search");
        let (mut found, mut looked_at, mut dirs) = (Vec::new(), 0, vec![self.place.path("")]);
        while let Some(dir) = dirs.pop() {
            for entry in unless_gone(fs::read_dir(&dir)).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                let Some(kind) = unless_gone(fs::symlink_metadata(&path)) else { continue };
                if kind.is_dir() {
                    dirs.push(path);
                } else if let Some(bytes) = kind.is_file().then(|| unless_gone(fs::read(&path))).flatten() {
                    looked_at += 1;
                    let seen = search.find(&bytes).map(|hit| &secrets[hit.pattern().as_usize()]);
                    found.extend(seen.map(|secret| format!("{secret} in {}", path.display())));
                }
            }
        }
        assert!(looked_at > 10, "there are files to look at");
        found
    }
}

/// Where Node keeps what it made of the programs of a package.
pub fn compiled(package: &Path) -> PathBuf {
    package.ancestors().nth(2).expect("the folder of the gateway").join("compiled")
}

/// A gateway that runs removes files while they are looked at.
fn unless_gone<T>(looked_at: std::io::Result<T>) -> Option<T> {
    match looked_at {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        other => Some(other.expect("what can be read")),
    }
}

/// Runs with this on its standard input.
pub fn with_input(command: &mut Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("a program that starts");
    child.stdin.take().expect("a stream").write_all(input.as_bytes()).expect("a reader");
    child.wait_with_output().expect("an end")
}

fn ended_well(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A setup token of this name: as long as one, and with its beginning, since the gateway looks at that.
pub fn token(name: &str) -> String {
    format!("sk-ant-oat01-{name}-{}", "x".repeat(80))
}
