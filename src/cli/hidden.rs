//! A line that nobody sees, typed at the terminal.

use crate::harden::Unseen;
use crate::keys::Error;
use crate::secret::Secret;
use std::fs::File;
use std::io::{self, Read, Write};

/// Ctrl-C, which is a key here and no signal: the prompt's own line is ended first.
const CTRL_C: u8 = 3;

/// Asks at `tty`. `rpassword` reads and edits the line; what it needs of the terminal is ours, so
/// that every end of this process gives the echo back.
///
/// # Errors
/// [`Error::NoTerminal`], [`Error::Interrupted`], [`Error::Pasted`] for more than one line.
pub fn ask(tty: &File, prompt: &str) -> Result<Secret, Error> {
    let another = || tty.try_clone().map_err(|_| Error::NoTerminal);
    let mut unseen = Unseen::begin(another()?, Some(prompt)).map_err(|_| Error::NoTerminal)?;
    let config = rpassword::ConfigBuilder::new().input_reader(Keys(another()?)).output_discard().build();
    let typed = rpassword::read_password_with_config(config).map(Secret::new);
    let pasted = typed.is_ok() && unseen.discard_waiting();
    // Nobody else has ended the prompt's line.
    let _ = writeln!(another()?);
    drop(unseen);
    match typed {
        Ok(_) if pasted => Err(Error::Pasted),
        Ok(typed) => Ok(typed),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => Error::Interrupted,
            _ => Error::NoTerminal,
        }),
    }
}

/// The keys of a terminal, one at a time.
struct Keys(File);

impl Read for Keys {
    fn read(&mut self, key: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(key) {
                // A signal that was dealt with.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The terminal is gone: what was typed so far is no entry.
                Ok(0) => return Err(io::ErrorKind::Interrupted.into()),
                Ok(_) if key.first() == Some(&CTRL_C) => return Err(io::ErrorKind::Interrupted.into()),
                other => return other,
            }
        }
    }
}
