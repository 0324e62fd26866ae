//! `connect`: from a gateway with plaintext to one with references, and back.

use super::args::{Connect, OnConflict};
use super::context::{Context, Opened};
use super::environment::{runtime_dir, xdg};
use super::{Error, import, words};
use crate::gateway::{self, Found, Program, Settings};
use crate::model::{Scope, Vault};
use crate::ops::capture::{self, Removals};
use crate::ops::connect::{self, Applied, Audit, Connection, Entry, Held, Keep, Plan, Reload, Request, Road};
use crate::ops::exported::Unchanged;
use crate::store::{self, Checked};
use serde_json::json;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a view that is half written is waited for.
const SETTLE: Duration = Duration::from_secs(2);

/// Wires the gateway to the vault, or undoes that.
pub fn run(context: &mut Context, args: &Connect) -> Result<(), Error> {
    let settings = context.settings();
    let state_dir = gateway::resolve(&settings)?;
    gateway::check_owner(&state_dir)?;
    let program = Program::find(&settings)?;
    let opened = context.open()?;
    if args.undo {
        return undo(context, &opened, &settings, &program);
    }
    let key = context.unattended_key()?;
    let opened = if args.dry_run { opened } else { capture(context, opened)? };
    let on = import::on_conflict(args.on_conflict.unwrap_or(OnConflict::Fail));
    let before = held(&settings, &program)?;
    let (root, era) = (context.local.root().to_owned(), program.installed().version.era());
    let known = |vault: &Vault<'_>| {
        let connection = Connection::load(&root, &vault.vault_id)?.unwrap_or_default();
        Ok(Unchanged { own_oauth: era.has_stores(), ..connection.compare_orders(vault, &before) })
    };
    let change = import::take(context, &opened, &found(&settings)?, on, &known, args.dry_run)?;
    // Nothing is removed that is not in the file.
    let opened = again(opened)?;
    let mut checked = context.check(&opened)?;
    change.apply(&mut checked.vault, store::now())?;
    let held = held(&settings, &program)?;
    let entry = entry(context, &checked, &key)?;
    let request = Request {
        state_dir: &state_dir,
        version: program.installed().version,
        entry: &entry,
        keep: Keep { gateway_token: args.keep_gateway_token, dotenv: args.keep_env },
        memory: views_dir().is_some(),
        linked: connect::has_links(&state_dir, &gateway::agent_ids(&settings)?),
        restore_oauth: args.restore_oauth,
    };
    let plan = connect::plan(&checked.vault, &held, &request)?;
    if args.dry_run {
        return show_plan(context, &plan, args.plan);
    }
    install(context, &entry)?;
    prove(context, &entry, &plan.refs)?;
    if !plan.is_empty() {
        let dir = opened.place.path().with_file_name("backups");
        let backup = store::backup_create(&opened.seen, &checked, &dir)?;
        context.out.say(&format!("backed up to {}", backup.path.display()));
    }
    remember(context, &checked.vault, &state_dir, &program, &plan)?;
    let applied = connect::apply(&plan, &held, &program)?;
    put_views(context, &checked.vault, &settings, &request, &plan)?;
    tell(context, &plan, applied);
    finish(context, &checked.vault, &settings, &program, &request, &plan)
}

fn found(settings: &Settings) -> Result<Vec<Found>, Error> {
    match gateway::find(&gateway::resolve(settings)?, settings) {
        Err(gateway::Error::Empty(_)) => Ok(Vec::new()),
        other => Ok(other?),
    }
}

fn held(settings: &Settings, program: &Program) -> Result<Held, Error> {
    Ok(Held::of(found(settings)?, program.installed().version.era())?)
}

/// Where views go, if there is such a place in memory.
fn views_dir() -> Option<PathBuf> {
    let dir = runtime_dir().ok()?;
    let there = dir.ancestors().find(|dir| dir.exists())?;
    crate::fsio::in_memory(there).ok()?.then(|| dir.join("openclaw"))
}

