//! `recipients add --recovery`: a key for the day when every other one is lost.
//!
//! It is proven before anybody relies on it, shown once, and kept nowhere here.

use super::args::NewRecipient;
use super::context::Context;
use super::init::{label, write_new};
use super::qr;
use super::{Error, Usage, words};
use crate::harden;
use crate::model::{self, Change, Op, Recipient};
use crate::seal::{Identity, Opener};
use crate::secret::{Secret, SecretBuf};
use crate::store::{self, now};

/// Black on white, whatever the terminal's colours: a scanner needs that way round.
const PAPER: (&str, &str) = ("\u{1b}[30;107m", "\u{1b}[0m");

/// Makes it, adds it, proves it, shows it.
pub fn run(context: &mut Context, args: &NewRecipient) -> Result<(), Error> {
    let name = args.label.as_deref().unwrap_or("recovery");
    let label = label(name)?;
    if args.out.is_none() && !context.terminal.present() {
        return Err(Usage::RecoveryPlace.into());
    }
    let opened = context.open()?;
    let checked = context.check(&opened)?;
    if checked.vault.recipients.iter().any(|have| have.label == label) {
        return Err(model::Error::Taken(name.to_owned()).into());
    }
    let identity = Identity::generate();
    let secret = identity.to_secret().ok_or(Usage::NotPassphrase)?;
    let facts = [
        "recovery key of an agevault vault".to_owned(),
        format!("vault        {}", words::plain(&opened.place.path().to_string_lossy())),
        format!("fingerprint  {}", checked.pin),
        format!("recipient    {name}"),
        format!("made         {}", words::time(i64::try_from(now()).unwrap_or_default())),
    ];
    // A signal waits until it is known whether the key counts: the file must not outlive a key that was not added.
    harden::on_end(|_| tell!("this ends as soon as it is known whether the key was added\n"))
        .map_err(|error| crate::fsio::Error::io("prepare", std::path::Path::new("signals"), error))?;
    if let Some(path) = &args.out {
        write_new(path, &kit(&secret, &facts, name, Form::File))?;
    }
    let opener = Opener::new(identity);
    // Shown before it is added: a key that nobody has seen would be one that nobody has.
    if args.out.is_none() {
        context.terminal.show(&kit(&secret, &facts, name, Form::Terminal))?;
    }
    let recipient = Recipient::new(label, opener.public(), None, now());
    match context.save_with(&opened, checked, Change::of(Op::AddRecipient(recipient)), Some(&opener)) {
        Ok(_) => {}
        // It is added, and the error says so.
        Err(error @ Error::Store(store::Error::AfterSave(_))) => {
            context.out.warn(&format!("note: {name} opens the vault"));
            return Err(error);
        }
        Err(error) => {
            // A key that opens nothing would only be taken for one that does.
            match &args.out {
                Some(path) => _ = std::fs::remove_file(path),
                None => context.out.warn("warning: the key that was shown opens nothing: it was not added"),
            }
            return Err(error);
        }
    }
    match &args.out {
        None => context.out.warn("note: clear this screen, and what it scrolled away, when you have the key"),
        Some(path) => context.out.say(&format!("wrote {}", path.display())),
    }
    context.out.say(&format!("added {name} (x25519), which has opened the vault"));
    context.out.warn("note: keep it off this host; whoever has it reads every secret, and it is not shown again");
    Ok(())
}

/// Where a kit goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An identity file: all but the key is a comment.
    File,
    Terminal,
}

fn kit(secret: &Secret, facts: &[String], name: &str, form: Form) -> SecretBuf {
    let mark = if form == Form::File { "# " } else { "" };
    let (on, off) = if form == Form::Terminal { PAPER } else { ("", "") };
    let code = qr::draw(secret.expose().as_bytes()).unwrap_or_default();
    let how = [
        String::new(),
        "To open the vault with it on any machine, without agevault:".to_owned(),
        "  put the line that begins with AGE-SECRET-KEY-1, or what the code holds, into a file key.txt".to_owned(),
        "  age -d -i key.txt vault.age".to_owned(),
        "age, rage or any other implementation of age will do; it prints every secret as JSON.".to_owned(),
        "With agevault: agevault -i key.txt list".to_owned(),
        format!(
            "If it is lost, or somebody has seen it: agevault recipients remove {}",
            shlex::try_quote(name).unwrap_or_default()
        ),
    ];
    // Room for all of it, so that the key is not moved about.
    let code_len: usize = code.iter().map(|line| line.len() + 32).sum();
    let mut text = String::with_capacity(4096 + code_len);
    let mut line = |mark: &str, parts: [&str; 3]| {
        text.push_str(mark);
        parts.into_iter().for_each(|part| text.push_str(part));
        text.push('\n');
    };
    facts.iter().for_each(|fact| line(mark, ["", fact, ""]));
    line(mark, ["", "", ""]);
    line("", [secret.expose(), "", ""]);
    line(mark, ["", "", ""]);
    code.iter().for_each(|row| line(mark, [on, row, off]));
    how.iter().for_each(|row| line(mark, ["", row, ""]));
    SecretBuf::new(text.into_bytes())
}
