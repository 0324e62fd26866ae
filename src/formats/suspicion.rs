//! Names and values that say "this is a secret" where no table lists the place.
//!
//! A miss leaves a secret unnamed, a false hit names a harmless member: the rules prefer the second, but for names
//! that configurations have for other things.

use super::js;
use crate::model::SecretId;

/// Ends of names, letters and digits only, in lower case.
const ENDS: [&str; 17] = [
    "accesskey",
    "apikey",
    "apikeys",
    "appsecret",
    "authkey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "encryptkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "token",
];

/// Last words of variables.
const WORDS: [&str; 10] = ["AUTH", "CREDENTIALS", "DSN", "KEY", "PASS", "PASSWORD", "PAT", "PWD", "SECRET", "TOKEN"];

/// How keys of well-known issuers begin.
const KEYS: [&str; 25] = [
    "-----BEGIN ",
    "AGE-SECRET-KEY-",
    "AIza",
    "AKIA",
    "Basic ",
    "Bearer ",
    "SG.",
    "dop_v1_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "gsk_",
    "hf_",
    "npm_",
    "pk_",
    "rk_",
    "sk-",
    "sk_",
    "xai-",
    "xapp-",
    "xoxb-",
    "xoxp-",
];
/// A key is longer than this.
const SHORTEST: usize = 8;

/// Whether the name of a member or of a variable says that its value is a secret.
pub fn names_secret(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let shouted = name.contains('_') && !name.chars().any(|character| character.is_ascii_lowercase());
    let word = name.rsplit('_').next().unwrap_or_default();
    ENDS.iter().any(|end| letters.ends_with(end)) || (shouted && WORDS.contains(&word))
}

/// Whether the name of a list says that its elements are secrets: `apiKeys`, `tokens`.
pub(super) fn names_list(name: &str) -> bool {
    names_secret(name) || name.strip_suffix('s').is_some_and(names_secret)
}

/// Whether a text looks like a key of a well-known issuer, or is an address with a password in it.
pub fn is_key(text: &str) -> bool {
    let text = js::trim(text);
    let issued = KEYS.iter().any(|start| text.starts_with(start) && text.len() >= start.len() + SHORTEST);
    issued || has_password(text) || is_webhook(text)
}

/// Whether a text with a `$` in place of each variable contains something like a key.
pub fn has_key(text: &str) -> bool {
    has_password(text) || is_webhook(text) || pieces(text).any(|piece| is_key(piece) || is_random(piece))
}

/// The parts of a text between separators.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || "$@:/?&=,;|\"'{}()[]<>".contains(character))
}

/// Addresses that are all that is needed to post somewhere.
fn is_webhook(text: &str) -> bool {
    ["https://hooks.slack.com/services/", "https://discord.com/api/webhooks/", "https://discordapp.com/api/webhooks/"]
        .iter()
        .any(|start| text.starts_with(start) && text.len() >= start.len() + SHORTEST)
}

/// Whether a text is rather random than a path: long, with digits and letters of both cases, and no word of a path.
fn is_random(text: &str) -> bool {
    let has = |test: fn(&char) -> bool| text.chars().any(|character| test(&character));
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    let base64 = text.chars().all(|character| character.is_ascii_alphanumeric() || "+/=_-".contains(character));
    text.len() >= 20 && mixed && base64 && text.matches('/').count() <= 1 + text.len() / 16
}

/// `scheme://user:password@host`
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
}

