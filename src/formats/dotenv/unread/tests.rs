use super::super::{parse, without};
use super::*;

/// What nothing reads: kind, name, lines, and the bytes as text.
fn unread(bytes: &[u8]) -> Vec<(UnreadKind, String, (usize, usize), String)> {
    let all = parse(bytes).unwrap().unread.into_iter();
    all.map(|one| {
        let text = String::from_utf8_lossy(bytes.get(one.bytes).unwrap()).into_owned();
        (one.kind, one.name.unwrap_or_default(), one.lines, text)
    })
    .collect()
}

const PEM: [&str; 4] = [
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEbody+/AAAA\nZm9vYmFy\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,12AB\n\nMIIEbodyAAAA\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\nMIIEbodyAAAA\nQmFzZTY0==\n-----END EC PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n-----END OPENSSH PRIVATE KEY-----",
];

/// Every private key x every way to begin its value x every line end x what is around it.
#[test]
fn a_private_key_without_quotes_is_torn_and_stays_whole() {
    for (pem, open) in PEM.into_iter().flat_map(|pem| ["", " ", "\"", "'"].map(|open| (pem, open))) {
        for (line_end, around) in
            ["\n", "\r\n"].into_iter().flat_map(|end| ["", "\n", "# x\n"].map(|around| (end, around)))
        {
            let block = format!("export PEM={open}{pem}").replace('\n', line_end);
            let text = format!("A=1\n{around}").replace('\n', line_end)
                + &block
                + &format!("\n{around}B=2\n").replace('\n', line_end);
            let env = parse(text.as_bytes()).unwrap();
            let names: Vec<_> = env.entries.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["A", "B"], "{text}");
            let first = 2 + around.matches('\n').count();
            let lines = (first, first + pem.matches('\n').count());
            assert_eq!(unread(text.as_bytes()), [(UnreadKind::Torn, "PEM".to_owned(), lines, block.clone())]);
            assert_eq!(env.notes, [Note { lines: Some(lines), ..Note::new("PEM", NoteKind::Torn) }]);
            let left = without(text.as_bytes(), |_| true).unwrap();
            assert!(left.text().unwrap().contains(&block) && !left.text().unwrap().contains("B=2"), "{text}");
        }
    }
}

/// A name in its base64 would be a piece of it.
#[test]
fn a_private_key_without_a_name_is_one_piece() {
    for pem in PEM {
        let text = format!("A=1\n\n  {pem}\nB=2\nfree");
        let env = parse(text.as_bytes()).unwrap();
        let names: Vec<_> = env.entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B"], "{text}");
        let last = 3 + pem.matches('\n').count();
        let free = (UnreadKind::Other, String::new(), (last + 2, last + 2), "free".to_owned());
        let expected = [(UnreadKind::Other, String::new(), (3, last), pem.to_owned()), free];
        assert_eq!(unread(text.as_bytes()), expected);
        assert!(env.notes.iter().all(|note| note.name.is_empty() && note.what == NoteKind::Unread), "{:?}", env.notes);
    }
}

#[test]
fn a_value_that_is_whole_is_not_torn() {
    for (text, value) in [
        (format!("A='{}'", PEM[1]), PEM[1].to_owned()),
        (format!("A=\"{}\"\nB=1", PEM[0].replace('\n', "\\n")), PEM[0].to_owned()),
        (format!("A={}", PEM[0].replace('\n', "\\n")), PEM[0].replace('\n', "\\n")),
        ("A={}\nB=1".to_owned(), "{}".to_owned()),
        ("A='b' c\nB=1\nnot read".to_owned(), "'b' c".to_owned()),
        ("A={\n\n}".to_owned(), "{".to_owned()),
    ] {
        let entries = parse(text.as_bytes()).unwrap().entries;
        assert_eq!(entries.first().map(|(name, have)| (name.as_str(), have.expose())), Some(("A", &*value)), "{text}");
        assert!(unread(text.as_bytes()).iter().all(|(kind, ..)| *kind != UnreadKind::Torn), "{text}");
    }
}

