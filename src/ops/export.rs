//! The vault's secrets as files that a gateway reads: all or none.

mod content;
mod originals;

pub use content::{Content, render};
pub use originals::Originals;

use crate::formats::auth_profiles::Carried;
use crate::fsio;
use crate::gateway::{self, Era, StoreLock};
use crate::model::{Scope, SecretId, Vault};
use crate::ops::ledger;
use crate::store::Lineage;
use crate::views::{
    Carry, Changes, Error, Key, Kind, Ledger, LeftOut, Link, New, Seen, Stay, Target, Verdict, check_unchanged,
    digests, put_links, replace,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which kinds of views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// All of them.
    Everything,
    /// `auth-profiles.json`.
    AuthProfiles,
    /// `.env`.
    Env,
}

/// Whether a place that is not safe is used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// It is refused.
    Refuse,
    /// The caller insists.
    Waive,
}

/// What is to be exported, and where to.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// The target directory; made if it is missing.
    pub dir: &'r Path,
    /// Links to the views.
    pub link: Option<Links<'r>>,
    /// Only the profiles of this agent. Env entries belong to none and are not affected.
    pub agent: Option<Scope>,
    /// Which kinds of views.
    pub only: Only,
    /// Values or references.
    pub content: Content,
    /// Agents that get a view in any case: older gateways copy into an agent's file what the main one has.
    pub every: BTreeSet<Scope>,
    /// Plaintext outside memory.
    pub disk: Guard,
    /// A gateway that keeps its credentials in a database.
    pub store: Guard,
    /// How the gateway keeps credentials, if that is known.
    pub era: Option<Era>,
    /// Views that the gateway changed, and files of others.
    pub changes: Changes,
    /// How long the views stay.
    pub stay: Stay,
    /// Root of local state.
    pub local: &'r Path,
    /// How long to wait for others that write views of this vault.
    pub patience: Duration,
}

/// Where links to views are put.
#[derive(Clone, Copy, Debug)]
pub struct Links<'r> {
    /// The gateway's state directory.
    pub state_dir: &'r Path,
    /// Its own files that links may take the place of.
    pub originals: &'r Originals,
}

/// What was done, in names and paths.
#[derive(Debug, Default)]
pub struct Report {
    /// The target directory, by its real path.
    pub dir: PathBuf,
    /// The views that are in place now.
    pub written: Vec<Written>,
    /// Whether the profiles are references.
    pub references: bool,
    /// Links that were put into the gateway's state directory.
    pub linked: Vec<PathBuf>,
    /// Views that were removed, since the vault has nothing for them any more.
    pub removed: Vec<PathBuf>,
    /// Scopes that no file can show: the shared store of newer gateways.
    pub skipped: Vec<String>,
}

/// One view.
#[derive(Debug)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// The secrets in it.
    pub ids: Vec<String>,
}

/// Tells whether a vault that was read still is what stands in its file.
pub type Still<'s> = &'s dyn Fn() -> bool;

/// Writes the views of `vault` and removes those that it has nothing for any more. Nothing
/// has changed when this fails before the first file got its name.
///
/// # Errors
/// [`Error::Stale`] if `vault` was saved again since it was read: a capture may have taken what is to be replaced
/// here. [`Error::Originals`] names files that links would replace and that are not sealed yet, as they are now.
/// [`Error::OnDisk`], [`Error::HoldsStore`], [`Error::Ignored`], [`Error::Changed`], [`Error::NotOurs`],
/// [`Error::Unrepresentable`], [`Error::NoAgent`]; a place that is not ours alone.
pub fn export(vault: &Vault<'_>, request: &Request<'_>, still: Still<'_>) -> Result<Report, Error> {
    let target = Target::resolve(request.dir)?;
    let mut report = Report { dir: target.path().to_owned(), ..Report::default() };
    let (mut ledger, key) = ledger::open(vault, request.local, request.patience)?;
    // A capture saves and then notes what it took, under the same lock.
    if !still() {
        return Err(Error::Stale);
    }
    let mut carry = Carry::load(request.local, &vault.vault_id)?;
    // Where references were put, nobody writes values over them, and no agent's view goes.
    let place = ledger.place(target.path()).filter(|place| place.references);
    let content = if place.is_some() { Content::References } else { request.content };
    let kept: BTreeSet<Scope> =
        place.into_iter().flat_map(|place| place.views.keys()).filter_map(Kind::scope).collect();
    let kinds = select(vault, request, &kept, &mut report.skipped);
    report.references = content == Content::References;
    if report.references {
        ledger.note_references(target.path());
    }
    let known = ledger.place(target.path()).into_iter().flat_map(|place| place.views.keys());
    let stale: Vec<Kind> = known.filter(|kind| asked(kind, request) && !kinds.contains(kind)).cloned().collect();
    if let (Some(agent), Only::Everything | Only::AuthProfiles) = (&request.agent, request.only)
        && agent.is_agent()
        && !kinds.iter().chain(&stale).any(|kind| *kind == Kind::AuthProfiles(agent.clone()))
    {
        return Err(Error::NoAgent(agent.as_str().to_owned()));
    }
    check_tokens(vault, &kinds)?;
    check_place(vault, &target, &kinds, content, request)?;

    // A gateway may be about to write what is replaced, in its own place or behind a link: from the look on it
    // has to wait.
    let roots = request.link.iter().map(|link| link.state_dir).chain([target.path()]);
    let places: BTreeSet<PathBuf> = roots
        .flat_map(|root| kinds.iter().map(|kind| root.join(kind.path())))
        .filter_map(|path| path.parent()?.canonicalize().ok().filter(|dir| dir.is_dir()))
        .collect();
    let _locks = places.iter().map(|dir| StoreLock::take(dir)).collect::<Result<Vec<_>, _>>()?;
    let look = |kind| Seen::look(&target, &ledger, &key, kind);
    let found = kinds.into_iter().map(look).collect::<Result<Vec<_>, _>>()?;
    let stale = stale.into_iter().map(look).collect::<Result<Vec<_>, _>>()?;
    found.iter().chain(&stale).for_each(|seen| carry.keep_from(seen));
    let render = |seen: Seen| {
        let bytes = render(vault, seen.kind(), &carry.of(seen.kind()), content)?;
        let ids = content::ids(vault, seen.kind());
        report.written.push(Written { path: seen.path().to_owned(), ids });
        New::of(&key, seen, bytes)
    };
    let new = found.into_iter().map(render).collect::<Result<Vec<_>, _>>()?;
    check_unchanged(new.iter().map(New::judged).chain(stale.iter().map(|seen| (seen, None))), request.changes)?;
    let links = links(vault, &target, &new, &ledger, &key, request)?;
    replace(&mut ledger, &mut carry, &target, &new, &stale, request.changes, request.stay)?;
    // What a capture left out there is gone. A record that still says so is put right by the next capture.
    let written: Vec<&Path> = new.iter().map(New::path).collect();
    let _ = LeftOut::forget(request.local, &vault.vault_id, &written);
    if request.link.is_some() {
        report.linked = put_links(&mut ledger, &target, links)?;
    }
    let there = stale.iter().filter(|seen| *seen.verdict() != Verdict::Gone);
    report.removed = there.map(|seen| seen.path().to_owned()).collect();
    Ok(report)
}

