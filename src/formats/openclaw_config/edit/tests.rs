use super::*;
use proptest::prelude::*;
use serde_json::json;

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

fn put(at: &str, value: Value) -> Step {
    Step::Put(path(at), value)
}

fn remove(at: &str) -> Step {
    Step::Remove(path(at))
}

fn edited(text: &str, steps: &[Step]) -> String {
    edit(text.as_bytes(), steps).unwrap().text().unwrap().to_owned()
}

#[test]
fn comments_spelling_and_order_survive() {
    let before =
        "// mine\n{\n  gateway: { port: 0x10, auth: { token: 'old', }, }, // here\n  list: [ { 'key': \"a\" }, ],\n}\n";
    let reference = json!({"source": "exec", "provider": "agevault", "id": "config/x"});
    let steps = [
        put("gateway.auth.token", reference.clone()),
        put("list.0.key", reference),
        put("secrets.providers.agevault", json!({"timeoutMs": 1, "args": ["a", "b"]})),
    ];
    let after = edited(before, &steps);
    let expected = "// mine\n{\n  gateway: { port: 0x10, auth: { token: { \"source\": \"exec\", \"provider\": \"agevault\", \"id\": \"config/x\" }, }, }, // here\n  list: [ { 'key': { \"source\": \"exec\", \"provider\": \"agevault\", \"id\": \"config/x\" } }, ],\n  \"secrets\": {\n    \"providers\": {\n      \"agevault\": {\n        \"timeoutMs\": 1,\n        \"args\": [\"a\", \"b\"]\n      }\n    }\n  },\n}\n";
    assert_eq!(after, expected);
    assert_eq!(edited(&after, &steps), after, "done twice is done once");
    let back =
        [put("gateway.auth.token", json!("old")), put("list.0.key", json!("a")), remove("secrets.providers.agevault")];
    assert_eq!(edited(&after, &back), before.replace("'old'", "\"old\""));
}

#[test]
fn members_are_put_where_the_text_has_room_for_them() {
    for (before, after) in [
        ("{}", "{\n  \"a\": 1\n}"),
        ("{\n}\n", "{\n  \"a\": 1\n}\n"),
        ("{ /* x */ }", "{ /* x */\n  \"a\": 1\n}"),
        ("{ b: 1 }", "{ b: 1, \"a\": 1 }"),
        ("{b:1,}", "{b:1, \"a\": 1,}"),
        ("{ b: 1 /* x */ }", "{ b: 1, /* x */ \"a\": 1 }"),
        ("{\n\tb: 1 // x\n}", "{\n\tb: 1, // x\n\t\"a\": 1\n}"),
        ("{\r\n  b: 1, // x\r\n}\r\n", "{\r\n  b: 1, // x\r\n  \"a\": 1,\r\n}\r\n"),
        ("{ b: 1 // x\u{2028}}", "{ b: 1, // x\n  \"a\": 1\n}"),
        ("{b:[\n1]}", "{b:[\n1],\n  \"a\": 1\n}"),
    ] {
        assert_eq!(edited(before, &[put("a", json!(1))]), after, "{before:?}");
    }
}

#[test]
fn members_are_taken_away_without_a_trace() {
    for (before, after) in [
        ("{ a: 1 }", "{ }"),
        ("{ a: 1, b: 2 }", "{ b: 2 }"),
        ("{ b: 2, a: 1 }", "{ b: 2 }"),
        ("{ b: 2, a: 1, }", "{ b: 2, }"),
        ("{\n  b: 2,\n  a: 1\n}", "{\n  b: 2\n}"),
        ("{\r\n  a: {\r\n    x: 1 },\r\n  b: 2, // y\r\n}", "{\r\n  b: 2, // y\r\n}"),
        ("{\n  b: 2 // x\n  , a: 1 // y\n}", "{\n  b: 2 // x\n   // y\n}"),
        ("{ a: { /* x */ } /* y */, b: 2 }", "{ /* x */ /* y */  b: 2 }"),
        ("{ a: // x\n 1, b: 2 }", "{ // x\n b: 2 }"),
        ("{ a: 1, b: 2, a: 3 }", "{ b: 2 }"),
        ("{ b: { c: { a: 1 } }, a: 2, a: { } }", "{ b: { c: { a: 1 } }  }"),
    ] {
        assert_eq!(edited(before, &[remove("a")]), after, "{before:?}");
    }
    assert_eq!(edited("{x:{y:{a:1}},b:2}", &[remove("x.y.a")]), "{b:2}");
    assert_eq!(edited("{x:[{a:1}]}", &[remove("x.0.a"), remove("x.0"), remove("x.7.a"), remove("b")]), "{x:[{}]}");
}

#[test]
fn of_several_members_with_one_name_the_one_that_counts_is_changed() {
    assert_eq!(edited("{a:1,a:2}", &[put("a", json!(3))]), "{a:1,a:3}");
    assert_eq!(edited("{a:{x:1},a:{y:2}}", &[put("a.x", json!(3))]), "{a:{x:1},a:{y:2, \"x\": 3}}");
    assert_eq!(edited("{a:{x:1},a:{y:2},b:3}", &[remove("a.y")]), "{b:3}");
    assert_eq!(edited("{a:{x:1},a:{y:2},b:3}", &[remove("a.x")]), "{a:{x:1},a:{y:2},b:3}");
}

