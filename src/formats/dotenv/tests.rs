use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Vec<(String, String)> {
    let entries = parse(text.as_bytes()).unwrap().entries;
    entries.into_iter().map(|(name, value)| (name.as_str().to_owned(), value.expose().to_owned())).collect()
}

fn one(text: &str) -> String {
    let entries = read(text);
    assert_eq!(entries.len(), 1, "{text:?}");
    entries.into_iter().next().unwrap().1
}

#[test]
fn values_are_read_as_the_gateway_reads_them() {
    for (text, value) in [
        ("A=b", "b"),
        ("A = b # c", "b"),
        ("A=b#c", "b"),
        ("export  A=b", "b"),
        ("A: b", "b"),
        ("A='b # \"c\"' # d", "b # \"c\""),
        ("A=\"b\\nc\\rd\\te\"", "b\nc\rd\\te"),
        ("A='b\\nc'", "b\\nc"),
        ("A=`b'\"c`", "b'\"c"),
        ("A='b\nc'", "b\nc"),
        ("A='b\r\nc\rd'", "b\nc\nd"),
        ("A=\n'b'", "b"),
        ("A=b 'c'", "b 'c'"),
        ("A='b' c", "'b' c"),
        ("A='b\\'", "b\\"),
        ("A='b\\'c'", "b\\'c"),
        ("A=\"b", "\"b"),
        ("A=\u{a0}b\u{feff}", "b"),
        ("A=$B\\$", "$B\\$"),
        ("A\n=b", "b"),
        ("A=b\nA=c", "c"),
        ("A==b=", "=b="),
        ("A=b\u{2028}'c'", "b\u{2028}c"),
    ] {
        assert_eq!(one(text), value, "{text:?}");
    }
}

#[test]
fn the_next_line_is_swallowed_where_dotenv_swallows_it() {
    assert_eq!(read("A='b\\'\nC='# d'"), vec![("A".to_owned(), "b\\'\nC=".to_owned())]);
    assert_eq!(read("A=b\n\n# c\nD=e").len(), 2);
    assert_eq!(read("A:\nB=c"), vec![("A".to_owned(), "B=c".to_owned())]);
}

#[test]
fn what_the_gateway_ignores_is_noted_without_its_text() {
    let env = parse(b"A=\n1B=c\n\nD.E=f\n__proto__=x\nG=' '\nH\nI=j").unwrap();
    assert_eq!(env.entries.len(), 1);
    let notes: Vec<_> = env.notes.iter().map(|note| (note.name.as_str(), note.lines, note.what)).collect();
    let line = |line| Some((line, line));
    assert_eq!(
        notes,
        [
            ("", line(2), NoteKind::NotAName),
            ("", line(4), NoteKind::NotAName),
            ("", line(5), NoteKind::NotAName),
            ("A", None, NoteKind::Blank),
            ("G", None, NoteKind::Blank),
            ("", line(7), NoteKind::Unread),
        ]
    );
}

#[test]
fn keys_that_the_gateway_would_change_are_noted_and_other_texts_are_not() {
    let env = parse(b"OPENAI_API_KEY='a\nb'\nNOTE='a\nb'").unwrap();
    let noted = Note::new("OPENAI_API_KEY", NoteKind::Mangled(super::super::Mangle::LineBreak));
    assert_eq!((env.entries.len(), env.notes), (2, vec![noted]));
}

#[test]
fn values_get_quotes_only_where_they_need_them() {
    for (value, text) in [
        ("sk-a.B/1+2=", "sk-a.B/1+2="),
        ("a b", "'a b'"),
        ("it's", "`it's`"),
        ("it's `x`\n", "\"it's `x`\\n\""),
        ("a\rb", "\"a\\rb\""),
        ("a'\"`b", "a'\"`b"),
        ("a\\", "a\\"),
        ("a'\\", "a'\\"),
    ] {
        assert_eq!(encode(value).as_deref(), Ok(text), "{value:?}");
    }
}

#[test]
fn what_no_quotes_can_carry_is_refused() {
    for (value, why) in [
        ("", Misfit::Blank),
        (" \u{feff}\n", Misfit::Blank),
        ("a\0", Misfit::Nul),
        ("#\\", Misfit::Backslash),
        ("a\n\\", Misfit::Backslash),
        ("'\"`", Misfit::Quotes),
        ("a\r\"", Misfit::Quotes),
        ("a\r\\n", Misfit::Quotes),
        ("a'\"`\nb", Misfit::Quotes),
    ] {
        assert_eq!(accepts("A", value), Err(why), "{value:?}");
    }
    for name in ["", "1A", "A.B", "A=B", "__proto__"] {
        assert_eq!(accepts(name, "b"), Err(Misfit::Name), "{name}");
    }
    let secret = Secret::new("'\"`".to_owned());
    let refused = Error::Unrepresentable { name: "B".to_owned(), why: Misfit::Quotes };
    assert_eq!(render(&[("B", &secret)]).err(), Some(refused));
}

