//! The canonical form of a definition: what a release holds and signs.

use flowforge_protocol::Digest;
use serde_json::{Map, Value};

use crate::definition::Definition;
use crate::model::{FORMAT, Workflow};

/// Why a configuration override is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The workflow has no such configuration value.
    #[error("`config.{name}` is not in the workflow; it has: {known}")]
    Unknown {
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
}

/// The definition as JSON, with configuration values replaced. Its digest is `Digest::of_json`.
///
/// # Errors
///
/// An override for a value that the workflow does not have.
pub fn canonical(definition: &Definition, overrides: &Map<String, Value>) -> Result<Value, ConfigError> {
    let mut model = definition.model.clone();
    model.config = config_with(definition, overrides)?;
    Ok(write(&model))
}

/// The configuration with values replaced.
///
/// # Errors
///
/// As [`canonical`].
pub fn config_with(
    definition: &Definition,
    overrides: &Map<String, Value>,
) -> Result<Map<String, Value>, ConfigError> {
    let mut config = definition.model.config.clone();
    for (name, value) in overrides {
        match config.get_mut(name) {
            Some(slot) => *slot = value.clone(),
            None => {
                let known: Vec<&str> = config.keys().map(String::as_str).collect();
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                return Err(ConfigError::Unknown {
                    name: name.clone(),
                    known,
                });
            }
        }
    }
    Ok(config)
}

/// The digest of a canonical definition.
#[must_use]
pub fn definition_digest(canonical: &Value) -> Digest {
    Digest::of_json(canonical)
}

fn write(model: &Workflow) -> Value {
    // The parts are JSON values, texts and numbers: writing them into memory has no failing path.
    serde_json::to_value(model).unwrap_or_default()
}

/// The parts of a canonical definition.
///
/// # Errors
///
/// A fragment: another version, or another shape.
pub fn read(value: &Value) -> Result<Workflow, String> {
    let format = value.get("format").and_then(Value::as_u64);
    if format != Some(u64::from(FORMAT)) {
        let found = format.map_or_else(|| "none".to_owned(), |found| found.to_string());
        return Err(format!("format {found}, this program reads {FORMAT}"));
    }
    serde::Deserialize::deserialize(value).map_err(|error: serde_json::Error| error.to_string())
}
