//! Asking a person at `/dev/tty`, whatever standard input is.

use super::words::plain;
use super::{Error, Usage};
use crate::harden::Unseen;
use crate::keys::{self, Prompt};
use crate::seal::Passphrase;
use crate::secret::{Secret, SecretBuf};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};

/// The terminal, if there is one and it may be used.
pub struct Terminal {
    allowed: bool,
    quiet: bool,
    yes: bool,
}

impl Terminal {
    /// With `--no-input` nobody is asked, with `--yes` every question has its answer.
    pub fn new(no_input: bool, quiet: bool, yes: bool) -> Self {
        Self { allowed: !no_input, quiet, yes }
    }

    /// Whether somebody could be asked.
    pub fn present(&self) -> bool {
        self.allowed && open().is_ok()
    }

    /// Asks yes or no; anything but `y` or `yes` is no.
    ///
    /// # Errors
    /// [`Usage::NeedsYes`] when there is nobody to ask, [`Error::Declined`] for a no,
    /// [`keys::Error::Interrupted`].
    pub fn confirm(&self, question: &str) -> Result<(), Error> {
        if self.yes { Ok(()) } else { self.confirm_in_person(question) }
    }

    /// The same where `--yes` is no answer: a fingerprint is compared by somebody who looks.
    ///
    /// # Errors
    /// As [`Terminal::confirm`].
    pub fn confirm_in_person(&self, question: &str) -> Result<(), Error> {
        let nobody = if self.yes { Usage::NeedsPerson } else { Usage::NeedsYes };
        let tty = if self.allowed { open() } else { Err(io::ErrorKind::NotFound.into()) }
            .map_err(|_| Error::Usage(nobody))?;
        // What was typed before the question is no answer to it.
        let _ = rustix::termios::tcflush(&tty, rustix::termios::QueueSelector::IFlush);
        let answer = super::hidden::answer(&tty, &format!("{question} [y/N] ")).map_err(|error| match error {
            keys::Error::NoTerminal => Error::Usage(nobody),
            other => other.into(),
        })?;
        match answer.trim() {
            "y" | "Y" | "yes" | "Yes" => Ok(()),
            _ => Err(Error::Declined),
        }
    }

    /// Asks for something that may be seen; `None` when nobody answers.
    pub fn line(&self, prompt: &str) -> Option<String> {
        let mut tty = open().ok().filter(|_| self.allowed)?;
        write!(tty, "{prompt}").and_then(|()| read_line(&mut tty)).ok()
    }

    /// Shows something that no other stream may carry.
    ///
    /// # Errors
    /// [`keys::Error::NoTerminal`].
    pub fn show(&self, text: &SecretBuf) -> Result<(), keys::Error> {
        let tty = if self.allowed { open() } else { Err(io::ErrorKind::NotFound.into()) };
        let shown = tty.and_then(|mut tty| tty.write_all(text.expose()));
        shown.map_err(|_| keys::Error::NoTerminal)
    }

    /// A hidden entry that is no passphrase: a value, a token.
    ///
    /// # Errors
    /// [`keys::Error::NoTerminal`], [`keys::Error::Interrupted`], [`keys::Error::Pasted`].
    pub fn hidden(&self, prompt: &str) -> Result<Secret, keys::Error> {
        if !self.allowed {
            return Err(keys::Error::NoTerminal);
        }
        let tty = open().map_err(|_| keys::Error::NoTerminal)?;
        super::hidden::ask(&tty, &format!("{prompt}: "))
    }
}

fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

fn read_line(tty: &mut File) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0_u8];
    while line.len() < 1024 && tty.read(&mut byte)? == 1 && byte != [b'\n'] {
        line.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

impl keys::Ask for Terminal {
    fn passphrase(&mut self, what: &Prompt<'_>) -> Result<Passphrase, keys::Error> {
        let prompt = match what {
            Prompt::Vault(path, []) => format!("passphrase for {}", plain(&path.to_string_lossy())),
            Prompt::Vault(path, labels) => {
                format!("passphrase for {} ({})", plain(&path.to_string_lossy()), plain(&labels.join(", ")))
            }
            Prompt::IdentityFile(path) => format!("passphrase for identity file {}", plain(&path.to_string_lossy())),
            Prompt::New => "new passphrase".to_owned(),
            Prompt::Again => "the same again".to_owned(),
        };
        let typed = self.hidden(&prompt)?;
        let bytes = SecretBuf::new(typed.expose().as_bytes().to_vec());
        Passphrase::new(&bytes).map_err(|refused| keys::Error::Refused(keys::Source::Prompt, refused))
    }

    fn wrong(&mut self) {
        tell!("that does not open it\n");
    }

    fn slow(&mut self) -> Box<dyn std::any::Any> {
        Box::new(Working::start(!self.quiet && io::stderr().is_terminal()))
    }
}

/// A line on the terminal while a derivation runs, taken back when it ends; what is typed
/// meanwhile is for whoever asks next, and not shown.
struct Working {
    shown: bool,
    _unseen: Option<Unseen>,
}

impl Working {
    fn start(shown: bool) -> Self {
        if shown {
            tell!("deriving the key ...");
        }
        // A process in the background would be stopped for touching the terminal.
        let ours = |tty: &File| rustix::termios::tcgetpgrp(tty).is_ok_and(|group| group == rustix::process::getpgrp());
        let tty = shown.then(open).and_then(Result::ok).filter(ours);
        Self { shown, _unseen: tty.and_then(|tty| Unseen::begin(tty, None).ok()) }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if self.shown {
            tell!("\r\x1b[K");
        }
    }
}
