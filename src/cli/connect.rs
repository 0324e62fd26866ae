//! `connect`: from a gateway with plaintext to one with references, and back.

use super::args::{Connect, OnConflict, PrintUnit};
use super::context::{Context, Opened};
use super::resolver::{entry, install, prove};
use super::{Error, import, memory, units, words};
use crate::gateway::{self, Era, Found, Program, Settings};
use crate::model::{Change, Op, SecretId, Vault};
use crate::ops::connect::{self, Applied, Audit, Cleaned, Connection, Held, Keep, Plan, Reload, Request, Road};
use crate::ops::exported::Unchanged;
use crate::store;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A gateway that runs with another token than the configuration has cannot be told from none.
const UNREACHED: &str =
    "note: no running gateway took notice; start it, or restart it if it runs: until then it has what it had";

/// Wires the gateway to the vault, or undoes that.
pub fn run(context: &mut Context, args: &Connect) -> Result<(), Error> {
    if let Some(which) = args.print_unit {
        return print_unit(context, which);
    }
    let way = Way::find(context, args.clone())?;
    let opened = context.open()?;
    if args.undo {
        let opened = memory::capture(context, opened)?;
        return undo(context, &opened, &way);
    }
    way.connect(context, opened, &[])?.outcome()
}

/// What a gateway is connected with: everything but the vault.
pub struct Way {
    options: Connect,
    /// After another command: what was chosen when the gateway was connected holds.
    again: bool,
    settings: Settings,
    state_dir: PathBuf,
    program: Program,
}

/// A gateway that was connected.
pub struct Done {
    /// The vault as it is now.
    pub opened: Opened,
    /// What the gateway's own audit still finds.
    pub findings: Option<usize>,
}

impl Done {
    /// Whether all is well.
    ///
    /// # Errors
    /// [`Error::Audit`].
    pub fn outcome(self) -> Result<(), Error> {
        self.findings.map_or(Ok(()), |findings| Err(Error::Audit(findings)))
    }
}

impl Way {
    /// Finds the gateway and its program.
    ///
    /// # Errors
    /// No gateway, or one of another user.
    pub fn find(context: &Context, options: Connect) -> Result<Self, Error> {
        let settings = context.settings();
        let state_dir = gateway::resolve(&settings)?;
        gateway::check_owner(&state_dir)?;
        let program = Program::find(&settings)?;
        Ok(Self { options, again: false, settings, state_dir, program })
    }

    /// The same for a command that changes the vault, with what was chosen when the gateway was connected.
    ///
    /// # Errors
    /// As [`Way::find`].
    pub fn again(context: &Context) -> Result<Self, Error> {
        Ok(Self { again: true, ..Self::find(context, Connect::default())? })
    }

