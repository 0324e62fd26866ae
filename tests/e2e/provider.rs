//! A model provider of a test's own: it answers every message with `pong`, and remembers with which
//! credential it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One answer as Anthropic streams it.
const EVENTS: [(&str, &str); 6] = [
    (
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],
        "stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}"#,
    ),
    ("content_block_start", r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
    ("content_block_delta", r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"pong"}}"#),
    ("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
    (
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}"#,
    ),
    ("message_stop", r#"{"type":"message_stop"}"#),
];

struct Asked {
    credential: String,
    body: String,
}

/// Serves on a loopback port until the process ends.
pub struct Provider {
    url: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Provider {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::<Mutex<Vec<Asked>>>::default();
        let remembered = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&remembered);
                // A gateway that hangs up early is its own business.
                thread::spawn(move || drop(answer(stream, &seen)));
            }
        });
        Self { url, seen }
    }

    /// Where it serves.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The credentials of the requests with this text in them: keys as they came, tokens after `Bearer `.
    pub fn asked_with(&self, text: &str) -> Vec<String> {
        let seen = self.seen.lock().expect("no thread that panicked");
        seen.iter().filter(|asked| asked.body.contains(text)).map(|asked| asked.credential.clone()).collect()
    }
}

fn answer(stream: TcpStream, seen: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (mut length, mut credential, mut first) = (0, String::new(), String::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = value.parse().unwrap_or_default(),
            ("x-api-key" | "authorization", value) => credential.push_str(value),
            _ => {}
        }
    }
    let mut asked = Vec::new();
    reader.take(length).read_to_end(&mut asked)?;
    let (kind, body) = if first.starts_with("POST /v1/messages") {
        seen.lock()
            .expect("no thread that panicked")
            .push(Asked { credential, body: String::from_utf8_lossy(&asked).into_owned() });
        let event = |(name, data): &(&str, &str)| format!("event: {name}\ndata: {}\n\n", data.replace('\n', ""));
        ("text/event-stream", EVENTS.iter().map(event).collect())
    } else {
        ("application/json", r#"{"data":[]}"#.to_owned())
    };
    let length = body.len();
    write!(
        &stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
