//! What the gateway's verbs `paste-token`, `paste-api-key` and `setup-token` take, and under
//! which id they store it. Follows 2026.9.6, which differs from 2026.4.27 in being stricter.

use super::js;
use crate::secret::Secret;

/// Largest pasted text, in bytes.
pub const MAX_PASTE: usize = 1_048_576;
/// Where `setup-token` stores.
pub const SETUP_PROFILE: &str = "anthropic:default";
/// How a setup-token begins.
pub const SETUP_PREFIX: &str = "sk-ant-oat01-";
/// Shortest setup-token, prefix included, in UTF-16 units.
const SETUP_LENGTH: usize = 80;
/// The last point in time that the gateway's language has, in Unix milliseconds.
const LAST_DATE: u64 = 8_640_000_000_000_000;
/// Largest duration, in milliseconds: integers beyond are not exact in the gateway's language.
const LAST_SAFE: f64 = 9_007_199_254_740_991.0;
/// Longest single number with its unit, in bytes.
const MAX_SEGMENT: usize = 100;

/// Why a pasted value, a profile id or a duration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Nothing was pasted, or nothing is left after cleaning.
    Required,
    /// More than [`MAX_PASTE`].
    TooLong,
    /// A token for anthropic that does not begin with [`SETUP_PREFIX`].
    SetupPrefix,
    /// A setup-token that was cut off.
    SetupShort,
    /// An OpenAI API key pasted as a token.
    ApiKeyAsToken,
    /// A token or OAuth material pasted as an OpenAI API key.
    TokenAsApiKey,
    /// Not an OpenAI API key.
    NotAnApiKey,
    /// A gateway command line pasted as a key.
    Command,
    /// A profile id that the gateway keeps for accounts of persons.
    Reserved,
    /// A duration without a character.
    EmptyDuration,
    /// Not a duration.
    Duration,
    /// An expiry that is not after now, or after the end of the calendar.
    ExpiryRange,
}

/// A pasted token. `provider` is normalised ([`super::provider::normalise`]).
///
/// # Errors
/// As the gateway: see [`Refused`].
pub fn token(provider: &str, pasted: &str) -> Result<Secret, Refused> {
    if provider == "anthropic" {
        return setup_token(pasted);
    }
    let token = cleaned(pasted)?;
    if provider == "openai" && is_openai_key(&token) {
        return Err(Refused::ApiKeyAsToken);
    }
    Ok(Secret::new(token))
}

/// A pasted setup-token: all white space in it is dropped, since terminals wrap it.
///
/// # Errors
/// As the gateway: see [`Refused`].
pub fn setup_token(pasted: &str) -> Result<Secret, Refused> {
    let mut token = cleaned(pasted)?;
    token.retain(|character| !js::is_space(character));
    if !token.starts_with(SETUP_PREFIX) {
        return Err(Refused::SetupPrefix);
    }
    if token.encode_utf16().count() < SETUP_LENGTH { Err(Refused::SetupShort) } else { Ok(Secret::new(token)) }
}

/// A pasted API key. `provider` is normalised.
///
/// # Errors
/// As the gateway: see [`Refused`]. Only OpenAI's keys have a form that is checked.
pub fn api_key(provider: &str, pasted: &str) -> Result<Secret, Refused> {
    let key = cleaned(pasted)?;
    if is_command(&key) {
        return Err(Refused::Command);
    }
    if provider == "openai" && !is_openai_key(&key) {
        let other = is_jwt(&key) || key.starts_with(['{', '[']);
        return Err(if other { Refused::TokenAsApiKey } else { Refused::NotAnApiKey });
    }
    Ok(Secret::new(key))
}

fn cleaned(pasted: &str) -> Result<String, Refused> {
    if pasted.len() > MAX_PASTE {
        return Err(Refused::TooLong);
    }
    let value = js::normalise_key(pasted);
    if value.is_empty() { Err(Refused::Required) } else { Ok(value) }
}

