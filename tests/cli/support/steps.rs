//! Plays the steps of a case.

use super::process::Run;
use super::script::{Case, Step, words};
use super::world::{OnTerminal, World};
use super::{Outcome, failed};
use libtest_mimic::Completion;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

pub struct Player<'a> {
    pub(super) world: &'a mut World,
    pub(super) case: &'a Case,
    pub(super) update: bool,
    last: Option<Run>,
    stdin: Option<Vec<u8>>,
    /// What must hold no secret: the step that printed it, and the text.
    pub(super) printed: Vec<(String, String)>,
}

/// What a step asks for, apart from its words.
struct Mode {
    not: bool,
    reveals: bool,
}

enum Next {
    Step,
    Skip(String),
}

impl<'a> Player<'a> {
    pub fn new(world: &'a mut World, case: &'a Case, update: bool) -> Player<'a> {
        Player { world, case, update, last: None, stdin: None, printed: Vec::new() }
    }

    pub fn play(mut self) -> Outcome<Completion> {
        for step in &self.case.steps {
            match self.step(step) {
                Ok(Next::Step) => {}
                Ok(Next::Skip(why)) => {
                    note_skipped(&step.at, &why)?;
                    return Ok(Completion::ignored_with(why));
                }
                Err(error) => {
                    return Err(format!("{}: {}\n{error}\n{}", step.at, step.line, self.streams()));
                }
            }
        }
        Ok(Completion::Completed)
    }

    fn step(&mut self, step: &Step) -> Outcome<Next> {
        let words = words(&step.line, |name| self.world.variable(name))?;
        let mut mode = Mode { not: false, reveals: false };
        let marks = words.iter().take_while(|word| is_mark(word)).count();
        let (before, rest) = words.split_at(marks);
        for mark in before {
            match mark.as_str() {
                "!" => mode.not = true,
                "reveals" => mode.reveals = true,
                condition => {
                    let name = condition.trim_matches(['[', '!', ']']);
                    if self.world.condition(name)? == condition.starts_with("[!") {
                        return Ok(Next::Step);
                    }
                }
            }
        }
        let Some((verb, args)) = rest.split_first() else {
            return Err("no step behind the marks".into());
        };
        match verb.as_str() {
            "skip" => return Ok(Next::Skip(args.join(" "))),
            "stdout" | "stderr" | "ttyout" | "grep" => {
                let pattern = self.pattern(step, marks + 1)?;
                let paths = args.get(1..).unwrap_or_default();
                self.search(verb, &pattern, paths, mode.not)?;
            }
            _ => self.act(step, verb, args, &mode)?,
        }
        Ok(Next::Step)
    }

    fn act(&mut self, step: &Step, verb: &str, args: &[String], mode: &Mode) -> Outcome<()> {
        let is_command = matches!(verb, "exec" | "tty");
        if mode.not && !is_command && verb != "exists" || mode.reveals && !is_command {
            return Err(format!("{verb} takes no such mark"));
        }
        if is_command {
            self.last = None;
        }
        let texts: Vec<&str> = args.iter().map(String::as_str).collect();
        match (verb, texts.as_slice()) {
            ("exec", [_, ..]) => {
                let stdin = self.stdin.take();
                let run = self.world.exec(args, stdin.as_deref())?;
                self.ran(step, run, mode)
            }
            ("tty", [_, ..]) => self.tty(step, args, mode),
            ("stdin", [file]) => {
                self.stdin = Some(self.input(file)?);
                Ok(())
            }
            ("exit", [code]) => self.ended(code, ExitStatus::code),
            ("exit", ["signal", number]) => self.ended(number, ExitStatus::signal),
            ("database", [name, sql]) => {
                let sql = self.input(sql)?;
                database(&self.world.path(name), &sql)
            }
            ("cmp", [actual, want]) => self.cmp(actual, want),
            ("nosecret", [_, ..]) => self.nosecret(&texts),
            ("exists", [_, ..]) => self.exists(&texts, !mode.not),
            ("mode", [bits, names @ ..]) if !names.is_empty() => self.mode(bits, names),
            ("env", ["-u", name]) => {
                self.world.unset_env(name);
                Ok(())
            }
            ("env", [_, ..]) => texts.iter().try_for_each(|setting| {
                let (name, value) = setting.split_once('=').ok_or("env takes NAME=VALUE")?;
                self.world.set_env(name, value);
                Ok(())
            }),
            ("cd", [dir]) => self.world.change_dir(dir),
            _ => Err("no such step, or not with these arguments".into()),
        }
    }

    fn tty(&mut self, step: &Step, args: &[String], mode: &Mode) -> Outcome<()> {
        let mut on = OnTerminal { stdout: true, stderr: true };
        let mut rest = args;
        while let [flag, tail @ ..] = rest {
            match flag.as_str() {
                "-stdout" => on.stdout = false,
                "-stderr" => on.stderr = false,
                _ => break,
            }
            rest = tail;
        }
        let [script, argv @ ..] = rest else {
            return Err("tty takes a script and a command".into());
        };
        let script = String::from_utf8_lossy(&self.input(script)?).into_owned();
        let stdin = self.stdin.take();
        let run = self.world.tty(argv, stdin.as_deref(), &on, &script)?;
        self.ran(step, run, mode)
    }

    fn ran(&mut self, step: &Step, run: Run, mode: &Mode) -> Outcome<()> {
        let panicked = [&run.stderr, &run.ttyout].iter().any(|text| text.contains("panicked at"));
        let status = run.status;
        if !mode.reveals {
            for text in [&run.stdout, &run.stderr, &run.ttyout] {
                self.printed.push((format!("{}: {}", step.at, step.line), text.clone()));
            }
        }
        self.last = Some(run);
        match (panicked, status.success() == mode.not) {
            (true, _) => Err("it panicked".into()),
            (false, true) => Err(format!("it ended with {status}")),
            (false, false) => Ok(()),
        }
    }

    fn ended(&self, number: &str, how: fn(&ExitStatus) -> Option<i32>) -> Outcome<()> {
        let status = self.last()?.status;
        let right = number.parse().is_ok_and(|number| how(&status) == Some(number));
        right.then_some(()).ok_or_else(|| format!("it ended with {status}"))
    }

    /// The pattern of a step: like its words, but a variable stands for itself.
    fn pattern(&self, step: &Step, word: usize) -> Outcome<String> {
        let escaped = words(&step.line, |name| Ok(regex_lite::escape(&self.world.variable(name)?)))?;
        escaped.into_iter().nth(word).ok_or_else(|| "a pattern is missing".to_owned())
    }

    pub(super) fn input(&self, name: &str) -> Outcome<Vec<u8>> {
        if matches!(name, "stdout" | "stderr" | "ttyout") {
            return Ok(self.stream(name)?.as_bytes().to_vec());
        }
        let path = self.world.path(name);
        fs::read(&path).map_err(failed("read", &path))
    }

    pub(super) fn stream(&self, name: &str) -> Outcome<&str> {
        let run = self.last()?;
        Ok(match name {
            "stdout" => &run.stdout,
            "stderr" => &run.stderr,
            _ => &run.ttyout,
        })
    }

    fn last(&self) -> Outcome<&Run> {
        self.last.as_ref().ok_or_else(|| "no command ran before it".to_owned())
    }

    fn streams(&self) -> String {
        let names = ["stdout", "stderr", "ttyout"];
        let texts = names.iter().filter_map(|name| Some((name, self.stream(name).ok()?)));
        texts.filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("--- {name}\n{text}\n")).collect()
    }
}

/// Makes a database, or changes one, in the mode of a gateway's; closed, it leaves nothing beside it.
fn database(path: &Path, sql: &[u8]) -> Outcome<()> {
    let failed = |error: rusqlite::Error| format!("the database: {error}");
    let sql = String::from_utf8_lossy(sql);
    let database = rusqlite::Connection::open(path).map_err(failed)?;
    database.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    database.execute_batch(&sql).map_err(failed)?;
    drop(database);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(super::failed("narrow", path))
}

fn is_mark(word: &str) -> bool {
    matches!(word, "!" | "reveals") || word.starts_with('[') && word.ends_with(']')
}

/// Tells `tests/run`, which names at its end what was skipped: a runner hides it among what passed.
fn note_skipped(at: &str, why: &str) -> Outcome<()> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let name: String =
        at.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '-' }).collect();
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(dir.join(name), format!("{why}\n")))
        .map_err(failed("write in", &dir))
}
