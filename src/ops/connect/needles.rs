//! Bytes of the vault's secrets, found in files of any size.

use super::Error;
use super::known::MEMBERS;
use crate::fsio;
use crate::model::{self, Credential, Kind, Scope, SecretId, Vault};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Shorter values are found everywhere.
const SHORTEST: usize = 8;
/// How much of each end of a value tells that it was there, in bytes.
const END: usize = 16;
/// Larger files are not searched, and named: no gateway writes one with its secrets.
const LARGEST: u64 = 8 * 1024 * 1024 * 1024;
/// How much of a file is looked at once, in bytes.
const PIECE: usize = 1024 * 1024;

/// What is searched for, each with the ids that have it.
type Texts = BTreeMap<Vec<u8>, Vec<String>>;

/// Secrets to look for in files.
pub(super) struct Needles {
    search: Option<AhoCorasick>,
    /// The ids that have each text that is searched for.
    ids: Vec<Vec<String>>,
    longest: usize,
}

impl Needles {
    /// Whole values, as they are and as JSON writes them; those of OAuth if that is asked for.
    pub(super) fn of(vault: &Vault<'_>, oauth: bool) -> Result<Self, Error> {
        Ok(Self::built(Self::texts(vault, oauth)?))
    }

    /// How values begin and end, without OAuth.
    pub(super) fn of_ends(vault: &Vault<'_>) -> Result<Self, Error> {
        let mut found: Texts = BTreeMap::new();
        for (text, ids) in Self::texts(vault, false)? {
            for end in [text.first_chunk::<END>(), text.last_chunk::<END>()] {
                found.entry(end.map_or_else(|| text.clone(), |end| end.to_vec())).or_default().extend(ids.clone());
            }
        }
        Ok(Self::built(found))
    }

    fn texts(vault: &Vault<'_>, oauth: bool) -> Result<Texts, Error> {
        let mut found: Texts = BTreeMap::new();
        let mut push = |id: String, text: Option<String>| {
            let Some(text) = text.filter(|text| text.len() >= SHORTEST) else { return };
            let quoted = serde_json::Value::from(text.as_str()).to_string();
            let inner = quoted.trim_start_matches('"').trim_end_matches('"').to_owned();
            if inner != text {
                found.entry(inner.into_bytes()).or_default().push(id.clone());
            }
            found.entry(text.into_bytes()).or_default().push(id);
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
        let plain = |raw: &serde_json::value::RawValue| model::text(raw).map(|text| text.expose().to_owned());
        vault.env.iter().for_each(|(name, raw)| push(format!("env/{name}"), plain(raw)));
        vault.config.iter().for_each(|(name, raw)| push(format!("config/{name}"), plain(raw)));
        Ok(found)
    }

    fn built(texts: Texts) -> Self {
        let (texts, ids): (Vec<Vec<u8>>, Vec<Vec<String>>) = texts.into_iter().unzip();
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts).ok();
        Self { search: search.filter(|_| !texts.is_empty()), ids, longest }
    }

    /// Whether a secret is in a text.
    pub(super) fn are_in_text(&self, text: &[u8]) -> bool {
        self.search.as_ref().is_some_and(|search| search.is_match(text))
    }

    /// The ids of the secrets in a file, those of one value together.
    pub(super) fn are_in(&self, path: &Path) -> Result<Vec<Vec<String>>, Error> {
        let mut seen = BTreeSet::new();
        let Some(search) = &self.search else { return Ok(Vec::new()) };
        let failed = |error| fsio::Error::io("read", path, error);
        let mut file = match fsio::open_file(path) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other?,
        };
        if file.metadata().map_err(failed)?.len() > LARGEST {
            return Err(fsio::Error::TooLarge(path.to_owned(), usize::try_from(LARGEST).unwrap_or(usize::MAX)).into());
        }
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
