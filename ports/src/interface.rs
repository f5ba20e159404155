//! The interface of a connector: what it offers and what it asks for.

use serde::{Deserialize, Serialize};

use crate::{ConnectorMeta, Trigger, Type};

/// Everything that can be known of a component without running it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Name of the connector, `publisher:name`, if its build tool wrote one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// For people, Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// What can be called, in the component's own order.
    pub operations: Vec<Operation>,
    /// What the component may ask of the host beyond the baseline, in the component's own order.
    pub capabilities: Vec<Capability>,
    /// Imports that every host links to inert versions; no permission.
    pub baseline: Vec<String>,
    /// Exported functions that cannot be called, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_callable: Vec<NotCallable>,
    /// Exports that belong to the language's runtime and are not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
    /// What the build tool wrote about the connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<ConnectorMeta>,
}

impl Interface {
    /// The operation of this name.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// Whether the component imports a capability of this kind.
    #[must_use]
    pub fn has_capability(&self, kind: CapabilityKind) -> bool {
        self.capabilities.iter().any(|capability| capability.kind == kind)
    }
}

/// An exported function that can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// `to_csv` for a function of the world, `text.label` for function `label` of interface `text`.
    pub name: String,
    /// Where it is exported.
    pub export: ExportName,
    /// Whether it is exported with the asynchronous ABI.
    #[serde(default)]
    pub asynchronous: bool,
    /// Parameters in order.
    pub params: Vec<Port>,
    /// The result, without its error side; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Type>,
    /// Whether the function returns `result<…>`, so that its error side is a typed failure.
    pub fails: bool,
    /// The error side, if it carries a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Type>,
    /// Whether `failure` is the standard variant of `flowforge:connector/types`.
    #[serde(default)]
    pub standard_failure: bool,
    /// Short name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people, Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// What a repetition would do.
    pub effect: Effect,
    /// How it begins runs, if its author says so and its types fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
}

/// Where a function is exported.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExportName {
    /// Full name of the exported interface, `ns:pkg/iface@1.2.3`; absent for a function of the world itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// WIT name of the function.
    pub function: String,
}

impl std::fmt::Display for ExportName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{interface}#{}", self.function),
            None => f.write_str(&self.function),
        }
    }
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// JSON name, `snake_case`.
    pub name: String,
    /// WIT name, kebab-case.
    pub wit_name: String,
    /// Type.
    pub ty: Type,
    /// For people, Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

/// What a repetition of an operation would do outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Effect {
    /// Nothing: the component has no capability that reaches outside.
    Pure,
    /// Nothing more than the first call did.
    Idempotent,
    /// Nothing more, as long as the service remembers the idempotency key.
    Keyed {
        /// For how long the service remembers the key, in milliseconds.
        retention_ms: u64,
    },
    /// Perhaps the same thing twice.
    Unsafe,
}

impl Effect {
    /// Whether an attempt with unknown outcome may simply be repeated.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        !matches!(self, Self::Unsafe)
    }
}

/// An import that is no baseline: what the component may ask of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// What it is.
    pub kind: CapabilityKind,
    /// Full name of the import, `flowforge:connector/http@0.1.0`.
    pub import: String,
}

/// What a capability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapabilityKind {
    /// Outgoing HTTP: `flowforge:connector/http` or `wasi:http/outgoing-handler`.
    Http,
    /// Facts about bound secrets.
    Secrets,
    /// Large or binary values.
    Artefacts,
    /// Which step this is. An observation.
    Context,
    /// Lines in the step's log. An observation.
    Log,
    /// Signs of life of a call that takes long. An observation.
    Progress,
    /// An import that no host offers; the component can be inspected but not loaded.
    Unknown,
}

impl CapabilityKind {
    /// Whether using it can change or reveal something outside the sandbox.
    #[must_use]
    pub fn is_effectful(self) -> bool {
        !matches!(self, Self::Artefacts | Self::Context | Self::Log | Self::Progress)
    }

    /// Its name for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Secrets => "secrets",
            Self::Artefacts => "artefacts",
            Self::Context => "context",
            Self::Log => "log",
            Self::Progress => "progress",
            Self::Unknown => "unknown",
        }
    }
}

/// An exported function that cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCallable {
    /// Its name, as an operation would be named.
    pub name: String,
    /// Where it is exported.
    pub export: ExportName,
    /// Why, for people.
    pub reason: String,
}
