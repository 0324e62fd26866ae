//! `connect`: from a gateway with plaintext to one with references, and back.

mod finish;
mod guard;
mod show;
mod terms;
mod undo;

pub use guard::{bound, reload};
use guard::{migrated, readable, unchanged};

use super::args::{Connect, OnConflict, PrintUnit};
use super::context::{Context, Opened};
use super::resolver::{entry, install, prove};
use super::{Error, import, memory, units, words};
use crate::gateway::{self, Era, Inventory, Program, Settings, Version};
use crate::model::{Change, Op, Renames, SecretId, Vault};
use crate::ops::connect::{self, Connection, Edit, Entry, Plan, Request};
use crate::ops::import::Moves;
use crate::store;
use std::path::PathBuf;

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
    /// A dry run can do without.
    program: Option<Program>,
    version: Version,
}

/// A gateway that was connected.
pub struct Done {
    /// The vault as it is now.
    pub opened: Opened,
    /// What is not as it should be.
    pub findings: Findings,
}

/// What is not as it should be after `connect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// So many places still have a secret in plaintext, or could not be looked into.
    pub left: usize,
    /// The gateway that runs did not take its secrets anew.
    pub stale: bool,
    /// Nothing was done: this is what a dry run foresees.
    pub planned: bool,
}

impl Findings {
    /// Whether all is well.
    ///
    /// # Errors
    /// [`Error::Left`].
    pub fn outcome(self) -> Result<(), Error> {
        if self.left == 0 && !self.stale { Ok(()) } else { Err(Error::Left(self)) }
    }
}

impl Done {
    /// Whether all is well.
    ///
    /// # Errors
    /// As [`Findings::outcome`].
    pub fn outcome(self) -> Result<(), Error> {
        self.findings.outcome()
    }
}

/// What one run of `connect` works with.
struct Asked<'a> {
    /// What the gateway has.
    held: &'a Inventory,
    /// The options by which it will open the vault.
    key: &'a [String],
    /// Entries that it is not to get.
    without: &'a [SecretId],
}

/// The record of a gateway's connection before this run of `connect`, and the renames since it was written.
struct Before {
    connection: Connection,
    renames: Renames,
}

impl Way {
    /// Finds the gateway and its program. A dry run for a version that is named needs no program.
    ///
    /// # Errors
    /// No gateway, or one of another user.
    pub fn find(context: &Context, options: Connect) -> Result<Self, Error> {
        let settings = context.settings();
        let state_dir = gateway::resolve(&settings)?;
        gateway::check_owner(&state_dir)?;
        let named = settings.version.as_deref().and_then(Version::parse).filter(|_| options.dry_run);
        let program = match Program::find(&settings) {
            Ok(program) => Some(program),
            Err(gateway::Error::NoProgram | gateway::Error::NoNode) if named.is_some() => None,
            Err(error) => return Err(error.into()),
        };
        let installed = program.as_ref().map(|program| program.installed().version);
        let version = named.or(installed).ok_or(gateway::Error::NoProgram)?;
        Ok(Self { options, again: false, settings, state_dir, program, version })
    }

    /// The same for a command that changes the vault, with what was chosen when the gateway was connected.
    ///
    /// # Errors
    /// As [`Way::find`].
    pub fn again(context: &Context) -> Result<Self, Error> {
        Ok(Self { again: true, ..Self::find(context, Connect::default())? })
    }

    /// Whether views in memory are nothing to this gateway: it has databases, and took into them what views had.
    fn has_left_views(&self) -> bool {
        self.version.era().has_stores()
    }

    fn program(&self) -> Result<&Program, Error> {
        Ok(self.program.as_ref().ok_or(gateway::Error::NoProgram)?)
    }

    /// What the gateway has now.
    fn held(&self) -> Result<Inventory, Error> {
        Ok(Inventory::read(&self.settings, Some(self.version.era()))?)
    }

    /// Gives the gateway references to all that the vault has, but for `without`. Everything is tried in memory before
    /// anything is changed.
    ///
    /// # Errors
    /// Whatever keeps it from being connected.
    pub fn connect(&self, context: &Context, opened: Opened, without: &[SecretId]) -> Result<Done, Error> {
        let args = &self.options;
        bound(context, &context.check(&opened)?.vault, &self.state_dir)?;
        if self.version.era() == Era::Plain {
            return Err(connect::Error::NoReferences.into());
        }
        let _lock = if args.dry_run { None } else { Some(self.lock(context)?) };
        let opened = if args.dry_run || self.has_left_views() { opened } else { memory::capture(context, opened)? };
        // What is taken in is what is replaced: nothing that is written meanwhile is lost.
        let mut held = self.held()?;
        readable(&mut held)?;
        if self.has_left_views() {
            migrated(context, &context.check(&opened)?.vault, &held)?;
        }
        let key = self.key(context, &held)?;
        let asked = Asked { held: &held, key: &key, without };
        let (plan, ..) = self.preview(context, &opened, &asked)?;
        if args.dry_run {
            let agents = gateway::agent_ids(&self.settings)?;
            let unlinked = if plan.views { connect::unlinked(&self.state_dir, &agents) } else { Vec::new() };
            let keep = self.keep(context, &context.check(&opened)?.vault)?;
            let left = connect::plaintext(&held, self.version, keep, &plan);
            show::plan(context, &plan, &unlinked, &left, args.plan)?;
            let left = left.iter().filter(|left| !left.why.is_kept()).count();
            return Ok(Done { opened, findings: Findings { left, stale: false, planned: true } });
        }
        let (mut opened, moves) = self.take(context, opened, &held)?;
        if !moves.waiting.is_empty() {
            // References move to their new entry before the old entry's value changes.
            self.change(context, &opened, &asked, &moves)?;
            held = self.held()?;
            readable(&mut held)?;
            opened = self.take(context, opened, &held)?.0;
        }
        let asked = Asked { held: &held, key: &key, without };
        let findings = self.change(context, &opened, &asked, &Moves::default())?;
        Ok(Done { opened, findings })
    }

