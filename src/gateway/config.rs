//! The gateway's configuration as it reads it: `openclaw.json` and the files that it includes.

use super::{Unread, Why};
use crate::formats;
use crate::formats::openclaw_config::{self, Config};
use crate::formats::{exec_config, secretref};
use crate::fsio;
use crate::secret::SecretBuf;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The member that includes other files.
const INCLUDE: &str = "$include";
/// How deep files may include each other; the gateway's bound.
const MAX_DEPTH: usize = 10;
/// How many files, each as often as it is included, whose bytes together have the bound of one: far more than anybody
/// writes.
const MAX_FILES: usize = 500;

/// One file of a configuration.
pub struct Document {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: SecretBuf,
    /// The same, read.
    pub read: Config,
    /// The place in the whole configuration where its content is, by names of members; `None` where nothing in it has a
    /// name that lasts: inside a list, and for a file that is included at several places.
    pub mount: Option<Vec<String>>,
}

impl Document {
    /// Its plain value.
    pub fn tree(&self) -> &Value {
        &self.read.tree
    }
}

/// A configuration, read. It holds secrets, and so has no `Debug`.
pub struct Configuration {
    /// Its files; what a later one says goes before what an earlier one says. The last is `openclaw.json` itself.
    pub documents: Vec<Document>,
    /// The whole as the gateway uses it, variables not put in.
    pub tree: Value,
}

impl Configuration {
    /// Reads the configuration at `path`, whose content is `bytes`, and the files that it includes. What could not be
    /// included is in `unread`.
    ///
    /// # Errors
    /// [`formats::Error`] when `openclaw.json` itself cannot be read as what it is.
    pub fn load(path: &Path, bytes: SecretBuf, unread: &mut Vec<Unread>) -> Result<Self, formats::Error> {
        let root = path.parent().unwrap_or(Path::new("/")).to_owned();
        let mut loader = Loader { root, documents: Vec::new(), unread, tries: 0, bytes: 0 };
        let tree = loader.take(path, bytes, Some(Vec::new()), &mut Vec::new())?;
        let mut documents = loader.documents;
        let mut times: BTreeMap<PathBuf, usize> = BTreeMap::new();
        documents.iter().for_each(|document| *times.entry(fsio::real_or_same(&document.path)).or_default() += 1);
        // A reference at one of its places would be one at all of them.
        let several =
            |document: &&mut Document| times.get(&fsio::real_or_same(&document.path)).is_some_and(|times| *times > 1);
        documents.iter_mut().filter(several).for_each(|document| document.mount = None);
        Ok(Self { documents, tree })
    }

    /// The program that it names for the vault's references, by the arguments that it gets; `None` if it names none.
    pub fn resolver(&self) -> Option<Vec<String>> {
        let entry = self.entry().map(|entry| exec_config::read(entry).0)?;
        Some(entry.map(|configured| configured.args).unwrap_or_default())
    }

    /// The entry for the vault's references.
    pub fn entry(&self) -> Option<&Value> {
        openclaw_config::at(&self.tree, &["secrets", "providers", secretref::ALIAS].map(str::to_owned))
    }

    /// `openclaw.json` itself.
    pub fn main(&self) -> Option<&Document> {
        self.documents.last()
    }
}

struct Loader<'l> {
    root: PathBuf,
    documents: Vec<Document>,
    unread: &'l mut Vec<Unread>,
    /// How often a file was opened, and how much was read.
    tries: usize,
    bytes: usize,
}

impl Loader<'_> {
    /// Reads one file; its content with everything that it includes.
    fn take(
        &mut self,
        path: &Path,
        bytes: SecretBuf,
        mount: Option<Vec<String>>,
        chain: &mut Vec<PathBuf>,
    ) -> Result<Value, formats::Error> {
        let read = openclaw_config::parse(bytes.expose())?;
        chain.push(path.to_owned());
        let whole = self.resolve(&read.tree, path, mount.as_deref(), chain);
        chain.pop();
        self.documents.push(Document { path: path.to_owned(), bytes, read, mount });
        Ok(whole)
    }

    fn resolve(&mut self, value: &Value, from: &Path, mount: Option<&[String]>, chain: &mut Vec<PathBuf>) -> Value {
        let below = |name: &str| mount.map(|mount| [mount, &[name.to_owned()]].concat());
        match value {
            Value::Array(elements) => {
                Value::Array(elements.iter().map(|element| self.resolve(element, from, None, chain)).collect())
            }
            Value::Object(members) => {
                let mut whole = match members.get(INCLUDE) {
                    Some(include) => self.include(include, from, mount, chain),
                    None => Value::Object(Map::new()),
                };
                let mut own = Map::new();
                for (name, value) in members.iter().filter(|(name, _)| *name != INCLUDE) {
                    own.insert(name.clone(), self.resolve(value, from, below(name).as_deref(), chain));
                }
                if !own.is_empty() || !members.contains_key(INCLUDE) {
                    whole = merged(whole, Value::Object(own));
                }
                whole
            }
            other => other.clone(),
        }
    }

    fn include(&mut self, include: &Value, from: &Path, mount: Option<&[String]>, chain: &mut Vec<PathBuf>) -> Value {
        let named: Vec<&str> = match include {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut whole = Value::Object(Map::new());
        let alone = include.is_string();
        for name in named {
            let path = normal(&from.parent().unwrap_or(Path::new("/")).join(name));
            match self.open(&path, mount, chain) {
                Ok(content) if alone => whole = content,
                Ok(content) => whole = merged(whole, content),
                Err(why) => self.unread.push(Unread { path, row: None, why }),
            }
        }
        whole
    }

    fn open(&mut self, path: &Path, mount: Option<&[String]>, chain: &mut Vec<PathBuf>) -> Result<Value, Why> {
        let real = fsio::real_or_same(path).starts_with(fsio::real_or_same(&self.root));
        let inside = path.starts_with(&self.root) && real;
        self.tries += 1;
        let many = self.tries > MAX_FILES || self.bytes > formats::MAX_INPUT;
        if !inside || many || chain.len() > MAX_DEPTH || chain.iter().any(|above| above == path) {
            return Err(Why::Include);
        }
        let bytes = fsio::read_trusted(path, formats::MAX_INPUT).map_err(Why::File)?;
        self.bytes += bytes.expose().len();
        self.take(path, bytes, mount.map(<[String]>::to_vec), chain).map_err(Why::Format)
    }
}

