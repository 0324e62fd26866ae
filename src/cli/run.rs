//! `run`: a command with the vault's env entries, and views as long as it runs.

use super::args::Run;
use super::context::Context;
use super::environment::{inherited, runtime_dir, var_number};
use super::opened::Opened;
use super::{Error, sweep, words};
use crate::gateway;
use crate::harden::{self, Relay};
use crate::ops::export::{self, Content, Guard, Only};
use crate::ops::run::{self, Environment, Up};
use crate::views::{Changes, Stay};
use std::collections::BTreeSet;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

/// Runs the command; without views this process becomes the command.
pub fn run(context: &mut Context, args: &Run) -> Result<(), Error> {
    if !args.force && gateway::keeps_environment(&args.command) {
        return Err(run::Error::KeepsEnvironment.into());
    }
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let mut environment = run::environment(&checked.vault, &args.only, &inherited(), &args.command)?;
    tell(context, &environment);
    close_keys(context)?;
    if !args.views {
        return Err(run::become_it(&args.command, &environment).into());
    }
    // What can fail comes first, and then the views, which somebody has to take back.
    let settings = context.settings();
    let state = gateway::resolve(&settings)?;
    let relay = Relay::begin().map_err(run::Error::NotStarted)?;
    let up = run::put_up(
        &checked.vault,
        &export::Request {
            dir: &runtime_dir()?.join("openclaw"),
            link: None,
            content: Content::Values,
            every: BTreeSet::new(),
            era: gateway::known(&settings).era(),
            agent: None,
            // The file holds all of them, and only some are to be had.
            only: if args.only.is_empty() { Only::Everything } else { Only::AuthProfiles },
            disk: Guard::Refuse,
            store: if args.force { Guard::Waive } else { Guard::Refuse },
            changes: Changes::Keep,
            stay: Stay::Leased,
            local: context.local.root(),
            patience: context.patience(),
        },
    )?;
    drop(checked);
    environment.places = run::leading(&up.report, &state, settings.config_path.is_some());
    with_views(context, args, &relay, opened, environment, up)
}

/// Views are up: whatever happens now, they are taken back.
fn with_views(
    context: &mut Context,
    args: &Run,
    relay: &Relay,
    opened: Opened,
    environment: Environment,
    up: Up,
) -> Result<(), Error> {
    match up.report.written.is_empty() {
        true => context.out.say("note: the vault has nothing for views"),
        false => context.out.say(&format!("the views are in {}", up.report.dir.display())),
    }
    // Nothing of the vault stays in memory while the command runs, but for the key.
    let closed = opened.close();
    let ended = match relay.pending() {
        Some(signal) => Ok(ExitStatus::from_raw(signal)),
        None => run::start(&args.command, environment).and_then(|mut child| run::wait(relay, &mut child)),
    };
    let back = closed.open().and_then(|opened| {
        let checked = context.check(&opened)?;
        Ok(run::take_back(&checked.vault, up, context.local.root(), context.patience())?)
    });
    match back {
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
