//! Fresh random bytes for identifiers, tokens, nonces and keys.

/// The system gave no random bytes: nothing that needs to be unguessable can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct EntropyError;

/// `N` fresh random bytes.
pub(crate) fn fresh<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|_| EntropyError)?;
    Ok(bytes)
}
