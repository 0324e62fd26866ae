//! The gateway's side of the disk: which state directory it uses, and what lies in it.

mod command;
mod config;
mod converse;
mod database;
mod inventory;
mod json_store;
mod port;
mod program;
mod service;
mod shim;
mod sqlite;
mod state_dir;
mod store_lock;
mod version;

pub use command::keeps_environment;
pub use config::{Configuration, Document};
pub use converse::{Output, converse};
pub use database::Fault;
pub use inventory::{
    At, Content, Dirs, EnvFile, Files, Found, Inventory, Item, Leftover, Part, Place, Shape, Store, Unread, Why,
    agent_dirs, agent_ids, check_owner, configuration, leftover, names_variable, own_stores,
};
pub use port::{listens, port};
pub use program::{Program, StoreChange};
pub use service::{ServiceFiles, Started, ends_with_logout, service_files, start_unit};
pub use state_dir::{Settings, former_state_dirs, resolve};
pub use store_lock::StoreLock;
pub use version::{Era, Installed, Known, Version, installed, is_read_only, known, store_in};

use crate::{formats, fsio};
use std::path::PathBuf;

/// What can be wrong with a gateway's state directory.
#[derive(Debug)]
pub enum Error {
    /// A file or directory.
    File(fsio::Error),
    /// The home directory is not known.
    NoHome,
    /// No program of a gateway is installed, or it is not found.
    NoProgram,
    /// No Node to run it with.
    NoNode,
    /// The gateway's program could not be run, or did not do what it should.
    Program,
    /// A store of the gateway's could not be changed: it is locked, or the gateway refuses it.
    StoreBusy,
    /// A store was changed while we looked at it.
    StoreChanged,
    /// Nothing that could be imported lies there.
    Empty(PathBuf),
    /// A database, and what is wrong with it.
    Database(PathBuf, Fault),
    /// A file that cannot be read as what it is.
    Format(formats::Error, PathBuf),
}

impl From<fsio::Error> for Error {
    fn from(error: fsio::Error) -> Self {
        Self::File(error)
    }
}
