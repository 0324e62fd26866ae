//! `connect --undo`: the gateway has its secrets itself again.

use super::super::context::{Context, Opened};
use super::super::resolver::entry;
use super::super::{Error, words};
use super::guard::{bound, complete, migrated, port};
use super::{Way, memory};
use crate::formats;
use crate::fsio;
use crate::gateway;
use crate::ops::connect::{self, Back, Connection, Undo, Undone};
use serde_json::json;
use std::path::Path;

/// Undoes what `connect` has done, and says which files hold plaintext again.
pub fn undo(context: &Context, opened: Opened, way: &Way) -> Result<(), Error> {
    let Way { settings, state_dir, .. } = way;
    let program = way.program()?;
    {
        let checked = context.check(&opened)?;
        bound(context, &checked.vault, state_dir)?;
        // The references must be to this vault: values from another one would be the wrong secrets.
        connect::check_vault(&entry(context, &checked, &[])?, way.held()?.entry())?;
    }
    context.terminal.confirm("this writes the secrets in plaintext into the gateway's own files; go on?")?;
    let _lock = way.lock(context)?;
    complete(&mut way.held()?)?;
    // While somebody thought about it, the gateway may have renewed something.
    let opened = if way.has_left_views() { opened } else { memory::capture(context, opened)? };
    let checked = context.check(&opened)?;
    let vault = &checked.vault;
    let (root, id) = (context.local.root(), &vault.vault_id);
    let connection = Connection::load(root, id)?;
    let renames = connection.as_ref().map(|connection| connection.renames(vault)).unwrap_or_default();
    if renames.is_untraced() && connection.as_ref().is_some_and(|connection| !connection.refs.is_empty()) {
        context.out.warn(
            "warning: the vault's records do not reach back to the last connect: an entry that was renamed since is not followed, and its old name may be that of another",
        );
        context.terminal.confirm("undo by the names of the references?")?;
    }
    let agents = gateway::agent_ids(settings)?;
    let still = || opened.is_current();
    let linked = connection.as_ref().map(|connection| connection.views.clone()).unwrap_or_default();
    let of_views = if way.has_left_views() {
        migrated(context, vault, &way.held()?)?;
        memory::leave(context, &opened, vault, state_dir)?;
        Undone::default()
    } else {
        let patience = context.patience();
        let back = Back { state_dir, agents: &agents, linked: &linked, local: root, patience, still: &still };
        connect::take_views_back(vault, &back)?
    };
    let before = way.held()?;
    let again = || Ok(crate::gateway::Inventory::read(settings, Some(way.version.era()))?);
    let open = |copy: &Path| {
        let sealed = fsio::read_own(copy, formats::MAX_INPUT + 64 * 1024).ok()?;
        opened.seen.opener().open(sealed.expose()).ok()
    };
    let kept = opened.place.path().with_file_name("backups");
    let seal = |path: &Path, bytes: &crate::secret::SecretBuf| {
        let copy = crate::store::keep_sealed(vault, &kept, path, bytes.expose())?;
        context.out.say(&format!("sealed {} as it was in {}", path.display(), copy.display()));
        Ok(())
    };
    let origins = connection.as_ref().map(|connection| renames.after(&connection.renamed)).unwrap_or_default();
    let undo = Undo {
        seal: &seal,
        vault,
        held: &before,
        program,
        connection: connection.as_ref(),
        renames: &renames,
        origins: &origins,
        again: &again,
        open: &open,
    };
    let Undone { mut ids, mut files, newer } = undo.run()?;
    ids.extend(of_views.ids);
    files.extend(of_views.files);
    if connection.is_some() {
        Connection::forget(root, id)?;
    }
    let after = way.held()?;
    let mut only_here = connect::only_in_vault(vault, &after);
    // A release that gave its place another name keeps the reference's id.
    only_here.retain(|id| !ids.contains(id));
    let reload = connect::reload(program, port(settings, way.version)?, Some(vault))?;
    let out = context.out;
    if out.json {
        return out.json(&json!({
            "version": 1, "put_back": ids, "newer": newer, "only_in_vault": only_here, "reload": words::reload_token(&reload),
            "files": files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        }));
    }
    ids.iter().for_each(|id| out.say(&format!("put back {}", words::plain(id))));
    files.iter().for_each(|path| out.say(&format!("{} holds plaintext again", path.display())));
    newer.iter().for_each(|id| {
        out.say(&format!(
            "{}: the gateway has a newer value, which was left there; the vault's value is unchanged",
            words::plain(id)
        ));
    });
    only_here.iter().for_each(|id| out.say(&format!("{} stays in the vault alone", words::plain(id))));
    out.say(match ids.is_empty() {
        true => "the gateway had no references to the vault",
        false => "the gateway has its secrets itself again; the vault keeps its copies",
    });
    if !(linked.is_empty() || way.has_left_views()) {
        out.say("note: agevault's lines in the gateway's unit must go: export --refs --link is refused from now on");
    }
    if let Some(what) = words::reload(&reload) {
        out.say(&format!("note: {what}"));
    }
    Ok(())
}
