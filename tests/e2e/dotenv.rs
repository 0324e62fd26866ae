//! The gateway's dotenv reads back exactly what went into the vault.

use crate::place::{Place, stdout_of};
use crate::tools;
use crate::vault::Vault;
use agevault::formats::dotenv::render;
use agevault::secret::Secret;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

type Entries = BTreeMap<String, String>;

fn read_by_dotenv(place: &Place, package: &Path, files: &[PathBuf]) -> Vec<Entries> {
    let mut node = place.command(tools::node());
    node.arg(tools::script("node/read-dotenv.mjs"));
    let printed = stdout_of(node.arg(package).args(files));
    serde_json::from_slice(&printed).expect("entries as JSON")
}

#[test]
fn the_gateways_dotenv_reads_every_exported_value() {
    let vault = Vault::imported();
    let files = [vault.original.join(".env"), vault.exported().join(".env")];
    let read = read_by_dotenv(&vault.place, &tools::openclaw(), &files);
    assert!(!read[0].is_empty(), "the fixture has env entries");
    // What stood under `env` in the configuration is an env entry as well, and comes after the file's own.
    let mut after = read[1].clone();
    after.retain(|name, _| read[0].contains_key(name));
    assert_eq!(read[0], after, "before the import and after the export");
    let more: Vec<&String> = read[1].keys().filter(|name| !read[0].contains_key(*name)).collect();
    assert_eq!(more, ["CEREBRAS_API_KEY", "DEEPGRAM_API_KEY"]);
    for (name, value) in &read[1] {
        let got = stdout_of(vault.agevault().arg("get").arg(format!("env/{name}")));
        assert_eq!(got, value.as_bytes(), "{name}");
    }
}

/// SplitMix64: a seed that was printed makes the same values again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a small bound");
        usize::try_from(self.next() % bound).expect("a small number")
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn ascii(&mut self) -> char {
        char::from(b' ' + u8::try_from(self.below(95)).expect("one of 95"))
    }

    fn scalar(&mut self) -> char {
        let code = u32::try_from(self.below(0x11_0000)).expect("a code point");
        char::from_u32(code).unwrap_or('\u{feff}')
    }

    /// A value: pieces that a parser trips over, among ordinary ones, each kind alone at times.
    fn value(&mut self) -> String {
        let kind = self.below(6);
        let pieces = 1 + self.below(24);
        let mut value = String::new();
        for _ in 0..pieces {
            match (kind, self.below(4)) {
                (0, _) | (1, 0) => value.push(self.ascii()),
                (2, _) => value.push_str(self.one_of(&SAFE)),
                (3, _) | (1, 1) => value.push(self.scalar()),
                (4, 0..=2) | (1, 2) => value.push_str(self.one_of(&QUOTES)),
                _ => value.push_str(self.one_of(&TRAPS)),
            }
        }
        value
    }
}

const SAFE: [&str; 6] = ["sk-", "Zm9v", "_", "0", "aQ", "-"];
const QUOTES: [&str; 7] = ["'", "\"", "`", "a", "\\", "\n", " "];
#[rustfmt::skip]
const TRAPS: [&str; 26] = [
    "\n", "\r", "\r\n", "\t", "\u{a0}", "\u{feff}", "\u{2028}", "\u{85}", " ", "#", " #", "$",
    "${HOME}", "$(id)", "\\", "\\n", "\\r", "\\\\", "\\\"", "=", "\nB=2\n", "export C=3", "\0",
    "\u{1}", "é", "😀",
];

const SEED: u64 = 0x6167_6576_6175_6c74;
const VALUES: usize = 20_000;
const PER_FILE: usize = 50;

/// Values that nothing in the grammar touches: to refuse one would be a defect of ours.
fn harmless(value: &str) -> bool {
    let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    printable && !value.trim().is_empty() && !value.contains(['\'', '"', '`', '\\'])
}

#[test]
fn any_accepted_value_survives_the_dotenv_package() {
    let seed =
        std::env::var("AGEVAULT_TEST_SEED").map_or(SEED, |text| text.parse().expect("AGEVAULT_TEST_SEED is a number"));
    let mut random = Random(seed);
    let mut accepted = Vec::new();
    for _ in 0..VALUES {
        let value = random.value();
        let secret = Secret::new(value.clone());
        if render(&[("NAME", &secret)]).is_ok() {
            accepted.push((value, secret));
        } else {
            assert!(!harmless(&value), "seed {seed}: refused {value:?}");
        }
    }
    let share = accepted.len() * 100 / VALUES;
    assert!(share >= 60, "seed {seed}: only {share} % of the values were accepted");

    let place = Place::new();
    let names: Vec<String> = (0..PER_FILE).map(|n| format!("Name_{n}")).collect();
    let mut files = Vec::new();
    for (number, chunk) in accepted.chunks(PER_FILE).enumerate() {
        let entries: Vec<(&str, &Secret)> =
            names.iter().zip(chunk).map(|(name, (_, secret))| (name.as_str(), secret)).collect();
        let rendered = render(&entries).expect("what was accepted alone is accepted together");
        files.push(place.file(&format!("{number}.env"), rendered.expose()));
    }
    let read = read_by_dotenv(&place, &tools::packages(), &files);
    assert_eq!(read.len(), files.len());
    for ((chunk, entries), file) in accepted.chunks(PER_FILE).zip(&read).zip(&files) {
        let wrong = differences(&names, chunk, entries);
        assert!(wrong.is_empty(), "seed {seed}, {}:\n{wrong}", file.display());
    }
}

fn differences(names: &[String], put: &[(String, Secret)], read: &Entries) -> String {
    let mut wrong = String::new();
    for (name, (value, _)) in names.iter().zip(put) {
        let got = read.get(name);
        if got != Some(value) {
            writeln!(wrong, "{name}: {value:?} came back as {got:?}").expect("a string grows");
        }
    }
    if read.len() != put.len() {
        writeln!(wrong, "{} went in, {} came out", put.len(), read.len()).expect("a string grows");
    }
    wrong
}