    /// Saves the gateway's secrets in the vault file, before anything is removed from the gateway.
    fn take(&self, context: &Context, opened: Opened, held: &Inventory) -> Result<(Opened, Moves), Error> {
        let known = |vault: &Vault<'_>| self.known(context, vault, held);
        let moves = import::take(context, &opened, held, self.on_conflict(), &known)?;
        Ok((opened.close().open()?, moves))
    }

    /// What would be done, and the files as they would be: the vault has by then what the gateway has.
    fn preview(
        &self,
        context: &Context,
        opened: &Opened,
        asked: &Asked<'_>,
    ) -> Result<(Plan, Vec<Edit>, Before), Error> {
        let Asked { held, key, without } = *asked;
        let mut checked = context.check(opened)?;
        let entry = entry(context, &checked, key)?;
        connect::check_vault(&entry, held.entry())?;
        let dry = self.options.dry_run;
        if dry && !self.has_left_views() {
            memory::preview(context, &checked.vault)?.apply(&mut checked.vault, store::now())?;
        }
        let known = |vault: &Vault<'_>| self.known(context, vault, held);
        let (change, moves) = import::preview(context, &checked.vault, held, self.on_conflict(), &known, dry)?;
        change.apply(&mut checked.vault, store::now())?;
        let Moves { moved, later, .. } = moves;
        later.apply(&mut checked.vault, store::now())?;
        let moves = Moves { moved, ..Moves::default() };
        self.plan(context, &mut checked.vault, held, &entry, without, &moves)
    }

    /// The plan for a vault, less what is to go, and the files as they will be.
    fn plan(
        &self,
        context: &Context,
        vault: &mut Vault<'_>,
        held: &Inventory,
        entry: &Entry,
        without: &[SecretId],
        moves: &Moves,
    ) -> Result<(Plan, Vec<Edit>, Before), Error> {
        let connection = Connection::load(context.local.root(), &vault.vault_id)?.unwrap_or_default();
        let renames = self.renames(&connection, vault)?;
        let before = Before { connection, renames };
        let mut less = Change::default();
        without.iter().for_each(|id| less.push(Op::Remove(id.clone())));
        less.apply(vault, store::now())?;
        let request = self.request(context, vault, entry, &before, moves)?;
        let plan = connect::plan(vault, held, &request)?;
        unchanged(&plan)?;
        let edits = connect::edits(&plan, held)?;
        let read_only = gateway::is_read_only(&self.settings) && edits.iter().any(|edit| !edit.env);
        if read_only && !self.options.dry_run {
            return Err(connect::Error::ReadOnly(None).into());
        }
        Ok((plan, edits, before))
    }

    fn request<'r>(
        &'r self,
        context: &Context,
        vault: &Vault<'_>,
        entry: &'r Entry,
        before: &'r Before,
        moves: &'r Moves,
    ) -> Result<Request<'r>, Error> {
        Ok(Request {
            state_dir: &self.state_dir,
            yields: matches!(self.options.on_conflict, Some(OnConflict::Keep)),
            version: self.version,
            entry,
            keep: self.keep(context, vault)?,
            memory: memory::dir()?.is_some(),
            linked: connect::has_links(&self.state_dir, &gateway::agent_ids(&self.settings)?),
            before: &before.connection.refs,
            renames: &before.renames,
            moved: &moves.moved,
            waiting: &moves.waiting,
            restore_oauth: self.options.restore_oauth,
        })
    }

    /// Changes the gateway's files, once the vault has their secrets. If secrets wait for this change
    /// (`moves.waiting`), a second call does the final steps.
    fn change(&self, context: &Context, opened: &Opened, asked: &Asked<'_>, moves: &Moves) -> Result<Findings, Error> {
        let Asked { held, key, without } = *asked;
        let program = self.program()?;
        let mut checked = context.check(opened)?;
        let entry = entry(context, &checked, key)?;
        let (plan, edits, before) = self.plan(context, &mut checked.vault, held, &entry, without, moves)?;
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
        let vault = &checked.vault;
        let sealed = connect::seal_originals(&edits, &plan, held, vault, &dir)?;
        let request = self.request(context, vault, &entry, &before, moves)?;
        let step = finish::Step { way: self, request: &request, plan: &plan, kept: &dir };
        finish::remember(context, vault, &step, held, sealed.clone())?;
        connect::apply(&plan, &edits, program)?;
        memory::put(context, opened, vault, &self.settings, &request, &plan)?;
        if self.has_left_views() {
            memory::leave(context, opened, vault, &self.state_dir)?;
        }
        finish::settled(context, vault)?;
        show::tell(context, &plan, &sealed);
        match moves.waiting.is_empty() {
            true => finish::finish(context, vault, &step),
            false => Ok(Findings::default()),
        }
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
