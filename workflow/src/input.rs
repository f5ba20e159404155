//! The input of a run, and the form of a question, against the definition: defaults filled in, everything else checked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::diagnostic::nearest;
use crate::json::path_prefix;
use crate::limits::MAX_INPUT_BYTES;
use crate::model::{InputField, Workflow};

/// One thing wrong with an input or a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}{message}", path_prefix(.path))]
pub struct InputProblem {
    /// Path of the wrong value: `threshold`, `rows[3].price`; empty for the whole input.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Most problems reported for one input.
const MAX_PROBLEMS: usize = 20;

/// The JSON Schema of a workflow's input.
#[must_use]
pub fn input_schema(workflow: &Workflow) -> Value {
    form_schema(&workflow.input)
}

/// The JSON Schema of an object of these fields.
#[must_use]
pub fn form_schema(fields: &[InputField]) -> Value {
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.default.is_none() && !field.optional)
        .map(|field| field.name.as_str())
        .collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let mut schema = field.schema.clone();
            if let Some(default) = &field.default {
                schema.insert("default".to_owned(), default.clone());
            }
            (field.name.clone(), Value::Object(schema))
        })
        .collect();
    serde_json::json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The input as the run gets it: every field there, defaults filled in; an absent optional field is `null`.
///
/// # Errors
///
/// What is wrong with it, each with its path; at most 20.
pub fn complete_input(workflow: &Workflow, given: &Value) -> Result<Value, Vec<InputProblem>> {
    complete(&workflow.input, given, "the workflow", "input")
}

/// The form of a question as the run gets it: as [`complete_input`] for the input of a run.
///
/// # Errors
///
/// What is wrong with it, each with its path; at most 20.
pub fn complete_form(form: &[InputField], given: &Value) -> Result<Value, Vec<InputProblem>> {
    complete(form, given, "the form", "field")
}

/// Fills in an object of fields. `whose` has them, and `word` is what one of them is called.
fn complete(
    fields: &[InputField],
    given: &Value,
    whose: &str,
    word: &str,
) -> Result<Value, Vec<InputProblem>> {
    let problem = |path: &str, message: String| InputProblem {
        path: path.to_owned(),
        message,
    };
    let empty = Map::new();
    let given = match given {
        Value::Object(fields) => fields,
        Value::Null => &empty,
        _ => return Err(vec![problem("", format!("the {word} must be an object"))]),
    };
    let mut problems = Vec::new();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        let message = match nearest(name, names.iter().copied()) {
            Some(near) => format!("{whose} has no such {word}; did you mean `{near}`?"),
            None if names.is_empty() => format!("{whose} has no {word}"),
            None => format!("{whose} has no such {word}; it has: {}", names.join(", ")),
        };
        problems.push(problem(name, message));
    }
    let mut out = Map::with_capacity(fields.len());
    for field in fields {
        let value = match (given.get(&field.name), &field.default) {
            (Some(value), _) if !(value.is_null() && field.optional) => {
                check(field, value, &mut problems);
                value.clone()
            }
            (None, Some(default)) => default.clone(),
            (Some(_), _) | (None, None) if field.optional => Value::Null,
            _ => {
                problems.push(problem(&field.name, "is missing and has no default".to_owned()));
                Value::Null
            }
        };
        out.insert(field.name.clone(), value);
    }
    let out = Value::Object(out);
    let size = out.to_string().len();
    if size > MAX_INPUT_BYTES {
        problems.push(problem(
            "",
            format!("the {word} has {size} bytes, above the limit of {MAX_INPUT_BYTES}"),
        ));
    }
    problems.truncate(MAX_PROBLEMS);
    if problems.is_empty() {
        Ok(out)
    } else {
        Err(problems)
    }
}

/// Whether the value plainly fits, told without compiling the schema: the common case on the way of every run.
fn plainly_fits(schema: &Map<String, Value>, value: &Value) -> bool {
    schema
        .iter()
        .all(|(keyword, wanted)| match (keyword.as_str(), wanted) {
            ("description" | "title" | "examples", _) => true,
            ("type", Value::String(name)) => match name.as_str() {
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                _ => false,
            },
            ("minimum", limit) => value
                .as_f64()
                .zip(limit.as_f64())
                .is_some_and(|(value, limit)| value > limit),
            ("maximum", limit) => value
                .as_f64()
                .zip(limit.as_f64())
                .is_some_and(|(value, limit)| value < limit),
            _ => false,
        })
}

fn check(field: &InputField, value: &Value, problems: &mut Vec<InputProblem>) {
    if plainly_fits(&field.schema, value) {
        return;
    }
    let validator = match jsonschema::validator_for(&Value::Object(field.schema.clone())) {
        Ok(validator) => validator,
        Err(error) => {
            problems.push(InputProblem {
                path: field.name.clone(),
                message: format!("its schema is wrong: {error}"),
            });
            return;
        }
    };
    exact(&field.schema, value, &field.name, problems);
    for error in validator.iter_errors(value).take(MAX_PROBLEMS) {
        let path = dotted(&field.name, &error.instance_path().to_string());
        problems.push(InputProblem {
            path,
            message: error.to_string().chars().take(300).collect(),
        });
    }
}

/// Up to here, 2⁵³, a double says which whole number is meant.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number that does not fit 64 bits was read as a double about its size: refused where a whole number is wanted.
fn exact(schema: &Map<String, Value>, value: &Value, path: &str, problems: &mut Vec<InputProblem>) {
    let of = |name: &str| schema.get(name).and_then(Value::as_object);
    match value {
        Value::Number(number)
            if schema.get("type").and_then(Value::as_str) == Some("integer")
                && number.is_f64()
                && number.as_f64().is_some_and(|double| double.abs() > MAX_EXACT) =>
        {
            problems.push(InputProblem {
                path: path.to_owned(),
                message:
                    "this whole number does not fit 64 bits, so its digits would be lost; send it as text"
                        .to_owned(),
            });
        }
        Value::Array(items) => {
            if let Some(schema) = of("items") {
                for (index, item) in items.iter().enumerate() {
                    exact(schema, item, &format!("{path}[{index}]"), problems);
                }
            }
        }
        Value::Object(fields) => {
            for (name, schema) in of("properties").into_iter().flatten() {
                if let (Some(schema), Some(field)) = (schema.as_object(), fields.get(name)) {
                    exact(schema, field, &format!("{path}.{name}"), problems);
                }
            }
        }
        _ => {}
    }
}

/// A JSON pointer below a field as `field.a[0].b`.
fn dotted(field: &str, pointer: &str) -> String {
    let mut out = field.to_owned();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
            out.push('[');
            out.push_str(part);
            out.push(']');
        } else {
            out.push('.');
            out.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    out
}
