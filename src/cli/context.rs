//! From what was typed and set to what commands need: paths, key sources, policies.

use super::args::Globals;
use super::ask::Terminal;
use super::environment::{
    absolute, credentials, default_identity, gateway_settings, identity_command, var_number, var_path, xdg,
};
pub use super::opened::Opened;
use super::out::Out;
use super::plugins::Plugins;
use super::unlock::session_place;
use super::{Error, Usage};
use crate::gateway::{self, Settings, Version};
use crate::keys::{self, Found, Ladder, Source};
use crate::model::Scope;
use crate::ops::connect::Connection;
use crate::seal::{self, Opener};
use crate::secret::SecretBuf;
use crate::store::{self, Local, Pin, Place, Policy, Seen};
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that commands share.
pub struct Context {
    /// Where output goes.
    pub out: Out,
    /// Who can be asked.
    pub terminal: Terminal,
    /// What this host remembers.
    pub local: Local,
    /// How much a vault must prove.
    pub policy: Policy,
    /// What was typed.
    pub globals: Globals,
    /// The command and its subcommand, such as `recipients add`.
    pub command: String,
    /// Whether a session is a key for this command.
    session_counts: bool,
    vault: PathBuf,
    pub(super) ladder: Ladder,
    patience: Duration,
}

impl Context {
    /// Reads the environment; nothing is opened or made. With `both_keys` an identity and a
    /// passphrase may be named together, as `init` takes them. A session may not count as a key.
    ///
    /// # Errors
    /// No home directory, options that exclude each other.
    pub fn new(globals: Globals, command: String, both_keys: bool, session_counts: bool) -> Result<Self, Error> {
        let vault = match globals.vault.clone().or_else(|| var_path("AGEVAULT_FILE")) {
            Some(path) => path,
            None => xdg("XDG_DATA_HOME", ".local/share")?.join("agevault/vault.age"),
        };
        let local = match globals.local_state.clone().or_else(|| var_path("AGEVAULT_STATE_DIR")) {
            Some(path) => path,
            None => xdg("XDG_STATE_HOME", ".local/state")?.join("agevault"),
        };
        let given_passphrase = globals.passphrase_fd.is_some() || globals.passphrase_file.is_some();
        let session = globals.session.is_some() && session_counts;
        let given = [!globals.identity.is_empty(), given_passphrase, globals.prompt, session];
        if (given.iter().filter(|given| **given).count() > 1 && !both_keys)
            || (globals.passphrase_fd.is_some() && globals.passphrase_file.is_some())
        {
            return Err(Usage::TwoKeys.into());
        }
        if globals.pin.as_deref().is_some_and(|pin| !Pin::is_fingerprint(pin)) {
            return Err(Usage::Pin.into());
        }
        let version = globals.gateway_version.as_deref();
        if version.is_some_and(|version| version != "none" && Version::parse(version).is_none()) {
            return Err(Usage::GatewayVersion.into());
        }
        seal::set_plugin_host(Box::new(Plugins::new(globals.no_input, globals.quiet)));
        let ladder = Ladder {
            identities: globals.identity.iter().map(|path| identity_source(path)).collect(),
            passphrase_fd: globals.passphrase_fd,
            passphrase_file: globals.passphrase_file.clone(),
            env_identities: env::var_os("AGEVAULT_IDENTITY_FILE")
                .map(|paths| env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()).collect())
                .unwrap_or_default(),
            env_passphrase_fd: var_number("AGEVAULT_PASSPHRASE_FD")?,
            env_passphrase_file: var_path("AGEVAULT_PASSPHRASE_FILE"),
            identity_command: identity_command(),
            credentials: credentials(),
            session: None,
            default_identity: default_identity().ok(),
            prompt_only: globals.prompt,
            no_input: globals.no_input,
        };
        let vault = absolute(&vault)?;
        // Where there is no place for one there is none.
        let session = session_place(&globals, &vault).ok().filter(|_| session_counts);
        Ok(Self {
            out: Out { json: globals.json, quiet: globals.quiet },
            terminal: Terminal::new(globals.no_input, globals.quiet, globals.yes),
            local: Local::new(absolute(&local)?),
            policy: Policy { pin: globals.pin.clone(), accept_rollback: globals.accept_rollback, report_only: false },
            vault,
            ladder: Ladder { session, ..ladder },
            patience: Duration::from_secs(globals.lock_timeout),
            globals,
            command,
            session_counts,
        })
    }

    /// The vault's path as it was given.
    pub fn vault_path(&self) -> &Path {
        &self.vault
    }

    /// The passphrase named by an option, or else by a variable.
    pub fn named_passphrase(&self) -> Option<Source> {
        let Ladder { passphrase_fd, passphrase_file, env_passphrase_fd, env_passphrase_file, .. } = &self.ladder;
        let fd = |fd: &Option<i32>| fd.map(Source::PassphraseFd);
        let file = |file: &Option<PathBuf>| file.clone().map(Source::PassphraseFile);
        let given = fd(passphrase_fd).or_else(|| file(passphrase_file));
        given.or_else(|| fd(env_passphrase_fd)).or_else(|| file(env_passphrase_file))
    }

    /// The identities named by `-i`.
    pub fn named_identities(&self) -> Vec<Source> {
        self.globals.identity.iter().map(|path| identity_source(path)).collect()
    }

    /// The id of the vault that this host knows at the vault's path.
    ///
    /// # Errors
    /// A record of local state that cannot be read.
    pub fn known_id(&self) -> Result<Option<String>, Error> {
        let real = crate::fsio::real_path(&self.vault).unwrap_or_else(|_| self.vault.clone());
        Ok(self.local.at_path(&real)?)
    }

    /// The options by which a program without a person opens the vault with the same key, paths
    /// absolute; none for a service's credential, which it finds itself.
    ///
    /// # Errors
    /// [`Error::Unattended`] for a key that only a person has.
    pub fn unattended_key(&self) -> Result<Vec<String>, Error> {
        let option = |name: &str, path: &Path| -> Result<[String; 2], Error> {
            Ok([name.to_owned(), absolute(path)?.to_str().ok_or(Error::Unattended)?.to_owned()])
        };
        let mut options = Vec::new();
        for source in self.ladder().first_present() {
            match source {
                Source::Identity(path) | Source::DefaultIdentity(path) => options.extend(option("-i", &path)?),
                Source::PassphraseFile(path) => options.extend(option("--passphrase-file", &path)?),
                Source::Credential(_) | Source::CredentialPassphrase(_) => return Ok(Vec::new()),
                Source::Session(place) => options.extend(option("--session", &place.dir)?),
                _ => return Err(Error::Unattended),
            }
        }
        if options.is_empty() { Err(Error::Unattended) } else { Ok(options) }
    }

    /// The file whose key opened the vault, if stock age takes it as an identity.
    pub fn key_file(&self) -> Option<PathBuf> {
        let file = |source| match source {
            Source::Identity(path) | Source::DefaultIdentity(path) | Source::Credential(path) => absolute(&path).ok(),
            _ => None,
        };
        self.ladder().first_present().into_iter().find_map(file)
    }

    /// How long to wait for a lock.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The place of the vault, which must be there.
    ///
    /// # Errors
    /// [`Error::NoVault`].
    pub fn place(&self) -> Result<Place, Error> {
        let place = self.kept_place()?;
        if place.exists()? {
            return Ok(place);
        }
        let newest = store::history(&place)?.last().map(|snapshot| snapshot.generation);
        Err(Error::NoVault(place.path().to_owned(), newest))
    }

    /// The same where only kept generations may be left.
    ///
    /// # Errors
    /// [`Error::NoVault`] when not even its directory is there.
    pub fn kept_place(&self) -> Result<Place, Error> {
        Place::at(&self.vault).map_err(|error| match error {
            store::Error::File(error) if error.is_not_found() => Error::NoVault(self.vault.clone(), None),
            other => other.into(),
        })
    }

    /// Reads and opens the vault.
    ///
    /// # Errors
    /// No vault, no key, the wrong key, a damaged file.
    pub fn open(&mut self) -> Result<Opened, Error> {
        let place = self.place()?;
        let sealed = place.read()?;
        let (plain, opener) = self.unlock(&sealed, place.path())?;
        Ok(Opened { place, seen: Seen::new(sealed, plain, opener) })
    }

    /// The same with every other key that an option names: what one of them alone does not open, another may.
    ///
    /// # Errors
    /// As [`Context::open`], for each of them.
    pub fn open_with_all(&mut self) -> Result<Opened, Error> {
        let place = self.place()?;
        let sealed = place.read()?;
        let (plain, opener) = self.unlock(&sealed, place.path())?;
        let mut beside = Vec::new();
        let used = self.ladder().first_present();
        for source in self.named_identities().iter().filter(|source| !used.contains(source)) {
            beside.extend(keys::read_identities(source, &mut self.terminal)?.into_iter().map(Opener::new));
        }
        let Globals { passphrase_fd, passphrase_file, .. } = &self.globals;
        let passphrase = passphrase_fd.map(Source::PassphraseFd);
        let passphrase = passphrase.or_else(|| passphrase_file.clone().map(Source::PassphraseFile));
        if let Some(source) = passphrase.filter(|source| !used.contains(source)) {
            beside.push(self.unlock_with(&sealed, place.path(), Some(source))?.1);
        }
        Ok(Opened { place, seen: Seen::new(sealed, plain, opener.with(beside)) })
    }

    /// Every key source as it is found; with the vault, if there is one, cheap ones are tried.
    pub fn survey(&self, sealed: Option<&[u8]>) -> Vec<Found> {
        keys::survey(sealed, &self.ladder(), self.terminal.present())
    }

    /// Opens any sealed vault with the key sources of this command.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub fn unlock(&mut self, sealed: &[u8], path: &Path) -> Result<(SecretBuf, Opener), Error> {
        let (ladder, local) = (self.ladder(), &self.local);
        match keys::unlock(sealed, &ladder, &mut self.terminal, path, &|| slot_labels(local, path)) {
            Err(keys::Error::NoKey(_)) if !self.session_counts && self.is_unlocked() => Err(Usage::AsksAgain.into()),
            other => Ok(other?),
        }
    }

    /// Opens a sealed vault with a key of its own, or else by asking.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub fn unlock_with(
        &mut self,
        sealed: &[u8],
        path: &Path,
        key: Option<Source>,
    ) -> Result<(SecretBuf, Opener), Error> {
        let mut ladder = Ladder { no_input: self.globals.no_input, ..Ladder::default() };
        match key {
            Some(Source::PassphraseFile(file)) => ladder.passphrase_file = Some(file),
            Some(Source::PassphraseFd(fd)) => ladder.passphrase_fd = Some(fd),
            Some(identity) => ladder.identities = vec![identity],
            None => {}
        }
        Ok(keys::unlock(sealed, &ladder, &mut self.terminal, path, &Vec::new)?)
    }

    /// Whether standard input holds the key, so that nothing else can come from there.
    pub fn takes_key_from_stdin(&self) -> bool {
        let is_stdin = |source: &Source| matches!(source, Source::IdentityStdin | Source::PassphraseFd(0));
        self.ladder.first_present().iter().any(is_stdin)
    }

    /// What is said of the gateway.
    pub fn settings(&self) -> Settings {
        self.settings_of(None)
    }

    /// The same for the gateway of this state directory, if no other one was named. Which program it is holds as it was
    /// said when the gateway was connected.
    pub fn settings_of(&self, state_dir: Option<PathBuf>) -> Settings {
        let settings = gateway_settings(&self.globals, self.globals.state_dir.clone().or(state_dir));
        let state_dir = gateway::resolve(&settings).unwrap_or_default();
        let connected = Connection::of_gateway(self.local.root(), &state_dir);
        let program = connected.into_iter().find_map(|connection| connection.program).filter(|path| path.exists());
        let vault = Some(self.vault_path().to_owned());
        Settings { openclaw: settings.openclaw.clone().or(program), vault, ..settings }
    }
}

/// Labels of the passphrases that open the vault last seen at `path`.
fn slot_labels(local: &Local, path: &Path) -> Vec<String> {
    let id = local.at_path(path).ok().flatten();
    let known = id.and_then(|id| local.known(&id).ok().flatten());
    known.map(|known| known.slots.into_iter().map(|slot| slot.label).collect()).unwrap_or_default()
}

fn identity_source(path: &Path) -> Source {
    match path {
        _ if path.as_os_str() == "-" => Source::IdentityStdin,
        _ if credentials().is_some_and(|dir| path.parent() == Some(&dir)) => Source::Credential(path.to_owned()),
        _ => Source::Identity(path.to_owned()),
    }
}

/// An agent named on the command line.
///
/// # Errors
/// [`Usage::Agent`].
pub fn agent(name: &str) -> Result<Scope, Error> {
    let scope = Scope::parse(name).ok().filter(Scope::is_agent);
    scope.ok_or_else(|| Usage::Agent.into())
}
