//! How long a credential lasts, judged as the gateway judges it.

use super::{Credential, Kind};

/// Largest point in time of ECMAScript, in milliseconds.
const MAX_TIME: f64 = 8_640_000_000_000_000.0;

/// The state of one credential at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Does not expire.
    Static,
    /// Expires at this time (Unix milliseconds), not soon.
    Ok(i64),
    /// Expires at this time, soon.
    Expiring(i64),
    /// Expired at this time.
    Expired(i64),
    /// The access token ends at this time, but a refresh token renews it.
    Refreshable(Option<i64>),
    /// Holds a reference to a secret elsewhere.
    Reference,
    /// There is no secret in it.
    Missing,
    /// Its expiry is not a point in time, so the gateway does not use it.
    BadExpiry,
}

impl Standing {
    /// The word in `status`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Ok(_) => "ok",
            Self::Expiring(_) => "expiring",
            Self::Expired(_) => "expired",
            Self::Refreshable(_) => "refreshable",
            Self::Reference => "reference",
            Self::Missing => "missing",
            Self::BadExpiry => "bad_expiry",
        }
    }

    /// When it expires or expired, in Unix milliseconds.
    pub fn expires(self) -> Option<i64> {
        match self {
            Self::Ok(at) | Self::Expiring(at) | Self::Expired(at) => Some(at),
            Self::Refreshable(at) => at,
            Self::Static | Self::Reference | Self::Missing | Self::BadExpiry => None,
        }
    }

    /// Whether the gateway cannot use the credential at all.
    pub fn is_unusable(self) -> bool {
        matches!(self, Self::Expired(_) | Self::Missing | Self::BadExpiry)
    }
}

/// Judges a credential at `now` (Unix milliseconds); "soon" is within `warn` milliseconds.
///
/// With `strict`, an OAuth credential is judged by its access token alone, as the gateway
/// does, and not by whether it can be refreshed.
pub fn standing(credential: &Credential<'_>, now: i64, warn: i64, strict: bool) -> Standing {
    let present = |name: &str| credential.text(name).is_some_and(|text| !text.expose().trim().is_empty());
    match credential.kind() {
        Some(Kind::ApiKey) if present("key") => Standing::Static,
        Some(Kind::ApiKey) if credential.get("keyRef").is_some() => Standing::Reference,
        Some(Kind::Token) if present("token") => by_expiry(credential, now, warn),
        Some(Kind::Token) if credential.get("tokenRef").is_some() => Standing::Reference,
        Some(Kind::Oauth) if present("refresh") && !strict => Standing::Refreshable(expiry(credential).ok().flatten()),
        Some(Kind::Oauth) if present("access") || present("refresh") => by_expiry(credential, now, warn),
        _ => Standing::Missing,
    }
}

fn expiry(credential: &Credential<'_>) -> Result<Option<i64>, ()> {
    if credential.get("expires").is_none() {
        return Ok(None);
    }
    match credential.number("expires") {
        // In range, so the conversion is exact up to the fraction of a millisecond.
        #[allow(clippy::cast_possible_truncation)]
        Some(at) if at > 0.0 && at <= MAX_TIME => Ok(Some(at as i64)),
        _ => Err(()),
    }
}

fn by_expiry(credential: &Credential<'_>, now: i64, warn: i64) -> Standing {
    match expiry(credential) {
        Err(()) => Standing::BadExpiry,
        Ok(None) => Standing::Static,
        Ok(Some(at)) if at <= now => Standing::Expired(at),
        Ok(Some(at)) if at - now <= warn => Standing::Expiring(at),
        Ok(Some(at)) => Standing::Ok(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn judge(text: &str, strict: bool) -> Standing {
        let raw = serde_json::value::RawValue::from_string(text.to_owned()).expect("json");
        standing(&Credential::parse("p", &raw).expect("credential"), 10 * DAY, DAY, strict)
    }

    #[test]
    fn a_token_is_judged_by_its_expiry() {
        let token = |expires: &str| judge(&format!(r#"{{"type":"token","token":"t","expires":{expires}}}"#), false);
        assert_eq!(judge(r#"{"type":"token","token":"t"}"#, false), Standing::Static);
        assert_eq!(token(&(10 * DAY).to_string()), Standing::Expired(10 * DAY));
        assert_eq!(token(&(11 * DAY).to_string()), Standing::Expiring(11 * DAY));
        assert_eq!(token(&(11 * DAY + 1).to_string()), Standing::Ok(11 * DAY + 1));
        let invalid = ["null", "0", "-1", "\"\"", "\"2030\"", "1e300", "1e999", "8640000000000001", "true", "[]", "{}"];
        for invalid in invalid {
            assert_eq!(token(invalid), Standing::BadExpiry, "{invalid}");
            let oauth = format!(r#"{{"type":"oauth","access":"a","refresh":"r","expires":{invalid}}}"#);
            assert_eq!(judge(&oauth, false), Standing::Refreshable(None), "{invalid}");
            assert_eq!(judge(&oauth, true), Standing::BadExpiry, "{invalid}");
        }
    }

    #[test]
    fn a_refresh_token_keeps_oauth_fine_unless_strict() {
        let oauth = r#"{"type":"oauth","access":"a","refresh":"r","expires":5}"#;
        assert_eq!(judge(oauth, false), Standing::Refreshable(Some(5)));
        assert_eq!(judge(oauth, true), Standing::Expired(5));
    }

    #[test]
    fn an_empty_credential_is_missing() {
        for text in [r#"{"type":"api_key"}"#, r#"{"type":"api_key","key":" "}"#, r#"{"type":"other","key":"k"}"#] {
            assert_eq!(judge(text, false), Standing::Missing);
        }
        assert_eq!(judge(r#"{"type":"api_key","keyRef":{"source":"env"}}"#, false), Standing::Reference);
    }
}
