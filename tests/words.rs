//! All messages of the program in one file, `words.golden`, to be read as prose in review.
//!
//! Every variant of every error has a sample here: the matches below have no wildcard arm, so a
//! new variant does not compile before it has one. `UPDATE_GOLDEN=1` rewrites the file.

#![allow(clippy::panic, reason = "a test stops at the first surprise")]

use agevault::cli::words::{self, Words, mangled, note};
use agevault::cli::{Error as Cli, Findings, ParseKind, RefusedValue, Usage};
use agevault::formats::exec_config::Misfit as EntryMisfit;
use agevault::formats::placeholder::Placeholder;
use agevault::formats::{Mangle, Misfit, NoteKind, exec, paste};
use agevault::keys::{CommandError, IdentityCommand, Source};
use agevault::model::{IdError, Scope, Subject};
use agevault::ops::connect::{Drift, Finding, NamedKey};
use agevault::ops::intake::Refused;
use agevault::ops::join::Conflict;
use agevault::ops::judge::Why;
use agevault::ops::run::{self, TooMuch};
use agevault::ops::{connect, import};
use agevault::store::Pin;
use agevault::{formats, fsio, gateway, keys, model, seal, session, store, views};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/words.golden");

/// Samples of an enum: `pattern => [sample, ...]` for each variant.
macro_rules! samples {
    ($kind:ty { $($pattern:pat => [$($sample:expr),+ $(,)?]),+ $(,)? }) => {{
        #[deny(unreachable_patterns)]
        fn is_complete(value: &$kind) {
            match value { $($pattern => {})+ }
        }
        let all: Vec<$kind> = vec![$($({
            let sample: $kind = $sample;
            assert!(matches!(&sample, $pattern), "a sample stands beside another variant: {}", stringify!($pattern));
            is_complete(&sample);
            sample
        }),+),+];
        all
    }};
}

fn path() -> PathBuf {
    "/the/path".into()
}

fn names() -> Vec<String> {
    vec!["env/NAME".to_owned(), "auth/main/openai:default".to_owned()]
}

fn name() -> String {
    "env/NAME".to_owned()
}

fn conflict(why: Why) -> Conflict {
    let subject = Subject::Order(Scope::main(), "openai".to_owned());
    Conflict { subject, why, fields: vec!["access".to_owned(), "refresh".to_owned()] }
}

fn pin() -> Pin {
    let text = format!("\"{}\"", "0123456789abcdef".repeat(4));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("no pin: {error}"))
}

fn usages() -> Vec<Usage> {
    let mut all = samples!(Usage {
        Usage::Parse(_) => [Usage::Parse(ParseKind::NoCommand)],
        Usage::TwoKeys => [Usage::TwoKeys],
        Usage::Id(_) => [Usage::Id(IdError::Shape)],
        Usage::Agent => [Usage::Agent],
        Usage::ValueInArgs => [Usage::ValueInArgs],
        Usage::RecoveryPlace => [Usage::RecoveryPlace],
        Usage::KeyInArgs => [Usage::KeyInArgs],
        Usage::AsksAgain => [Usage::AsksAgain],
        Usage::OtherRecipient => [Usage::OtherRecipient],
        Usage::Duration => [Usage::Duration],
        Usage::HoldFor => [Usage::HoldFor],
        Usage::RecipientMistyped => [Usage::RecipientMistyped],
        Usage::NeitherRecipientNorFile => [Usage::NeitherRecipientNorFile],
        Usage::KeyToStdout => [Usage::KeyToStdout],
        Usage::Variable(_) => [Usage::Variable("AGEVAULT_PASSPHRASE_FD")],
        Usage::NeedsYes => [Usage::NeedsYes],
        Usage::NeedsPerson => [Usage::NeedsPerson],
        Usage::NotHeld => [Usage::NotHeld],
        Usage::Label => [Usage::Label],
        Usage::NoRecipient => [Usage::NoRecipient],
        Usage::StdinFormat => [Usage::StdinFormat],
        Usage::OtherWorld => [Usage::OtherWorld],
        Usage::SetNewAuth => [Usage::SetNewAuth],
        Usage::Oauth => [Usage::Oauth],
        Usage::WhichGateway => [Usage::WhichGateway],
        Usage::WhichPassphrase => [Usage::WhichPassphrase],
        Usage::NotPassphrase => [Usage::NotPassphrase],
        Usage::NoPassphrase => [Usage::NoPassphrase],
        Usage::NeedsItsPassphrase => [Usage::NeedsItsPassphrase],
        Usage::Pin => [Usage::Pin],
        Usage::Provider => [Usage::Provider],
        Usage::NoSetupToken => [Usage::NoSetupToken],
        Usage::KdfMemory => [Usage::KdfMemory],
        Usage::TooLong => [Usage::TooLong],
        Usage::NoInput => [Usage::NoInput],
        Usage::GatewayVersion => [Usage::GatewayVersion],
        Usage::StdinTwice => [Usage::StdinTwice],
        Usage::AcceptUnattended => [Usage::AcceptUnattended],
        Usage::ResolveInput => [Usage::ResolveInput],
        Usage::NothingToRun => [Usage::NothingToRun],
        Usage::Only => [Usage::Only],
        Usage::OtherProvider => [Usage::OtherProvider],
        Usage::NoProfiles => [Usage::NoProfiles],
        Usage::TrustNeedsPin => [Usage::TrustNeedsPin],
        Usage::RemovesItself => [Usage::RemovesItself],
        Usage::SeveralStay => [Usage::SeveralStay],
        Usage::ChooseForOne => [Usage::ChooseForOne],
        Usage::Subject => [Usage::Subject],
        Usage::NothingToUndo => [Usage::NothingToUndo],
        Usage::NothingBefore => [Usage::NothingBefore],
        Usage::OptionsWithoutPassphrase => [Usage::OptionsWithoutPassphrase],
    });
    let kinds = samples!(ParseKind {
        ParseKind::Unknown(..) => [
            ParseKind::Unknown(None, None),
            ParseKind::Unknown(None, Some("list")),
            ParseKind::Unknown(Some("lst"), Some("list")),
            ParseKind::Unknown(Some("--colour"), None),
        ],
        ParseKind::NeedsEquals(_) => [ParseKind::NeedsEquals("--generate-identity")],
        ParseKind::Missing(_) => [ParseKind::Missing(None), ParseKind::Missing(Some("--label"))],
        ParseKind::Invalid(_) => [ParseKind::Invalid(None), ParseKind::Invalid(Some("--format"))],
        ParseKind::NeedsValue(_) => [ParseKind::NeedsValue(Some("--vault"))],
        ParseKind::TakesNone(_) => [ParseKind::TakesNone(Some("--json"))],
        ParseKind::Twice(_) => [ParseKind::Twice(Some("--vault"))],
        ParseKind::Count(_) => [ParseKind::Count(None), ParseKind::Count(Some("--vault"))],
        ParseKind::Conflict(_) => [ParseKind::Conflict(None), ParseKind::Conflict(Some("--generation"))],
        ParseKind::NoCommand => [ParseKind::NoCommand],
        ParseKind::NotText => [ParseKind::NotText],
    });
    let ids = samples!(IdError {
        IdError::Shape => [IdError::Shape],
        IdError::Scope => [IdError::Scope],
        IdError::EnvName => [IdError::EnvName],
        IdError::Escape => [IdError::Escape],
        IdError::TooLong => [IdError::TooLong],
    });
    all.extend(kinds.into_iter().map(Usage::Parse));
    all.extend(ids.into_iter().map(Usage::Id));
    all
}

