//! `render`, `export`, `wipe`: views for the gateway.

use super::args::{Export, Format, Only, Render, Wipe};
use super::capture_stores;
use super::context::{Context, Opened, agent};
use super::environment::runtime_dir;
use super::handover::connection;
use super::{Error, Usage, memory, words};
use crate::formats::{self, auth_profiles, document, dotenv, shell, systemd};
use crate::fsio;
use crate::gateway::{self, Era, Settings};
use crate::model::{self, Vault};
use crate::ops::connect;
use crate::ops::export::{self, Content, Guard, Links, Originals};
use crate::ops::wipe;
use crate::secret::{Secret, SecretBuf};
use crate::views::{self, Changes, Kind, Stay};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How often views are written anew when the vault is saved meanwhile.
const TRIES: usize = 3;

/// One view to standard output.
pub fn render(context: &mut Context, args: &Render) -> Result<(), Error> {
    let scope = agent(&args.agent)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let vault = &checked.vault;
    let failed = |error| Error::Format(error, None);
    let view = match args.format {
        Format::AuthProfiles => {
            if !vault.scopes.contains_key(scope.as_str()) {
                return Err(model::Error::NoEntry(scope.as_str().to_owned()).into());
            }
            let content = if args.refs { Content::References } else { Content::Values };
            let kind = Kind::AuthProfiles(scope.clone());
            export::render(vault, &kind, &auth_profiles::Carried::default(), content)?
        }
        Format::Dotenv => env_view(vault, dotenv::render)?,
        Format::Shell => env_view(vault, shell::render)?,
        Format::Systemd => env_view(vault, systemd::render)?,
        Format::Json => document::render(vault, None).map_err(failed)?,
    };
    context.out.view(&view)
}

type Renderer = fn(&[(&str, &Secret)]) -> Result<SecretBuf, formats::Error>;

fn env_view(vault: &Vault<'_>, render: Renderer) -> Result<SecretBuf, Error> {
    let values = vault.env.iter().map(|(name, raw)| {
        let value: String = serde_json::from_str(raw.get()).map_err(model::Error::from)?;
        Ok((name, Secret::new(value)))
    });
    let values = values.collect::<Result<Vec<_>, model::Error>>()?;
    let entries: Vec<(&str, &Secret)> = values.iter().map(|(name, value)| (*name, value)).collect();
    render(&entries).map_err(|error| Error::Format(error, None))
}

/// The views as files.
pub fn export(context: &mut Context, args: &Export) -> Result<(), Error> {
    let agent = args.agent.as_deref().map(agent).transpose()?;
    let dir = args.dir.clone().map_or_else(|| runtime_dir().map(|dir| dir.join("openclaw")), Ok)?;
    let opened = context.open()?;
    let settings = context.settings();
    let state_dir = if args.link { Some(gateway::resolve(&settings)?) } else { None };
    if let Some(state_dir) = state_dir.as_deref().filter(|_| args.refs && !args.force) {
        refuse_unconnected(context, &context.check(&opened)?.vault, &settings, state_dir)?;
    }
    let every = if args.link { gateway::agent_ids(&settings)? } else { BTreeSet::new() };
    let content = if args.refs { Content::References } else { Content::Values };
    let guard = |waived| if waived { Guard::Waive } else { Guard::Refuse };
    let request = export::Request {
        dir: &dir,
        link: None,
        content,
        // Without references an agent that has nothing takes over what the main one has.
        every: if args.refs { every } else { BTreeSet::new() },
        era: gateway::known(&settings).era(),
        agent,
        only: match args.only {
            None => export::Only::Everything,
            Some(Only::AuthProfiles) => export::Only::AuthProfiles,
            Some(Only::Env) => export::Only::Env,
        },
        disk: guard(args.on_disk),
        store: guard(args.force),
        changes: changes(args.discard),
        stay: Stay::ForGood,
        local: context.local.root(),
        patience: context.patience(),
    };
    let (report, kept) = written(context, opened, &request, state_dir.as_deref())?;
    let out = context.out;
    hazards(context, &settings, args)?;
    if out.json {
        let written = report.written.iter().map(|view| json!({"path": shown(&view.path), "ids": view.ids}));
        let removed = report.removed.iter().map(|path| shown(path));
        return out.json(&json!({
            "version": 1, "dir": shown(&report.dir), "written": written.collect::<Vec<_>>(),
            "linked": report.linked.iter().map(|path| shown(path)).collect::<Vec<_>>(), "sealed": originals(&kept),
            "removed": removed.collect::<Vec<_>>(), "skipped": report.skipped,
        }));
    }
    for view in &report.written {
        let entries = words::count(view.ids.len(), "entry", "entries");
        out.say(&format!("wrote {} ({entries})", view.path.display()));
    }
    report.linked.iter().for_each(|path| out.say(&format!("linked {}", path.display())));
    report.removed.iter().for_each(|path| out.say(&format!("removed {}", path.display())));
    for scope in &report.skipped {
        out.warn(&format!("note: auth/{scope}/ has no file in this layout, it was not exported"));
    }
    if report.references && !args.refs {
        out.warn("note: profiles there are references, and stay so; agevault wipe first to write values");
    }
    if report.written.is_empty() {
        out.warn("note: the vault has nothing to export");
    }
    // What a script needs to start the gateway with.
    out.line(&shown(&report.dir))
}

