//! Secrets as the API shows them: never their values.

use async_graphql::Object;
use flowforge_store::StoredSecret;

use super::scalars::Long;

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
