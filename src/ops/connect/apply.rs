//! The planned changes, in an order in which an interruption at any moment leaves a gateway that works.

use super::needles::Needles;
use super::{Edit, Error, Plan};
use crate::formats;
use crate::fsio;
use crate::gateway::{self, Inventory, Output, Program};
use crate::model::Vault;
use crate::secret::SecretBuf;
use crate::store;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Seals the files that will change, as they are, into `kept`: each file with the place of its sealed copy. With it
/// every byte can come back.
///
/// # Errors
/// As [`store::keep_sealed`]; a file that cannot be read.
pub fn seal_originals(
    edits: &[Edit],
    plan: &Plan,
    inventory: &Inventory,
    vault: &Vault<'_>,
    kept: &Path,
) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let mut sealed = Vec::new();
    for Edit { path, old, .. } in edits {
        if let Some(old) = old {
            sealed.push((path.clone(), store::keep_sealed(vault, kept, path, old.expose())?));
        }
    }
    let changed = plan.stores.iter().filter_map(|change| change.dir.clone());
    let replaced = inventory.agents.values().filter(|_| plan.views).cloned();
    let mut files: Vec<PathBuf> = changed
        .chain(replaced)
        .flat_map(|dir| ["auth-profiles.json", "auth-state.json"].map(|name| dir.join(name)))
        .collect();
    files.sort();
    files.dedup();
    for path in files {
        // A link leads to a view, which is made from the vault.
        if std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            let bytes = fsio::read_own(&path, formats::MAX_INPUT)?;
            let copy = store::keep_sealed(vault, kept, &path, bytes.expose())?;
            sealed.push((path, copy));
        }
    }
    Ok(sealed)
}

/// How a running gateway took notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It asked for its secrets again.
    Done,
    /// It asked, and not all of them came.
    Degraded,
    /// It did not do so, although something listens where it would: it has what it had until it is started anew. Its
    /// local commands come with the token that the configuration has now.
    Refused {
        /// The port of this host.
        port: u16,
        /// Why, in the words of its command: one line, control characters escaped.
        reason: Option<String>,
    },
    /// None runs: nothing listens on this port.
    NotRunning(u16),
}

/// Does what was planned: first the configuration, which names the resolver, then what refers to it,
/// and plaintext last. Run again after an interruption it does the rest.
///
/// # Errors
/// A file that changed since it was read, or cannot be replaced; a store that the gateway does not change.
pub fn apply(plan: &Plan, edits: &[Edit], program: &Program) -> Result<(), Error> {
    let (env, config): (Vec<&Edit>, Vec<&Edit>) = edits.iter().partition(|edit| edit.env);
    config.iter().try_for_each(|edit| write(edit))?;
    if !plan.stores.is_empty() {
        program.change_stores(&plan.stores)?;
    }
    env.iter().try_for_each(|edit| write(edit))
}

/// Writes a file that nobody else has written since it was read, or made.
pub(super) fn write(edit: &Edit) -> Result<(), Error> {
    let old = edit.old.as_ref().map(SecretBuf::expose);
    let is_done = fsio::replace_foreign(&edit.path, edit.new.expose(), old)?;
    if is_done { Ok(()) } else { Err(gateway::Error::StoreChanged.into()) }
}

/// Has a running gateway ask for its secrets again. `port` is where it listens. The reason of a refusal is given only
/// if no secret of `vault` is in it; without a vault there is none.
///
/// # Errors
/// When its program cannot be run; a vault that cannot be read.
pub fn reload(program: &Program, port: u16, vault: Option<&Vault<'_>>) -> Result<Reload, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Report {
        ok: bool,
        #[serde(default)]
        warning_count: u64,
    }
    let output = program.run(&["secrets", "reload", "--json"])?;
    Ok(match serde_json::from_slice::<Report>(output.stdout.expose()) {
        Ok(Report { ok: true, warning_count: 0 }) => Reload::Done,
        Ok(Report { ok: true, .. }) => Reload::Degraded,
        _ if gateway::listens(port) => {
            let reason = match vault {
                Some(vault) => reason(&output, &Needles::of(vault, true)?),
                None => None,
            };
            Reload::Refused { port, reason }
        }
        _ => Reload::NotRunning(port),
    })
}

