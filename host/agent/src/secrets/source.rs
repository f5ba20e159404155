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
    /// Where the value may be sent; bound to the sealed value.
    pub destinations: Vec<String>,
    /// The sealed value, JSON text.
    pub sealed: String,
}

/// What the source says about one secret. Each is a verdict; silence is [`SourceError`].
#[derive(Debug, Clone)]
pub enum SecretAnswer {
    /// Its newest value.
    Sealed(SealedCopy),
    /// There is no such secret, or no longer.
    Absent {
        /// Its name.
        name: String,
    },
    /// This host may not have it.
    NotGranted {
        /// Its name.
        name: String,
    },
}

impl SecretAnswer {
    /// Which secret it is about.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sealed(copy) => &copy.name,
            Self::Absent { name } | Self::NotGranted { name } => name,
        }
    }
}

/// There was no answer that says anything about the secret: the stored copy counts, as long as its lease lasts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Gives secrets sealed to this host.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// What there is to say about the named secrets, one answer for each.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn sealed(&self, names: &[String]) -> Result<Vec<SecretAnswer>, SourceError>;
}
