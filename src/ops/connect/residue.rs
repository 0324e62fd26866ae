//! Bytes of secrets that are left in the gateway's files: copies that its commands and its own edits
//! have made over time.

use super::Error;
use super::apply::{check_still, remove};
use super::known::MEMBERS;
use crate::formats;
use crate::fsio;
use crate::gateway::Program;
use crate::model::Vault;
use crate::store;
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Shorter values are found everywhere.
const SHORTEST: usize = 8;
/// How much of a file is looked at once, in bytes.
const PIECE: usize = 1024 * 1024;

/// A file with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Residue {
    /// Where it is.
    path: PathBuf,
    /// Whether it is a copy that a gateway made before a change, and nothing reads any more.
    copy: bool,
}

/// What [`clean`] did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Copies with secrets, which are gone now, and where each is kept, sealed.
    pub removed: Vec<(PathBuf, PathBuf)>,
    /// Files that still hold a secret.
    pub left: Vec<PathBuf>,
    /// What could not be looked into.
    pub unread: Vec<PathBuf>,
}

/// Searches every file of the gateway's places, links not followed, for the bytes of every secret of the vault, as they
/// are and as JSON writes them. OAuth tokens are not looked for where a gateway keeps them itself.
fn residue(vault: &Vault<'_>, places: Places<'_>, unread: &mut Vec<PathBuf>) -> Result<Vec<Residue>, Error> {
    let (all, without_oauth) = (Needles::of(vault, true)?, Needles::of(vault, false)?);
    let mut found = Vec::new();
    let mut dirs = vec![places.state_dir.to_owned()];
    dirs.extend(places.agents.iter().filter(|dir| dir.exists() && !dir.starts_with(places.state_dir)).cloned());
    // Of another directory only what belongs to the configuration.
    let config = places.config.filter(|path| path.parent().is_some_and(|dir| !dir.starts_with(places.state_dir)));
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
                let needles = if places.own.contains(&path) { &without_oauth } else { &all };
                match needles.are_in(&path) {
                    Ok(true) => found.push(Residue { copy: is_copy(places, &path), path }),
                    Ok(false) => {}
                    Err(_) => unread.push(path),
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Where a gateway may have left copies.
#[derive(Clone, Copy, Debug)]
pub struct Places<'p> {
    /// Its state directory.
    pub state_dir: &'p Path,
    /// Directories of agents, wherever they are.
    pub agents: &'p [PathBuf],
    /// Its configuration, wherever it is.
    pub config: Option<&'p Path>,
    /// The files in which it keeps OAuth itself.
    pub own: &'p [PathBuf],
}

/// Removes copies with secrets, and has databases forget what was replaced in them. A copy may hold what nothing
/// else has: it is sealed into `kept` first.
///
/// # Errors
/// A copy that cannot be sealed or removed; a database that its gateway does not rewrite.
pub fn clean(vault: &Vault<'_>, places: Places<'_>, kept: &Path, program: &Program) -> Result<Cleaned, Error> {
    let mut cleaned = Cleaned::default();
    let (copies, mut left): (Vec<_>, Vec<_>) =
        residue(vault, places, &mut cleaned.unread)?.into_iter().partition(|residue| residue.copy);
    for Residue { path, .. } in copies {
        match fsio::read_own(&path, formats::MAX_INPUT) {
            Ok(bytes) => {
                let sealed = store::keep_sealed(vault, kept, &path, bytes.expose())?;
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
        left.iter().map(with_log).filter(|path| database(path) && places.own.contains(path)).collect();
    if !databases.is_empty() {
        program.compact(&databases.into_iter().collect::<Vec<_>>())?;
        left = residue(vault, places, &mut cleaned.unread)?;
    }
    cleaned.left = left.into_iter().map(|residue| residue.path).collect();
    cleaned.unread.sort();
    cleaned.unread.dedup();
    Ok(cleaned)
}

/// Names under which gateways keep what they replaced, in the places where they do: configurations in the
/// state directory or beside it, migrated stores of agents.
fn is_copy(places: Places<'_>, path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let of_config =
        ["openclaw.json.", "clawdbot.json.", "gateway.systemd.env."].iter().any(|start| name.starts_with(start));
    let number =
        |rest: &str| rest.is_empty() || rest.strip_prefix('.').is_some_and(|number| number.parse::<u8>().is_ok());
    let backup = name.split_once(".bak").is_some_and(|(_, rest)| number(rest));
    let of_store = ["auth-profiles.json.", "auth.json.", "oauth.json."].iter().any(|start| name.starts_with(start));
    let migrated = [".migrated-", ".sqlite-import.", ".oauth-ref."].iter().any(|mark| name.contains(mark));
    let in_root = path.parent() == Some(places.state_dir) || path.parent() == places.config.and_then(Path::parent);
    (of_store && migrated) || (in_root && of_config && (backup || name.ends_with(".last-good")))
}

struct Needles {
    search: Option<AhoCorasick>,
    longest: usize,
}

impl Needles {
    fn of(vault: &Vault<'_>, oauth: bool) -> Result<Self, Error> {
        let mut texts: Vec<String> = Vec::new();
        let mut push = |text: Option<String>| {
            let Some(text) = text.filter(|text| text.len() >= SHORTEST) else { return };
            let quoted = serde_json::Value::from(text.as_str()).to_string();
            let inner = quoted.trim_start_matches('"').trim_end_matches('"').to_owned();
            texts.extend((inner != text).then_some(inner));
            texts.push(text);
        };
        for entries in vault.scopes.values() {
            for (_, credential) in entries.profiles.credentials() {
                let credential = credential?;
                let is_oauth = credential.kind() == Some(crate::model::Kind::Oauth);
                for member in MEMBERS.iter().filter(|_| oauth || !is_oauth) {
                    push(credential.text(member).map(|text| text.expose().to_owned()));
                }
            }
        }
        let plain = |raw: &serde_json::value::RawValue| serde_json::from_str(raw.get()).ok();
        vault.env.iter().chain(vault.config.iter()).for_each(|(_, raw)| push(plain(raw)));
        let longest = texts.iter().map(String::len).max().unwrap_or_default();
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts).ok();
        Ok(Self { search: search.filter(|_| !texts.is_empty()), longest })
    }

    fn are_in(&self, path: &Path) -> Result<bool, Error> {
        let Some(search) = &self.search else { return Ok(false) };
        let failed = |error| fsio::Error::io("read", path, error);
        let mut file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
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
            if search.is_match(part) {
                return Ok(true);
            }
            if filled < piece.len() {
                return Ok(false);
            }
            // What lies across the border of two pieces is seen in the second one.
            let back = i64::try_from(self.longest).unwrap_or_default();
            file.seek(SeekFrom::Current(-back)).map_err(failed)?;
        }
    }
}