/// Writes the views, again if the vault is saved meanwhile, as by a capture. Files of the gateway in `state_dir` that
/// links replace are sealed first, once a person agrees. Returns those files too, each with its sealed copy.
fn written(
    context: &Context,
    mut opened: Opened,
    request: &export::Request<'_>,
    state_dir: Option<&Path>,
) -> Result<(export::Report, Vec<(PathBuf, PathBuf)>), Error> {
    let mut tries = TRIES;
    let (mut originals, mut kept) = (Originals::default(), Vec::new());
    let references = request.content == Content::References;
    loop {
        let checked = context.check(&opened)?;
        let vault = &checked.vault;
        let link = state_dir.map(|state_dir| Links { state_dir, originals: &originals });
        tries -= 1;
        match export::export(vault, &export::Request { link, ..request.clone() }, &|| opened.is_current()) {
            Err(views::Error::Stale) if tries > 0 => drop(checked),
            Err(views::Error::Originals(files)) if tries > 0 => {
                // `connect` has agreed to references in these places, and the units that it prints ask no questions.
                let agreed = |dir| connection(context, &vault.vault_id).is_some_and(|one| one.is_of(dir));
                if !(references && state_dir.is_some_and(agreed)) {
                    agree(context, &files)?;
                }
                kept.extend(seal(context, &opened, vault, &mut originals, &files)?);
                continue;
            }
            report => {
                let report = report?;
                if let Some(state_dir) = state_dir {
                    memory::note(context, vault, state_dir, &report)?;
                }
                return Ok((report, kept));
            }
        }
        opened = opened.close().open()?;
    }
}

/// Asks whether links may take the place of a gateway's own files.
fn agree(context: &Context, files: &[PathBuf]) -> Result<(), Error> {
    let question = format!("replace {} by links to views, and keep sealed copies?", words::views(files));
    match context.terminal.confirm(&question) {
        // Without a terminal the error names the files.
        Err(Error::Usage(Usage::NeedsYes)) => Err(views::Error::Originals(files.to_vec()).into()),
        answer => answer,
    }
}

/// Seals files of a gateway's own into the folder of backups beside the vault, and says where.
///
/// # Errors
/// As [`Originals::seal`].
pub fn seal(
    context: &Context,
    opened: &Opened,
    vault: &Vault<'_>,
    originals: &mut Originals,
    files: &[PathBuf],
) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let kept = originals.seal(vault, files, &opened.place.path().with_file_name("backups"))?;
    for (file, sealed) in &kept {
        context.out.say(&format!("sealed {} as it was in {}", file.display(), sealed.display()));
    }
    Ok(kept)
}

