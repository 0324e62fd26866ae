//! Secret ids and the names they are made of.
//!
//! An id is `auth/<scope>/<profile>`, `env/<NAME>` or `config/<segment>/...`, written so that
//! it is also the id of a SecretRef. Encoding is a bijection: [`SecretId::parse`] accepts
//! exactly what [`SecretId`]'s `Display` writes.

use std::borrow::Cow;
use std::fmt;

/// Longest id that a SecretRef takes.
const MAX_REF: usize = 256;

/// An agent id, or `_shared` for the store that current gateways share between agents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// The gateway's grammar: `^[a-z0-9][a-z0-9_-]{0,63}$`, or `_shared`. Upper case is folded
    /// and white space around it dropped, as the gateway does.
    ///
    /// # Errors
    /// [`IdError::Scope`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let text = text.trim().to_ascii_lowercase();
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let rest = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
        if text == "_shared" || (first && rest && text.len() <= 64) { Ok(Self(text)) } else { Err(IdError::Scope) }
    }

    /// The shared store of current gateways.
    pub fn shared() -> Self {
        Self("_shared".to_owned())
    }

    /// The agent that every gateway has.
    pub fn main() -> Self {
        Self("main".to_owned())
    }

    /// As written in ids and paths.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an agent and not the shared store.
    pub fn is_agent(&self) -> bool {
        self.0 != "_shared"
    }
}

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// `^[A-Za-z_][A-Za-z0-9_]*$`, at most 255 bytes.
    ///
    /// # Errors
    /// [`IdError::EnvName`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if first && rest && text.len() <= 255 { Ok(Self(text.to_owned())) } else { Err(IdError::EnvName) }
    }

    /// As written in the environment.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of one secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretId {
    /// A profile of an agent or of the shared store.
    Auth(Scope, String),
    /// An env entry.
    Env(EnvName),
    /// A secret of the gateway's configuration, by the segments of its path.
    Config(Vec<String>),
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// Does not begin with `auth/`, `env/` or `config/`, or a part is empty.
    Shape,
    /// Not the name of an agent.
    Scope,
    /// Not the name of a variable.
    EnvName,
    /// `_x` that begins no escape, or an escape that nobody would write.
    Escape,
    /// Longer than a name may be.
    TooLong,
}

impl SecretId {
    /// The id of a profile.
    ///
    /// # Errors
    /// An empty or overlong name.
    pub fn auth(scope: Scope, profile: &str) -> Result<Self, IdError> {
        check_name(profile)?;
        Ok(Self::Auth(scope, profile.to_owned()))
    }

    /// The id of a configuration secret.
    ///
    /// # Errors
    /// No segment, or an empty or overlong one.
    pub fn config(segments: &[&str]) -> Result<Self, IdError> {
        segments.iter().try_for_each(|segment| check_name(segment))?;
        if segments.is_empty() {
            return Err(IdError::Shape);
        }
        Ok(Self::Config(segments.iter().map(|&segment| segment.to_owned()).collect()))
    }

    /// Reads the canonical form only, as it comes in a SecretRef or stands in a vault.
    ///
    /// # Errors
    /// What is wrong; a form that this type would write differently is [`IdError::Escape`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let id = Self::parse_lenient(text)?;
        if id.to_string() == text { Ok(id) } else { Err(IdError::Escape) }
    }

    /// Reads an id as a person types it: characters that need an escape may stand for
    /// themselves, but `_x` always begins an escape.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse_lenient(text: &str) -> Result<Self, IdError> {
        let (world, rest) = text.split_once('/').ok_or(IdError::Shape)?;
        match world {
            "auth" => {
                let (scope, profile) = rest.split_once('/').ok_or(IdError::Shape)?;
                Self::auth(Scope::parse(&decode(scope)?)?, &decode(profile)?)
            }
            "env" => Ok(Self::Env(EnvName::parse(&decode(rest)?)?)),
            "config" => {
                let segments = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
                Self::config(&segments.iter().map(String::as_str).collect::<Vec<_>>())
            }
            _ => Err(IdError::Shape),
        }
    }

    /// Whether a SecretRef can hold it: at most 256 characters.
    pub fn fits_secret_ref(&self) -> bool {
        self.to_string().len() <= MAX_REF
    }

    /// The key of a configuration secret in the vault's `config` map.
    pub fn config_key(segments: &[String]) -> String {
        let encoded: Vec<Cow<'_, str>> = segments.iter().map(|segment| encode(segment, false)).collect();
        encoded.join("/")
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(scope, profile) => write!(out, "auth/{}/{}", encode(&scope.0, false), encode(profile, true)),
            Self::Env(name) => write!(out, "env/{}", encode(&name.0, false)),
            Self::Config(segments) => write!(out, "config/{}", Self::config_key(segments)),
        }
    }
}

