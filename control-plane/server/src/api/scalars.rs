//! Scalars of the API.

use async_graphql::{InputValueError, InputValueResult, Json, Scalar, ScalarType, Value};

/// Any JSON value.
pub(crate) type AnyJson = Json<serde_json::Value>;

/// A whole number between 0 and 2^53 - 1. Times are milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Long(pub(crate) u64);

const MAX: u64 = (1 << 53) - 1;

#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::Number(number) => number.as_u64().filter(|number| *number <= MAX),
            _ => None,
        };
        number
            .map(Self)
            .ok_or_else(|| InputValueError::custom(format!("expected a whole number from 0 to {MAX}")))
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

impl From<u64> for Long {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// JSON text that this server stored, as a value.
pub(crate) fn stored_json(text: &str) -> async_graphql::Result<AnyJson> {
    serde_json::from_str(text)
        .map(Json)
        .map_err(|error| super::fault(&error))
}