fn put_views(
    context: &Context,
    vault: &Vault<'_>,
    settings: &Settings,
    request: &Request<'_>,
    plan: &Plan,
) -> Result<(), Error> {
    let Some(dir) = views_dir().filter(|_| plan.views) else { return Ok(()) };
    let agents = gateway::agent_ids(settings)?;
    let place = place(context, &dir, request.state_dir, &agents);
    let report = connect::put_views(vault, request.version.era(), place)?;
    report.linked.iter().for_each(|path| context.out.say(&format!("linked {}", path.display())));
    context.out.say("note: views in memory are gone after a boot; agevault export --refs --link makes them again before the gateway starts, agevault capture --watch takes back what it renews: agevault connect --print-unit");
    Ok(())
}

fn place<'p>(
    context: &'p Context,
    dir: &'p Path,
    state_dir: &'p Path,
    agents: &'p BTreeSet<Scope>,
) -> connect::Place<'p> {
    connect::Place { dir, state_dir, agents, local: context.local.root(), patience: context.patience() }
}

/// What the gateway renewed in views, before anything is compared.
fn capture(context: &Context, opened: Opened) -> Result<Opened, Error> {
    let checked = context.check(&opened)?;
    let request = capture::Request { dir: None, removals: Removals::Name, settle: SETTLE };
    let report = capture::capture(&context.edit(&opened), checked, &request)?;
    for name in report.taken.iter().chain(&report.added) {
        context.out.say(&format!("took {} from a view", words::plain(name)));
    }
    if report.conflicts.is_empty() { again(opened) } else { Err(Error::CaptureConflict(report.conflicts)) }
}

/// The vault as it was saved meanwhile, with the key at hand.
fn again(opened: Opened) -> Result<Opened, Error> {
    let seen = opened.seen.reopen(opened.place.read()?)?;
    Ok(Opened { place: opened.place, seen })
}

/// How the gateway calls the resolver: every path absolute, the fingerprint written down.
fn entry(context: &Context, checked: &Checked<'_>, key: &[String]) -> Result<Entry, Error> {
    let dir = bin_dir()?;
    let dir = dir.canonicalize().unwrap_or(dir);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut args = vec!["--vault".to_owned(), text(context.vault_path())];
    args.extend(["--local-state".to_owned(), text(context.local.root())]);
    args.extend(key.iter().cloned());
    args.extend(["--pin".to_owned(), checked.pin.to_string(), "resolve".to_owned()]);
    Ok(Entry { command: dir.join("agevault"), args })
}

fn bin_dir() -> Result<PathBuf, Error> {
    Ok(xdg("XDG_DATA_HOME", ".local/share")?.join("agevault/bin"))
}

fn install(context: &Context, entry: &Entry) -> Result<(), Error> {
    let program =
        std::env::current_exe().map_err(|error| crate::fsio::Error::io("find", Path::new("agevault"), error))?;
    if program != entry.command {
        let (path, new) = connect::install(&program, &bin_dir()?)?;
        if new {
            context.out.say(&format!("installed {}", path.display()));
        }
    }
    Ok(())
}

/// Asks the resolver as the gateway will, before anything depends on it.
fn prove(context: &Context, entry: &Entry, ids: &BTreeSet<String>) -> Result<(), Error> {
    let answered = connect::prove(entry, ids, &resolver_env())?;
    if !answered.missing.is_empty() {
        return Err(connect::Error::Unresolved(answered.missing).into());
    }
    let (count, took) = (words::count(ids.len(), "reference", "references"), answered.took.as_millis());
    context.out.say(&format!("the resolver answers for {count} in {took} ms"));
    Ok(())
}

/// What of the environment the gateway passes on.
fn resolver_env() -> Vec<(String, OsString)> {
    let pass = |name: &str| std::env::var_os(name).map(|value| (name.to_owned(), value));
    let own = ("OPENCLAW_CLI".to_owned(), OsString::from("1"));
    connect::PASS_ENV.into_iter().filter_map(pass).chain([own]).collect()
}

fn remember(context: &Context, vault: &Vault<'_>, dir: &Path, program: &Program, plan: &Plan) -> Result<(), Error> {
    let (root, id) = (context.local.root(), &vault.vault_id);
    let version = program.installed().version.to_string();
    let mut connection = Connection::load(root, id)?.unwrap_or_default();
    let before = std::mem::replace(&mut connection, Connection::new(dir.to_owned(), version));
    connection.refs = plan.refs.clone();
    connection.dropped = before.dropped.union(&plan.dropped).cloned().collect();
    connection.dotenv = before.dotenv.union(&plan.dotenv).cloned().collect();
    Ok(connection.save(root, id)?)
}

