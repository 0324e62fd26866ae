//! Files for service managers and containers, filled with the places of one vault and gateway. The
//! texts are the `.in` files beside this one: a line that begins with `@views` is there only for a
//! gateway that reads views, one with `@plain` only for others.

use super::Error;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A drop-in for the gateway's user unit.
    Systemd,
    /// A user unit that captures.
    Capture,
    /// A user unit that starts the gateway when there is a session.
    Session,
    /// A system unit of the gateway, with a credential.
    System,
    /// A script for `openclaw gateway install --wrapper`.
    Wrapper,
    /// A launch agent that captures.
    Launchd,
    /// A compose file.
    Container,
}

/// What the texts are filled with. All paths are absolute.
#[derive(Clone, Debug)]
pub struct Places {
    /// The program, as the gateway calls it.
    pub agevault: String,
    /// Its options for vault, local state and key.
    pub options: Vec<String>,
    /// The fingerprint of the vault.
    pub pin: String,
    /// Its options for the gateway.
    pub gateway: Vec<String>,
    /// The gateway's program.
    pub openclaw: String,
    /// Where programs are looked for, the gateway's interpreter among them.
    pub path: String,
    /// The name of the gateway's unit.
    pub unit: String,
    /// Where user units lie.
    pub unit_dir: String,
    /// The user's name.
    pub user: String,
    /// The user's number.
    pub uid: u32,
    /// The home directory.
    pub home: String,
    /// The gateway's state directory.
    pub state: String,
    /// The directory of the vault.
    pub vault_dir: String,
    /// The socket of the session.
    pub session: String,
    /// The options of `export` by which the gateway gets views before it starts, if it reads views.
    pub export: Option<String>,
}

/// The text of `unit`.
///
/// # Errors
/// [`Error::NotText`] for a place with a control character in its name: no such file can hold it.
pub fn render(unit: Unit, places: &Places) -> Result<String, Error> {
    let Places { agevault, options, gateway, openclaw, path, home, state, vault_dir, .. } = places;
    let all = [agevault, openclaw, path, home, state, vault_dir, &places.unit, &places.unit_dir, &places.user];
    let all = all.into_iter().chain([&places.session]);
    if all.chain(options).chain(gateway).any(|text| text.chars().any(char::is_control)) {
        return Err(Error::NotText);
    }
    let word: fn(&str) -> String = match unit {
        Unit::Systemd | Unit::Capture | Unit::Session | Unit::System => systemd,
        Unit::Wrapper => shell,
        Unit::Launchd => xml,
        Unit::Container => yaml,
    };
    let words = |list: &[String]| list.iter().map(|text| word(text)).collect::<Vec<_>>().join(" ");
    let variable = |name: &str, value: &str| assignment(name, value);
    let mut program = vec![agevault.clone()];
    program.extend(options.iter().cloned());
    let lines = |list: &[String], start: &str, end: &str| {
        list.iter().map(|text| format!("{start}{}{end}", word(text))).collect::<Vec<_>>().join("\n")
    };
    let contained =
        ["agevault", "--vault", "/vault/vault.age", "--local-state", "/run/agevault/state", "-i", SECRET, "--pin"];
    let mut contained: Vec<String> = contained.map(str::to_owned).to_vec();
    contained.extend([places.pin.clone(), "--no-input".to_owned(), "run".to_owned(), "--".to_owned()]);
    let fills = [
        ("@AGEVAULT@", word(agevault)),
        ("@OPTIONS@", words(options)),
        ("@GATEWAY@", words(gateway)),
        ("@EXPORT@", places.export.clone().unwrap_or_default()),
        ("@OPENCLAW@", word(openclaw)),
        ("@UNIT@", places.unit.clone()),
        ("@UNIT_DIR@", places.unit_dir.clone()),
        // The rest of a line, not a word: only specifiers mean something.
        ("@SESSION@", places.session.replace('%', "%%")),
        ("@USER@", places.user.clone()),
        ("@UID@", places.uid.to_string()),
        ("@HOME_VAR@", variable("HOME", home)),
        ("@STATE_VAR@", variable("OPENCLAW_STATE_DIR", state)),
        ("@PATH_VAR@", variable("PATH", path)),
        ("@WORDS@", lines(&program, "    <string>", "</string>")),
        ("@ENTRYPOINT@", lines(&contained, "      - ", "")),
        ("@VAULT_VOLUME@", yaml(&format!("{vault_dir}:/vault:ro"))),
        ("@STATE_VOLUME@", yaml(&format!("{state}:/state"))),
    ];
    let mut text = String::new();
    for line in template(unit).lines() {
        let line = match (line.strip_prefix("@views"), line.strip_prefix("@plain"), places.export.is_some()) {
            (Some(_), _, false) | (_, Some(_), true) => continue,
            (Some(line), _, _) | (_, Some(line), _) => line.strip_prefix(' ').unwrap_or(line),
            _ => line,
        };
        fill(line, &fills, &mut text);
        text.push('\n');
    }
    Ok(text)
}