fn is_word(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn is_openai_key(key: &str) -> bool {
    key.strip_prefix("sk-").is_some_and(is_word)
}

fn is_jwt(key: &str) -> bool {
    let bearer = key.get(..6).filter(|word| word.eq_ignore_ascii_case("bearer")).and_then(|_| key.get(6..));
    let key = bearer.filter(|rest| rest.starts_with(js::is_space)).map_or(key, js::trim);
    key.split('.').count() == 3 && key.split('.').all(is_word)
}

/// `openclaw onboard ... --auth-choice ...`: newer gateways call such a key malformed.
fn is_command(key: &str) -> bool {
    let key = key.to_lowercase();
    let mut words = key.split(js::is_space).filter(|word| !word.is_empty());
    let onboard = words.next() == Some("openclaw") && words.next() == Some("onboard");
    onboard && words.any(|word| word == "--auth-choice" || word.starts_with("--auth-choice="))
}

/// The id under which a pasted credential is stored: the given one as it stands, trimmed, else
/// `<provider>:manual`. `provider` is normalised.
///
/// # Errors
/// [`Refused::Reserved`].
pub fn profile_id(given: Option<&str>, provider: &str) -> Result<String, Refused> {
    let given = given.map(js::trim).filter(|given| !given.is_empty());
    let id = given.map_or_else(|| format!("{provider}:manual"), str::to_owned);
    let parts = id.strip_prefix("personal:").and_then(|rest| rest.split_once(':'));
    if parts.is_some_and(|(one, other)| is_uuid(one) && is_uuid(other)) { Err(Refused::Reserved) } else { Ok(id) }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The id for a setup-token: [`SETUP_PROFILE`], or `anthropic:` and the given name in lower
/// case, with everything else than letters, digits, `.`, `_`, `-` made a dash.
pub fn setup_profile_id(given: Option<&str>) -> String {
    let given = given.map(js::trim).unwrap_or_default();
    if given.starts_with("anthropic:") {
        return given.to_owned();
    }
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '.' || character == '_';
    let lower = given.to_lowercase();
    let words: Vec<&str> = lower.split(|next| !plain(next)).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { SETUP_PROFILE.to_owned() } else { format!("anthropic:{}", words.join("-")) }
}

/// When something expires, in Unix milliseconds; `None` for a blank text. `now` is too.
///
/// # Errors
/// [`Refused::Duration`], [`Refused::ExpiryRange`].
pub fn expiry(text: &str, now: u64) -> Result<Option<u64>, Refused> {
    if js::is_blank(text) {
        return Ok(None);
    }
    let expires = now.checked_add(parse_duration(text)?).filter(|&expires| expires > now && expires <= LAST_DATE);
    expires.map(Some).ok_or(Refused::ExpiryRange)
}

/// A duration in milliseconds: a number of days, a number with one of the units `ms`, `s`, `m`,
/// `h`, `d`, or a run of such without gaps, like `1d12h`, in any case.
///
/// # Errors
/// [`Refused::EmptyDuration`], [`Refused::Duration`].
pub fn parse_duration(text: &str) -> Result<u64, Refused> {
    let text = js::trim(text).to_lowercase();
    if text.is_empty() {
        return Err(Refused::EmptyDuration);
    }
    let mut rest = text.as_str();
    let mut total = 0.0;
    while !rest.is_empty() {
        let (number, after) = number(rest).ok_or(Refused::Duration)?;
        let bare = after.is_empty() && number.len() == text.len();
        let (unit, after) = if bare { (DAY, after) } else { unit(after).ok_or(Refused::Duration)? };
        if rest.len() - after.len() + usize::from(bare) > MAX_SEGMENT {
            return Err(Refused::Duration);
        }
        total += number.parse::<f64>().map_err(|_| Refused::Duration)? * unit;
        rest = after;
    }
    let total = f64::round(total);
    // Exact: not negative, and at most 2^53 - 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if total <= LAST_SAFE { Ok(total as u64) } else { Err(Refused::Duration) }
}

const DAY: f64 = 86_400_000.0;

/// `\d+(\.\d+)?` and what follows.
fn number(text: &str) -> Option<(&str, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let fraction = text.get(whole..)?.strip_prefix('.').map_or(0, digits);
    let end = if fraction == 0 { whole } else { whole + 1 + fraction };
    text.split_at_checked(end).filter(|_| whole > 0)
}

/// A unit in milliseconds and what follows.
fn unit(text: &str) -> Option<(f64, &str)> {
    let units = [("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0), ("h", 3_600_000.0), ("d", DAY)];
    units.iter().find_map(|&(word, unit)| Some((unit, text.strip_prefix(word)?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
