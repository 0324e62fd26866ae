//! `capture` of a connected gateway that keeps its credentials in databases: read only, and what it renewed
//! is newer than the vault's copy.

use super::context::{Context, Opened};
use super::{Error, words};
use crate::fsio::Stamp;
use crate::gateway::{self, Inventory, Part, Settings};
use crate::harden;
use crate::ops::capture::watch::Wake;
use crate::ops::connect::Connection;
use crate::ops::exported::Unchanged;
use crate::ops::import::{self, OnConflict, Terms};
use crate::ops::intake::{Presence, Refused};
use crate::ops::judge::Why;
use crate::store;
use crate::views::LeftOut;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// How often databases are looked at: they change with every reply, and mostly not in what counts.
const GLANCE: Duration = Duration::from_secs(1);

/// The databases of the connected gateway; none if it has none, or if there is no connection.
pub fn databases(context: &Context, opened: &Opened) -> Result<Option<(Settings, Vec<PathBuf>)>, Error> {
    let checked = context.check(opened)?;
    let Some(connection) = Connection::load(context.local.root(), &checked.vault.vault_id)? else { return Ok(None) };
    let state_dir = Some(connection.state_dir);
    let settings = Settings { option: state_dir.clone(), ..context.settings_of(state_dir) };
    let files: Vec<PathBuf> = gateway::own_stores(&settings)?;
    let found = files.iter().any(|file| file.extension().is_some_and(|kind| kind == "sqlite") && file.exists());
    Ok(found.then_some((settings, files)))
}

/// Takes what is new there, once. What is left out and why, by name, goes into the record that `status` shows.
pub fn once(context: &Context, opened: &Opened, settings: &Settings) -> Result<Taken, Error> {
    let state_dir = gateway::resolve(settings)?;
    let mut held = Inventory::read(settings, Some(gateway::Era::SharedStore))?;
    // A watch takes what the gateway renews in its databases, and nothing else.
    let in_database = |file: &Path| file.extension().is_some_and(|end| end == "sqlite");
    held.unread.retain(|one| in_database(&one.path));
    if let Some(unread) = held.take_not_read() {
        return Err(Error::Unreadable(Box::new(unread)));
    }
    held.items.retain(|item| item.part == Part::Credential && in_database(&item.place.file));
    held.notes.clear();
    let checked = context.check(opened)?;
    let connection = Connection::load(context.local.root(), &checked.vault.vault_id)?.unwrap_or_default();
    let known = Unchanged { own_oauth: true, ..connection.compare_orders(&checked.vault, &held) };
    let terms = Terms { only: None, on: OnConflict::Keep, presence: Presence::Unattended, powerful: true };
    let plan = import::plan(&checked.vault, std::slice::from_ref(&held), terms, &known)?;
    let (vault_id, changed) = (checked.vault.vault_id.clone(), !plan.change.is_empty());
    if changed {
        context.save(opened, checked, plan.change.captured())?;
    }
    for (verb, names) in [("took", &plan.replaced), ("added", &plan.added)] {
        names.iter().for_each(|name| context.out.say(&format!("{verb} {}", words::plain(name))));
    }
    let refused = plan.refused.iter().map(|(name, why)| (name, why.token()));
    let open = refused.chain(plan.undecided.iter().map(|(name, why)| (name, why.token())));
    let left_out: Vec<_> = open.map(|(name, why)| (state_dir.clone(), name.clone(), why)).collect();
    LeftOut::note(context.local.root(), &vault_id, &[&state_dir], &left_out, store::now())?;
    let told = |(name, why): &(String, Refused)| {
        format!("note: {}: not taken, {}; {}", words::plain(name), words::refused(*why), words::remedy(*why, name))
    };
    let open = |(name, why): &(String, Why)| {
        let why = words::undecided(*why);
        format!("note: {}: not taken, {why}; agevault import --on-conflict replace takes it", words::plain(name))
    };
    let notes = plan.refused.iter().map(told).chain(plan.undecided.iter().map(open)).collect();
    Ok(Taken { changed, notes, conflicts: plan.undecided })
}

/// What came of one look at the databases.
pub struct Taken {
    /// Whether anything was saved.
    pub changed: bool,
    /// What is not taken, in words.
    pub notes: Vec<String>,
    /// What no rule decides.
    pub conflicts: Vec<(String, Why)>,
}

/// The same whenever the databases change, until a signal ends it.
pub fn follow(context: &Context, opened: Opened, settings: &Settings, files: &[PathBuf]) -> Result<(), Error> {
    let (end, heard) = mpsc::channel();
    let failed = |error| Error::from(crate::fsio::Error::Io("wait for", PathBuf::from("signals"), error));
    // Nobody hears it any more only when this is over.
    harden::on_end(move |_| {
        let _ = end.send(Wake::End);
    })
    .map_err(failed)?;
    let look = || files.iter().map(|file| Stamp::of(file)).collect::<Vec<_>>();
    let (mut closed, mut seen, mut told) = (opened.close(), Vec::new(), Vec::<String>::new());
    context.out.say("watching; what the gateway renews is saved");
    super::environment::tell_ready();
    loop {
        let ended = !matches!(heard.recv_timeout(GLANCE), Err(mpsc::RecvTimeoutError::Timeout));
        let now = look();
        if now != seen || ended {
            let opened = closed.open()?;
            // A database that is busy is looked at again.
            match once(context, &opened, settings) {
                Ok(Taken { notes, .. }) => {
                    // What stays so is told once.
                    notes.iter().filter(|note| !told.contains(note)).for_each(|note| context.out.warn(note));
                    (seen, told) = (now, notes);
                }
                Err(error) if ended => return Err(error),
                Err(error) => context.out.warn(&format!("warning: {}; it is tried again", words::of(&error).what)),
            }
            closed = opened.close();
        }
        if ended {
            return Ok(());
        }
    }
}
