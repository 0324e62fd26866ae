use super::*;
use crate::seal::Identity;

/// What was written is known by its file key: that it opens does not show that it is what was to be written.
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
