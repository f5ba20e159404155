//! Signatures that were verified before, so that one over many documents is verified once.
//!
//! Owns a bounded memory of what a key was seen to have signed. Invariant: what is remembered was verified; key, message and
//! signature are all part of what is compared, so another message or signature is never taken for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::Digest;
use crate::keys::VerifyingKey;

/// Verified signatures that are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 64;

/// Remembers verified signatures.
#[derive(Debug, Default)]
pub struct KnownSignatures(Mutex<VecDeque<Digest>>);

impl KnownSignatures {
    /// Whether this is the key's signature of the message, as [`VerifyingKey::verifies`] says; a second time from memory.
    #[must_use]
    pub fn verifies(&self, key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
        let name = Digest::of_parts(&[key.as_bytes(), signature, message]);
        if self.locked().contains(&name) {
            return true;
        }
        let verifies = key.verifies(message, signature);
        if verifies {
            let mut known = self.locked();
            if known.len() >= REMEMBERED {
                known.pop_front();
            }
            known.push_back(name);
        }
        verifies
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, VecDeque<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    #[test]
    fn only_what_was_verified_is_known_and_the_memory_is_bounded() {
        let (key, other) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let known = KnownSignatures::default();
        let signature = key.sign(b"root");
        assert!(!known.verifies(&other.verifying_key(), b"root", &signature));
        assert!(known.locked().is_empty(), "a refused one is not remembered");
        for _ in 0..2 {
            assert!(known.verifies(&key.verifying_key(), b"root", &signature));
            assert!(!known.verifies(&key.verifying_key(), b"toor", &signature));
            assert!(!known.verifies(&other.verifying_key(), b"root", &signature));
        }
        assert_eq!(known.locked().len(), 1);
        for n in 0..200_u8 {
            assert!(known.verifies(&key.verifying_key(), &[n], &key.sign(&[n])));
        }
        assert_eq!(known.locked().len(), REMEMBERED);
    }
}