fn values() -> Vec<RefusedValue> {
    let mut all = samples!(RefusedValue {
        RefusedValue::NotText => [RefusedValue::NotText],
        RefusedValue::Intake(_) => [RefusedValue::Intake(Refused::NoSecret)],
        RefusedValue::Paste(_) => [RefusedValue::Paste(paste::Refused::Required)],
    });
    let pastes = samples!(paste::Refused {
        paste::Refused::Required => [paste::Refused::Required],
        paste::Refused::TooLong => [paste::Refused::TooLong],
        paste::Refused::SetupPrefix => [paste::Refused::SetupPrefix],
        paste::Refused::SetupShort => [paste::Refused::SetupShort],
        paste::Refused::ApiKeyAsToken => [paste::Refused::ApiKeyAsToken],
        paste::Refused::TokenAsApiKey => [paste::Refused::TokenAsApiKey],
        paste::Refused::NotAnApiKey => [paste::Refused::NotAnApiKey],
        paste::Refused::Command => [paste::Refused::Command],
        paste::Refused::Reserved => [paste::Refused::Reserved],
        paste::Refused::EmptyDuration => [paste::Refused::EmptyDuration],
        paste::Refused::Duration => [paste::Refused::Duration],
        paste::Refused::ExpiryRange => [paste::Refused::ExpiryRange],
    });
    all.extend(refusals().into_iter().map(RefusedValue::Intake));
    all.extend(pastes.into_iter().map(RefusedValue::Paste));
    all
}

/// Why a value is not taken; what stands for a secret has the same words as a value, whatever it is.
fn refusals() -> Vec<Refused> {
    let mut all = samples!(Refused {
        Refused::Placeholder(_) => [Refused::Placeholder(Placeholder::Blank)],
        Refused::NoSecret => [Refused::NoSecret],
        Refused::Reference => [Refused::Reference],
        Refused::LostRefresh => [Refused::LostRefresh],
        Refused::Dotenv(_) => [Refused::Dotenv(Misfit::Quotes)],
        Refused::Nul => [Refused::Nul],
        Refused::TooLarge => [Refused::TooLarge],
        Refused::NotText => [Refused::NotText],
        Refused::LongName => [Refused::LongName],
        Refused::Ignored => [Refused::Ignored],
        Refused::NotThere => [Refused::NotThere],
        Refused::Powerful => [Refused::Powerful],
        Refused::Redirects => [Refused::Redirects],
        Refused::Referred => [Refused::Referred],
    });
    let listed: Vec<Refused> = Refused::all().collect();
    assert!(all.iter().all(|refused| listed.contains(refused)), "one is missing in Refused::all");
    all.push(Refused::Placeholder(Placeholder::Redacted));
    all.extend(listed.into_iter().filter(|refused| matches!(refused, Refused::Dotenv(_))));
    all
}

fn files() -> Vec<fsio::Error> {
    samples!(fsio::Error {
        fsio::Error::NotFound(_) => [fsio::Error::NotFound(path())],
        fsio::Error::Exists(_) => [fsio::Error::Exists(path())],
        fsio::Error::Kind(_) => [fsio::Error::Kind(path())],
        fsio::Error::Owner(..) => [fsio::Error::Owner(path(), 1000)],
        fsio::Error::Mode(..) => [fsio::Error::Mode(path(), 0o100_644)],
        fsio::Error::Writable(..) => [fsio::Error::Writable(path(), 0o40_777)],
        fsio::Error::Link(_) => [fsio::Error::Link(path())],
        fsio::Error::TooLarge(..) => [fsio::Error::TooLarge(path(), 1024)],
        fsio::Error::Busy(_) => [fsio::Error::Busy(path())],
        fsio::Error::Mounted(_) => [fsio::Error::Mounted(path())],
        fsio::Error::ReadBack(_) => [fsio::Error::ReadBack(path())],
        fsio::Error::Unsynced(_) => [fsio::Error::Unsynced(path())],
        fsio::Error::Io(..) => [fsio::Error::Io("sync", path(), io::ErrorKind::StorageFull.into())],
    })
}

