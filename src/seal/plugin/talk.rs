//! The plugin protocol (C2SP age-plugin), as the side that starts the program.

use super::super::bounds::is_native;
use super::pipes::Pipes;
use super::{Fault, Host};
use crate::harden;
use crate::secret::Secret;
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza, is_arbitrary_string};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::process::{Command, Stdio};
use std::time::Duration;
use zeroize::Zeroizing;

/// Columns of a body's lines; the last one is shorter.
const COLUMNS: usize = 64;
/// Most that a plugin may say in one stanza, in bytes.
const MAX_STANZA: usize = 128 * 1024;
/// Kinds that age itself seals to, beside the native ones.
const AGES: [&str; 3] = ["p256tag", "mlkem768p256tag", "mlkem768x25519"];
/// Most stanzas of one talk.
const MAX_STANZAS: usize = 1000;

/// How long a plugin may keep silent while it seals: nobody has to be there for that.
pub(super) const SEALING: Duration = Duration::from_secs(60);
/// How long while it opens: a touch, another device, the network. The time that a person takes to answer what it asks
/// for here is not counted.
pub(super) const OPENING: Duration = Duration::from_secs(300);

/// What is said to a plugin and heard from it.
struct Talk<'h> {
    host: &'h dyn Host,
    name: &'h str,
    pipes: Pipes,
}

/// Has the plugin seal the file key to one recipient.
pub(super) fn wrap(
    host: &dyn Host,
    name: &str,
    recipient: &str,
    file_key: &FileKey,
    patience: Duration,
) -> Result<(Vec<Stanza>, HashSet<String>), Fault> {
    let mut talk = Talk::start(host, name, "recipient-v1", patience)?;
    talk.say(&["add-recipient", recipient], &[])?;
    talk.say(&["extension-labels"], &[])?;
    talk.say(&["wrap-file-key"], file_key.expose_secret())?;
    talk.say(&["done"], &[])?;
    let (mut stanzas, mut labels) = (Vec::new(), HashSet::new());
    talk.answer(&mut BTreeMap::new(), |stanza| match stanza.tag.as_str() {
        "recipient-stanza" => {
            let mut args = stanza.args.into_iter();
            let (file, tag) = (args.next(), args.next());
            // Stanzas of other kinds beside it would keep everybody else out.
            let own = |tag: &String| file.as_deref() == Some("0") && !is_native(tag) && !AGES.contains(&tag.as_str());
            let tag = tag.filter(own).ok_or(Fault::Failed)?;
            stanzas.push(Stanza { tag, args: args.collect(), body: stanza.body });
            Ok(true)
        }
        "labels" => {
            labels.extend(stanza.args);
            Ok(true)
        }
        _ => Ok(false),
    })?;
    if stanzas.is_empty() { Err(Fault::Failed) } else { Ok((stanzas, labels)) }
}

/// Has the plugin open one of the stanzas, if one is its own. `answers` are those of the last time,
/// and then those of this one.
pub(super) fn unwrap(
    host: &dyn Host,
    name: &str,
    identity: &Secret,
    stanzas: &[Stanza],
    answers: &mut BTreeMap<String, Secret>,
    patience: Duration,
) -> Result<Option<FileKey>, Fault> {
    let mut talk = Talk::start(host, name, "identity-v1", patience)?;
    talk.say(&["add-identity", identity.expose()], &[])?;
    for stanza in stanzas {
        let args = stanza.args.iter().map(String::as_str);
        let words: Vec<&str> = ["recipient-stanza", "0", &stanza.tag].into_iter().chain(args).collect();
        talk.say(&words, &stanza.body)?;
    }
    talk.say(&["done"], &[])?;
    let mut found = None;
    let talked = talk.answer(answers, |stanza| match (stanza.tag.as_str(), stanza.args.as_slice()) {
        ("file-key", [file]) if file == "0" && found.is_none() => {
            let body: &[u8; FILE_KEY_BYTES] = stanza.body.as_slice().try_into().map_err(|_| Fault::Failed)?;
            found = Some(FileKey::init_with_mut(|room| room.copy_from_slice(body)));
            Ok(true)
        }
        _ => Ok(false),
    });
    // One identity may fail where another one has opened it.
    if found.is_some() { Ok(found) } else { talked.map(|()| None) }
}

