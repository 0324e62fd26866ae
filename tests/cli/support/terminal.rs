//! Somebody at a terminal: waits for what a program writes, and types.

use super::text::compile;
use super::{Outcome, process};
use pty_process::{Size, blocking};
use regex_lite::Regex;
use rustix::termios::{LocalModes, tcgetattr};
use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(2);

enum Move {
    Expect(Regex),
    Send(String),
    /// Typed where nobody reads along, so not before the terminal has stopped to echo.
    Secret(String),
    Key(u8),
    /// Several lines at once where nobody reads along, `|` between them.
    Paste(String),
    /// A key at a hidden prompt: once the terminal has stopped to echo.
    HiddenKey(u8),
}

/// Runs the command on a terminal of 24 x 80. Gives how it ended and all that was to be seen.
pub fn run(command: blocking::Command, script: &str) -> Outcome<(ExitStatus, String)> {
    let moves = moves(script)?;
    let cannot = |error: pty_process::Error| format!("no terminal: {error}");
    let (pty, pts) = blocking::open().map_err(cannot)?;
    pty.resize(Size::new(24, 80)).map_err(cannot)?;
    let child = command.spawn(pts).map_err(cannot)?;
    let mut screen = Screen::watch(pty, child);
    let ended = play(&mut screen, moves).and_then(|()| process::wait(&mut screen.child));
    if ended.is_err() {
        process::kill(&mut screen.child);
    }
    screen.is_over();
    match ended {
        Ok(status) => Ok((status, screen.text())),
        Err(error) => Err(format!("{error}\n--- the terminal\n{}", screen.text())),
    }
}

fn moves(script: &str) -> Outcome<Vec<(&str, Move)>> {
    let lines = script.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let moves = lines.map(|line| {
        let (verb, text) = line.split_once(' ').unwrap_or((line, ""));
        let made = match (verb, text) {
            ("expect", _) => Move::Expect(compile(text)?),
            ("send", _) => Move::Send(text.to_owned()),
            ("secret", _) => Move::Secret(text.to_owned()),
            ("hidden", "ctrl-c") => Move::HiddenKey(3),
            ("hidden", "ctrl-d") => Move::HiddenKey(4),
            ("hidden", "ctrl-z") => Move::HiddenKey(26),
            ("paste", _) => Move::Paste(text.replace('|', "\r")),
            ("key", "enter") => Move::Key(b'\r'),
            ("key", "ctrl-c") => Move::Key(3),
            ("key", "ctrl-d") => Move::Key(4),
            ("key", "ctrl-z") => Move::Key(26),
            _ => return Err(format!("nobody at a terminal can do this: {line}")),
        };
        Ok((line, made))
    });
    moves.collect()
}

fn play(screen: &mut Screen, moves: Vec<(&str, Move)>) -> Outcome<()> {
    let mut read = 0;
    for (line, made) in moves {
        let done = match made {
            Move::Expect(pattern) => screen.expect(&pattern, &mut read),
            Move::Send(text) => screen.type_line(&text),
            Move::HiddenKey(key) => screen.wait_for_no_echo().and_then(|()| screen.send(&[key])),
            Move::Secret(text) => screen.wait_for_no_echo().and_then(|()| screen.type_line(&text)),
            Move::Paste(text) => screen.wait_for_no_echo().and_then(|()| screen.type_line(&text)),
            Move::Key(key) => screen.send(&[key]),
        };
        done.map_err(|error| format!("at the terminal: {line}: {error}"))?;
    }
    Ok(())
}

/// The outer end of a pseudo terminal, what has come out of it, and who writes there.
struct Screen {
    pty: Arc<blocking::Pty>,
    seen: Arc<Mutex<Vec<u8>>>,
    ended: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    child: Child,
}

impl Screen {
    fn watch(pty: blocking::Pty, child: Child) -> Screen {
        let (pty, seen, ended) = (Arc::new(pty), Arc::default(), Arc::default());
        let reader = std::thread::spawn({
            let (pty, seen, ended) = (Arc::clone(&pty), Arc::clone(&seen), Arc::clone(&ended));
            move || read(&pty, &seen, &ended)
        });
        Screen { pty, seen, ended, reader, child }
    }

    /// Whether the program has ended; then all that it wrote has been read.
    fn is_over(&mut self) -> bool {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            return false;
        }
        self.ended.store(true, Ordering::Release);
        // Not for long: something that it started may still be on the terminal.
        until(Duration::from_secs(1), || self.reader.is_finished().then_some(()));
        true
    }

    fn text(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&seen).replace("\r\n", "\n")
    }

    /// Waits for the pattern behind what was expected before.
    fn expect(&mut self, pattern: &Regex, read: &mut usize) -> Outcome<()> {
        let found = until(PATIENCE, || {
            // Asked before the text is taken: what came last is then in it.
            let over = self.is_over();
            let text = self.text();
            let found = text.get(*read..).and_then(|new| pattern.find(new));
            found.map(|found| Some(found.end())).or(over.then_some(None))
        });
        match found {
            Some(Some(end)) => *read += end,
            Some(None) => return Err("the program ended before it came".into()),
            None => {
                return Err(format!("it did not come within {} seconds", PATIENCE.as_secs()));
            }
        }
        Ok(())
    }

    fn wait_for_no_echo(&mut self) -> Outcome<()> {
        let hidden = until(PATIENCE / 8, || match tcgetattr(&*self.pty) {
            Ok(modes) if !modes.local_modes.contains(LocalModes::ECHO) => Some(Ok(())),
            Ok(_) if self.is_over() => Some(Err("the program has ended".into())),
            Ok(_) => None,
            Err(error) => Some(Err(error.to_string())),
        });
        hidden.unwrap_or_else(|| Err("the terminal still echoes".into()))
    }

    fn type_line(&self, text: &str) -> Outcome<()> {
        self.send(format!("{text}\r").as_bytes())
    }

    fn send(&self, keys: &[u8]) -> Outcome<()> {
        (&*self.pty).write_all(keys).map_err(|error| error.to_string())
    }
}

fn read(mut pty: &blocking::Pty, seen: &Mutex<Vec<u8>>, ended: &AtomicBool) {
    let mut buffer = [0; 4096];
    loop {
        let over = ended.load(Ordering::Acquire);
        match pty.read(&mut buffer) {
            Ok(n) if n > 0 => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.extend(buffer.iter().take(n));
            }
            // Linux also fails while no process has the terminal open, as between two prompts.
            _ if over => break,
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// Asks again and again, up to a time.
fn until<T>(limit: Duration, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        match answer() {
            None if start.elapsed() < limit => std::thread::sleep(PAUSE),
            known => return known,
        }
    }
}
