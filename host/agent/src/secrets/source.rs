//! Where sealed secrets come from.

use async_trait::async_trait;

/// A secret sealed to this host.
#[derive(Debug, Clone)]
pub struct SealedCopy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its kind, as the grant also says.
    pub kind: String,
    /// The sealed value, JSON text.
    pub sealed: String,
}

/// Why there is no newer copy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There was no answer that says anything about the secret; the stored copy counts.
    #[error("{0}")]
    Transient(String),
}

/// Gives secrets sealed to this host.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The named secrets; those that are not set are left out.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn sealed(&self, names: &[String]) -> Result<Vec<SealedCopy>, SourceError>;
}