fn seals() -> Vec<seal::Error> {
    samples!(seal::Error {
        seal::Error::NotAge => [seal::Error::NotAge],
        seal::Error::Bound(..) => [seal::Error::Bound("number of stanzas", 128)],
        seal::Error::Damaged => [seal::Error::Damaged],
        seal::Error::NoMatch => [seal::Error::NoMatch],
        seal::Error::NoSlot => [seal::Error::NoSlot],
        seal::Error::Memory(_) => [seal::Error::Memory(512)],
        seal::Error::BadIdentity(..) => [seal::Error::BadIdentity(3, "an age identity with a typing error")],
        seal::Error::LowOrder => [seal::Error::LowOrder],
        seal::Error::BadRecipient => [seal::Error::BadRecipient],
        seal::Error::PostQuantum => [seal::Error::PostQuantum],
        seal::Error::Plugin(..) => [
            seal::Error::Plugin("name".to_owned(), seal::PluginFault::Missing),
            seal::Error::Plugin("name".to_owned(), seal::PluginFault::Unsafe(path())),
            seal::Error::Plugin("name".to_owned(), seal::PluginFault::Failed),
            seal::Error::Plugin("name".to_owned(), seal::PluginFault::Silent(60)),
            seal::Error::Plugin("name".to_owned(), seal::PluginFault::Unanswered),
        ],
        seal::Error::Ssh(_) => [seal::Error::Ssh(seal::SshRefused::Rsa)],
        seal::Error::Gone => [seal::Error::Gone],
        seal::Error::Failed(_) => [seal::Error::Failed("sealing")],
    })
}

fn models() -> Vec<model::Error> {
    samples!(model::Error {
        model::Error::Malformed { .. } => [model::Error::Malformed { line: 1, column: 60 }],
        model::Error::Bound(..) => [model::Error::Bound("vault size", 1024)],
        model::Error::Newer => [model::Error::Newer],
        model::Error::Duplicate(_) => [model::Error::Duplicate(name())],
        model::Error::NoEntry(_) => [model::Error::NoEntry(name())],
        model::Error::Taken(_) => [model::Error::Taken(name())],
        model::Error::Conflict(_) => [model::Error::Conflict(name())],
        model::Error::LastRecipient => [model::Error::LastRecipient],
        model::Error::Slots(_) => [model::Error::Slots(8)],
    })
}

fn stores() -> Vec<store::Error> {
    let mut all = samples!(store::Error {
        store::Error::File(_) => [store::Error::File(fsio::Error::NotFound(path()))],
        store::Error::Seal(_) => [store::Error::Seal(seal::Error::NotAge)],
        store::Error::Model(_) => [store::Error::Model(model::Error::Newer)],
        store::Error::NotAuthentic(_) => [store::Error::NotAuthentic(pin())],
        store::Error::Retired(_) => [store::Error::Retired(pin())],
        store::Error::Unknown(_) => [store::Error::Unknown(pin())],
        store::Error::RolledBack => [store::Error::RolledBack],
        store::Error::Forked => [store::Error::Forked],
        store::Error::Raced => [store::Error::Raced],
        store::Error::Unreadable(_) => [store::Error::Unreadable(vec!["3-00ff.age".to_owned()])],
        store::Error::NotRecipient => [store::Error::NotRecipient],
        store::Error::NoGeneration(_) => [store::Error::NoGeneration(7)],
        store::Error::Record(_) => [store::Error::Record(path())],
        store::Error::AfterSave(_) => [store::Error::AfterSave(Box::new(store::Error::Random))],
        store::Error::Random => [store::Error::Random],
    });
    all.extend(files().into_iter().map(store::Error::File));
    all.extend(seals().into_iter().map(store::Error::Seal));
    all.extend(models().into_iter().map(store::Error::Model));
    all
}

fn sources() -> Vec<Source> {
    samples!(Source {
        Source::Identity(_) => [Source::Identity(path())],
        Source::IdentityStdin => [Source::IdentityStdin],
        Source::PassphraseFile(_) => [Source::PassphraseFile(path())],
        Source::PassphraseFd(_) => [Source::PassphraseFd(3)],
        Source::Command(_) => [Source::Command(Box::new(IdentityCommand { line: "c".into(), search: Vec::new(), without: Vec::new() }))],
        Source::Credential(_) => [Source::Credential(path())],
        Source::CredentialPassphrase(_) => [Source::CredentialPassphrase(path())],
        Source::Session(_) => [Source::Session(Box::new(keys::SessionPlace {
            dir: path(), vault: path(), vault_id: None, named: true,
        }))],
        Source::DefaultIdentity(_) => [Source::DefaultIdentity(path())],
        Source::Prompt => [Source::Prompt],
    })
}

