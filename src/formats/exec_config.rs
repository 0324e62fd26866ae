//! An entry of `secrets.providers`: which program a gateway asks for secrets, and how.
//!
//! The bounds are those of both gateways' schemas, and of members only those that both take.

use super::provider;
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Members that every gateway takes.
const MEMBERS: [&str; 10] = [
    "args",
    "command",
    "env",
    "jsonOnly",
    "maxOutputBytes",
    "noOutputTimeoutMs",
    "passEnv",
    "source",
    "timeoutMs",
    "trustedDirs",
];
/// Longest time that a gateway can be told to wait, in milliseconds.
const MAX_TIMEOUT: u64 = 120_000;
/// What it waits if it is told nothing, in milliseconds.
const TIMEOUT: u64 = 5_000;
/// Most output that a gateway can be told to take, in bytes.
const MAX_OUTPUT: u64 = 20 * 1024 * 1024;
/// What it takes if it is told nothing, in bytes.
const OUTPUT: u64 = 1024 * 1024;
/// Ends of names whose variables hold secrets.
const SECRET_ENDS: [&str; 6] = ["KEY", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN"];

/// How a gateway calls a program, with its own defaults filled in.
pub struct Configured {
    /// The program, an absolute path.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables that are passed on where they are set.
    pub pass_env: Vec<String>,
    /// Variables that are set.
    pub env: Vec<(String, OsString)>,
    /// How long a gateway waits, whether for the whole answer or for a sign of life: the program
    /// prints all at its end.
    pub timeout: Duration,
    /// How much it takes, in bytes.
    pub max_output: u64,
    /// Where the program must be, if that is restricted.
    pub trusted_dirs: Option<Vec<PathBuf>>,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is none of a program.
    Source,
    /// Its `command` is no absolute path.
    Command,
    /// A member that not every gateway takes; those that do not refuse the whole configuration.
    Unknown(String),
    /// The value of this member is outside the bounds of the gateway.
    Bounds(&'static str),
    /// The variable of this name is handed over, and by its name holds a secret.
    Secret(String),
}

/// Reads an entry. Without a program there is nothing to call; everything else that is wrong is told
/// beside.
pub fn read(entry: &Value) -> (Option<Configured>, Vec<Misfit>) {
    let nothing = Map::new();
    let members = entry.as_object().unwrap_or(&nothing);
    let mut misfits = Vec::new();
    if members.get("source").and_then(Value::as_str) != Some("exec") {
        return (None, vec![Misfit::Source]);
    }
    let command = members.get("command").and_then(Value::as_str).map(Path::new).filter(|path| path.is_absolute());
    if command.is_none() {
        misfits.push(Misfit::Command);
    }
    misfits.extend(members.keys().filter(|name| !MEMBERS.contains(&name.as_str())).cloned().map(Misfit::Unknown));
    let mut reader = Reader { members, misfits };
    let arg = |text: &str| text.chars().count() <= 1024;
    let args = reader.texts("args", 128, arg).unwrap_or_default();
    let pass_env = reader.texts("passEnv", 128, is_variable).unwrap_or_default();
    let env = reader.env();
    let trusted = reader.texts("trustedDirs", 64, |text| Path::new(text).is_absolute());
    let timeout = reader.number("timeoutMs", MAX_TIMEOUT).unwrap_or(TIMEOUT);
    let silence = reader.number("noOutputTimeoutMs", MAX_TIMEOUT).unwrap_or(timeout);
    let max_output = reader.number("maxOutputBytes", MAX_OUTPUT).unwrap_or(OUTPUT);
    // Without it a gateway asks for one id at a time, and takes what it gets for the value.
    if members.get("jsonOnly").is_some_and(|value| value != &Value::Bool(true)) {
        reader.misfits.push(Misfit::Bounds("jsonOnly"));
    }
    let secret = |name: &&String| provider::is_variable(name) || SECRET_ENDS.iter().any(|end| name.ends_with(end));
    let names = pass_env.iter().chain(env.iter().map(|(name, _)| name));
    reader.misfits.extend(names.filter(secret).cloned().map(Misfit::Secret));
    let configured = command.map(|command| Configured {
        command: command.to_owned(),
        args,
        pass_env,
        env,
        timeout: Duration::from_millis(timeout.min(silence)),
        max_output,
        trusted_dirs: trusted.map(|dirs| dirs.into_iter().map(PathBuf::from).collect()),
    });
    (configured, reader.misfits)
}

struct Reader<'e> {
    members: &'e Map<String, Value>,
    misfits: Vec<Misfit>,
}

impl Reader<'_> {
    /// A list of at most so many texts, each of which is `good`.
    fn texts(&mut self, name: &'static str, most: usize, good: impl Fn(&str) -> bool) -> Option<Vec<String>> {
        let value = self.members.get(name)?;
        let texts: Option<Vec<String>> = value.as_array().filter(|list| list.len() <= most).and_then(|list| {
            let text = |value: &Value| value.as_str().filter(|text| good(text)).map(str::to_owned);
            list.iter().map(text).collect()
        });
        if texts.is_none() {
            self.misfits.push(Misfit::Bounds(name));
        }
        texts
    }

    fn number(&mut self, name: &'static str, most: u64) -> Option<u64> {
        let value = self.members.get(name)?;
        let number = value.as_u64().filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.misfits.push(Misfit::Bounds(name));
        }
        number
    }

    fn env(&mut self) -> Vec<(String, OsString)> {
        let Some(value) = self.members.get("env") else { return Vec::new() };
        let text = |(name, value): (&String, &Value)| Some((name.clone(), OsString::from(value.as_str()?)));
        let set: Option<Vec<_>> = value.as_object().and_then(|set| set.iter().map(text).collect());
        if set.is_none() {
            self.misfits.push(Misfit::Bounds("env"));
        }
        set.unwrap_or_default()
    }
}

