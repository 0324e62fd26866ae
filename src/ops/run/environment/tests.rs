use super::*;

const VAULT: &str = r#"{"config":{"gateway/auth/token":"config-canary"},"created":1,"env":ENV,"epoch":0,"generation":1,"keys":{"ledger":"bGVkZ2Vy","log":"bG9n"},"meta":{},"recipients":[],"requires":[],"rev":"00","schema":1,"scopes":{"main":{"order":{},"profiles":{"p:key":{"type":"api_key","provider":"p","key":"key-canary"},"p:oauth":{"type":"oauth","provider":"p","access":"a"},"p:ref":{"type":"token","provider":"p","tokenRef":{}},"p:token":{"type":"token","provider":"p","token":"token-canary"}}}},"updated":1,"vault_id":"v","vault_secret":"s","writers":{}}"#;

fn made(env: &str, only: &[&str], inherited: &[(&str, &str)]) -> Result<Environment, Error> {
    let text = VAULT.replace("ENV", env);
    let vault = Vault::parse(&text).unwrap();
    let variable = |asked: &&str| {
        let (name, id) = asked.split_once('=').map_or((*asked, format!("env/{asked}")), |(name, id)| (name, id.into()));
        Variable { name: EnvName::parse(name).unwrap(), id: SecretId::parse(&id).unwrap() }
    };
    let only: Vec<Variable> = only.iter().map(variable).collect();
    let inherited: Vec<_> = inherited.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let allowed = ["NODE_PATH".to_owned()];
    environment(&vault, Selection { only: &only, allowed: &allowed }, &inherited, &["cmd".into()])
}

fn names(environment: &Environment) -> Vec<&str> {
    environment.set.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn only_env_entries_go_in_and_only_those_asked_for() {
    let env = r#"{"A":"1","B":"2","C":"3"}"#;
    assert_eq!(names(&made(env, &[], &[]).unwrap()), ["A", "B", "C"]);
    assert_eq!(names(&made(env, &["C", "A"], &[]).unwrap()), ["A", "C"]);
    let missing = made(env, &["A", "E=config/gateway/auth/other", "D"], &[]);
    assert!(matches!(missing, Err(Error::NoEntry(which)) if which == [2, 3]));
}

#[test]
fn a_variable_gets_the_one_text_of_any_entry() {
    let given = |only: &[&str]| made(r#"{"A":"1"}"#, only, &[]);
    let all = given(&["Z=env/A", "C=config/gateway/auth/token", "K=auth/main/p:key", "T=auth/main/p:token"]).unwrap();
    let values: Vec<(&str, &str)> = all.set.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(values, [("C", "config-canary"), ("K", "key-canary"), ("T", "token-canary"), ("Z", "1")]);
    let textless = given(&["A", "O=auth/main/p:oauth", "R=auth/main/p:ref"]);
    assert!(matches!(textless, Err(Error::NoText(which)) if which == [2, 3]));
    assert!(matches!(given(&["A", "A=config/gateway/auth/token"]), Err(Error::Twice(name)) if name == "A"));
}

#[test]
fn a_name_with_power_over_the_command_is_refused_unless_it_is_allowed() {
    let env = r#"{"LD_PRELOAD":"1","NODE_OPTIONS":"2","NODE_PATH":"3","X":"4"}"#;
    let refused = |only: &[&str]| match made(env, only, &[]) {
        Err(Error::Powerful(names)) => names,
        _ => Vec::new(),
    };
    assert_eq!(refused(&[]), ["LD_PRELOAD", "NODE_OPTIONS"]);
    assert_eq!(refused(&["X", "NODE_OPTIONS"]), ["NODE_OPTIONS"]);
    assert_eq!(refused(&["BASH_ENV=env/X"]), ["BASH_ENV"]);
    assert_eq!(names(&made(env, &["X", "NODE_PATH", "Y=env/LD_PRELOAD"], &[]).unwrap()), ["NODE_PATH", "X", "Y"]);
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
