//! A loaded connector: inspected, compiled, linked, ready to be instantiated.

use std::collections::HashMap;
use std::sync::Arc;

use flowforge_ports::{CapabilityKind, InspectError, Interface, Operation};
use flowforge_protocol::Digest;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use crate::compile::CompileError;
use crate::machine::Machine;
use crate::start_error::RuntimeError;
use crate::state::StepState;

/// A connector that can be called. Cheap to share; dropping the last one lets go of the code.
pub struct Connector {
    digest: Digest,
    interface: Interface,
    /// Where it runs.
    pub(crate) machine: Arc<Machine>,
    pub(crate) pre: InstancePre<StepState>,
    /// Operation name → where it is, found once.
    pub(crate) functions: HashMap<String, LoadedOperation>,
}

/// One operation, with everything a call needs already looked up.
pub(crate) struct LoadedOperation {
    pub(crate) operation: Operation,
    pub(crate) export: ComponentExportIndex,
}

/// Why a component cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not the ones that were asked for.
    #[error("component has digest {actual}, expected {expected}")]
    WrongDigest {
        /// What was asked for.
        expected: Digest,
        /// What the bytes have.
        actual: Digest,
    },
    /// The file is larger than this host takes.
    #[error("component is {actual_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The bytes are no component. Final.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The component needs something that no host offers. Final.
    #[error(
        "imports `{import}`, which this host does not offer; it offers flowforge:connector@0.1, WASI 0.2 and wasi:http"
    )]
    UnknownImport {
        /// The first import that is missing.
        import: String,
    },
    /// An import has a known name and another shape: another version of the interface, or another package's. Final.
    #[error("imports do not fit this host: {reason}")]
    ImportMismatch {
        /// Which one, and how.
        reason: String,
    },
    /// It could not be compiled; see the variant for whether another try may help.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The compiled code was refused by this host, usually for needing more of the instance pool than one component may.
    #[error("compiled component cannot be loaded: {reason}")]
    Unloadable {
        /// What is wrong, for people.
        reason: String,
    },
    /// The host's own trouble: there is no room for the engine of components with the asynchronous ABI, which is started
    /// for the first of them.
    #[error("the engine of asynchronous components cannot be started")]
    Machine(#[source] RuntimeError),
    /// The host's own trouble: its cache folder cannot be used.
    #[error("code cache cannot be used")]
    Storage(#[source] std::io::Error),
}

impl Connector {
    pub(crate) fn link(
        digest: Digest,
        interface: Interface,
        component: &Component,
        machine: Arc<Machine>,
    ) -> Result<Self, LoadError> {
        let pre = machine
            .linker
            .instantiate_pre(component)
            .map_err(|error| LoadError::ImportMismatch {
                reason: format!("{error:#}"),
            })?;
        let mut functions = HashMap::with_capacity(interface.operations.len());
        for operation in &interface.operations {
            let missing = || LoadError::Unloadable {
                reason: format!("it does not export `{}`", operation.export),
            };
            let instance = match &operation.export.interface {
                Some(name) => Some(component.get_export_index(None, name).ok_or_else(missing)?),
                None => None,
            };
            let export = component
                .get_export_index(instance.as_ref(), &operation.export.function)
                .ok_or_else(missing)?;
            let loaded = LoadedOperation {
                operation: operation.clone(),
                export,
            };
            functions.insert(operation.name.clone(), loaded);
        }
        Ok(Self {
            digest,
            interface,
            machine,
            pre,
            functions,
        })
    }

    /// Digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What it offers and asks for.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.interface
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("digest", &self.digest)
            .field("operations", &self.functions.len())
            .finish_non_exhaustive()
    }
}

/// The first import that no host offers, if there is one.
pub(crate) fn unknown_import(interface: &Interface) -> Option<&str> {
    let mut unknown = interface
        .capabilities
        .iter()
        .filter(|capability| capability.kind == CapabilityKind::Unknown);
    unknown.next().map(|capability| capability.import.as_str())
}
