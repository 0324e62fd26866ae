//! The gateway's own command line, as far as it matters who starts it.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Commands that write the environment they run in, or parts of it, into the files of a service:
/// releases 2026.4.27 to 2026.9.6, where these do so for some answers. So do `doctor` and `update`, but for some uses.
const KEEPERS: [&str; 4] = ["configure", "connect", "onboard", "setup"];
/// Commands of which only `install` does.
const SERVICES: [&str; 3] = ["daemon", "gateway", "node"];
/// Options before the command that take a value.
const VALUED: [&str; 3] = ["--container", "--log-level", "--profile"];

/// Whether a command line is one of the gateway that keeps its environment on the disk.
pub fn keeps_environment(command: &[OsString]) -> bool {
    let Some(arguments) = arguments(command) else { return false };
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    let command = next(&mut words);
    match command.as_deref() {
        Some("--update") => true,
        // What only reads goes through.
        Some("update") => words.next().as_deref() != Some("status"),
        Some("doctor") => !only_lints(arguments),
        Some(word) if SERVICES.contains(&word) => next(&mut words).as_deref() == Some("install"),
        Some(word) => KEEPERS.contains(&word),
        None => false,
    }
}

/// The next word that is no option and no value of one.
fn next<'w>(words: &mut impl Iterator<Item = Cow<'w, str>>) -> Option<Cow<'w, str>> {
    loop {
        let word = words.next()?;
        if VALUED.contains(&word.as_ref()) {
            words.next();
        } else if word == "--update" || !word.starts_with('-') {
            return Some(word);
        }
    }
}

/// Whether a `doctor` is told to look and not to repair.
fn only_lints(arguments: &[OsString]) -> bool {
    let has = |options: &[&str]| arguments.iter().any(|word| options.iter().any(|option| word == option));
    has(&["--lint"]) && !has(&["--fix", "--force", "--repair", "--yes"])
}

/// What the gateway gets, if it is the gateway: by its name, or as a script of `node`.
fn arguments(command: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = command.split_first()?;
    let is = |word: &OsString, name: &str| Path::new(word).file_name() == Some(OsStr::new(name));
    if is(program, "openclaw") || is(program, "openclaw.mjs") {
        return Some(rest);
    }
    let script = rest.iter().position(|word| is(word, "openclaw.mjs") || is(word, "openclaw"));
    script.filter(|_| is(program, "node")).and_then(|at| rest.get(at + 1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_keep_their_environment_are_known() {
        let keeps = |line: &str| keeps_environment(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "openclaw gateway install",
            "/usr/bin/openclaw --profile work gateway --force install --port 1",
            "openclaw daemon install",
            "openclaw node install",
            "openclaw --no-color doctor --fix",
            "openclaw update",
            "openclaw --update",
            "openclaw update --channel status",
            "openclaw update wizard",
            "openclaw doctor --lint --fix",
            "openclaw onboard --install-daemon",
            "node --max-old-space-size=1 /opt/openclaw/openclaw.mjs update",
            "/opt/bin/node /usr/bin/openclaw doctor",
        ] {
            assert!(keeps(line), "{line}");
        }
        for line in [
            "openclaw gateway",
            "openclaw gateway run --port 1",
            "openclaw --profile update gateway status",
            "openclaw update status --json",
            "openclaw --profile work update status",
            "openclaw doctor --lint",
            "openclaw message send --message update",
            "openclaw",
            "node openclaw.mjs gateway --port 1",
            "npm update",
            "doctor",
            "sh -c openclaw update",
        ] {
            assert!(!keeps(line), "{line}");
        }
    }
}