fn key_errors() -> Vec<keys::Error> {
    let identity = || Source::Identity(path());
    let passphrase = || Source::PassphraseFile(path());
    let mut all = samples!(keys::Error {
        keys::Error::NoKey(_) => [keys::Error::NoKey(Vec::new()), keys::Error::NoKey(vec![Source::DefaultIdentity(path())])],
        keys::Error::File(..) => [keys::Error::File(identity(), fsio::Error::Mode(path(), 0o640))],
        keys::Error::Unusable(..) => [keys::Error::Unusable(identity(), seal::Error::NotAge)],
        keys::Error::Refused(..) => [keys::Error::Refused(passphrase(), seal::Refused::Empty)],
        keys::Error::Wrong(_) => [keys::Error::Wrong(Source::Prompt)],
        keys::Error::NoneOf(_) => [keys::Error::NoneOf(vec![identity(), Source::IdentityStdin])],
        keys::Error::PublicHalf(_) => [keys::Error::PublicHalf(identity())],
        keys::Error::Encrypted(_) => [keys::Error::Encrypted(identity())],
        keys::Error::NotItsPassphrase(_) => [keys::Error::NotItsPassphrase(identity())],
        keys::Error::Seal(_) => [keys::Error::Seal(seal::Error::Memory(512))],
        keys::Error::NoSession => [keys::Error::NoSession],
        keys::Error::NoTerminal => [keys::Error::NoTerminal],
        keys::Error::Interrupted => [keys::Error::Interrupted],
        keys::Error::Pasted => [keys::Error::Pasted],
        keys::Error::Command(_) => [keys::Error::Command(CommandError::Words)],
        keys::Error::Differ => [keys::Error::Differ],
    });
    let refusals = samples!(seal::Refused {
        seal::Refused::Empty => [seal::Refused::Empty],
        seal::Refused::TooLong => [seal::Refused::TooLong],
        seal::Refused::NotText => [seal::Refused::NotText],
        seal::Refused::Control => [seal::Refused::Control],
        seal::Refused::Memory => [seal::Refused::Memory],
    });
    all.extend(files().into_iter().map(|error| keys::Error::File(identity(), error)));
    all.extend(seals().into_iter().map(|error| keys::Error::Unusable(identity(), error)));
    all.extend(refusals.into_iter().map(|refused| keys::Error::Refused(passphrase(), refused)));
    all.extend(sources().into_iter().map(keys::Error::Wrong));
    all.extend(
        samples!(CommandError {
            CommandError::Words => [CommandError::Words],
            CommandError::NoProgram => [CommandError::NoProgram],
            CommandError::Unsafe(_) => [CommandError::Unsafe(path())],
            CommandError::NotRun(_) => [CommandError::NotRun(io::ErrorKind::PermissionDenied.into())],
            CommandError::Failed(_) => [CommandError::Failed(Some(3)), CommandError::Failed(None)],
            CommandError::TooLong(_) => [CommandError::TooLong(120)],
        })
        .into_iter()
        .map(keys::Error::Command),
    );
    all
}

fn sessions() -> Vec<session::Error> {
    samples!(session::Error {
        session::Error::File(_) => [session::Error::File(fsio::Error::Mode(path(), 0o755))],
        session::Error::Start => [session::Error::Start],
        session::Error::Stays => [session::Error::Stays],
        session::Error::Foreign => [session::Error::Foreign],
    })
}

fn gateways() -> Vec<gateway::Error> {
    samples!(gateway::Error {
        gateway::Error::File(_) => [gateway::Error::File(fsio::Error::NotFound(path()))],
        gateway::Error::Format(..) => [gateway::Error::Format(formats::Error::NotText, path())],
        gateway::Error::NoHome => [gateway::Error::NoHome],
        gateway::Error::Empty(_) => [gateway::Error::Empty(path())],
        gateway::Error::NoProgram => [gateway::Error::NoProgram],
        gateway::Error::NoNode => [gateway::Error::NoNode],
        gateway::Error::Program => [gateway::Error::Program],
        gateway::Error::StoreChanged => [gateway::Error::StoreChanged],
        gateway::Error::StoreBusy => [gateway::Error::StoreBusy],
        gateway::Error::Database(_, gateway::Fault::NotOne) => [gateway::Error::Database(path(), gateway::Fault::NotOne)],
        gateway::Error::Database(_, gateway::Fault::Damaged) => [gateway::Error::Database(path(), gateway::Fault::Damaged)],
        gateway::Error::Database(_, gateway::Fault::Busy) => [gateway::Error::Database(path(), gateway::Fault::Busy)],
        gateway::Error::Database(_, gateway::Fault::HalfWritten) => [gateway::Error::Database(path(), gateway::Fault::HalfWritten)],
        gateway::Error::Database(_, gateway::Fault::Bound) => [gateway::Error::Database(path(), gateway::Fault::Bound)],
        gateway::Error::Database(_, gateway::Fault::Table(_)) => [gateway::Error::Database(path(), gateway::Fault::Table("auth_profile_store"))],
        gateway::Error::Database(_, gateway::Fault::Owner) => [gateway::Error::Database(path(), gateway::Fault::Owner)],
        gateway::Error::Database(_, gateway::Fault::Unreadable) => [gateway::Error::Database(path(), gateway::Fault::Unreadable)],
    })
}

fn connects() -> Vec<connect::Error> {
    samples!(connect::Error {
        connect::Error::File(_) => [connect::Error::File(fsio::Error::NotFound(path()))],
        connect::Error::Gateway(_) => [connect::Error::Gateway(gateway::Error::NoProgram)],
        connect::Error::Views(_) => [connect::Error::Views(views::Error::OnDisk(path()))],
        connect::Error::Model(_) => [connect::Error::Model(model::Error::Newer)],
        connect::Error::Format(..) => [connect::Error::Format(formats::Error::NotText, path())],
        connect::Error::Resolver(_) => [
            connect::Error::Resolver(None),
            connect::Error::Resolver(Some(0)),
            connect::Error::Resolver(Some(4)),
        ],
        connect::Error::Unresolved(_) => [connect::Error::Unresolved(names())],
        connect::Error::ViewsGone(_) => [connect::Error::ViewsGone(vec![path()])],
        connect::Error::Unmigrated(_) => [connect::Error::Unmigrated(vec![path()])],
        connect::Error::NoReferences => [connect::Error::NoReferences],
        connect::Error::Store(_) => [connect::Error::Store(Box::new(fsio::Error::Owner(path(), 1000).into()))],
        connect::Error::AnotherVault(_) => [connect::Error::AnotherVault(path())],
        connect::Error::NotPutBack(_) => [connect::Error::NotPutBack(names())],
        connect::Error::Another(_) => [connect::Error::Another(path())],
        connect::Error::NotConnected(_) => [connect::Error::NotConnected(path())],
        connect::Error::Torn(_) => [connect::Error::Torn(names())],
        connect::Error::Untraced => [connect::Error::Untraced],
        connect::Error::ReadOnly(_) => [connect::Error::ReadOnly(None), connect::Error::ReadOnly(Some(path()))],
        connect::Error::TooMany(_) => [connect::Error::TooMany(512)],
        connect::Error::Record(_) => [connect::Error::Record(path())],
        connect::Error::PutBack(_) => [connect::Error::PutBack(names())],
    })
}

