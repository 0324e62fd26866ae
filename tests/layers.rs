//! The map in `src/lib.rs` is true: modules use those below them, never one beside or above.
//! Each rule says why it is there; a line that breaks one is shown with its reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use regex_lite::Regex;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const LONGEST: usize = 350;

/// What only some files may hold, and why.
const PLACES: &[(&str, &[&str], &str)] = &[
    (
        r"\bunsafe\s*(\{|fn\b|impl\b|trait\b|extern\b)|allow\(unsafe_code\)",
        &["src/harden/"],
        "all unsafe code is read in one sitting, so it is in one folder",
    ),
    (
        r"\be?print(ln)?!|\bdbg!|\bio::(stdout|stderr)\(\)|\bstdio::(stdout|stderr)\(\)",
        &["src/cli/"],
        "one place has the words and the only outlet to the terminal: nothing below can leak a secret there",
    ),
    (
        r"\bage(_core)?::|\buse age(_core)?\b",
        &["src/seal/"],
        "one module knows the crate behind the file format: it can be replaced and its errors stay inside",
    ),
    (r"\b(argon2|bech32)::", &["src/seal/"], "the cryptography of the format is in one module"),
    (
        r"\bstd::env::|\buse std::env\b|\benv::(var|args)",
        &["src/cli/", "src/harden/process.rs"],
        "what a command does follows from what it is given: the environment is read by the command line alone",
    ),
    (
        r"\bprocess::exit\b|\bExitCode\b",
        &["src/cli/", "src/main.rs"],
        "exit codes belong to the words, and an exit elsewhere would skip the wiping of secrets",
    ),
    (
        r"\brusqlite\b",
        &["src/gateway/database.rs", "src/gateway/sqlite/tests.rs", "src/harden/sqlite.rs"],
        "one file reads somebody else's database and one wipes what that leaves in memory: what both promise can be checked",
    ),
    (r"\bclap\b", &["src/cli/"], "only the command line knows how arguments are spelled"),
    (
        r"\bOp::Put\(|\bSelf::Put\(",
        &["src/ops/intake.rs", "src/model/"],
        "a value becomes that of an entry in one place, so that no way in has fewer checks than another; the model only carries it out",
    ),
];

/// The table in the documentation of `src/lib.rs`: module -> layer.
fn layers() -> BTreeMap<String, u32> {
    let row = Regex::new(r"^//! \| (\d) \| (.+?) \|").unwrap();
    let name = Regex::new(r"\[`(\w+)`\]").unwrap();
    let mut layers = BTreeMap::new();
    for line in fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap().lines() {
        if let Some(row) = row.captures(line) {
            for module in name.captures_iter(&row[2]) {
                layers.insert(module[1].to_owned(), row[1].parse().unwrap());
            }
        }
    }
    layers
}

/// Every file of ours below `src`, relative to the root, with its text.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&Path::new(ROOT).join("src"), &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(ROOT).unwrap().to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The lines that are code, numbered: no comments, and nothing of `mod tests` at the end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let shipped = text.lines().enumerate().take_while(|(_, line)| *line != "#[cfg(test)]");
    shipped.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(at, line)| (at + 1, line))
}

