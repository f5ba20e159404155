//! Catalogues for measuring: entries without bytes, in memory only.

use std::sync::Arc;

use flowforge_ports::{Capability, CapabilityKind, ConnectorMeta, Interface};
use flowforge_protocol::{Digest, KeyId, SigningKey};
use semver::Version;

use crate::catalogue::Entry;
use crate::registry::Registry;
use crate::standing::Standing;

/// Words that titles and summaries are made of; each is in about one connector of twenty.
pub const WORDS: [&str; 20] = [
    "invoice", "weather", "queue", "sensor", "ledger", "mail", "calendar", "stock", "parcel", "chat",
    "image", "table", "sheet", "backup", "metric", "ticket", "contract", "voice", "map", "survey",
];
const CATEGORIES: [&str; 4] = ["data", "transform", "messaging", "files"];

impl Registry {
    /// Enters so many connectors with so many versions each into the lists and searches. Nothing of them is on the disk, so
    /// nothing of them can be pulled.
    pub fn fill_for_measuring(&self, connectors: u32, versions: u32) {
        let key = SigningKey::from_seed(&[1; 32]).verifying_key().id();
        for number in 0..connectors {
            for minor in 0..versions {
                if let Some(entry) = entry(number, minor, key) {
                    self.index_mut().publish(Arc::new(entry));
                }
            }
        }
    }
}

/// None if the name were no connector's name, which the words above do not allow.
fn entry(number: u32, minor: u32, key: KeyId) -> Option<Entry> {
    let pick = |step: u32| {
        let at = usize::try_from(number / step % 20).unwrap_or_default();
        WORDS.get(at).copied().unwrap_or_default()
    };
    let name = format!("publisher{}:{}-n{number}", number % 500, pick(1));
    let category = usize::try_from(number % 4)
        .ok()
        .and_then(|at| CATEGORIES.get(at))
        .copied()
        .unwrap_or_default();
    let http = Capability {
        kind: CapabilityKind::Http,
        import: "wasi:http/outgoing-handler@0.2.0".to_owned(),
    };
    let meta = ConnectorMeta {
        name: name.clone(),
        version: format!("1.{minor}.0"),
        title: format!("{} and {}", pick(1), pick(20)),
        summary: format!(
            "Reads a {} and writes a {} wherever the node says, number {number}.",
            pick(400),
            pick(8_000)
        ),
        category: category.to_owned(),
        ..ConnectorMeta::default()
    };
    let digest = Digest::of(format!("{name} {minor}").as_bytes());
    Some(Entry {
        adoption: None,
        is_installed: true,
        is_disowned: false,
        name: name.parse().ok()?,
        version: Version::new(1, u64::from(minor), 0),
        layer_digest: digest,
        manifest_digest: digest,
        size_bytes: 1,
        interface: Arc::new(Interface {
            capabilities: number.is_multiple_of(3).then_some(http).into_iter().collect(),
            meta: Some(meta),
            ..Interface::default()
        }),
        publisher_key: key,
        publication: String::new(),
        published_at_ms: 0,
        standing: Standing::default(),
    })
}
