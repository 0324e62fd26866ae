//! Bytes of secrets that are left in the gateway's files: copies that its commands and its own edits
//! have made over time.

use super::apply::{check_still, remove};
use super::known::MEMBERS;
use super::{Error, Held, Keep, Plan, Road};
use crate::formats;
use crate::fsio;
use crate::gateway::Program;
use crate::model::{Credential, Kind, Scope, SecretId, Vault};
use crate::store;
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Shorter values are found everywhere.
const SHORTEST: usize = 8;
/// How much of a file is looked at once, in bytes.
const PIECE: usize = 1024 * 1024;

/// Where to look, and what may stay.
pub struct Search<'s> {
    /// Whose secrets.
    pub vault: &'s Vault<'s>,
    /// The state directory: everything below it, links not followed.
    pub root: &'s Path,
    /// Where each agent has its files, if not below it.
    pub agents: &'s BTreeMap<Scope, PathBuf>,
    /// Files in which the gateway keeps OAuth itself, which is not looked for there.
    pub own: &'s [PathBuf],
    /// Files elsewhere: nothing of them is removed.
    pub elsewhere: &'s [PathBuf],
    /// What the gateway has now.
    pub held: &'s Held,
    /// How each secret reaches the gateway.
    pub plan: &'s Plan,
    /// What was asked to stay.
    pub keep: Keep,
}

/// A file with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Residue {
    /// Where it is.
    path: PathBuf,
    /// The secrets in it, each with every id that has this value.
    secrets: Vec<Vec<String>>,
    /// Whether it is a copy that a gateway made before a change, and nothing reads any more.
    copy: bool,
}

/// Secrets that a file still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The file.
    pub path: PathBuf,
    /// Their ids.
    pub ids: Vec<String>,
}

/// What [`clean`] did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Copies with secrets, which are gone now, and where each is kept, sealed.
    pub removed: Vec<(PathBuf, PathBuf)>,
    /// Files that still hold a secret.
    pub left: Vec<Left>,
    /// The same where that was asked for, or cannot be otherwise.
    pub kept: Vec<Left>,
    /// What could not be looked into.
    pub unread: Vec<PathBuf>,
}

/// Searches every file for the bytes of every secret of the vault, as they are and as JSON writes them.
fn residue(search: &Search<'_>, unread: &mut Vec<PathBuf>) -> Result<Vec<Residue>, Error> {
    let Search { vault, root, own, .. } = *search;
    let (all, without_oauth) = (Needles::of(vault, true)?, Needles::of(vault, false)?);
    let mut found = Vec::new();
    let mut look = |path: PathBuf, copy: bool, unread: &mut Vec<PathBuf>| {
        let needles = if own.contains(&path) { &without_oauth } else { &all };
        match needles.are_in(&path) {
            Ok(secrets) if secrets.is_empty() => {}
            Ok(secrets) => found.push(Residue { path, secrets, copy }),
            Err(_) => unread.push(path),
        }
    };
    search.elsewhere.iter().for_each(|path| look(path.clone(), false, unread));
    let mut dirs = vec![root.to_owned()];
    dirs.extend(search.agents.values().filter(|dir| dir.exists() && !dir.starts_with(root)).cloned());
    // Of another directory only what belongs to the configuration.
    let config = search.held.config_path().filter(|path| !path.starts_with(root));
    let of_config = config.and_then(|path| path.parent().map(Path::to_owned));
    dirs.extend(of_config.clone());
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            unread.push(dir);
            continue;
        };
        for entry in entries.flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            let is_of_config = || path.to_string_lossy().starts_with(&*config.unwrap_or(&path).to_string_lossy());
            if Some(&dir) == of_config.as_ref() && !is_of_config() {
                continue;
            }
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                dirs.push(path);
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                let copy = is_copy(search, &path);
                look(path, copy, unread);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes copies with secrets, and has databases forget what was replaced in them. A copy may hold what nothing
/// else has: it is sealed into `kept` first.
///
/// # Errors
/// A copy that cannot be sealed or removed; a database that its gateway does not rewrite.
pub fn clean(search: &Search<'_>, kept: &Path, program: &Program) -> Result<Cleaned, Error> {
    let mut cleaned = Cleaned::default();
    let (copies, mut left): (Vec<_>, Vec<_>) =
        residue(search, &mut cleaned.unread)?.into_iter().partition(|residue| residue.copy);
    for Residue { path, .. } in copies {
        match fsio::read_own(&path, formats::MAX_INPUT) {
            Ok(bytes) => {
                let sealed = store::keep_sealed(search.vault, kept, &path, bytes.expose())?;
                check_still(&path, &bytes)?;
                remove(&path)?;
                cleaned.removed.push((path, sealed));
            }
            Err(_) => cleaned.unread.push(path),
        }
    }
    let database = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "sqlite") && path.exists();
    let with_log = |residue: &Residue| PathBuf::from(residue.path.to_string_lossy().trim_end_matches("-wal"));
    let databases: BTreeSet<PathBuf> =
        left.iter().map(with_log).filter(|path| database(path) && search.own.contains(path)).collect();
    if !databases.is_empty() {
        program.compact(&databases.into_iter().collect::<Vec<_>>())?;
        left = residue(search, &mut cleaned.unread)?;
    }
    cleaned.unread.sort();
    cleaned.unread.dedup();
    for Residue { path, secrets, .. } in left {
        let (kept, left): (Vec<_>, Vec<_>) =
            secrets.into_iter().partition(|ids| ids.iter().any(|id| search.may_stay(id, &path)));
        for (secrets, into) in [(kept, &mut cleaned.kept), (left, &mut cleaned.left)] {
            if !secrets.is_empty() {
                into.push(Left { path: path.clone(), ids: secrets.concat() });
            }
        }
    }
    Ok(cleaned)
}

