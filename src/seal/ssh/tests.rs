//! Stanzas and key files of our own making.

use super::*;

fn key(seed: u8) -> Identity {
    use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey};
    let private = Ed25519PrivateKey::from_bytes(&[seed; 32]);
    let hash = Sha512::digest([seed; 32]);
    let scalar: [u8; 32] = hash[..32].try_into().unwrap();
    let public = ssh_key::public::Ed25519PublicKey(*EdwardsPoint::mul_base_clamped(scalar).compress().as_bytes());
    Identity::new(&PrivateKey::from(Ed25519Keypair { public, private })).unwrap()
}

#[test]
fn a_stanza_opens_with_its_own_key_alone_and_a_forged_one_is_no_obstacle() {
    let (mine, other) = (key(1), key(2));
    let file_key = FileKey::new(Box::new([7; 16]));
    let stanza = mine.public.wrap(&file_key).unwrap();
    assert_eq!(mine.unwrap(&stanza).unwrap().expose_secret(), file_key.expose_secret());
    assert!(other.unwrap(&stanza).is_none());
    // With my tag, and a share for which the shared secret is no secret.
    let neutral = BASE64_STANDARD_NO_PAD.encode([0; 32]);
    for args in [vec![mine.public.tag(), neutral], vec![mine.public.tag()], vec![mine.public.tag(), "x".into()]] {
        assert!(mine.unwrap(&Stanza { tag: TAG.to_owned(), args, body: stanza.body.clone() }).is_none());
    }
    let renamed = Stanza { tag: "ssh-rsa".to_owned(), args: stanza.args, body: stanza.body };
    assert!(mine.unwrap(&renamed).is_none());
}

#[test]
fn an_ephemeral_share_of_small_order_is_refused() {
    let (mine, neutral) = (key(1), MontgomeryPoint([0; 32]));
    let shared = neutral.mul_clamped(*mine.scalar().unwrap());
    let body = aead_encrypt(&mine.public.wrapping_key(&neutral, &shared), &[7; 16]);
    let args = vec![mine.public.tag(), BASE64_STANDARD_NO_PAD.encode(neutral.to_bytes())];
    assert!(mine.unwrap(&Stanza { tag: TAG.to_owned(), args, body }).is_none());
}

#[test]
fn a_public_half_reads_as_it_is_written() {
    let public = key(3).public();
    let read = |text: &str| Recipient::parse(text).map(|recipient| recipient.public());
    assert_eq!(read(&format!("{public} anna@laptop")), Ok(public.clone()));
    assert_eq!(read(&public[..public.len() - 4]), Err(Error::BadRecipient));
    assert_eq!(read(&public.replace("ssh-ed25519", "ssh-rsa")), Err(Error::Ssh(Refused::Rsa)));
}

/// A key file that wants this many rounds of bcrypt.
fn encrypted(rounds: u32) -> SecretBuf {
    use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey};
    let public = ssh_key::public::Ed25519PublicKey([3; 32]);
    let pair = Ed25519Keypair { public, private: Ed25519PrivateKey::from_bytes(&[3; 32]) };
    let (salt, known) = (vec![7; 16], 1_u32);
    let kdf = ssh_key::Kdf::Bcrypt { salt: salt.clone(), rounds: known };
    let key = PrivateKey::from(pair).encrypt_with(ssh_key::Cipher::Aes256Ctr, kdf, 0, "passphrase").unwrap();
    let mut bytes = key.to_bytes().unwrap().to_vec();
    let at = memchr::memmem::find(&bytes, &salt).unwrap() + salt.len();
    bytes[at..at + 4].copy_from_slice(&rounds.to_be_bytes());
    let text: Vec<u8> = BASE64_STANDARD.encode(bytes).into_bytes();
    let lines: Vec<&[u8]> = text.chunks(70).collect();
    let (head, tail) = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----");
    SecretBuf::new([head.as_bytes(), b"\n", &lines.join(&b'\n'), b"\n", tail.as_bytes(), b"\n"].concat())
}

#[test]
fn what_decryption_costs_is_bounded_before_anything_is_derived() {
    assert!(KeyFile::parse(&encrypted(MAX_ROUNDS)).is_ok_and(|file| file.is_encrypted()));
    let bound = Error::Bound("number of bcrypt rounds of an SSH key", u64::from(MAX_ROUNDS));
    assert_eq!(KeyFile::parse(&encrypted(u32::MAX)).err(), Some(bound));
}

#[test]
fn a_key_file_whose_halves_differ_is_damaged() {
    // Made with a public half that is not the private one's.
    let key = KeyFile::parse(&encrypted(1)).unwrap();
    let passphrase = Passphrase::new(&SecretBuf::new(b"passphrase".to_vec())).unwrap();
    assert!(matches!(key.decrypt(&passphrase), Err(Error::BadIdentity(0, _) | Error::BadRecipient)));
    let wrong = Passphrase::new(&SecretBuf::new(b"another".to_vec())).unwrap();
    assert!(matches!(key.decrypt(&wrong), Err(Error::NoMatch)));
}
