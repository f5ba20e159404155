//! A typed field that somebody fills in: of a run's input, or of the form of a question.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// One field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputField {
    /// Its name, `snake_case`.
    pub name: String,
    /// Its schema: the JSON Schema keywords that a field may have.
    pub schema: Map<String, Value>,
    /// The value if none is given. A field without one must be given.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub default: Option<Value>,
    /// Whether it may be left out although it has no default; it is `null` then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// Keeps `null` apart from an absent field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
