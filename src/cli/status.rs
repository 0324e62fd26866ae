//! `status`: what is in the vault, how long it lasts, which keys open it.

use super::args::Status;
use super::context::{Context, agent};
use super::handover::connection;
use super::out::columns;
use super::{Error, Usage, words};
use crate::formats::{paste, provider};
use crate::gateway::{self, Inventory, Settings, Version};
use crate::model::{Recipient, SecretId, Standing, Vault};
use crate::ops;
use crate::ops::connect::{Connection, Drift};
use crate::ops::health::{self, Judged, Question, Verdict};
use crate::ops::intake::Refused;
use crate::session::Session;
use crate::store::{self, Checked, Checklist, HISTORY_BUDGET, Place, Served, Snapshot, now};
use crate::views::LeftOut;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Shows, or with `--check` judges.
pub fn run(context: &mut Context, args: &Status) -> Result<(), Error> {
    let warn = paste::parse_duration(&args.warn).map_err(|_| Usage::Duration)?;
    let question = Question {
        now: i64::try_from(now().saturating_mul(1000)).unwrap_or(i64::MAX),
        warn: i64::try_from(warn).unwrap_or(i64::MAX),
        strict: args.strict,
        provider: args.provider.as_deref().map(wanted).transpose()?,
        scope: args.agent.as_deref().map(agent).transpose()?,
    };
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let judged = health::judge(&checked.vault, &question);
    let gateway = Gateway::of(context, &checked.vault);
    let verdict = if gateway.is_wrong() { Verdict::Missing } else { judged.verdict() };
    if context.out.json {
        let around = (served(context, &checked), context.session());
        context.out.json(&as_json(&checked, &judged, &opened.place, verdict, &gateway, around))?;
    } else if args.check {
        offenders(context, &judged, question.now, &gateway)?;
        for left in &gateway.left_out {
            context.out.say(&format!("note: {}: not taken, {}", left.name, words::left_out(&left.why, &left.name).0));
        }
    } else {
        let used = opened.seen.opener().public();
        print(context, (&checked, &judged, &gateway), &question, &opened.place, &used)?;
    }
    match (args.check, verdict) {
        (false, _) | (true, Verdict::Fine) => Ok(()),
        (true, Verdict::Missing) => Err(Error::Verdict(1)),
        (true, Verdict::Expiring) => Err(Error::Verdict(2)),
    }
}

/// What `status` says of the connected gateway: its connection, the views that are missing, how it differs from what
/// `connect` left, and what captures have left out.
struct Gateway {
    connection: Option<Connection>,
    missing: Vec<PathBuf>,
    drift: Vec<Drift>,
    left_out: Vec<LeftOut>,
}

impl Gateway {
    fn of(context: &Context, vault: &Vault<'_>) -> Self {
        let connection = connection(context, &vault.vault_id);
        let state_dir = connection.as_ref().map(|connection| connection.state_dir.clone());
        let state_dir = state_dir.map_or_else(|| gateway::resolve(&context.settings()), Ok);
        let missing = |state_dir: PathBuf| {
            let here = Some(state_dir.clone());
            let settings = Settings { option: here.clone(), ..context.settings_of(here) };
            let agents = gateway::agent_ids(&settings).unwrap_or_default();
            let era = gateway::known(&settings).era();
            ops::connect::missing_views(context.local.root(), &state_dir, &agents, era)
        };
        let missing = state_dir.map(missing).unwrap_or_default();
        let drift = connection.as_ref().map(|connection| drift(context, connection, vault)).unwrap_or_default();
        Self { connection, missing, drift, left_out: left_out(context, vault) }
    }

    /// Whether the gateway misses a secret, or has one in plaintext.
    fn is_wrong(&self) -> bool {
        !self.missing.is_empty() || self.drift.iter().any(|one| !matches!(one, Drift::Version { .. }))
    }
}

