//! Why a command did not do what was asked: one type for all of them, worded in [`super::words`].

use super::{usage, value};
use crate::{formats, fsio, gateway, keys, model, ops, seal, session, store, views};
use std::path::PathBuf;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// What was typed makes no sense.
    Usage(Usage),
    /// The vault file.
    Store(store::Error),
    /// The opening key.
    Keys(keys::Error),
    /// The process that holds a key.
    Session(session::Error),
    /// The gateway's state directory.
    Gateway(gateway::Error),
    /// A foreign format, and the file it was in.
    Format(formats::Error, Option<PathBuf>),
    /// Views for the gateway.
    Views(views::Error),
    /// A gateway that was not connected.
    Connect(ops::connect::Error),
    /// No key source at hand opens the vault without a person.
    Unattended,
    /// A gateway was connected, and this is not as it should be.
    Left(super::connect::Findings),
    /// Nothing could be read, for this reason.
    Unreadable(Box<gateway::Unread>),
    /// So many files could not be read, the first for this reason; everything else was done.
    Unread(usize, Box<gateway::Unread>),
    /// What a connected gateway asks for would be taken away.
    Connected(Vec<String>),
    /// A connected gateway uses this name for another secret.
    Asked(String),
    /// The gateway's resolver has so many findings.
    Unresolvable(usize),
    /// An import that was not done.
    Import(ops::import::Error),
    /// A command that was not run.
    Run(ops::run::Error),
    /// What no rule decides between the gateway and the vault; everything else was captured.
    CaptureConflict(Vec<(String, ops::judge::Why)>),
    /// Views that the gateway changed before it kept these in databases.
    LeftViews(Vec<String>),
    /// There is no vault at this path; the newest generation that was kept there.
    NoVault(PathBuf, Option<u64>),
    /// A request of the gateway's that is none.
    Request(formats::exec::Refused),
    /// It took longer than it may.
    Deadline(std::time::Duration),
    /// A value that the gateway could not use as it is.
    Value(value::Refused),
    /// A new vault where another one's generations are kept.
    KeptGenerations,
    /// A backup that is changed or cut off.
    DamagedBackup,
    /// A backup that neither the key of the vault opens nor the one that was named for it.
    BackupKey,
    /// A file that is no backup at all.
    NoBackup,
    /// A backup of another vault than the one that `--pin` names.
    BackupPin(store::Pin),
    /// A backup of a vault that was never used here.
    UnknownBackup(store::Pin),
    /// Unresolved conflicts between the vault and the state of this name.
    Merge(String, Vec<(ops::join::Conflict, String)>),
    /// Entries and orders that were changed again after the save to be undone.
    ChangedSince(Vec<String>),
    /// The error for this one of several states.
    Of(String, Box<Error>),
    /// A merge that the git driver refuses, since it needs a person's confirmation.
    MergeAsks,
    /// A file that is not the expected state of this vault, with its fingerprint.
    NotACopy(store::Pin),
    /// No generation, file or revision has this name.
    NoState(String),
    /// Several kept states have this number.
    Ambiguous(u64, Vec<String>),
    /// No recorded save changed this entry.
    NoChange(String),
    /// The vault's directory is not in a git work tree.
    NoWorkTree(PathBuf),
    /// A profile that holds a reference to a secret elsewhere, and none itself.
    OnlyReference,
    /// `HOME` is not set.
    NoHome,
    /// No directory is known for what must not outlive this boot.
    NoRuntimeDir,
    /// The person said no.
    Declined,
    /// This many of so many backups failed.
    Findings(usize, usize),
    /// The verdict of `status --check`, or the exit code of a command that was run.
    Verdict(u8),
    /// The signal that ended a command that was run.
    Killed(i32),
    /// Nobody reads any more.
    Pipe,
}

