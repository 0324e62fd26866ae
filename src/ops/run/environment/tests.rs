use super::*;

const VAULT: &str = r#"{"config":{"gateway/auth/token":"config-canary"},"created":1,"env":ENV,"epoch":0,"generation":1,"keys":{"ledger":"bGVkZ2Vy","log":"bG9n"},"meta":{},"recipients":[],"requires":[],"rev":"00","schema":1,"scopes":{},"updated":1,"vault_id":"v","vault_secret":"s","writers":{}}"#;

fn made(env: &str, only: &[&str], inherited: &[(&str, &str)]) -> Result<Environment, Error> {
    let text = VAULT.replace("ENV", env);
    let vault = Vault::parse(&text).unwrap();
    let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
    let inherited: Vec<_> = inherited.iter().map(|(name, value)| (name.into(), value.into())).collect();
    environment(&vault, &only, &inherited, &["cmd".into()])
}

fn names(environment: &Environment) -> Vec<&str> {
    environment.set.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn only_env_entries_go_in_and_only_those_asked_for() {
    let env = r#"{"A":"1","B":"2","C":"3"}"#;
    assert_eq!(names(&made(env, &[], &[]).unwrap()), ["A", "B", "C"]);
    assert_eq!(names(&made(env, &["C", "A"], &[]).unwrap()), ["A", "C"]);
    let missing = made(env, &["A", "config/gateway/auth/token", "D"], &[]);
    assert!(matches!(missing, Err(Error::NoEntry(which)) if which == [2, 3]));
}

#[test]
fn only_another_value_is_replaced() {
    let environment = made(r#"{"A":"1","B":"2"}"#, &[], &[("A", "1"), ("B", "1"), ("D", "1")]).unwrap();
    assert_eq!(environment.replaced, ["B"]);
}

#[test]
fn what_leads_to_the_vault_goes_to_no_command() {
    let inherited = [("AGEVAULT_FILE", "/v"), ("CREDENTIALS_DIRECTORY", "/c"), ("AGEVAULT", "x")];
    let environment = made(r#"{"AGEVAULT_PASSPHRASE_FILE":"/p","X":"1"}"#, &[], &inherited).unwrap();
    assert_eq!(environment.removed, ["AGEVAULT_FILE", "CREDENTIALS_DIRECTORY"]);
    assert_eq!(names(&environment), ["X"]);
    assert_eq!(environment.left_out, ["AGEVAULT_PASSPHRASE_FILE"]);
}

#[test]
fn what_no_environment_can_hold_is_named() {
    assert!(matches!(made(r#"{"A":"1\u0000","B":"2"}"#, &[], &[]), Err(Error::Nul(names)) if names == ["A"]));
    let with = |len: usize| made(&format!(r#"{{"A":"{}"}}"#, "x".repeat(len)), &[], &[]);
    assert!(with(MAX_STRING - 2).is_ok());
    if cfg!(target_os = "linux") {
        assert!(matches!(with(MAX_STRING - 1), Err(Error::TooLong(names, MAX_STRING)) if names == ["A"]));
    }
}

#[test]
fn more_than_the_system_takes_is_told_with_the_largest() {
    let entry = |at: usize| format!(r#""N{at:03}":"{}""#, "x".repeat(100_000 + at));
    let env: Vec<String> = (0..100).map(entry).collect();
    let Err(Error::TooMuch(found)) = made(&format!("{{{}}}", env.join(",")), &[], &[]) else { panic!("taken") };
    assert!(found.size > 10_000_000 && found.bound < found.size);
    assert_eq!(found.largest, ["N099", "N098", "N097"]);
}
