use super::*;
use crate::seal::Identity;

/// A file that decrypts may still have the wrong content: `prove` must compare it.
#[test]
fn a_file_with_another_content_is_no_proof() {
    let identity = Identity::generate();
    let to = [seal::Recipient::parse(&identity.public(), None).unwrap()];
    let (bytes, key) = seal::seal_known(b"written", &to).unwrap();
    let proof = Opener::new(identity);
    let mut sealed = Sealed { plain: SecretBuf::new(b"written".to_vec()), bytes, key };
    assert!(prove(&sealed, &proof).is_ok());
    sealed.plain = SecretBuf::new(b"to be written".to_vec());
    assert!(matches!(prove(&sealed, &proof), Err(Error::Seal(seal::Error::Damaged))));
}
