//! What is measured for one size of vault.

use crate::{
    Result, argon,
    data::{self, DataSet, write_private},
    process::{self, Home},
    report::{Column, Kind, Section},
    rounds::{Contest, Measure, Random, Spread},
    tools::Tools,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// Fast enough for many rounds, and large enough to be fresh memory in each.
const KDF_MEMORY_MIB: &str = "64";
const PASSPHRASE: &str = "bench passphrase of no value";
const PEAK_RUNS: usize = 5;
/// A command that does nothing.
const NOTHING: &str = "/bin/true";

pub fn measure(tools: &Tools, dir: &Path, size: usize, rounds: usize) -> Result<Column> {
    let mut random = Random(size as u64);
    let bench = Bench::make(tools, dir, size, &mut random)?;
    let vault_bytes = fs::metadata(&bench.vault)?.len();
    let sections = vec![
        bench.reads(rounds, &mut random)?,
        bench.runs(rounds, &mut random)?,
        bench.saves(rounds, &mut random)?,
        bench.unlocks(rounds, &mut random)?,
        bench.memory(&mut random),
    ];
    Ok(Column { size, vault_bytes, sections })
}

struct Bench<'a> {
    tools: &'a Tools,
    home: Home,
    data: DataSet,
    vault: PathBuf,
    identity: PathBuf,
    /// What `floor set` replaces.
    floor_out: PathBuf,
    /// The value that `set` reads.
    input: PathBuf,
    dir: PathBuf,
    /// Where views go: in memory, where there is a place for that.
    runtime: PathBuf,
}

impl<'a> Bench<'a> {
    fn make(tools: &'a Tools, dir: &Path, size: usize, random: &mut Random) -> Result<Self> {
        let home = Home::make(&dir.join("home"))?;
        let data = data::make(&dir.join("openclaw"), size, random)?;
        process::private_dir(&dir.join("vaults"))?;
        process::private_dir(&dir.join("floor"))?;
        let bench = Self {
            tools,
            home,
            data,
            vault: dir.join("vaults/vault.age"),
            identity: dir.join("identity.txt"),
            floor_out: dir.join("floor/vault.age"),
            input: dir.join("value"),
            dir: dir.to_owned(),
            runtime: Path::new("/dev/shm").join(format!("agevault-bench-{}", std::process::id())),
        };
        let generate = format!("--generate-identity={}", text(&bench.identity));
        process::output(bench.agevault_at(&bench.vault, &["init", &generate]))?;
        process::output(bench.agevault(&["import", text(&bench.data.state_dir)]))?;
        fs::copy(&bench.vault, &bench.floor_out).map_err(|error| format!("no vault after init and import: {error}"))?;
        Ok(bench)
    }

    fn agevault_at(&self, vault: &Path, args: &[&str]) -> Command {
        self.home.command(&self.tools.agevault, &[&["--vault", text(vault)], args].concat())
    }

    fn agevault(&self, args: &[&str]) -> Command {
        self.agevault_at(&self.vault, &[&["-i", text(&self.identity)], args].concat())
    }

    fn floor_get(&self) -> [&str; 4] {
        ["get", text(&self.identity), text(&self.vault), &self.data.profile]
    }

    fn floor_set(&self) -> [&str; 5] {
        ["set", text(&self.identity), text(&self.vault), text(&self.floor_out), &self.data.env_name]
    }

    fn reads(&self, rounds: usize, random: &mut Random) -> Result<Section> {
        let (id, value) = (self.data.profile_id(), &self.data.value);
        let mut contest = Contest::default();
        enter(
            &mut contest,
            "floor",
            || self.home.command(&self.tools.floor, &self.floor_get()),
            |out| out == self.data.profile,
        );
        enter(&mut contest, "get one", || self.agevault(&["get", &id]), |out| out == value);
        enter(
            &mut contest,
            "list",
            || self.agevault(&["list"]),
            |out| out.contains(&id) && out.lines().count() >= self.data.size,
        );
        enter(&mut contest, "render all", || self.agevault(&["render", "json"]), |out| out.contains(value));
        for (label, ids) in [("resolve one", vec![id.clone()]), ("resolve 512", self.data.some_ids(512))] {
            let request = self.dir.join(label);
            let last = ids.last().cloned().unwrap_or_default();
            let wire = serde_json::json!({"protocolVersion": 1, "provider": "agevault", "ids": ids});
            write_private(&request, wire.to_string().as_bytes())?;
            let make = move || -> Result<Command> {
                let mut command = self.agevault(&["resolve"]);
                command.stdin(File::open(&request)?);
                Ok(command)
            };
            let checked = make().and_then(|command| expect(command, |out| out.contains(&format!("\"{last}\":\""))));
            contest.enter(label, checked, move || process::time(make()?));
        }
        let args = ["-d", "-i", text(&self.identity), text(&self.vault)];
        for (label, program) in &self.tools.peers {
            let make = || self.home.command(program, &args);
            enter(&mut contest, label, make, |out| out.contains(value));
        }
        let title = "read, ratio to the floor [target]".to_owned();
        Ok(Section { title, kind: Kind::Ratio, measures: contest.run(rounds, random)? })
    }