/// How a connected gateway differs now from what `connect` left.
fn drift(context: &Context, connection: &Connection, vault: &Vault<'_>) -> Vec<Drift> {
    // What the environment says of this very gateway counts, such as where its configuration is.
    let here = context.settings();
    let is_it = gateway::resolve(&here).is_ok_and(|dir| connection.is_of(&dir));
    let settings = if is_it { here } else { context.settings_of(Some(connection.state_dir.clone())) };
    let installed = gateway::installed(&settings).map(|installed| installed.version);
    let version = installed.or_else(|| Version::parse(&connection.gateway));
    match Inventory::read(&settings, version.map(Version::era)) {
        Ok(inventory) => {
            let mut drift = ops::connect::drift(&inventory, connection, installed);
            drift.extend(ops::connect::unresolved(&inventory, vault));
            drift
        }
        Err(error) => {
            context.out.warn(&format!("warning: the gateway was not looked at: {}", words::of(&error.into()).what));
            Vec::new()
        }
    }
}

/// What a resolver served although it was rolled back, unless the vault was saved since.
fn served(context: &Context, checked: &Checked<'_>) -> Option<Served> {
    context.local.served(&checked.vault.vault_id).filter(|served| served.at >= checked.vault.updated)
}

/// What captures have left out, while it is so: the place is there, and what was new is not in the vault. A record that
/// cannot be read is told, and no reason to say nothing else.
fn left_out(context: &Context, vault: &Vault<'_>) -> Vec<LeftOut> {
    let all = LeftOut::list(context.local.root(), &vault.vault_id).unwrap_or_else(|error| {
        context.out.warn(&format!("warning: {}", words::of(&error.into()).what));
        Vec::new()
    });
    let has = |name: &str| SecretId::parse(name).is_ok_and(|id| vault.get(&id).is_some());
    let holds = |left: &LeftOut| left.place.exists() && !(left.why == Refused::NotThere.token() && has(&left.name));
    all.into_iter().filter(holds).collect()
}

fn wanted(text: &str) -> Result<String, Error> {
    let provider = provider::normalise(text);
    if provider.is_empty() { Err(Usage::Provider.into()) } else { Ok(provider) }
}

fn as_json(
    checked: &Checked<'_>,
    judged: &Judged,
    place: &Place,
    verdict: Verdict,
    connected: &Gateway,
    (served, session): (Option<Served>, Option<Session>),
) -> Value {
    let Gateway { connection, missing, drift, left_out } = connected;
    let differs = |drift: &Drift| {
        let words = words::drift(drift);
        json!({"token": words.token, "what": words.what, "hint": words.hint})
    };
    let views: Vec<String> = missing.iter().map(|path| path.display().to_string()).collect();
    let gateway = |connection: &Connection| {
        let state_dir = connection.state_dir.display().to_string();
        json!({"version": connection.gateway, "state_dir": state_dir, "references": connection.refs.len()})
    };
    let vault = &checked.vault;
    let profile = |profile: &health::Profile| {
        json!({
            "id": profile.id.to_string(), "provider": profile.provider, "type": profile.kind.map(|kind| kind.word()),
            "status": profile.standing.word(), "expires": profile.standing.expires(),
        })
    };
    let missing = |missing: &health::Missing| json!({"agent": missing.scope, "provider": missing.provider, "profile": missing.profile});
    let left = |left: &LeftOut| json!({"name": left.name, "place": left.place.display().to_string(), "why": left.why, "since": left.since});
    let (kept, copies) = beside(place);
    let bytes: u64 = kept.iter().map(|one| one.size).sum();
    let recipient = |recipient: &Recipient| json!({"label": recipient.label, "kind": recipient.kind.word()});
    json!({
        "version": 1,
        "vault": place.path().display().to_string(),
        "fingerprint": checked.pin.to_string(),
        "generation": vault.generation,
        "updated": vault.updated,
        "recipients": vault.recipients.iter().map(recipient).collect::<Vec<_>>(),
        "profiles": judged.profiles.iter().map(profile).collect::<Vec<_>>(),
        "missing": judged.missing.iter().map(missing).collect::<Vec<_>>(),
        "env": vault.env.len(),
        "config": vault.config.len(),
        "exposed": Checklist::of(vault).map_or(0, |list| list.count()),
        "gateway": connection.as_ref().map(gateway),
        "missing_views": views,
        "drift": drift.iter().map(differs).collect::<Vec<_>>(),
        "left_out": left_out.iter().map(left).collect::<Vec<_>>(),
        "session": session.map(|session| json!({"ends_in": session.left().map(|left| left.as_secs())})),
        "served_behind": served.map(|served| json!({"at": served.at, "generation": served.generation})),
        "kept": {"states": kept.len(), "bytes": bytes, "budget": HISTORY_BUDGET},
        "conflict_copies": copies.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "verdict": match verdict { Verdict::Fine => "ok", Verdict::Expiring => "expiring", Verdict::Missing => "missing" },
    })
}

