use super::super::Mangle;
use super::*;
use crate::model::Credential;
use proptest::prelude::*;

fn profile(store: &Store, name: &str) -> String {
    store.profiles.iter().find(|(have, _)| have == name).unwrap().1.get().to_owned()
}

/// The one credential and the notes of a file of one profile named `p`.
fn noted(credential: &str) -> (Option<String>, Vec<NoteKind>) {
    let store = parse(format!(r#"{{"version":1,"profiles":{{"p":{credential}}}}}"#).as_bytes()).unwrap();
    assert!(store.profiles.len() <= 1);
    let notes = store.notes.iter().map(|note| note.what).collect();
    (store.profiles.first().map(|(_, raw)| raw.get().to_owned()), notes)
}

/// The same where there is one note at most.
fn one(credential: &str) -> (Option<String>, Option<NoteKind>) {
    let (credential, notes) = noted(credential);
    assert!(notes.len() <= 1, "{notes:?}");
    (credential, notes.first().copied())
}

#[test]
fn unknown_members_survive_with_order_and_spelling() {
    let text = r#"{"zeta":{"b" : 1.50, "a":[ ]},"type":"api_key","provider":"x","key":"k\u0041","x":1e2}"#;
    assert_eq!(one(text), (Some(text.replace(" : ", ":").replace(", ", ",").replace("[ ]", "[]")), None));
}

#[test]
fn aliases_of_older_gateways_are_resolved_in_place() {
    let wanted = r#"{"type":"api_key","provider":"x","key":"k"}"#;
    for text in [
        r#"{"mode":"api_key","provider":"x","apiKey":"k"}"#,
        r#"{"type":"apiKey","provider":"x","apiKey":"k"}"#,
        r#"{"mode":"apiKey","provider":"x","key":"k"}"#,
    ] {
        assert_eq!(one(text), (Some(wanted.to_owned()), None), "{text}");
    }
}

/// What a gateway uses of a member and its older name, of a secret and a reference. The other one is nowhere later.
#[test]
fn of_two_secrets_the_one_that_the_gateway_uses_is_kept() {
    let env = r#"{"source":"env","provider":"default","id":"A"}"#;
    let with = |members: &str| format!(r#"{{"type":"api_key","provider":"x",{members}}}"#);
    for (members, kept, notes) in [
        (r#""mode":"token","key":"k","apiKey":"old""#.to_owned(), r#""key":"k""#.to_owned(), &[NoteKind::Beside][..]),
        (r#""apiKey":"old","key":"k""#.to_owned(), r#""key":"k""#.to_owned(), &[NoteKind::Beside]),
        (r#""key":"k","apiKey":"k""#.to_owned(), r#""key":"k""#.to_owned(), &[]),
        (r#""key":"k","apiKey":" ""#.to_owned(), r#""key":"k""#.to_owned(), &[]),
        // An empty one counts too: the gateway has no key then.
        (r#""key":"","apiKey":"old""#.to_owned(), r#""key":"""#.to_owned(), &[NoteKind::Beside]),
        (r#""key":null,"apiKey":"old""#.to_owned(), r#""key":null"#.to_owned(), &[NoteKind::Beside]),
        (
            format!(r#""key":"k","keyRef":{env}"#),
            format!(r#""keyRef":{env}"#),
            &[NoteKind::Reference, NoteKind::Beside],
        ),
        (
            format!(r#""keyRef":{env},"apiKey":"o""#),
            format!(r#""keyRef":{env}"#),
            &[NoteKind::Reference, NoteKind::Beside],
        ),
        (
            format!(r#""key":"k","apiKey":"o","keyRef":{env}"#),
            format!(r#""keyRef":{env}"#),
            &[NoteKind::Reference, NoteKind::Beside],
        ),
        (
            format!(r#""key":{env},"apiKey":"o""#),
            format!(r#""keyRef":{env}"#),
            &[NoteKind::Reference, NoteKind::Beside],
        ),
        // No reference that the gateway could follow.
        (r#""keyRef":7,"apiKey":"k""#.to_owned(), r#""keyRef":7,"key":"k""#.to_owned(), &[]),
    ] {
        assert_eq!(noted(&with(&members)), (Some(with(&kept)), notes.to_vec()), "{members}");
    }
    // A flat file is read by the gateway's doctor: the first that is filled.
    let store = parse(br#"{"google":{"key":"","apiKey":"k"}}"#).unwrap();
    assert_eq!(profile(&store, "google:default"), r#"{"key":"k","type":"api_key","provider":"google"}"#);
}

#[test]
fn references_go_to_their_own_member() {
    for (text, wanted, note) in [
        (
            r#"{"type":"api_key","provider":"x","key":{"source":"exec","provider":"v","id":"i"},"n":1}"#,
            r#"{"type":"api_key","provider":"x","keyRef":{"source":"exec","provider":"v","id":"i"},"n":1}"#,
            NoteKind::Reference,
        ),
        (
            r#"{"type":"token","provider":"x","token":"${A_B}"}"#,
            r#"{"type":"token","provider":"x","tokenRef":{"source":"env","provider":"default","id":"A_B"}}"#,
            NoteKind::EnvReference,
        ),
        (
            r#"{"type":"token","provider":"x","token":{"source":"env","id":"A"},"tokenRef":{"source":"env","id":"B"}}"#,
            r#"{"type":"token","provider":"x","tokenRef":{"source":"env","id":"B"}}"#,
            NoteKind::Reference,
        ),
        (
            r#"{"type":"token","provider":"x","token":{"source":"env","id":"A"},"tokenRef":7}"#,
            r#"{"type":"token","provider":"x","tokenRef":{"source":"env","id":"A"}}"#,
            NoteKind::Reference,
        ),
    ] {
        assert_eq!(one(text), (Some(wanted.to_owned()), Some(note)), "{text}");
    }
}

#[test]
fn what_is_no_usable_secret_is_kept_and_named() {
    for (text, note) in [
        (r#"{"type":"api_key","provider":"x","keyRef":{"source":"env","id":"A"}}"#, NoteKind::Reference),
        (r#"{"type":"token","provider":"x","token":"a\nb"}"#, NoteKind::Mangled(Mangle::LineBreak)),
        (r#"{"type":"oauth","provider":"x","oauthRef":{"id":"i"},"expires":1}"#, NoteKind::Elsewhere),
        (r#"{"type":"oauth","provider":"x","access":"a","refresh":"ö…"}"#, NoteKind::Mangled(Mangle::NotLatin1)),
    ] {
        assert_eq!(one(text), (Some(text.to_owned()), Some(note)), "{text}");
    }
    // Whether there is a secret at all is judged where values are taken in.
    for text in [
        r#"{"type":"api_key","provider":"x"}"#,
        r#"{"type":"api_key","provider":"x","key":7}"#,
        r#"{"type":"token","provider":"x","token":" \n"}"#,
        r#"{"type":"oauth","provider":"x","access":"","refresh":null}"#,
    ] {
        assert_eq!(one(text), (Some(text.to_owned()), None), "{text}");
    }
}

#[test]
fn what_the_gateway_ignores_is_left_out_and_named() {
    for (text, note) in [
        (r#""key""#, NoteKind::NotAnObject),
        ("[]", NoteKind::NotAnObject),
        (r#"{"type":"password","provider":"x"}"#, NoteKind::UnknownType),
        (r#"{"provider":"x","key":"k"}"#, NoteKind::UnknownType),
        (r#"{"type":null,"mode":"token","provider":"x"}"#, NoteKind::UnknownType),
        (r#"{"type":"token","token":"t"}"#, NoteKind::NoProvider),
        (r#"{"type":"token","token":"t","provider":" "}"#, NoteKind::NoProvider),
    ] {
        assert_eq!(one(text), (None, Some(note)), "{text}");
    }
}

#[test]
fn flat_files_become_default_profiles() {
    let store = parse(
        br#"{"version":1,"google":{"key":"g"},"openai":{"type":"token","token":"t","provider":"o"},
            "me:work":{"access":"a","refresh":"r","expires":1},"junk":3,"order":{"google":["google:default"]}}"#,
    )
    .unwrap();
    assert_eq!(profile(&store, "google:default"), r#"{"key":"g","type":"api_key","provider":"google"}"#);
    assert_eq!(profile(&store, "openai:default"), r#"{"type":"token","token":"t","provider":"o"}"#);
    assert_eq!(
        profile(&store, "me:work"),
        r#"{"access":"a","refresh":"r","expires":1,"type":"oauth","provider":"me"}"#
    );
    assert_eq!(store.notes, [Note::new("junk:default", NoteKind::NotAnObject)]);
    assert_eq!(store.order.len(), 1);
}

#[test]
fn the_legacy_oauth_file_becomes_oauth_profiles() {
    let store = parse_legacy_oauth(br#"{"qwen-portal":{"access":"a","refresh":"r","expires":1},"x":null}"#).unwrap();
    let wanted = r#"{"type":"oauth","provider":"qwen-portal","access":"a","refresh":"r","expires":1}"#;
    assert_eq!(profile(&store, "qwen-portal:default"), wanted);
    assert_eq!(store.notes, [Note::new("x:default", NoteKind::NotAnObject)]);
}

#[test]
fn other_files_are_not_taken_for_stores() {
    for text in [r#"{"name":"x","dependencies":{}}"#, "[]", "1", r#"{"profiles":[]}"#, r#"{"profiles":null}"#] {
        assert_eq!(parse(text.as_bytes()).err(), Some(Error::Shape("auth-profiles")), "{text}");
    }
    for text in ["{}", r#"{"version":1,"profiles":{}}"#, r#"{"version":1}"#] {
        assert!(parse(text.as_bytes()).unwrap().profiles.is_empty(), "{text}");
    }
    assert!(parse_state(b"[]").is_err());
}

#[test]
fn a_file_of_white_space_alone_is_an_empty_store() {
    for text in ["", " \r\n\t"] {
        let bytes = text.as_bytes();
        for store in [parse(bytes), parse_row(bytes), parse_legacy_oauth(bytes)] {
            let store = store.unwrap();
            assert_eq!((store.profiles.len(), store.notes), (0, vec![Note::new("", NoteKind::Empty)]));
        }
        assert_eq!(parse_state(bytes).unwrap().notes, [Note::new("", NoteKind::Empty)]);
    }
}

/// What is noted, as text.
fn listed(notes: &[Note]) -> Vec<String> {
    let line = |note: &Note| note.lines.map_or(0, |(line, _)| line);
    let member = |note: &Note| note.member.clone().unwrap_or_default();
    notes.iter().map(|note| format!("{}|{}|{}|{:?}", note.name, member(note), line(note), note.what)).collect()
}

#[test]
fn of_one_name_the_last_value_counts_at_every_level_and_the_others_are_noted() {
    let store = parse(
        br#"{"profiles":{"old":{"type":"token","provider":"x","token":"old"}},"order":{"x":["y"],"x":["z"]},
"profiles":{"a":{"type":"token","provider":"x","token":"no"},
"a":{"type":"token","provider":"x","token":"1","tok\u0065n":"2",
"more":{"n":[{"b":1,"b":2}],"n":[{"b":3,"b":{"c":4,"c":5}}]}}}}"#,
    )
    .unwrap();
    assert_eq!(profile(&store, "a"), r#"{"type":"token","provider":"x","token":"2","more":{"n":[{"b":{"c":5}}]}}"#);
    assert_eq!(store.profiles.len(), 1);
    assert_eq!(store.order["x"], ["z"]);
    assert_eq!(
        listed(&store.notes),
        [
            "a||2|Duplicate",
            "a|token|3|Duplicate",
            "a|more.n|3|Duplicate",
            "a|more.n.0.b|3|Duplicate",
            "a|more.n.0.b.c|3|Duplicate",
            "|profiles|1|Duplicate",
            "|order.x|1|Duplicate",
        ]
    );
    let legacy = parse_legacy_oauth(br#"{"q":{"access":"a"},"q":{"access":"b"}}"#).unwrap();
    assert!(profile(&legacy, "q:default").contains(r#""access":"b""#));
    assert_eq!(listed(&legacy.notes), ["|q|1|Duplicate"]);
}

/// Every flaw that a text can have x every type x every member.
#[test]
fn a_flaw_costs_the_profile_whose_used_member_has_it_and_nothing_else() {
    let flaws: [(&[u8], NoteKind); 3] =
        [(b"\\u0000", NoteKind::Nul), (b"\xe9", NoteKind::NotUtf8), (b"\\udc00", NoteKind::NotUtf8)];
    let members = ["key", "token", "access", "refresh", "provider", "email", "metadata"];
    for ((flaw, what), member) in flaws.into_iter().flat_map(|flaw| members.map(|member| (flaw, member))) {
        let (kind, is_used) = match member {
            "key" | "provider" => ("api_key", true),
            "token" => ("token", true),
            "access" | "refresh" => ("oauth", true),
            _ => ("token", false),
        };
        let (open, close) = if member == "metadata" { ("{\"m\":\"", "\"}") } else { ("\"", "\"") };
        let text = [
            format!("{{\"profiles\":{{\"good\":{{\"type\":\"token\",\"provider\":\"x\",\"token\":\"t\"}},\n\"p\":{{\"type\":\"{kind}\",").as_bytes(),
            format!("\"{member}\":{open}x").as_bytes(),
            flaw,
            format!("y{close},\"provider\":\"x\"}}}}}}").replace(if member == "provider" { ",\"provider\":\"x\"" } else { "\0" }, "").as_bytes(),
        ]
        .concat();
        let store = parse(&text).unwrap();
        let names: Vec<_> = store.profiles.iter().map(|(name, _)| name.as_str()).collect();
        let notes = listed(&store.notes);
        if is_used {
            assert_eq!(names, ["good"], "{member} {flaw:?}");
            assert_eq!(notes, [format!("p|{member}|2|{what:?}")]);
        } else {
            assert_eq!(names, ["good", "p"], "{member} {flaw:?}");
            let replaced = (what == NoteKind::NotUtf8).then(|| format!("p|{member}|2|Replaced"));
            let expected: Vec<_> = replaced.into_iter().collect();
            assert_eq!(notes, expected);
            assert!(serde_json::from_str::<serde_json::Value>(&profile(&store, "p")).is_ok());
        }
    }
}

#[test]
fn what_no_vault_can_hold_is_left_out_and_what_nobody_reads_may_be_anything() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let token = r#"{"type":"token","provider":"x","token":"t""#;
    let members: String = (0..300).map(|n| format!(",\"m{n}\":0")).collect();
    let text = format!(
        r#"{{"later":{},"profiles":{{"deep":{token},"d":{}}},"large":{token},"l":"{}"}},"many":{token}{members}}},"{}":{token}}},"good":{token}}}}}}}"#,
        deep(100_000),
        deep(40),
        "v".repeat(crate::model::MAX_VALUE),
        "n".repeat(MAX_NAME + 1),
    );
    let store = parse(text.as_bytes()).unwrap();
    assert_eq!(store.profiles.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(listed(&store.notes), ["deep||1|TooLarge", "large||1|TooLarge", "many||1|TooLarge", "||1|NotAName"]);
}

#[test]
fn order_is_cleaned_and_state_is_carried() {
    let mut store = parse(
        br#"{"profiles":{},"order":{"a":[" x ","",3,"y"],"b":[],"c":"z"},"lastGood":{"a": "x","b":"y"},"usageStats":[]}"#,
    )
    .unwrap();
    assert_eq!(store.order, BTreeMap::from([("a".to_owned(), vec!["x".to_owned(), "y".to_owned()])]));
    assert!(store.carried.usage_stats.is_none());
    store.overlay(
        parse_state(br#"{"version":1,"order":{"a":["q"]},"lastGood":{"a":"q"},"usageStats":{"q":{}}}"#).unwrap(),
    );
    assert_eq!(store.order, BTreeMap::from([("a".to_owned(), vec!["q".to_owned()])]));
    assert_eq!(store.carried.last_good.unwrap().get(), r#"{"a":"q","b":"y"}"#);
    assert_eq!(store.carried.usage_stats.unwrap().get(), r#"{"q":{}}"#);
}

#[test]
fn the_view_looks_as_the_gateway_writes_it() {
    let mut profiles = RawMap::default();
    profiles.put("x:default", RawValue::from_string(r#"{"type":"token","provider":"x","n":0.10}"#.to_owned()).unwrap());
    let view = render(&profiles, &BTreeMap::new(), &Carried::default()).unwrap();
    let expected = "{\n  \"version\": 1,\n  \"profiles\": {\n    \"x:default\": {\n      \"type\": \"token\",\n      \"provider\": \"x\",\n      \"n\": 0.10\n    }\n  }\n}\n";
    assert_eq!(view.text().unwrap(), expected);
}

proptest! {
    #[test]
    fn every_view_comes_back(
        entries in proptest::collection::btree_map("\\PC{1,12}", ("\\PC{1,20}", "[^\\x00]{0,20}", any::<i32>()), 0..6),
        order in proptest::collection::btree_map("[a-z]{1,5}", proptest::collection::vec("[a-z:@.]{1,9}", 1..4), 0..3),
        stats in any::<bool>(),
    ) {
        let mut profiles = RawMap::default();
        for (name, (key, other, number)) in &entries {
            // That is a reference to the gateway, not a key, and comes back as one.
            prop_assume!(crate::formats::secretref::env_reference(key).is_none());
            let mut credential = Credential::new(crate::model::Kind::ApiKey, "x");
            credential.put("key", key);
            credential.put("number", number);
            credential.put("other", &BTreeMap::from([(other, [other])]));
            profiles.put(name, credential.to_raw().unwrap());
        }
        let raw = || stats.then(|| RawValue::from_string(r#"{"x":[1]}"#.to_owned()).unwrap());
        let carried = Carried { last_good: raw(), usage_stats: raw() };
        let store = parse(render(&profiles, &order, &carried).unwrap().expose()).unwrap();
        prop_assert_eq!(store.profiles.len(), profiles.len());
        for ((name, raw), (wanted_name, wanted)) in store.profiles.iter().zip(profiles.iter()) {
            prop_assert_eq!((name.as_str(), raw.get()), (wanted_name, wanted.get()));
        }
        prop_assert_eq!(store.order, order);
        let text = |raw: &Option<Box<RawValue>>| raw.as_ref().map(|raw| raw.get().to_owned());
        prop_assert_eq!(text(&store.carried.last_good), text(&carried.last_good));
        prop_assert_eq!(text(&store.carried.usage_stats), text(&carried.usage_stats));
    }
}
