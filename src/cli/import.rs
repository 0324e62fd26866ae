//! `import`: a gateway's credentials into the vault.

use super::args::{Import, InputFormat, OnConflict};
use super::context::{Context, Opened, agent};
use super::handover::Handover;
use super::{Error, Usage, memory, words};
use crate::formats;
use crate::fsio;
use crate::gateway::{self, Files, Found, Inventory, Settings, Shape, Unread};
use crate::model::{Change, Scope, Vault};
use crate::ops::connect::Connection;
use crate::ops::exported::{self, Unchanged};
use crate::ops::import::{self, Moves, Plan, Terms};
use crate::ops::intake::{Presence, Refused};
use crate::store::Checked;
use crate::views::Carry;
use serde_json::json;
use std::path::PathBuf;

/// Reads, plans, shows names, saves.
pub fn run(context: &mut Context, args: &Import) -> Result<(), Error> {
    let only = args.agent.as_deref().map(agent).transpose()?;
    let mut inventories = gather(context, args, only.as_ref())?;
    // Where nothing could be read there is nothing to go on with.
    let has_any = |inventory: &Inventory| !(inventory.files.is_empty() && inventory.config.is_none());
    if !inventories.iter().any(has_any)
        && let Some(first) = inventories.iter_mut().find_map(|inventory| inventory.unread.pop())
    {
        return Err(Error::Unreadable(Box::new(first)));
    }
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    // What is found without being named is the gateway's, and must not become another one's.
    if args.paths.is_empty() && args.format.is_none() {
        super::connect::bound(context, &checked.vault, &gateway::resolve(&context.settings())?)?;
    }
    let on = on_conflict(args.on_conflict);
    let connection = Connection::load(context.local.root(), &checked.vault.vault_id)?.unwrap_or_default();
    let mut exported = Unchanged { renames: connection.renames(&checked.vault), ..Unchanged::default() };
    let mut dirs: Vec<PathBuf> = args.paths.iter().filter(|path| path.is_dir()).cloned().collect();
    if args.paths.is_empty() && args.format.is_none() {
        dirs.push(gateway::resolve(&context.settings())?);
    }
    for dir in &dirs {
        let (local, patience) = (context.local.root(), context.patience());
        for inventory in &inventories {
            exported::unchanged(&checked.vault, local, dir, &inventory.files, patience, &mut exported)?;
        }
    }
    let terms = Terms { only: only.as_ref(), on, presence: Presence::Attended, powerful: true };
    let mut plan = import::plan(&checked.vault, &inventories, terms, &exported)?;
    plan.leave_waiting();
    let mut handover = Handover::default();
    if !args.dry_run {
        handover.note(context, &checked.vault, &plan.change, false);
        save(context, &opened, checked, &mut plan)?;
        if !plan.replaced.is_empty() {
            memory::settle(context, opened)?;
        }
    }
    // Told only now: what could not be saved was not imported.
    show(context, args.dry_run, &plan)?;
    handover.tell(context);
    left_out(context, inventories)
}

/// Names what could not be read while the rest was taken.
///
/// # Errors
/// [`Error::Unread`], with the first reason.
pub fn left_out(context: &Context, inventories: impl IntoIterator<Item = Inventory>) -> Result<(), Error> {
    let unread: Vec<Unread> = inventories.into_iter().flat_map(|inventory| inventory.unread).collect();
    unread.iter().for_each(|one| context.out.warn(&format!("not read: {}", words::unread(one).what)));
    let count = unread.len();
    unread.into_iter().next().map_or(Ok(()), |first| Err(Error::Unread(count, Box::new(first))))
}

/// The choice for entries that the vault has with another value.
pub fn on_conflict(typed: OnConflict) -> import::OnConflict {
    match typed {
        OnConflict::Fail => import::OnConflict::Fail,
        OnConflict::Keep => import::OnConflict::Keep,
        OnConflict::Replace => import::OnConflict::Replace,
    }
}

/// A gateway that is connected keeps variables that rule its own process: its `.env` stays where it is.
fn typed(on: import::OnConflict) -> Terms<'static> {
    Terms { only: None, on, presence: Presence::Attended, powerful: false }
}

/// Finds the gateway's values that are not new, given the vault that they are compared with.
pub type Known<'k> = dyn Fn(&Vault<'_>) -> Result<Unchanged, Error> + 'k;

/// Imports from a gateway that is being connected: saves what is new and shows it. Returns the moves of references that
/// have to come before the rest can be imported.
pub fn take(
    context: &Context,
    opened: &Opened,
    inventory: &Inventory,
    on: import::OnConflict,
    known: &Known<'_>,
) -> Result<Moves, Error> {
    let checked = context.check(opened)?;
    let known = known(&checked.vault)?;
    let mut plan = import::plan(&checked.vault, std::slice::from_ref(inventory), typed(on), &known)?;
    if !plan.change.is_empty() {
        save(context, opened, checked, &mut plan)?;
        // With `--json` the only document is the caller's.
        if !context.out.json {
            show(context, false, &plan)?;
        }
    }
    Ok(plan.moves)
}

