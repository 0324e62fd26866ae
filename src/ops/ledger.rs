//! The ledger of a vault with its key. The key changes with the vault's secret, so that a removed recipient with a copy
//! of the local state cannot test guesses of values that were set later. Digests by a former key are converted for
//! values that have not changed since.

use super::export::{Content, render};
use crate::formats::auth_profiles::Carried;
use crate::model::Vault;
use crate::store::former_secrets;
use crate::views::{Digests, Error, Held, Key, Kind, Ledger, Seen, Target, digests};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads the ledger, and converts its digests to the current key. The digest of a value that neither a view nor the
/// vault holds any more matches nothing from then on.
///
/// # Errors
/// As [`Ledger::load`].
pub fn open(vault: &Vault<'_>, root: &Path, patience: Duration) -> Result<(Ledger, Key), Error> {
    let mut ledger = Ledger::load(root, &vault.vault_id, patience)?;
    let key = Key::of(vault);
    if ledger.key() != key.name() {
        let before = former_secrets(vault).iter().map(Key::of_secret).find(|former| former.name() == ledger.key());
        let known = before.map(|before| same_values(vault, &ledger, &before, &key)).unwrap_or_default();
        ledger.rekey(&key, &known)?;
    }
    Ok((ledger, key))
}

/// The digests of the current contents of views and vault: those by the former key, with those by the current key.
fn same_values(vault: &Vault<'_>, ledger: &Ledger, before: &Key, now: &Key) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    let dirs: Vec<PathBuf> = ledger.dirs().map(Path::to_owned).collect();
    for dir in &dirs {
        let kinds = ledger.place(dir).into_iter().flat_map(|place| place.views.keys());
        for kind in kinds {
            let views = [Content::Values, Content::References];
            let of_vault =
                views.into_iter().filter_map(|content| render(vault, kind, &Carried::default(), content).ok());
            for bytes in of_vault {
                let both = |key| digests(key, kind, &bytes).ok();
                pair(both(before), both(now), &mut known);
            }
            // A view that cannot be read is skipped; the command that needs it reports the error.
            let _ = of_view(dir, ledger, kind, (before, now), &mut known);
        }
    }
    known
}

fn of_view(
    dir: &Path,
    ledger: &Ledger,
    kind: &Kind,
    (before, now): (&Key, &Key),
    known: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let seen = Seen::look(&Target::known(dir)?, ledger, now, kind.clone())?;
    let Some(bytes) = seen.bytes() else { return Ok(()) };
    let (old, new) = (Held::read(before, kind, bytes, seen.state())?, Held::read(now, kind, bytes, seen.state())?);
    pair(Some(old.digests), Some(new.digests), known);
    pair(old.alone, new.alone, known);
    Ok(())
}

/// Maps each former digest to the current digest of the same value.
fn pair(before: Option<Digests>, now: Option<Digests>, known: &mut BTreeMap<String, String>) {
    let all = |of: Digests| of.entries.into_values().flatten().chain(of.order).map(|(_, digest)| digest);
    if let Some((before, now)) = before.zip(now) {
        known.extend(all(before).zip(all(now)));
    }
}