#[test]
fn text_that_is_passed_over_is_found_with_its_lines() {
    use UnreadKind::{Commented, Other, Shell, Torn};
    for (text, expected) in [
        ("A=1\n\nfree text\nmore\n\nlast", vec![(Other, "", (3, 4), "free text\nmore"), (Other, "", (6, 6), "last")]),
        (
            "\u{feff}-----BEGIN X-----\nabc\n-----END X-----\nA=1",
            vec![(Other, "", (1, 3), "-----BEGIN X-----\nabc\n-----END X-----")],
        ),
        ("A={\n \"k\": 1\n}\nB=2", vec![(Torn, "A", (1, 3), "A={\n \"k\": 1\n}")]),
        ("A=\"x\ny\nB=2", vec![(Torn, "A", (1, 2), "A=\"x\ny")]),
        ("A=-----BEGIN X-----\nabc\n\nB=2", vec![(Torn, "A", (1, 2), "A=-----BEGIN X-----\nabc")]),
        (
            "A=-----BEGIN X-----\nB=-----BEGIN X-----\nb\n-----END X-----",
            vec![
                (Torn, "A", (1, 1), "A=-----BEGIN X-----"),
                (Torn, "B", (2, 4), "B=-----BEGIN X-----\nb\n-----END X-----"),
            ],
        ),
        (
            "set A=1\nset \"B=2\"\nsetenv C v\n$env:D = 'x'\nexport E\ndeclare -x F=1",
            vec![
                (Shell, "A", (1, 1), "set A=1"),
                (Shell, "B", (2, 2), "set \"B=2\""),
                (Shell, "C", (3, 3), "setenv C v"),
                (Shell, "D", (4, 4), "$env:D = 'x'"),
                (Other, "", (5, 5), "export E"),
                (Shell, "F", (6, 6), "declare -x F=1"),
            ],
        ),
        (
            "A=1 # B_KEY=sk-abc1234567\n# just words = none\n  #export C='gsk_1234567890' # old\n",
            vec![
                (Commented, "B_KEY", (1, 1), "# B_KEY=sk-abc1234567"),
                (Commented, "C", (3, 3), "#export C='gsk_1234567890' # old"),
            ],
        ),
        (
            "# K=-----BEGIN PRIVATE KEY-----\n# abc=\n# -----END PRIVATE KEY-----\n# more\nA=1",
            vec![(Commented, "K", (1, 3), "# K=-----BEGIN PRIVATE KEY-----\n# abc=\n# -----END PRIVATE KEY-----")],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(kind, name, lines, text)| (kind, name.to_owned(), lines, text.to_owned()))
            .collect();
        assert_eq!(unread(text.as_bytes()), expected, "{text:?}");
        let folded =
            expected.into_iter().map(|(kind, name, lines, text)| (kind, name, lines, text.replace('\n', "\r\n")));
        assert_eq!(unread(text.replace('\n', "\r\n").as_bytes()), folded.collect::<Vec<_>>(), "{text:?} with CRLF");
    }
}

#[test]
fn examples_in_comments_are_not_taken_for_keys() {
    for text in [
        "OPENAI_API_KEY=sk-...",
        "OPENAI_API_KEY=your-key-here",
        "API_KEY=<key 1>",
        "A_TOKEN=${OTHER_TOKEN_1}",
        "PORT=18789",
        "URL=https://example.org/v1/models/2024",
        "API_KEY=",
        "see README=part 1 of 2",
        "MODEL=claude-3.5-sonnet-20241022",
        "OPENAI_API_KEY=sk-xxxxxxxx1",
    ] {
        assert_eq!(unread(format!("# {text}\nA=1").as_bytes()), [], "{text}");
    }
    for text in [
        "ANY=sk-proj-1a2b3c",
        "MY_PASSWORD=hunter22",
        "X=0123456789abcdef0123456789abcdef",
        "GROQ_API_KEY = \"abc12345\"",
    ] {
        assert_eq!(unread(format!("#{text}\nA=1").as_bytes()).len(), 1, "{text}");
    }
}
