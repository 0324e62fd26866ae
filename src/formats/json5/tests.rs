use super::*;
use crate::formats::NoteKind;
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Result<serde_json::Value, Error> {
    Ok(plain(&parse(&Text::of(bytes)?)?.root))
}

/// Another reader, written by others.
fn other(text: &str) -> Option<serde_json::Value> {
    ::json5::from_str(text).ok()
}

#[test]
fn odd_spellings_mean_what_they_mean_to_the_gateway() {
    for (text, value) in [
        ("{\\u0061b:1,'c\\x64':2,$_\u{e9}\u{301}\u{200d}:3}", r#"{"ab":1,"cd":2,"$_é\u0301\u200d":3}"#),
        ("\u{feff}{\u{2028}a\u{a0}:\u{3000}1\u{2029},\u{feff}// x\u{2028}b:2/**/}", r#"{"a":1,"b":2}"#),
        ("['a\\\nb','a\\\r\nb','a\\\u{2028}b','\u{2028}']", r#"["ab","ab","ab","\u2028"]"#),
        ("['\\b\\t\\n\\v\\f\\r\\0\\x41\\u0042\\'\\\"\\q\\\\']", "[\"\\b\\t\\n\\u000b\\f\\r\\u0000AB'\\\"q\\\\\"]"),
        ("['\\ud83d\\ude00','\\ud83d','\\ude00\\ud83d']", r#"["😀","\ufffd","\ufffd\ufffd"]"#),
        ("[+1,-1,.5,5.,5.e1,-0x10,0XfF,+0x0,1e3]", "[1,-1,0.5,5.0,50.0,-16,255,0,1000.0]"),
        ("[Infinity,-Infinity,NaN,+NaN,1e999]", "[null,null,null,null,null]"),
        (
            "[18446744073709551615,18446744073709551616,-9223372036854775809]",
            "[18446744073709551615,18446744073709551616.0,-9223372036854775809.0]",
        ),
        ("[0xffffffffffffffffffffffffffffffffff]", "[8.711228593176024664662389950253266213274e40]"),
        ("{a:1,b:2,'a':3}", r#"{"a":3,"b":2}"#),
        ("{__proto__:1,null:2,true:3}", r#"{"__proto__":1,"null":2,"true":3}"#),
    ] {
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        assert_eq!(read(text.as_bytes()), Ok(value), "{text}");
    }
}

#[test]
fn what_the_gateway_does_not_read_is_refused_with_its_place() {
    for (text, line, column) in [
        ("", 1, 1),
        ("{a:1 b:2}", 1, 6),
        ("{\n 'a':\r\n\t+ 1}", 3, 3),
        ("{a:'\n'}", 1, 5),
        ("[1 /* ]", 1, 8),
        ("{} {}", 1, 4),
        ("[,]", 1, 2),
        ("[1,,]", 1, 4),
        ("[01]", 1, 3),
        ("['\\01']", 1, 4),
        ("['\\9']", 1, 4),
        ("['\\x4']", 1, 5),
        ("{\\x61:1}", 1, 2),
        ("{\\u0031:1}", 1, 8),
        ("{1a:1}", 1, 2),
        ("{a}", 1, 3),
        ("[0x]", 1, 4),
        ("[.]", 1, 3),
        ("[1e]", 1, 4),
        ("[tru]", 1, 2),
        ("[nullx]", 1, 6),
        ("/", 1, 1),
    ] {
        assert_eq!(read(text.as_bytes()).err(), Some(Error::Syntax { line, column }), "{text}");
    }
}

#[test]
fn depth_and_number_are_bounded_before_the_stack_and_the_memory_are() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
    for piece in ["[", "{a:", "{a:[", "/**/[", "[//\n"] {
        let deep = Error::Bound("nesting depth", MAX_DEPTH);
        assert_eq!(read(piece.repeat(1_000_000).as_bytes()).err(), Some(deep), "{piece}");
    }
    let many = format!("[{}]", "0,".repeat(MAX_ITEMS + 1));
    assert_eq!(read(many.as_bytes()).err(), Some(Error::Bound("number of members and comments", MAX_ITEMS)));
}

#[test]
fn names_have_the_characters_that_another_reader_takes() {
    for character in '\0'..=char::MAX {
        for text in [format!("{{{character}:0}}"), format!("{{a{character}:0}}")] {
            if let Some(value) = other(&text) {
                assert_eq!(read(text.as_bytes()), Ok(value), "{text:?}");
            }
        }
    }
}

/// What a sink was shown.
#[derive(Default)]
struct Shown(Vec<String>);

impl Sink for Shown {
    fn flawed(&mut self, path: &[String], line: usize, flaw: NoteKind) {
        self.0.push(format!("{} line {line} {flaw:?}", path.join(".")));
    }

    fn shadowed(&mut self, path: &[String], line: usize) {
        self.0.push(format!("{} line {line} shadowed", path.join(".")));
    }

    fn shadowed_text(&mut self, path: &[String], line: usize, value: &str) {
        self.0.push(format!("{} line {line} shadowed {value}", path.join(".")));
    }
}

#[test]
fn a_walk_shows_what_does_not_count_and_what_nothing_can_use() {
    let text = b"{a:{x:'1',\nx:'2'},\na:[{y:'3'},'z\\0',\n'\xff','\xef\xbf\xbd','\\ud800'], /* \xff */ b:1}";
    let text = Text::of(text).unwrap();
    let mut shown = Shown::default();
    walk(&parse(&text).unwrap(), &text, &mut shown);
    assert_eq!(
        shown.0,
        [
            "a.x line 1 shadowed 1",
            "a.x line 2 shadowed 2",
            "a line 1 shadowed",
            "a.1 line 3 Nul",
            "a.2 line 4 NotUtf8",
            "a.4 line 4 NotUtf8",
        ]
    );
}

proptest! {
    #[test]
    fn whatever_another_reader_takes_means_the_same_here(text in "([{}\\[\\]:,'\"\\\\/*\\n a1$x+.e-]|0x|\\\\u00e9|\u{2028}|\u{feff}|null|NaN|\\PC){0,24}") {
        if let Some(value) = other(&text) {
            prop_assert_eq!(read(text.as_bytes()), Ok(value));
        }
    }
}