fn check_name(name: &str) -> Result<(), IdError> {
    if name.is_empty() {
        return Err(IdError::Shape);
    }
    if name.len() > super::MAX_NAME { Err(IdError::TooLong) } else { Ok(()) }
}

fn push_escape(out: &mut String, character: char) {
    out.push_str(&format!("_x{:x}_", u32::from(character)));
}

/// Encodes one name. With `slashes`, a `/` between two non-empty parts stays a `/`.
fn encode(name: &str, slashes: bool) -> Cow<'_, str> {
    // Nearly every name has nothing to escape.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-');
    if name.bytes().any(plain) && name.bytes().all(|byte| plain(byte) || byte == b'.') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    let mut part = String::new();
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        if character == '/' && slashes && !part.is_empty() && next.is_some_and(|next| next != '/') {
            encode_part(&mut out, &part);
            out.push('/');
            part.clear();
        } else {
            part.push(character);
        }
    }
    encode_part(&mut out, &part);
    Cow::Owned(out)
}

fn encode_part(out: &mut String, part: &str) {
    let dots = part == "." || part == "..";
    let mut characters = part.chars().peekable();
    while let Some(character) = characters.next() {
        let plain = match character {
            '.' => !dots,
            '_' => characters.peek() != Some(&'x'),
            ':' | '-' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if plain { out.push(character) } else { push_escape(out, character) }
    }
}

fn decode(text: &str) -> Result<String, IdError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once("_x") {
        out.push_str(plain);
        let (digits, after) = escape.split_once('_').ok_or(IdError::Escape)?;
        let canonical = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            && (digits == "0" || !digits.starts_with('0'));
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| canonical).ok_or(IdError::Escape)?;
        out.push(char::from_u32(code).ok_or(IdError::Escape)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agent() -> Scope {
        Scope::main()
    }

    #[test]
    fn usual_profile_ids_stay_readable() {
        let id = SecretId::auth(agent(), "anthropic:default").expect("id");
        assert_eq!(id.to_string(), "auth/main/anthropic:default");
        let id = SecretId::auth(agent(), "openai-codex:me+x@example.org").expect("id");
        assert_eq!(id.to_string(), "auth/main/openai-codex:me_x2b_x_x40_example.org");
    }

    #[test]
    fn odd_names_have_one_form_each() {
        for (name, form) in [
            ("..", "_x2e__x2e_"),
            ("a/../b", "a/_x2e__x2e_/b"),
            ("a//b", "a_x2f_/b"),
            ("/a", "_x2f_a"),
            ("a/", "a_x2f_"),
            ("_x", "_x5f_x"),
            ("__x2f_", "__x5f_x2f_"),
            ("é", "_xe9_"),
        ] {
            let id = SecretId::auth(agent(), name).expect("id");
            assert_eq!(id.to_string(), format!("auth/main/{form}"));
            assert_eq!(SecretId::parse(&id.to_string()), Ok(id));
        }
    }

    #[test]
    fn forms_that_nobody_writes_are_refused() {
        for text in ["auth/main/a_x2F_b", "auth/main/_x02f_", "auth/main/_x", "auth/main/_x41_", "auth/main/é"] {
            assert_eq!(SecretId::parse(text), Err(IdError::Escape), "{text}");
        }
        for text in ["", "auth", "auth/main", "auth/main/", "other/a", "config/", "config/a//b"] {
            assert_eq!(SecretId::parse(text), Err(IdError::Shape), "{text}");
        }
        assert_eq!(SecretId::parse("auth/..%2f/x"), Err(IdError::Scope));
        assert_eq!(SecretId::parse("env/1A"), Err(IdError::EnvName));
    }

    proptest! {
        #[test]
        fn every_profile_name_comes_back(name in "\\PC{1,40}|[_x/.a]{1,12}") {
            let id = SecretId::auth(agent(), &name).expect("id");
            let text = id.to_string();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte)));
            prop_assert!(text.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            prop_assert_eq!(SecretId::parse(&text), Ok(id));
        }

        #[test]
        fn every_config_path_comes_back(path in proptest::collection::vec("\\PC{1,12}|[_x/.a]{1,6}", 1..5)) {
            let segments: Vec<&str> = path.iter().map(String::as_str).collect();
            let id = SecretId::config(&segments).expect("id");
            prop_assert_eq!(SecretId::parse(&id.to_string()), Ok(id));
        }

        #[test]
        fn every_text_that_is_an_id_is_written_the_same(text in "(auth/main/|env/|config/)[a-f0-9_x/.:@-]{1,16}") {
            if let Ok(id) = SecretId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
