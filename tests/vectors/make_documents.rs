//! How the vectors of the document were made.

use super::document::document;
use super::forge::{native, seal_exactly};
use super::make::{HOLDS, KEY, Made, content, made, public};

/// F5, F7: the document.
pub fn payloads() -> Vec<Made> {
    let of = |name: &str, clause: &str, expect: &str, lines: &[&str], text: String| {
        let lines: Vec<&str> = [KEY].iter().chain(lines).copied().collect();
        made(name, clause, expect, &lines, move || seal_exactly(text.as_bytes(), &[&native(&public(1))]))
    };
    let with = |name: &str, clause: &str, expect: &str, member: &str, value: &str, lines: &[&str]| {
        of(name, clause, expect, lines, document(&[(member, value.to_owned())]))
    };
    let scope = |members: &str| format!(r#"{{"main":{{"order":{{}},"profiles":{{"p":{members}}}}}}}"#);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let long = |len: usize| format!("{{\"{}\":\"x\"}}", "N".repeat(len));
    let mut all = vec![
        of("good_padding", "F5", "success", &[HOLDS], format!("{:<4096}", content())),
        of("good_without_padding", "F5", "success", &[HOLDS], content()),
        of("good_line_breaks_as_padding", "F5", "success", &[HOLDS], format!("{}\n\n", content())),
        with("good_unknown_member", "F5", "success", "future", r#"{"x":[1,2]}"#, &[]),
        with(
            "good_unknown_member_of_a_recipient",
            "F5",
            "success",
            "recipients",
            r#"[{"added":1,"future":1,"kind":"x25519","label":"l","public":"age1"}]"#,
            &[],
        ),
        with("good_largest_integer", "F5", "success", "generation", "9007199254740991", &[]),
        with("integer_beyond_2_53", "F5", "malformed", "generation", "9007199254740992", &[]),
        with("integer_beyond_2_64", "F5", "malformed", "generation", "18446744073709551616", &[]),
        with("integer_negative", "F5", "malformed", "epoch", "-1", &[]),
        with("integer_with_fraction", "F5", "malformed", "created", "1.0", &[]),
        with("integer_with_exponent", "F5", "malformed", "created", "1e3", &[]),
        with("integer_as_text", "F5", "malformed", "created", "\"1\"", &[]),
        with("schema_2", "F5", "newer", "schema", "2", &[]),
        with("schema_0", "F5", "malformed", "schema", "0", &[]),
        with("requires_something", "F5", "newer", "requires", "[\"x\"]", &[]),
        of("newer_and_otherwise_unknown", "F5", "newer", &[], r#"{"requires":["x"],"schema":3,"vault":1}"#.to_owned()),
        with(
            "good_credential",
            "F5",
            "success",
            "scopes",
            &scope(r#"{"type":"api_key","zeta":{"b" : 1},"key":"k"}"#),
            &[
                r#"holds: auth/main/p {"type":"api_key","zeta":{"b" : 1},"key":"k"}"#,
                "note: members of a gateway keep their order and spelling",
            ],
        ),
        with(
            "credential_duplicate_member",
            "F7",
            "duplicate",
            "scopes",
            &scope(r#"{"type":"api_key","key":"a","key":"b"}"#),
            &[],
        ),
        with(
            "credential_escaped_duplicate",
            "F7",
            "duplicate",
            "scopes",
            &scope(r#"{"type":"api_key","key":"a","k\u0065y":"b"}"#),
            &[],
        ),
        with("good_depth_32", "F7", "success", "scopes", &scope(&format!("{{\"x\":{}}}", nested(27))), &[]),
        with("depth_33", "F7", "malformed", "scopes", &scope(&format!("{{\"x\":{}}}", nested(28))), &[]),
        with("depth_33_of_an_unknown_member", "F7", "malformed", "future", &nested(32), &[]),
        with("good_brackets_in_a_text", "F7", "success", "env", &format!("{{\"A\":\"{}\"}}", "[".repeat(40)), &[]),
        with("good_name_1024", "F7", "success", "env", &long(1024), &[]),
        with("name_1025", "F7", "malformed", "env", &long(1025), &[]),
        with("duplicate_name", "F7", "malformed", "env", r#"{"A":"x","A":"y"}"#, &[]),
        with("escaped_duplicate_name", "F7", "malformed", "env", r#"{"A":"x","\u0041":"y"}"#, &[]),
        with("names_out_of_order", "F7", "malformed", "env", r#"{"B":"x","A":"y"}"#, &[]),
        with("good_escaped_name", "F7", "success", "env", r#"{"\u0041":"value"}"#, &[HOLDS]),
        with("good_names_in_byte_order", "F7", "success", "config", r#"{"Z":{},"a":{},"é":{},"😀":{}}"#, &[]),
        with("names_in_order_of_utf_16", "F7", "malformed", "config", r#"{"😀":{},"\uff5e":{}}"#, &[]),
        with("scopes_out_of_order", "F7", "malformed", "scopes", r#"{"b":{},"a":{}}"#, &[]),
        with("duplicate_scope", "F7", "malformed", "scopes", r#"{"a":{},"a":{}}"#, &[]),
        with(
            "order_out_of_order",
            "F7",
            "malformed",
            "scopes",
            r#"{"a":{"order":{"y":[],"x":[]},"profiles":{}}}"#,
            &[],
        ),
        with("duplicate_writer", "F7", "malformed", "writers", r#"{"h":1,"h":2}"#, &[]),
        of(
            "members_out_of_order",
            "F7",
            "malformed",
            &[],
            content().replace("{\"config\":{},\"created\":1,", "{\"created\":1,\"config\":{},"),
        ),
        of(
            "duplicate_member",
            "F7",
            "malformed",
            &[],
            content().replace("\"created\":1,", "\"created\":1,\"created\":1,"),
        ),
        of("two_documents", "F7", "malformed", &[], content().repeat(2)),
        of("something_behind", "F7", "malformed", &[], format!("{} x", content())),
        of("nul_behind", "F7", "malformed", &[], format!("{}\0", content())),
        of("byte_order_mark", "F7", "malformed", &[], format!("\u{feff}{}", content())),
        of("empty_payload", "F7", "malformed", &[], String::new()),
        of("payload_array", "F7", "malformed", &[], "[]".to_owned()),
        of("comment", "F7", "malformed", &[], content().replacen('{', "{/**/", 1)),
        of("trailing_comma", "F7", "malformed", &[], content().replacen("\"value\"}", "\"value\",}", 1)),
        with("lone_surrogate_in_a_name", "F7", "malformed", "env", r#"{"\ud800":"x"}"#, &[]),
        made("payload_not_utf_8", "F7", "malformed", &[KEY], || {
            let text: Vec<u8> =
                content().into_bytes().iter().map(|byte| if *byte == b'v' { 0xff } else { *byte }).collect();
            seal_exactly(&text, &[&native(&public(1))])
        }),
    ];
    for member in document(&[]).split("\":").filter_map(|part| part.rsplit('"').next().map(str::to_owned)) {
        if matches!(member.as_str(), "ledger" | "log") || member.contains(['}', ']']) {
            continue;
        }
        let whole: serde_json::Value = serde_json::from_str(&document(&[])).unwrap();
        let mut kept = whole.as_object().unwrap().clone();
        if kept.shift_remove(&member).is_some() {
            let text = serde_json::to_string(&kept).unwrap();
            all.push(of(&format!("without_{member}"), "F5", "malformed", &[], text));
        }
    }
    all
}