impl<'h> Talk<'h> {
    fn start(host: &'h dyn Host, name: &'h str, machine: &str, patience: Duration) -> Result<Self, Fault> {
        let program = host.find(name)?;
        let mut command = Command::new(program);
        // A key of another kind may lie on a descriptor.
        harden::inherits_nothing(&mut command);
        let child = command
            .arg(format!("--age-plugin={machine}"))
            .env_clear()
            .envs(host.environment())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Ok(Self { host, name, pipes: Pipes::of(child.map_err(|_| Fault::Failed)?, patience) })
    }

    /// Sends `-> WORDS`, and the body in lines.
    fn say(&mut self, words: &[&str], body: &[u8]) -> Result<(), Fault> {
        let body = Zeroizing::new(BASE64_STANDARD_NO_PAD.encode(body));
        let mut text = Zeroizing::new(format!("-> {}\n", words.join(" ")).into_bytes());
        let lines = body.as_bytes().chunks(COLUMNS);
        // The last line is shorter than the others, if need be empty.
        let full = body.len().is_multiple_of(COLUMNS);
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        if full {
            text.push(b'\n');
        }
        self.pipes.write(&text)
    }

    fn hear(&mut self) -> Result<Stanza, Fault> {
        let end = self.pipes.end();
        let line = self.pipes.line(MAX_STANZA, end)?;
        let mut args: Vec<String> =
            line.strip_prefix("-> ").ok_or(Fault::Failed)?.split(' ').map(str::to_owned).collect();
        if !args.iter().all(is_arbitrary_string) {
            return Err(Fault::Failed);
        }
        let tag = args.remove(0);
        let mut body = Zeroizing::new(String::new());
        loop {
            let line = Zeroizing::new(self.pipes.line(MAX_STANZA, end)?);
            body.push_str(&line);
            if line.len() < COLUMNS {
                break;
            }
            if line.len() > COLUMNS || body.len() > MAX_STANZA {
                return Err(Fault::Failed);
            }
        }
        let body = BASE64_STANDARD_NO_PAD.decode(body.as_bytes()).map_err(|_| Fault::Failed)?;
        Ok(Stanza { tag, args, body })
    }

    /// Answers what the plugin says until it is done: questions here, results by `take`, which tells
    /// whether it knows them.
    fn answer(
        &mut self,
        answers: &mut BTreeMap<String, Secret>,
        mut take: impl FnMut(Stanza) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let mut asked = BTreeSet::new();
        let mut given = BTreeMap::new();
        let mut fault = None;
        for _ in 0..MAX_STANZAS {
            let stanza = self.hear()?;
            let text = String::from_utf8_lossy(&stanza.body).into_owned();
            match stanza.tag.as_str() {
                "done" => {
                    return match fault {
                        None => {
                            answers.append(&mut given);
                            Ok(())
                        }
                        Some(fault) => Err(fault),
                    };
                }
                "msg" => {
                    self.host.message(self.name, &text);
                    self.say(&["ok"], &[])?;
                }
                "error" => {
                    self.host.message(self.name, &text);
                    fault = fault.or(Some(Fault::Failed));
                    self.say(&["ok"], &[])?;
                }
                "confirm" => {
                    let decode = |arg: &String| {
                        BASE64_STANDARD_NO_PAD.decode(arg).ok().and_then(|text| String::from_utf8(text).ok())
                    };
                    let (yes, no) = (stanza.args.first().and_then(decode), stanza.args.get(1).and_then(decode));
                    let answer = yes.and_then(|yes| self.host.confirm(self.name, &text, &yes, no.as_deref()));
                    match answer {
                        Some(true) => self.say(&["ok", "yes"], &[])?,
                        Some(false) => self.say(&["ok", "no"], &[])?,
                        None => self.unanswered(&mut fault)?,
                    }
                }
                "request-public" => match self.host.public(self.name, &text) {
                    Some(answer) => self.say(&["ok"], answer.as_bytes())?,
                    None => self.unanswered(&mut fault)?,
                },
                "request-secret" => {
                    // Asked again in one run, the last answer was wrong.
                    let known = if asked.insert(text.clone()) { answers.remove(&text) } else { None };
                    match known.or_else(|| self.host.secret(self.name, &text)) {
                        Some(answer) => {
                            self.say(&["ok"], answer.expose().as_bytes())?;
                            given.insert(text, answer);
                        }
                        None => self.unanswered(&mut fault)?,
                    }
                }
                _ => {
                    let known = take(stanza)?;
                    self.say(&[if known { "ok" } else { "unsupported" }], &[])?;
                }
            }
        }
        Err(Fault::Failed)
    }

