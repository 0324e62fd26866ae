//! `diff`: how two states of the vault differ, by name, type and member. Values are never shown.

use super::args::Diff;
use super::context::Context;
use super::{Error, Usage, state};
use crate::model::{self, Credential, Recipient, SecretId, Subject, Vault};
use crate::ops::join::differing;
use crate::store;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Compares two states. The first defaults to the newest kept state that a save replaced, the second to the vault.
///
/// # Errors
/// As [`state::open`].
pub fn run(context: &mut Context, args: &Diff) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let kept: BTreeSet<String> = store::history(&opened.place)?.iter().map(store::Snapshot::state).collect();
    let before =
        || model::saves(&checked.vault).into_iter().rev().map(|save| save.from).find(|from| kept.contains(from));
    let from = match &args.from {
        Some(from) => from.clone(),
        None => before().ok_or(Usage::NothingBefore)?,
    };
    let vault_id = checked.vault.vault_id.clone();
    let from = state::open(context, &opened, &vault_id, &from)?;
    let to = args.to.as_ref().map(|to| state::open(context, &opened, &vault_id, to)).transpose()?;
    let from = state::look(context, &opened, &from)?;
    let to = to.as_ref().map(|to| state::look(context, &opened, to)).transpose()?;
    let lines = compare(&from.vault, to.as_ref().map_or(&checked.vault, |to| &to.vault));
    if context.out.json {
        let one = |line: &Line| json!({"verb": line.verb, "name": line.name, "type": line.kind, "fields": line.fields});
        return context.out.json(&json!({"version": 1, "changes": lines.iter().map(one).collect::<Vec<Value>>()}));
    }
    if lines.is_empty() {
        context.out.say("no difference");
    }
    lines.iter().try_for_each(|line| context.out.line(&line.text()))
}

struct Line {
    verb: &'static str,
    name: String,
    kind: Option<String>,
    fields: Vec<String>,
}

impl Line {
    fn text(&self) -> String {
        let kind = self.kind.as_ref().map_or_else(String::new, |kind| format!(" ({kind})"));
        let fields = if self.fields.is_empty() { String::new() } else { format!(": {}", self.fields.join(", ")) };
        format!("{} {}{kind}{fields}", self.verb, self.name)
    }
}

fn compare(from: &Vault<'_>, to: &Vault<'_>) -> Vec<Line> {
    let difference = from.contents().difference(to.contents());
    let kind = |vault: &Vault<'_>, id: &SecretId| {
        let SecretId::Auth(_, profile) = id else { return None };
        let credential = Credential::parse(profile, vault.get(id)?).ok()?;
        Some(credential.kind()?.word().to_owned())
    };
    let line = |verb, vault: &Vault<'_>, id: &SecretId| {
        // Other entries have a single value, and no members to name.
        let is_auth = matches!(id, SecretId::Auth(..));
        let fields = if is_auth { differing(id, from.get(id), to.get(id)) } else { Vec::new() };
        Line { verb, name: id.to_string(), kind: kind(vault, id), fields }
    };
    let mut lines: Vec<Line> = difference.added.iter().map(|id| line("added", to, id)).collect();
    lines.extend(difference.changed.iter().map(|id| line("changed", to, id)));
    lines.extend(difference.removed.iter().map(|id| line("removed", from, id)));
    let plain = |verb, name: String| Line { verb, name, kind: None, fields: Vec::new() };
    let orders = difference.orders.into_iter();
    lines.extend(orders.map(|(scope, provider)| plain("ordered", Subject::Order(scope, provider).to_string())));
    let lacks = |of: &Vault<'_>, one: &Recipient| !of.recipients.iter().any(|have| have.public == one.public);
    let recipients = |of: &Vault<'_>, than: &Vault<'_>| -> Vec<String> {
        of.recipients
            .iter()
            .filter(|one| lacks(than, one))
            .map(|one| format!("recipient {}", one.label.as_str()))
            .collect()
    };
    lines.extend(recipients(to, from).into_iter().map(|name| plain("added", name)));
    lines.extend(recipients(from, to).into_iter().map(|name| plain("removed", name)));
    lines
}
