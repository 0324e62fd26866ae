//! The exec SecretRef protocol, version 1: what a gateway asks of a program, and the answer.
//!
//! In: `{"protocolVersion":1,"provider":ALIAS,"ids":[ID...]}`. Out, on one line:
//! `{"protocolVersion":1,"values":{ID:STRING},"errors":{ID:{"code","message"}}}`. Neither codes nor
//! messages hold anything of the request: older gateways write them to their logs.

use crate::secret::SecretBuf;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Largest request that is read, in bytes: what the largest batch of any gateway needs.
pub const MAX_REQUEST: usize = 5 * 1024 * 1024;
/// Most ids in one request.
pub const MAX_IDS: usize = 4096;
/// Largest answer, in bytes: a gateway takes 20 MiB from both streams together.
const MAX_ANSWER: usize = 19 * 1024 * 1024;

/// What a gateway wants: ids, each once, in byte order.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// As they were asked for; they need not be ids of ours.
    pub ids: Vec<String>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no request, or not a whole one.
    Malformed,
    /// It is of another version of the protocol.
    Version,
    /// It has more than [`MAX_IDS`] ids.
    TooMany,
    /// It is longer than [`MAX_REQUEST`].
    TooLong,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    protocol_version: serde_json::Number,
    ids: Vec<String>,
}

/// Reads a request. Members that nobody here knows are passed over.
///
/// # Errors
/// Why it is refused.
pub fn parse(bytes: &[u8]) -> Result<Request, Refused> {
    if bytes.len() > MAX_REQUEST {
        return Err(Refused::TooLong);
    }
    let wire: Wire = serde_json::from_slice(bytes).map_err(|_| Refused::Malformed)?;
    if wire.protocol_version.as_f64() != Some(1.0) {
        return Err(Refused::Version);
    }
    let mut ids = wire.ids;
    if ids.len() > MAX_IDS {
        return Err(Refused::TooMany);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(Request { ids })
}

/// Why there is no value for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The vault has no such entry, or it has no single value.
    NotFound,
    /// Its value is empty, which no gateway could use.
    Empty,
    /// The answer would become larger than a gateway takes.
    TooLarge,
}

impl Missing {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotFound => ("NOT_FOUND", "the vault has no such secret"),
            Self::Empty => ("EMPTY", "the secret is empty"),
            Self::TooLarge => ("TOO_LARGE", "the answer would be too large; ask for fewer at once"),
        }
    }
}

/// An answer in the making.
pub struct Answer {
    text: Vec<u8>,
    missing: Vec<(String, Missing)>,
    /// Kept free: any id may still become an error.
    left: usize,
}

