use super::*;
use crate::secret::SecretBuf;
use proptest::prelude::*;

/// The inventory of a gateway that has nothing but this configuration.
fn of(text: &[u8]) -> Inventory {
    let bytes = SecretBuf::new(text.to_vec());
    let config = Configuration::load(Path::new("/s/openclaw.json"), bytes, &mut Vec::new()).unwrap();
    Inventory::of(Files { config: Some(config), ..Files::default() }, None)
}

/// The used values at the places that `which` picks: names and values.
fn values(inventory: &Inventory, which: fn(&Part) -> bool) -> Vec<(String, String)> {
    let used = inventory.items.iter().filter(|item| item.used && which(&item.part));
    let value = |item: &Item| serde_json::from_str(item.content.value()?.get()).ok();
    used.filter_map(|item| Some((item.place.at.to_string(), value(item)?))).collect()
}

fn is_target(part: &Part) -> bool {
    matches!(part, Part::Target(_))
}

fn is_variable(part: &Part) -> bool {
    *part == Part::Variable
}

fn targets_of(text: &str) -> Vec<(String, String)> {
    values(&of(text.as_bytes()), is_target)
}

fn notes_of(inventory: &Inventory) -> Vec<(&str, NoteKind)> {
    inventory.notes.iter().map(|note| (note.name.as_str(), note.what)).collect()
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
            pair("gateway.auth.token", "g"),
            pair("models.providers.a.b.apiKey", "kA"),
            pair("models.providers.a.b.headers.X-T", "t"),
            pair("agents.list.1.memorySearch.remote.apiKey", "m"),
        ]
    );
}

#[test]
fn env_entries_are_found_in_both_places_and_the_nearer_one_wins() {
    let inventory = of(
        b"{env:{A:'a',vars:{A:'shadowed',' B ':'b',\"1x\":'x',C:' ',D:3},shellEnv:{enabled:true},E:'$${HOME}',F:'x${HOME}'}}",
    );
    let expected = [pair("env.A", "a"), pair("env.vars. B ", "b"), pair("env.E", "${HOME}")];
    assert_eq!(values(&inventory, is_variable), expected);
    let notes = notes_of(&inventory);
    assert_eq!(
        notes,
        [("env.vars.C", NoteKind::Blank), ("env.F", NoteKind::EnvReference), ("env.vars.A", NoteKind::Shadowed),]
    );
}

#[test]
fn what_is_no_secret_to_take_is_noted() {
    let text = "{channels:{discord:{token:'${D}'},telegram:{botToken:' $T '},
        googlechat:{serviceAccount:{private_key:'p'}}},talk:{providers:{e:{apiKey:{source:'env',provider:'default',id:'E'}}}},
        models:{providers:{a:{apiKey:'ollama-local'},b:{apiKey:'GROQ_API_KEY'},c:{apiKey:'a${X}b'},d:{apiKey:''},
        e:{apiKey:'oauth:x'}}}}";
    let inventory = of(text.as_bytes());
    let expected = [
        ("channels.discord.token", NoteKind::EnvReference),
        ("channels.telegram.botToken", NoteKind::EnvReference),
        ("channels.googlechat.serviceAccount", NoteKind::NotAText),
        ("talk.providers.e.apiKey", NoteKind::EnvReference),
        ("models.providers.a.apiKey", NoteKind::Marker),
        ("models.providers.b.apiKey", NoteKind::EnvReference),
        ("models.providers.c.apiKey", NoteKind::EnvReference),
        ("models.providers.d.apiKey", NoteKind::Blank),
        ("models.providers.e.apiKey", NoteKind::Marker),
    ];
    assert_eq!(notes_of(&inventory), expected);
    assert!(targets_of(text).is_empty());
}

