//! Names of variables that decide what code a process runs or whom it trusts, whatever their value was meant for.

use std::ffi::OsStr;

/// One name or several on a line; a line of remarks begins with `#`.
const NAMES: &str = include_str!("data/powerful-env.txt");

/// How more of them begin.
const PREFIXES: &str = "LD_ DYLD_ LDR_ _RLD BASH_FUNC_ GIT_ PYTHON NPM_CONFIG_ npm_config_ CARGO_REGISTRIES_ ANSIBLE_";

/// How credentials end, which tools with such a prefix have beside their settings: `GIT_TOKEN`.
const CREDENTIALS: [&str; 5] = ["TOKEN", "PASSWORD", "SECRET", "API_KEY", "ACCESS_KEY"];

/// Whether a variable of this name has power over the process that gets it. No command gets one from a vault unless it is
/// allowed by name, and nothing that runs without a person takes a value for one.
pub fn is_powerful(name: &str) -> bool {
    let is_credential = || CREDENTIALS.iter().any(|end| name.ends_with(end));
    names().any(|known| known == name) || (has_prefix(name) && !is_credential())
}

/// Last words of names that say where requests are sent.
const ADDRESSES: [&str; 18] = [
    "addr",
    "address",
    "api_base",
    "domain",
    "endpoint",
    "homeserver",
    "host",
    "hostname",
    "index",
    "issuer",
    "proxy",
    "region",
    "registry",
    "resource_name",
    "server",
    "site",
    "uri",
    "url",
];
/// The same without an underscore before them: `PGHOST`, `OPENAI_BASEURL`.
const JOINED: [&str; 2] = ["baseurl", "host"];

/// Whether a variable or a member of this name says to which address a secret is sent: `HTTPS_PROXY`,
/// `OPENAI_BASE_URL`, `baseUrl`, `issuer`.
pub fn names_address(name: &str) -> bool {
    let mut words = String::with_capacity(name.len() + 4);
    let mut before = 'A';
    for character in name.chars() {
        let starts = character.is_ascii_uppercase() && before.is_ascii_lowercase();
        words.extend(starts.then_some('_'));
        words.push(if character == '-' { '_' } else { character.to_ascii_lowercase() });
        before = character;
    }
    let is_end = |end: &&str| words.strip_suffix(*end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    ADDRESSES.iter().any(is_end) || JOINED.iter().any(|end| words.ends_with(end))
}

fn has_prefix(name: &str) -> bool {
    PREFIXES.split(' ').any(|prefix| name.starts_with(prefix))
}

fn names() -> impl Iterator<Item = &'static str> {
    NAMES.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
}

/// Whether a variable can lead to a vault key: one of this program's own, or systemd's credentials directory. No other
/// program needs them.
pub fn leads_to_keys(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"AGEVAULT_") || name == "CREDENTIALS_DIRECTORY"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::provider;

    #[test]
    fn names_that_run_code_are_told_from_credentials() {
        let powerful = "PATH LD_PRELOAD DYLD_INSERT_LIBRARIES NODE_OPTIONS NODE_PATH BASH_ENV ENV SHELLOPTS PS4 \
                        PROMPT_COMMAND PYTHONPATH PYTHONSTARTUP PERL5OPT PERL5LIB RUBYOPT GIT_SSH_COMMAND GIT_ASKPASS \
                        GIT_CONFIG_COUNT SSH_ASKPASS EDITOR VISUAL PAGER IFS BASH_FUNC_ls";
        for name in powerful.split_whitespace() {
            assert!(is_powerful(name), "{name}");
        }
        let others = "GITHUB_TOKEN GH_TOKEN GIT_TOKEN NPM_TOKEN AWS_SECRET_ACCESS_KEY DATABASE_URL PATHS MY_ENV \
                      OPENCLAW_GATEWAY_TOKEN";
        for name in others.split_whitespace() {
            assert!(!is_powerful(name), "{name}");
        }
    }

    #[test]
    fn names_of_addresses_are_told_from_others() {
        for name in
            ["HTTPS_PROXY", "https_proxy", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OLLAMA_HOST", "VAULT_ADDR", "baseUrl"]
        {
            assert!(names_address(name), "{name}");
        }
        for name in ["OPENAI_API_KEY", "refresh", "accountId", "GHOST_KEY"] {
            assert!(!names_address(name), "{name}");
        }
    }

    #[test]
    fn every_name_is_there_once_and_no_prefix_covers_it() {
        for (at, name) in names().enumerate() {
            assert!(names().skip(at + 1).all(|other| other != name), "{name}");
            assert!(!has_prefix(name), "{name}");
        }
    }

    #[test]
    fn no_key_of_a_provider_has_power() {
        for provider in ["anthropic", "openai", "google", "openrouter", "groq", "github-copilot", "minimax"] {
            assert!(provider::variables(provider).all(|name| !is_powerful(name)), "{provider}");
        }
    }
}