fn fail_with(broken: &[String]) {
    assert!(broken.is_empty(), "{} lines break a rule:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn the_table_names_every_module_once() {
    let layers = layers();
    let declared = Regex::new(r"(?m)^pub mod (\w+);").unwrap();
    let library = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let modules: Vec<String> = declared.captures_iter(&library).map(|module| module[1].to_owned()).collect();
    assert!(modules.len() >= 10, "{modules:?}");
    let known: Vec<&String> = layers.keys().collect();
    assert_eq!(known, modules.iter().collect::<Vec<_>>(), "table and declarations of src/lib.rs");
}

#[test]
fn modules_use_only_those_below_them() {
    let layers = layers();
    // `crate::a::...`, and each name of `use crate::{a, b::c}`.
    let one = Regex::new(r"\bcrate::(\w+)").unwrap();
    let several = Regex::new(r"\bcrate::\{(.*)").unwrap();
    let first = Regex::new(r"^\s*(\w+)").unwrap();
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let own = file.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        let Some(layer) = layers.get(&own) else {
            assert!(matches!(own.as_str(), "lib" | "main"), "{file} is in no module of the table");
            continue;
        };
        let shipped: Vec<(usize, &str)> = code(&text).collect();
        for (nth, (at, line)) in shipped.iter().enumerate() {
            let mut used: Vec<String> = one.captures_iter(line).map(|found| found[1].to_owned()).collect();
            if let Some(list) = several.captures(line) {
                // The list may go on over several lines.
                let rest: String = shipped[nth + 1..].iter().map(|(_, line)| *line).collect();
                used.extend(top_names(&format!("{}{rest}", &list[1]), &first));
            }
            for module in used {
                match layers.get(&module) {
                    Some(below) if below < layer || module == own => {}
                    Some(other) => broken.push(format!(
                        "{file}:{at}: {}\n  {own} (layer {layer}) may use what is below it, and {module} is in layer {other}: \
                         whoever reads {own} must not have to know {module}, nor the other way round",
                        line.trim()
                    )),
                    // A macro or an item of the crate's root would hide where it comes from.
                    None => broken.push(format!("{file}:{at}: {}\n  {module} is no module of the table", line.trim())),
                }
            }
        }
    }
    fail_with(&broken);
}

/// The first names of `a, b::{c, d}, e};`.
fn top_names(list: &str, first: &Regex) -> Vec<String> {
    let (mut depth, mut part, mut names) = (0, String::new(), Vec::new());
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.extend(first.captures(&part).map(|found| found[1].to_owned()));
                part.clear();
            }
            other => part.push(other),
        }
    }
    names.extend(first.captures(&part).map(|found| found[1].to_owned()));
    names
}

#[test]
fn what_belongs_to_one_place_is_nowhere_else() {
    let rules: Vec<(Regex, &[&str], &str)> =
        PLACES.iter().map(|(pattern, homes, why)| (Regex::new(pattern).unwrap(), *homes, *why)).collect();
    let mut broken = Vec::new();
    for (file, text) in sources() {
        for (at, line) in code(&text) {
            for (pattern, homes, why) in &rules {
                if pattern.is_match(line) && !homes.iter().any(|home| file.starts_with(home)) {
                    broken.push(format!("{file}:{at}: {}\n  only in {}: {why}", line.trim(), homes.join(" and ")));
                }
            }
        }
    }
    fail_with(&broken);
    for (pattern, homes, _) in &rules {
        let used = sources().iter().any(|(file, text)| {
            homes.iter().any(|home| file.starts_with(home)) && code(text).any(|(_, line)| pattern.is_match(line))
        });
        assert!(used, "nothing in {homes:?} matches {pattern}: the rule tests nothing");
    }
}

#[test]
fn nothing_asks_the_name_services() {
    let asks = Regex::new(r"\bhome_dir\b|\bgetpw|\bgetgr|\bgetaddrinfo\b|\bToSocketAddrs\b|\blookup_host\b").unwrap();
    let mut broken = Vec::new();
    for (file, text) in sources() {
        for (at, line) in code(&text).filter(|(_, line)| asks.is_match(line)) {
            broken.push(format!(
                "{file}:{at}: {}\n  the C library loads modules to answer that, and crashes in a static binary",
                line.trim()
            ));
        }
    }
    fail_with(&broken);
}

#[test]
fn modules_of_one_module_do_not_climb_out_of_it() {
    // `super::` of a module's own `mod.rs` is the crate's root, which hides what is used.
    let climbs = Regex::new(r"\bsuper::super::|\buse super::").unwrap();
    let top = Regex::new(r"^src/(\w+)(/mod)?\.rs$").unwrap();
    let mut broken = Vec::new();
    for (file, text) in sources() {
        for (at, line) in code(&text) {
            if top.is_match(&file) && climbs.is_match(line) {
                broken.push(format!("{file}:{at}: {}\n  write `crate::`, so that the layers can be seen", line.trim()));
            }
        }
    }
    fail_with(&broken);
}

#[test]
fn files_can_be_read_in_one_go() {
    let long = |(file, text): &(String, String)| {
        let lines = text.lines().count();
        (lines > LONGEST).then(|| format!("{file}: {lines} lines\n  at most {LONGEST}: a longer file has two subjects"))
    };
    fail_with(&sources().iter().filter_map(long).collect::<Vec<_>>());
}