/// The gateway takes notice, its old copies go, its own audit has the last word.
fn finish(
    context: &Context,
    vault: &Vault<'_>,
    settings: &Settings,
    program: &Program,
    request: &Request<'_>,
    plan: &Plan,
) -> Result<(), Error> {
    let out = context.out;
    // Also when no reference changed: a value behind one may have.
    let reload = connect::reload(program)?;
    // A gateway that runs may have written its own copy of a store back before it took notice.
    let mut now = held(settings, program)?;
    let again = connect::plan(vault, &now, request)?;
    if !again.is_empty() {
        connect::apply(&again, &now, program)?;
        now = held(settings, program)?;
    }
    let (root, id) = (context.local.root(), &vault.vault_id);
    if let Some(mut connection) = Connection::load(root, id)? {
        connection.note_orders(&now);
        connection.save(root, id)?;
    }
    let left = now.plaintext()?;
    if !left.is_empty() {
        return Err(connect::Error::PutBack(left).into());
    }
    let (removed, left) = connect::clean(vault, request.state_dir, &gateway::own_stores(settings)?, program)?;
    removed.iter().for_each(|path| out.say(&format!("removed {}, an old copy with secrets", path.display())));
    left.iter().for_each(|path| out.warn(&format!("note: a secret still stands in {}", path.display())));
    let Audit { code, findings, oauth } = connect::audit(program)?;
    if out.json {
        let roads = plan.roads.iter().map(|(id, road)| (id.clone(), json!(words::road_token(*road))));
        out.json(&json!({
            "version": 1, "gateway": request.version.to_string(), "added": plan.added, "removed": plan.removed,
            "roads": roads.collect::<serde_json::Map<_, _>>(), "residue": left, "audit": code,
        }))?;
    } else {
        show_roads(context, plan);
        match reload {
            Reload::Done => {}
            Reload::Degraded => {
                out.warn("note: the gateway has reloaded and misses a secret: agevault resolve --check")
            }
            Reload::Unreached => out.warn("note: no running gateway was reached; start it, or restart it if it runs"),
        }
    }
    if findings > 0 || (code != Some(0) && oauth == 0) {
        return Err(Error::Audit(findings));
    }
    match oauth {
        0 => out.say("the gateway's audit is clean"),
        _ => out.say(&format!(
            "the gateway's audit names {}, which takes no references, and nothing else",
            words::count(oauth, "OAuth profile", "OAuth profiles")
        )),
    }
    Ok(())
}

fn tell(context: &Context, plan: &Plan, applied: Applied) {
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
fn show_roads(context: &Context, plan: &Plan) {
    for (id, road) in &plan.roads {
        if !matches!(road, Road::Store | Road::Config) {
            context.out.say(&format!("{}: {}", words::plain(id), words::road(*road)));
        }
    }
}

fn show_plan(context: &Context, plan: &Plan, whole: bool) -> Result<(), Error> {
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

fn undo(context: &Context, opened: &Opened, settings: &Settings, program: &Program) -> Result<(), Error> {
    let checked = context.check(opened)?;
    let (root, id) = (context.local.root(), &checked.vault.vault_id);
    let connection = Connection::load(root, id)?;
    context.terminal.confirm("this writes the secrets in plaintext into the gateway's own files; go on?")?;
    if let Some(dir) = views_dir() {
        let (state_dir, agents) = (gateway::resolve(settings)?, gateway::agent_ids(settings)?);
        connect::take_views_back(&checked.vault, place(context, &dir, &state_dir, &agents))?;
    }
    let applied = connect::undo(&checked.vault, &held(settings, program)?, program, connection.as_ref())?;
    if connection.is_some() {
        Connection::forget(root, id)?;
    }
    let stores = words::count(applied.stores, "store", "stores");
    context.out.say(&format!("the gateway has its secrets itself again: {stores} changed"));
    if connect::reload(program)? == Reload::Unreached {
        context.out.warn("note: no running gateway was reached; start it, or restart it if it runs");
    }
    Ok(())
}
