//! Answers about secrets. "No" is an answer of its own, so that a host can tell it from a line that is out.

use async_graphql::{SimpleObject, Union};

use crate::api::AnyJson;

/// A secret that only the asking host can open.
#[derive(SimpleObject)]
pub(crate) struct SealedSecret {
    pub(crate) name: String,
    /// Grows with each value.
    pub(crate) version: u32,
    /// `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`.
    pub(crate) kind: String,
    /// Where the value may be sent; bound to the sealed value.
    pub(crate) destinations: Vec<String>,
    /// The sealed value: base64 as the sealing format of the protocol writes it.
    pub(crate) sealed: AnyJson,
}

/// There is no such secret any more, or never was: the host wipes its copy.
#[derive(SimpleObject)]
pub(crate) struct SecretAbsent {
    pub(crate) name: String,
}

/// No run of this host has a grant for it: the host wipes its copy.
#[derive(SimpleObject)]
pub(crate) struct SecretNotGranted {
    pub(crate) name: String,
}

/// The answer about one name.
#[derive(Union)]
pub(crate) enum SecretAnswer {
    Sealed(SealedSecret),
    Absent(SecretAbsent),
    NotGranted(SecretNotGranted),
}