/// The kept states of a vault, and the conflict copies beside it. A directory that cannot be listed counts as empty.
fn beside(place: &Place) -> (Vec<Snapshot>, Vec<PathBuf>) {
    let copies = store::conflict_copies(place).unwrap_or_default();
    (store::history(place).unwrap_or_default(), copies.into_iter().map(|copy| copy.path).collect())
}

fn print(
    context: &Context,
    (checked, judged, gateway): (&Checked<'_>, &Judged, &Gateway),
    question: &Question,
    place: &Place,
    used: &str,
) -> Result<(), Error> {
    let vault = &checked.vault;
    let (out, saved) = (context.out, words::time(i64::try_from(vault.updated).unwrap_or_default()));
    out.line(&format!("vault       {}", place.path().display()))?;
    out.line(&format!("saved       {saved}, generation {}", vault.generation))?;
    out.line(&format!("fingerprint {}", checked.pin))?;
    for (at, recipient) in vault.recipients.iter().enumerate() {
        let mark = if recipient.public == used { ", in use" } else { "" };
        let head = if at == 0 { "opens with " } else { "           " };
        out.line(&format!("{head} {} ({}{mark})", recipient.label.as_str(), recipient.kind.word()))?;
    }
    if let Some(session) = context.session() {
        out.line(&match session.left() {
            Some(left) => {
                format!("session     ends in {}", words::span(i64::try_from(left.as_millis()).unwrap_or(i64::MAX)))
            }
            None => "session     until the next boot, or agevault lock".to_owned(),
        })?;
    }
    let (env, config) = (vault.env.len(), vault.config.len());
    let held = [
        words::count(judged.profiles.len(), "profile", "profiles"),
        words::count(env, "env entry", "env entries"),
        words::count(config, "config secret", "config secrets"),
    ];
    out.line(&format!("holds       {}", held.join(", ")))?;
    let (kept, copies) = beside(place);
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1024 * 1024));
    let (states, bytes) = (words::count(kept.len(), "state", "states"), kept.iter().map(|one| one.size).sum());
    out.line(&format!(
        "kept        {states}, {} of at most {}: agevault history list",
        mib(bytes),
        mib(HISTORY_BUDGET)
    ))?;
    for path in copies {
        out.line(&format!("conflict    {}: run agevault merge", path.display()))?;
    }
    let exposed = Checklist::of(vault)?.count();
    if exposed > 0 {
        let secrets = words::count(exposed, "secret", "secrets");
        out.line(&format!("exposed     {secrets} that removed keys could read: agevault recipients exposed"))?;
    }
    let Gateway { connection, missing, drift, left_out } = gateway;
    if let Some(served) = served(context, checked) {
        let at = words::time(i64::try_from(served.at).unwrap_or_default());
        out.line(&format!("served      generation {}, older than one seen before, at {at}", served.generation))?;
    }
    if let Some(Connection { state_dir, gateway, refs, .. }) = connection {
        let references = words::count(refs.len(), "reference", "references");
        out.line(&format!("gateway     OpenClaw {gateway} at {}, {references}", state_dir.display()))?;
    }
    if connection.as_ref().is_some_and(|connection| !connection.views.is_empty()) {
        out.line("upgrade     past 2026.6.1 OpenClaw keeps OAuth in its own database: run agevault connect after it")?;
    }
    if !missing.is_empty() {
        out.line(&format!("views       MISSING behind {}", words::views(missing)))?;
        let again = if connection.is_some() { words::VIEWS_AGAIN } else { words::LINKS_AGAIN };
        out.line(&format!("            {again}"))?;
    }
    for one in drift {
        let words = words::drift(one);
        out.line(&format!("differs     {}", words.what))?;
        out.line(&format!("            {}", words.hint))?;
    }
    for left in left_out {
        let (why, remedy) = words::left_out(&left.why, &left.name);
        let since = words::time(i64::try_from(left.since).unwrap_or_default());
        out.line(&format!("left out    {} in {}, since {since}: {why}", left.name, left.place.display()))?;
        out.line(&format!("            {remedy}"))?;
    }
    if !judged.profiles.is_empty() {
        out.line("")?;
    }
    let rows: Vec<Vec<String>> = judged
        .profiles
        .iter()
        .map(|profile| {
            let kind = profile.kind.map_or("unknown type", |kind| kind.word()).to_owned();
            vec![
                profile.id.to_string(),
                words::plain(&profile.provider),
                kind,
                standing(profile.standing, question.now),
            ]
        })
        .collect();
    columns(&rows).iter().try_for_each(|line| out.line(line))?;
    judged.missing.iter().try_for_each(|missing| out.line(&absent(missing)))?;
    Ok(())
}

