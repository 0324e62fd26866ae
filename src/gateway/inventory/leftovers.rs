//! Files that a gateway has made besides those that it reads: copies, what it generates, what its services read.

use std::path::{Path, PathBuf};

/// What a file is, by its name and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// A copy from before a change, which nothing reads any more.
    Copy,
    /// Made by the gateway out of what it has, and made again when it is missed.
    Generated,
}

/// The directories of a gateway in which such files are.
pub struct Dirs<'d> {
    /// The state directory.
    pub root: &'d Path,
    /// The directory of the configuration.
    pub config: Option<&'d Path>,
    /// Those of the agents.
    pub agents: &'d [PathBuf],
}

/// What a file is, by its name and its very place: anywhere else a file of that name is somebody's own.
pub fn leftover(path: &Path, dirs: &Dirs<'_>) -> Option<Leftover> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let above = |up: usize| path.ancestors().nth(up);
    let of_agent = |up: usize| above(up).is_some_and(|dir| dirs.agents.iter().any(|agent| agent == dir));
    let plugins = above(2).and_then(Path::file_name).is_some_and(|name| name == "plugins");
    // With the keys of profiles in it until the gateway makes it again, with markers in their places.
    if (name == "catalog.json" && plugins && of_agent(3)) || (name == "models.json" && of_agent(1)) {
        return Some(Leftover::Generated);
    }
    let rest = |names: &[&str]| {
        let of = |start: &&str| name.strip_prefix(*start)?.strip_prefix('.').map(str::to_owned);
        names.iter().find_map(of).unwrap_or_default()
    };
    // What the gateway adds to a name itself: people add other things.
    let of_config = rest(&["openclaw.json", "clawdbot.json", "gateway.systemd.env"]);
    let number = |number: &str| number.parse::<u8>().is_ok();
    let backup = of_config == "bak" || of_config.strip_prefix("bak.").is_some_and(number);
    // What a gateway took for damage when it put a copy back, or did not take at all: the time follows.
    let stamped = ["clobbered.", "rejected."].iter().filter_map(|mark| of_config.strip_prefix(mark));
    let refused = stamped.into_iter().any(|time| time.starts_with(|first: char| first.is_ascii_digit()));
    let of_store = rest(&["auth-profiles.json", "auth.json", "oauth.json"]);
    let migrated = ["migrated-", "sqlite-import.", "oauth-ref.", "openai-provider-unification."];
    let migrated = migrated.iter().any(|mark| of_store.starts_with(mark));
    let in_root = above(1) == Some(dirs.root) || above(1) == dirs.config;
    let beside_store = of_agent(1) || above(1) == Some(&dirs.root.join("credentials"));
    let copy = (migrated && beside_store) || (in_root && (backup || refused || of_config == "last-good"));
    copy.then_some(Leftover::Copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_reads_any_more_is_told_from_what_the_gateway_reads() {
        let root = Path::new("/s");
        let agents = ["main", "x"].map(|agent| root.join("agents").join(agent).join("agent"));
        let dirs = Dirs { root, config: Some(Path::new("/c")), agents: &agents };
        let of = |path: &str| leftover(&root.join(path), &dirs);
        for path in [
            "openclaw.json.bak",
            "openclaw.json.bak.3",
            "openclaw.json.last-good",
            "openclaw.json.clobbered.2026-11-23T12-00-00-000Z",
            "/c/openclaw.json.bak",
            "agents/main/agent/auth-profiles.json.migrated-2026-x",
            "agents/main/agent/auth-profiles.json.sqlite-import.1.bak",
            "agents/main/agent/auth-profiles.json.openai-provider-unification.1.bak",
            "gateway.systemd.env.bak",
        ] {
            assert_eq!(of(path), Some(Leftover::Copy), "{path}");
        }
        assert_eq!(of("agents/main/agent/plugins/openai/catalog.json"), Some(Leftover::Generated));
        for path in [
            "openclaw.json",
            "openclaw.json.bak.mine",
            "notes/openclaw.json.bak",
            ".env",
            "agents/main/agent/auth-profiles.json",
            "agents/main/agent/auth-profiles.json.bak",
            "gateway.systemd.env",
            "catalog.json",
            "workspace/shop/plugins/cart/catalog.json",
            "workspace/project/agent/models.json",
            "workspace/auth-profiles.json.migrated-2026-x",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
