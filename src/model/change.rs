//! Changes: what a command wants, applied to whatever the vault holds when its turn comes.

use super::{Entries, Error, Label, Recipient, Save, Scope, SecretId, Subject, Vault};
use crate::secret::Secret;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// One step of a change.
#[derive(Clone)]
pub enum Op {
    /// Puts a secret: a credential object for `auth/` ids, else a JSON string. The last part
    /// is the command that brings it.
    Put(SecretId, Box<RawValue>, &'static str),
    /// Takes a secret away, and out of its agent's orders.
    Remove(SecretId),
    /// Gives a secret another id of the same world, in its agent's orders too.
    Rename(SecretId, SecretId),
    /// Sets (or with `None` forgets) the order of a provider's profiles for one scope.
    Order(Scope, String, Option<Vec<String>>),
    /// Adds a recipient.
    AddRecipient(Recipient),
    /// Removes a recipient; always together with a [`Rotation`].
    RemoveRecipient(Label),
    /// Renames a recipient.
    RenameRecipient(Label, Label),
    /// A new key under the same label.
    ReplaceRecipient(Label, Recipient),
    /// All entries and what is known of them, as a snapshot has them.
    Restore(Box<Entries>),
    /// The checklist after a removal, with something taken off it.
    Checklist(Box<RawValue>),
    /// Joins another state of the vault, apart from its entries and orders.
    Join(Box<Join>),
    /// New vault secret: those who knew the old one can no longer forge.
    Rotate(Rotation),
}

/// The result of a merge, apart from entries and orders.
#[derive(Clone)]
pub struct Join {
    /// The state that was merged, as named in the records of saves.
    pub state: String,
    /// Conflicting entries and orders for which our side was chosen.
    pub kept: Vec<Subject>,
    /// Host -> number of its saves, the higher one of both sides.
    pub writers: BTreeMap<String, u64>,
    /// The number of the state that was merged.
    pub generation: u64,
    /// The recipients of the joined state.
    pub recipients: Vec<Recipient>,
    /// The records of saves of both sides.
    pub saves: Vec<Save>,
    /// Other members with their new values.
    pub members: Vec<JoinMember>,
    /// The vault secret of the other side, if recipients were removed there only.
    pub secret: Option<Adopted>,
}

/// The name of a member of the document, and its value; `None` removes it.
pub type JoinMember = (&'static str, Option<Box<RawValue>>);

/// A vault secret and its epoch.
pub struct Adopted {
    /// 32 random bytes, base64.
    pub secret: Secret,
    /// The number of secret changes up to it.
    pub epoch: u64,
}

impl Clone for Adopted {
    fn clone(&self) -> Self {
        Self { secret: Secret::new(self.secret.expose().to_owned()), epoch: self.epoch }
    }
}

/// The new secret of a vault, and the record that links it to the old one.
pub struct Rotation {
    /// 32 random bytes, base64.
    pub secret: Secret,
    /// One entry of `succession`.
    pub link: Box<RawValue>,
}

impl Clone for Rotation {
    fn clone(&self) -> Self {
        Self { secret: Secret::new(self.secret.expose().to_owned()), link: self.link.clone() }
    }
}

/// The member with the links between the vault's secrets, the oldest first.
pub const SUCCESSION: &str = "succession";
/// Number of newest links that are kept: a host that is further behind asks for the fingerprint again.
pub const MAX_LINKS: usize = 512;
/// The member with the number of the last save that dropped hosts from `writers`.
pub const FOLDED: &str = "folded";
/// The member that holds the checklist.
pub const CHECKLIST: &str = "checklist";
/// The member of a vault whose last save was a capture.
pub(super) const CAPTURED: &str = "captured";

/// The steps of one command, all or none of which happen.
#[derive(Clone, Default)]
pub struct Change {
    ops: Vec<Op>,
    capture: bool,
}

impl Change {
    /// One step.
    pub fn of(op: Op) -> Self {
        Self { ops: vec![op], capture: false }
    }

    /// No step yet. Its save is a capture: consecutive ones replace each other.
    pub fn capture() -> Self {
        Self { ops: Vec::new(), capture: true }
    }

    /// The same steps as a capture.
    pub fn captured(self) -> Self {
        Self { capture: true, ..self }
    }

    /// Adds a step.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Whether it has no steps.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub(super) fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether it brings back all entries of a snapshot.
    pub fn restores(&self) -> bool {
        self.entries().is_some()
    }

    /// The entries that replace all current ones.
    pub fn entries(&self) -> Option<&Entries> {
        self.ops.iter().find_map(|op| match op {
            Op::Restore(entries) => Some(entries.as_ref()),
            _ => None,
        })
    }

    /// The label of the recipient that it removes.
    pub fn leaver(&self) -> Option<&Label> {
        self.ops.iter().find_map(|op| match op {
            Op::RemoveRecipient(label) => Some(label),
            _ => None,
        })
    }

    /// The ids that it renames: from, to.
    pub fn renamed(&self) -> impl Iterator<Item = (&SecretId, &SecretId)> {
        self.ops.iter().filter_map(|op| match op {
            Op::Rename(from, to) => Some((from, to)),
            _ => None,
        })
    }

    /// The ids whose values it replaces or removes.
    pub fn touched(&self) -> impl Iterator<Item = &SecretId> {
        self.ops
            .iter()
            .flat_map(|op| match op {
                Op::Put(id, ..) | Op::Remove(id) => [Some(id), None],
                Op::Rename(from, to) => [Some(from), Some(to)],
                _ => [None, None],
            })
            .flatten()
    }

    /// The ids that no longer exist after it.
    pub fn removed(&self) -> impl Iterator<Item = &SecretId> {
        self.ops.iter().filter_map(|op| match op {
            Op::Remove(id) | Op::Rename(id, _) => Some(id),
            _ => None,
        })
    }

    /// Whether it changes which profile a provider uses first.
    pub fn reorders(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Order(..)))
    }

