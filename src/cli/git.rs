//! `git`: the attributes and drivers with which git merges vaults and shows their changes by name.

use super::args::Git;
use super::context::{Context, Opened};
use super::merge::{OF_GIT, told};
use super::{Error, state, words};
use crate::fsio::{self, Dir, Replacement};
use crate::gateway::converse;
use crate::model::{Credential, SecretId, Subject, Vault};
use crate::ops::join::{Choice, Merged, Sides, merge};
use crate::store::{self, Place, Relation, Seen};
use crate::views::Key;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one run of git may take.
const PATIENCE: Duration = Duration::from_secs(60);
const DRIVER: &str = "agevault";

/// Installs the drivers, or runs as one of them.
///
/// # Errors
/// A vault that is not in a work tree; a merge with unresolved conflicts, or one that needs confirmation.
pub fn run(context: &mut Context, args: &Git) -> Result<(), Error> {
    match args {
        Git::Install => install(context),
        Git::MergeDriver { base, ours, theirs } => merge_driver(context, base, ours, theirs),
        Git::Textconv { file } => textconv(context, file),
    }
}

/// Runs git in a vault's directory and returns its output, or `None` if it fails. Programs that the repository names
/// are not run: otherwise write access to the repository would be enough to run code as this user.
fn git(dir: &Path, args: &[&OsStr]) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never"]);
    command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_OPTIONAL_LOCKS", "0");
    command.arg("-C").arg(dir).args(args);
    let output = converse(&mut command, b"", PATIENCE).ok()?;
    (output.code == Some(0)).then(|| output.stdout.into_vec())
}

fn parts(vault: &Path) -> (&Path, String) {
    let name = vault.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (vault.parent().unwrap_or(Path::new("/")), name)
}

fn blob(vault: &Path, revision: &str) -> Option<Vec<u8>> {
    let (dir, name) = parts(vault);
    git(dir, &["cat-file", "blob", &format!("{revision}:./{name}")].map(OsStr::new))
}

/// Whether `git install` was run on this host for the vault's repository. Git is not run in any other repository, such
/// as one that arrived beside the vault in a synchronised folder.
fn is_installed(context: &Context, vault: &Path, vault_id: &str) -> Result<bool, Error> {
    let Some(known) = context.local.repository(vault_id)? else { return Ok(false) };
    Ok(repository(parts(vault).0).is_some_and(|here| here == known))
}

/// Whether the vault is in a repository for which `git install` was not run on this host.
///
/// # Errors
/// A record of local state that cannot be read.
pub fn is_unknown(context: &Context, vault: &Path, vault_id: &str) -> Result<bool, Error> {
    Ok(repository(parts(vault).0).is_some() && !is_installed(context, vault, vault_id)?)
}

/// The nearest `.git` in or above a directory, with its inode number.
fn repository(dir: &Path) -> Option<(PathBuf, u64)> {
    let dir = fsio::real_or_same(dir);
    let place = dir.ancestors().map(|dir| dir.join(".git")).find(|place| place.symlink_metadata().is_ok())?;
    let number = place.symlink_metadata().ok()?.ino();
    Some((place, number))
}

/// An unfinished git merge of the vault: the merge base, if there is one, and the other side.
type Stopped = (Option<Vec<u8>>, Vec<u8>);

/// The content of the vault file in a git revision.
///
/// # Errors
/// [`Error::NoState`].
pub fn file_of(context: &Context, vault: &Path, vault_id: &str, revision: &str) -> Result<Vec<u8>, Error> {
    let none = || Error::NoState(revision.to_owned());
    if revision.starts_with('-') || !is_installed(context, vault, vault_id)? {
        return Err(none());
    }
    blob(vault, revision).ok_or_else(none)
}

/// The unfinished git merge of the vault, if there is one.
///
/// # Errors
/// A record of local state that cannot be read.
pub fn other_side(context: &Context, vault: &Path, vault_id: &str) -> Result<Option<Stopped>, Error> {
    if !is_installed(context, vault, vault_id)? {
        return Ok(None);
    }
    let (dir, name) = parts(vault);
    let unmerged = git(dir, &["ls-files", "--unmerged", "--", &name].map(OsStr::new)).unwrap_or_default();
    let other = if unmerged.is_empty() { None } else { blob(vault, ":3") };
    Ok(other.map(|other| (blob(vault, ":1"), other)))
}