#[test]
fn a_path_through_something_else_is_refused_with_its_place() {
    for (text, at, way, column) in [
        ("{a: 1}", "a.b", "a", 5),
        ("{b: {a: ['x']}}", "b.a.1", "b.a", 9),
        ("{a: ['x']}", "a.x", "a", 5),
        ("{a: null}", "a.b.c", "a", 5),
        ("{a: {b: 1}, a: 2}", "a.b", "a", 16),
    ] {
        let refused = Error::NotEditable { path: way.to_owned(), line: 1, column };
        assert_eq!(edit(text.as_bytes(), &[put(at, json!("v"))]).err(), Some(refused), "{text}");
    }
    assert_eq!(edit(b"[]", &[put("a", json!(1))]).err(), Some(Error::Shape("openclaw.json")));
}

#[test]
fn bytes_that_are_not_utf8_stay_where_nothing_is_changed() {
    let after = edit(b"{ // \xff\r\n a: '\xe9', b: 1 }", &[put("b", json!(2))]).unwrap();
    assert_eq!(after.expose(), b"{ // \xff\r\n a: '\xe9', b: 2 }");
}

/// One of these texts.
fn of(texts: &'static [&'static str]) -> BoxedStrategy<&'static str> {
    proptest::sample::select(texts).boxed()
}

/// White space and comments of every kind.
fn space() -> BoxedStrategy<&'static str> {
    let blanks = &[" ", "\n  ", "\r\n", "\t", "\u{2028}", "\u{feff}", "\u{a0}", "\u{3000}\r"];
    let comments = &["/* c */", "/**/", "// c\n", "//\u{2029}", " // c, d: {\r\n  ", "/*\n*/ // x\n"];
    prop_oneof![4 => Just(""), 3 => of(blanks), 1 => of(comments)].boxed()
}

/// Names of a few members, spelled in several ways, so that they come twice.
fn name() -> BoxedStrategy<&'static str> {
    of(&["a", "'a'", "\"\\x61\"", "\\u0061", "b", "'\\\nb'", "c", "$é", "'\u{2028}'"])
}

fn joined(item: BoxedStrategy<String>, most: usize, open: &'static str, close: &'static str) -> BoxedStrategy<String> {
    let items = proptest::collection::vec(item, 0..=most);
    let document = (items, any::<bool>(), space()).prop_map(move |(items, comma, end)| {
        let trailing = if comma && !items.is_empty() { "," } else { "" };
        format!("{open}{}{trailing}{end}{close}", items.join(","))
    });
    document.boxed()
}

fn object(value: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let member = (space(), name(), space(), space(), value, space())
        .prop_map(|(one, name, two, three, value, four)| format!("{one}{name}{two}:{three}{value}{four}"));
    joined(member.boxed(), 4, "{", "}")
}

/// Documents in odd spellings.
fn document() -> BoxedStrategy<String> {
    let leaf = of(&[
        "1",
        "+.5e1",
        "-0xF",
        "NaN",
        "-Infinity",
        "null",
        "true",
        "'s\\\r\nt'",
        "\"\\ud83d\\ude00\\u0000\"",
        "'\\ud800/*'",
        "'//\u{2028}'",
        "99999999999999999999999",
    ]);
    let value = leaf.prop_map(str::to_owned).prop_recursive(3, 24, 4, |inner| {
        let element = (space(), inner.clone(), space()).prop_map(|(one, value, two)| format!("{one}{value}{two}"));
        prop_oneof![3 => object(inner), 1 => joined(element.boxed(), 3, "[", "]")]
    });
    (space(), object(value.boxed()), space()).prop_map(|(one, object, two)| format!("{one}{object}{two}")).boxed()
}

fn steps() -> BoxedStrategy<Vec<Step>> {
    let path = proptest::collection::vec(of(&["a", "b", "c", "$é", "0", "1", "new"]).prop_map(str::to_owned), 1..4);
    let value = proptest::sample::select(vec![
        json!("v\u{2028}'\"//"),
        json!({"source": "exec", "provider": "agevault", "id": "config/x"}),
        json!({"x": {"y": [1, {"z": null}], "e": {}}}),
        json!([]),
    ]);
    let step = (path, proptest::option::weighted(0.6, value)).prop_map(|(path, value)| match value {
        Some(value) => Step::Put(path, value),
        None => Step::Remove(path),
    });
    proptest::collection::vec(step, 1..4).boxed()
}

proptest! {
    /// `edit` compares meaning and comments itself: it refuses only a path through something else.
    #[test]
    fn every_document_can_be_edited_anywhere(document in document(), steps in steps()) {
        let before = tree(document.as_bytes()).unwrap();
        // Another reader, which takes neither half a surrogate pair nor large whole numbers.
        if let Ok(value) = ::json5::from_str::<Value>(&document) {
            prop_assert_eq!(&before, &value);
        }
        match edit(document.as_bytes(), &steps) {
            Ok(after) => {
                let mut expected = before;
                for step in &steps {
                    match step {
                        Step::Put(path, value) => put_plain(&mut expected, path, value).unwrap(),
                        Step::Remove(path) => drop(remove_plain(&mut expected, path)),
                    }
                }
                prop_assert_eq!(tree(after.expose()).unwrap(), expected);
                prop_assert_eq!(comments(after.expose()).unwrap(), comments(document.as_bytes()).unwrap());
            }
            Err(error) => {
                let mut value = before;
                let refused = steps.iter().any(|step| match step {
                    Step::Put(path, put) => put_plain(&mut value, path, put).is_err(),
                    Step::Remove(path) => { remove_plain(&mut value, path); false }
                });
                prop_assert!(refused && matches!(error, Error::NotEditable { .. }), "{:?}", error);
            }
        }
    }
}
