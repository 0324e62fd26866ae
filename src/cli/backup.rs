//! `backup`: sealed copies, elsewhere.

use super::context::{Context, Opened};
use super::key_change::is_here;
use super::out::columns;
use super::restore::undamaged;
use super::{Error, words};
use crate::store::{self, Pin, Place, Policy, Seen, Trust, verify_deep};
use crate::{keys, seal};
use serde_json::{Value, json};
use std::path::Path;

/// Writes a sealed copy and says what opens it.
pub fn create(context: &mut Context, dir: &Path) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let backup = store::backup_create(&context.local, &opened.seen, &checked, dir)?;
    let recipients = &checked.vault.recipients;
    if context.out.json {
        let one = |recipient: &crate::model::Recipient| json!({"label": recipient.label, "kind": recipient.kind.word(), "memory_mib": recipient.memory_mib()});
        let opens: Vec<Value> = recipients.iter().map(one).collect();
        let path = backup.path.display().to_string();
        context.out.json(&json!({"version": 1, "path": path, "opens_with": opens}))?;
    } else {
        context.out.line(&backup.path.display().to_string())?;
        for recipient in recipients {
            let needs = match recipient.memory_mib() {
                0 => String::new(),
                mib => format!(", needs {mib} MiB of memory"),
            };
            context.out.say(&format!("opens with {} ({}{needs})", recipient.label.as_str(), recipient.kind.word()));
        }
    }
    if let Some(mode) = store::shared_mode(dir) {
        context.out.warn(&format!(
            "warning: others can write to {} (mode {mode:04o}) and could remove or replace the backup; agevault backup verify checks it",
            words::path(dir)
        ));
    }
    if recipients.iter().all(|recipient| is_here(&opened, recipient)) {
        context.out.warn("note: every key to this backup lies on this host; keep a copy of the identity elsewhere");
    }
    Ok(())
}

/// Lists what lies in a directory, from names and headers alone.
pub fn list(context: &Context, dir: &Path) -> Result<(), Error> {
    let backups = store::backup_list(dir)?;
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for backup in &backups {
        let sealed = crate::fsio::read_capped(&backup.path, seal::MAX_FILE)?;
        let slots = seal::slots(sealed.expose());
        let memory: Vec<u32> = slots.iter().flatten().map(|slot| slot.costs.memory_mib()).collect();
        all.push(json!({
            "name": backup.name, "size": backup.size, "written": backup.written,
            "passphrase_memory_mib": memory, "is_age": slots.is_ok(),
        }));
        let needs = match (slots.is_ok(), memory.as_slice()) {
            (false, _) => "not a sealed vault".to_owned(),
            (true, []) => "no passphrase".to_owned(),
            (true, some) => {
                let memory: Vec<String> = some.iter().map(|mib| format!("{mib} MiB")).collect();
                format!("passphrase needs {}", memory.join(" or "))
            }
        };
        rows.push(vec![backup.name.clone(), format!("{} bytes", backup.size), needs]);
    }
    if context.out.json {
        return context.out.json(&json!({"version": 1, "backups": all}));
    }
    columns(&rows).iter().try_for_each(|line| context.out.line(line))
}

/// Opens each backup and reads every entry strictly. Without a key nothing is verified, and that is no finding.
pub fn verify(context: &mut Context, path: &Path) -> Result<(), Error> {
    let (paths, others) = if path.is_dir() {
        let backups = store::backup_list(path)?;
        let others = files_in(path).saturating_sub(backups.len());
        (backups.into_iter().map(|backup| backup.path).collect(), others)
    } else {
        // What is not there is no finding.
        Place::at(path)?.read()?;
        (vec![path.to_owned()], 0)
    };
    if others > 0 {
        let others =
            words::count(others, "file that is not named as a backup was", "files that are not named as backups were");
        context.out.warn(&format!("note: {others} not looked at"));
    }
    let mut all = Vec::new();
    let mut first = None;
    let mut no_key = None;
    for path in &paths {
        let found = match verify_one(context, path, &mut first) {
            Ok(found) => found,
            Err(error) => {
                let found = Verified { problem: Some(words::of_backup(&error)), ..Verified::default() };
                match KeyFault::of(&error) {
                    Some(KeyFault::None) => return Err(error),
                    Some(KeyFault::Other) => no_key = no_key.or(Some(error)),
                    None => {}
                }
                found
            }
        };
        all.push((path, found));
    }
    // Nothing is known of backups that no key has opened.
    if let (None, Some(error)) = (&first, no_key) {
        return Err(error);
    }
    let findings = all.iter().filter(|(_, found)| found.problem.is_some()).count();
    let rows = all.into_iter().map(|(path, found)| {
        (path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(), found)
    });
    if context.out.json {
        let one = |(name, found): (String, Verified)| {
            let (entries, known) = (found.entries, found.unknown.is_none() && found.problem.is_none());
            json!({"name": name, "entries": entries, "known": known, "problem": found.problem})
        };
        let all: Vec<Value> = rows.map(one).collect();
        context.out.json(&json!({"version": 1, "backups": all, "passed_over": others}))?;
    } else {
        for (name, found) in rows {
            context.out.line(&format!("{}  {}", words::plain(&name), found.verdict()))?;
        }
    }
    if findings == 0 && !paths.is_empty() { Ok(()) } else { Err(Error::Findings(findings, paths.len())) }
}

