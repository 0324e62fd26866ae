//! The places in the gateway's configuration that may hold a SecretRef.

use std::sync::OnceLock;

const TARGETS: &str = include_str!("data/targets.txt");

/// The gateway versions that register a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// 2026.4.27.
    pub older: bool,
    /// 2026.9.6.
    pub newer: bool,
}

struct Target {
    versions: Versions,
    segments: Vec<&'static str>,
}

/// Whether some gateway version takes a SecretRef at this path. An element of a list is a
/// segment by its index.
pub fn is_registered_target(segments: &[&str]) -> bool {
    versions(segments).is_some()
}

/// Whether the gateway of this version takes a SecretRef at this path.
pub fn takes_reference(segments: &[&str], version: (u16, u16, u16)) -> bool {
    versions(segments).is_some_and(|versions| if version < (2026, 6, 5) { versions.older } else { versions.newer })
}

/// Which versions do, if any.
pub fn versions(segments: &[&str]) -> Option<Versions> {
    targets().iter().find(|target| target.matches(segments)).map(|target| target.versions)
}

impl Target {
    fn matches(&self, segments: &[&str]) -> bool {
        let fits = |(pattern, segment): (&&str, &&str)| match *pattern {
            "*" => true,
            "[]" => is_index(segment),
            exact => exact == *segment,
        };
        self.segments.len() == segments.len() && self.segments.iter().zip(segments).all(fits)
    }
}

fn is_index(segment: &str) -> bool {
    segment.parse::<u32>().is_ok_and(|index| index.to_string() == segment)
}

fn targets() -> &'static [Target] {
    static PARSED: OnceLock<Vec<Target>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let lines = TARGETS.lines().filter(|line| !line.starts_with('#'));
        let target = |line: &'static str| {
            let (versions, path) = line.split_once(' ')?;
            let versions = Versions { older: versions.contains("2026.4.27"), newer: versions.contains("2026.9.6") };
            let segment = |part: &'static str| match part.strip_suffix("[]") {
                Some(list) => [Some(list), Some("[]")],
                None => [Some(part), None],
            };
            Some(Target { versions, segments: path.trim().split('.').flat_map(segment).flatten().collect() })
        };
        lines.filter_map(target).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_whole() {
        let count = |keep: fn(&Versions) -> bool| targets().iter().filter(|target| keep(&target.versions)).count();
        // 87 and 118 targets, of which two each are not in the configuration file.
        assert_eq!((count(|versions| versions.older), count(|versions| versions.newer)), (85, 116));
        assert!(targets().iter().all(|target| target.segments.iter().all(|segment| !segment.is_empty())));
    }

    #[test]
    fn paths_match_segment_by_segment() {
        let both = Some(Versions { older: true, newer: true });
        assert_eq!(versions(&["gateway", "auth", "token"]), both);
        assert_eq!(versions(&["models", "providers", "a.b", "apiKey"]), both);
        let older = Some(Versions { older: true, newer: false });
        assert_eq!(versions(&["agents", "list", "0", "memorySearch", "remote", "apiKey"]), older);
        let newer = Some(Versions { older: false, newer: true });
        assert_eq!(versions(&["channels", "sms", "authToken"]), newer);
        for other in [
            ["agents", "list", "x", "memorySearch", "remote", "apiKey"].as_slice(),
            &["agents", "list", "00", "memorySearch", "remote", "apiKey"],
            &["gateway", "auth"],
            &["gateway", "auth", "token", "x"],
            &["hooks", "token"],
            &[],
        ] {
            assert!(!is_registered_target(other), "{other:?}");
        }
    }
}
