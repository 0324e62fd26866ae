//! `git`: attributes and drivers by which git merges vaults and shows what changed in them, by name.

use super::args::Git;
use super::context::{Context, Opened};
use super::{Error, state, words};
use crate::fsio::{Dir, Replacement};
use crate::gateway::converse;
use crate::model::{Credential, SecretId, Subject, Vault};
use crate::ops::join::{Choice, Joined, Sides};
use crate::store::{self, Place, Relation, Seen};
use crate::views::Key;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long git may take.
const PATIENCE: Duration = Duration::from_secs(60);
const DRIVER: &str = "agevault";

/// Installs the drivers, or is one.
///
/// # Errors
/// A vault that is in no work tree; a merge that leaves something to be decided.
pub fn run(context: &mut Context, args: &Git) -> Result<(), Error> {
    match args {
        Git::Install => install(context),
        Git::MergeDriver { base, ours, theirs } => merge_driver(context, base, ours, theirs),
        Git::Textconv { file } => textconv(context, file),
    }
}

/// Runs git in the directory of a vault; what it prints, if it succeeds.
fn git(dir: &Path, args: &[&OsStr]) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
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

/// What the vault file was in a revision.
///
/// # Errors
/// [`Error::NoState`].
pub fn file_of(vault: &Path, revision: &str) -> Result<Vec<u8>, Error> {
    let file = Some(revision).filter(|revision| !revision.starts_with('-')).and_then(|revision| blob(vault, revision));
    file.ok_or_else(|| Error::NoState(revision.to_owned()))
}

/// Where git has stopped in the middle of a merge of the vault: the state that both come from, if there is one, and the
/// other side.
pub fn other_side(vault: &Path) -> Option<(Option<Vec<u8>>, Vec<u8>)> {
    let (dir, name) = parts(vault);
    if !dir.ancestors().any(|dir| dir.join(".git").exists()) {
        return None;
    }
    let unmerged = git(dir, &["ls-files", "--unmerged", "--", &name].map(OsStr::new))?;
    if unmerged.is_empty() { None } else { Some((blob(vault, ":1"), blob(vault, ":3")?)) }
}

/// Writes `.gitattributes` beside the vault, and the drivers into the configuration of its repository.
fn install(context: &Context) -> Result<(), Error> {
    let place = context.place()?;
    let (dir, name) = parts(place.path());
    if git(dir, &["rev-parse", "--is-inside-work-tree"].map(OsStr::new)).is_none_or(|out| out != b"true\n") {
        return Err(Error::NoWorkTree(dir.to_owned()));
    }
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("agevault"));
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"));
    let call = format!("{} --vault {}", quoted(&program), quoted(place.path()));
    let settings = [
        ("merge.agevault.name", "agevault".to_owned()),
        ("merge.agevault.driver", format!("{call} git merge-driver %O %A %B")),
        ("diff.agevault.textconv", format!("{call} git textconv")),
        ("diff.agevault.cachetextconv", "false".to_owned()),
    ];
    for (setting, value) in &settings {
        let done = git(dir, &["config", "--local", setting, value].map(OsStr::new));
        done.ok_or_else(|| Error::NoWorkTree(dir.to_owned()))?;
    }
    // Names with blanks or marks of patterns are quoted as git reads them.
    let pattern = format!(
        "\"/{}\"",
        name.replace('\\', "\\\\\\\\")
            .replace('"', "\\\"")
            .replace('*', "\\\\*")
            .replace('?', "\\\\?")
            .replace('[', "\\\\[")
    );
    let attributes = add_line(dir, ".gitattributes", &format!("{pattern} merge={DRIVER} diff={DRIVER} -text"))?;
    let ignored =
        add_line(dir, ".gitignore", &format!("/{name}.d/"))? | add_line(dir, ".gitignore", &format!("/{name}.lock"))?;
    context.out.say("git merges this vault by agevault merge, and shows changes by name: git diff, git log -p");
    for (file, _) in [(".gitattributes", attributes), (".gitignore", ignored)].iter().filter(|(_, changed)| *changed) {
        context.out.say(&format!("wrote {}; commit it, so that each clone has it", dir.join(file).display()));
    }
    context.out.say("in each clone run agevault git install once: git takes drivers from nobody else");
    Ok(())
}

/// Adds a line to a file if it has none such. Whether it had not.
fn add_line(dir: &Path, name: &str, line: &str) -> Result<bool, Error> {
    let path = dir.join(name);
    let mut text = match crate::fsio::read_own(&path, crate::formats::MAX_INPUT) {
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

/// What git calls: merges `theirs` into the file `ours`. Nobody is asked.
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
    let base = base.as_ref().map(|base| &base.vault);
    let Joined { entries, conflicts, stale } =
        Sides { base, theirs: &other.vault, ours: &checked.vault }.join(&Choice::default())?;
    if !conflicts.is_empty() {
        return Err(Error::Merge(conflicts));
    }
    for id in stale {
        context.out.warn(&format!("note: {id}: left as it is, its refresh token there was superseded since"));
    }
    let joining = store::joining(&checked.vault, &other.vault, base, entries)?;
    let sealed = context.edit(&opened).seal_only(checked, joining.change)?;
    let dir = Dir::open(crate::fsio::real_path(ours)?.parent().unwrap_or(Path::new(".")))?;
    Ok(Replacement::write(&dir, ours.file_name().unwrap_or_default(), &sealed, 0o600)?.commit()?)
}

/// What git shows in the place of a vault: a line for each name. A file that does not open is told as such, since git
/// stops at a driver that fails.
fn textconv(context: &mut Context, file: &Path) -> Result<(), Error> {
    let place = Place::at(context.vault_path())?;
    let sealed = Place::at(file)?.read()?;
    let opened = match context.unlock(&sealed, file) {
        Ok((plain, opener)) => Opened { place, seen: Seen::new(sealed, plain, opener) },
        Err(error) => {
            return context.out.line(&format!(
                "a sealed file of {} bytes, not opened: {}",
                sealed.len(),
                words::of(&error).what
            ));
        }
    };
    let checked = state::look(context, &opened, &opened.seen)?;
    // No columns: a longer name must not change the lines of all others.
    lines(&checked.vault)?.iter().try_for_each(|line| context.out.line(line.join("  ").trim_end()))
}

fn lines(vault: &Vault<'_>) -> Result<Vec<Vec<String>>, Error> {
    let key = Key::of(vault)?;
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
