//! `run`: a command with the vault's env entries, and views as long as it runs.

use super::args::Run;
use super::captured::{Teller, not_captured, told};
use super::context::{Context, Opened};
use super::environment::{inherited, runtime_dir, var_number};
use super::{Error, Usage, sweep, words};
use crate::gateway;
use crate::harden::{self, Relay};
use crate::model::{EnvName, SecretId, Vault};
use crate::ops::capture::{self, Keeper, Removals};
use crate::ops::export::{self, Content, Guard, Only};
use crate::ops::run::{self, Environment, Follow, Selection, Up, Variable};
use crate::ops::sweep::Swept;
use crate::store::{self, Checked, Policy};
use crate::views::{Changes, Stay};
use std::collections::BTreeSet;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

/// How long a capture waits for a lock before it tries again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the last capture waits for a view that is half written.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs the command; without views this process becomes the command.
pub fn run(context: &mut Context, args: &Run) -> Result<(), Error> {
    if !args.force && gateway::keeps_environment(&args.command) {
        return Err(run::Error::KeepsEnvironment.into());
    }
    let only = args.only.iter().map(|text| variable(text)).collect::<Result<Vec<_>, _>>()?;
    let selection = Selection { only: &only, allowed: &args.allow };
    let opened = context.open()?;
    // Tells and asks what there is to tell and to ask.
    let checked = context.check(&opened)?;
    if args.views {
        drop(checked);
        return with_views(context, args, selection, opened);
    }
    let environment = environment(context, args, selection, &checked)?;
    Err(run::become_it(&args.command, &environment).into())
}

/// Views are up while the command runs; what the gateway changes there is captured, now from what
/// an earlier command has left, then as it comes.
fn with_views(context: &Context, args: &Run, selection: Selection<'_>, opened: Opened) -> Result<(), Error> {
    let Opened { place, seen } = opened;
    let dir = runtime_dir()?.join("openclaw");
    let state = gateway::resolve(&context.settings())?;
    // Nobody is asked about a vault that is older than it was (F10).
    let policy = Policy { accept_rollback: false, ..context.policy.clone() };
    let first = capture::Request { dir: Some(&dir), removals: Removals::Name, settle: Duration::ZERO };
    let patience = context.patience().min(PATIENCE);
    let vault_id = store::check(&context.local, &place, &seen, &context.policy)?.vault.vault_id;
    let mut keeper = Keeper::again(&context.local, &place, (seen.opener().clone(), vault_id), &policy, patience);
    let relay;
    let (environment, up) = {
        let mut seen = seen;
        match keeper.capture(&first) {
            Ok(report) => {
                told(&report, context.out);
                seen = keeper.read()?;
            }
            // What was opened is good enough to start with.
            Err(error) => not_captured(context.out, &error),
        }
        let checked = store::check(&context.local, &place, &seen, &context.policy)?;
        let mut environment = environment(context, args, selection, &checked)?;
        // What can fail comes first, and then the views, which somebody has to take back.
        relay = Relay::begin().map_err(run::Error::NotStarted)?;
        let still = || seen.is_current(&place).unwrap_or(false);
        let up = put_up(context, args, &checked.vault, &dir, &still)?;
        environment.places = run::leading(&up.report, &state, context.settings().config_path.is_some());
        (environment, up)
    };
    // Nothing of the vault stays in memory while the command runs, but for the key.
    let ended = attended(context, args, &relay, &mut keeper, environment, &up);
    match take_back(context, &mut keeper, up) {
        Ok(swept) => {
            sweep::tell_changed(context.out, &swept);
            if !swept.removed.is_empty() && swept.changed.is_empty() {
                context.out.say("the views are removed");
            }
            swept.held.iter().for_each(|dir| {
                context.out.say(&format!("the views in {} stay for another command", dir.display()));
            });
        }
        // The command's own end is what its caller waits for.
        Err(error) => {
            let why = words::of(&error).what;
            context.out.warn(&format!("warning: the views stay: {why}; agevault wipe removes them"));
        }
    }
    let ended = ended?;
    match (ended.code(), ended.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Error::Verdict(u8::try_from(code).unwrap_or(u8::MAX))),
        (None, signal) => Err(Error::Killed(signal.unwrap_or_default())),
    }
}

