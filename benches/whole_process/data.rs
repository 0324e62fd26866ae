//! What a gateway's state directory holds: API keys of 100-200 characters, a few 2 KB OAuth profiles, and a `.env`.

use crate::{Result, process::private_dir, rounds::Random};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// One key, one OAuth profile, one env entry.
pub const SMALLEST: usize = 3;

pub struct DataSet {
    pub state_dir: PathBuf,
    pub size: usize,
    /// How many API keys there are.
    pub keys: usize,
    /// The profile that `get` asks for, from the middle.
    pub profile: String,
    pub value: String,
    /// The env entry that `set` replaces, from the middle.
    pub env_name: String,
}

impl DataSet {
    pub fn profile_id(&self) -> String {
        format!("auth/main/{}", self.profile)
    }

    /// Ids of API keys, at most this many.
    pub fn some_ids(&self, most: usize) -> Vec<String> {
        (0..self.keys.min(most)).map(|index| format!("auth/main/{}", key_name(index))).collect()
    }

    pub fn env_id(&self) -> String {
        format!("env/{}", self.env_name)
    }
}

pub fn make(state_dir: &Path, size: usize, random: &mut Random) -> Result<DataSet> {
    let (env, oauth) = ((size / 10).max(1), (size / 40).max(1));
    let keys = size - env - oauth;

    let mut profiles = Map::new();
    for index in 0..keys {
        profiles
            .insert(key_name(index), json!({"type": "api_key", "provider": "openai", "key": secret("sk-", random)}));
    }
    for index in 0..oauth {
        let email = format!("user{index:04}@example.org");
        let profile = json!({
            "type": "oauth", "provider": "openai-codex", "email": email, "accountId": random.text(36),
            "access": random.text(1_400), "refresh": random.text(400), "expires": 4_102_444_800_000_u64,
        });
        profiles.insert(format!("openai-codex:{email}"), profile);
    }
    let profile = key_name(keys / 2);
    let value = profiles[&profile]["key"].as_str().ok_or("a key")?.to_owned();

    let agent_dir = state_dir.join("agents/main/agent");
    private_dir(&agent_dir)?;
    let store = json!({"version": 1, "profiles": Value::Object(profiles)});
    write_private(&agent_dir.join("auth-profiles.json"), &serde_json::to_vec_pretty(&store)?)?;
    let lines: String = (0..env).map(|index| format!("{}={}\n", env_name(index), secret("", random))).collect();
    write_private(&state_dir.join(".env"), lines.as_bytes())?;

    Ok(DataSet { state_dir: state_dir.to_owned(), size, keys, profile, value, env_name: env_name(env / 2) })
}

pub fn secret(prefix: &str, random: &mut Random) -> String {
    let length = 100 + random.below(101);
    format!("{prefix}{}", random.text(length - prefix.len()))
}

pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(bytes)?)
}

fn key_name(index: usize) -> String {
    format!("openai:key{index:04}")
}

fn env_name(index: usize) -> String {
    format!("BENCH_{index:04}")
}
