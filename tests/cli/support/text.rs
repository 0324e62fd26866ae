//! Compares what was printed with what a case expects, line by line, and shows how they differ.

use super::Outcome;
use regex_lite::Regex;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

const TIME_OF_DAY: &str = r"[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What stands for the variable parts of expected lines.
pub struct Placeholders {
    /// Name, and what it fits.
    fits: Vec<(String, String)>,
    /// What an update makes of a new line, in this order: never a text that might be the point.
    written: Vec<(Regex, String)>,
}

impl Placeholders {
    /// `places` are names of directories of this run.
    pub fn new(places: &[(&str, String)]) -> Outcome<Placeholders> {
        let bech32 = "[02-9ac-hj-np-z]{58}";
        let uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
        let stamp = r"\d{8}[T_-]?\d{6}(\d{3})?Z?";
        let mut known: Vec<(&str, String, Option<String>)> = Vec::new();
        for (name, path) in places {
            let path = regex_lite::escape(path);
            known.push((name, path.clone(), Some(path)));
        }
        let mut add = |name, fits: &str, written: Option<&str>| {
            known.push((name, fits.into(), written.map(Into::into)));
        };
        let secret_key = r"AGE-SECRET-KEY-1[0-9A-Z]+";
        add("AGE-SECRET-KEY", secret_key, Some(secret_key));
        let public_key = format!("age1{bech32}");
        add("AGE1", &public_key, Some(&public_key));
        let ssh_key = "ssh-ed25519 AAAA[A-Za-z0-9+/]{64}";
        add("SSH-KEY", ssh_key, Some(ssh_key));
        add("UUID", uuid, Some(uuid));
        let now = format!(r"{}-\d\d-\d\d{TIME_OF_DAY}", this_year());
        add("TIME", &format!(r"\d{{4}}-\d\d-\d\d{TIME_OF_DAY}"), Some(&now));
        add("DATE", r"\d{4}-\d\d-\d\d", None);
        add("STAMP", stamp, Some(stamp));
        add("HEX", "[0-9a-f]{4,}", Some("[0-9a-f]{16,}"));
        let version = regex_lite::escape(VERSION);
        let in_words = format!(r"\bagevault v?({version})\b");
        add("VERSION", &version, None);
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        add("HOST", &regex_lite::escape(&host), None);
        add("N", r"\d+", None);
        add("...", ".*", None);
        let mut written = Vec::new();
        for (name, _, pattern) in &known {
            if let Some(pattern) = pattern {
                written.push((compile(pattern)?, format!("[{name}]")));
            }
        }
        written.push((compile(&in_words)?, "agevault [VERSION]".into()));
        let fits = known.into_iter().map(|(n, f, _)| (format!("[{n}]"), f)).collect();
        Ok(Placeholders { fits, written })
    }

    /// What a line fits besides itself.
    fn pattern(&self, line: &str) -> Outcome<Option<Regex>> {
        let mut pattern = regex_lite::escape(line);
        let literal = pattern.clone();
        for (name, fits) in &self.fits {
            pattern = pattern.replace(&regex_lite::escape(name), &format!("(?:{fits})"));
        }
        let is_variable = pattern != literal;
        is_variable.then(|| compile(&format!("^{pattern}$"))).transpose()
    }

    fn write(&self, line: &str) -> String {
        self.written
            .iter()
            .fold(line.to_owned(), |line, (found, name)| found.replace_all(&line, name.as_str()).into_owned())
    }

    /// Compares `actual` with `expected`, whose lines may hold placeholders.
    pub fn compare(&self, expected: &str, actual: &str) -> Outcome<Comparison> {
        let expected = visible_lines(expected);
        let actual = visible_lines(actual);
        let patterns = expected.iter().map(|line| self.pattern(line)).collect::<Outcome<Vec<_>>>()?;
        let same = |(e, a): (usize, usize)| match (expected.get(e), actual.get(a)) {
            (Some(wanted), Some(there)) if wanted == there => true,
            (Some(_), Some(there)) => {
                matches!(patterns.get(e), Some(Some(fits)) if fits.is_match(there))
            }
            _ => false,
        };
        let equal = (0..expected.len()).take_while(|n| same((*n, *n))).count();
        let common = Common::count((equal, expected.len()), (equal, actual.len()), same);

        let mut lines: Vec<_> = expected.iter().take(equal).map(|line| (' ', line.clone())).collect();
        let (mut e, mut a) = (equal, equal);
        loop {
            match (expected.get(e), actual.get(a)) {
                (None, None) => return Ok(Comparison { lines }),
                (Some(wanted), Some(_)) if same((e, a)) => {
                    lines.push((' ', wanted.clone()));
                    (e, a) = (e + 1, a + 1);
                }
                (Some(wanted), there) if there.is_none() || common.at(e + 1, a) >= common.at(e, a + 1) => {
                    lines.push(('-', wanted.clone()));
                    e += 1;
                }
                (_, there) => {
                    lines.extend(there.map(|line| ('+', self.write(line))));
                    a += 1;
                }
            }
        }
    }
}

/// How many lines can be kept at most, from a line of each text to the ends.
struct Common {
    kept: BTreeMap<(usize, usize), usize>,
}

impl Common {
    fn count(expected: (usize, usize), actual: (usize, usize), same: impl Fn((usize, usize)) -> bool) -> Common {
        let mut common = Common { kept: BTreeMap::new() };
        for e in (expected.0..expected.1).rev() {
            for a in (actual.0..actual.1).rev() {
                let kept = match same((e, a)) {
                    true => common.at(e + 1, a + 1) + 1,
                    false => common.at(e + 1, a).max(common.at(e, a + 1)),
                };
                common.kept.insert((e, a), kept);
            }
        }
        common
    }

    fn at(&self, e: usize, a: usize) -> usize {
        self.kept.get(&(e, a)).copied().unwrap_or(0)
    }
}

/// A difference by lines: ` ` in both, `-` only expected, `+` only there.
pub struct Comparison {
    lines: Vec<(char, String)>,
}

impl Comparison {
    pub fn is_equal(&self) -> bool {
        self.lines.iter().all(|(mark, _)| *mark == ' ')
    }

    pub fn diff(&self) -> String {
        self.lines.iter().map(|(mark, line)| format!("  {mark}{line}\n")).collect()
    }

    /// The section that would have been right.
    pub fn update(&self) -> String {
        let there = self.lines.iter().filter(|(mark, _)| *mark != '-');
        there.map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// Lines in which nothing is left that an editor hides or a section cannot hold.
fn visible_lines(text: &str) -> Vec<String> {
    let show = |line: &str| line.replace('\r', "[CR]").replace('\x1b', "[ESC]");
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => show(line),
            None => show(line) + "[NO NEWLINE]",
        })
        .collect()
}

pub fn compile(pattern: &str) -> Outcome<Regex> {
    Regex::new(pattern).map_err(|error| format!("the pattern {pattern:?}: {error}"))
}

fn this_year() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1970 + now.as_secs() / 31_556_952
}
