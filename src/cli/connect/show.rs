//! What `connect` has done, or would do, by name.

use super::super::context::Context;
use super::super::{Error, words};
use crate::ops::connect::{Applied, Plan, Road};
use serde_json::json;

/// A gateway that runs with another token than the configuration has cannot be told from none.
pub const UNREACHED: &str =
    "note: no running gateway took notice; start it, or restart it if it runs: until then it has what it had";

/// Tells what was done.
pub fn tell(context: &Context, plan: &Plan, applied: Applied) {
    let out = context.out;
    plan.added.iter().for_each(|id| out.say(&format!("referred {}", words::plain(id))));
    plan.removed.iter().for_each(|id| out.say(&format!("removed the reference to {}", words::plain(id))));
    if applied.dotenv > 0 {
        out.say(&format!("took {} out of the .env", words::count(applied.dotenv, "entry", "entries")));
    }
    if plan.is_empty() {
        out.say("nothing is to be changed");
    }
}

/// Where a secret does not go by itself is said each time.
pub fn roads(context: &Context, plan: &Plan) {
    for (id, road) in &plan.roads {
        if !matches!(road, Road::Store | Road::Config) {
            context.out.say(&format!("{}: {}", words::plain(id), words::road(*road)));
        }
    }
}

/// Shows what would be done, with every road if `whole`.
pub fn plan(context: &Context, plan: &Plan, whole: bool) -> Result<(), Error> {
    let out = context.out;
    if out.json {
        let roads = plan.roads.iter().map(|(id, road)| (id.clone(), json!(words::road_token(*road))));
        return out.json(&json!({
            "version": 1, "done": false, "added": plan.added, "removed": plan.removed, "dotenv": plan.dotenv,
            "roads": roads.collect::<serde_json::Map<_, _>>(),
        }));
    }
    for id in &plan.added {
        out.line(&format!("would refer {id}"))?;
    }
    for id in &plan.removed {
        out.line(&format!("would remove the reference to {id}"))?;
    }
    for name in &plan.dotenv {
        out.line(&format!("would take {name} out of the .env"))?;
    }
    for (id, road) in plan.roads.iter().filter(|_| whole) {
        out.line(&format!("{id}: {}", words::road(*road)))?;
    }
    if plan.is_empty() { out.line("nothing would be changed") } else { Ok(()) }
}