/// Writes `.gitattributes` and `.gitignore` beside the vault, and the drivers into the repository's configuration.
fn install(context: &mut Context) -> Result<(), Error> {
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let place = &opened.place;
    let (dir, name) = parts(place.path());
    let none = || Error::NoWorkTree(dir.to_owned());
    if git(dir, &["rev-parse", "--is-inside-work-tree"].map(OsStr::new)).is_none_or(|out| out != b"true\n") {
        return Err(none());
    }
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("agevault"));
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"));
    let call = format!("{} --vault {}", quoted(&program), quoted(place.path()));
    let settings = [
        ("merge.agevault.name", "agevault".to_owned()),
        // git expands each %, even within quotes.
        ("merge.agevault.driver", format!("{} git merge-driver %O %A %B", call.replace('%', "%%"))),
        ("diff.agevault.textconv", format!("{call} git textconv")),
        ("diff.agevault.cachetextconv", "false".to_owned()),
    ];
    for (setting, value) in &settings {
        git(dir, &["config", "--local", setting, value].map(OsStr::new)).ok_or_else(none)?;
    }
    let (repository, number) = repository(dir).ok_or_else(none)?;
    context.local.remember_repository(&checked.vault.vault_id, &(repository, number))?;
    let mut pattern = String::from("/");
    for character in name.chars() {
        if "\\*?[".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    // A quoted pattern in `.gitattributes` needs another layer of escapes.
    let in_quotes = format!("\"{}\"", pattern.replace('\\', "\\\\").replace('"', "\\\""));
    let attributes = add_line(dir, ".gitattributes", &format!("{in_quotes} merge={DRIVER} diff={DRIVER} -text"))?;
    let ignored = add_line(dir, ".gitignore", &format!("{pattern}.d/"))?
        | add_line(dir, ".gitignore", &format!("{pattern}.lock"))?;
    context.out.say("git now merges this vault with agevault; git diff and git log -p show changes by name");
    for (file, _) in [(".gitattributes", attributes), (".gitignore", ignored)].iter().filter(|(_, changed)| *changed) {
        context.out.say(&format!("wrote {}; commit it, so that each clone has it", dir.join(file).display()));
    }
    context.out.say("run agevault git install once in each clone: git does not take merge drivers from a repository");
    Ok(())
}

