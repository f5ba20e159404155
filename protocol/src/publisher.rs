//! A publisher's key, said by the key itself: whoever shows the statement holds the private half.
//!
//! The same statement, signed by a key that the publisher already has, says that the new one is its own: that is how keys
//! are rotated without anybody else's word.

use serde::{Deserialize, Serialize};

use crate::envelope::{Document, OpenError, Signed};
use crate::keys::VerifyingKey;

/// Payload type of the envelope that carries a [`PublisherKeyStatement`].
pub const PUBLISHER_KEY_TYPE: &str = "application/vnd.flowforge.publisher-key.v1+json";

/// That a key is one of a publisher's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherKeyStatement {
    /// The publisher: the part of a connector's name before the colon.
    pub publisher: String,
    /// Its key.
    pub key: VerifyingKey,
}

impl Document for PublisherKeyStatement {
    const TYPE: &'static str = PUBLISHER_KEY_TYPE;
    const MAX_BYTES: usize = 1024;
}

/// Why a statement does not speak for a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyStatementError {
    /// The envelope is not believed.
    #[error("the statement about the key is not valid")]
    Untrusted(#[source] OpenError),
    /// A good statement about another publisher or another key.
    #[error("the statement is about a key of `{found}`, expected one of `{expected}`, or about another key")]
    Mismatch {
        /// The publisher that was meant.
        expected: String,
        /// The publisher that it names.
        found: String,
    },
}

/// Checks that one of `signers` says that `key` belongs to this publisher. With the key itself as the only signer, that is
/// the proof that its private half is held; with the publisher's keys, that it is their own word.
///
/// # Errors
/// [`KeyStatementError`]; nothing may be concluded about the key.
pub fn verify_key_statement(
    envelope: &[u8],
    signers: &[VerifyingKey],
    publisher: &str,
    key: &VerifyingKey,
) -> Result<(), KeyStatementError> {
    let signed =
        Signed::<PublisherKeyStatement>::open(envelope, signers).map_err(KeyStatementError::Untrusted)?;
    if signed.publisher == publisher && signed.key == *key {
        return Ok(());
    }
    Err(KeyStatementError::Mismatch {
        expected: publisher.to_owned(),
        found: signed.publisher.chars().take(64).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::sign_document;
    use crate::keys::SigningKey;

    #[test]
    fn a_key_is_said_by_itself_or_by_one_that_is_known() {
        let (old, new) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let statement = PublisherKeyStatement {
            publisher: "acme".to_owned(),
            key: new.verifying_key(),
        };
        let itself = sign_document(&statement, &new).unwrap();
        let endorsed = sign_document(&statement, &old).unwrap();
        let check = |envelope: &str, signer: &SigningKey, publisher: &str, key: &SigningKey| {
            verify_key_statement(
                envelope.as_bytes(),
                &[signer.verifying_key()],
                publisher,
                &key.verifying_key(),
            )
        };
        assert_eq!(check(&itself, &new, "acme", &new), Ok(()));
        assert_eq!(check(&endorsed, &old, "acme", &new), Ok(()));
        assert!(matches!(
            check(&itself, &old, "acme", &new),
            Err(KeyStatementError::Untrusted(_))
        ));
        for (publisher, key) in [("zeta", &new), ("acme", &old)] {
            assert!(matches!(
                check(&itself, &new, publisher, key),
                Err(KeyStatementError::Mismatch { .. })
            ));
        }
    }
}