/// The secret in an argument of a command: `--api-key=VALUE`, `NAME=VALUE`, `Authorization: VALUE`, a text that contains
/// a key of a well-known issuer, or any value after an option for a secret (`asks`). With it, whether this argument is
/// such an option.
pub(super) fn of_argument(text: &str, asks: bool) -> (Option<&str>, bool) {
    let option = text
        .strip_prefix('-')
        .map(|name| name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value))));
    let (name, value) = match option {
        Some((name, None)) => return (Some(text).filter(|text| has_issued(text)), names_secret(name)),
        Some((name, Some(value))) => (name, value),
        None => assigned(text).unwrap_or(("", text)),
    };
    let is_header = assigned(value).is_some_and(|(name, _)| names_secret(name));
    let is_value = (asks && option.is_none()) || names_secret(name) || has_issued(value) || is_header;
    // An entry's id stands in the arguments of `agevault run --only`.
    let leads = |value: &str| (is_pointer(value) && !has_issued(value)) || SecretId::parse(value).is_ok();
    (Some(value).filter(|value| is_value && !js::is_blank(value) && !leads(value)), false)
}

/// A header or a variable with its value.
fn assigned(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once([':', '='])?;
    let is_name = !name.is_empty() && name.chars().all(|one| one.is_ascii_alphanumeric() || "-_".contains(one));
    (is_name && !value.starts_with("//")).then_some((name, value.trim_start()))
}

/// Whether a text contains a key of a well-known issuer, or is an address with a password.
fn has_issued(text: &str) -> bool {
    is_key(text) || pieces(text).any(is_key)
}

/// Whether a text leads to a secret and is none: a path or an address without a password.
pub fn is_pointer(text: &str) -> bool {
    let text = js::trim(text);
    let path = text.starts_with('/') || text.starts_with("~/") || text.starts_with("./");
    let is_path = path && !text.contains(char::is_whitespace) && !is_random(text);
    is_path || (text.contains("://") && !has_password(text) && !is_webhook(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_others() {
        for name in
            ["token", "apiKey", "api_key", "X-API-Key", "Authorization", "GITHUB_TOKEN", "DB_PASS", "clientSecret"]
        {
            assert!(names_secret(name), "{name}");
        }
        for name in ["maxTokens", "sessionKey", "mode", "tokenFile", "key", "passwordHint", "LOG_LEVEL", "HOME", "PAT"]
        {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn keys_are_known_by_their_issuer() {
        for text in ["sk-ant-0123456789", "Bearer abcdefghij", "ghp_0123456789", "https://me:pass@example.org/x"] {
            assert!(is_key(text), "{text}");
        }
        for (text, asks, secret) in [
            ("--api-key=abc", false, Some("abc")),
            ("abc", true, Some("abc")),
            ("abc", false, None),
            ("--token-file=abc", false, None),
            ("--password=/run/secrets/x", false, None),
            ("X-Api-Key: abc", false, Some("abc")),
            ("X-Api-Key:abc", false, Some("abc")),
            ("GITHUB_TOKEN=abc", false, Some("abc")),
            ("--env=GITHUB_TOKEN=abc", false, Some("GITHUB_TOKEN=abc")),
            ("--header=X-Api-Key:abc", false, Some("X-Api-Key:abc")),
            ("https://example.org/mcp?key=sk-0123456789", false, Some("https://example.org/mcp?key=sk-0123456789")),
            ("-Hx: sk-0123456789", false, Some("-Hx: sk-0123456789")),
            ("x sk-0123456789", false, Some("x sk-0123456789")),
            ("https://example.org/mcp?page=2", false, None),
            ("LOG_LEVEL=debug", false, None),
            ("A_TOKEN=config/mcp/servers/m/env/A_TOKEN", false, None),
            ("@scope/package:tag", false, None),
            ("--header=Authorization: Bearer abcdefghij", false, Some("Authorization: Bearer abcdefghij")),
            ("sk-ant-0123456789", false, Some("sk-ant-0123456789")),
            ("--verbose", true, None),
        ] {
            assert_eq!(of_argument(text, asks).0, secret, "{text}");
        }
        assert!(of_argument("--api-key", false).1 && !of_argument("--api-key=abc", false).1);
        for text in ["sk-", "https://example.org/a:b@c", "https://me@example.org", "plain", "https://me:${P}@x.org"] {
            assert!(!is_key(text), "{text}");
        }
        assert!(is_pointer("/run/secrets/x") && is_pointer("https://example.org/x") && !is_pointer("abcdefgh"));
    }
}