    /// Gives the gateway references to all that the vault has, but for `without`.
    ///
    /// # Errors
    /// Whatever keeps it from being connected.
    pub fn connect(&self, context: &Context, opened: Opened, without: &[SecretId]) -> Result<Done, Error> {
        let Self { options: args, settings, state_dir, program, .. } = self;
        let key = context.unattended_key()?;
        let opened = if args.dry_run { opened } else { memory::capture(context, opened)? };
        let on = import::on_conflict(args.on_conflict.unwrap_or(OnConflict::Fail));
        if program.installed().version.era() == Era::Plain {
            return Err(connect::Error::NoReferences.into());
        }
        let before = held(settings, program)?;
        // What is taken in is what is replaced: nothing that is written meanwhile is lost.
        let files = found(settings)?;
        let (root, era) = (context.local.root().to_owned(), program.installed().version.era());
        let known = |vault: &Vault<'_>| {
            let connection = Connection::load(&root, &vault.vault_id)?.unwrap_or_default();
            Ok(Unchanged { own_oauth: era.has_stores(), ..connection.compare_orders(vault, &before) })
        };
        let change = import::take(context, &opened, &files, on, &known, args.dry_run)?;
        // Nothing is removed that is not in the file.
        let opened = opened.close().open()?;
        let mut checked = context.check(&opened)?;
        change.apply(&mut checked.vault, store::now())?;
        let mut less = Change::default();
        without.iter().for_each(|id| less.push(Op::Remove(id.clone())));
        less.apply(&mut checked.vault, store::now())?;
        let held = Held::of(files, era)?;
        bound(context, &checked.vault, state_dir)?;
        let agent_dirs = gateway::agent_dirs(settings)?;
        let entry = entry(context, &checked, &key)?;
        let request = Request {
            state_dir,
            agent_dirs: &agent_dirs,
            yields: matches!(args.on_conflict, Some(OnConflict::Keep)),
            version: program.installed().version,
            entry: &entry,
            keep: self.keep(context, &checked.vault)?,
            memory: memory::dir().is_some(),
            linked: connect::has_links(state_dir, &gateway::agent_ids(settings)?),
            restore_oauth: args.restore_oauth,
        };
        let plan = connect::plan(&checked.vault, &held, &request)?;
        unchanged(&plan)?;
        if args.dry_run {
            show_plan(context, &plan, args.plan)?;
            drop(checked);
            return Ok(Done { opened, findings: None });
        }
        install(context, &entry)?;
        prove(context, &entry, &plan.refs)?;
        if !plan.is_empty() {
            let dir = opened.place.path().with_file_name("backups");
            let backup = store::backup_create(&opened.seen, &checked, &dir)?;
            context.out.say(&format!("backed up to {}", backup.path.display()));
        }
        remember(context, &checked.vault, program, &request, &plan)?;
        let applied = connect::apply(&plan, &held, program)?;
        memory::put(context, &checked.vault, settings, &request, &plan)?;
        tell(context, &plan, applied);
        let findings = finish(context, &checked.vault, settings, program, &request, &plan)?;
        drop(checked);
        Ok(Done { opened, findings })
    }

    /// What stays in the gateway's own files.
    fn keep(&self, context: &Context, vault: &Vault<'_>) -> Result<Keep, Error> {
        if self.again {
            let connection = Connection::load(context.local.root(), &vault.vault_id)?;
            return Ok(connection.unwrap_or_default().keep);
        }
        Ok(Keep { gateway_token: self.options.keep_gateway_token, dotenv: self.options.keep_env })
    }
}

fn print_unit(context: &mut Context, which: PrintUnit) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    // The service manager or the container brings the key itself.
    let brought = matches!(which, PrintUnit::SystemdSystem | PrintUnit::Container);
    let key = if brought { Vec::new() } else { context.unattended_key()? };
    units::print(context, &checked.vault, &entry(context, &checked, &key)?, which)
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

/// Refuses to replace what the gateway has written meanwhile.
fn unchanged(plan: &Plan) -> Result<(), Error> {
    if plan.changed.is_empty() { Ok(()) } else { Err(connect::Error::PutBack(plan.changed.clone()).into()) }
}

/// One vault, one gateway: the secrets of one are not written to another.
fn bound(context: &Context, vault: &Vault<'_>, state_dir: &Path) -> Result<(), Error> {
    let connection = Connection::load(context.local.root(), &vault.vault_id)?;
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match connection.filter(|connection| real(&connection.state_dir) != real(state_dir)) {
        Some(other) => Err(connect::Error::Another(other.state_dir).into()),
        None => Ok(()),
    }
}

fn remember(
    context: &Context,
    vault: &Vault<'_>,
    program: &Program,
    request: &Request<'_>,
    plan: &Plan,
) -> Result<(), Error> {
    let (root, id) = (context.local.root(), &vault.vault_id);
    let version = program.installed().version.to_string();
    let mut connection = Connection::load(root, id)?.unwrap_or_default();
    let before = std::mem::replace(&mut connection, Connection::new(request.state_dir.to_owned(), version));
    connection.refs = plan.refs.clone();
    connection.keep = request.keep;
    connection.dropped = before.dropped.union(&plan.dropped).cloned().collect();
    connection.dotenv = before.dotenv.union(&plan.dotenv).cloned().collect();
    Ok(connection.save(root, id)?)
}

