//! `connect`: from a gateway with plaintext to one with references, and back.

mod finish;
mod show;
mod undo;

use super::args::{Connect, OnConflict, PrintUnit};
use super::context::{Context, Opened};
use super::resolver::{entry, install, prove};
use super::{Error, import, memory, units, words};
use crate::fsio::Lock;
use crate::gateway::{self, Era, Found, Program, Settings};
use crate::model::{Change, Op, SecretId, Vault};
use crate::ops::connect::{self, Connection, Held, Keep, Plan, Request};
use crate::ops::exported::Unchanged;
use crate::store;
use std::path::{Path, PathBuf};

/// Wires the gateway to the vault, or undoes that.
pub fn run(context: &mut Context, args: &Connect) -> Result<(), Error> {
    if let Some(which) = args.print_unit {
        return print_unit(context, which);
    }
    let way = Way::find(context, args.clone())?;
    let opened = context.open()?;
    if args.undo {
        return undo::undo(context, opened, &way);
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
        let (_lock, opened) =
            if args.dry_run { (None, opened) } else { (Some(self.lock(context)?), memory::capture(context, opened)?) };
        let on = import::on_conflict(args.on_conflict.unwrap_or(OnConflict::Fail));
        if program.installed().version.era() == Era::Plain {
            return Err(connect::Error::NoReferences.into());
        }
        let before = held(settings, program)?;
        let key = self.key(context, &before)?;
        // What is taken in is what is replaced: nothing that is written meanwhile is lost.
        let files = found(settings)?;
        let (root, era) = (context.local.root().to_owned(), program.installed().version.era());
        let known = |vault: &Vault<'_>| {
            let connection = Connection::load(&root, &vault.vault_id)?.unwrap_or_default();
            Ok(Unchanged { own_oauth: era.has_stores(), ..connection.compare_orders(vault, &before) })
        };
        let opened = match args.dry_run {
            true => opened,
            // Nothing is removed that is not in the file.
            false => {
                import::take(context, &opened, &files, on, &known)?;
                opened.close().open()?
            }
        };
        let mut checked = context.check(&opened)?;
        if args.dry_run {
            memory::preview(context, &checked.vault)?.apply(&mut checked.vault, store::now())?;
            let change = import::preview(context, &checked.vault, &files, on, &known)?;
            change.apply(&mut checked.vault, store::now())?;
        }
        let mut less = Change::default();
        without.iter().for_each(|id| less.push(Op::Remove(id.clone())));
        less.apply(&mut checked.vault, store::now())?;
        let held = Held::of(files, era)?;
        bound(context, &checked.vault, state_dir)?;
        let agent_dirs = gateway::agent_dirs(settings)?;
        let entry = entry(context, &checked, &key)?;
        let connection = Connection::load(context.local.root(), &checked.vault.vault_id)?.unwrap_or_default();
        let request = Request {
            state_dir,
            agent_dirs: &agent_dirs,
            yields: matches!(args.on_conflict, Some(OnConflict::Keep)),
            version: program.installed().version,
            entry: &entry,
            keep: self.keep(context, &checked.vault)?,
            memory: memory::dir()?.is_some(),
            linked: connect::has_links(state_dir, &gateway::agent_ids(settings)?),
            before: &connection.refs,
            restore_oauth: args.restore_oauth,
        };
        let plan = connect::plan(&checked.vault, &held, &request)?;
        unchanged(&plan)?;
        if args.dry_run {
            let agents = gateway::agent_ids(settings)?;
            let unlinked = if plan.views { connect::unlinked(state_dir, &agents) } else { Vec::new() };
            show::plan(context, &plan, &unlinked, args.plan)?;
            drop(checked);
            return Ok(Done { opened, findings: None });
        }
        if let Some(left) = context.session_in_use().and_then(|session| session.left()) {
            let left = words::span(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
            context.out.warn(&format!(
                "note: the gateway opens the vault by a session that ends in {left}; agevault unlock --for boot keeps it"
            ));
        }
        install(context, &entry)?;
        prove(context, &entry, &plan.refs)?;
        let dir = opened.place.path().with_file_name("backups");
        if !plan.is_empty() {
            let text = match store::backup_of(&opened.seen, &dir)? {
                Some(backup) => format!("backed up already: {}", backup.path.display()),
                None => format!(
                    "backed up to {}",
                    store::backup_create(&context.local, &opened.seen, &checked, &dir)?.path.display()
                ),
            };
            context.out.say(&text);
        }
        finish::remember(context, &checked.vault, (settings, program), &request, &plan)?;
        let applied = connect::apply(&plan, &held, program, &checked.vault, &dir)?;
        memory::put(context, &opened, &checked.vault, settings, &request, &plan)?;
        show::tell(context, &plan, &applied);
        let findings = finish::finish(context, &checked.vault, settings, program, &request, &plan, &dir)?;
        drop(checked);
        Ok(Done { opened, findings })
    }

    /// The options by which the gateway opens the vault. A command that only hands a change over leaves them as they
    /// are: the key that it was given itself need not be the gateway's.
    fn key(&self, context: &Context, held: &Held) -> Result<Vec<String>, Error> {
        let configured = held.resolver()?.map(|args| {
            let pairs = args.iter().zip(args.iter().skip(1));
            let key = |name: &str| ["-i", "--passphrase-file", "--session"].contains(&name);
            pairs.filter(|(name, _)| key(name)).flat_map(|(name, value)| [name.clone(), value.clone()]).collect()
        });
        let Some(configured) = configured else { return context.unattended_key() };
        if self.again {
            return Ok(configured);
        }
        let key: Vec<String> = context.unattended_key()?;
        if key != configured {
            let shown = |key: &[String]| match key {
                [] => "a credential of its service".to_owned(),
                key => words::plain(&key.join(" ")),
            };
            context.out.warn(&format!(
                "note: the gateway opens the vault with {} from now on; before it was {}",
                shown(&key),
                shown(&configured)
            ));
        }
        Ok(key)
    }

    /// One command at a time, from the first look to the end.
    fn lock(&self, context: &Context) -> Result<Lock, Error> {
        Ok(Connection::lock(context.local.root(), &self.state_dir, context.patience())?)
    }

    /// What stays in the gateway's own files.
    fn keep(&self, context: &Context, vault: &Vault<'_>) -> Result<Keep, Error> {
        // What was asked to stay stays until the connection is undone.
        let before = Connection::load(context.local.root(), &vault.vault_id)?.unwrap_or_default().keep;
        let Connect { keep_gateway_token, keep_env, .. } = self.options;
        Ok(Keep { gateway_token: before.gateway_token || keep_gateway_token, dotenv: before.dotenv || keep_env })
    }
}

fn print_unit(context: &mut Context, which: PrintUnit) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    // The service manager or the container brings the key itself; or nothing is opened.
    let brought = matches!(which, PrintUnit::SystemdSystem | PrintUnit::SystemdSession | PrintUnit::Container);
    let key = if brought { Vec::new() } else { context.unattended_key()? };
    units::print(context, &checked.vault, &entry(context, &checked, &key)?, which)
}

fn found(settings: &Settings) -> Result<Vec<Found>, gateway::Error> {
    match gateway::find(&gateway::resolve(settings)?, settings) {
        Err(gateway::Error::Empty(_)) => Ok(Vec::new()),
        other => other,
    }
}

fn held(settings: &Settings, program: &Program) -> Result<Held, connect::Error> {
    Held::of(found(settings)?, program.installed().version.era())
}

/// Has the gateway of these settings ask for its secrets again.
///
/// # Errors
/// No program, a configuration that cannot be read.
pub fn reload(settings: &Settings) -> Result<connect::Reload, Error> {
    let program = Program::find(settings)?;
    let port = held(settings, &program)?.port(settings, program.installed().version)?;
    Ok(connect::reload(&program, port)?)
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