impl Answer {
    /// The answer to `request`.
    pub fn new(request: &Request) -> Self {
        let left = request.ids.iter().map(|id| cost(id)).sum::<usize>();
        // Most values are keys.
        let mut text = Vec::with_capacity(request.ids.len() * 256);
        text.extend_from_slice(br#"{"protocolVersion":1,"values":{"#);
        Self { text, missing: Vec::new(), left }
    }

    /// Puts a value, the JSON text of a string, as it stands in the vault.
    pub fn put(&mut self, id: &str, value: &RawValue) {
        let value = value.get().as_bytes();
        match value {
            [b'"', b'"'] => return self.miss(id, Missing::Empty),
            [b'"', ..] => {}
            _ => return self.miss(id, Missing::NotFound),
        }
        if self.text.len() + cost(id) + value.len() + self.left > MAX_ANSWER {
            return self.miss(id, Missing::TooLarge);
        }
        self.left -= cost(id);
        name(&mut self.text, id);
        self.text.extend_from_slice(value);
    }

    /// Says that there is no value for an id.
    pub fn miss(&mut self, id: &str, why: Missing) {
        self.missing.push((id.to_owned(), why));
    }

    /// The whole answer, one line.
    pub fn finish(self) -> SecretBuf {
        let Self { mut text, missing, .. } = self;
        text.extend_from_slice(br#"},"errors":{"#);
        for (id, why) in missing {
            let (code, message) = why.words();
            name(&mut text, &id);
            text.extend_from_slice(format!(r#"{{"code":"{code}","message":"{message}"}}"#).as_bytes());
        }
        text.extend_from_slice(b"}}\n");
        SecretBuf::new(text)
    }
}

/// The ids for which an answer has a value that a gateway could use; no value is kept. `None` for
/// what is no answer.
pub fn read_answer(bytes: &[u8]) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        protocol_version: serde_json::Number,
        #[serde(borrow)]
        values: BTreeMap<String, &'a RawValue>,
        #[serde(default)]
        errors: BTreeMap<String, serde::de::IgnoredAny>,
    }
    let wire: Wire<'_> = serde_json::from_slice(bytes).ok()?;
    let good = |raw: &RawValue| raw.get().starts_with('"') && raw.get().len() > 2;
    let values = wire.values.into_iter().filter(|(id, raw)| good(raw) && !wire.errors.contains_key(id));
    (wire.protocol_version.as_f64() == Some(1.0)).then(|| values.map(|(id, _)| id).collect())
}

/// What an id takes at most, with an error behind it.
fn cost(id: &str) -> usize {
    // A control character becomes six.
    6 * id.len() + 128
}

/// Writes the name of a member, after what stands before it.
fn name(text: &mut Vec<u8>, id: &str) {
    if text.last() != Some(&b'{') {
        text.push(b',');
    }
    text.extend_from_slice(serde_json::Value::from(id).to_string().as_bytes());
    text.push(b':');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<Vec<String>, Refused> {
        parse(text.as_bytes()).map(|request| request.ids)
    }

    #[test]
    fn a_request_may_hold_more_than_is_known_and_ids_twice() {
        let text = r#"{"later":{"x":[1]},"ids":["b","a","b"],"provider":"vault","protocolVersion":1}"#;
        assert_eq!(request(text).unwrap(), ["a", "b"]);
        assert_eq!(request(r#"{"protocolVersion":1.0,"ids":[]}"#).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_request_of_version_1_is_refused() {
        for text in
            ["", "{", "[]", r#"{"protocolVersion":1}"#, r#"{"protocolVersion":1,"ids":[1]}"#, r#"{"ids":["a"]}"#]
        {
            assert_eq!(request(text), Err(Refused::Malformed), "{text}");
        }
        for version in ["2", "0", "1.5", "-1", "1e9"] {
            let text = format!(r#"{{"protocolVersion":{version},"ids":["a"]}}"#);
            assert_eq!(request(&text), Err(Refused::Version), "{text}");
        }
        let ids: Vec<String> = (0..=MAX_IDS).map(|nth| nth.to_string()).collect();
        let text = serde_json::json!({"protocolVersion": 1, "ids": ids}).to_string();
        assert_eq!(request(&text), Err(Refused::TooMany));
        assert_eq!(request(&" ".repeat(MAX_REQUEST + 1)), Err(Refused::TooLong));
    }

    #[test]
    fn an_answer_that_would_be_too_large_says_so_id_by_id() {
        let value = RawValue::from_string(format!("\"{}\"", "x".repeat(1024 * 1024))).unwrap();
        let request = Request { ids: (0..40).map(|nth| format!("env/E{nth}")).collect() };
        let mut answer = Answer::new(&request);
        request.ids.iter().for_each(|id| answer.put(id, &value));
        let whole = answer.finish();
        assert!(whole.expose().len() <= MAX_ANSWER);
        let read: serde_json::Value = serde_json::from_slice(whole.expose()).unwrap();
        let count = |name: &str| read.get(name).and_then(|map| map.as_object()).map(|map| map.len());
        assert_eq!((count("values"), count("errors")), (Some(18), Some(22)));
        let code = read.pointer("/errors/env~1E39/code");
        assert_eq!(code.and_then(|code| code.as_str()), Some("TOO_LARGE"));
    }
}
