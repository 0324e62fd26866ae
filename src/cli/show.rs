//! `list`, `get`, `completions`, `man`.

use super::args::{Cli, Get};
use super::context::Context;
use super::{Error, Usage};
use crate::model::{self, Credential, SecretId, Vault};
use crate::secret::Secret;
use clap::CommandFactory;
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt::Write;

/// An id as a person types it.
///
/// # Errors
/// [`Usage::Id`].
pub fn id(text: &str) -> Result<SecretId, Error> {
    SecretId::parse_lenient(text).map_err(|error| Usage::Id(error).into())
}

/// The JSON text of an entry that must be there.
///
/// # Errors
/// [`model::Error::NoEntry`].
pub fn entry<'v>(vault: &'v Vault<'_>, id: &SecretId) -> Result<&'v RawValue, Error> {
    vault.get(id).ok_or_else(|| model::Error::NoEntry(id.to_string()).into())
}

/// The ids, which are not secret.
pub fn list(context: &mut Context, prefix: &str) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    if context.out.json {
        let ids = checked.vault.ids().map(|id| id.to_string()).filter(|id| id.starts_with(prefix));
        return context.out.json(&json!({"version": 1, "ids": ids.collect::<Vec<_>>()}));
    }
    let mut lines = String::with_capacity(64 * checked.vault.entries());
    for id in checked.vault.ids() {
        let start = lines.len();
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{id}");
        if !lines.get(start..).is_some_and(|line| line.starts_with(prefix)) {
            lines.truncate(start);
        }
    }
    context.out.text(&lines)
}

/// One value.
pub fn get(context: &mut Context, args: &Get) -> Result<(), Error> {
    let id = id(&args.id)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let raw = entry(&checked.vault, &id)?;
    let value = value_of(&id, raw, args.field.as_deref())?;
    if context.out.json {
        return context.out.json(&json!({"version": 1, "id": id.to_string(), "value": value.expose()}));
    }
    context.out.secret(&value)
}

/// The value that stands for an entry, or one member of a credential: a string as it is,
/// anything else as JSON.
fn value_of(id: &SecretId, raw: &RawValue, field: Option<&str>) -> Result<Secret, Error> {
    let missing = || model::Error::NoEntry(id.to_string());
    let raw = if let SecretId::Auth(..) = id {
        let credential = Credential::parse(&id.to_string(), raw)?;
        let field = match (field, credential.kind()) {
            (Some(field), _) => field,
            (None, Some(kind)) => kind.secret_member().ok_or(Usage::Oauth)?,
            (None, None) => return Err(missing().into()),
        };
        let reference = || credential.get(&format!("{field}Ref")).is_some();
        match credential.get(field) {
            Some(raw) => raw.to_owned(),
            None if reference() => return Err(Error::OnlyReference),
            None => return Err(missing().into()),
        }
    } else if field.is_some() {
        return Err(missing().into());
    } else {
        raw.to_owned()
    };
    let text = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    Ok(Secret::new(text))
}

/// Completions, from the table of commands.
pub fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "agevault", &mut text);
    super::out::Out::default().text(&String::from_utf8_lossy(&text))
}

/// A word as a command, or as a command and one of its verbs with a hyphen between them.
fn parts<'a>(table: &clap::Command, word: &'a str) -> Vec<&'a str> {
    match word.split_once('-') {
        Some((command, verb)) if table.find_subcommand(command).is_some() => vec![command, verb],
        _ => vec![word],
    }
}

/// A manual page from the same table: of the whole, or of one command.
pub fn man(names: &[String]) -> Result<(), Error> {
    let table = super::usage::whole_table();
    let mut page = &table;
    // A page is called by its title too: recipients-add.
    let names: Vec<&str> = names.iter().flat_map(|name| parts(&table, name)).collect();
    for name in &names {
        let unknown = Usage::Parse(super::usage::Kind::Unknown(None, None));
        page = page.find_subcommand(name).ok_or(unknown)?;
    }
    let title = std::iter::once("agevault").chain(names.iter().copied()).collect::<Vec<_>>().join("-");
    let mut text = Vec::new();
    let failed = |error| crate::fsio::Error::Io("write", "the manual page".into(), error);
    let source = format!("agevault {}", env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(page.clone()).title(title).source(source);
    man.render(&mut text).map_err(failed)?;
    super::out::Out::default().text(&String::from_utf8_lossy(&text))
}
