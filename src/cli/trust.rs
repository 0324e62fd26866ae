//! Whether an opened vault is believed, and `trust`.

use super::context::{Context, Opened};
use super::{Error, Usage};
use crate::store::{self, Checked, Pin, Policy, Trust};
use serde_json::json;

impl Context {
    /// Believes an opened vault, asking a person about one never seen here.
    ///
    /// # Errors
    /// A vault that is not authentic, malformed or unknown.
    pub fn check<'a>(&self, opened: &'a Opened) -> Result<Checked<'a>, Error> {
        let checked = match store::check(&self.local, &opened.place, &opened.seen, &self.policy) {
            Err(store::Error::Unknown(pin)) if self.terminal.present() => {
                self.first_use(opened, &pin)?;
                store::check(&self.local, &opened.place, &opened.seen, &self.policy)?
            }
            other => other?,
        };
        if checked.trust == Trust::Succeeded {
            self.out.warn(&format!(
                "a recipient was removed from this vault elsewhere; its fingerprint is now {}",
                checked.pin
            ));
        }
        if checked.trust == Trust::GivenFormer {
            self.out.warn(&format!(
                "note: --pin names the fingerprint from before a recipient was removed; it is {} now",
                checked.pin
            ));
        }
        // A host that only reads must notice a removal and a rollback too: what it has believed once it holds to. Where
        // nothing can be written, such as in a container, that is found out anew each time.
        if checked.trust != Trust::GivenFormer {
            let _ = store::accept(&self.local, &checked);
            let _ = store::hold_to(&self.local, &opened.place, &checked);
        }
        if store::is_unfinished(&opened.place, &checked.vault)? {
            self.out.warn(
                "note: some kept generations still open with a removed or replaced key; the next save re-seals those that its keys open",
            );
        }
        // What this host accepted may be newer than what was read a moment ago: no rollback.
        if let Some(behind) = checked.behind.as_ref()
            && opened.seen.is_current(&opened.place)?
        {
            let words = super::words::of_store(behind);
            self.out.warn(&format!("warning: {}", words.what));
            self.out.say(&format!("  {}", words.hint));
            for copy in store::conflict_copies(&opened.place)? {
                self.out.warn(&format!("note: there is a conflict copy beside the vault: {}", copy.path.display()));
            }
        }
        // git does not record mode 0600: in a work tree only write access for others is reported.
        let is_in_git = self.local.repository(&checked.vault.vault_id)?.is_some();
        if let Some(mode) = opened.place.wide_mode().filter(|mode| !(is_in_git && mode & 0o022 == 0)) {
            self.out.say(&format!("note: the vault file has mode {mode:04o}; the next save narrows it to 0600"));
        }
        Ok(checked)
    }

    fn first_use(&self, opened: &Opened, pin: &Pin) -> Result<(), Error> {
        let vault = super::words::plain(&opened.place.path().to_string_lossy());
        self.compare(&format!("{vault} has not been used on this host before"), pin)?;
        // Another command may have come to know another one while the question stood there.
        let given = Policy { pin: Some(pin.to_string()), ..self.policy.clone() };
        self.confirm(opened, &store::check(&self.local, &opened.place, &opened.seen, &given)?)
    }

    /// Has a person compare a fingerprint. All of it is asked at the terminal: no other stream need lead there.
    ///
    /// # Errors
    /// As [`super::ask::Terminal::confirm_in_person`].
    pub fn compare(&self, what: &str, pin: &Pin) -> Result<(), Error> {
        self.terminal.confirm_in_person(&format!(
            "{what}; its fingerprint is\n{pin}\nis this what agevault trust shows on a host that you trust, or what a recovery kit says?"
        ))
    }

    /// Makes the pin of `checked` the one that this host expects.
    fn confirm(&self, opened: &Opened, checked: &Checked<'_>) -> Result<(), Error> {
        store::accept(&self.local, checked)?;
        Ok(store::confirm(&self.local, &opened.place, checked)?)
    }
}

/// The fingerprint, and what is known of it; remembers it when it is new or given.
pub fn run(context: &mut Context) -> Result<(), Error> {
    let opened = context.open()?;
    let report = Policy { report_only: true, ..context.policy.clone() };
    let checked = store::check(&context.local, &opened.place, &opened.seen, &report)?;
    let known = match &checked.trust {
        Trust::Known => "known on this host",
        Trust::Given => "as given with --pin",
        Trust::GivenFormer => "not known on this host; it follows from the one given with --pin, from before a removal",
        Trust::Succeeded => "follows from the one known on this host: a recipient was removed elsewhere",
        Trust::Tagged => "not known on this host, but saved before with the key at hand",
        Trust::New => "not known on this host",
        Trust::Misfit => "NOT the one known on this host, or not the one given with --pin",
    };
    if context.out.json {
        let trusted = !matches!(checked.trust, Trust::New | Trust::GivenFormer | Trust::Misfit);
        let fingerprint = checked.pin.to_string();
        context.out.json(&json!({"version": 1, "fingerprint": fingerprint, "trusted": trusted}))?;
    } else {
        context.out.line(&checked.pin.to_string())?;
        context.out.say(known);
    }
    let given = context.policy.pin.as_ref();
    let fits = given.is_some_and(|pin| checked.pin.matches(pin));
    match checked.trust {
        Trust::Known if !fits => return Ok(()),
        Trust::Known | Trust::Given | Trust::Succeeded | Trust::Tagged => {}
        // A fingerprint that was given and does not fit is no question at all.
        Trust::Misfit if given.is_some() && !fits => return Err(store::Error::NotAuthentic(checked.pin).into()),
        Trust::Misfit if fits && store::is_retired(&context.local, &checked)? => {
            let back =
                "the fingerprint is from before a recipient was removed, who can have made this file; go back to it?";
            context.terminal.confirm_in_person(back)?;
        }
        // Given with the command by somebody who knows it: that is the confirmation.
        Trust::Misfit if fits => {}
        Trust::New | Trust::GivenFormer | Trust::Misfit => {
            if !context.terminal.present() {
                return Err(Usage::TrustNeedsPin.into());
            }
            context.compare(&format!("the vault is {known}"), &checked.pin)?;
        }
    }
    if store::check(&context.local, &opened.place, &opened.seen, &report)?.trust != checked.trust {
        // Another command came to know it while the question stood there.
        return Err(store::Error::NotAuthentic(checked.pin).into());
    }
    if fits || !matches!(checked.trust, Trust::Succeeded | Trust::Tagged) {
        context.confirm(&opened, &checked)?;
    } else {
        store::accept(&context.local, &checked)?;
        store::hold_to(&context.local, &opened.place, &checked)?;
    }
    context.out.say("remembered");
    Ok(())
}
