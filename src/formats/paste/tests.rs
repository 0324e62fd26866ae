use super::*;
use proptest::prelude::*;

fn setup() -> String {
    format!("{SETUP_PREFIX}{}", "a".repeat(67))
}

fn shown(result: Result<Secret, Refused>) -> Result<String, Refused> {
    result.map(|secret| secret.expose().to_owned())
}

#[test]
fn tokens_are_cleaned_as_the_gateway_cleans_them() {
    assert_eq!(shown(token("foo", " tok en\tx\r\n")), Ok("tok enx".to_owned()));
    assert_eq!(shown(token("foo", "a\u{feff}b…\u{a0}c\u{85}")), Ok("ab\u{a0}c".to_owned()));
    let wrapped = setup().replace("aaaaaaaa", "aaaa \n\taaaa\u{a0}");
    assert_eq!(shown(token("anthropic", &wrapped)), Ok(setup()));
    assert_eq!(shown(setup_token(&setup())), Ok(setup()));
}

#[test]
fn what_is_no_setup_token_is_refused_by_its_reason() {
    assert_eq!(shown(setup_token(" \n")), Err(Refused::Required));
    assert_eq!(shown(setup_token("…")), Err(Refused::Required));
    assert_eq!(shown(setup_token(&setup().to_uppercase())), Err(Refused::SetupPrefix));
    assert_eq!(shown(setup_token("sk-ant-api03-x")), Err(Refused::SetupPrefix));
    assert_eq!(shown(setup_token(setup().get(..79).unwrap())), Err(Refused::SetupShort));
    // Characters that the gateway drops do not count.
    assert_eq!(shown(token("anthropic", &format!("{}…", setup().get(..79).unwrap()))), Err(Refused::SetupShort));
    assert_eq!(shown(token("foo", &"a".repeat(MAX_PASTE + 1))), Err(Refused::TooLong));
}

#[test]
fn keys_and_tokens_of_openai_are_told_apart() {
    let jwt = "aaaaaaaa.bbbbbbbb.cccc-_cc";
    assert_eq!(shown(token("openai", "sk-12345678")), Err(Refused::ApiKeyAsToken));
    assert_eq!(shown(token("openai", jwt)), Ok(jwt.to_owned()));
    assert_eq!(shown(api_key("openai", " sk-12345678\n")), Ok("sk-12345678".to_owned()));
    for other in [jwt, "Bearer aaaaaaaa.bbbbbbbb.cccccccc", "{\"access\":1}", "[1]"] {
        assert_eq!(shown(api_key("openai", other)), Err(Refused::TokenAsApiKey), "{other}");
    }
    for other in ["sk-1234567", "sk-1234 5678", "key", "aaaaaaaa.bbbbbbbb.c", "bearer"] {
        assert_eq!(shown(api_key("openai", other)), Err(Refused::NotAnApiKey), "{other}");
    }
    assert_eq!(shown(api_key("openai-codex", "anything")), Ok("anything".to_owned()));
    assert_eq!(shown(api_key("anthropic", &setup())), Ok(setup()));
    assert_eq!(shown(api_key("x", "\u{2028}")), Err(Refused::Required));
    assert_eq!(shown(api_key("x", "OpenClaw  onboard --x --auth-choice=y")), Err(Refused::Command));
}

#[test]
fn ids_are_taken_as_they_stand() {
    assert_eq!(profile_id(None, "foo").unwrap(), "foo:manual");
    assert_eq!(profile_id(Some(" \u{feff}"), "foo").unwrap(), "foo:manual");
    assert_eq!(profile_id(Some(" Weird id "), "foo").unwrap(), "Weird id");
    let uuid = "0F000000-0000-4000-8000-00000000000a";
    assert_eq!(profile_id(Some(&format!("personal:{uuid}:{uuid}")), "foo"), Err(Refused::Reserved));
    assert!(profile_id(Some("personal:a:b"), "foo").is_ok());
    for (given, id) in [
        (None, "anthropic:default"),
        (Some("  "), "anthropic:default"),
        (Some("--"), "anthropic:default"),
        (Some(" My  Work--Token! "), "anthropic:my-work-token"),
        (Some("a.b_c"), "anthropic:a.b_c"),
        (Some("anthropic:As Is"), "anthropic:As Is"),
    ] {
        assert_eq!(setup_profile_id(given), id);
    }
}

#[test]
fn durations_are_those_of_the_gateway() {
    for (text, ms) in [
        ("1d12h", 129_600_000),
        ("12h1d", 129_600_000),
        ("1d1d", 172_800_000),
        ("1.5h", 5_400_000),
        ("1.5", 129_600_000),
        ("1", 86_400_000),
        (" 1D12H\u{feff}", 129_600_000),
        ("0", 0),
        ("0d", 0),
        ("500ms", 500),
        ("0.4ms", 0),
        ("0.5ms", 1),
        ("365d", 31_536_000_000),
        ("2m3s4ms", 123_004),
        ("100000000d", 8_640_000_000_000_000),
        ("9007199254740991ms", 9_007_199_254_740_991),
    ] {
        assert_eq!(parse_duration(text), Ok(ms), "{text}");
    }
    for text in [
        "1d 12h",
        "1 d",
        "1h30",
        "30m5",
        "1ms1",
        "1w",
        "1y",
        "1min",
        "1dd",
        "d",
        ".5h",
        "1.h",
        "1.",
        "-1d",
        "+1d",
        "1e3",
        "1_000d",
        "１d",
        "99999999999999999999d",
        "9007199254740992ms",
        "1d.5h",
        "1.5.5h",
    ] {
        assert_eq!(parse_duration(text), Err(Refused::Duration), "{text}");
    }
    assert_eq!(parse_duration(&"0".repeat(99)), Ok(0));
    assert_eq!(parse_duration(&"0".repeat(100)), Err(Refused::Duration));
    assert_eq!(parse_duration(&"9".repeat(400)), Err(Refused::Duration));
    assert_eq!(parse_duration(" "), Err(Refused::EmptyDuration));
}

#[test]
fn expiry_is_in_the_future_and_in_the_calendar() {
    assert_eq!(expiry(" ", 1), Ok(None));
    assert_eq!(expiry("1d", 1), Ok(Some(86_400_001)));
    assert_eq!(expiry("0", 1), Err(Refused::ExpiryRange));
    assert_eq!(expiry("100000000d", 1), Err(Refused::ExpiryRange));
    assert_eq!(expiry("100000000d", 0), Ok(Some(LAST_DATE)));
    assert_eq!(expiry("x", 1), Err(Refused::Duration));
}

proptest! {
    #[test]
    fn what_is_taken_is_taken_again(pasted in "\\PC{0,30}|[a-c \\r\\n\\t\u{a0}é…]{0,9}") {
        if let Ok(once) = shown(token("foo", &pasted)) {
            prop_assert_eq!(shown(token("foo", &once)), Ok(once.clone()));
            prop_assert_eq!(js::mangled(&once), None);
        }
    }

    #[test]
    fn durations_add_up(days in 0_u64..99, hours in 0_u64..99, ms in 0_u64..9999) {
        let expected = days * 86_400_000 + hours * 3_600_000 + ms;
        prop_assert_eq!(parse_duration(&format!("{days}d{hours}H{ms}ms")), Ok(expected));
    }
}
