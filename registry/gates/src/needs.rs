//! What a connector says that it needs, against what its bytes import; and what another version asks for besides.

use std::collections::BTreeSet;

use flowforge_ports::{CapabilityKind, Interface};
use serde::{Deserialize, Serialize};

/// Checks that every capability that the description declares is imported. What is imported and not described, as in a
/// component that nobody built for FlowForge, is read from the bytes and shown all the same.
///
/// # Errors
/// The declared capabilities that are not there, for people.
pub fn check_needs(interface: &Interface) -> Result<(), String> {
    let Some(meta) = &interface.meta else {
        return Ok(());
    };
    let has_http = interface.has_capability(CapabilityKind::Http);
    if meta.needs.http.is_some() && !has_http {
        return Err(
            "it declares requests over HTTP and imports nothing to make them with: leave out `[needs.http]`"
                .to_owned(),
        );
    }
    let foreign: Vec<&str> = meta
        .operations
        .keys()
        .map(String::as_str)
        .filter(|name| interface.operation(name).is_none())
        .take(8)
        .collect();
    if !foreign.is_empty() {
        return Err(format!(
            "it describes operations that it does not export: {}",
            foreign.join(", ")
        ));
    }
    Ok(())
}

/// What another version of a connector asks for, in words such as `http`, `http https://api.example.com`, `secret auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityDifference {
    /// What the newer version asks for and the older does not. Whoever upgrades is asked for it.
    pub added: Vec<String>,
    /// What the newer version does not ask for any more.
    pub removed: Vec<String>,
}

impl CapabilityDifference {
    /// The difference between two versions.
    #[must_use]
    pub fn between(old: &Interface, new: &Interface) -> Self {
        let (old, new) = (asked_for(old), asked_for(new));
        Self {
            added: new.difference(&old).cloned().collect(),
            removed: old.difference(&new).cloned().collect(),
        }
    }
}

/// Everything that a version asks of hosts and people, in the words of [`CapabilityDifference`].
#[must_use]
pub fn asked_for(interface: &Interface) -> BTreeSet<String> {
    let imports = interface
        .capabilities
        .iter()
        .map(|capability| match capability.kind {
            CapabilityKind::Unknown => capability.import.clone(),
            kind => kind.as_str().to_owned(),
        });
    let meta = interface.meta.as_ref();
    let http = meta.and_then(|meta| meta.needs.http.as_ref());
    let destinations = http.into_iter().flat_map(|need| &need.destinations);
    let slots = meta.into_iter().flat_map(|meta| meta.secrets.keys());
    imports
        .chain(destinations.map(|destination| format!("http {destination}")))
        .chain(slots.map(|slot| format!("secret {slot}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use flowforge_ports::{Capability, ConnectorMeta, HttpNeed, OperationMeta, SecretSlot};

    use super::*;

    fn with(http: bool, change: impl FnOnce(&mut ConnectorMeta)) -> Interface {
        let mut meta = ConnectorMeta::default();
        change(&mut meta);
        let capability = Capability {
            kind: CapabilityKind::Http,
            import: "wasi:http/outgoing-handler@0.2.0".to_owned(),
        };
        Interface {
            capabilities: http.then_some(capability).into_iter().collect(),
            meta: Some(meta),
            ..Interface::default()
        }
    }

    fn reaches(meta: &mut ConnectorMeta, places: &[&str]) {
        meta.needs.http = Some(HttpNeed {
            destinations: places.iter().map(ToString::to_string).collect(),
            reason: String::new(),
        });
    }

    #[test]
    fn what_is_declared_is_there() {
        assert_eq!(check_needs(&with(true, |meta| reaches(meta, &["*"]))), Ok(()));
        assert_eq!(check_needs(&with(true, |_| {})), Ok(()));
        assert_eq!(check_needs(&Interface::default()), Ok(()));
        let liar = with(false, |meta| reaches(meta, &["*"]));
        assert!(
            check_needs(&liar)
                .unwrap_err()
                .contains("leave out `[needs.http]`")
        );
        let ghost = with(true, |meta| {
            meta.operations
                .insert("ghost".to_owned(), OperationMeta::default());
        });
        assert!(
            check_needs(&ghost)
                .unwrap_err()
                .ends_with("does not export: ghost")
        );
    }

    #[test]
    fn an_upgrade_says_what_it_asks_for_besides() {
        let old = with(true, |meta| reaches(meta, &["https://a.example"]));
        let new = with(true, |meta| {
            reaches(meta, &["https://b.example"]);
            meta.secrets.insert("channel".to_owned(), SecretSlot::default());
        });
        let found = CapabilityDifference::between(&old, &new);
        assert_eq!(found.added, ["http https://b.example", "secret channel"]);
        assert_eq!(found.removed, ["http https://a.example"]);
        assert_eq!(
            CapabilityDifference::between(&old, &old),
            CapabilityDifference::default()
        );
    }
}
