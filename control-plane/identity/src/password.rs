//! Passwords: what one must be, and how it is kept.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Most characters of a password; more would only cost time.
pub const MAX_PASSWORD_CHARS: usize = 256;

/// Memory of one hash, KiB: 19 MiB, with the next two the least that OWASP advises for Argon2id.
const MEMORY_KIB: u32 = 19 * 1_024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Most memory that a stored hash may ask for, KiB: what somebody put into the database must not exhaust this machine.
const MEMORY_MAX_KIB: u32 = 256 * 1_024;
/// Most passes that a stored hash may ask for.
const PASSES_MAX: u32 = 16;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// It is guessed too fast.
    #[error(
        "a password has at least {MIN_PASSWORD_CHARS} characters; several words are easier to remember than signs"
    )]
    Short,
    /// It is longer than anybody needs.
    #[error("a password has at most {MAX_PASSWORD_CHARS} characters")]
    Long,
    /// It is what is guessed first.
    #[error("a password is neither the name of its account nor one character over and over")]
    Guessable,
}

/// Whether this may be the password of the account with this name. No signs are demanded: length is what counts.
///
/// # Errors
/// [`PasswordRule`].
pub fn check_password(name: &str, password: &str) -> Result<(), PasswordRule> {
    let count = password.chars().count();
    if count < MIN_PASSWORD_CHARS {
        return Err(PasswordRule::Short);
    }
    if count > MAX_PASSWORD_CHARS {
        return Err(PasswordRule::Long);
    }
    let first = password.chars().next();
    let is_one_sign = password.chars().all(|c| Some(c) == first);
    if is_one_sign || password.to_lowercase() == name.to_lowercase() {
        return Err(PasswordRule::Guessable);
    }
    Ok(())
}

/// A password as it is kept: Argon2id in the PHC form, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// The parts of the PHC form.
struct Parts {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl PasswordHash {
    /// Of a password, with sixteen fresh random bytes. Takes tens of milliseconds on purpose: not on a thread that answers
    /// others.
    #[must_use]
    pub fn new(password: &str, salt: &[u8; SALT_BYTES]) -> Self {
        let hash = derive(password, salt, MEMORY_KIB, PASSES, LANES).unwrap_or_default();
        Self(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(hash.as_slice())
        ))
    }

    /// A hash that no password has: what is compared for an account that does not exist, so that the answer takes as long.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
            STANDARD_NO_PAD.encode([0_u8; SALT_BYTES]),
            STANDARD_NO_PAD.encode([0_u8; HASH_BYTES])
        ))
    }

    /// As it was stored. What is no hash verifies nothing.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text to be stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the password. Takes as long as [`PasswordHash::new`].
    #[must_use]
    pub fn verifies(&self, password: &str) -> bool {
        if password.chars().count() > MAX_PASSWORD_CHARS {
            return false;
        }
        let Some(parts) = self.parts() else {
            return false;
        };
        derive(password, &parts.salt, parts.memory_kib, parts.passes, parts.lanes)
            .is_some_and(|hash| hash.as_slice().ct_eq(&parts.hash).into())
    }

    fn parts(&self) -> Option<Parts> {
        let mut fields = self.0.split('$');
        let ("", "argon2id", "v=19") = (fields.next()?, fields.next()?, fields.next()?) else {
            return None;
        };
        let mut costs = fields.next()?.split(',');
        let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let (memory_kib, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
        let salt = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
        let hash = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
        let is_whole = fields.next().is_none() && hash.len() == HASH_BYTES && salt.len() >= 8;
        let is_bounded = memory_kib <= MEMORY_MAX_KIB && passes <= PASSES_MAX && lanes <= 4;
        (is_whole && is_bounded).then_some(Parts {
            memory_kib,
            passes,
            lanes,
            salt,
            hash,
        })
    }
}

fn derive(
    password: &str,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Option<Zeroizing<[u8; HASH_BYTES]>> {
    let params = Params::new(memory_kib, passes, lanes, Some(HASH_BYTES)).ok()?;
    let mut hash = Zeroizing::new([0_u8; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, hash.as_mut_slice())
        .ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified_and_another_is_not() {
        let hash = PasswordHash::new("correct horse battery", &[7; 16]);
        assert!(hash.verifies("correct horse battery"));
        assert!(!hash.verifies("correct horse batterz") && !hash.verifies(""));
        assert!(PasswordHash::stored(hash.as_str().to_owned()).verifies("correct horse battery"));
        assert_ne!(
            hash,
            PasswordHash::new("correct horse battery", &[8; 16]),
            "the salt counts"
        );
        assert!(!format!("{hash:?}").contains("argon2"));
    }

    /// The reference implementation's own example: `argon2 somesalt -id -t 2 -m 16 -p 1`, of `password`, is another hash
    /// than ours only by its cost.
    #[test]
    fn the_hash_is_that_of_other_programs() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = PasswordHash::stored(text.to_owned());
        assert!(hash.verifies("password") && !hash.verifies("passwore"));
    }

    #[test]
    fn what_is_no_hash_verifies_nothing_and_costs_little() {
        let good = PasswordHash::new("correct horse battery", &[7; 16]);
        let hungry = good.as_str().replace("m=19456", "m=4294967295");
        let slow = good.as_str().replace("t=2", "t=4294967295");
        let other = good.as_str().replace("argon2id", "argon2i");
        for text in ["", "$", "plain", &hungry, &slow, &other, &good.as_str()[..40]] {
            let hash = PasswordHash::stored(text.to_owned());
            assert!(!hash.verifies("correct horse battery"), "{text}");
        }
        assert!(!PasswordHash::of_nobody().verifies(""));
    }

    #[test]
    fn length_is_what_counts() {
        assert_eq!(check_password("ann", "a few plain words"), Ok(()));
        assert_eq!(check_password("ann", "P4$$w0rd!"), Err(PasswordRule::Short));
        assert_eq!(check_password("ann", &"x".repeat(257)), Err(PasswordRule::Long));
        assert_eq!(
            check_password("ann", "aaaaaaaaaaaa"),
            Err(PasswordRule::Guessable)
        );
        assert_eq!(
            check_password("Annabelle-Lee", "annabelle-lee"),
            Err(PasswordRule::Guessable)
        );
        assert_eq!(
            check_password("ann", "ééééééééééé1"),
            Ok(()),
            "characters, not bytes"
        );
    }
}