/// What stands where links to the new views are to be.
fn links(
    vault: &Vault<'_>,
    target: &Target,
    new: &[New],
    ledger: &Ledger,
    key: &Key,
    request: &Request<'_>,
) -> Result<Vec<Link>, Error> {
    let Some(Links { state_dir, originals }) = request.link else { return Ok(Vec::new()) };
    let look = |view: &New| {
        let has = render(vault, view.kind(), &Carried::default(), Content::Values);
        let has = has.ok().map(|bytes| digests(key, view.kind(), &bytes)).transpose()?.unwrap_or_default();
        Link::look(state_dir, target, view.kind(), ledger, key, &has, request.changes)
    };
    let mut links: Vec<Link> = new.iter().filter_map(|view| look(view).transpose()).collect::<Result<_, _>>()?;
    let open = originals.note(&mut links);
    if open.is_empty() { Ok(links) } else { Err(Error::Originals(open)) }
}

/// Whether the request is about views of this kind at all.
fn asked(kind: &Kind, request: &Request<'_>) -> bool {
    match (kind, request.only) {
        (Kind::AuthProfiles(scope), Only::Everything | Only::AuthProfiles) => {
            request.agent.as_ref().is_none_or(|agent| agent == scope)
        }
        (Kind::Env, Only::Everything | Only::Env) => true,
        _ => false,
    }
}

/// The views that the vault has something for.
fn select(vault: &Vault<'_>, request: &Request<'_>, kept: &BTreeSet<Scope>, skipped: &mut Vec<String>) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (name, entries) in &vault.scopes {
        if entries.profiles.is_empty() && entries.order.is_empty() {
            continue;
        }
        // Only what is exactly the name of an agent becomes part of a path.
        match Scope::parse(name) {
            Ok(scope) if scope.is_agent() && scope.as_str() == name => kinds.push(Kind::AuthProfiles(scope)),
            _ if request.only != Only::Env => skipped.push(name.clone()),
            _ => {}
        }
    }
    let every = request.every.union(kept).cloned().map(Kind::AuthProfiles);
    kinds.extend(every.filter(|kind| !kinds.contains(kind)).collect::<Vec<_>>());
    // A variable cannot be a reference.
    if !vault.env.is_empty() && request.content == Content::Values {
        kinds.push(Kind::Env);
    }
    kinds.retain(|kind| asked(kind, request));
    kinds
}

/// No view brings back a refresh token that was superseded (F11). No save of ours leaves one in
/// a vault; a merge by other tools could.
fn check_tokens(vault: &Vault<'_>, kinds: &[Kind]) -> Result<(), Error> {
    let lineage = Lineage::of(vault)?;
    let shown =
        |id: &SecretId| matches!(id, SecretId::Auth(scope, _) if kinds.contains(&Kind::AuthProfiles(scope.clone())));
    let is_superseded = |id: &SecretId| vault.get(id).is_some_and(|raw| lineage.is_superseded(id, raw));
    let superseded = vault.ids().filter(shown).filter(is_superseded).map(|id| id.to_string());
    let superseded: Vec<String> = if lineage.is_empty() { Vec::new() } else { superseded.collect() };
    if superseded.is_empty() { Ok(()) } else { Err(Error::Superseded(superseded)) }
}

fn check_place(
    vault: &Vault<'_>,
    target: &Target,
    kinds: &[Kind],
    content: Content,
    request: &Request<'_>,
) -> Result<(), Error> {
    let profiles = |kind: &&Kind| matches!(kind, Kind::AuthProfiles(_));
    if request.store == Guard::Refuse {
        if let Some((_, store)) = gateway::store_in(target.path()) {
            return Err(Error::HoldsStore(store));
        }
        if request.era.is_some_and(Era::has_stores) && kinds.iter().any(|kind| profiles(&kind)) {
            return Err(Error::Ignored);
        }
    }
    if request.disk == Guard::Refuse {
        for kind in kinds.iter().filter(|kind| content::is_plaintext(vault, kind, content)) {
            let nearest = target.nearest(kind);
            if !fsio::in_memory(&nearest)? {
                return Err(Error::OnDisk(nearest));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
pub(super) mod tests;