    fn unanswered(&mut self, fault: &mut Option<Fault>) -> Result<(), Fault> {
        *fault = Some(Fault::Unanswered);
        self.say(&["fail"], &[])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::path::PathBuf;

    /// Asks for a PIN, and holds the file key as it was "sealed".
    const PLUGIN: &str = "#!/bin/sh
        for line in 1 2 3 4 5 6; do read -r line; done
        printf -- '-> request-secret\\nUElO\\n'
        read -r line; read -r line
        printf -- '-> file-key 0\\nAAAAAAAAAAAAAAAAAAAAAA\\n'
        read -r line; read -r line
        printf -- '-> done\\n\\n'";
    const SHORT: Duration = Duration::from_millis(500);

    /// Somebody who takes so long to answer, and the plugin.
    struct Slow(Duration, PathBuf);

    impl Host for Slow {
        fn find(&self, _: &str) -> Result<PathBuf, Fault> {
            Ok(self.1.clone())
        }
        fn environment(&self) -> Vec<(OsString, OsString)> {
            Vec::new()
        }
        fn message(&self, _: &str, _: &str) {}
        fn confirm(&self, _: &str, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
            None
        }
        fn public(&self, _: &str, _: &str) -> Option<String> {
            None
        }
        fn secret(&self, _: &str, _: &str) -> Option<Secret> {
            std::thread::sleep(self.0);
            Some(Secret::new("1234".to_owned()))
        }
    }

    /// Answers with a stanza of the kind that its recipient names.
    const SEALS: &str = "#!/bin/sh
        read -r arrow command kind; read -r body
        for line in 3 4 5 6 7 8; do read -r line; done
        printf -- '-> recipient-stanza 0 %s x\\nAAAA\\n' \"$kind\"
        read -r line; read -r line
        printf -- '-> done\\n\\n'";

    /// A plugin with this text.
    fn program(dir: &std::path::Path, text: &str) -> PathBuf {
        let program = dir.join("age-plugin-fixture");
        // By a process of its own: one that another test forks meanwhile cannot hold it open for writing.
        let mut write = Command::new("/bin/sh");
        write.args(["-c", "printf %s \"$1\" >\"$2\" && chmod 700 \"$2\"", "sh", text]).arg(&program);
        assert!(write.status().unwrap().success());
        program
    }

    #[test]
    fn a_native_stanza_from_a_plugin_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let program = program(dir.path(), SEALS);
        let seals = |kind: &str| {
            let (host, file_key) = (Slow(SHORT, program.clone()), FileKey::new(Box::new([7; 16])));
            wrap(&host, "fixture", kind, &file_key, 10 * SHORT).map(|(stanzas, _)| stanzas.len())
        };
        assert_eq!(seals("fixture").unwrap(), 1);
        for kind in ["X25519", "scrypt", "ssh-ed25519", "agevault/argon2id/v1", "mlkem768x25519"] {
            assert!(matches!(seals(kind), Err(Fault::Failed)), "{kind}");
        }
    }

    #[test]
    fn whoever_is_asked_may_take_longer_than_a_plugin() {
        let dir = tempfile::tempdir().unwrap();
        let program = program(dir.path(), PLUGIN);
        let stanza = Stanza { tag: "fixture".to_owned(), args: Vec::new(), body: Vec::new() };
        let identity = Secret::new("AGE-PLUGIN-FIXTURE-1".to_owned());
        let open =
            |host| unwrap(&host, "fixture", &identity, std::slice::from_ref(&stanza), &mut BTreeMap::new(), SHORT);
        assert!(open(Slow(3 * SHORT, program)).unwrap().is_some());
    }
}
