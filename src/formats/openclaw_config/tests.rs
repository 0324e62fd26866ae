use super::*;

fn notes_of(text: &str) -> Vec<(String, NoteKind)> {
    parse(text.as_bytes()).unwrap().notes.into_iter().map(|note| (note.name, note.what)).collect()
}

#[test]
fn what_is_no_configuration_is_refused() {
    let error = |text: &str| parse(text.as_bytes()).err();
    assert_eq!(error("[]"), Some(Error::Shape("openclaw.json")));
    assert_eq!(error("{\n a:1 b:2}"), Some(Error::Syntax { line: 2, column: 6 }));
    for text in ["", " \u{feff}\n"] {
        assert_eq!(notes_of(text), [(String::new(), NoteKind::Empty)], "{text:?}");
        assert_eq!(tree(text.as_bytes()), Ok(serde_json::json!({})));
    }
}

#[test]
fn a_secret_whose_name_comes_again_is_told_with_its_line() {
    let config = parse(b"{gateway:{auth:{token:'old'}},\n ui:{name:'x'},gateway:1,ui:2}").unwrap();
    let shadowed: Vec<_> = config.shadowed.iter().map(|(path, value)| (path.join("."), value.expose())).collect();
    assert_eq!(shadowed, [("gateway.auth.token".to_owned(), "old")]);
    let told = config.notes.iter().map(|note| (note.name.as_str(), note.lines, note.what));
    let expected =
        [("gateway.auth.token", NoteKind::Shadowed), ("gateway", NoteKind::Duplicate), ("ui", NoteKind::Duplicate)];
    let lines = [1, 1, 2].map(|line| Some((line, line)));
    let expected: Vec<_> = expected.iter().zip(lines).map(|(&(name, what), lines)| (name, lines, what)).collect();
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

proptest::proptest! {
    #[test]
    fn an_escaped_text_is_the_one_that_the_gateway_makes_of_it(text in "[$A{}a1_ ]{0,12}") {
        assert_eq!(literal(&escaped(&text)), Some(text));
    }
}
