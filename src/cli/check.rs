//! `resolve --check`: why a gateway gets its secrets, or does not.

use super::context::Context;
use super::{Error, words};
use crate::gateway::{self, Inventory};
use crate::ops::connect::{self, Connection, Drift, Finding, Report};
use serde_json::{Value, json};
use std::path::Path;

/// Replays the gateway's rules on the program that its configuration names. It needs no key of the
/// vault: the program must find its own.
pub fn run(context: &Context) -> Result<(), Error> {
    let settings = context.settings();
    let state_dir = gateway::resolve(&settings)?;
    // Without a known version, files of profiles count: it is better to ask for too much.
    let known = gateway::known(&settings);
    let held = Inventory::read(&settings, known.era())?;
    let running =
        std::env::current_exe().map_err(|error| crate::fsio::Error::io("find", Path::new("agevault"), error))?;
    let mut report = connect::check(&held, &running, &|name| std::env::var_os(name));
    let installed = gateway::installed(&settings).map(|installed| installed.version);
    for connection in Connection::of_gateway(context.local.root(), &state_dir) {
        let drift = connect::drift(&held, &connection, installed);
        // The check itself has found these.
        let known = |one: &Drift| matches!(one, Drift::Unread(_) | Drift::NoEntry | Drift::NoProgram(_));
        report.findings.extend(drift.into_iter().filter(|one| !known(one)).map(Finding::Drift));
    }
    let agents = gateway::agent_ids(&settings)?;
    let missing = connect::missing_views(context.local.root(), &state_dir, &agents, known.era());
    report.findings.extend((!missing.is_empty()).then_some(Finding::ViewsGone(missing)));
    let count = report.findings.iter().filter(|finding| !finding.is_warning()).count();
    if context.out.json {
        context.out.json(&as_json(&report))?;
    } else {
        print(context, &report)?;
    }
    if count == 0 { Ok(()) } else { Err(Error::Unresolvable(count)) }
}

/// `{"version", "command", "references", "took_ms", "timeout_ms", "findings": [{"token", "warning", "what",
/// "hint", "ids"}]}`; what is not known is null.
fn as_json(report: &Report) -> Value {
    let one = |finding: &Finding| {
        let words = words::finding(finding);
        let ids = if let Finding::Missing(ids) = finding { ids.as_slice() } else { &[] };
        let warning = finding.is_warning();
        json!({"token": words.token, "warning": warning, "what": words.what, "hint": words.hint, "ids": ids})
    };
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "version": 1,
        "command": report.command.as_ref().map(|command| command.display().to_string()),
        "references": report.asked,
        "took_ms": report.took.map(millis),
        "timeout_ms": report.timeout.map(millis),
        "findings": report.findings.iter().map(one).collect::<Vec<_>>(),
    })
}

fn print(context: &Context, report: &Report) -> Result<(), Error> {
    let out = context.out;
    if let Some(command) = &report.command {
        out.say(&format!("command is {}", command.display()));
    }
    for finding in &report.findings {
        let words = words::finding(finding);
        let mark = if finding.is_warning() { "warning: " } else { "" };
        out.line(&format!("{mark}{}", words.what))?;
        out.line(&format!("  {}", words.hint))?;
    }
    if report.findings.iter().all(Finding::is_warning)
        && let (Some(took), Some(timeout)) = (report.took, report.timeout)
    {
        let references = words::count(report.asked, "reference", "references");
        let (took, timeout) = (took.as_millis(), timeout.as_millis());
        out.say(&format!("the resolver answers for {references} in {took} ms; the gateway waits {timeout} ms"));
    }
    Ok(())
}
