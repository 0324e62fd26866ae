//! A command of the configuration that runs under `agevault run`, which puts secrets into its environment.

use serde_json::{Map, Value};
use std::path::Path;

/// Such a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapper {
    /// The program that runs it.
    pub program: String,
    /// The options before `run`.
    pub options: Vec<String>,
    /// Variables that it gets, each with the id whose value it has.
    pub only: Vec<(String, String)>,
    /// The command itself and its arguments.
    pub command: Vec<String>,
}

impl Wrapper {
    /// Reads an object with `command` and `args`; `None` for one that is run in another way.
    pub fn read(object: &Map<String, Value>) -> Option<Self> {
        let (program, args) = words(object)?;
        if Path::new(&program).file_name()? != "agevault" {
            return None;
        }
        let run = args.iter().position(|word| word == "run")?;
        let mut rest = args.get(run + 1..)?.iter();
        let mut only = Vec::new();
        loop {
            match rest.next()?.as_str() {
                "--only" => {
                    let pair = rest.next()?;
                    let (name, id) =
                        pair.split_once('=').map_or_else(|| (pair.as_str(), None), |(name, id)| (name, Some(id)));
                    only.push((name.to_owned(), id.map_or_else(|| format!("env/{name}"), str::to_owned)));
                }
                "--" => break,
                _ => return None,
            }
        }
        let options = args.get(..run)?.to_vec();
        Some(Self { program, options, only, command: rest.cloned().collect() })
    }

    /// The vault that it asks, if it names one.
    pub fn vault(&self) -> Option<&str> {
        vault(&self.options)
    }

    /// The command itself, and its arguments.
    pub fn inner(&self) -> (String, Vec<String>) {
        let (program, args) = self.command.split_first().unzip();
        (program.cloned().unwrap_or_default(), args.map(<[String]>::to_vec).unwrap_or_default())
    }

    /// Its arguments.
    pub fn args(&self) -> Vec<String> {
        let mut args = self.options.clone();
        args.push("run".to_owned());
        for (name, id) in &self.only {
            args.extend(["--only".to_owned(), format!("{name}={id}")]);
        }
        args.push("--".to_owned());
        args.extend(self.command.iter().cloned());
        args
    }
}

/// The vault that options name.
pub fn vault(options: &[String]) -> Option<&str> {
    let pair = options.windows(2).find(|pair| pair.first().is_some_and(|option| option == "--vault"));
    let joined = || options.iter().find_map(|option| option.strip_prefix("--vault="));
    pair.and_then(|pair| pair.last()).map(String::as_str).or_else(joined)
}

/// The words of a command; `None` if there is none, or one of them is not a text.
pub fn words(object: &Map<String, Value>) -> Option<(String, Vec<String>)> {
    let program = object.get("command")?.as_str()?.to_owned();
    let args = match object.get("args") {
        None | Some(Value::Null) => Vec::new(),
        Some(args) => args.as_array()?.iter().map(|word| Some(word.as_str()?.to_owned())).collect::<Option<_>>()?,
    };
    Some((program, args))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wrapped_command_is_read_as_it_was_made() {
        let wrapper = Wrapper {
            program: "/h/bin/agevault".into(),
            options: vec!["--vault".into(), "/v/run".into()],
            only: vec![("A".into(), "env/A".into()), ("B".into(), "config/mcp/servers/x/env/B".into())],
            command: vec!["npx".into(), "run".into(), "--only".into(), "--".into(), "-y".into()],
        };
        let object = json!({"command": wrapper.program, "args": wrapper.args(), "cwd": "/x"});
        assert_eq!(Wrapper::read(object.as_object().unwrap()), Some(wrapper));
        let short = json!({"command": "/b/agevault", "args": ["run", "--only", "KEY", "--", "node"]});
        assert_eq!(Wrapper::read(short.as_object().unwrap()).unwrap().only, [("KEY".into(), "env/KEY".into())]);
    }

    #[test]
    fn other_commands_are_not_wrapped_ones() {
        for object in [
            json!({"command": "npx", "args": ["run", "--", "x"]}),
            json!({"command": "/b/agevault", "args": ["list"]}),
            json!({"command": "/b/agevault", "args": ["run", "--views", "--", "x"]}),
            json!({"command": "/b/agevault", "args": ["run", "x"]}),
            json!({"command": "/b/agevault", "args": ["run", "--only", "A", "--", 1]}),
            json!({"args": ["run", "--", "x"]}),
        ] {
            assert_eq!(Wrapper::read(object.as_object().unwrap()), None, "{object}");
        }
    }
}
