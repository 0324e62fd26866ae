//! White space of JSON: two-space indentation as the gateway writes it, or none at all.
//! Strings and numbers keep their spelling.

use serde_json::value::RawValue;

/// The same JSON without white space between its tokens.
pub(super) fn compact(raw: &RawValue) -> Box<RawValue> {
    let text = raw.get();
    let mut out = String::with_capacity(text.len());
    for token in Tokens(text) {
        out.push_str(token);
    }
    RawValue::from_string(out).unwrap_or_else(|_| raw.to_owned())
}

/// JSON text on lines, two spaces a level, with a newline at the end.
pub(super) fn indent(text: &str) -> Vec<u8> {
    let mut out = String::with_capacity(text.len() * 2);
    let mut level = 0_usize;
    let mut tokens = Tokens(text).peekable();
    let line = |out: &mut String, level: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    };
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                out.push_str(token);
                if let Some(close) = tokens.next_if(|&next| next == "}" || next == "]") {
                    out.push_str(close);
                } else {
                    level += 1;
                    line(&mut out, level);
                }
            }
            "}" | "]" => {
                level = level.saturating_sub(1);
                line(&mut out, level);
                out.push_str(token);
            }
            "," => {
                out.push(',');
                line(&mut out, level);
            }
            ":" => out.push_str(": "),
            value => out.push_str(value),
        }
    }
    out.push('\n');
    out.into_bytes()
}

/// The tokens of valid JSON: brackets, separators, strings with their quotes, other words.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_ascii_start();
        let length = match rest.bytes().next()? {
            b'"' => string_length(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => rest.find(|next: char| next.is_ascii_whitespace() || ",:]}".contains(next)).unwrap_or(rest.len()),
        };
        let (token, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(token)
    }
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let close = text.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    close.map_or(text.len(), |at| at + 2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn layout_is_that_of_the_gateway_and_spelling_is_kept() {
        let text = r#" {"a":[1.50,{},[ ],"\u0041 \"{,\\"],"b":{"c":null}} "#;
        let expected = "{\n  \"a\": [\n    1.50,\n    {},\n    [],\n    \"\\u0041 \\\"{,\\\\\"\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}\n";
        assert_eq!(String::from_utf8(indent(text)).unwrap(), expected);
        let raw = RawValue::from_string(expected.trim().to_owned()).unwrap();
        assert_eq!(compact(&raw).get(), r#"{"a":[1.50,{},[],"\u0041 \"{,\\"],"b":{"c":null}}"#);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(".{0,5}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_layout_is_that_of_serde_json_and_comes_back(value in any_json()) {
            let pretty = indent(&value.to_string());
            prop_assert_eq!(std::str::from_utf8(&pretty).unwrap().trim_end(), serde_json::to_string_pretty(&value).unwrap());
            let raw: Box<RawValue> = serde_json::from_slice(&pretty).unwrap();
            let back = compact(&raw);
            prop_assert_eq!(back.get(), value.to_string());
        }
    }
}
