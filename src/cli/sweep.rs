//! After a save: views of a `run` that was killed.

use super::captured::told;
use super::context::{Context, Opened};
use super::out::Out;
use super::{Error, words};
use crate::ops::capture::Keeper;
use crate::ops::sweep::{Swept, is_due, sweep};
use crate::seal::Opener;
use crate::store::Policy;
use crate::{fsio, store, views};
use std::time::Duration;

/// How long to wait for others at the vault or the views.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes such views away, after what the gateway changed there was captured, and says so. It comes
/// after the save, so that the save neither waits for it nor fails by it: an entry that both changed
/// is the capture's conflict. Nobody is asked.
pub fn after_save(context: &Context, opened: &Opened, opener: &Opener, vault_id: &str) {
    let root = context.local.root();
    let swept = match is_due(root, vault_id) {
        Ok(false) => return,
        Ok(true) => {
            let policy = Policy { accept_rollback: false, ..context.policy.clone() };
            let key = (opener.clone(), vault_id.to_owned());
            let mut keeper = Keeper::again(&context.local, &opened.place, key, &policy, PATIENCE);
            sweep(&mut keeper, root, PATIENCE).map_err(Error::from)
        }
        Err(error) => Err(error.into()),
    };
    match swept {
        Ok((reports, swept)) => {
            reports.iter().for_each(|report| told(report, context.out));
            swept.removed.iter().for_each(|path| context.out.say(&format!("removed {}", path.display())));
            tell_changed(context.out, &swept);
        }
        // Somebody is at the views or the vault just now; the next save looks again.
        Err(
            Error::Views(views::Error::File(fsio::Error::Busy(_)))
            | Error::Store(store::Error::File(fsio::Error::Busy(_))),
        ) => {}
        Err(error) => {
            let why = words::of(&error).what;
            context.out.warn(&format!("warning: views that a killed run has left stay: {why}"));
        }
    }
}

/// What stays since the gateway changed it.
pub fn tell_changed(out: Out, swept: &Swept) {
    for (dir, names) in &swept.changed {
        let dir = dir.display();
        out.warn(&format!("warning: these views in {dir} stay, the vault does not have them so: {}", names.join(", ")));
        out.warn(&format!(
            "  agevault import {dir} --on-conflict replace takes them, agevault wipe --discard gives them up"
        ));
    }
}
