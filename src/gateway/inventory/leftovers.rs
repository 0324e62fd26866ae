//! Files that a gateway has made besides those that it reads: copies, what it generates, what its services read.

use std::path::Path;

/// What a file is, by its name and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// A copy from before a change, which nothing reads any more.
    Copy,
    /// Made by the gateway out of what it has, and made again when it is missed.
    Generated,
}

/// What a file of the state directory `root`, or of the directory of the configuration, is.
pub fn leftover(path: &Path, root: &Path, config_dir: Option<&Path>) -> Option<Leftover> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = path.parent();
    let folder = |up: usize| path.ancestors().nth(up).and_then(Path::file_name);
    if name == "catalog.json" && folder(2).is_some_and(|name| name == "plugins") {
        return Some(Leftover::Generated);
    }
    // With the keys of profiles in it until the gateway makes it again, with markers in their places.
    if name == "models.json" && folder(1).is_some_and(|name| name == "agent") {
        return Some(Leftover::Generated);
    }
    let of_config =
        ["openclaw.json.", "clawdbot.json.", "gateway.systemd.env."].iter().any(|start| name.starts_with(start));
    let number =
        |rest: &str| rest.is_empty() || rest.strip_prefix('.').is_some_and(|number| number.parse::<u8>().is_ok());
    let backup = name.split_once(".bak").is_some_and(|(_, rest)| number(rest));
    let of_store = ["auth-profiles.json.", "auth.json.", "oauth.json."].iter().any(|start| name.starts_with(start));
    let migrated = [".migrated-", ".sqlite-import.", ".oauth-ref.", ".openai-provider-unification."];
    let migrated = migrated.iter().any(|mark| name.contains(mark));
    let in_root = parent == Some(root) || parent == config_dir;
    // What a gateway took for damage when it put a copy back, or did not take at all.
    let refused = [".clobbered.", ".rejected."].iter().any(|mark| name.contains(mark));
    let copy = (of_store && migrated) || (in_root && of_config && (backup || refused || name.ends_with(".last-good")));
    copy.then_some(Leftover::Copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_reads_any_more_is_told_from_what_the_gateway_reads() {
        let root = Path::new("/s");
        let of = |path: &str| leftover(&root.join(path), root, Some(Path::new("/c")));
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
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