fn format_errors() -> Vec<formats::Error> {
    samples!(formats::Error {
        formats::Error::NotText => [formats::Error::NotText],
        formats::Error::ByteOrderMark => [formats::Error::ByteOrderMark],
        formats::Error::Syntax { .. } => [formats::Error::Syntax { line: 2, column: 5 }],
        formats::Error::NotEditable { .. } => [formats::Error::NotEditable { path: "gateway.auth".to_owned(), line: 2, column: 5 }],
        formats::Error::Bound(..) => [formats::Error::Bound("input size", 1024)],
        formats::Error::Shape(_) => [formats::Error::Shape("credential")],
        formats::Error::Unrepresentable { .. } => [formats::Error::Unrepresentable { name: "NAME".to_owned(), why: Misfit::Quotes }],
    })
}

fn view_errors() -> Vec<views::Error> {
    samples!(views::Error {
        views::Error::File(_) => [views::Error::File(fsio::Error::Link(path()))],
        views::Error::Model(_) => [views::Error::Model(model::Error::Newer)],
        views::Error::Format(_) => [views::Error::Format(formats::Error::NotText)],
        views::Error::Stale => [views::Error::Stale],
        views::Error::Changed(_) => [views::Error::Changed(names())],
        views::Error::Unreadable(_) => [views::Error::Unreadable(vec![path()])],
        views::Error::Superseded(_) => [views::Error::Superseded(names())],
        views::Error::NotOurs(_) => [views::Error::NotOurs(vec![path()])],
        views::Error::Originals(_) => [views::Error::Originals(vec![path()])],
        views::Error::OnDisk(_) => [views::Error::OnDisk(path())],
        views::Error::Ignored => [views::Error::Ignored],
        views::Error::HoldsStore(_) => [views::Error::HoldsStore(path())],
        views::Error::Unrepresentable(_) => [views::Error::Unrepresentable("NAME".to_owned())],
        views::Error::NoAgent(_) => [views::Error::NoAgent("coder".to_owned())],
        views::Error::Record(_) => [views::Error::Record(path())],
        views::Error::InUse(_) => [views::Error::InUse(path())],
    })
}

fn runs() -> Vec<run::Error> {
    let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
    let too_much = |largest| TooMuch { size: 7_000_000, bound: 2_097_152, largest };
    samples!(run::Error {
        run::Error::Views(_) => [
            run::Error::Views(views::Error::OnDisk(path())),
            run::Error::Views(views::Error::Changed(names())),
            run::Error::Views(views::Error::NotOurs(vec![path()])),
            run::Error::Views(views::Error::InUse(path())),
        ],
        run::Error::Model(_) => [run::Error::Model(model::Error::Newer)],
        run::Error::KeepsEnvironment => [run::Error::KeepsEnvironment],
        run::Error::NoEntry(_) => [run::Error::NoEntry(vec![1, 3])],
        run::Error::NoText(_) => [run::Error::NoText(vec![2])],
        run::Error::Twice(_) => [run::Error::Twice("NAME".to_owned())],
        run::Error::Powerful(_) => [run::Error::Powerful(vec!["NODE_OPTIONS".to_owned(), "PATH".to_owned()])],
        run::Error::Nul(_) => [run::Error::Nul(vec!["NAME".to_owned()])],
        run::Error::TooLong(..) => [run::Error::TooLong(vec!["NAME".to_owned()], 131_071)],
        run::Error::TooMuch(_) => [
            run::Error::TooMuch(too_much(vec!["NAME".to_owned(), "OTHER".to_owned()])),
            run::Error::TooMuch(too_much(vec![])),
        ],
        run::Error::NotFound => [run::Error::NotFound],
        run::Error::NotExecutable(_) => [run::Error::NotExecutable(refused())],
        run::Error::NotStarted(_) => [run::Error::NotStarted(refused())],
    })
}

fn imports() -> Vec<import::Error> {
    samples!(import::Error {
        import::Error::Model(_) => [import::Error::Model(model::Error::Newer)],
        import::Error::Conflict(_) => [import::Error::Conflict(names())],
        import::Error::Referred(_) => [import::Error::Referred(names())],
        import::Error::Disputed(_) => [import::Error::Disputed(names())],
        import::Error::Unrepresentable(_) => [import::Error::Unrepresentable(names())],
    })
}