/// How many regular files lie in a directory that can be read.
fn files_in(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).count()
}

/// Why an error is one of the key, and not of what it is to open.
enum KeyFault {
    /// There is none that could be used, or nobody goes on.
    None,
    /// None opens this one; another may be opened.
    Other,
}

impl KeyFault {
    fn of(error: &Error) -> Option<Self> {
        use seal::Error::{Memory, NoMatch, NoSlot};
        match error {
            // What came of opening a snapshot is told as of a backup, no longer as of the key.
            Error::Keys(keys::Error::Wrong(_) | keys::Error::NoneOf(_) | keys::Error::NoKey(_))
            | Error::Store(store::Error::Seal(NoMatch | NoSlot | Memory(_))) => Some(Self::Other),
            Error::Keys(_) => Some(Self::None),
            _ => None,
        }
    }
}

/// What was found out about one backup.
#[derive(Default)]
struct Verified {
    problem: Option<String>,
    entries: usize,
    /// Its fingerprint, if this host does not know it.
    unknown: Option<Pin>,
}

impl Verified {
    fn verdict(&self) -> String {
        let entries = words::count(self.entries, "entry", "entries");
        match (&self.problem, &self.unknown) {
            (Some(problem), _) => format!("FAILED: {problem}"),
            (None, None) => format!("fine, {entries}"),
            (None, Some(pin)) => format!("fine, {entries}, but its fingerprint {pin} is not known on this host"),
        }
    }
}

/// `first` is a backup that was opened before: one derivation serves all.
fn verify_one(context: &mut Context, path: &Path, first: &mut Option<Opened>) -> Result<Verified, Error> {
    let place = Place::at(path)?;
    let again = first.as_ref().map(|first| first.seen.reopen(place.read()?)).transpose();
    let opened = match again {
        Ok(Some(seen)) => Opened { place, seen },
        _ => undamaged(open_snapshot(context, path))?,
    };
    let report = Policy { report_only: true, ..context.policy.clone() };
    let checked = undamaged(store::check(&context.local, &opened.place, &opened.seen, &report).map_err(Error::from))?;
    let bad = verify_deep(&checked.vault);
    let retired = store::is_retired(&context.local, &checked)?;
    let mut found = Verified { entries: checked.vault.entries(), ..Verified::default() };
    if !bad.is_empty() {
        let names: Vec<String> = bad.iter().map(ToString::to_string).collect();
        found.problem = Some(format!("cannot be read: {}", names.join(", ")));
    } else if checked.trust == Trust::Misfit && !retired {
        found.problem = Some(format!("its fingerprint {} is not one of this vault", checked.pin));
    } else if context.known_id()?.is_some_and(|id| id != checked.vault.vault_id) {
        found.problem = Some(format!("not of the vault that is known here: its fingerprint is {}", checked.pin));
    } else if matches!(checked.trust, Trust::New | Trust::GivenFormer) {
        found.unknown = Some(checked.pin.clone());
    }
    drop(checked);
    first.get_or_insert(opened);
    Ok(found)
}

/// Opens a sealed file that is not the vault itself.
pub fn open_snapshot(context: &mut Context, path: &Path) -> Result<Opened, Error> {
    let place = Place::at(path)?;
    let sealed = place.read()?;
    let (plain, opener) = context.unlock(&sealed, place.path())?;
    Ok(Opened { place, seen: Seen::new(sealed, plain, opener) })
}
