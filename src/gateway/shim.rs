//! Finds the gateway behind an `openclaw` that is not its own file: wrappers of package managers, shims of version
//! managers. They are read; nothing is run.

use crate::fsio;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest script that is looked into, in bytes.
const MAX_SCRIPT: usize = 64 * 1024;
/// Largest record of a version manager that is looked into, in bytes.
const MAX_RECORD: usize = 1024 * 1024;
/// Most paths of one script that are followed.
const MAX_PATHS: usize = 16;
/// Most versions of a tool that are looked through.
const MAX_VERSIONS: usize = 256;
/// Variables by which a wrapper declares the configuration of its gateway immutable.
const READ_ONLY: [&str; 2] = ["OPENCLAW_NIX_MODE", "OPENCLAW_CONFIG_READONLY"];
/// Spellings of the directory of a script.
const OWN_DIR: [&str; 7] = [
    r#"$(cd "$(dirname "$0")" && pwd)"#,
    r#"$(cd -- "$(dirname -- "$0")" && pwd)"#,
    r#"$(dirname "${BASH_SOURCE[0]}")"#,
    r#"$(dirname -- "$0")"#,
    r#"$(dirname "$0")"#,
    "$(dirname $0)",
    "${0%/*}",
];

/// What a wrapper starts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// Paths in it that may be of the gateway, in their order.
    pub(super) paths: Vec<PathBuf>,
    /// The Node that it names.
    pub(super) node: Option<PathBuf>,
    /// Whether it declares the configuration immutable.
    pub(super) read_only: bool,
}

/// Reads the wrapper or shim at `real`, which was found as `program`. `home` is the user's. `None` if it is neither.
pub(super) fn read(program: &Path, real: &Path, home: Option<&Path>) -> Option<Target> {
    match real.file_name()?.to_str()? {
        "volta-shim" => volta(program, home),
        "mise" => mise(program),
        _ => {
            let bytes = fsio::read_capped(real, MAX_SCRIPT).ok()?;
            let text = bytes.text().filter(|text| !text.contains('\0'))?;
            let dir = real.parent()?;
            asdf(text, dir).or_else(|| Some(script(text, dir, home)))
        }
    }
}

/// The paths in a shell script that may lead to the gateway, and its Node.
fn script(text: &str, dir: &Path, home: Option<&Path>) -> Target {
    let mut target = Target::default();
    let mut variables = BTreeMap::from([("basedir".to_owned(), dir.to_owned())]);
    variables.extend(home.map(|home| ("HOME".to_owned(), home.to_owned())));
    for line in text.lines() {
        let line = OWN_DIR.iter().fold(line.to_owned(), |line, own| line.replace(own, "$basedir"));
        for word in shlex::split(&line).unwrap_or_default() {
            if let Some((name, value)) = word.split_once('=') {
                target.read_only |= READ_ONLY.contains(&name) && is_one(value);
                // A variable with a path: others are of no use here.
                if let Some(path) = path(value, &variables).filter(|_| name != "basedir") {
                    variables.insert(name.to_owned(), path);
                }
            } else if let Some(path) = path(&word, &variables) {
                if path.ends_with("node") {
                    let there = target.node.is_none() && path.is_file();
                    target.node = target.node.take().or_else(|| there.then_some(path));
                } else if is_of_gateway(&path) && !target.paths.contains(&path) && target.paths.len() < MAX_PATHS {
                    target.paths.push(path);
                }
            }
        }
    }
    target
}

/// Whether a value that a script gives to a variable is `1`, be it only for want of another.
fn is_one(value: &str) -> bool {
    let default = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')?.split_once('-'));
    default.map_or(value, |(_, default)| default).trim_matches(['\'', '"']) == "1"
}

/// The absolute path that a word is, once the variable at its start has its value.
fn path(word: &str, variables: &BTreeMap<String, PathBuf>) -> Option<PathBuf> {
    if word.starts_with('/') {
        return Some(PathBuf::from(word)).filter(|_| !word.contains(['$', ':']));
    }
    let (name, rest) = match word.strip_prefix('$') {
        Some(rest) if rest.starts_with('{') => rest.strip_prefix('{')?.split_once('}')?,
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("HOME", word.strip_prefix('~')?),
    };
    let value = variables.get(name)?;
    match rest.strip_prefix('/') {
        Some(below) => Some(value.join(below)).filter(|_| !below.contains(['$', ':'])),
        None => Some(value.clone()).filter(|_| rest.is_empty()),
    }
}

/// Whether a path may be a file of the gateway's package, or what starts it.
fn is_of_gateway(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let module = path.extension().is_some_and(|extension| ["mjs", "js", "cjs"].iter().any(|known| extension == *known));
    module || name.contains("openclaw")
}

/// asdf: a script that names, in comments, the versions that have the program. Of several, the directory that it is
/// started in chooses one: then none is found.
fn asdf(text: &str, dir: &Path) -> Option<Target> {
    let installs = dir.parent()?.join("installs");
    let versions = text.lines().filter_map(|line| line.strip_prefix("# asdf-plugin: ")?.split_once(' '));
    let homes = versions.map(|(plugin, version)| installs.join(plugin).join(version.trim()));
    let homes: Vec<PathBuf> = homes.filter(|home| home.join("bin/openclaw").exists()).collect();
    let [home] = homes.as_slice() else { return None };
    Some(Target { paths: vec![home.join("bin/openclaw")], node: Some(home.join("bin/node")), read_only: false })
}

/// mise: a link to its own program; the versions are in folders beside that of the shims.
fn mise(program: &Path) -> Option<Target> {
    let installs = program.parent()?.parent()?.join("installs");
    // `latest` and the like are links to a version.
    let versions = |tool: &str| {
        let entries = std::fs::read_dir(installs.join(tool)).into_iter().flatten().flatten().take(MAX_VERSIONS);
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
    };
    let package = "lib/node_modules/openclaw";
    let all = versions("npm-openclaw").chain(versions("node")).filter(|home| home.join(package).is_dir());
    let all: Vec<PathBuf> = all.collect();
    let [home] = all.as_slice() else { return None };
    let nodes: Vec<PathBuf> = versions("node").collect();
    let own = Some(home.join("bin/node")).filter(|node| node.is_file());
    let only = || nodes.first().filter(|_| nodes.len() == 1).map(|home| home.join("bin/node"));
    Some(Target { paths: vec![home.join(package)], node: own.or_else(only), read_only: false })
}

/// Volta: a link to its own program, which looks the package up below its home.
fn volta(program: &Path, home: Option<&Path>) -> Option<Target> {
    #[derive(Deserialize)]
    struct Package {
        platform: Platform,
    }
    #[derive(Deserialize)]
    struct Platform {
        node: String,
    }
    let above = program.parent().and_then(Path::parent).map(Path::to_owned);
    let mut roots = above.into_iter().chain(home.map(|home| home.join(".volta"))).map(|root| root.join("tools"));
    let package = "image/packages/openclaw/lib/node_modules/openclaw";
    let tools = roots.find(|tools| tools.join(package).is_dir())?;
    let record = fsio::read_capped(&tools.join("user/packages/openclaw.json"), MAX_RECORD).ok();
    let record = record.and_then(|bytes| serde_json::from_slice::<Package>(bytes.expose()).ok());
    let node = record.map(|record| tools.join("image/node").join(record.platform.node).join("bin/node"));
    Some(Target { paths: vec![tools.join(package)], node, read_only: false })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
