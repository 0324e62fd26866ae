//! Reads a case: steps line by line, then files as sections (txtar).

use super::{Outcome, failed};
use std::path::{Path, PathBuf};

pub struct Case {
    pub steps: Vec<Step>,
    pub sections: Vec<Section>,
    pub path: PathBuf,
}

pub struct Step {
    /// File and line, for messages.
    pub at: String,
    pub line: String,
}

pub struct Section {
    pub name: String,
    pub text: String,
    /// The file that it stands in, which an update rewrites.
    pub origin: PathBuf,
}

impl Case {
    pub fn read(path: &Path) -> Outcome<Case> {
        let mut case = Case { steps: Vec::new(), sections: Vec::new(), path: path.to_owned() };
        case.add(path)?;
        let runs = |step: &Step| step.line.split(' ').any(|word| matches!(word, "exec" | "tty"));
        if !case.steps.iter().any(runs) {
            return Err(format!("{}: no command in it", path.display()));
        }
        Ok(case)
    }

    fn add(&mut self, path: &Path) -> Outcome<()> {
        let text = std::fs::read_to_string(path).map_err(failed("read", path))?;
        let (steps, sections) = split_archive(&text);
        for (name, text) in sections {
            if self.sections.iter().any(|known| known.name == name) {
                return Err(format!("{}: a second section {name}", path.display()));
            }
            let origin = path.to_owned();
            self.sections.push(Section { name, text, origin });
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        for (number, line) in steps.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix("include ") {
                self.add(&Path::new(crate::CASES).join(format!("setup/{}.txt", name.trim())))?;
                continue;
            }
            self.steps.push(Step { at: format!("{file}:{}", number + 1), line: line.to_owned() });
        }
        Ok(())
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

/// The text before the first section, and the sections.
fn split_archive(text: &str) -> (String, Vec<(String, String)>) {
    let (mut head, mut sections) = (String::new(), Vec::<(String, String)>::new());
    for line in text.split_inclusive('\n') {
        match (section_name(line), sections.last_mut()) {
            (Some(name), _) => sections.push((name.to_owned(), String::new())),
            (None, Some((_, body))) => body.push_str(line),
            (None, None) => head.push_str(line),
        }
    }
    (head, sections)
}

fn section_name(line: &str) -> Option<&str> {
    let name = line.trim_end().strip_prefix("-- ")?.strip_suffix(" --")?;
    Some(name.trim()).filter(|name| !name.is_empty())
}

/// Puts `text` into a section of a case on disk, as the last one if there is none of that name.
pub fn rewrite_section(path: &Path, name: &str, text: &str) -> Outcome<()> {
    let old = std::fs::read_to_string(path).map_err(failed("read", path))?;
    let (mut new, mut sections) = split_archive(&old);
    match sections.iter_mut().find(|(known, _)| known == name) {
        Some((_, body)) => text.clone_into(body),
        None => sections.push((name.to_owned(), text.to_owned())),
    }
    for (name, body) in sections {
        new += &format!("-- {name} --\n{body}");
    }
    std::fs::write(path, new).map_err(failed("write", path))
}

/// The words of a step. `variable` gives the text to put in place of `$NAME`.
pub fn words(line: &str, variable: impl Fn(&str) -> Outcome<String>) -> Outcome<Vec<String>> {
    let (mut words, mut word, mut rest) = (Vec::new(), None::<String>, line);
    while let Some(next) = rest.chars().next() {
        let tail = &rest[next.len_utf8()..];
        rest = match next {
            '\'' => quoted(tail, word.get_or_insert_default())?,
            '$' => {
                let (name, tail) = variable_name(tail)?;
                let word = word.get_or_insert_default();
                match name {
                    // The end of a line in a pattern.
                    "" => word.push('$'),
                    _ => word.push_str(&variable(name)?),
                }
                tail
            }
            ' ' | '\t' => {
                words.extend(word.take());
                tail
            }
            '#' if word.is_none() => break,
            _ => {
                word.get_or_insert_default().push(next);
                tail
            }
        };
    }
    words.extend(word);
    Ok(words)
}

fn quoted<'a>(mut rest: &'a str, word: &mut String) -> Outcome<&'a str> {
    loop {
        let (inside, tail) = rest.split_once('\'').ok_or("a quote is not closed")?;
        word.push_str(inside);
        match tail.strip_prefix('\'') {
            Some(tail) => {
                word.push('\'');
                rest = tail;
            }
            None => return Ok(tail),
        }
    }
}

fn variable_name(rest: &str) -> Outcome<(&str, &str)> {
    if let Some(rest) = rest.strip_prefix('{') {
        return Ok(rest.split_once('}').ok_or("a ${ is not closed")?);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    Ok(rest.split_at(end))
}
