//! What went wrong in an evaluation, in words for the author of the expression.

use cel::ExecutionError;
use cel::common::types::Kind;
use cel::common::value::Val;

/// What a value is called in messages.
pub(super) fn type_name(value: &dyn Val) -> &'static str {
    match value.get_type().kind() {
        Kind::Boolean => "bool",
        Kind::Int | Kind::UInt => "int",
        Kind::Double => "double",
        Kind::String => "text",
        Kind::Bytes => "bytes",
        Kind::List => "list",
        Kind::Map => "object",
        Kind::NullType => "null",
        Kind::Timestamp => "timestamp",
        Kind::Duration => "duration",
        Kind::Opaque => "optional",
        _ => "value",
    }
}

fn word(name: &str) -> &str {
    match name {
        "string" => "text",
        "map" => "object",
        "null_type" => "null",
        "google.protobuf.Timestamp" => "timestamp",
        "google.protobuf.Duration" => "duration",
        "optional_type" => "optional",
        other => other,
    }
}

/// A fragment that says what is wrong.
pub(super) fn describe(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => {
            format!("there is no field `{key}`; write `.?{key}` or default(…, x) if it may be absent")
        }
        ExecutionError::UndeclaredReference(name) => format!("`{name}` is unknown"),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::UnexpectedType { got, want } => {
            format!("found {}, expected {}", word(got), word(want))
        }
        ExecutionError::NoSuchOverload(overload) => {
            let types: Vec<&str> = overload.argument_types().iter().map(|t| word(t)).collect();
            no_overload(overload.function(), &types)
        }
        ExecutionError::IndexOutOfBounds(index) => {
            let index = match index {
                cel::Value::Int(index) => index.to_string(),
                _ => "that".to_owned(),
            };
            format!("the list has no element {index}; the first one is 0")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "the result is beyond 64 bits".to_owned(),
        ExecutionError::DuplicateKey(_) => "a key stands twice in one object".to_owned(),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("{expected} arguments expected, {actual} given")
        }
        ExecutionError::ValuesNotComparable(..) => "these values cannot be compared".to_owned(),
        ExecutionError::UnsupportedKeyType(_) => "a key must be text, a whole number or a bool".to_owned(),
        other => {
            let text: String = other.to_string().chars().take(200).collect();
            text
        }
    }
}

fn no_overload(function: &str, types: &[&str]) -> String {
    let list = |types: &[&str]| types.join(" and ");
    match (function, types) {
        ("_<_" | "_<=_" | "_>_" | "_>=_", _) => {
            let hint = if types.contains(&"null") {
                "; write default(x, 0) if it may be absent"
            } else {
                ""
            };
            format!("cannot compare {}{hint}", list(types))
        }
        ("_._", [value, ..]) => format!("{value} has no fields"),
        ("_[_]", [value, index, ..]) => format!("{value} cannot be indexed with {index}"),
        ("@in", [_, container, ..]) => {
            format!("`in` needs a list or an object on the right, not {container}")
        }
        ("_&&_" | "_||_" | "!_", _) => {
            format!(
                "`{}` needs bool, not {}",
                function.trim_matches('_').trim_end_matches('_'),
                list(types)
            )
        }
        (name, types) => format!("`{}` does not take {}", name.trim_start_matches('@'), list(types)),
    }
}
