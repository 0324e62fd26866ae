//! The age v1 format for one X25519 key: <https://age-encryption.org/v1>.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD as BASE64};
use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

const VERSION: &[u8] = b"age-encryption.org/v1\n";
const STANZA: &[u8] = b"-> X25519 ";
const MAC: &[u8] = b"\n--- ";
const X25519_LABEL: &[u8] = b"age-encryption.org/v1/X25519";
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

pub struct Identity {
    secret: StaticSecret,
    public: PublicKey,
}

impl Identity {
    pub fn read(path: &str) -> Self {
        let file = std::fs::read_to_string(path).expect("identity file");
        let line = file
            .lines()
            .find(|line| line.starts_with("AGE-SECRET-KEY-1"))
            .expect("identity");
        let (_, bytes) = bech32::decode(line).expect("bech32");
        let secret = StaticSecret::from(<[u8; 32]>::try_from(bytes).expect("32 bytes"));
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }

    /// The file key, if this stanza was made for this identity.
    fn unwrap(&self, share: &[u8], body: &[u8]) -> Option<[u8; 16]> {
        let share: [u8; 32] = BASE64.decode(share).ok()?.try_into().ok()?;
        let mut body = BASE64.decode(body).ok()?;
        let shared = self.secret.diffie_hellman(&share.into());
        let key = wrap_key(&share, &self.public, shared.as_bytes());
        let tag = body.split_off(16);
        key.decrypt_in_place_detached(&[0; 12].into(), b"", &mut body, tag.as_slice().into())
            .ok()?;
        body.try_into().ok()
    }
}

/// The text of `file`, opened in place: page faults on a second buffer took a quarter of the time at 2.7 MB.
pub fn open(identity: &Identity, mut file: Vec<u8>) -> Vec<u8> {
    let mac_at = memchr::memmem::find(&file, MAC).expect("header") + MAC.len();
    let header = &file[..mac_at - 1];
    let mut lines = header.split(|&byte| byte == b'\n');
    let stanza = || {
        let share = lines.find_map(|line| line.strip_prefix(STANZA))?;
        Some((share, lines.next()?))
    };
    let file_key = std::iter::from_fn(stanza)
        .find_map(|(share, body)| identity.unwrap(share, body))
        .expect("no stanza for this identity");
    let mac_end = mac_at + 43;
    let mac = BASE64.decode(&file[mac_at..mac_end]).expect("mac");
    header_mac(&file_key, header)
        .verify_slice(&mac)
        .expect("mac");

    let sealed_at = mac_end + 1 + 16;
    let key = cipher(&file[mac_end + 1..sealed_at], b"payload", &file_key);
    let sealed_end = file.len() - TAG;
    let chunks = (file.len() - sealed_at).div_ceil(CHUNK + TAG);
    for index in 0..chunks {
        let from = sealed_at + index * (CHUNK + TAG);
        let end = (from + CHUNK).min(sealed_end);
        let (body, tag) = file[from..end + TAG].split_at_mut(end - from);
        let nonce = stream_nonce(index, chunks).into();
        key.decrypt_in_place_detached(&nonce, b"", body, (&*tag).into())
            .expect("chunk");
        file.copy_within(from..end, index * CHUNK);
    }
    file.truncate(file.len() - sealed_at - chunks * TAG);
    file
}

pub fn seal(identity: &Identity, text: &[u8]) -> Vec<u8> {
    let (file_key, nonce): ([u8; 16], [u8; 16]) = (random(), random());
    let ephemeral = StaticSecret::from(random::<32>());
    let share = PublicKey::from(&ephemeral);
    let shared = ephemeral.diffie_hellman(&identity.public);
    let mut body = file_key.to_vec();
    let tag = wrap_key(share.as_bytes(), &identity.public, shared.as_bytes())
        .encrypt_in_place_detached(&[0; 12].into(), b"", &mut body)
        .expect("wrap");
    body.extend_from_slice(&tag);

    let chunks = text.len().div_ceil(CHUNK).max(1);
    let mut file = Vec::with_capacity(text.len() + chunks * TAG + 512);
    file.extend_from_slice(VERSION);
    file.extend_from_slice(
        format!(
            "-> X25519 {}\n{}\n---",
            BASE64.encode(share.as_bytes()),
            BASE64.encode(&body)
        )
        .as_bytes(),
    );
    let mac = header_mac(&file_key, &file).finalize().into_bytes();
    file.extend_from_slice(format!(" {}\n", BASE64.encode(mac)).as_bytes());
    file.extend_from_slice(&nonce);

    let key = cipher(&nonce, b"payload", &file_key);
    for index in 0..chunks {
        let start = file.len();
        file.extend_from_slice(&text[index * CHUNK..text.len().min((index + 1) * CHUNK)]);
        let tag = key
            .encrypt_in_place_detached(&stream_nonce(index, chunks).into(), b"", &mut file[start..])
            .expect("chunk");
        file.extend_from_slice(&tag);
    }
    file
}

fn wrap_key(share: &[u8; 32], public: &PublicKey, shared: &[u8; 32]) -> ChaCha20Poly1305 {
    cipher(
        &[share.as_slice(), public.as_bytes()].concat(),
        X25519_LABEL,
        shared,
    )
}

fn cipher(salt: &[u8], label: &[u8], key: &[u8]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&hkdf(salt, label, key).into())
}

fn header_mac(file_key: &[u8], header: &[u8]) -> Hmac<Sha256> {
    let key = hkdf(b"", b"header", file_key);
    <Hmac<Sha256> as Mac>::new_from_slice(&key)
        .expect("any length")
        .chain_update(header)
}

fn hkdf(salt: &[u8], label: &[u8], key: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), key)
        .expand(label, &mut out)
        .expect("32 bytes");
    out
}

/// STREAM: an 11-byte counter, then 1 for the last chunk.
fn stream_nonce(index: usize, chunks: usize) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&(index as u64).to_be_bytes());
    nonce[11] = u8::from(index + 1 == chunks);
    nonce
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::getrandom(&mut bytes).expect("random bytes");
    bytes
}