/// Every reason for which something is not read.
fn unread() -> Vec<gateway::Unread> {
    let whys = samples!(gateway::Why {
        gateway::Why::File(_) => [gateway::Why::File(fsio::Error::NotFound(path()))],
        gateway::Why::Relative => [gateway::Why::Relative],
        gateway::Why::Format(_) => [gateway::Why::Format(formats::Error::NotText)],
        gateway::Why::Database(_) => [gateway::Why::Database(gateway::Fault::Damaged)],
        gateway::Why::Include => [gateway::Why::Include],
    });
    let of = |why| gateway::Unread { path: path(), row: None, why };
    let mut all: Vec<_> = whys.into_iter().map(of).collect();
    let row = Some("auth_profile_store/primary");
    all.push(gateway::Unread { path: path(), row, why: gateway::Why::Format(formats::Error::Shape("auth-profiles")) });
    all
}

/// Every error of the command line, in chapters.
fn chapters() -> Vec<(&'static str, Vec<Cli>)> {
    let own = samples!(Cli {
        Cli::Usage(_) => [Cli::Usage(Usage::Agent)],
        Cli::Store(_) => [Cli::Store(store::Error::RolledBack)],
        Cli::Keys(_) => [Cli::Keys(keys::Error::NoTerminal)],
        Cli::Session(_) => [Cli::Session(session::Error::Start)],
        Cli::Gateway(_) => [Cli::Gateway(gateway::Error::Empty(path()))],
        Cli::Format(..) => [Cli::Format(formats::Error::NotText, None)],
        Cli::Views(_) => [Cli::Views(views::Error::OnDisk(path()))],
        Cli::Import(_) => [Cli::Import(import::Error::Conflict(names()))],
        Cli::Connect(_) => [Cli::Connect(connect::Error::TooMany(512))],
        Cli::Unattended => [Cli::Unattended],
        Cli::Left(_) => [
            Cli::Left(Findings { left: 1, stale: false, planned: false }),
            Cli::Left(Findings { left: 3, stale: false, planned: false }),
            Cli::Left(Findings { left: 0, stale: true, planned: false }),
            Cli::Left(Findings { left: 3, stale: true, planned: false }),
            Cli::Left(Findings { left: 3, stale: false, planned: true }),
        ],
        Cli::Unreadable(_) => [Cli::Unreadable(Box::new(unread().swap_remove(0)))],
        Cli::Unread(..) => [Cli::Unread(1, Box::new(unread().swap_remove(1))), Cli::Unread(3, Box::new(unread().swap_remove(2)))],
        Cli::Connected(_) => [Cli::Connected(names())],
        Cli::Asked(_) => [Cli::Asked(name())],
        Cli::Unresolvable(_) => [Cli::Unresolvable(1), Cli::Unresolvable(3)],
        Cli::Run(_) => [Cli::Run(run::Error::NotFound)],
        Cli::LeftViews(_) => [Cli::LeftViews(names())],
        Cli::CaptureConflict(_) => [
            Cli::CaptureConflict(names().into_iter().map(|name| (name, Why::BothChanged)).collect()),
            Cli::CaptureConflict(vec![(name(), Why::LostRefresh)]),
            Cli::CaptureConflict(Why::ALL.map(|why| (name(), why)).to_vec()),
        ],
        Cli::NoVault(..) => [Cli::NoVault(path(), None), Cli::NoVault(path(), Some(7))],
        Cli::KeptGenerations => [Cli::KeptGenerations],
        Cli::DamagedBackup => [Cli::DamagedBackup],
        Cli::BackupKey => [Cli::BackupKey],
        Cli::NoBackup => [Cli::NoBackup],
        Cli::BackupPin(_) => [Cli::BackupPin(pin())],
        Cli::UnknownBackup(_) => [Cli::UnknownBackup(pin())],
        Cli::Value(_) => [Cli::Value(RefusedValue::NotText)],
        Cli::Request(_) => [
            Cli::Request(exec::Refused::Malformed),
            Cli::Request(exec::Refused::Version),
            Cli::Request(exec::Refused::TooMany),
            Cli::Request(exec::Refused::TooLong),
        ],
        Cli::Deadline(_) => [Cli::Deadline(std::time::Duration::from_secs(14))],
        Cli::NoHome => [Cli::NoHome],
        Cli::Merge(..) => [Cli::Merge("far/vault.age".to_owned(), Why::ALL.iter().map(|why| (conflict(*why), "ours of laptop, theirs of desk".to_owned())).collect())],
        Cli::Of(..) => [Cli::Of("vault.sync-conflict-1.age".to_owned(), Box::new(Cli::BackupKey))],
        Cli::ChangedSince(_) => [Cli::ChangedSince(vec!["env/NAME".to_owned()])],
        Cli::MergeAsks => [Cli::MergeAsks],
        Cli::NotACopy(_) => [Cli::NotACopy(pin())],
        Cli::NoState(_) => [Cli::NoState("v1.2".to_owned())],
        Cli::Ambiguous(..) => [Cli::Ambiguous(12, vec!["12-0a1b2c3d".to_owned(), "12-4e5f6071".to_owned()])],
        Cli::NoChange(_) => [Cli::NoChange("env/NAME".to_owned())],
        Cli::NoWorkTree(_) => [Cli::NoWorkTree("/home/claw/vaults".into())],
        Cli::OnlyReference => [Cli::OnlyReference],
        Cli::NoRuntimeDir => [Cli::NoRuntimeDir],
        Cli::Declined => [Cli::Declined],
        Cli::Findings(..) => [Cli::Findings(0, 0), Cli::Findings(1, 1), Cli::Findings(2, 3)],
        Cli::Verdict(_) => [Cli::Verdict(0), Cli::Verdict(1), Cli::Verdict(2)],
        Cli::Killed(_) => [Cli::Killed(15)],
        Cli::Pipe => [Cli::Pipe],
    });
    vec![
        ("the command line", usages().into_iter().map(Cli::Usage).collect()),
        ("values", values().into_iter().map(Cli::Value).collect()),
        ("the opening key", key_errors().into_iter().map(Cli::Keys).collect()),
        ("a session", sessions().into_iter().map(Cli::Session).collect()),
        ("the vault", stores().into_iter().map(Cli::Store).collect()),
        ("the gateway's state directory", gateways().into_iter().map(Cli::Gateway).collect()),
        ("connecting a gateway", connects().into_iter().map(Cli::Connect).collect()),
        ("files of other formats", format_errors().into_iter().map(|error| Cli::Format(error, Some(path()))).collect()),
        ("what could not be read", unread().into_iter().map(Box::new).map(Cli::Unreadable).collect()),
        ("import", imports().into_iter().map(Cli::Import).collect()),
        ("views", view_errors().into_iter().map(Cli::Views).collect()),
        ("run", runs().into_iter().map(Cli::Run).collect()),
        ("all the rest", own),
    ]
}

