//! `history`: what each save changed, and which states are kept.

use super::context::Context;
use super::out::columns;
use super::{Error, state, words};
use crate::keys;
use crate::model::{self, Save};
use crate::store::{self, Snapshot};
use serde_json::{Value, json};

/// How many names of one save a line shows at most.
const NAMES: usize = 3;

/// A line of the list: a save, a kept state, or both.
struct Line {
    generation: u64,
    state: String,
    at: u64,
    save: Option<Save>,
    size: Option<u64>,
}

/// Lists the saves that the vault records and the kept states. Without a key it lists only the kept states.
///
/// # Errors
/// Neither a vault nor a kept state; a prompt that was declined or interrupted.
pub fn list(context: &mut Context, last: Option<usize>) -> Result<(), Error> {
    // Kept states are listed even if the vault file is missing.
    let place = context.kept_place()?;
    let kept = store::history(&place)?;
    if kept.is_empty() {
        context.place()?;
    }
    let saves = if place.exists()? { recorded(context) } else { Ok(Vec::new()) };
    // Kept states are listed even if the vault cannot be opened.
    let saves = saves.or_else(|error| match error {
        Error::Declined | Error::Keys(keys::Error::Interrupted) => Err(error),
        error => {
            let why = words::of(&error).what;
            context.out.warn(&format!("note: only the kept generations can be listed: {why}"));
            Ok(Vec::new())
        }
    })?;
    let mut all = lines(saves, &kept);
    let left_out = last.map_or(0, |last| all.len().saturating_sub(last));
    all.drain(..left_out);
    if context.out.json {
        let all: Vec<Value> = all.iter().map(one).collect();
        return context.out.json(&json!({"version": 1, "generations": all}));
    }
    if left_out > 0 {
        context
            .out
            .say(&format!("{} not shown; --all shows them", words::count(left_out, "earlier save", "earlier saves")));
    }
    let several = |line: &Line| all.iter().filter(|other| other.generation == line.generation).count() > 1;
    let rows: Vec<Vec<String>> = all.iter().map(|line| row(line, several(line))).collect();
    columns(&rows).iter().try_for_each(|line| context.out.line(line))
}

fn recorded(context: &mut Context) -> Result<Vec<Save>, Error> {
    let opened = context.open()?;
    Ok(model::saves(&context.check(&opened)?.vault))
}

fn lines(saves: Vec<Save>, kept: &[Snapshot]) -> Vec<Line> {
    let size = |state: &str| kept.iter().find(|one| one.state() == state).map(|one| one.size);
    let of_save = |save: Save| Line {
        generation: save.generation(),
        state: save.to.clone(),
        at: save.at,
        size: size(&save.to),
        save: Some(save),
    };
    let mut all: Vec<Line> = saves.into_iter().map(of_save).collect();
    for one in kept {
        let state = one.state();
        if !all.iter().any(|line| line.state == state) {
            all.push(Line { generation: one.generation, state, at: one.saved, save: None, size: Some(one.size) });
        }
    }
    // A generation's number is higher than those of its ancestors, while the clocks of hosts differ.
    all.sort_by_key(|line| (line.generation, line.at));
    all
}

/// A row of the list. `by_name` shows the full name of a state whose number others have too.
fn row(line: &Line, by_name: bool) -> Vec<String> {
    let when = words::time(i64::try_from(line.at).unwrap_or_default());
    let name = if by_name { line.state.clone() } else { line.generation.to_string() };
    let mut row = vec![name, when];
    let kept = line.size.map_or("not kept", |_| "");
    let Some(save) = &line.save else {
        row.extend([
            String::new(),
            String::new(),
            line.size.map_or_else(String::new, |size| format!("kept, {size} bytes; no record of its save")),
        ]);
        return row;
    };
    let mut what: Vec<String> = save.steps.iter().take(NAMES).map(ToString::to_string).collect();
    let more = save.steps.len().saturating_sub(NAMES) + usize::try_from(save.more).unwrap_or_default();
    if more > 0 {
        what.push(format!("and {more} more"));
    }
    let what = [what.join(", "), kept.to_owned()].iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>();
    row.extend([save.machine.clone(), save.command.clone(), what.join("; ")]);
    row
}

fn one(line: &Line) -> Value {
    let save = line.save.as_ref();
    json!({
        "generation": line.generation, "state": line.state, "saved": line.at, "size": line.size,
        "command": save.map(|save| &save.command), "host": save.map(|save| &save.machine),
        "changes": save.map(|save| save.steps.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "more": save.map(|save| save.more),
    })
}

/// Shows the names in one generation.
///
/// # Errors
/// As [`state::ids`].
pub fn show(context: &mut Context, name: &str) -> Result<(), Error> {
    let ids = state::ids(context, name)?;
    if context.out.json {
        return context.out.json(&json!({"version": 1, "generation": model::number_of(name), "ids": ids}));
    }
    if ids.is_empty() {
        context.out.say("no entries");
    }
    ids.iter().try_for_each(|id| context.out.line(id))
}