/// Files and their sealed copies, for JSON.
fn originals<'o>(kept: impl IntoIterator<Item = &'o (PathBuf, PathBuf)>) -> Vec<Value> {
    kept.into_iter().map(|(file, sealed)| json!({"file": shown(file), "sealed": shown(sealed)})).collect()
}

/// Refuses references in the place of a gateway's own files if nothing answers for them there: no connection is
/// remembered, and its configuration names no resolver, as after `connect --undo`.
fn refuse_unconnected(
    context: &Context,
    vault: &Vault<'_>,
    settings: &Settings,
    state_dir: &Path,
) -> Result<(), Error> {
    let era = gateway::known(settings).era().unwrap_or(Era::Split);
    // Databases are refused for a reason of their own.
    if era.has_stores() || connection(context, &vault.vault_id).is_some_and(|one| one.is_of(state_dir)) {
        return Ok(());
    }
    let resolver = gateway::configuration(settings)?.and_then(|config| config.resolver());
    if resolver.is_some() { Ok(()) } else { Err(connect::Error::NotConnected(state_dir.to_owned()).into()) }
}

/// What could bring plaintext onto a disk although the views are in memory.
fn hazards(context: &Context, settings: &Settings, args: &Export) -> Result<(), Error> {
    let out = context.out;
    if args.link && !args.refs {
        out.warn("note: an upgrade of the gateway past 2026.6.1 would import these views as plaintext; run agevault export --refs --link, or agevault connect, before it");
    }
    let copy = gateway::resolve(settings)?.join("gateway.systemd.env");
    if copy.exists() {
        out.warn(&format!(
            "note: {} may hold copies of .env entries on the disk; remove it and install the service again",
            words::path(&copy)
        ));
    }
    if !args.on_disk && fsio::swaps() {
        out.warn(
            "note: this machine swaps to a disk, where views in memory may be written; encrypted swap keeps them safe",
        );
    }
    Ok(())
}

fn changes(discard: bool) -> Changes {
    if discard { Changes::Discard } else { Changes::Keep }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What `export` wrote, taken away again.
pub fn wipe(context: &mut Context, args: &Wipe) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let request = wipe::Request {
        dir: args.dir.as_deref(),
        changes: changes(args.discard),
        local: context.local.root(),
        patience: context.patience(),
    };
    let report = match wipe::wipe(&checked.vault, &request) {
        // A capture looks into databases then, and not at what views had.
        Err(views::Error::Changed(names)) if capture_stores::databases(context, &opened)?.is_some() => {
            return Err(Error::LeftViews(names));
        }
        report => report?,
    };
    if context.out.json {
        let paths = |paths: &[PathBuf]| paths.iter().map(|path| shown(path)).collect::<Vec<_>>();
        return context.out.json(&json!({
            "version": 1, "removed": paths(&report.removed), "gone": paths(&report.gone),
            "unlinked": paths(&report.unlinked),
            "originals": originals(&report.originals.into_iter().collect::<Vec<_>>()),
        }));
    }
    report.removed.iter().for_each(|path| context.out.say(&format!("removed {}", path.display())));
    if !report.unlinked.is_empty() {
        let connected = connection(context, &checked.vault.vault_id).is_some();
        context.out.warn(&format!("note: the gateway has no credentials now in {}", words::views(&report.unlinked)));
        context.out.warn(&format!("  {}", if connected { words::VIEWS_AGAIN } else { words::LINKS_AGAIN }));
    }
    let key = context.key_file();
    for (file, sealed) in &report.originals {
        words::original(file, sealed, key.as_deref()).iter().for_each(|line| context.out.warn(line));
    }
    if report.removed.is_empty() {
        context.out.say("there was nothing to remove");
    }
    Ok(())
}