/// What gateways write before the error of a reload.
const FAILED: [&str; 2] = ["Could not reload secrets because the Gateway did not respond: ", "Error: "];
/// Longest reason, in characters.
const LONGEST_REASON: usize = 200;

/// Why a command of the gateway failed, in its own words: the first line of the error that it prints as JSON, or else
/// of its messages. `None` if a secret is in them.
fn reason(output: &Output, secrets: &Needles) -> Option<String> {
    #[derive(Deserialize)]
    struct Failure {
        error: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let failure = serde_json::from_slice::<Failure>(output.stdout.expose()).ok();
    let said = failure
        .map_or_else(|| String::from_utf8_lossy(output.stderr.expose()).into_owned(), |failure| failure.error.message);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    // Warnings of Node and lines of a log come before the error itself.
    let error = lines().find_map(|line| FAILED.iter().find_map(|start| line.strip_prefix(start)));
    let plain = || lines().find(|line| !line.starts_with(['(', '[']));
    let line = error.or_else(plain).or_else(|| lines().next())?;
    if secrets.are_in_text(said.as_bytes()) {
        return None;
    }
    let escaped = line.chars().flat_map(|character| {
        let escape = character.is_control().then(|| character.escape_default());
        let itself = escape.is_none().then_some(character);
        escape.into_iter().flatten().chain(itself)
    });
    Some(escaped.take(LONGEST_REASON).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ops::export::tests::World;

    #[test]
    fn the_reason_is_one_line_without_secrets_and_control_characters() {
        let mut world = World::new();
        world.vault["env"]["A"] = "canary-of-a-variable".into();
        world.vault["scopes"]["main"]["profiles"]["p:one"]["key"] = "canary-\"of\"-a-key".into();
        let secrets = world.with(|vault| Needles::of(vault, true).unwrap());
        let told = |stdout: &str, stderr: &str| {
            let bytes = |text: &str| SecretBuf::new(text.as_bytes().to_vec());
            let (stdout, stderr) = (bytes(stdout), bytes(stderr));
            reason(&Output { code: Some(1), stdout, stderr, left_open: false }, &secrets)
        };
        // As 2026.4.27, 2026.6.11 and 2026.9.6 print it.
        let pairing =
            "gateway closed (1008): pairing required: device is asking for more scopes than currently approved";
        let lines =
            format!("(node:7) Warning: old\n[plugins] loaded\n\nError: {pairing}\nGateway target: ws://127.0.0.1:1\n");
        assert_eq!(told("", &lines), Some(pairing.to_owned()));
        let lines = format!("gateway connect failed: scope upgrade pending approval\n{}{pairing}\n", FAILED[0]);
        assert_eq!(told("", &lines), Some(pairing.to_owned()));
        let json =
            serde_json::json!({"ok": false, "error": {"type": "cli_error", "message": format!("{pairing}\nmore")}});
        assert_eq!(told(&json.to_string(), "something else"), Some(pairing.to_owned()));
        assert_eq!(told("", "[gateway] one line of a log"), Some("[gateway] one line of a log".to_owned()));
        assert_eq!(told("", "a\u{1b}[31mr\u{85}d"), Some("a\\u{1b}[31mr\\u{85}d".to_owned()));
        assert_eq!(told("", &"é".repeat(300)), Some("é".repeat(LONGEST_REASON)));
        assert_eq!(told("not json", " \n"), None);
        let after = format!("{} canary-of-a-variable", "x".repeat(300));
        for secret in ["bad token canary-of-a-variable", "line\ncanary-\"of\"-a-key", "canary-\\\"of\\\"-a-key", &after]
        {
            assert_eq!(told("", secret), None, "{secret}");
        }
    }
}