impl Search<'_> {
    /// Whether a secret was asked to stay in this file, or the gateway takes it from nowhere else.
    fn may_stay(&self, id: &str, path: &Path) -> bool {
        let is = |file: &Option<(PathBuf, _)>| file.as_ref().is_some_and(|(file, _)| file == path);
        let (config, dotenv) = (is(&self.held.config), is(&self.held.dotenv));
        let stays = matches!(self.plan.roads.get(id), Some(Road::Own | Road::NoTarget | Road::TooLong));
        (config || dotenv) && (stays || (self.keep.dotenv && id.starts_with("env/")))
    }
}

/// Names under which gateways keep what they replaced, in the places where they do: configurations in the
/// state directory or beside it, migrated stores of agents.
fn is_copy(search: &Search<'_>, path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let of_config =
        ["openclaw.json.", "clawdbot.json.", "gateway.systemd.env."].iter().any(|start| name.starts_with(start));
    let number =
        |rest: &str| rest.is_empty() || rest.strip_prefix('.').is_some_and(|number| number.parse::<u8>().is_ok());
    let backup = name.split_once(".bak").is_some_and(|(_, rest)| number(rest));
    let of_store = ["auth-profiles.json.", "auth.json.", "oauth.json."].iter().any(|start| name.starts_with(start));
    let migrated = [".migrated-", ".sqlite-import.", ".oauth-ref."].iter().any(|mark| name.contains(mark));
    let config = search.held.config_path().and_then(Path::parent);
    let in_root = path.parent() == Some(search.root) || path.parent() == config;
    // What a gateway took for damage when it put a copy back, or did not take at all.
    let refused = [".clobbered.", ".rejected."].iter().any(|mark| name.contains(mark));
    (of_store && migrated) || (in_root && of_config && (backup || refused || name.ends_with(".last-good")))
}

struct Needles {
    search: Option<AhoCorasick>,
    /// The ids that have each text that is searched for.
    ids: Vec<Vec<String>>,
    longest: usize,
}

impl Needles {
    fn of(vault: &Vault<'_>, oauth: bool) -> Result<Self, Error> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut push = |id: String, text: Option<String>| {
            let Some(text) = text.filter(|text| text.len() >= SHORTEST) else { return };
            let quoted = serde_json::Value::from(text.as_str()).to_string();
            let inner = quoted.trim_start_matches('"').trim_end_matches('"').to_owned();
            if inner != text {
                found.entry(inner).or_default().push(id.clone());
            }
            found.entry(text).or_default().push(id);
        };
        for (scope, entries) in &vault.scopes {
            for (profile, raw) in entries.profiles.iter() {
                let credential = Credential::parse(profile, raw)?;
                let is_oauth = credential.kind() == Some(Kind::Oauth);
                let id = Scope::parse(scope).and_then(|scope| SecretId::auth(scope, profile));
                let id = id.map_or_else(|_| format!("auth/{scope}/"), |id| id.to_string());
                for member in MEMBERS.iter().filter(|_| oauth || !is_oauth) {
                    push(id.clone(), credential.text(member).map(|text| text.expose().to_owned()));
                }
            }
        }
        let plain = |raw: &serde_json::value::RawValue| serde_json::from_str(raw.get()).ok();
        vault.env.iter().for_each(|(name, raw)| push(format!("env/{name}"), plain(raw)));
        vault.config.iter().for_each(|(name, raw)| push(format!("config/{name}"), plain(raw)));
        let (texts, ids): (Vec<String>, Vec<Vec<String>>) = found.into_iter().unzip();
        let longest = texts.iter().map(String::len).max().unwrap_or_default();
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts).ok();
        Ok(Self { search: search.filter(|_| !texts.is_empty()), ids, longest })
    }

    /// The ids of the secrets in a file, those of one value together.
    fn are_in(&self, path: &Path) -> Result<Vec<Vec<String>>, Error> {
        let mut seen = BTreeSet::new();
        let Some(search) = &self.search else { return Ok(Vec::new()) };
        let failed = |error| fsio::Error::io("read", path, error);
        let mut file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut piece = vec![0; PIECE + self.longest];
        loop {
            let mut filled = 0;
            while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read(rest).map_err(failed)? {
                    0 => break,
                    count => filled += count,
                }
            }
            let part = piece.get(..filled).unwrap_or_default();
            seen.extend(search.find_overlapping_iter(part).filter_map(|hit| self.ids.get(hit.pattern().as_usize())));
            if filled < piece.len() {
                return Ok(seen.into_iter().cloned().collect());
            }
            // What lies across the border of two pieces is seen in the second one.
            let back = i64::try_from(self.longest).unwrap_or_default();
            file.seek(SeekFrom::Current(-back)).map_err(failed)?;
        }
    }
}
