//! `history`: the states that saves have kept.

use super::Error;
use super::backup::open_snapshot;
use super::context::Context;
use super::out::columns;
use super::restore::{generation, report};
use crate::store::{self, Snapshot};
use serde_json::{Value, json};

/// Lists the kept generations.
pub fn list(context: &Context) -> Result<(), Error> {
    // Without a vault they are what is left of it.
    let all = store::history(&context.kept_place()?)?;
    if all.is_empty() {
        context.place()?;
        context.out.say("no generation was kept yet");
    }
    let time = |snapshot: &Snapshot| {
        let seconds = i64::try_from(snapshot.saved).unwrap_or_default();
        jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
    };
    if context.out.json {
        let one = |snapshot: &Snapshot| json!({"generation": snapshot.generation, "rev": snapshot.rev, "saved": snapshot.saved, "size": snapshot.size});
        let all: Vec<Value> = all.iter().map(one).collect();
        return context.out.json(&json!({"version": 1, "generations": all}));
    }
    let row =
        |snapshot: &Snapshot| vec![snapshot.generation.to_string(), time(snapshot), format!("{} bytes", snapshot.size)];
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    columns(&rows).iter().try_for_each(|line| context.out.line(line))
}

/// Shows the names in one generation.
pub fn show(context: &mut Context, number: u64) -> Result<(), Error> {
    let snapshot = open_snapshot(context, &generation(&context.kept_place()?, number)?.path)?;
    let checked = report(context, &snapshot)?;
    let ids: Vec<String> = checked.vault.ids().map(|id| id.to_string()).collect();
    if context.out.json {
        return context.out.json(&json!({"version": 1, "generation": number, "ids": ids}));
    }
    if ids.is_empty() {
        context.out.say("no entries");
    }
    ids.iter().try_for_each(|id| context.out.line(id))
}