/// What a verdict other than fine is about, for the mail of a cron job; nothing if all is well.
fn offenders(context: &Context, judged: &Judged, now: i64, gateway: &Gateway) -> Result<(), Error> {
    if context.out.quiet {
        return Ok(());
    }
    let bad = |profile: &&health::Profile| {
        profile.standing.is_unusable() || matches!(profile.standing, Standing::Expiring(_))
    };
    for profile in judged.profiles.iter().filter(bad) {
        context.out.line(&format!("{}  {}", profile.id, standing(profile.standing, now)))?;
    }
    judged.missing.iter().try_for_each(|missing| context.out.line(&absent(missing)))?;
    if !gateway.missing.is_empty() {
        context.out.line(&format!("views MISSING behind {}", words::views(&gateway.missing)))?;
    }
    for one in &gateway.drift {
        let words = words::drift(one);
        context.out.line(&format!("{}; {}", words.what, words.hint))?;
    }
    Ok(())
}

fn absent(missing: &health::Missing) -> String {
    let (scope, provider) = (&missing.scope, &missing.provider);
    match (missing.profile.is_empty(), provider.is_empty()) {
        (false, _) => format!("{scope}: {provider} has no usable profile in its order"),
        (true, false) => format!("{scope}: there is no profile of {provider}"),
        (true, true) => format!("{scope}: there is no profile"),
    }
}

/// The state of a credential in words, with the time that is left.
fn standing(standing: Standing, now: i64) -> String {
    match standing {
        Standing::Ok(at) | Standing::Expiring(at) => format!("expires in {}", words::span(at.saturating_sub(now))),
        Standing::Expired(at) => format!("EXPIRED {} ago", words::span(now.saturating_sub(at))),
        Standing::Missing => "MISSING: no usable secret".to_owned(),
        Standing::BadExpiry => "BAD EXPIRY: expires is not a date, so the gateway does not use it".to_owned(),
        Standing::Reference => "reference: its secret is elsewhere".to_owned(),
        Standing::Static | Standing::Refreshable(_) => standing.word().to_owned(),
    }
}
