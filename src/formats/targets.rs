//! The places in the gateway's configuration that take a SecretRef, by release of the gateway.

use std::sync::OnceLock;

/// The inspected releases, then one line for each path and range of releases. The file explains its columns.
const TARGETS: &str = include_str!("data/targets.txt");

/// A release as year, month and number.
type Release = (u16, u16, u16);

struct Target {
    first: Release,
    /// The first inspected release without the target.
    end: Option<Release>,
    /// The path; `None` is any one segment.
    segments: Vec<Option<&'static str>>,
}

/// Whether a gateway of this version resolves a SecretRef at this path. An element of a list is one segment,
/// written as its index or by whatever names it. A version between two inspected releases is taken for the older
/// one, a newer version for the newest.
pub fn takes_reference(segments: &[&str], version: (u16, u16, u16)) -> bool {
    let covers = |target: &Target| target.first <= version && target.end.is_none_or(|end| version < end);
    targets().iter().any(|target| covers(target) && target.matches(segments))
}

/// Whether any version of the gateway does.
pub fn is_target(segments: &[&str]) -> bool {
    targets().iter().any(|target| target.matches(segments))
}

impl Target {
    fn matches(&self, segments: &[&str]) -> bool {
        let fits = |(part, segment): (&Option<&str>, &&str)| part.is_none_or(|part| part == *segment);
        self.segments.len() == segments.len() && self.segments.iter().zip(segments).all(fits)
    }
}

fn targets() -> &'static [Target] {
    static PARSED: OnceLock<Vec<Target>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let releases = releases();
        let after = |last| releases.iter().copied().find(|release| *release > last);
        let target = |line: &'static str| {
            let mut words = line.split_whitespace();
            let (first, last, path) = (release(words.next()?)?, words.next()?, words.next()?);
            Some(Target {
                first,
                end: release(last).and_then(after),
                segments: path.split('.').flat_map(parts).collect(),
            })
        };
        TARGETS.lines().filter_map(target).collect()
    })
}

/// The inspected releases, oldest first.
fn releases() -> Vec<Release> {
    let line = TARGETS.lines().find_map(|line| line.strip_prefix("releases "));
    line.unwrap_or_default().split(' ').filter_map(release).collect()
}

/// The segments of one dotted part: a name, and an element if the name is followed by `[]`.
fn parts(part: &'static str) -> impl Iterator<Item = Option<&'static str>> {
    let (name, element) = part.strip_suffix("[]").map_or((part, None), |list| (list, Some(None)));
    [Some((name != "*").then_some(name)), element].into_iter().flatten()
}

fn release(text: &str) -> Option<Release> {
    let mut numbers = text.splitn(3, '.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the table before its second part are the registry; each names a range of inspected releases.
    #[test]
    fn each_release_has_as_many_targets_as_its_registry() {
        let lines = TARGETS.lines().filter(|line| line.starts_with("20")).count();
        assert_eq!(targets().len(), lines);
        let (registry, _) = TARGETS.split_once("\n# In no registry").expect("two parts");
        let listed = registry.lines().filter(|line| line.starts_with("20")).count();
        let counts = releases().into_iter().map(|at| {
            let has = |target: &&Target| target.first <= at && target.end.is_none_or(|end| at < end);
            targets()[..listed].iter().filter(has).count()
        });
        assert_eq!(counts.collect::<Vec<_>>(), [4, 62, 67, 70, 83, 86, 90, 91, 97, 97, 112, 114, 116]);
    }

    #[test]
    fn every_line_is_a_range_of_inspected_releases() {
        let releases = releases();
        assert!(releases.is_sorted() && releases.len() == 13);
        for line in TARGETS.lines().filter(|line| line.starts_with("20")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [first, last, path] = words[..] else { panic!("{line}") };
            let first = release(first).expect(line);
            let last = release(last).unwrap_or(releases[12]);
            assert!(releases.contains(&first) && releases.contains(&last) && first <= last, "{line}");
            assert!(path.split(['.']).all(|part| !part.is_empty()), "{line}");
        }
    }

    #[test]
    fn a_path_is_matched_segment_by_segment() {
        let any = [
            ["gateway", "auth", "token"].as_slice(),
            &["models", "providers", "a.b", "apiKey"],
            &["agents", "list", "0", "memorySearch", "remote", "apiKey"],
            &["agents", "list", "coder", "memorySearch", "remote", "apiKey"],
            &["channels", "sms", "authToken"],
        ];
        for path in any {
            assert!(is_target(path), "{path:?}");
        }
        let none = [
            ["agents", "list", "memorySearch", "remote", "apiKey"].as_slice(),
            &["gateway", "auth"],
            &["gateway", "auth", "token", "x"],
            &["hooks", "token"],
            &["mcp", "servers", "x", "headers", "authorization"],
            &[],
        ];
        for path in none {
            assert!(!is_target(path), "{path:?}");
        }
    }

    #[test]
    fn a_version_counts_as_the_inspected_release_at_or_before_it() {
        let memory = ["agents", "list", "main", "memorySearch", "remote", "apiKey"];
        let since = |path: &[&str]| {
            let versions = (1..=12).flat_map(|month| (0..40).map(move |number| (2026, month, number)));
            let taken: Vec<Release> = versions.filter(|version| takes_reference(path, *version)).collect();
            (taken.first().copied(), taken.last().copied(), taken.len())
        };
        // From 2026.3.2 to the last one before 2026.8.2.
        assert_eq!(since(&memory), (Some((2026, 3, 2)), Some((2026, 8, 1)), 38 + 4 * 40 + 2));
        assert_eq!(since(&["gateway", "auth", "token"]).0, Some((2026, 3, 13)));
        // No reference before 2026.2.26; the newest inspected release stands for all later ones.
        assert_eq!(since(&["models", "providers", "x", "apiKey"]).0, Some((2026, 2, 26)));
        assert!(takes_reference(&["channels", "sms", "authToken"], (2027, 1, 1)));
        // A target that went and came back.
        let fetch = ["plugins", "entries", "firecrawl", "config", "webFetch", "apiKey"];
        assert!(takes_reference(&fetch, (2026, 6, 1)));
        assert!(!takes_reference(&fetch, (2026, 6, 11)) && !takes_reference(&fetch, (2026, 8, 1)));
        assert!(takes_reference(&fetch, (2026, 8, 2)));
    }
}
