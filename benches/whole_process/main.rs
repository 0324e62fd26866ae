//! Times agevault as whole processes against the floor (`benches/floor`) and its peers, and prints ratios.
//!
//! `cargo bench --bench whole_process [-- --rounds 40 --sizes 10,1000]`; `AGEVAULT_BIN` names another binary to
//! measure. It needs a real disk for `target/` and a machine with little else to do. Nothing here passes or
//! fails: milliseconds belong to a machine, ratios travel, and the targets stand beside them as information.

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a program for developers that judges nothing: a wrong index may stop it"
)]

mod argon;
mod data;
mod jobs;
mod process;
mod report;
mod rounds;
mod tools;

use report::Column;
use std::{fs, io::Write, path::Path, process::ExitCode};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const DEFAULT_ROUNDS: usize = 20;
const DEFAULT_SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

struct Options {
    rounds: usize,
    sizes: Vec<usize>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, command)) if first == process::PEAK_FLAG => process::report_peak(command),
        // `cargo test --all-targets` starts benches too, without this flag.
        _ if !args.iter().any(|arg| arg == "--bench") => Ok(()),
        _ => parse(&args).and_then(|options| compare(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whole_process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options { rounds: DEFAULT_ROUNDS, sizes: DEFAULT_SIZES.to_vec() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} takes a value"));
        match arg.as_str() {
            "--bench" => {}
            "--rounds" => options.rounds = value()?.parse()?,
            "--sizes" => {
                options.sizes = value()?.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
            }
            _ => return Err("only --rounds N and --sizes N,N,... are known".into()),
        }
    }
    if options.rounds == 0 || options.sizes.iter().any(|&size| size < data::SMALLEST) {
        return Err(format!("at least one round, and {} secrets in each size", data::SMALLEST).into());
    }
    Ok(options)
}

fn compare(options: &Options) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = root.join("target/bench/data");
    let tools = tools::find(root)?;
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    let columns = options
        .sizes
        .iter()
        .map(|&size| {
            eprintln!("{size} secrets, {} rounds ...", options.rounds);
            jobs::measure(&tools, &scratch.join(size.to_string()), size, options.rounds)
        })
        .collect::<Result<Vec<Column>>>()?;
    fs::remove_dir_all(&scratch)?;
    std::io::stdout().write_all(report::text(&tools, options.rounds, &columns)?.as_bytes())?;
    Ok(())
}