/// What was typed makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Clap's word for it, and the option or command of ours that it is about.
    Parse(usage::Kind),
    /// Several key sources at once.
    TwoKeys,
    /// Not a secret id.
    Id(model::IdError),
    /// Not an agent id.
    Agent,
    /// A value on the command line.
    ValueInArgs,
    /// A recovery key that nobody would see.
    RecoveryPlace,
    /// A secret key on the command line.
    KeyInArgs,
    /// A session, where the key itself is asked for.
    AsksAgain,
    /// An identity that is not that of the recipient which its file names.
    OtherRecipient,
    /// A duration that is none.
    Duration,
    /// A time for which no session holds a key.
    HoldFor,
    /// An age recipient that was copied with a fault.
    RecipientMistyped,
    /// What is to be added is neither a recipient nor a file that is there.
    NeitherRecipientNorFile,
    /// A secret key on standard output.
    KeyToStdout,
    /// An environment variable without a usable value.
    Variable(&'static str),
    /// A question that nobody is there to answer.
    NeedsYes,
    /// A kind of key that no session can hold.
    NotHeld,
    /// Not a label.
    Label,
    /// A new vault without any recipient.
    NoRecipient,
    /// `-` without `--format`, or `--format` without it.
    StdinFormat,
    /// Renaming from one world of ids to another.
    OtherWorld,
    /// A new `auth/` entry by `set`.
    SetNewAuth,
    /// An OAuth credential where one value stands for it.
    Oauth,
    /// `passwd` with several passphrases and no label.
    WhichPassphrase,
    /// `passwd` without a passphrase.
    NoPassphrase,
    /// `export-identity` with another key and nobody to ask.
    NeedsItsPassphrase,
    /// Not a fingerprint.
    Pin,
    /// Not a version of a gateway.
    GatewayVersion,
    /// A unit for a gateway that is neither found nor named.
    WhichGateway,
    /// A recipient that is not a passphrase.
    NotPassphrase,
    /// No provider.
    Provider,
    /// `setup-token` for a provider that has none.
    NoSetupToken,
    /// Memory of a derivation outside its bounds.
    KdfMemory,
    /// A value that is longer than one may be.
    TooLong,
    /// A question that only somebody who looks can answer, and nobody is there.
    NeedsPerson,
    /// A value that is asked for, with `--no-input`.
    NoInput,
    /// The key and the input of a command, both on standard input.
    StdinTwice,
    /// `--accept-rollback` for a command that runs without anybody.
    AcceptUnattended,
    /// `resolve` by hand, or with the key where the request should be.
    ResolveInput,
    /// `run` without a command.
    NothingToRun,
    /// `run --only` with something else than the name of a variable.
    Only,
    /// A profile of another provider in an order.
    OtherProvider,
    /// An order of nothing.
    NoProfiles,
    /// `trust` without a terminal and without `--pin`.
    TrustNeedsPin,
    /// Removing the key that the command itself uses.
    RemovesItself,
    /// The key to be removed is at hand, together with more than one remaining key.
    SeveralStay,
    /// `--ours` or `--theirs` with several states to be merged.
    ChooseForOne,
    /// Neither an entry id nor an order.
    Subject,
    /// The vault has no record of a save by this host that could be undone.
    NothingToUndo,
    /// No state from before a save of the vault is kept.
    NothingBefore,
    /// Options for a new passphrase where none is added.
    OptionsWithoutPassphrase,
}

impl From<Usage> for Error {
    fn from(usage: Usage) -> Self {
        Self::Usage(usage)
    }
}

macro_rules! from {
    ($($module:ident => $variant:ident),*) => {
        $(impl From<$module::Error> for Error {
            fn from(error: $module::Error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}
impl From<ops::intake::Refused> for Error {
    fn from(refused: ops::intake::Refused) -> Self {
        Self::Value(value::Refused::Intake(refused))
    }
}

from!(store => Store, keys => Keys, session => Session, gateway => Gateway, views => Views);

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ops::connect::Error> for Error {
    fn from(error: ops::connect::Error) -> Self {
        use ops::connect::Error as Connect;
        match error {
            Connect::File(error) => error.into(),
            Connect::Gateway(error) => error.into(),
            Connect::Views(error) => error.into(),
            Connect::Model(error) => error.into(),
            Connect::Store(error) => (*error).into(),
            Connect::Format(error, path) => Self::Format(error, Some(path)),
            other => Self::Connect(other),
        }
    }
}

impl From<ops::run::Error> for Error {
    fn from(error: ops::run::Error) -> Self {
        Self::Run(error)
    }
}

impl From<ops::import::Error> for Error {
    fn from(error: ops::import::Error) -> Self {
        match error {
            ops::import::Error::Model(error) => error.into(),
            other => Self::Import(other),
        }
    }
}

impl From<ops::capture::Error> for Error {
    fn from(error: ops::capture::Error) -> Self {
        match error {
            ops::capture::Error::Views(error) => error.into(),
            ops::capture::Error::Store(error) => error.into(),
        }
    }
}