fn findings() -> Vec<Finding> {
    let time = Duration::from_millis;
    let named = |exists| Some(NamedKey { option: "-i", path: path(), exists });
    let mut all = samples!(Finding {
        Finding::NotConnected => [Finding::NotConnected],
        Finding::Entry(_) => [Finding::Entry(EntryMisfit::Source)],
        Finding::Gone => [Finding::Gone],
        Finding::Link => [Finding::Link],
        Finding::NotAFile => [Finding::NotAFile],
        Finding::Owner(_) => [Finding::Owner(1001)],
        Finding::Writable(_) => [Finding::Writable(0o775)],
        Finding::NotExecutable(_) => [Finding::NotExecutable(0o600)],
        Finding::Untrusted => [Finding::Untrusted],
        Finding::Another => [Finding::Another],
        Finding::TooMany(_) => [Finding::TooMany(600)],
        Finding::Failed(..) => [
            Finding::Failed(None, None),
            Finding::Failed(Some(0), None),
            Finding::Failed(Some(1), None),
            Finding::Failed(Some(2), None),
            Finding::Failed(Some(3), None),
            Finding::Failed(Some(4), None),
            Finding::Failed(Some(4), named(false)),
            Finding::Failed(Some(4), named(true)),
            Finding::Failed(Some(5), None),
            Finding::Failed(Some(7), None),
            Finding::Failed(Some(8), named(true)),
            Finding::Failed(Some(9), None),
        ],
        Finding::TooSlow(_) => [Finding::TooSlow(time(5000))],
        Finding::Slow(..) => [Finding::Slow(time(3000), time(5000))],
        Finding::TooMuch(_) => [Finding::TooMuch(1024)],
        Finding::Missing(_) => [Finding::Missing(names())],
        Finding::ViewsGone(_) => [Finding::ViewsGone(vec![path()])],
        Finding::Drift(_) => [Finding::Drift(Drift::Gone(names()))],
    });
    let version = gateway::Version(2026, 9, 6);
    all.extend(
        samples!(Drift {
            Drift::Gone(_) => [Drift::Gone(names())],
            Drift::Unread(_) => [Drift::Unread(path())],
            Drift::NoEntry => [Drift::NoEntry],
            Drift::NoProgram(_) => [Drift::NoProgram(path())],
            Drift::Unresolved(_) => [Drift::Unresolved(names())],
            Drift::Plaintext(_) => [Drift::Plaintext(names())],
            Drift::Unmigrated(_) => [Drift::Unmigrated(vec![path()])],
            Drift::ViewsGone(_) => [Drift::ViewsGone(vec![path()])],
            Drift::Moved(_) => [Drift::Moved(version)],
            Drift::Version { .. } => [Drift::Version { was: "2026.6.11".to_owned(), now: version }],
        })
        .into_iter()
        .skip(1)
        .map(Finding::Drift),
    );
    all.extend(
        samples!(EntryMisfit {
            EntryMisfit::Source => [EntryMisfit::Source],
            EntryMisfit::Command => [EntryMisfit::Command],
            EntryMisfit::Unknown(_) => [EntryMisfit::Unknown("allowInsecurePath".to_owned())],
            EntryMisfit::Bounds(_) => [EntryMisfit::Bounds("timeoutMs")],
            EntryMisfit::Secret(_) => [EntryMisfit::Secret("OPENAI_API_KEY".to_owned())],
        })
        .into_iter()
        .skip(1)
        .map(Finding::Entry),
    );
    all
}

fn notes() -> Vec<NoteKind> {
    let mut all = samples!(NoteKind {
        NoteKind::Reference => [NoteKind::Reference],
        NoteKind::EnvReference => [NoteKind::EnvReference],
        NoteKind::Shadowed => [NoteKind::Shadowed],
        NoteKind::TakenOut => [NoteKind::TakenOut],
        NoteKind::Superseded => [NoteKind::Superseded],
        NoteKind::Elsewhere => [NoteKind::Elsewhere],
        NoteKind::Beside => [NoteKind::Beside],
        NoteKind::Marker => [NoteKind::Marker],
        NoteKind::NotAText => [NoteKind::NotAText],
        NoteKind::NotAnObject => [NoteKind::NotAnObject],
        NoteKind::UnknownType => [NoteKind::UnknownType],
        NoteKind::NoProvider => [NoteKind::NoProvider],
        NoteKind::NotAName => [NoteKind::NotAName],
        NoteKind::Blank => [NoteKind::Blank],
        NoteKind::Mangled(_) => [NoteKind::Mangled(Mangle::LineBreak)],
        NoteKind::Empty => [NoteKind::Empty],
        NoteKind::Duplicate => [NoteKind::Duplicate],
        NoteKind::Nul => [NoteKind::Nul],
        NoteKind::NotUtf8 => [NoteKind::NotUtf8],
        NoteKind::Replaced => [NoteKind::Replaced],
        NoteKind::NotUtf8Between => [NoteKind::NotUtf8Between],
        NoteKind::TooLarge => [NoteKind::TooLarge],
        NoteKind::Torn => [NoteKind::Torn],
        NoteKind::Commented => [NoteKind::Commented],
        NoteKind::Shell => [NoteKind::Shell],
        NoteKind::Unread => [NoteKind::Unread],
    });
    all.extend(mangles().into_iter().map(NoteKind::Mangled));
    all
}

