//! From and to the `json` alias, which is a text on the wire.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Failure, Json};

/// Parse the JSON that arrived at the port or field `path`.
///
/// # Errors
/// `Invalid` naming `path` and what serde found wrong.
pub fn parse<T: DeserializeOwned>(path: &str, text: &Json) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::invalid(path, error.to_string()))
}

/// Parse the object that arrived at the port or field `path`.
///
/// # Errors
/// `Invalid` naming `path` and what stands there instead.
pub fn object(path: &str, text: &Json) -> Result<Map<String, Value>, Failure> {
    let found = match parse(path, text)? {
        Value::Object(fields) => return Ok(fields),
        Value::Null => "nothing",
        Value::Bool(_) => "a switch",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
    };
    Err(Failure::invalid(path, format!("must be an object, not {found}")))
}

/// The JSON text of a value.
///
/// # Errors
/// `Internal`: the value cannot be JSON, for example a map whose keys are no texts.
pub fn text<T: Serialize + ?Sized>(value: &T) -> Result<Json, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::internal(format!("value cannot be JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_shape_names_the_port() {
        let failure = parse::<u8>("rows[3]", &"\"x\"".to_owned()).unwrap_err();
        let Failure::Invalid(invalid) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(invalid.path, "rows[3]");
        assert!(invalid.message.contains("expected u8"), "{}", invalid.message);
    }
}
