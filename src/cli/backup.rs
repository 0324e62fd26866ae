//! `backup`: sealed copies, elsewhere.

use super::context::{Context, Opened};
use super::out::columns;
use super::{Error, words};
use crate::model::RecipientKind;
use crate::seal;
use crate::store::{self, Pin, Place, Policy, Seen, Trust, verify_deep};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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
    let only_here = |recipient: &crate::model::Recipient| {
        recipient.kind == RecipientKind::X25519 && recipient.public == opened.seen.opener().public()
    };
    if recipients.iter().all(only_here) {
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

/// Opens each backup and reads every entry strictly.
pub fn verify(context: &mut Context, path: &Path) -> Result<(), Error> {
    let paths: Vec<PathBuf> = if path.is_dir() {
        store::backup_list(path)?.into_iter().map(|backup| backup.path).collect()
    } else {
        // What is not there is no finding.
        Place::at(path)?.read()?;
        vec![path.to_owned()]
    };
    let mut findings = 0;
    let mut all = Vec::new();
    let mut first = None;
    for path in &paths {
        let found = match verify_one(context, path, &mut first) {
            Ok(found) => found,
            Err(error) => Verified { problem: Some(words::of(&error).what), ..Verified::default() },
        };
        findings += usize::from(found.problem.is_some());
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if context.out.json {
            let (entries, known) = (found.entries, found.unknown.is_none() && found.problem.is_none());
            all.push(json!({"name": name, "entries": entries, "known": known, "problem": found.problem}));
        } else {
            context.out.line(&format!("{}  {}", words::plain(&name), found.verdict()))?;
        }
    }
    if context.out.json {
        context.out.json(&json!({"version": 1, "backups": all}))?;
    }
    if findings == 0 && !paths.is_empty() { Ok(()) } else { Err(Error::Findings(findings, paths.len())) }
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
        _ => open_snapshot(context, path)?,
    };
    let report = Policy { report_only: true, ..context.policy.clone() };
    let checked = store::check(&context.local, &opened.place, &opened.seen, &report)?;
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
    } else if checked.trust == Trust::New {
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
