//! The configuration's part of a plan: the resolver's entry, references at registered targets, entries of `env`.

use super::plan::{Planner, provider_of};
use super::{Error, Road, known};
use crate::formats::openclaw_config::{self, Step};
use crate::formats::secretref::ExecRef;
use crate::formats::{provider, secretref, targets};
use crate::gateway::Era;
use crate::model::{Scope, SecretId};
use crate::secret::{Secret, SecretBuf};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

impl Planner<'_> {
    /// Plans the edits of the configuration.
    pub(super) fn configuration(&mut self) -> Result<(), Error> {
        let vault = self.vault;
        let empty = (self.request.state_dir.join("openclaw.json"), SecretBuf::new(b"{}".to_vec()));
        let (path, bytes) = self.held.config.as_ref().unwrap_or(&empty);
        let failed = |error| Error::Format(error, path.clone());
        let found = openclaw_config::parse(bytes.expose()).map_err(failed)?;
        let tree = openclaw_config::tree(bytes.expose()).map_err(failed)?;
        let provider = ["secrets", "providers", secretref::ALIAS].map(str::to_owned).to_vec();
        let entry = self.request.entry.to_json();
        self.check_vault(openclaw_config::at(&tree, &provider))?;
        let have = openclaw_config::at(&tree, &provider);
        if have != Some(&entry) {
            self.plan.entry = Some(have.map(|have| differing(have, &entry)).unwrap_or_default());
            self.plan.config.push(Step::Put(provider, entry));
        }
        let plain: BTreeMap<Vec<String>, Secret> = found.targets.into_iter().collect();
        let refs: BTreeMap<Vec<String>, SecretId> = openclaw_config::references(&tree).into_iter().collect();
        for (key, _) in vault.config.iter() {
            let Ok(id @ SecretId::Config(_)) = SecretId::parse(&format!("config/{key}")) else { continue };
            let SecretId::Config(segments) = &id else { continue };
            let token = segments.iter().eq(["gateway", "auth", "token"]);
            let names: Vec<&str> = segments.iter().map(String::as_str).collect();
            let known = targets::versions(&names);
            let older = self.request.version.era() < Era::AgentStores;
            let takes = known.is_some_and(|versions| if older { versions.older } else { versions.newer });
            // The gateway's audit takes a reference that no request ever reaches for a mistake.
            let shadowed =
                matches!(names.as_slice(), ["models", "providers", name, "apiKey"] if self.has_profile(name));
            let changed = plain.get(segments).is_some_and(|value| !known::is_value(vault, &id, value));
            let changed = changed && !self.request.yields;
            if shadowed && !changed && (plain.contains_key(segments) || refs.get(segments) == Some(&id)) {
                self.plan.config.push(Step::Remove(segments.clone()));
                self.plan.dropped.insert(id.to_string());
            }
            let road = match (plain.contains_key(segments), refs.get(segments)) {
                _ if shadowed => Road::Shadowed,
                // A gateway that had a reference gets its token back.
                (_, Some(to)) if token && self.request.keep.gateway_token && *to == id => {
                    if let Some(value) = vault.get(&id).and_then(|raw| serde_json::from_str(raw.get()).ok()) {
                        self.plan.config.push(Step::Put(segments.clone(), value));
                    }
                    Road::Own
                }
                _ if token && self.request.keep.gateway_token => Road::Own,
                _ if !id.fits_secret_ref() => Road::TooLong,
                (true, _) if !takes => Road::NoTarget,
                // What the gateway has is newer than what was taken in.
                (true, _) if changed => {
                    self.plan.changed.push(id.to_string());
                    Road::Config
                }
                (true, _) => {
                    let reference = serde_json::to_value(ExecRef::to(&id)).unwrap_or_default();
                    self.plan.config.push(Step::Put(segments.clone(), reference));
                    self.plan.added.push(id.to_string());
                    Road::Config
                }
                // One that leads nowhere is mended below.
                (false, Some(to)) if *to == id || vault.get(to).is_none() => Road::Config,
                (false, _) => Road::Nowhere,
            };
            self.road(&id, road);
        }
        for (path, id) in refs {
            let dead = matches!(&id, SecretId::Config(_)) && vault.get(&id).is_none();
            let own = SecretId::Config(path.clone());
            if dead && vault.get(&own).is_some() {
                let reference = serde_json::to_value(ExecRef::to(&own)).unwrap_or_default();
                self.plan.added.push(own.to_string());
                self.plan.config.push(Step::Put(path, reference));
            } else if dead && !path.starts_with(&["gateway".to_owned(), "auth".to_owned()]) {
                // Without its own token a gateway does not start, and says why.
                self.plan.removed.push(id.to_string());
                self.plan.config.push(Step::Remove(path));
            }
        }
        for (name, value) in found.env {
            let id = SecretId::Env(name);
            let SecretId::Env(name) = &id else { continue };
            let stays = self.request.keep.dotenv || self.held.needs(name.as_str());
            if known::is_value(vault, &id, &value) && !stays {
                // The way back leads into the `.env`.
                self.plan.dotenv.insert(name.as_str().to_owned());
                let places = [vec!["env".to_owned(), "vars".to_owned()], vec!["env".to_owned()]];
                let here = places.into_iter().map(|place| [place, vec![name.as_str().to_owned()]].concat());
                // It may stand in both places, with another value in the one that the gateway does not use.
                let same = |path: &Vec<String>| {
                    let text = openclaw_config::at(&tree, path).and_then(Value::as_str);
                    text.is_some_and(|text| text == value.expose())
                };
                self.plan.config.extend(here.filter(same).map(Step::Remove));
            }
        }
        Ok(())
    }

    /// Whether the vault has a profile of this provider that every agent sees.
    fn has_profile(&self, provider: &str) -> bool {
        let of = |raw: &RawValue| provider_of(raw).is_some_and(|have| provider::same(&have, provider));
        let scopes = [Scope::main(), Scope::shared()];
        let vault = scopes.iter().filter_map(|scope| self.vault.scopes.get(scope.as_str()));
        vault.flat_map(|entries| entries.profiles.iter()).any(|(_, raw)| of(raw))
    }

    /// Refuses a gateway whose references another vault answers. One that was moved here has the same fingerprint,
    /// or has left nothing where it was.
    fn check_vault(&self, have: Option<&Value>) -> Result<(), Error> {
        let args = have.and_then(|have| have.get("args")?.as_array()).into_iter().flatten().filter_map(Value::as_str);
        let of = |option: &str| args.clone().zip(args.clone().skip(1)).find(|(name, _)| *name == option);
        let Some((_, other)) = of("--vault") else { return Ok(()) };
        let ours = |text: &str| self.request.entry.args.iter().any(|arg| arg == text);
        let same = ours(other) || of("--pin").is_some_and(|(_, pin)| ours(pin)) || !Path::new(other).exists();
        if same { Ok(()) } else { Err(Error::AnotherVault(PathBuf::from(other))) }
    }
}

/// Members that two objects do not have in common.
fn differing(one: &Value, other: &Value) -> Vec<String> {
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (one, other) = (members(one), members(other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}