#[test]
fn hostile_files_are_read_in_linear_time() {
    let large = 4 * 1024 * 1024;
    for piece in [
        "\n",
        "A\n",
        "A='\\'",
        "A=\"\\\"\n",
        "export\n",
        "A=`",
        "'\u{2028}",
        "A=\u{2028}'x\n",
        "- ",
        "A={\n",
        "A={\nx\n",
        "A=-----BEGIN \n",
        "#A=-----BEGIN PRIVATE KEY-----\n",
        "x\n#\n",
        "\r",
    ] {
        let text = piece.repeat(large / piece.len() / 4);
        match parse(text.as_bytes()) {
            Ok(_) | Err(Error::Bound(..)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn tricky() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c'\"`#\\\\\\n\\r$ =nr:\u{a0}\u{2028}\u{feff}]{1,12}",
        "\\PC{1,20}",
        "[ -~\\n]{1,40}",
        proptest::string::string_regex("(.|\\n|\\r){1,16}").unwrap(),
    ]
}

proptest! {
    #[test]
    fn every_accepted_value_comes_back(values in proptest::collection::vec(tricky(), 1..8)) {
        let kept: Vec<(String, Secret)> = values.into_iter().enumerate()
            .filter(|(_, value)| accepts("N", value).is_ok())
            .map(|(index, value)| (format!("N{index}"), Secret::new(value)))
            .collect();
        let entries: Vec<(&str, &Secret)> = kept.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let file = render(&entries).unwrap();
        let back = read(file.text().unwrap());
        let expected: Vec<(String, String)> =
            kept.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        prop_assert_eq!(back, expected);
    }

    #[test]
    fn any_text_is_read_without_an_error(text in "([A-C=:#'\"`\\\\\\n\\r \u{2028}]|export |\\PC){0,60}") {
        prop_assert!(parse(text.as_bytes()).is_ok());
    }
}

#[test]
fn a_flaw_costs_the_entry_that_has_it_and_no_other() {
    let env = parse(b"# Schl\xfcssel\nA=1\nB=x\xfc\nC='\xfc\ny\0'\nD='\xef\xbf\xbd'\nE=x\0\nA=2\xff\nA=3\n").unwrap();
    let entries: Vec<_> = env.entries.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(entries, [("A", "3"), ("D", "\u{fffd}")]);
    let notes: Vec<_> = env.notes.iter().map(|note| (note.name.as_str(), note.lines.unwrap().0, note.what)).collect();
    assert_eq!(
        notes,
        [
            ("B", 3, NoteKind::NotUtf8),
            ("C", 4, NoteKind::Nul),
            ("E", 7, NoteKind::Nul),
            ("", 1, NoteKind::NotUtf8Between),
        ]
    );
}

#[test]
fn entries_can_be_taken_out_and_the_rest_keeps_its_bytes() {
    let text = "# mine\nA=1 # one\n\n  export B='x\ny'\n# between\nC: 3\nA=2\nBAD LINE\n";
    let left = |text: &[u8], names: &[&str]| {
        let left = without(text, |name| names.contains(&name)).unwrap();
        left.expose().to_vec()
    };
    for (names, expected) in [
        (&[][..], text),
        (&["A"], "# mine\n\n  export B='x\ny'\n# between\nC: 3\nBAD LINE\n"),
        (&["A", "B", "C"], "# mine\n\n# between\nBAD LINE\n"),
    ] {
        assert_eq!(left(text.as_bytes(), names), expected.as_bytes());
        assert_eq!(left(text.replace('\n', "\r\n").as_bytes(), names), expected.replace('\n', "\r\n").as_bytes());
        assert_eq!(left(text.replace('\n', "\r").as_bytes(), names), expected.replace('\n', "\r").as_bytes());
    }
    assert_eq!(left(b"\xef\xbb\xbf# \xfc\r\nA=1\r\nB=\xff\n", &["A"]), b"\xef\xbb\xbf# \xfc\r\nB=\xff\n");
    assert_eq!(left(b"export\nA=1\nB=2", &["A"]), b"B=2");
    assert_eq!(left("A='1'\u{2028}B=2".as_bytes(), &["A"]), b"B=2");
}

proptest! {
    #[test]
    fn what_is_taken_out_is_a_piece_of_the_file_and_the_rest_means_the_same(
        text in proptest::collection::vec(prop_oneof![
            Just("A=1"), Just("B='x\ny'"), Just("export C=\"z\""), Just("# c"), Just(""), Just("free"), Just("D=-----BEGIN X-----"),
            Just("-----END X-----"), Just("E={"), Just("A: 2 # d"), Just("set F=1"),
        ], 0..8),
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        gone in proptest::collection::hash_set(prop_oneof![Just("A"), Just("B"), Just("C"), Just("D"), Just("E")], 0..4),
    ) {
        let text = text.join("\n").replace('\n', line_end);
        // Two texts that were apart may mean something else together, and then nothing is taken out.
        if let Ok(left) = without(text.as_bytes(), |name| gone.contains(name)) {
            let mut lines = text.split_inclusive(line_end);
            for line in left.text().unwrap().split_inclusive(line_end) {
                prop_assert!(lines.any(|have| have == line), "{:?} in {:?}", line, text);
            }
            let kept: Vec<_> = read(&text).into_iter().filter(|(name, _)| !gone.contains(name.as_str())).collect();
            prop_assert_eq!(read(left.text().unwrap()), kept);
        }
    }
}