#[test]
fn of_one_name_the_last_value_is_taken_and_the_others_are_noted() {
    let text = b"{gateway:{auth:{token:'old'}},env:{A:'a',B:'b'},logging:{},\n\
        gateway:{auth:{token:'no',\ntoken:'new'}},logging:1,'\\x65nv':{A:'c'}}";
    let inventory = of(text);
    assert_eq!(values(&inventory, is_target), [pair("gateway.auth.token", "new")]);
    assert_eq!(values(&inventory, is_variable), [pair("env.A", "c")]);
    let unused = inventory.items.iter().filter(|item| !item.used).map(|item| item.place.at.to_string());
    let unused: Vec<_> = unused.collect();
    assert_eq!(unused, ["gateway.auth.token", "env.A", "env.B", "gateway.auth.token"]);
    let twice = inventory.notes.iter().filter(|note| note.what == NoteKind::Duplicate);
    let twice: Vec<_> = twice.map(|note| (note.name.as_str(), note.lines)).collect();
    let line = |line| Some((line, line));
    assert_eq!(twice, [("gateway", line(1)), ("env", line(1)), ("logging", line(1)), ("gateway.auth.token", line(2))]);
}

/// Every flaw that a text can have x every place of it: a secret is left out and named, anything else is passed over.
#[test]
fn a_flaw_costs_the_value_that_has_it_and_no_other() {
    let flaws: [(&[u8], NoteKind); 5] = [
        (b"\0", NoteKind::Nul),
        (b"\\0", NoteKind::Nul),
        (b"\\u0000", NoteKind::Nul),
        (b"\xe9", NoteKind::NotUtf8),
        (b"\\ud800", NoteKind::NotUtf8),
    ];
    for (flaw, what) in flaws {
        for (path, is_secret) in
            [("gateway.auth.token", true), ("env.A", true), ("env.vars.A", true), ("ui.name", false)]
        {
            let (mut before, mut after) = (String::new(), String::new());
            for name in path.split('.') {
                before.push_str(&format!("{{{name}:"));
                after.push('}');
            }
            let text = [
                b"{talk:{providers:{e:{apiKey:'k'}}},\n",
                &before.as_bytes()[1..],
                b"'x",
                flaw,
                b"y'",
                after.as_bytes(),
            ]
            .concat();
            let inventory = of(&text);
            let taken: Vec<_> = inventory.items.iter().filter(|item| item.content.value().is_some()).collect();
            assert_eq!(taken.len(), 1, "{path} {flaw:?}");
            let left = inventory.items.iter().filter(|item| matches!(item.content, Content::Unparsed)).count();
            assert_eq!(left, usize::from(is_secret), "{path} {flaw:?}");
            let noted: Vec<_> =
                inventory.notes.iter().map(|note| (note.name.as_str(), note.lines, note.what)).collect();
            let expected = if is_secret { vec![(path, Some((2, 2)), what)] } else { vec![] };
            assert_eq!(noted, expected, "{path} {flaw:?}");
        }
    }
    let large = format!("{{ui:{{a:'{0}'}},gateway:{{auth:{{token:'{0}'}}}}}}", "v".repeat(MAX_VALUE + 1));
    assert_eq!(notes_of(&of(large.as_bytes())), [("gateway.auth.token", NoteKind::TooLarge)]);
}

#[test]
fn a_key_in_a_comment_is_told_by_its_lines() {
    let inventory = of(b"{// old: \"sk-ant-api03-0123456789abcdef\"\n/* is at https://x.org\n and apiKey:sk-ant-api03-0123456789 */a:1}");
    let lines: Vec<_> = inventory.items.iter().map(|item| item.place.at.to_string()).collect();
    assert_eq!(lines, ["line 1", "lines 2 to 3"]);
    assert_eq!(notes_of(&inventory), [("/s/openclaw.json", NoteKind::Commented); 2]);
}

#[test]
fn of_a_variable_that_is_set_twice_the_other_value_is_known() {
    let twice = |text: &str| of(text.as_bytes()).is_set_twice("A");
    assert!(twice("{env:{A:'used',vars:{A:'other'}}}"));
    assert!(!twice("{env:{A:'same',vars:{A:'same'}}}") && !twice("{env:{A:'used',vars:{B:'other'}}}"));
}

proptest! {
    #[test]
    fn every_json_secret_is_taken_as_it_is(value in "[^\\x00$]{1,20}") {
        prop_assume!(!value.trim_matches(|one: char| one.is_whitespace() || one == '\u{feff}').is_empty() && crate::formats::secretref::env_reference(&value).is_none());
        let text = serde_json::json!({"gateway": {"auth": {"token": value}}}).to_string();
        prop_assert_eq!(targets_of(&text), [pair("gateway.auth.token", &value)]);
    }
}
