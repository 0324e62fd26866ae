use super::*;
use proptest::prelude::*;

fn targets_of(text: &str) -> Vec<(String, String)> {
    let config = parse(text.as_bytes()).unwrap();
    config.targets.iter().map(|(path, value)| (path.join("/"), value.expose().to_owned())).collect()
}

fn notes_of(text: &str) -> Vec<(String, NoteKind)> {
    parse(text.as_bytes()).unwrap().notes.into_iter().map(|note| (note.name, note.what)).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn registered_targets_are_found_in_json5() {
    let text =
        "// c\n{gateway:{auth:{token:'g', mode:\"token\"},},/* d */ \"models\":{providers:{'a.b':{apiKey:'k\\x41',
        headers:{'X-T':'t'},baseUrl:'u'}}}, hooks:{token:'not registered'},
        agents:{list:[{},{memorySearch:{remote:{apiKey:'m'}}}]},}";
    assert_eq!(
        targets_of(text),
        [
            pair("gateway/auth/token", "g"),
            pair("models/providers/a.b/apiKey", "kA"),
            pair("models/providers/a.b/headers/X-T", "t"),
            pair("agents/list/1/memorySearch/remote/apiKey", "m"),
        ]
    );
}

#[test]
fn env_entries_are_found_in_both_places_and_the_nearer_one_wins() {
    let config = parse(
        b"{env:{A:'a',vars:{A:'shadowed',' B ':'b',\"1x\":'x',C:' ',D:3},shellEnv:{enabled:true},E:'$${HOME}',F:'x${HOME}'}}",
    )
    .unwrap();
    let env: Vec<_> = config.env.iter().map(|(name, value)| pair(name.as_str(), value.expose())).collect();
    assert_eq!(env, [pair("A", "a"), pair("E", "${HOME}"), pair("B", "b")]);
    let notes: Vec<_> = config.notes.iter().map(|note| (note.name.as_str(), note.what)).collect();
    assert_eq!(
        notes,
        [
            ("env.vars.1x", NoteKind::NotAName),
            ("env.vars.C", NoteKind::Blank),
            ("env.F", NoteKind::EnvReference),
            ("env.vars.A", NoteKind::Shadowed),
        ]
    );
}

#[test]
fn what_is_no_secret_to_take_is_noted() {
    let text = "{'$include':'./more.json5',channels:{$include:['x'],discord:{token:'${D}'},telegram:{botToken:' $T '},
        googlechat:{serviceAccount:{private_key:'p'}}},talk:{providers:{e:{apiKey:{source:'env',provider:'default',id:'E'}}}},
        models:{providers:{a:{apiKey:'ollama-local'},b:{apiKey:'GROQ_API_KEY'},c:{apiKey:'a${X}b'},d:{apiKey:''},
        e:{apiKey:'oauth:x'}}}}";
    let notes = notes_of(text);
    let expected = [
        ("channels.discord.token", NoteKind::EnvReference),
        ("channels.telegram.botToken", NoteKind::EnvReference),
        ("channels.googlechat.serviceAccount", NoteKind::NotAText),
        ("channels.$include", NoteKind::Include),
        ("talk.providers.e.apiKey", NoteKind::Reference),
        ("models.providers.a.apiKey", NoteKind::Marker),
        ("models.providers.b.apiKey", NoteKind::EnvReference),
        ("models.providers.c.apiKey", NoteKind::EnvReference),
        ("models.providers.d.apiKey", NoteKind::Blank),
        ("models.providers.e.apiKey", NoteKind::Marker),
        ("$include", NoteKind::Include),
    ];
    assert_eq!(notes, expected.map(|(name, what)| (name.to_owned(), what)));
    assert!(targets_of(text).is_empty());
}

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    let error = |text: &str| parse(text.as_bytes()).err();
    assert_eq!(error("[]"), Some(Error::Shape("openclaw.json")));
    assert!(matches!(error("{\n a:1 b:2}"), Some(Error::Syntax { line: 2, column: 6 })));
    assert!(matches!(error("{a:1,\n'\\x61':2}"), Some(Error::Duplicate { line: 2, .. })));
    assert!(matches!(error("{a:'\\0'}"), Some(Error::Nul { line: 1, .. })));
    for text in ["", "{", "{a:", "{} x", "{} {", "{} {a:", "{} [", "{} '", "{} /*", "{}{}", "{} 1", "{a:'\n'}"] {
        assert!(matches!(error(text), Some(Error::Syntax { .. })), "{text}");
    }
    assert!(parse(b"\xef\xbb\xbf{} // x\n/* y */ ").is_ok());
}

#[test]
fn depth_is_bounded_before_the_stack_is() {
    for piece in ["[", "{a:", "{a:[", "/**/[", "[//\n"] {
        let text = piece.repeat(1_000_000);
        assert_eq!(parse(text.as_bytes()).err(), Some(Error::Bound("nesting depth", 32)), "{piece}");
    }
    let trailing = format!("{{}}{}", "[".repeat(1_000_000));
    assert!(matches!(parse(trailing.as_bytes()), Err(Error::Syntax { .. })));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "([{}\\[\\]:,'\"\\\\/*\\n a1$x+.-]|env|\\PC){0,40}") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn every_json_secret_is_taken_as_it_is(value in "[^\\x00$]{1,20}") {
        prop_assume!(!js::is_blank(&value) && secretref::env_reference(&value).is_none());
        let text = serde_json::json!({"gateway": {"auth": {"token": value}}}).to_string();
        prop_assert_eq!(targets_of(&text), [pair("gateway/auth/token", &value)]);
    }
}
