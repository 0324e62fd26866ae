//! `resolve`: the program that a gateway asks for its secrets (exec SecretRef protocol, version 1).
//!
//! It runs unattended: no question, no new pin, nothing left behind. Either one answer goes to
//! standard output and the code is 0, or nothing does.

use super::args::Resolve;
use super::context::Context;
use super::{Error, Usage, words};
use crate::formats::exec;
use crate::{fsio, ops, store};
use std::io::IsTerminal;
use std::time::Duration;

/// One request from standard input, one answer to standard output.
pub fn run(context: &mut Context, args: &Resolve) -> Result<(), Error> {
    if std::io::stdin().is_terminal() || context.globals.identity.iter().any(|path| path.as_os_str() == "-") {
        return Err(Usage::ResolveInput.into());
    }
    end_by(Duration::from_secs(args.deadline));
    let request = read_request()?;
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    context.out.view(&ops::resolve::resolve(&checked.vault, &request))?;
    // The answer counts; a host that cannot note anything has warned all the same.
    let _ = store::note_served(&context.local, &checked);
    Ok(())
}

/// Reads up to the end of the request, which need not be the end of the input.
fn read_request() -> Result<exec::Request, Error> {
    let mut request = Err(exec::Refused::Malformed);
    let read = fsio::read_stdin_until(exec::MAX_REQUEST, |bytes| {
        let whole = bytes.trim_ascii_end().last() == Some(&b'}');
        if whole {
            request = exec::parse(bytes);
        }
        whole && request != Err(exec::Refused::Malformed)
    });
    match read {
        Err(fsio::Error::TooLarge(..)) => Err(Error::Request(exec::Refused::TooLong)),
        Err(error) => Err(error.into()),
        Ok(()) => request.map_err(Error::Request),
    }
}

/// Ends the process with an error of its own before the gateway kills it and can only say that it
/// took too long: the input that never ends, a file system that hangs, a reader that went away.
fn end_by(deadline: Duration) {
    let watch = std::thread::Builder::new().stack_size(64 * 1024);
    // Without a thread the gateway's own deadline is still there.
    let _ = watch.spawn(move || {
        std::thread::sleep(deadline);
        std::process::exit(i32::from(words::report(&Error::Deadline(deadline), words::Codes::Usual)));
    });
}
