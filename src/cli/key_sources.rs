//! `status --keys`: every place where the opening key is looked for.

use super::context::Context;
use super::out::columns;
use super::{Error, words};
use crate::keys::{Found, State};
use crate::{fsio, seal};
use serde_json::{Value, json};
use std::path::Path;

/// Lists them in their order and says which one a command would use. Nothing is opened, nobody asked.
pub fn run(context: &Context) -> Result<(), Error> {
    // Without a vault, or one that cannot be read, the list is worth as much.
    let read = || -> Result<Vec<u8>, Error> {
        let sealed = context.place()?.read()?;
        seal::has_slot(&sealed)?;
        Ok(sealed)
    };
    let sealed = read();
    let found = context.survey(sealed.as_deref().ok());
    let path = fsio::real_path(context.vault_path()).unwrap_or_else(|_| context.vault_path().to_owned());
    if context.out.json {
        let all: Vec<Value> = found.iter().map(as_json).collect();
        let used = found.iter().find(|one| one.used).map(|one| words::rung(one.rung).0);
        let vault = path.display().to_string();
        return context.out.json(&json!({"version": 1, "vault": vault, "used": used, "sources": all}));
    }
    if let Err(error) = &sealed {
        context.out.say(&format!("note: {}", words::of(error).what));
    }
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    columns(&rows).iter().try_for_each(|line| context.out.line(line))?;
    if !found.iter().any(|one| one.used) {
        context.out.say("note: no source is present, so nothing opens the vault here");
    }
    Ok(())
}

fn as_json(found: &Found) -> Value {
    let (state, why) = words::state(&found.state);
    let opens = match found.state {
        State::Opens => Some(true),
        State::Untried(_) => None,
        State::Absent | State::Refused(_) => Some(false),
    };
    let path = place(found).map(|path| path.display().to_string());
    json!({
        "source": words::rung(found.rung).0, "path": path, "state": state, "opens": opens, "why": why,
        "used": found.used,
    })
}

fn row(found: &Found) -> Vec<String> {
    let (state, why) = words::state(&found.state);
    let note = match (place(found).map(words::path), &found.state) {
        (Some(path), State::Absent) => format!("nothing at {path}"),
        (Some(path), State::Opens) => format!("{path} {why}"),
        _ => why,
    };
    let mark = if found.used { "used" } else { "" };
    vec![mark.to_owned(), state.to_owned(), words::rung(found.rung).1.to_owned(), note]
}

/// Where a source lies, unless it was typed and may be no path at all.
fn place(found: &Found) -> Option<&Path> {
    found.source.as_ref()?.path().filter(|path| words::is_shown(path))
}
