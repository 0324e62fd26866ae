//! Changes to the stores of gateways that keep credentials in JSON files, under the gateway's own lock.

use super::{Era, Error, StoreChange, StoreLock};
use crate::formats::auth_profiles::{self, Orders};
use crate::formats::{self, MAX_INPUT};
use crate::fsio;
use crate::model::Credential;
use crate::secret::SecretBuf;
use serde_json::Value;
use serde_json::value::RawValue;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The members of a credential that hold a secret or a reference to one. The gateway rewrites others.
const CORE: [&str; 5] = ["key", "keyRef", "token", "tokenRef", "refresh"];

/// Changes one store in the directory `dir` of an agent: nothing of it if one of its files cannot be read. Orders go into
/// the file where gateways of `era` have them, after the profiles.
///
/// # Errors
/// [`Error::StoreChanged`] if a profile is not what is expected, or the file is being written by something that does
/// not take the lock; [`Error::StoreBusy`] if the lock is not free in time; [`Error::File`].
pub(super) fn change(dir: &Path, change: &StoreChange, era: Era) -> Result<(), Error> {
    make(dir)?;
    let _lock = StoreLock::take(dir).map_err(|error| match error {
        fsio::Error::Busy(_) => Error::StoreBusy,
        other => other.into(),
    })?;
    let file = File::read(dir, "auth-profiles.json")?;
    if !file.holds(change)? {
        return Err(Error::StoreChanged);
    }
    let in_state = era >= Era::Split;
    // A file from before the split may still hold an order, which would come back.
    let here = |ids: &Option<Vec<String>>| !in_state || ids.is_none();
    let orders = change.order.iter().filter(|(_, ids)| here(ids));
    let orders: Orders = orders.map(|(provider, ids)| (provider.clone(), ids.clone())).collect();
    let after = auth_profiles::edit(file.bytes(), &change.put, &change.remove, &orders).map_err(unreadable)?;
    // Both files are read before one of them is changed.
    let state = match in_state && !change.order.is_empty() {
        true => {
            let state = File::read(dir, "auth-state.json")?;
            let after = auth_profiles::edit_state(state.bytes(), &change.order).map_err(unreadable)?;
            Some((state, after))
        }
        false => None,
    };
    file.replace(after)?;
    match state {
        Some((state, Some(after))) => state.replace(after),
        Some((state, None)) => Ok(fsio::remove_foreign(&state.path)?),
        None => Ok(()),
    }
}

/// Makes the directory of an agent that has none.
fn make(dir: &Path) -> Result<(), Error> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    Ok(made.map_err(|error| fsio::Error::io("create", dir, error))?)
}

/// A file that could be read a moment ago and cannot be now is being written.
fn unreadable(_: formats::Error) -> Error {
    Error::StoreChanged
}

/// A file of the gateway's as it was read.
struct File {
    path: std::path::PathBuf,
    bytes: Option<SecretBuf>,
}

impl File {
    fn read(dir: &Path, name: &str) -> Result<Self, Error> {
        let path = dir.join(name);
        let bytes = read(&path)?;
        Ok(Self { path, bytes })
    }

    fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_ref().map(SecretBuf::expose)
    }

    /// Whether it holds the profiles that a change expects, as the gateway reads them.
    fn holds(&self, change: &StoreChange) -> Result<bool, Error> {
        let bytes = self.bytes().filter(|bytes| !bytes.trim_ascii().is_empty());
        let store = bytes.map(auth_profiles::parse).transpose().map_err(unreadable)?.unwrap_or_default();
        let now = |id: &str| store.profiles.iter().rfind(|(name, _)| name == id).map(|(_, raw)| raw.as_ref());
        Ok(change.expect.iter().all(|(id, was)| same(now(id), was.as_deref())))
    }

    /// Replaces it; a link stays, and what it leads to is replaced. What was written since it was read is not lost.
    fn replace(&self, after: Vec<u8>) -> Result<(), Error> {
        let after = SecretBuf::new(after);
        if self.bytes() == Some(after.expose()) {
            return Ok(());
        }
        // Some of the gateway's writers take no lock.
        if fsio::replace_foreign(&self.path, after.expose(), self.bytes())? { Ok(()) } else { Err(Error::StoreChanged) }
    }
}

