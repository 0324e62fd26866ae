//! The table.

use crate::{
    Result,
    rounds::{Measure, Spread},
    tools::Tools,
};
use std::fmt::Write;

/// All of one size of vault.
pub struct Column {
    pub size: usize,
    pub vault_bytes: u64,
    pub sections: Vec<Section>,
}

pub struct Section {
    pub title: String,
    pub kind: Kind,
    pub measures: Vec<Measure>,
}

/// How a value is shown beside the first of its section.
#[derive(Clone, Copy)]
pub enum Kind {
    Ratio,
    Difference,
    Plain,
}

/// At most this, for up to 100, up to 1,000 and more secrets.
const TARGETS: [(&str, [f64; 3]); 10] = [
    ("get one", [1.0, 1.3, 1.8]),
    ("resolve one", [1.2, 1.4, 2.0]),
    ("resolve 512", [1.2, 1.4, 2.0]),
    ("run", [1.25, 1.5, 1.75]),
    ("list", [1.2, 1.4, 1.8]),
    ("render all", [1.25, 1.25, 1.4]),
    ("set one", [1.5, 1.6, 1.4]),
    ("unlock and get", [5.0, 6.0, 20.0]),
    ("get", [4.0, 5.0, 12.0]),
    ("set", [4.0, 5.0, 24.0]),
];
const BINARY_TARGET_MB: f64 = 4.0;

const LABEL_WIDTH: usize = 20;
const CELL_WIDTH: usize = 24;

pub fn text(tools: &Tools, rounds: usize, columns: &[Column]) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "\nwhole processes, medians of at least {rounds} rounds in shuffled order\n")?;
    line(&mut out, "secrets", columns.iter().map(|column| column.size.to_string()))?;
    line(&mut out, "vault, KB", columns.iter().map(|column| format!("{:.1}", column.vault_bytes as f64 / 1e3)))?;

    let sections = columns.first().map_or(&[][..], |column| &column.sections);
    for (index, section) in sections.iter().enumerate() {
        writeln!(out, "\n{}", section.title)?;
        for (row, measure) in section.measures.iter().enumerate() {
            let cells = columns.iter().map(|column| cell(column.size, &column.sections[index], row));
            line(&mut out, &format!("  {}", measure.label), cells)?;
            if row == 0 && !matches!(section.kind, Kind::Plain) {
                let cells = columns.iter().map(|column| quartiles(column.sections[index].measures.get(row)));
                line(&mut out, "    quartiles", cells)?;
            }
        }
    }

    writeln!(out, "\nprogram, MB [target]")?;
    for (name, program, target) in
        [("agevault", &tools.agevault, format!(" [{BINARY_TARGET_MB}]")), ("floor", &tools.floor, String::new())]
    {
        let megabytes = std::fs::metadata(program)?.len() as f64 / 1e6;
        line(&mut out, &format!("  {name}"), std::iter::once(format!("{megabytes:.2}{target}")))?;
    }
    Ok(out)
}

fn line(out: &mut String, label: &str, cells: impl Iterator<Item = String>) -> Result<()> {
    let cells: String = cells.map(|cell| format!("{cell:CELL_WIDTH$}")).collect();
    Ok(writeln!(out, "{}", format!("{label:LABEL_WIDTH$}{cells}").trim_end())?)
}

fn cell(size: usize, section: &Section, row: usize) -> String {
    let Some(&Measure { label, value }) = section.measures.get(row) else {
        return "-".to_owned();
    };
    let (Some(value), Some(base)) = (value, section.measures[0].value) else {
        return "-".to_owned();
    };
    let (value, base) = (value.median, base.median);
    let target = target(label, size);
    let bracket = |digits| target.map_or(String::new(), |target| format!(" [{target:.digits$}]"));
    match section.kind {
        Kind::Ratio => format!("{:<12} {value:6.2} ms", format!("{:.2}{}", value / base, bracket(2))),
        Kind::Difference if row == 0 => format!("{value:.1}"),
        Kind::Difference => format!("{:+.1}{}", value - base, bracket(0)),
        Kind::Plain => format!("{value:.1}{}", bracket(0)),
    }
}

/// How noisy the machine was: far apart, and the ratios say little.
fn quartiles(measure: Option<&Measure>) -> String {
    let spread = measure.and_then(|measure| measure.value);
    spread.map_or("-".to_owned(), |Spread { low, high, .. }| format!("{low:.2} - {high:.2} ms"))
}

fn target(label: &str, size: usize) -> Option<f64> {
    let step = match size {
        0..=100 => 0,
        101..=1_000 => 1,
        _ => 2,
    };
    TARGETS.iter().find(|(name, _)| *name == label).map(|(_, targets)| targets[step])
}