fn mangles() -> Vec<Mangle> {
    samples!(Mangle {
        Mangle::LineBreak => [Mangle::LineBreak],
        Mangle::NotLatin1 => [Mangle::NotLatin1],
        Mangle::Control => [Mangle::Control],
        Mangle::Edges => [Mangle::Edges],
    })
}

/// The words of everything that has some, each once.
fn spoken() -> Vec<(&'static str, Vec<Words>)> {
    let mut told: Vec<Words> = Vec::new();
    let mut fresh = |errors: Vec<Cli>| {
        let mut all: Vec<Words> = errors.iter().map(words::of).filter(|words| !words.what.is_empty()).collect();
        all.retain(|words| {
            let is_new = !told.contains(words);
            if is_new {
                told.push(words.clone());
            }
            is_new
        });
        all
    };
    let mut all: Vec<_> = chapters().into_iter().map(|(chapter, errors)| (chapter, fresh(errors))).collect();
    all.push(("what resolve --check finds", findings().iter().map(words::finding).collect()));
    all
}

#[test]
fn golden() {
    let mut text = String::from("All messages: exit code and token, what happened, what to do.\n");
    for (chapter, all) in spoken() {
        text += &format!("\n== {chapter}\n");
        for words in all {
            text += &format!("\n{} {}\n{}\n", words.exit, words.token, words.what);
            if !words.hint.is_empty() {
                text += &format!("  {}\n", words.hint);
            }
        }
    }
    text += "\n== notes of an import\n\n";
    let mut told: Vec<&str> = notes().into_iter().map(note).chain(mangles().into_iter().map(mangled)).collect();
    told.sort_unstable();
    told.dedup();
    told.iter().for_each(|note| text += &format!("{note}\n"));
    text += "\n== why a value is left out, and what to do where a capture leaves it out\n";
    let mut before = String::new();
    for why in Refused::all().map(Refused::token).chain(Why::ALL.map(Why::token)) {
        let (what, remedy) = words::left_out(why, "env/NAME");
        text += &format!("\n{why}: {what}\n");
        if remedy != before {
            text += &format!("  {remedy}\n");
        }
        before = remedy;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(GOLDEN, &text).unwrap_or_else(|error| panic!("{GOLDEN}: {error}"));
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    let differs = text.lines().zip(golden.lines()).position(|(now, then)| now != then);
    let at = differs.unwrap_or_else(|| text.lines().count().min(golden.lines().count()));
    assert!(
        text == golden,
        "line {} of {GOLDEN} is now:\n{}\nread it, then UPDATE_GOLDEN=1",
        at + 1,
        text.lines().nth(at).unwrap_or("(the end)")
    );
}

/// Words that are names: they keep their capitals, and a message may begin with one.
fn is_a_name(word: &str) -> bool {
    let variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    word.chars().all(variable) || ["Argon2id", "OpenAI's"].contains(&word)
}

#[test]
fn messages_begin_in_lower_case_and_end_without_a_full_stop() {
    let all = spoken().into_iter().flat_map(|(_, words)| words);
    let mut texts: Vec<String> =
        all.flat_map(|words| [words.what, words.hint]).filter(|text| !text.is_empty()).collect();
    texts.extend(notes().into_iter().map(|kind| note(kind).to_owned()));
    for text in texts {
        let first = text.split_whitespace().next().unwrap_or_default();
        let lower = text.chars().next().is_some_and(|first| !first.is_uppercase());
        assert!(lower || is_a_name(first), "begins with a capital: {text}");
        let ends = text.ends_with(['!', '?', ':', ';', ',']) || text.ends_with('.') && !text.ends_with(" ...");
        let asks = text.contains("did you mean") && text.ends_with('?');
        assert!(!ends || asks, "ends with a stop: {text}");
        assert!(!text.contains("  ") && !text.chars().any(char::is_control), "blanks or control characters: {text:?}");
        assert!(text == text.trim(), "blanks at its ends: {text:?}");
    }
}

#[test]
fn every_message_has_an_exit_code_of_the_table() {
    let table: Vec<u8> = (1..=10).chain([126, 127, 130]).collect();
    for (_, all) in spoken() {
        for words in all {
            assert!(table.contains(&words.exit), "{} with {}: {}", words.token, words.exit, words.what);
        }
    }
}

#[test]
fn a_token_is_a_word_and_always_means_the_same() {
    // One message, one token; one token, one exit code. What is wrong with a key is told with
    // the words for any file, but cannot unlock: 4 instead of their own code.
    let (mut exits, mut tokens) = (BTreeMap::new(), BTreeMap::new());
    for (chapter, all) in spoken() {
        for words in all {
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(words.token.chars().all(kebab), "{}", words.token);
            let token = *tokens.entry(words.what.clone()).or_insert(words.token);
            assert_eq!(token, words.token, "two tokens for: {}", words.what);
            let as_key = chapter == "the opening key" && words.exit == words::exit::LOCKED;
            if !as_key {
                let exit = *exits.entry(words.token).or_insert(words.exit);
                assert_eq!(exit, words.exit, "two exit codes for {}: {}", words.token, words.what);
            }
        }
    }
}