fn read(path: &Path) -> Result<Option<SecretBuf>, fsio::Error> {
    match fsio::read_own(path, MAX_INPUT) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

/// Whether two credentials have the same secrets and references.
fn same(one: Option<&RawValue>, other: Option<&RawValue>) -> bool {
    let core = |raw: &RawValue| {
        let credential = Credential::parse("", raw).ok()?;
        let value = |name| credential.get(name).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let mut core = CORE.map(value);
        // The expected credential may have the older name of the member.
        if let [key @ (None | Some(Value::Null)), ..] = &mut core {
            *key = value("apiKey");
        }
        Some(core.map(|value| value.filter(|value| !value.is_null())))
    };
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => core(one).is_some_and(|core_of_one| Some(core_of_one) == core(other)),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::PathBuf;
    use std::time::Duration;

    struct Agent(tempfile::TempDir);

    impl Agent {
        fn new(profiles: &Value) -> Self {
            let agent = Self(tempfile::tempdir().unwrap());
            agent.write("auth-profiles.json", profiles);
            agent
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, value: &Value) {
            std::fs::write(self.path(name), value.to_string()).unwrap();
        }

        fn now(&self, name: &str) -> Value {
            std::fs::read(self.path(name)).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
        }

        fn change(&self, change: &StoreChange, era: Era) -> Result<(), Error> {
            let done = super::change(self.0.path(), change, era);
            assert!(!self.path("auth-profiles.json.lock").exists(), "the lock stays behind");
            done
        }
    }

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn none() -> StoreChange {
        StoreChange {
            dir: None,
            expect: BTreeMap::new(),
            put: BTreeMap::new(),
            remove: Vec::new(),
            order: BTreeMap::new(),
        }
    }

    /// Puts a reference in the place of what is expected.
    fn put(id: &str, expect: Option<Value>) -> StoreChange {
        let expect = BTreeMap::from([(id.to_owned(), expect.as_ref().map(raw))]);
        StoreChange { expect, put: BTreeMap::from([(id.to_owned(), raw(&referred()))]), ..none() }
    }

    fn referred() -> Value {
        json!({"type": "api_key", "provider": "p", "keyRef": {"source": "exec", "provider": "agevault", "id": "x"}})
    }

    fn stored(key: &str) -> Value {
        json!({"type": "api_key", "provider": "p", "key": key})
    }

    #[test]
    fn a_profile_is_replaced_only_if_its_secret_is_the_expected_one() {
        let one = |value: Value| json!({"version": 1, "profiles": {"p:a": value}, "more": 1});
        let key = stored("k");
        let token = json!({"type": "token", "provider": "p", "token": "k"});
        let oauth = |access: &str, refresh: &str| json!({"type": "oauth", "provider": "p", "access": access, "refresh": refresh, "expires": 1});
        let reference = |first: &str, second: &str| json!({"type": "api_key", "provider": "p", "keyRef": {first: "exec", second: "x"}});
        for (there, expected, fits) in [
            (&key, Some(key.clone()), true),
            (&json!({"type": "api_key", "provider": "p", "apiKey": "k", "email": "e"}), Some(key.clone()), true),
            (&key, Some(json!({"type": "api_key", "provider": "p", "apiKey": "k"})), true),
            (&json!({"type": "api_key", "provider": "p", "key": "k", "keyRef": null}), Some(key.clone()), true),
            (&key, Some(stored("other")), false),
            (&key, None, false),
            (&token, Some(token.clone()), true),
            (&token, Some(key.clone()), false),
            (&oauth("new", "r"), Some(oauth("old", "r")), true),
            (&oauth("a", "new"), Some(oauth("a", "old")), false),
            (&reference("source", "id"), Some(reference("source", "id")), true),
            (
                &json!({"type": "api_key", "provider": "p", "keyRef": {"id": "x", "source": "exec"}}),
                Some(reference("source", "id")),
                true,
            ),
            // What the gateway ignores is not there.
            (&json!({"type": "other", "key": "k"}), None, true),
            (&json!("k"), None, true),
        ] {
            for era in [Era::References, Era::Split] {
                let agent = Agent::new(&one(there.clone()));
                let before = std::fs::read(agent.path("auth-profiles.json")).unwrap();
                let done = agent.change(&put("p:a", expected.clone()), era);
                if fits {
                    done.unwrap();
                    assert_eq!(agent.now("auth-profiles.json"), one(referred()), "{there} {expected:?}");
                } else {
                    assert!(matches!(done, Err(Error::StoreChanged)), "{there} {expected:?}");
                    assert_eq!(std::fs::read(agent.path("auth-profiles.json")).unwrap(), before);
                }
            }
        }
        let agent = Agent::new(&json!({"profiles": {}}));
        std::fs::write(agent.path("auth-profiles.json"), "{\"profiles\":{\"p").unwrap();
        assert!(matches!(agent.change(&put("p:a", None), Era::References), Err(Error::StoreChanged)), "half written");
    }

    #[test]
    fn orders_are_kept_where_the_era_keeps_them() {
        let before = json!({"profiles": {}, "order": {"p": ["p:a"], "q": ["q:a"]}, "lastGood": {"p": "p:a"}});
        let order = |provider: &str, ids: Option<&str>| (provider.to_owned(), ids.map(|id| vec![id.to_owned()]));
        let change = StoreChange { order: [order("p", Some("p:b")), order("q", None)].into(), ..none() };
        let agent = Agent::new(&before);
        agent.change(&change, Era::References).unwrap();
        let after = json!({"profiles": {}, "order": {"p": ["p:b"]}, "lastGood": {"p": "p:a"}});
        assert_eq!((agent.now("auth-profiles.json"), agent.now("auth-state.json")), (after, Value::Null));

        let agent = Agent::new(&before);
        agent
            .write("auth-state.json", &json!({"version": 1, "order": {"q": ["q:b"]}, "usageStats": {"p:a": {"n": 1}}}));
        agent.change(&change, Era::Split).unwrap();
        let after = json!({"profiles": {}, "order": {"p": ["p:a"]}, "lastGood": {"p": "p:a"}});
        let state = json!({"version": 1, "order": {"p": ["p:b"]}, "usageStats": {"p:a": {"n": 1}}});
        assert_eq!((agent.now("auth-profiles.json"), agent.now("auth-state.json")), (after, state));

        // The gateway has no file for a state that says nothing.
        agent.write("auth-state.json", &json!({"version": 1, "order": {"p": ["p:b"]}}));
        let change = StoreChange { order: [order("p", None)].into(), ..none() };
        agent.change(&change, Era::Split).unwrap();
        assert!(!agent.path("auth-state.json").exists());
    }

    #[test]
    fn an_agent_without_a_store_gets_one_that_is_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("agents/new/agent");
        super::change(&dir, &put("p:a", None), Era::Split).unwrap();
        let file = dir.join("auth-profiles.json");
        let now: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(now, json!({"version": 1, "profiles": {"p:a": referred()}}));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&file), mode(&dir)), (0o600, 0o700));
        assert!(!dir.join("auth-state.json").exists());
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let agent = Agent::new(&json!({"profiles": {}}));
        let elsewhere = tempfile::tempdir().unwrap();
        let (file, real) = (agent.path("auth-profiles.json"), elsewhere.path().join("profiles"));
        std::fs::rename(&file, &real).unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&real, &file).unwrap();
        agent.change(&put("p:a", None), Era::Split).unwrap();
        assert_eq!(std::fs::read_link(&file).unwrap(), real);
        assert_eq!(agent.now("auth-profiles.json"), json!({"profiles": {"p:a": referred()}}));
        assert_eq!(std::fs::symlink_metadata(&real).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing else is left there");
        // A link that leads nowhere is not taken for a file that is missing.
        std::fs::remove_file(&real).unwrap();
        let dangling = agent.change(&put("p:a", None), Era::Split);
        assert!(matches!(dangling, Err(Error::File(fsio::Error::Link(path))) if path == file));
    }

    #[test]
    fn what_the_gateway_writes_under_its_lock_is_waited_for_and_not_lost() {
        let agent = Agent::new(&json!({"profiles": {"p:a": stored("old")}}));
        let lock = agent.path("auth-profiles.json.lock");
        let holder = json!({"pid": std::process::id(), "createdAt": "2026-01-01T00:00:00Z"});
        std::fs::write(&lock, holder.to_string()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(200));
                agent.write("auth-profiles.json", &json!({"profiles": {"p:a": stored("new")}}));
                std::fs::remove_file(&lock).unwrap();
            });
            let done = agent.change(&put("p:a", Some(stored("old"))), Era::References);
            assert!(matches!(done, Err(Error::StoreChanged)));
        });
        assert_eq!(agent.now("auth-profiles.json"), json!({"profiles": {"p:a": stored("new")}}));
    }
}