fn put_up(context: &Context, args: &Run, vault: &Vault<'_>, dir: &Path, still: export::Still<'_>) -> Result<Up, Error> {
    let up = run::put_up(
        vault,
        &export::Request {
            dir,
            link: None,
            content: Content::Values,
            every: BTreeSet::new(),
            era: gateway::known(&context.settings()).era(),
            agent: None,
            // The file holds all of them, and only some are to be had.
            only: if args.only.is_empty() { Only::Everything } else { Only::AuthProfiles },
            disk: Guard::Refuse,
            store: if args.force { Guard::Waive } else { Guard::Refuse },
            // What could be captured was.
            changes: Changes::KeepValues,
            stay: Stay::Leased,
            local: context.local.root(),
            patience: context.patience(),
        },
        still,
    )?;
    let out = context.out;
    if !up.open.is_empty() {
        let dir = up.report.dir.display();
        out.warn(&format!(
            "warning: the views in {dir} are those of the last run, for what changed there is not in the vault: {}",
            up.open.join(", ")
        ));
        out.warn(&format!(
            "  agevault import {dir} --on-conflict replace takes the gateway's, agevault wipe --discard the vault's"
        ));
    } else if up.report.written.is_empty() {
        out.say("note: the vault has nothing for views");
    } else {
        out.say(&format!("the views are in {}", up.report.dir.display()));
    }
    Ok(up)
}

/// Starts the command and waits for it, while a thread captures.
fn attended(
    context: &Context,
    args: &Run,
    relay: &Relay,
    keeper: &mut Keeper<'_>,
    environment: Environment,
    up: &Up,
) -> Result<ExitStatus, run::Error> {
    if let Some(signal) = relay.pending() {
        return Ok(ExitStatus::from_raw(signal));
    }
    let (out, mut teller) = (context.out, Teller::new(context.out));
    let kept = &mut *keeper;
    let (ended, captured) = thread::scope(|scope| {
        // Before there is another thread: nothing of it can be on the way into the command.
        let mut child = match run::start(relay, &args.command, environment) {
            Ok(child) => child,
            Err(error) => return (Err(error), Ok(())),
        };
        up.serve(&child);
        let follow = Follow::begin(scope, kept, &up.report.dir, |news| teller.tell(&news));
        let ended = run::wait(relay, &mut child);
        (ended, follow.map_or(Ok(()), Follow::end))
    });
    teller.rest();
    // Tried once more, by itself: it may have been the thread.
    let last = capture::Request { dir: Some(&up.report.dir), removals: Removals::Name, settle: SETTLE };
    if let Err(error) = captured.or_else(|_| keeper.capture(&last).map(drop)) {
        not_captured(out, &error);
    }
    ended
}

fn take_back(context: &Context, keeper: &mut Keeper<'_>, up: Up) -> Result<Swept, Error> {
    let seen = keeper.read()?;
    let checked = keeper.check(&seen)?;
    Ok(run::take_back(&checked.vault, up, context.local.root(), context.patience())?)
}

fn environment(
    context: &Context,
    args: &Run,
    selection: Selection<'_>,
    checked: &Checked<'_>,
) -> Result<Environment, Error> {
    let environment = run::environment(&checked.vault, selection, &inherited(), &args.command)?;
    tell(context, &environment);
    close_keys(context)?;
    Ok(environment)
}

/// What `--only` asks for: `NAME`, or `NAME=ID`.
fn variable(text: &str) -> Result<Variable, Error> {
    let (name, id) = text.split_once('=').map_or((text, None), |(name, id)| (name, Some(id)));
    let name = EnvName::parse(name).map_err(|_| Usage::Only)?;
    let id = id.map_or_else(|| Ok(SecretId::Env(name.clone())), super::show::id)?;
    Ok(Variable { name, id })
}

fn tell(context: &Context, environment: &Environment) {
    let out = context.out;
    if !environment.replaced.is_empty() {
        out.say(&format!("warning: replaced in the environment of the command: {}", environment.replaced.join(", ")));
    }
    if !environment.left_out.is_empty() {
        out.say(&format!("note: names of agevault's own are left out of it: {}", environment.left_out.join(", ")));
    }
}

/// Closes the descriptors that keys came on, or would have come on: the command must not read
/// them once more. Those that are not open any more are no matter.
fn close_keys(context: &Context) -> Result<(), Error> {
    let globals = &context.globals;
    let listed = env::var_os("AGEVAULT_IDENTITY_FILE").unwrap_or_default();
    let files = globals.identity.iter().chain(&globals.passphrase_file).cloned();
    let files = files.chain(env::split_paths(&listed)).chain(super::environment::var_path("AGEVAULT_PASSPHRASE_FILE"));
    let numbers = files.filter_map(|path| descriptor(&path));
    let numbers = numbers.chain(globals.passphrase_fd).chain(var_number("AGEVAULT_PASSPHRASE_FD")?);
    for number in numbers.filter(|number| *number > 2) {
        drop(harden::take_descriptor(number));
    }
    Ok(())
}

/// The number of a descriptor that a path stands for, as a shell writes `<(...)`.
fn descriptor(path: &Path) -> Option<i32> {
    let folder = path.parent()?;
    let is = ["/dev/fd", "/proc/self/fd"].iter().any(|known| folder == Path::new(known));
    path.file_name().filter(|_| is)?.to_str()?.parse().ok()
}
