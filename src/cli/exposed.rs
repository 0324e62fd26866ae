//! `recipients exposed`: what removed keys could read and nobody has rotated yet.

use super::context::Context;
use super::show::id;
use super::{Error, words};
use crate::model::{self, Change, Op, SecretId};
use crate::store::{Checklist, Removed};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The word for every entry on the list.
const ALL: &str = "all";

/// Lists it, or takes entries off the list.
pub fn run(context: &mut Context, label: Option<&str>, waive: &[String]) -> Result<(), Error> {
    let all = waive == [ALL];
    let waive: Vec<SecretId> = waive.iter().filter(|_| !all).map(|text| id(text)).collect::<Result<_, _>>()?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let mut list = Checklist::of(&checked.vault)?;
    let named = |one: &Removed| label.is_none_or(|label| label == one.label);
    if label.is_some() && !list.open().any(|(one, _)| named(one)) {
        return Err(model::Error::NoEntry(label.unwrap_or_default().to_owned()).into());
    }
    let open = |list: &Checklist| -> BTreeSet<SecretId> {
        list.open().filter(|(one, _)| named(one)).flat_map(|(_, ids)| ids.into_iter().cloned()).collect()
    };
    let waive: Vec<SecretId> = if all { open(&list).into_iter().collect() } else { waive };
    if all && waive.is_empty() {
        context.out.say("nothing to waive");
        return Ok(());
    }
    if !waive.is_empty() {
        let mut waived = BTreeSet::new();
        for id in &waive {
            // Others of the same value may have gone with one before.
            if !waived.contains(id) {
                waived.extend(list.waive(label, id)?.cloned());
            }
        }
        context.save(&opened, checked, Change::of(Op::Checklist(list.to_raw()?)))?;
        waived.iter().for_each(|id| context.out.say(&format!("waived {id}")));
        return Ok(());
    }
    let removals = list.open().filter(|(one, _)| named(one));
    if context.out.json {
        let one = |(one, open): (&Removed, Vec<&SecretId>)| {
            let open: Vec<String> = open.iter().map(ToString::to_string).collect();
            json!({
                "label": one.label, "kind": one.kind.word(), "removed": one.removed, "open": open,
                "waived": one.waived, "total": one.total(),
            })
        };
        return context.out.json(&json!({"version": 1, "exposed": removals.map(one).collect::<Vec<Value>>()}));
    }
    for (one, open) in removals {
        let time = words::time(i64::try_from(one.removed).unwrap_or_default());
        let left = format!("{} of {} left to rotate", open.len(), words::count(one.total(), "secret", "secrets"));
        context.out.line(&format!("{} ({}), removed {time}: {left}", one.label, one.kind.word()))?;
        open.iter().try_for_each(|id| context.out.line(&format!("  {id}")))?;
    }
    Ok(())
}