/// The gateway takes notice, its old copies go, its own audit has the last word: how much it finds.
fn finish(
    context: &Context,
    vault: &Vault<'_>,
    settings: &Settings,
    program: &Program,
    request: &Request<'_>,
    plan: &Plan,
) -> Result<Option<usize>, Error> {
    let out = context.out;
    // Also when no reference changed: a value behind one may have.
    let reload = connect::reload(program)?;
    // A gateway that runs may have written its own copy of a store back before it took notice.
    let mut now = held(settings, program)?;
    let again = connect::plan(vault, &now, request)?;
    unchanged(&again)?;
    if !again.is_empty() {
        connect::apply(&again, &now, program)?;
        now = held(settings, program)?;
    }
    let (root, id) = (context.local.root(), &vault.vault_id);
    if let Some(mut connection) = Connection::load(root, id)? {
        connection.note_orders(&now);
        connection.save(root, id)?;
    }
    let left = now.plaintext();
    if !left.is_empty() {
        return Err(connect::Error::PutBack(left).into());
    }
    let Cleaned { removed, left, unread } =
        connect::clean(vault, request.state_dir, &gateway::own_stores(settings)?, program)?;
    removed.iter().for_each(|path| out.say(&format!("removed {}, an old copy with secrets", path.display())));
    left.iter().for_each(|path| out.warn(&format!("note: a secret still stands in {}", path.display())));
    unread.iter().for_each(|path| out.warn(&format!("note: {} could not be looked into", path.display())));
    let Audit { code, findings, oauth } = connect::audit(program)?;
    if out.json {
        let roads = plan.roads.iter().map(|(id, road)| (id.clone(), json!(words::road_token(*road))));
        out.json(&json!({
            "version": 1, "gateway": request.version.to_string(), "added": plan.added, "removed": plan.removed,
            "roads": roads.collect::<serde_json::Map<_, _>>(),
            "residue": left.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(), "audit": code,
        }))?;
    } else {
        show_roads(context, plan);
        match reload {
            Reload::Done => {}
            Reload::Degraded => {
                out.warn("note: the gateway has reloaded and misses a secret: agevault resolve --check")
            }
            Reload::Unreached => out.warn(UNREACHED),
        }
    }
    if findings > 0 || (code != Some(0) && oauth == 0) {
        return Ok(Some(findings));
    }
    match oauth {
        0 => out.say("the gateway's audit is clean"),
        _ => out.say(&format!(
            "the gateway's audit names {}, which takes no references, and nothing else",
            words::count(oauth, "OAuth profile", "OAuth profiles")
        )),
    }
    Ok(None)
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

fn undo(context: &Context, opened: &Opened, way: &Way) -> Result<(), Error> {
    let Way { settings, program, state_dir, .. } = way;
    let checked = context.check(opened)?;
    bound(context, &checked.vault, state_dir)?;
    let (root, id) = (context.local.root(), &checked.vault.vault_id);
    let connection = Connection::load(root, id)?;
    context.terminal.confirm("this writes the secrets in plaintext into the gateway's own files; go on?")?;
    let agents = gateway::agent_ids(settings)?;
    connect::take_views_back(&checked.vault, state_dir, &agents, context.local.root(), context.patience())?;
    let (held, agent_dirs) = (held(settings, program)?, gateway::agent_dirs(settings)?);
    let applied = connect::undo(&checked.vault, &held, program, &agent_dirs, connection.as_ref())?;
    if connection.is_some() {
        Connection::forget(root, id)?;
    }
    let stores = words::count(applied.stores, "store", "stores");
    context.out.say(&format!("the gateway has its secrets itself again: {stores} changed"));
    if connect::reload(program)? == Reload::Unreached {
        context.out.warn(UNREACHED);
    }
    Ok(())
}