/// The path without `.` and `..`, by its words alone, as the gateway does.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = out.pop(),
            other => out.push(other),
        }
    }
    out
}

/// Objects member by member, lists one behind the other, of anything else the second: the gateway's rule.
fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Array(mut one), Value::Array(other)) => {
            one.extend(other);
            Value::Array(one)
        }
        (Value::Object(mut one), Value::Object(other)) => {
            for (name, value) in other {
                let value = match one.remove(&name) {
                    Some(have) => merged(have, value),
                    None => value,
                };
                one.insert(name, value);
            }
            Value::Object(one)
        }
        (_, other) => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn load(files: &[(&str, &str)]) -> (Configuration, Vec<(String, bool)>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let path = dir.path().join("openclaw.json");
        let mut unread = Vec::new();
        let bytes = SecretBuf::new(fs::read(&path).unwrap());
        let configuration = Configuration::load(&path, bytes, &mut unread).unwrap();
        let name = |one: &Unread| one.path.file_name().unwrap().to_string_lossy().into_owned();
        let unread = unread.iter().map(|one| (name(one), matches!(one.why, Why::Include))).collect();
        (configuration, unread)
    }

    #[test]
    fn files_are_included_as_the_gateway_includes_them() {
        let (configuration, unread) = load(&[
            ("openclaw.json", "{$include:['a.json5','sub/b.json5'],x:{own:1},list:[3],y:{$include:'sub/c.json'}}"),
            ("a.json5", "{x:{a:1,own:0},list:[1]}"),
            ("sub/b.json5", "{x:{b:2},list:[2],z:{$include:'./c.json'}}"),
            ("sub/c.json", "{\"deep\":true}"),
        ]);
        let whole = json!({"x":{"a":1,"own":1,"b":2},"list":[1,2,3],"y":{"deep":true},"z":{"deep":true}});
        assert_eq!((configuration.tree.clone(), unread), (whole, Vec::new()));
        // What is included twice is at no place of its own.
        let mount = |one: &Document| one.mount.as_ref().map(|mount| mount.join("."));
        let mounts: Vec<_> = configuration.documents.iter().map(mount).collect();
        let mounts: Vec<_> = mounts.iter().map(Option::as_deref).collect();
        assert_eq!(mounts, [Some(""), None, Some(""), None, Some("")]);
        assert!(configuration.main().unwrap().path.ends_with("openclaw.json"));
    }

    #[test]
    fn what_an_element_of_a_list_includes_has_no_name() {
        let (configuration, _) = load(&[
            ("openclaw.json", "{agents:{list:[{$include:'./a.json'},{x:{$include:'./b.json'}}]}}"),
            ("a.json", "{k:1}"),
            ("b.json", "{k:2}"),
        ]);
        let mounts: Vec<_> = configuration.documents.iter().map(|one| one.mount.is_none()).collect();
        assert_eq!(mounts, [true, true, false]);
    }

    #[test]
    fn what_the_gateway_does_not_include_is_named() {
        let (configuration, unread) = load(&[
            (
                "openclaw.json",
                "{a:{$include:'../out.json'},b:{$include:'none.json'},c:{$include:'c.json'},d:{$include:'d'}}",
            ),
            ("c.json", "{$include:'./c.json',k:1}"),
            ("d", "{"),
        ]);
        assert_eq!(configuration.tree["c"], json!({"k":1}));
        let names = [("out.json", true), ("none.json", false), ("c.json", true), ("d", false)];
        assert_eq!(unread, names.map(|(name, refused)| (name.to_owned(), refused)));
    }
}
