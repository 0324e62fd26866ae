//! The floor: what no tool that keeps secrets in one age file can leave out.
//!
//! `floor get IDENTITY VAULT NEEDLE` reads both files, opens the vault and searches its text.
//! `floor set IDENTITY VAULT OUT NEEDLE` does that, seals the text again for the same identity and replaces
//! OUT with the fsyncs, the read-back and the kept generation of a careful save.
//! `floor run IDENTITY VAULT NEEDLE CMD` does what `get` does and becomes CMD.
//! No parsing, no checks: a panic is the only error message.

mod age;
mod save;

use age::Identity;
use memchr::memmem;
use std::{env, fs, io::Write, os::unix::process::CommandExt, path::Path, process::Command};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["get", identity, vault, needle] => {
            let identity = Identity::read(identity);
            let text = age::open(&identity, fs::read(vault).expect("vault"));
            let at = find(&text, needle);
            std::io::stdout()
                .write_all(&text[at..at + needle.len()])
                .expect("stdout");
        }
        ["set", identity, vault, out, needle] => {
            let identity = Identity::read(identity);
            let text = age::open(&identity, fs::read(vault).expect("vault"));
            find(&text, needle);
            save::replace(&identity, &text, Path::new(out));
        }
        ["run", identity, vault, needle, command] => {
            let identity = Identity::read(identity);
            let text = age::open(&identity, fs::read(vault).expect("vault"));
            find(&text, needle);
            panic!("{}", Command::new(command).env("NEEDLE", needle).exec());
        }
        _ => panic!(
            "floor get IDENTITY VAULT NEEDLE | floor run IDENTITY VAULT NEEDLE CMD | floor set IDENTITY VAULT OUT NEEDLE"
        ),
    }
}

fn find(text: &[u8], needle: &str) -> usize {
    memmem::find(text, needle.as_bytes()).expect("needle")
}