    /// Refuses if what this change was made for has changed: `seen` is the vault that it was made for, `now` the one
    /// that it would be applied to.
    ///
    /// # Errors
    /// [`Error::Conflict`] with the id or label.
    pub fn check_against(&self, seen: &Vault<'_>, now: &Vault<'_>) -> Result<(), Error> {
        for id in self.touched() {
            if seen.get(id).map(RawValue::get) != now.get(id).map(RawValue::get) {
                return Err(Error::Conflict(id.to_string()));
            }
        }
        for op in &self.ops {
            match op {
                Op::Order(scope, provider, _) => {
                    let order = |vault: &Vault<'_>| vault.scopes.get(scope.as_str())?.order.get(provider).cloned();
                    if order(seen) != order(now) {
                        return Err(Error::Conflict(format!("{}: order of {provider}", scope.as_str())));
                    }
                }
                Op::Checklist(_) => {
                    let list = |vault: &Vault<'_>| vault.other.get(CHECKLIST).map(|raw| raw.get().to_owned());
                    if list(seen) != list(now) {
                        return Err(Error::Conflict(CHECKLIST.to_owned()));
                    }
                }
                Op::Restore(_) | Op::Join(_) if seen.rev != now.rev => {
                    return Err(Error::Conflict("all entries".to_owned()));
                }
                Op::RemoveRecipient(..) | Op::RenameRecipient(..) | Op::ReplaceRecipient(..) | Op::Rotate(_) => {
                    // Labels too: a label must still name the same key.
                    let keys = |vault: &Vault<'_>| -> Vec<(String, String)> {
                        let pair = |recipient: &super::Recipient| {
                            (recipient.label.as_str().to_owned(), recipient.public.clone())
                        };
                        vault.recipients.iter().map(pair).collect()
                    };
                    if keys(seen) != keys(now) || seen.epoch != now.epoch {
                        return Err(Error::Conflict("recipients".to_owned()));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Applies every step to `vault`. `now` is in Unix seconds.
    ///
    /// # Errors
    /// The first step that cannot be done; the vault is then to be thrown away.
    pub fn apply(self, vault: &mut Vault<'_>, now: u64) -> Result<(), Error> {
        vault.other.take(CAPTURED);
        if self.capture {
            vault.other.put(CAPTURED, to_raw_value(&true)?);
        }
        self.ops.into_iter().try_for_each(|op| op.apply(vault, now))
    }
}
