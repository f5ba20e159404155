//! The description in the component, and whether declared needs and real imports agree.

use flowforge_ports::{CapabilityKind, ConnectorMeta, HttpNeed, Interface, Needs, OperationMeta, SecretSlot};

use crate::manifest::FILE;
use crate::world::World;
use crate::{BuildError, Diagnostic, Manifest};

/// Code of a need that is declared and not there, or there and not declared.
const DIFFERENT: &str = "FF-BLD-003";

/// Code of an operation that is named and not there, or of none at all.
const NO_OPERATION: &str = "FF-BLD-004";

/// Code of an import that no host offers.
const NOT_OFFERED: &str = "FF-BLD-005";

/// Code of an operation that is said to be a trigger and has not the shape of one.
const NO_TRIGGER: &str = "FF-BLD-014";

/// The description of a connector: its `connector.toml` and the doc comments of its WIT.
pub(crate) fn meta(manifest: &Manifest, world: &World) -> ConnectorMeta {
    ConnectorMeta {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        title: manifest.title.clone(),
        summary: manifest.summary.clone(),
        category: manifest.category.clone(),
        license: manifest.license.clone(),
        needs: Needs {
            http: manifest.http.as_ref().map(|section| HttpNeed {
                destinations: section.destinations.clone(),
                reason: section.reason.clone(),
            }),
        },
        secrets: manifest
            .secrets
            .iter()
            .map(|(slot, section)| {
                let secret = SecretSlot {
                    kind: section.kind.clone(),
                    destinations: section.destinations.clone(),
                };
                (slot.clone(), secret)
            })
            .collect(),
        operations: world
            .interface
            .operations
            .iter()
            .map(|operation| {
                let section = manifest.operations.get(&operation.name);
                let meta = OperationMeta {
                    title: section.and_then(|section| section.title.clone()),
                    effect: section.and_then(|section| section.effect),
                    trigger: section.and_then(|section| section.trigger),
                };
                (operation.name.clone(), meta)
            })
            .collect(),
        docs: world.docs.clone(),
    }
}

/// Check that the component asks for what `connector.toml` declares, no more and no less, and that every operation it
/// names exists.
///
/// # Errors
/// [`BuildError::Needs`] with every difference.
pub(crate) fn check_needs(manifest: &Manifest, interface: &Interface) -> Result<(), BuildError> {
    let mut found = Vec::new();
    let mut wrong = |code: &str, line: usize, message: String, mend: String| {
        found.push(Diagnostic {
            file: FILE.to_owned(),
            line,
            column: 0,
            code: Some(code.to_owned()),
            message,
            mend: Some(mend),
        });
    };
    let has_http = interface.has_capability(CapabilityKind::Http);
    match &manifest.http {
        None if has_http => wrong(
            DIFFERENT,
            0,
            "the connector makes HTTP requests, but has no section [needs.http]".to_owned(),
            "add [needs.http] with `destinations` and `reason`, or remove the requests".to_owned(),
        ),
        Some(section) if !has_http => wrong(
            DIFFERENT,
            section.line,
            "needs.http: the connector makes no HTTP requests".to_owned(),
            "remove the section: nobody grants what is not used".to_owned(),
        ),
        _ => {}
    }
    if !has_http && !interface.has_capability(CapabilityKind::Secrets) {
        for (slot, section) in &manifest.secrets {
            wrong(
                DIFFERENT,
                section.line,
                format!("secrets.{slot}: the connector can use no secret, because it makes no requests"),
                "remove the section".to_owned(),
            );
        }
    }
    for (name, section) in &manifest.operations {
        if let Some((operation, trigger)) = interface.operation(name).zip(section.trigger)
            && let Some(reason) = trigger.misfit(operation)
        {
            wrong(
                NO_TRIGGER,
                section.line,
                format!("operations.{name}: no {} trigger: {reason}", trigger.as_str()),
                "docs/authors.md shows both kinds; remove `trigger` if it begins no runs".to_owned(),
            );
        }
        if interface.operation(name).is_none() {
            let known: Vec<&str> = interface
                .operations
                .iter()
                .map(|operation| operation.name.as_str())
                .collect();
            wrong(
                NO_OPERATION,
                section.line,
                format!("operations.{name}: there is no such operation"),
                format!("use one of {}", known.join(", ")),
            );
        }
    }
    for capability in &interface.capabilities {
        if capability.kind == CapabilityKind::Unknown {
            wrong(
                NOT_OFFERED,
                0,
                format!(
                    "the connector imports {}, which no host offers",
                    capability.import
                ),
                "use the interfaces of flowforge:connector or wasi:http/outgoing-handler".to_owned(),
            );
        }
    }
    if interface.operations.is_empty() {
        wrong(
            NO_OPERATION,
            0,
            "the connector exports no operation".to_owned(),
            "export at least one function from its world".to_owned(),
        );
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(BuildError::Needs(found))
    }
}
