//! What may be set, with its bounds.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flowforge_protocol::TrustRoot;

/// Settings of a registry.
#[derive(Clone)]
pub struct RegistryConfig {
    /// Which keys may publish under which names.
    pub trust: TrustRoot,
    /// Largest component, and so the largest blob, in bytes. 32 MiB.
    pub component_bytes_max: u64,
    /// Most bytes of blobs kept in all; a push beyond it is refused. 16 GiB.
    pub store_bytes_max: u64,
    /// Most bytes of blobs that no publication stands behind; a push beyond it is refused until some have expired. 4 GiB.
    pub unsigned_bytes_max: u64,
    /// Most bytes of such blobs in one repository. 128 MiB.
    pub unsigned_repo_bytes_max: u64,
    /// How long what no publication stands behind is kept: components that were pushed and not published, and whatever
    /// refers to other manifests. 24 hours.
    pub unsigned_life: Duration,
    /// Uploads open at the same time; another one is refused until one ends or has been idle for
    /// [`Self::upload_idle`]. 32.
    pub uploads_max: usize,
    /// How long an upload may stand still before another may take its place. 15 minutes.
    pub upload_idle: Duration,
    /// How long a client may take to send the next bytes of a body. 30 seconds.
    pub body_wait: Duration,
    /// Milliseconds since 1970 UTC, for the time of publication.
    pub now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Whether other processes may have the folder, too. Each then sees what the others published when it is told to look
    /// again; what nobody published leaves only at the start of a process that is alone. No.
    pub shared: bool,
    /// Called after a version was published here, or something was said about one. Does nothing.
    pub published: Arc<dyn Fn() + Send + Sync>,
}

/// Largest component that a registry takes unless it is told otherwise, in bytes.
pub(crate) const COMPONENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

impl RegistryConfig {
    /// The usual bounds and the system's clock.
    #[must_use]
    pub fn new(trust: TrustRoot) -> Self {
        Self {
            trust,
            component_bytes_max: COMPONENT_BYTES_MAX,
            store_bytes_max: 16 * 1024 * 1024 * 1024,
            unsigned_bytes_max: 4 * 1024 * 1024 * 1024,
            unsigned_repo_bytes_max: 128 * 1024 * 1024,
            unsigned_life: Duration::from_secs(24 * 60 * 60),
            uploads_max: 32,
            upload_idle: Duration::from_secs(15 * 60),
            body_wait: Duration::from_secs(30),
            now_ms: Arc::new(system_now_ms),
            shared: false,
            published: Arc::new(|| {}),
        }
    }
}

fn system_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Largest manifest in bytes.
pub(crate) const MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// Most connectors.
pub(crate) const REPOS_MAX: usize = 10_000;
/// Most blobs of one connector.
pub(crate) const BLOBS_MAX: usize = 16_384;
/// Most manifests in one repository that a publication stands behind.
pub(crate) const MANIFESTS_MAX: usize = 4096;
/// Most manifests in one repository that none stands behind; the oldest leaves for one more.
pub(crate) const UNSIGNED_MAX: usize = 256;
/// Most of those about one manifest.
pub(crate) const REFERRERS_MAX: usize = 64;
/// How long a blob waits for the manifest that names it.
pub(crate) const ORPHAN_LIFE_MS: u64 = 60 * 60 * 1_000;
/// Most layers of a referrer.
pub(crate) const LAYERS_MAX: usize = 8;
/// Components inspected at the same time; others wait, because each needs a core and memory of its own size.
pub(crate) const INSPECTIONS_MAX: usize = 2;
/// Most accounts with a password.
pub(crate) const ACCOUNTS_MAX: usize = 10_000;
/// Most publishers that have a document.
pub(crate) const PUBLISHERS_MAX: usize = 10_000;
/// Most advisories.
pub(crate) const ADVISORIES_MAX: usize = 10_000;
/// Largest configuration of a component, in bytes.
pub(crate) const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// Largest publication in the header of a request to judge, in bytes.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 8 * 1024;
