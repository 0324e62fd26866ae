//! How commands save: one way, and what follows each save.

use super::context::{Context, Opened};
use super::{Error, sweep};
use crate::model::Change;
use crate::seal::Opener;
use crate::store::{self, Checked, Heir, Policy, Saved, Seen, Unreadable};

impl Context {
    /// How the vault that was opened is written.
    pub fn edit<'a>(&'a self, opened: &'a Opened) -> store::Edit<'a> {
        let Opened { place, seen } = opened;
        let (policy, patience) = (&self.policy, self.patience());
        store::Edit { local: &self.local, place, seen, policy, patience, command: &self.command }
    }

    /// Saves a change to the vault that was opened.
    ///
    /// # Errors
    /// As [`store::Edit::save`].
    pub fn save(&self, opened: &Opened, checked: Checked<'_>, change: Change) -> Result<Saved, Error> {
        self.save_with(opened, checked, change, None)
    }

    /// The same with a recipient's key that the change brings.
    ///
    /// # Errors
    /// As [`Context::save`].
    pub fn save_with(
        &self,
        opened: &Opened,
        checked: Checked<'_>,
        change: Change,
        new: Option<&Opener>,
    ) -> Result<Saved, Error> {
        let vault_id = checked.vault.vault_id.clone();
        let saved = self.edit(opened).save_with(checked, change, new)?;
        sweep::after_save(self, opened, opened.seen.opener(), &vault_id);
        Ok(saved)
    }

    /// Saves what makes one of two states. `covered` is whether that comes from all that this host has accepted; with
    /// `resealing` kept generations are sealed anew, since recipients were removed, or keys changed by these; the last part
    /// is the key that opened the other state.
    ///
    /// # Errors
    /// As [`store::Edit::save`], [`store::Edit::save_resealing`].
    pub fn save_joined(
        &self,
        opened: &Opened,
        checked: Checked<'_>,
        change: Change,
        covered: bool,
        resealing: Option<(Unreadable, Vec<Heir>, &Opener)>,
    ) -> Result<Saved, Error> {
        let vault_id = checked.vault.vault_id.clone();
        let policy = Policy { accept_rollback: covered || self.policy.accept_rollback, ..self.policy.clone() };
        let edit = store::Edit { policy: &policy, ..self.edit(opened) };
        let saved = match resealing {
            None => edit.save(checked, change)?,
            Some((unreadable, known, by)) => {
                let keys = store::Keys { proof: opened.seen.opener(), heir: None, known, beside: by.all().collect() };
                edit.save_resealing(checked, change, keys, unreadable)?
            }
        };
        sweep::after_save(self, opened, opened.seen.opener(), &vault_id);
        Ok(saved)
    }

    /// Puts a state that comes from the vault in its place. For `covered` see
    /// [`Context::save_joined`].
    ///
    /// # Errors
    /// As [`store::Edit::forward`].
    pub fn save_forward(
        &self,
        opened: &Opened,
        checked: Checked<'_>,
        theirs: &Seen,
        covered: bool,
    ) -> Result<Saved, Error> {
        let vault_id = checked.vault.vault_id.clone();
        let policy = Policy { accept_rollback: covered || self.policy.accept_rollback, ..self.policy.clone() };
        let saved = store::Edit { policy: &policy, ..self.edit(opened) }.forward(checked, theirs)?;
        sweep::after_save(self, opened, opened.seen.opener(), &vault_id);
        Ok(saved)
    }
}