    fn runs(&self, rounds: usize, random: &mut Random) -> Result<Section> {
        let run = |options: &[&str], command: &str| {
            let mut run = self.agevault(&[&["run"], options, &["--", command]].concat());
            run.env("AGEVAULT_RUNTIME_DIR", &self.runtime);
            run
        };
        let floor = || {
            let args = ["run", text(&self.identity), text(&self.vault), &self.data.env_name, NOTHING];
            self.home.command(&self.tools.floor, &args)
        };
        let mut contest = Contest::default();
        enter(&mut contest, "floor that runs", floor, str::is_empty);
        for (label, options) in [("run", &[][..]), ("run --views", &["--views", "--quiet"])] {
            let line = format!("{}=", self.data.env_name);
            let checked = expect(run(options, "env"), |out| out.lines().any(|found| found.starts_with(&line)));
            contest.enter(label, checked, move || process::time(run(options, NOTHING)));
        }
        let title = format!("run {NOTHING}, ratio to the floor that becomes it [target]");
        Ok(Section { title, kind: Kind::Ratio, measures: contest.run(rounds, random)? })
    }

    fn saves(&self, rounds: usize, random: &mut Random) -> Result<Section> {
        let floor = || self.home.command(&self.tools.floor, &self.floor_set());
        let id = self.data.env_id();
        let set = |value: &str| -> Result<Command> {
            write_private(&self.input, value.as_bytes())?;
            let mut command = self.agevault(&["set", &id]);
            command.stdin(File::open(&self.input)?);
            Ok(command)
        };
        let mut values = Random(random.0);
        let first = data::secret("", &mut values);
        let checked = set(&first)
            .and_then(process::output)
            .and_then(|_| expect(self.agevault(&["get", &id]), |out| out == first));

        let mut contest = Contest::default();
        contest.enter("floor with fsyncs", process::output(floor()).map(drop), || process::time(floor()));
        contest.enter("set one", checked, || process::time(set(&data::secret("", &mut values))?));
        let title = "save, ratio to the floor with the same fsyncs and read-back [target]".to_owned();
        Ok(Section { title, kind: Kind::Ratio, measures: contest.run(rounds, random)? })
    }

    fn unlocks(&self, rounds: usize, random: &mut Random) -> Result<Section> {
        let (vault, passphrase) = (self.dir.join("vaults/passphrase.age"), self.dir.join("passphrase"));
        write_private(&passphrase, PASSPHRASE.as_bytes())?;
        let with_passphrase =
            |args: &[&str]| self.agevault_at(&vault, &[&["--passphrase-file", text(&passphrase)], args].concat());
        let id = self.data.profile_id();
        let get = || with_passphrase(&["get", &id]);
        let made = process::output(with_passphrase(&["init", "--kdf-memory", KDF_MEMORY_MIB]))
            .and_then(|_| process::output(with_passphrase(&["import", text(&self.data.state_dir)])))
            .and_then(|_| expect(get(), |out| out == self.data.value))
            .and_then(|()| argon::costs(&fs::read(&vault)?));
        let params = match made {
            Ok(params) => params,
            Err(error) => {
                eprintln!("unlock by passphrase: {error}");
                return Ok(Section {
                    title: "unlock by passphrase: -".to_owned(),
                    kind: Kind::Plain,
                    measures: vec![],
                });
            }
        };
        let (m, t, p) = (params.m_cost() / 1024, params.t_cost(), params.p_cost());
        let title = format!("unlock by passphrase, ms [target] beyond Argon2id {m} MiB, {t}, {p}");

        let mut contest = Contest::default();
        contest.enter("Argon2 itself", Ok(()), || argon::derive(&params, PASSPHRASE));
        contest.enter("unlock and get", Ok(()), || process::time(get()));
        Ok(Section { title, kind: Kind::Difference, measures: contest.run(rounds, random)? })
    }

    fn memory(&self, random: &mut Random) -> Section {
        let owned = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>();
        let ours = |args: &[&str]| owned(&[&["--vault", text(&self.vault), "-i", text(&self.identity)], args].concat());
        let mut peak = |label, program: &Path, args: &[String], stdin| {
            let runs = (0..PEAK_RUNS).map(|_| {
                // Another value each time: to set what already stands there is no save.
                write_private(&self.input, data::secret("", random).as_bytes())?;
                process::peak_memory(&self.home, program, args, stdin)
            });
            let value = runs.collect::<Result<Vec<f64>>>().map(Spread::of);
            let value = value.unwrap_or_else(|error| {
                eprintln!("{label}: {error}");
                None
            });
            Measure { label, value }
        };
        let (floor, agevault, input) = (&self.tools.floor, &self.tools.agevault, Some(self.input.as_path()));
        let measures = vec![
            peak("floor get", floor, &owned(&self.floor_get()), None),
            peak("get", agevault, &ours(&["get", &self.data.profile_id()]), None),
            peak("floor set", floor, &owned(&self.floor_set()), None),
            peak("set", agevault, &ours(&["set", &self.data.env_id()]), input),
        ];
        Section { title: "peak memory, MB [target]".to_owned(), kind: Kind::Plain, measures }
    }
}

/// Enters a command if it once prints what passes `check`.
fn enter<'a>(
    contest: &mut Contest<'a>,
    label: &'static str,
    make: impl Fn() -> Command + 'a,
    check: impl Fn(&str) -> bool,
) {
    contest.enter(label, expect(make(), check), move || process::time(make()));
}

fn expect(command: Command, check: impl Fn(&str) -> bool) -> Result<()> {
    let shown = process::shown(&command);
    let out = String::from_utf8(process::output(command)?)?;
    if check(&out) { Ok(()) } else { Err(format!("{shown} did not print what it should").into()) }
}

/// Paths here are made from the project's own; cargo itself asks for UTF-8 there.
fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
