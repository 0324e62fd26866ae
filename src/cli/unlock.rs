//! `unlock` and `lock`: a session, and what every other command knows of it.

use super::args::{Globals, Unlock};
use super::context::Context;
use super::environment::{absolute, runtime_dir, user, xdg};
use super::handover::connection;
use super::{Error, Usage, units, words};
use crate::formats::paste;
use crate::gateway::{self, Started};
use crate::keys::{self, Ladder, SessionPlace, Source};
use crate::ops::connect::{Connection, Reload};
use crate::seal::Identity;
use crate::session::{self, Session, Terms};
use crate::store::{now, tag_message};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How long a session lasts where nobody says it and no gateway depends on it.
const USUAL: Duration = Duration::from_secs(60 * 60);

/// Starts a session with the key that opens the vault, then has a connected gateway ask again.
pub fn unlock(context: &mut Context, args: &Unlock) -> Result<(), Error> {
    let asked = args.lasts.as_deref().map(duration).transpose()?;
    let SessionPlace { dir, .. } = place_for(context)?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    let vault_id = checked.vault.vault_id.clone();
    let connection = connection(context, &vault_id);
    let usual = if connection.is_some() { None } else { Some(USUAL) };
    let vouched = tag_message(&checked.vault, &checked.pin);
    let vault = opened.place.path().to_owned();
    let terms = Terms { dir, vault, vault_id, vouched, lasts: asked.unwrap_or(usual) };
    let key = opened.seen.opener().identity().and_then(Identity::to_secret).ok_or(Usage::NotHeld)?;
    let program =
        std::env::current_exe().map_err(|error| crate::fsio::Error::io("find", Path::new("agevault"), error))?;
    let session = session::start(&program, &["hold-session"], &terms, &key)?;
    drop(key);
    tell(context, &session, &terms)?;
    match connection.filter(|_| !args.no_reload) {
        Some(connection) => reload(context, &connection),
        None => Ok(()),
    }
}

/// Ends the session for this vault; none is fine.
pub fn lock(context: &Context) -> Result<(), Error> {
    let place = place_for(context)?;
    // Whatever the id: it is the path that somebody wants locked.
    let locked = Session::lock(&place.dir, &place.vault)?;
    // A path may lead elsewhere than it did, or another vault was meant.
    let (others, silent) = if locked { (Vec::new(), 0) } else { Session::vaults(&place.dir) };
    if context.out.json {
        let others: Vec<String> = others.iter().map(|vault| vault.display().to_string()).collect();
        return context.out.json(&json!({"version": 1, "locked": locked, "others": others, "silent": silent}));
    }
    let vault = words::path(&place.vault);
    context.out.say(&if locked { format!("locked {vault}") } else { format!("there is no session for {vault}") });
    others.iter().for_each(|other| context.out.warn(&format!("note: there is one for {}", words::path(other))));
    if silent > 0 {
        let sessions = words::count(silent, "session that does not answer", "sessions that do not answer");
        context.out.warn(&format!("note: there is {sessions}: whose they are is not known"));
    }
    Ok(())
}

/// The process that [`unlock`] starts.
pub fn hold() -> Result<(), Error> {
    Ok(session::serve(|| Ok(rustix::io::write(rustix::stdio::stdout(), &[1]).map(drop)?))?)
}

/// `boot` is no time at all.
fn duration(text: &str) -> Result<Option<Duration>, Error> {
    if text == "boot" {
        return Ok(None);
    }
    const LONGEST: u64 = 366 * 24 * 60 * 60 * 1000;
    // A bare number means days elsewhere; a key is not held for days by mistake.
    let is_one = |millis: &u64| (1..=LONGEST).contains(millis) && !text.ends_with(char::is_numeric);
    let millis = paste::parse_duration(text).ok().filter(is_one);
    millis.map(|millis| Some(Duration::from_millis(millis))).ok_or_else(|| Usage::HoldFor.into())
}

fn tell(context: &Context, session: &Session, terms: &Terms) -> Result<(), Error> {
    let out = context.out;
    // Of several that were started at once the last one counts, and tells what it has.
    let until = session.left().map(|left| now().saturating_add(left.as_secs() + u64::from(left.subsec_nanos() > 0)));
    if out.json {
        out.json(&json!({
            "version": 1, "vault": session.vault().to_string_lossy(), "until": until,
            "memory_locked": session.is_locked(),
        }))?;
    } else {
        let vault = words::plain(&session.vault().to_string_lossy());
        out.say(&match until {
            Some(until) => {
                format!("unlocked {vault} until {}", words::time(i64::try_from(until).unwrap_or(i64::MAX)))
            }
            None => format!("unlocked {vault} until the next boot, or agevault lock"),
        });
    }
    if !session.is_locked() {
        out.warn("note: the key may be swapped: the limit for locked memory (ulimit -l) leaves no room for it");
    }
    let user = user();
    if terms.dir.starts_with("/run/user") && gateway::ends_with_logout(Path::new("/"), &user) {
        out.warn(&format!("note: it ends with the last logout of {user}; loginctl enable-linger {user} keeps it"));
    }
    Ok(())
}