/// `^[A-Z][A-Z0-9_]{0,127}$`
fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    let rest = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    first && rest && name.len() <= 128
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn misfits(change: &[(&str, Value)]) -> Vec<Misfit> {
        let mut entry = json!({"source": "exec", "command": "/bin/agevault"});
        change
            .iter()
            .for_each(|(name, value)| drop(entry.as_object_mut().unwrap().insert((*name).into(), value.clone())));
        read(&entry).1
    }

    #[test]
    fn a_gateway_waits_and_takes_what_it_is_told_or_its_own_defaults() {
        let entry = json!({"source": "exec", "command": "/bin/agevault"});
        let (configured, misfits) = read(&entry);
        let configured = configured.unwrap();
        assert_eq!((configured.timeout.as_secs(), configured.max_output, misfits), (5, 1024 * 1024, Vec::new()));
        let entry = json!({"source": "exec", "command": "/bin/agevault", "args": ["resolve"], "passEnv": ["HOME"],
            "env": {"LANG": "C"}, "timeoutMs": 20_000, "noOutputTimeoutMs": 3000, "maxOutputBytes": 1, "jsonOnly": true,
            "trustedDirs": ["/bin"]});
        let (configured, misfits) = read(&entry);
        let configured = configured.unwrap();
        assert_eq!((configured.timeout.as_secs(), configured.max_output, misfits), (3, 1, Vec::new()));
        assert_eq!((configured.args, configured.pass_env), (vec!["resolve".to_owned()], vec!["HOME".to_owned()]));
        assert_eq!(configured.trusted_dirs, Some(vec![PathBuf::from("/bin")]));
    }

    #[test]
    fn what_a_gateway_refuses_is_named() {
        for entry in [json!({}), json!("text"), json!({"source": "file", "command": "/bin/agevault"})] {
            assert!(matches!(read(&entry), (None, misfits) if misfits == [Misfit::Source]), "{entry}");
        }
        for command in [json!("agevault"), json!("~/agevault"), json!(1), json!("")] {
            let entry = json!({"source": "exec", "command": command});
            assert!(matches!(read(&entry), (None, misfits) if misfits == [Misfit::Command]), "{entry}");
        }
        for (name, value) in [
            ("args", json!(["x".repeat(1025)])),
            ("args", json!(vec!["x"; 129])),
            ("args", json!("resolve")),
            ("timeoutMs", json!(0)),
            ("timeoutMs", json!(120_001)),
            ("noOutputTimeoutMs", json!("5000")),
            ("maxOutputBytes", json!(20 * 1024 * 1024 + 1)),
            ("passEnv", json!(["home"])),
            ("passEnv", json!([""])),
            ("env", json!({"A": 1})),
            ("trustedDirs", json!(["bin"])),
            ("jsonOnly", json!(false)),
        ] {
            assert_eq!(misfits(&[(name, value.clone())]), [Misfit::Bounds(name)], "{value}");
        }
        assert_eq!(misfits(&[("allowInsecurePath", json!(true))]), [Misfit::Unknown("allowInsecurePath".into())]);
    }

    #[test]
    fn variables_that_hold_secrets_are_told_by_their_names() {
        let pass = |name: &str| misfits(&[("passEnv", json!([name]))]);
        for name in ["OPENAI_API_KEY", "GITHUB_TOKEN", "MY_SECRET", "DB_PASSWORD", "VAULT_PASSPHRASE"] {
            assert_eq!(pass(name), [Misfit::Secret(name.into())], "{name}");
        }
        for name in ["HOME", "CREDENTIALS_DIRECTORY", "XDG_RUNTIME_DIR", "AGEVAULT_IDENTITY_FILE"] {
            assert_eq!(pass(name), [], "{name}");
        }
        assert_eq!(misfits(&[("env", json!({"API_KEY": "x"}))]), [Misfit::Secret("API_KEY".into())]);
    }
}
