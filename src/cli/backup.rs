//! `backup`: sealed copies, elsewhere.

use super::Error;
use super::context::{Context, Opened};
use super::out::columns;
use crate::model::RecipientKind;
use crate::seal;
use crate::store::{self, Place, Policy, Seen, Trust, verify_deep};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Writes a sealed copy and says what opens it.
pub fn create(context: &mut Context, dir: &Path) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let backup = store::backup_create(&opened.seen, &checked, dir)?;
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
        vec![path.to_owned()]
    };
    let mut findings = 0;
    let mut all = Vec::new();
    for path in &paths {
        let (problem, entries) = match verify_one(context, path) {
            Ok(verified) => verified,
            Err(error) => (Some(super::words::of(&error).what), 0),
        };
        findings += usize::from(problem.is_some());
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if context.out.json {
            all.push(json!({"name": name, "entries": entries, "problem": problem}));
        } else {
            let verdict =
                problem.map_or_else(|| format!("fine, {entries} entries"), |problem| format!("FAILED: {problem}"));
            context.out.line(&format!("{name}  {verdict}"))?;
        }
    }
    if context.out.json {
        context.out.json(&json!({"version": 1, "backups": all}))?;
    }
    if findings == 0 && !paths.is_empty() { Ok(()) } else { Err(Error::Findings(findings)) }
}

fn verify_one(context: &mut Context, path: &Path) -> Result<(Option<String>, usize), Error> {
    let opened = open_snapshot(context, path)?;
    let report = Policy { report_only: true, ..context.policy.clone() };
    let checked = store::check(&context.local, &opened.place, &opened.seen, &report)?;
    let bad = verify_deep(&checked.vault);
    let problem = if !bad.is_empty() {
        let names: Vec<String> = bad.iter().map(ToString::to_string).collect();
        Some(format!("cannot be read: {}", names.join(", ")))
    } else if checked.trust == Trust::Misfit && !store::is_retired(&context.local, &checked)? {
        Some(format!("its fingerprint {} is not one of this vault", checked.pin))
    } else {
        None
    };
    Ok((problem, checked.vault.entries()))
}

/// Opens a sealed file that is not the vault itself.
pub fn open_snapshot(context: &mut Context, path: &Path) -> Result<Opened, Error> {
    let place = Place::at(path)?;
    let sealed = place.read()?;
    let (plain, opener) = context.unlock(&sealed, place.path())?;
    Ok(Opened { place, seen: Seen::new(sealed, plain, opener) })
}
