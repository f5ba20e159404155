//! Secrets as the API shows them: never their values.

use async_graphql::{Object, SimpleObject};
use flowforge_store::StoredSecret;

use super::scalars::{AnyJson, Long};

/// A secret, without its value.
pub(crate) struct SecretNode(pub(crate) StoredSecret);

#[Object(name = "Secret")]
impl SecretNode {
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// `bearer`, `basic`, `api-key`, `hmac-key` or `opaque`.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Where the value may be sent.
    async fn destinations(&self) -> &[String] {
        &self.0.destinations
    }

    /// Grows with each value.
    async fn version(&self) -> u32 {
        self.0.version
    }

    async fn updated_at_ms(&self) -> Long {
        self.0.updated_at_ms.into()
    }
}

/// A secret that only one host can open.
#[derive(SimpleObject)]
pub(crate) struct SealedSecret {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) kind: String,
    pub(crate) destinations: Vec<String>,
    /// The sealed value: base64 as the sealing format of the protocol writes it.
    pub(crate) sealed: AnyJson,
}
