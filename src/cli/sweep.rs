//! Before a save: views of a `run` that was killed.

use super::context::Context;
use super::out::Out;
use super::{Error, words};
use crate::model::Vault;
use crate::ops::sweep::{Swept, sweep};
use crate::{fsio, views};
use std::time::Duration;

/// Takes such views away, and says so. A save neither waits for it nor fails by it.
pub fn before_save(context: &Context, vault: &Vault<'_>) {
    match sweep(vault, context.local.root(), Duration::ZERO) {
        Ok(swept) => {
            swept.removed.iter().for_each(|path| context.out.say(&format!("removed {}", path.display())));
            tell_changed(context.out, &swept);
        }
        // Somebody is at the views just now; the next save looks again.
        Err(views::Error::File(fsio::Error::Busy(_))) => {}
        Err(error) => {
            let why = words::of(&Error::from(error)).what;
            context.out.warn(&format!("warning: views that a killed run has left stay: {why}"));
        }
    }
}

/// What stays since the gateway changed it.
pub fn tell_changed(out: Out, swept: &Swept) {
    for (dir, names) in &swept.changed {
        let dir = dir.display();
        out.warn(&format!("warning: the gateway changed views in {dir}, they stay: {}", names.join(", ")));
        out.warn(&format!(
            "  agevault import {dir} --on-conflict replace takes the changes back, agevault rm what was removed there; agevault wipe --discard gives them up"
        ));
    }
}
