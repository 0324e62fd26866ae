//! How commands save the vault, and the sweep that follows each save.

use super::context::{Context, Opened};
use super::{Error, sweep};
use crate::model::Change;
use crate::seal::Opener;
use crate::store::{self, Checked, Heir, Policy, Saved, Seen, Unreadable};

impl Context {
    /// The [`store::Edit`] that writes the opened vault.
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

    /// As [`Context::save`], for a change that adds a recipient whose key, `new`, is at hand.
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

    /// Saves the merge of two states. `covered` is whether the merge descends from every state that this host has
    /// accepted. With `resealing`, for a merge across a removal of recipients or a change of keys, kept generations are
    /// sealed again; its last part is the key that opened the other state.
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
        let policy = self.policy_of_merge(covered);
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

    /// Fast-forwards the vault to a state that descends from it. For `covered` see
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
        let policy = self.policy_of_merge(covered);
        let saved = store::Edit { policy: &policy, ..self.edit(opened) }.forward(checked, theirs)?;
        sweep::after_save(self, opened, opened.seen.opener(), &vault_id);
        Ok(saved)
    }

    fn policy_of_merge(&self, covered: bool) -> Policy {
        Policy { accept_rollback: covered || self.policy.accept_rollback, ..self.policy.clone() }
    }
}