/// Where the example for containers has the identity.
const SECRET: &str = "/run/secrets/agevault.identity";

fn template(unit: Unit) -> &'static str {
    match unit {
        Unit::Systemd => include_str!("systemd.in"),
        Unit::Capture => include_str!("capture.in"),
        Unit::Session => include_str!("session.in"),
        Unit::System => include_str!("system.in"),
        Unit::Wrapper => include_str!("wrapper.in"),
        Unit::Launchd => include_str!("launchd.in"),
        Unit::Container => include_str!("container.in"),
    }
}

/// Each place once, in one pass: what is filled in is not looked at again.
fn fill(line: &str, fills: &[(&str, String)], text: &mut String) {
    let mut rest = line;
    loop {
        let places = fills.iter().filter_map(|(name, value)| Some((rest.find(name)?, name, value)));
        let Some((at, name, value)) = places.min_by_key(|(at, ..)| *at) else { break };
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        text.push_str(value);
        rest = after.strip_prefix(name).unwrap_or_default();
    }
    text.push_str(rest);
}

/// A word of a command line in a unit (systemd.service(5)).
fn systemd(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    if is_plain(word) { escaped } else { format!("\"{escaped}\"") }
}

/// A variable of `Environment=` in a unit, where `$` is an ordinary character.
fn assignment(name: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{name}={escaped}\"")
}

fn shell(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn xml(word: &str) -> String {
    word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A string of YAML in quotes, for compose, where `$` begins a variable.
fn yaml(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$"))
}

/// Whether no reader sees more in it than its letters.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+:=,@".contains(c))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn places() -> Places {
        let text = str::to_owned;
        Places {
            agevault: text("/d/bin/agevault"),
            options: ["--vault", "/d/v $1/50% \"a\"/vault.age", "-i", "/k"].map(text).to_vec(),
            pin: text("abc"),
            gateway: vec![text("--state-dir"), text("/s")],
            openclaw: text("/o'clock/openclaw"),
            path: text("/usr/bin:/bin"),
            unit: text("openclaw-gateway.service"),
            unit_dir: text("/h/.config/systemd/user"),
            user: text("u"),
            uid: 7,
            home: text("/h"),
            state: text("/s"),
            vault_dir: text("/d/@UID@"),
            session: text("/r/50% $1/s.sock"),
            export: Some(text("--refs --link")),
        }
    }

    const ALL: [Unit; 7] =
        [Unit::Systemd, Unit::Capture, Unit::Session, Unit::System, Unit::Wrapper, Unit::Launchd, Unit::Container];

    #[test]
    fn every_place_is_filled_once_and_quoted_as_its_reader_needs_it() {
        let places = places();
        for unit in ALL {
            for export in [places.export.clone(), None] {
                let text = render(unit, &Places { export, ..places.clone() }).unwrap();
                let left = text.replace("/d/@UID@", "");
                assert!(!left.contains("@views") && !left.contains("@plain"), "{left}");
                assert!(left.split_whitespace().all(|word| !word.contains('@') || word.contains("$@")), "{left}");
            }
        }
        let has = |unit, part: &str| {
            let text = render(unit, &places).unwrap();
            assert!(text.contains(part), "{part} is not in {text}");
        };
        has(Unit::Capture, r#"--vault "/d/v $$1/50%% \"a\"/vault.age" -i /k --no-input capture"#);
        has(
            Unit::Wrapper,
            r#"--vault '/d/v $1/50% "a"/vault.age' -i /k --no-input --quiet run -- '/o'\''clock/openclaw' "$@""#,
        );
        has(Unit::Session, "PathExists=/r/50%% $1/s.sock\n");
        has(Unit::Container, r#"- "/d/@UID@:/vault:ro""#);
        has(Unit::Container, "      - \"--pin\"\n      - \"abc\"\n");
    }

    #[test]
    fn only_a_gateway_that_reads_views_gets_them() {
        let plain = Places { export: None, ..places() };
        for unit in [Unit::Systemd, Unit::System] {
            assert!(render(unit, &places()).unwrap().contains("export --refs --link"));
            assert!(!render(unit, &plain).unwrap().contains("export"));
        }
    }

    #[test]
    fn a_line_break_in_a_place_makes_no_line_of_its_own() {
        let broken = Places { openclaw: "/o\nExecStart=/evil".to_owned(), ..places() };
        assert!(ALL.into_iter().all(|unit| matches!(render(unit, &broken), Err(Error::NotText))));
        let broken = Places { session: "/r\nUnit=evil".to_owned(), ..places() };
        assert!(matches!(render(Unit::Session, &broken), Err(Error::NotText)));
    }
}
