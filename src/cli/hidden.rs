//! A line that is typed at the terminal key by key: one that nobody sees, or an answer.

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

/// Longest answer, in bytes.
const LONGEST: usize = 256;

/// Asks at `tty` for a line that may be seen. Ctrl-C ends it as it ends a hidden one.
///
/// # Errors
/// [`Error::NoTerminal`], [`Error::Interrupted`].
pub fn answer(tty: &File, question: &str) -> Result<String, Error> {
    let another = || tty.try_clone().map_err(|_| Error::NoTerminal);
    let unseen = Unseen::begin(another()?, Some(question)).map_err(|_| Error::NoTerminal)?;
    let typed = typed_line(&mut Keys(another()?), &mut another()?);
    let _ = writeln!(another()?);
    drop(unseen);
    typed.map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Error::Interrupted,
        _ => Error::NoTerminal,
    })
}

/// A line, shown as it is typed: the terminal shows nothing by itself, and takes nothing back.
fn typed_line(keys: &mut impl Read, shown: &mut impl Write) -> io::Result<String> {
    const CTRL_D: u8 = 4;
    const BACKSPACE: [u8; 2] = [8, 127];
    let mut line = Vec::new();
    let mut key = [0_u8];
    while keys.read(&mut key)? == 1 {
        match key[0] {
            b'\n' | b'\r' | CTRL_D => break,
            back if BACKSPACE.contains(&back) && line.pop().is_some() => shown.write_all(b"\x08 \x08")?,
            other if (other.is_ascii_graphic() || other == b' ') && line.len() < LONGEST => {
                line.push(other);
                shown.write_all(&key)?;
            }
            _ => {}
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_and_can_be_mended() {
        let mut shown = Vec::new();
        assert_eq!(typed_line(&mut b"\x7fno\x7f\x7f\x1by\xc3es\rmore".as_slice(), &mut shown).unwrap(), "yes");
        assert_eq!(shown, b"no\x08 \x08\x08 \x08yes");
        assert_eq!(typed_line(&mut b"y\x04es".as_slice(), &mut io::sink()).unwrap(), "y");
        assert_eq!(typed_line(&mut b"".as_slice(), &mut io::sink()).unwrap(), "");
    }
}
