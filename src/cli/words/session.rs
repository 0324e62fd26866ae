//! Words for a session that was not started or does not end.

use super::file::of_file;
use super::{Words, exit};
use crate::session::Error;

/// Words for a session that was not started or does not end.
pub fn of_session(error: &Error) -> Words {
    match error {
        Error::File(error) => of_file(error),
        Error::Start => Words::new(
            "not-started",
            exit::FAILED,
            "the process that was to hold the key did not start",
            "the vault is as it was; without a session name the key with -i FILE or --passphrase-file FILE",
        ),
        Error::Stays => Words::new(
            "session-stays",
            exit::BUSY,
            "the session does not end",
            "it may have been started anew; try again, or end the process that agevault hold-session is",
        ),
        Error::Foreign => {
            Words::new("usage", exit::USAGE, "a session is started by agevault unlock alone", "agevault unlock")
        }
    }
}