/// The vault is unlocked, whatever becomes of this.
fn reload(context: &Context, connection: &Connection) -> Result<(), Error> {
    let out = context.out;
    // Not the gateway of this environment, but the one that is connected.
    let settings = context.settings_of(Some(connection.state_dir.clone()));
    let unit_dir = xdg("XDG_CONFIG_HOME", ".config")?.join("systemd/user");
    let name = units::unit(settings.profile.as_deref());
    let told = super::connect::reload(&settings);
    let started = match told {
        Ok(Reload::NotRunning(_)) => gateway::start_unit(&unit_dir, &name, &settings.search_path),
        _ => Started::Not,
    };
    match told {
        Ok(Reload::Done) => out.say("the gateway has reloaded"),
        _ if started == Started::Now => out.say(&format!("started {name}")),
        _ if started == Started::Before => out.say(&format!("{name} is starting: the gateway does not answer yet")),
        Ok(told) => words::reload(&told).into_iter().for_each(|what| out.warn(&format!("note: {what}"))),
        Err(error) => out.warn(&format!("note: the gateway was not told: {}", words::of(&error).what)),
    }
    Ok(())
}

fn place_for(context: &Context) -> Result<SessionPlace, Error> {
    session_place(&context.globals, context.vault_path())
}

/// Where the session of this vault is looked for, and put.
///
/// # Errors
/// [`Error::NoRuntimeDir`]; a directory that others can change.
pub fn session_place(globals: &Globals, vault: &Path) -> Result<SessionPlace, Error> {
    let dir = match &globals.session {
        Some(dir) => absolute(dir)?,
        None => runtime_dir()?.join("session"),
    };
    let vault = crate::fsio::real_path(vault).unwrap_or_else(|_| vault.to_owned());
    Ok(SessionPlace { dir, vault, vault_id: None, named: globals.session.is_some() })
}

impl Context {
    /// The socket of the session for this vault, there or not.
    ///
    /// # Errors
    /// [`Error::NoRuntimeDir`].
    pub fn session_socket(&self) -> Result<std::path::PathBuf, Error> {
        let place = place_for(self)?;
        Ok(session::socket(&place.dir, &place.vault))
    }

    /// Whether there is a session for this vault, whatever it is worth to this command.
    pub fn is_unlocked(&self) -> bool {
        place_for(self).ok().and_then(|place| place.find()).is_some()
    }

    /// Ends the session for this vault if its key no longer opens the vault after a key change, since commands would
    /// fail with it. Otherwise the session continues, since a gateway may depend on it.
    pub fn end_stale_session(&mut self) {
        let Some(place) = place_for(self).ok().filter(|place| place.find().is_some()) else { return };
        let Ok(sealed) = self.place().and_then(|place| Ok(place.read()?)) else { return };
        let ladder = Ladder { session: Some(place.clone()), no_input: true, ..Ladder::default() };
        let path = self.vault_path().to_owned();
        if keys::unlock(&sealed, &ladder, &mut self.terminal, &path, &Vec::new).is_ok() {
            return;
        }
        self.out.warn(match Session::lock(&place.dir, &place.vault) {
            Ok(true) => "note: the session held the old key and was ended; agevault unlock starts a new one",
            _ => "note: a session holds the old key; agevault lock ends it, agevault unlock starts a new one",
        });
    }

    /// The session for this vault, if one answers.
    pub fn session(&self) -> Option<Session> {
        self.ladder().session?.find()
    }

    /// The same if it is what opens the vault here.
    pub fn session_in_use(&self) -> Option<Session> {
        match self.ladder().first_present().first() {
            Some(Source::Session(place)) => place.find(),
            _ => None,
        }
    }

    /// The key sources of this command; a session must be for the vault that this host knows here.
    pub fn ladder(&self) -> Ladder {
        let mut ladder = self.ladder.clone();
        if let Some(session) = ladder.session.as_mut().filter(|session| session.dir.exists()) {
            // A record that cannot be read is told when the vault is checked.
            session.vault_id = self.known_id().ok().flatten();
        }
        ladder
    }
}