/// What that would change: told if `tell`, and given back.
pub fn preview(
    context: &Context,
    vault: &Vault<'_>,
    inventory: &Inventory,
    on: import::OnConflict,
    known: &Known<'_>,
    tell: bool,
) -> Result<(Change, Moves), Error> {
    let plan = import::plan(vault, std::slice::from_ref(inventory), typed(on), &known(vault)?)?;
    if tell && !((plan.change.is_empty() && plan.moves.later.is_empty()) || context.out.json) {
        show(context, true, &plan)?;
    }
    Ok((plan.change, plan.moves))
}

fn save(context: &Context, opened: &Opened, checked: Checked<'_>, plan: &mut Plan) -> Result<(), Error> {
    let (carried, change) = (std::mem::take(&mut plan.carried), std::mem::take(&mut plan.change));
    let vault_id = checked.vault.vault_id.clone();
    if !change.is_empty() {
        context.save(opened, checked, change)?;
    }
    if !carried.is_empty() {
        let mut carry = Carry::load(context.local.root(), &vault_id)?;
        carried.into_iter().for_each(|(scope, state)| carry.keep(&scope, state));
        carry.save()?;
    }
    Ok(())
}

fn gather(context: &Context, args: &Import, only: Option<&Scope>) -> Result<Vec<Inventory>, Error> {
    let stdin = args.paths.iter().any(|path| path.as_os_str() == "-");
    if stdin != args.format.is_some() || (stdin && args.paths.len() > 1) {
        return Err(Usage::StdinFormat.into());
    }
    if let Some(format) = args.format {
        if context.takes_key_from_stdin() {
            return Err(Usage::StdinTwice.into());
        }
        let shape = match format {
            InputFormat::AuthProfiles => Shape::AuthProfiles(only.cloned().unwrap_or_else(Scope::main)),
            InputFormat::Dotenv => Shape::Dotenv,
        };
        let found = Found { shape, path: "standard input".into(), bytes: fsio::read_stdin(formats::MAX_INPUT)? };
        return Ok(vec![Inventory::of(Files { found: vec![found], ..Files::default() }, None)]);
    }
    let settings = context.settings();
    // Of a whole directory, --agent takes what belongs to that agent; files that are named are meant.
    let whole = |settings: &Settings| {
        let mut inventory = Inventory::read(settings, None)?;
        if inventory.is_empty() {
            return Err(gateway::Error::Empty(gateway::resolve(settings)?));
        }
        inventory.items.retain(|item| only.is_none() || item.owner.is_some());
        Ok(inventory)
    };
    if args.paths.is_empty() {
        return Ok(vec![whole(&settings)?]);
    }
    let mut inventories = Vec::new();
    for path in &args.paths {
        inventories.push(if path.is_dir() {
            // A directory that is named is the whole of it: nothing of the environment's but what `~` means.
            whole(&Settings { option: Some(path.clone()), home: settings.home.clone(), ..Settings::default() })?
        } else {
            Inventory::of(Files::open(path, only, &settings)?, None)
        });
    }
    Ok(inventories)
}

fn show(context: &Context, dry_run: bool, plan: &Plan) -> Result<(), Error> {
    let mut notes: Vec<(String, String)> =
        plan.notes.iter().map(|note| (words::noted(note), words::note(note.what).to_owned())).collect();
    let refused = |(name, why): &(String, Refused)| (words::plain(name), format!("left out, {}", words::refused(*why)));
    notes.extend(plan.refused.iter().map(refused));
    let powerful = |id: &String| (words::plain(id), words::powerful(id.trim_start_matches("env/")));
    notes.extend(plan.powerful.iter().map(powerful));
    if context.out.json {
        let notes: Vec<serde_json::Value> =
            notes.iter().map(|(name, what)| json!({"name": name, "note": what})).collect();
        return context.out.json(&json!({
            "version": 1, "done": !dry_run, "renamed": plan.renamed, "added": plan.added, "replaced": plan.replaced,
            "kept": plan.kept, "unchanged": plan.same, "notes": notes,
        }));
    }
    let would = if dry_run { "would be " } else { "" };
    for (from, to) in &plan.renamed {
        context.out.say(&format!("{would}renamed {} to {}, as the gateway did", words::plain(from), words::plain(to)));
    }
    for (verb, names) in [("added", &plan.added), ("replaced", &plan.replaced), ("kept", &plan.kept)] {
        names.iter().for_each(|name| context.out.say(&format!("{would}{verb} {}", words::plain(name))));
    }
    for (name, what) in &notes {
        context.out.say(&format!("note: {name}: {what}"));
    }
    let count = plan.added.len() + plan.replaced.len();
    context.out.say(&format!("{count} {would}imported, {} unchanged, {} kept", plan.same, plan.kept.len()));
    Ok(())
}