/// Adds a line to a file unless it is there already. Returns whether it was added.
fn add_line(dir: &Path, name: &str, line: &str) -> Result<bool, Error> {
    let path = dir.join(name);
    let mut text = match fsio::read_own(&path, crate::formats::MAX_INPUT) {
        Ok(bytes) => String::from_utf8_lossy(bytes.expose()).into_owned(),
        Err(error) if error.is_not_found() => String::new(),
        Err(error) => return Err(error.into()),
    };
    if text.lines().any(|have| have.trim() == line) {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += &format!("{line}\n");
    Replacement::write(&Dir::open(dir)?, OsStr::new(name), text.as_bytes(), 0o644)?.commit()?;
    Ok(true)
}

/// The merge driver that git runs: merges `theirs` into the file `ours`. A merge that needs confirmation fails.
fn merge_driver(context: &mut Context, base: &Path, ours: &Path, theirs: &Path) -> Result<(), Error> {
    let place = Place::at(context.vault_path())?;
    let open = |context: &mut Context, path: &Path| -> Result<Seen, Error> {
        let sealed = Place::at(path)?.read()?;
        let (plain, opener) = context.unlock(&sealed, path)?;
        Ok(Seen::new(sealed, plain, opener))
    };
    let seen = open(context, ours)?;
    let opened = Opened { place, seen };
    let is_empty = std::fs::metadata(base).is_ok_and(|meta| meta.len() == 0);
    let base = if is_empty { None } else { Some(open(context, base)?) };
    let their = open(context, theirs)?;
    let checked = context.check(&opened)?;
    let other = state::look(context, &opened, &their)?;
    match store::relation(&checked.vault, &other.vault)? {
        Relation::Same | Relation::Later => {}
        Relation::Earlier | Relation::Apart => return Err(Error::MergeAsks),
        Relation::Another => return Err(Error::NotACopy(other.pin)),
    }
    let base = base.as_ref().map(|base| state::look(context, &opened, base)).transpose()?;
    let is_base = |base: &&Vault<'_>| store::is_base(base, &checked.vault, &other.vault);
    let bases: Vec<&Vault<'_>> = base.iter().map(|base| &base.vault).filter(is_base).collect();
    let sides = Sides { bases: &bases, theirs: &other.vault, ours: &checked.vault };
    let (joining, stale) = match merge(sides, &Choice::default())? {
        // `ours` is already the result.
        Merged::Nothing => return Ok(()),
        Merged::Forward(_) => {
            return put(ours, &std::fs::read(theirs).map_err(|error| fsio::Error::io("read", theirs, error))?);
        }
        Merged::Conflicts(conflicts) => {
            context.out.warn("note: the other side is not in the vault yet; run agevault merge");
            let conflicts = told(&checked.vault, &other.vault, conflicts);
            return Err(Error::Merge(OF_GIT.to_owned(), conflicts));
        }
        Merged::Joins { joining, stale } => (joining, stale),
    };
    if !joining.left.is_empty() {
        return Err(Error::MergeAsks);
    }
    for id in stale {
        context
            .out
            .warn(&format!("note: {id}: left unchanged; the refresh token of the other state has been superseded"));
    }
    let sealed = context.edit(&opened).seal_only(checked, joining.change)?;
    put(ours, &sealed)
}

/// Writes the merged vault to the file from which git reads the result.
fn put(ours: &Path, sealed: &[u8]) -> Result<(), Error> {
    let dir = Dir::open(fsio::real_path(ours)?.parent().unwrap_or(Path::new(".")))?;
    Ok(Replacement::write(&dir, ours.file_name().unwrap_or_default(), sealed, 0o600)?.commit()?)
}

/// The textconv driver: prints one line per name in place of the sealed bytes. A file that cannot be opened is reported
/// in the output, since git stops if a driver fails.
fn textconv(context: &mut Context, file: &Path) -> Result<(), Error> {
    let place = Place::at(context.vault_path())?;
    let sealed = Place::at(file)?.read()?;
    let opened = match context.unlock(&sealed, file) {
        Ok((plain, opener)) => Opened { place, seen: Seen::new(sealed, plain, opener) },
        Err(error) => {
            return context.out.line(&format!(
                "encrypted file of {} bytes, not opened: {}",
                sealed.len(),
                words::of(&error).what
            ));
        }
    };
    let Ok(checked) = state::look(context, &opened, &opened.seen) else {
        return context.out.line(&format!("encrypted file of {} bytes, not a vault", opened.seen.sealed().len()));
    };
    // Not aligned in columns: a longer name would change every other line of the diff.
    lines(&checked.vault)?.iter().try_for_each(|line| context.out.line(line.join("  ").trim_end()))
}

fn lines(vault: &Vault<'_>) -> Result<Vec<Vec<String>>, Error> {
    let key = Key::lasting(vault)?;
    let mut rows = Vec::new();
    for id in vault.ids() {
        let Some(raw) = vault.get(&id) else { continue };
        let (kind, expires) = match &id {
            SecretId::Auth(_, profile) => Credential::parse(profile, raw).ok().map_or_else(
                || (String::new(), String::new()),
                |credential| {
                    let expires = credential.number("expires").map(|at| words::time(at as i64 / 1000));
                    (credential.kind().map_or("", |kind| kind.word()).to_owned(), expires.unwrap_or_default())
                },
            ),
            _ => ("value".to_owned(), String::new()),
        };
        rows.push(vec![id.to_string(), kind, key.short(&id, raw), expires]);
    }
    for (scope, provider) in vault.contents().orders() {
        let order = vault.contents().order(&scope, &provider).map(|ids| ids.join(" ")).unwrap_or_default();
        rows.push(vec![Subject::Order(scope, provider).to_string(), order]);
    }
    rows.extend(
        vault.recipients.iter().map(|one| vec![format!("recipient {}", one.label.as_str()), one.public.clone()]),
    );
    Ok(rows)
}
