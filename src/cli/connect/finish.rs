//! What follows the change of a gateway's files: it takes notice, old copies go, and what is left in plaintext is named.

use super::super::Error;
use super::super::context::Context;
use super::super::environment::absolute;
use super::guard::{port, unchanged};
use super::{Findings, Way, show};
use crate::formats::openclaw_config;
use crate::gateway::{self, At, Content, Inventory, Part};
use crate::model::{Renames, SecretId, Vault};
use crate::ops::connect::{self, Connection, Left, Plan, Reload, Request, Search};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One connect, planned.
pub struct Step<'s> {
    /// What is connected.
    pub way: &'s Way,
    /// What the plan was made for.
    pub request: &'s Request<'s>,
    /// The plan.
    pub plan: &'s Plan,
    /// Where sealed copies go.
    pub kept: &'s Path,
}

/// Remembers the connection, before anything of the gateway is changed.
pub fn remember(
    context: &Context,
    vault: &Vault<'_>,
    step: &Step<'_>,
    held: &Inventory,
    sealed: Vec<(PathBuf, PathBuf)>,
) -> Result<(), Error> {
    let Step { way, request, plan, .. } = step;
    let (root, id) = (context.local.root(), &vault.vault_id);
    // What is known already stays known, should this be interrupted.
    let before = Connection::load(root, id)?.unwrap_or_default();
    let mut connection = before.renewed(request.state_dir.to_owned(), way.version.to_string());
    connection.program = way.settings.openclaw.as_deref().map(absolute).transpose()?;
    connection.refs = plan.refs.clone();
    connection.keep = request.keep;
    let taken = plan.dotenv.iter().chain(plan.set_in_config.keys());
    taken.for_each(|name| _ = connection.renamed.remove(&format!("env/{name}")));
    connection.dotenv.extend(plan.dotenv.iter().cloned());
    connection.set_in_config.extend(plan.set_in_config.clone());
    connection.note_originals(sealed);
    let variables = held.items.iter().filter(|item| item.used && item.part == Part::Variable);
    let names =
        variables.filter_map(|item| if let Some(SecretId::Env(name)) = &item.id { Some(name.as_str()) } else { None });
    connection.stayed = names.filter(|name| !plan.dotenv.contains(*name)).map(str::to_owned).collect();
    for item in held.items.iter().filter(|item| item.used) {
        let (At::Member(at), Content::Variable(name)) = (&item.place.at, &item.content) else { continue };
        let document = held.config.iter().flat_map(|config| &config.documents).find(|one| one.path == item.place.file);
        let named = document.and_then(|document| openclaw_config::at(document.tree(), at)).map(name_alone);
        let place = item.id.as_ref().filter(|_| plan.refs.contains(&format!("env/{name}")));
        connection.named.extend(place.map(ToString::to_string).zip(named));
    }
    if !plan.views {
        connection.views.clear();
    }
    Ok(connection.save(root, id)?)
}

/// Records which entries of `vault` the gateway's references lead to, including entries that were renamed.
pub fn settled(context: &Context, vault: &Vault<'_>) -> Result<(), Error> {
    let root = context.local.root();
    let Some(mut connection) = Connection::load(root, &vault.vault_id)? else { return Ok(()) };
    connection.settle(vault);
    Ok(connection.save(root, &vault.vault_id)?)
}

/// What names a variable, without anything else that stands beside it.
fn name_alone(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let is_name = |name: &String| ["source", "provider", "id"].contains(&name.as_str());
    members.iter().filter(|(name, _)| is_name(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The gateway takes notice, its old copies go, and what is left is looked for.
pub fn finish(context: &Context, vault: &Vault<'_>, step: &Step<'_>) -> Result<Findings, Error> {
    let Step { way, request, plan, kept } = *step;
    let (settings, program) = (&way.settings, way.program()?);
    // Also when no reference changed: a value behind one may have.
    let reload = connect::reload(program, port(settings, way.version)?, Some(vault))?;
    // A gateway that runs may have written its own copy of a store back before it took notice.
    let mut now = way.held()?;
    // `--on-conflict keep` was not said of what it has written since then.
    // What was applied already refers to entries by their current names.
    let strict = Request { yields: false, renames: &Renames::default(), ..*request };
    let again = connect::plan(vault, &now, &strict)?;
    unchanged(&again)?;
    if !again.is_empty() {
        let edits = connect::edits(&again, &now)?;
        let sealed = connect::seal_originals(&edits, &again, &now, vault, kept)?;
        remember(context, vault, &Step { plan: &again, ..*step }, &now, sealed)?;
        connect::apply(&again, &edits, program)?;
        now = way.held()?;
    }
    let (root, id) = (context.local.root(), &vault.vault_id);
    let (own, home) = (gateway::own_stores(settings)?, settings.home.as_deref());
    let elsewhere = home.map(|home| elsewhere(home, request.state_dir)).unwrap_or_default();
    let search = Search {
        vault,
        root: request.state_dir,
        own: &own,
        elsewhere: &elsewhere,
        held: &now,
        // What was changed last says whether stores hold old rows.
        plan: if again.stores.is_empty() { plan } else { &again },
        keep: request.keep,
    };
    let mut cleaned = connect::clean(&search, kept, program)?;
    // What is there now is there, whatever was planned for it.
    let done = Plan { roads: again.roads.clone(), ..Plan::default() };
    let mut left = connect::plaintext(&now, way.version, request.keep, &done);
    // What an item names needs no second word.
    let named: BTreeSet<(PathBuf, String)> =
        left.iter().flat_map(|left| left.ids.iter().map(|id| (left.file.clone(), id.clone()))).collect();
    cleaned.left.retain(|one| !one.ids.iter().any(|id| named.contains(&(one.file.clone(), id.clone()))));
    left.append(&mut cleaned.left);
    left.sort();
    // What the inventory could not read, the search could not either.
    left.dedup();
    if let Some(mut connection) = Connection::load(root, id)? {
        connection.note_orders(&now);
        connection.left = left.iter().map(|left| connect::place_of(&left.file, left.at.as_ref())).collect();
        connection.save(root, id)?;
    }
    show::rest(context.out, request, &again, &show::Rest { cleaned: &cleaned, left: &left, reload: &reload, plan })?;
    let left = left.iter().filter(|left: &&Left| !left.why.is_kept()).count();
    Ok(Findings { left, planned: false, stale: matches!(reload, Reload::Refused { .. }) })
}

/// Files outside the state directory that gateways of this user leave secrets in.
fn elsewhere(home: &Path, state_dir: &Path) -> Vec<PathBuf> {
    let former = gateway::former_state_dirs(home).into_iter().filter(|dir| dir != state_dir);
    gateway::service_files(home).found.into_iter().chain(former).collect()
}
