//! The gateway's own audit: what it still finds, apart from what it was asked to leave.

use super::{Error, Keep};
use crate::gateway::{self, Program};
use serde::Deserialize;
use std::path::PathBuf;

/// What the gateway's own audit says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Its exit code.
    pub code: Option<i32>,
    /// Findings that something can be done about.
    pub findings: Vec<Found>,
    /// Plaintext that stays because that was asked for.
    pub kept: Vec<Found>,
    /// Findings that say that OAuth is stored, which takes no references.
    pub oauth: usize,
}

/// One finding: names and places, no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The gateway's word for it, such as `PLAINTEXT_FOUND`.
    pub code: String,
    /// The file.
    pub file: PathBuf,
    /// Where in the file.
    pub place: String,
}

#[derive(Deserialize)]
struct Report {
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    code: String,
    #[serde(default)]
    file: PathBuf,
    #[serde(default)]
    json_path: String,
    profile_id: Option<String>,
}

impl Audit {
    /// How many findings are left to be dealt with; `None` if all is well. An audit that fails without a word
    /// is no good sign.
    pub fn open(&self) -> Option<usize> {
        let silent = self.code != Some(0) && self.oauth == 0 && self.kept.is_empty();
        (!self.findings.is_empty() || silent).then_some(self.findings.len())
    }
}

/// Runs the gateway's own audit, references resolved. `keep` is what was asked to stay in plaintext.
///
/// # Errors
/// When its program cannot be run.
pub fn audit(program: &Program, keep: Keep) -> Result<Audit, Error> {
    let output = program.run(&["secrets", "audit", "--check", "--allow-exec", "--json"])?;
    let report = serde_json::from_slice::<Report>(output.stdout.expose()).map_err(|_| gateway::Error::Program)?;
    Ok(sorted(report, output.code, keep))
}

fn sorted(report: Report, code: Option<i32>, keep: Keep) -> Audit {
    let mut audit = Audit { code, ..Audit::default() };
    for Finding { code, file, json_path: place, profile_id } in report.findings {
        let stays = code == "PLAINTEXT_FOUND"
            && ((keep.gateway_token && place == "gateway.auth.token")
                || (keep.dotenv && ["$env.", "env."].iter().any(|start| place.starts_with(start))));
        match (code.as_str(), profile_id) {
            ("LEGACY_RESIDUE", Some(_)) => audit.oauth += 1,
            _ if stays => audit.kept.push(Found { code, file, place }),
            _ => audit.findings.push(Found { code, file, place }),
        }
    }
    audit
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_to_stay_is_no_finding() {
        let json = r#"{"findings":[
            {"code":"PLAINTEXT_FOUND","file":"/s/openclaw.json","jsonPath":"gateway.auth.token"},
            {"code":"PLAINTEXT_FOUND","file":"/s/.env","jsonPath":"$env.GROQ_API_KEY"},
            {"code":"REF_UNRESOLVED","file":"/s/openclaw.json","jsonPath":"gateway.auth.token"},
            {"code":"LEGACY_RESIDUE","file":"/s/a","jsonPath":"profiles.p:o","profileId":"p:o"}]}"#;
        let audit = |gateway_token, dotenv| {
            let audit = sorted(serde_json::from_str(json).unwrap(), Some(1), Keep { gateway_token, dotenv });
            (audit.findings.len(), audit.kept.len(), audit.oauth)
        };
        assert_eq!(audit(false, false), (3, 0, 1));
        assert_eq!(audit(true, false), (2, 1, 1));
        assert_eq!(audit(true, true), (1, 2, 1));
        let only_kept = |code| Audit {
            code,
            kept: vec![Found { code: "X".into(), file: "f".into(), place: "p".into() }],
            ..Audit::default()
        };
        assert_eq!(only_kept(Some(1)).open(), None);
        assert_eq!(Audit { code: Some(2), ..Audit::default() }.open(), Some(0));
    }
}
