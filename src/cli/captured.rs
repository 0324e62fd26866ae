//! What was captured beside a command that owns the terminal.

use super::capture::{open, tell};
use super::out::Out;
use super::words;
use crate::ops::capture::watch::News;
use crate::ops::capture::{Error, Report};
use std::io::IsTerminal;

/// Tells at once what goes to a log; what would go to a terminal waits for the command's end.
pub struct Teller {
    out: Out,
    waits: bool,
    late: Report,
    failure: Option<String>,
}

impl Teller {
    /// One for standard error.
    pub fn new(out: Out) -> Self {
        Self { out, waits: std::io::stderr().is_terminal(), late: Report::default(), failure: None }
    }

    /// Takes a piece of news.
    pub fn tell(&mut self, news: &News<'_>) {
        match news {
            News::Ready => self.failure = None,
            News::Report(report) => {
                self.failure = None;
                if self.waits { self.late.add(report) } else { told(report, self.out) }
            }
            News::Failed(error) => {
                let what = words::of_capture(error).what;
                if !self.waits && self.failure.as_ref() != Some(&what) {
                    self.out.warn(&format!("warning: nothing was captured: {what}; it is tried again"));
                }
                self.failure = Some(what);
            }
        }
    }

    /// Tells what has waited.
    pub fn rest(&self) {
        told(&self.late, self.out);
    }
}

/// What a capture has done, and what it leaves open.
pub fn told(report: &Report, out: Out) {
    tell(report, out);
    open(report).iter().for_each(|error| out.warn(&format!("warning: {}", words::of(error).what)));
}

/// Why there was no capture.
pub fn not_captured(out: Out, error: &Error) {
    out.warn(&format!("warning: nothing was captured: {}", words::of_capture(error).what));
}
