//! The gateway's own files, sealed before links to views take their place.

use crate::fsio;
use crate::model::{MAX_PAYLOAD, Vault};
use crate::secret::SecretBuf;
use crate::store;
use crate::views::Link;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files of a gateway that links may take the place of, each as it was when it was sealed.
#[derive(Debug, Default)]
pub struct Originals(BTreeMap<PathBuf, (SecretBuf, PathBuf)>);

impl Originals {
    /// Seals `files` into `dir` for everybody who can open `vault`. Where each of them is kept; one that has gone
    /// meanwhile is left out.
    ///
    /// # Errors
    /// A file that is not ours; as [`store::keep_sealed`].
    pub fn seal(
        &mut self,
        vault: &Vault<'_>,
        files: &[PathBuf],
        dir: &Path,
    ) -> Result<Vec<(PathBuf, PathBuf)>, store::Error> {
        let mut kept = Vec::with_capacity(files.len());
        for file in files {
            let bytes = match fsio::read_own(file, MAX_PAYLOAD) {
                Err(error) if error.is_not_found() => continue,
                other => other?,
            };
            let sealed = store::keep_sealed(vault, dir, file, bytes.expose())?;
            kept.push((file.clone(), sealed.clone()));
            self.0.insert(file.clone(), (bytes, sealed));
        }
        Ok(kept)
    }

    /// Notes with each link where the file that it replaces is kept. The files that are not sealed as they are now.
    pub(super) fn note(&self, links: &mut [Link]) -> Vec<PathBuf> {
        let mut open = Vec::new();
        for link in links {
            let Some(now) = link.original() else { continue };
            let kept = self.0.get(&link.path()).filter(|(bytes, _)| bytes.expose() == now.expose());
            match kept.map(|(_, sealed)| sealed.clone()) {
                Some(sealed) => link.note_sealed(sealed),
                None => open.push(link.path()),
            }
        }
        open
    }
}
