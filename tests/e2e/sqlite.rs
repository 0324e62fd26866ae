//! What a real gateway keeps in SQLite comes into the vault, whether it runs or not, and it notices nothing.

use crate::current::Current;
use crate::place::{Place, stdout_of};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LOCAL_KEY: &str = "sk-canary-local-key-0000000000000000000000";
const NEWER_KEY: &str = "sk-canary-newer-key-0000000000000000000000";

/// As long as one, and with its beginning: the gateway looks at that.
fn shared_token() -> String {
    format!("sk-ant-oat01-{}", "canary-shared-token-".repeat(5))
}

struct World {
    place: Place,
    gateway: Current,
    identity: PathBuf,
}

impl World {
    /// A gateway of two agents, with two shared credentials, a local one and a local order; and an empty vault.
    fn new() -> Self {
        let place = Place::new();
        let gateway = Current::new(&place);
        let identity = place.path("identity.txt");
        let mut generate = std::ffi::OsString::from("--generate-identity=");
        generate.push(&identity);
        stdout_of(place.agevault().arg("init").arg(generate));
        let world = Self { place, gateway, identity };
        world.auth(&["paste-api-key", "--provider", "anthropic"], "canary-shared-key");
        let token =
            ["paste-token", "--provider", "anthropic", "--profile-id", "anthropic:token", "--expires-in", "300d"];
        world.auth(&token, &shared_token());
        let workspace = world.place.dir("workspace");
        let workspace = workspace.to_str().expect("a path that is text");
        world.gateway.ok(
            &world.place,
            &["agents", "add", "research", "--non-interactive", "--workspace", workspace, "--json"],
            "",
        );
        world.auth(&["--agent", "research", "paste-api-key", "--provider", "openai"], LOCAL_KEY);
        let order =
            ["order", "set", "--agent", "research", "--provider", "anthropic", "anthropic:token", "anthropic:manual"];
        world.auth(&order, "");
        world
    }

    fn auth(&self, args: &[&str], stdin: &str) {
        self.gateway.ok(&self.place, &[&["models", "auth"], args].concat(), stdin);
    }

    fn agevault(&self, args: &[&str]) -> String {
        let printed = stdout_of(self.place.agevault().arg("-i").arg(&self.identity).args(args));
        String::from_utf8(printed).expect("text")
    }

    fn import(&self) {
        let state = self.gateway.state.to_str().expect("a path that is text");
        self.agevault(&["import", state, "--on-conflict", "replace"]);
    }

    /// Path -> bytes of everything in the state directory.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.gateway.state, &mut files);
        files
    }
}

fn collect(dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn the_stores_of_a_gateway_are_imported_while_it_is_stopped_and_while_it_runs() {
    let world = World::new();
    let before = world.files();
    world.import();
    assert!(world.files() == before, "the gateway's files are as they were");
    assert_eq!(
        world.agevault(&["list", "auth/"]),
        "auth/_shared/anthropic:manual\nauth/_shared/anthropic:token\nauth/research/openai:manual\n"
    );
    assert_eq!(world.agevault(&["get", "auth/_shared/anthropic:manual"]), "canary-shared-key");
    assert_eq!(world.agevault(&["get", "auth/_shared/anthropic:token"]), shared_token());
    assert_eq!(world.agevault(&["get", "auth/research/openai:manual"]), LOCAL_KEY);
    let order = world.agevault(&["auth", "order", "get", "--agent", "research", "--provider", "anthropic"]);
    assert_eq!(order, "anthropic:token\nanthropic:manual\n");

    let running = world.gateway.start(&world.place);
    world.auth(&["--agent", "research", "paste-api-key", "--provider", "openai"], NEWER_KEY);
    let log = fs::metadata(world.gateway.state.join("state/openclaw.sqlite-wal"));
    assert!(log.is_ok_and(|log| log.len() > 0), "the running gateway keeps a log");
    world.import();
    assert_eq!(world.agevault(&["get", "auth/research/openai:manual"]), NEWER_KEY);
    // The gateway goes on, and so do its stores.
    world.auth(&["--agent", "research", "order", "clear", "--provider", "anthropic"], "");
    running.stop();
    world.import();
    assert_eq!(world.agevault(&["get", "auth/research/openai:manual"]), NEWER_KEY);
}
