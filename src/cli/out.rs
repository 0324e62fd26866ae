//! The one outlet to the terminal: data on standard output, everything else on standard
//! error. Secrets are written with one `write(2)`, past the standard library's buffers.

use super::Error;
use crate::fsio;
use crate::secret::{Secret, SecretBuf};
use rustix::io::Errno;
use std::io::{self, IsTerminal};
use std::path::Path;

/// How a command speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Out {
    /// `--json`.
    pub json: bool,
    /// `--quiet`.
    pub quiet: bool,
}

impl Out {
    /// A line of data that is not secret. Names come from files and vaults: none may move the
    /// cursor, or make a line of its own.
    ///
    /// # Errors
    /// A full disk behind a redirection; a closed pipe is [`Error::Pipe`].
    pub fn line(self, text: &str) -> Result<(), Error> {
        write_all(format!("{}\n", super::words::plain(text)).as_bytes())
    }

    /// Lines of data that are not secret, each with its line break.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn text(self, lines: &str) -> Result<(), Error> {
        write_all(lines.as_bytes())
    }

    /// Data as JSON, one line.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn json(self, value: &serde_json::Value) -> Result<(), Error> {
        write_all(format!("{}\n", super::words::json_text(value)).as_bytes())
    }

    /// One secret value: a line break only for a person's eyes.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn secret(self, value: &Secret) -> Result<(), Error> {
        if !io::stdout().is_terminal() {
            return write_all(value.expose().as_bytes());
        }
        // Control characters could move the cursor or hide text, and are not written to a terminal.
        let shown = Secret::new(value.expose().split('\n').map(super::words::plain).collect::<Vec<_>>().join("\n"));
        if shown.expose() != value.expose() {
            self.warn("note: control characters in the value are not shown; a pipe gets the exact value");
        }
        write_all(shown.expose().as_bytes())?;
        write_all(b"\n")
    }

    /// A whole view.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn view(self, view: &SecretBuf) -> Result<(), Error> {
        write_all(view.expose())
    }

    /// Tells what happened, unless `--quiet`.
    pub fn say(self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Tells what a person should know even with `--quiet`.
    pub fn warn(self, text: &str) {
        tell!("{}\n", super::words::plain(text));
    }
}

fn write_all(mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => return Err(Error::Pipe),
            Err(error) => {
                return Err(fsio::Error::Io("write to", Path::new("standard output").to_owned(), error.into()).into());
            }
        }
    }
    Ok(())
}

/// Text in columns, the last one ragged.
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let pad = |(cell, width): (&String, &usize)| format!("{cell:width$}");
    let line = |row: &Vec<String>| row.iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| line(row).trim_end().to_owned()).collect()
}
