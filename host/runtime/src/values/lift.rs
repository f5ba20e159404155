//! Component values to JSON.

use std::collections::HashSet;

use base64::Engine as _;
use flowforge_ports::{Case, EnumCase, Field, Type};
use flowforge_protocol::json_path::path_at;
use flowforge_protocol::strict::{StrictError, scan};
use flowforge_protocol::{Digest, Failure, FailureKind};
use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use super::JSON_DEPTH_MAX;
use super::path::{PathError, at_field, at_index};

/// Turns what a guest returned into JSON, within a budget.
pub(crate) struct Lifter<'a> {
    bytes_left: usize,
    limit: usize,
    /// Artefacts that the step got or made; it may return no others.
    artefacts: &'a HashSet<Digest>,
}

/// Why a result is no result.
#[derive(Debug)]
pub(crate) enum LiftError {
    /// The guest returned something that its port cannot hold.
    Wrong(PathError),
    /// Larger than this many bytes.
    TooLarge(usize),
}

impl From<PathError> for LiftError {
    fn from(error: PathError) -> Self {
        Self::Wrong(error)
    }
}

impl LiftError {
    fn at(self, wrap: impl FnOnce(PathError) -> PathError) -> Self {
        match self {
            Self::Wrong(error) => Self::Wrong(wrap(error)),
            large @ Self::TooLarge(_) => large,
        }
    }
}

impl<'a> Lifter<'a> {
    pub(crate) fn new(limit: usize, artefacts: &'a HashSet<Digest>) -> Self {
        Self {
            bytes_left: limit,
            limit,
            artefacts,
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), LiftError> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or(LiftError::TooLarge(self.limit))?;
        Ok(())
    }

    /// The JSON of a value of this type.
    pub(crate) fn value(&mut self, ty: &Type, value: Val) -> Result<Value, LiftError> {
        // Every value takes at least a byte and a separator.
        self.spend(2)?;
        match (ty, value) {
            (Type::Bool, Val::Bool(value)) => Ok(Value::Bool(value)),
            (Type::S8, Val::S8(value)) => Ok(Value::from(value)),
            (Type::U8, Val::U8(value)) => Ok(Value::from(value)),
            (Type::S16, Val::S16(value)) => Ok(Value::from(value)),
            (Type::U16, Val::U16(value)) => Ok(Value::from(value)),
            (Type::S32, Val::S32(value)) => Ok(Value::from(value)),
            (Type::U32, Val::U32(value)) => Ok(Value::from(value)),
            (Type::S64, Val::S64(value)) => Ok(Value::from(value)),
            (Type::U64, Val::U64(value)) => Ok(Value::from(value)),
            (Type::F32, Val::Float32(value)) => {
                // The shortest decimal that names this 32-bit number, not its 64-bit neighbour.
                let shortest = value.to_string().parse().unwrap_or_else(|_| f64::from(value));
                number(shortest)
            }
            (Type::F64, Val::Float64(value)) => number(value),
            (Type::Char, Val::Char(value)) => Ok(Value::String(value.to_string())),
            (Type::String, Val::String(text)) => {
                self.spend(text.len())?;
                Ok(Value::String(text))
            }
            (Type::Json, Val::String(text)) => {
                self.spend(text.len())?;
                parse_json(&text)
            }
            (Type::Bytes, Val::List(items)) => self.bytes(&items),
            (Type::Artefact, Val::Record(fields)) => self.artefact(fields),
            (Type::List { element }, Val::List(items)) => {
                let mut list = Vec::with_capacity(items.len().min(self.bytes_left));
                for (index, item) in items.into_iter().enumerate() {
                    list.push(
                        self.value(element, item)
                            .map_err(|error| error.at(at_index(index)))?,
                    );
                }
                Ok(Value::Array(list))
            }
            (Type::Option { inner }, Val::Option(value)) => self.option(inner, value),
            (Type::Tuple { items: types }, Val::Tuple(items)) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, (ty, item)) in types.iter().zip(items).enumerate() {
                    list.push(self.value(ty, item).map_err(|error| error.at(at_index(index)))?);
                }
                Ok(Value::Array(list))
            }
            (Type::Record { fields, .. }, Val::Record(values)) => self.record(fields, values),
            (Type::Variant { cases, .. }, Val::Variant(name, payload)) => self.variant(cases, &name, payload),
            (Type::Enum { cases, .. }, Val::Enum(name)) => Ok(Value::String(json_case(cases, &name))),
            (Type::Flags { flags, .. }, Val::Flags(names)) => {
                let names = names.iter().map(|name| Value::String(json_case(flags, name)));
                Ok(Value::Array(names.collect()))
            }
            (Type::Result { ok, err }, Val::Result(result)) => match result {
                Ok(payload) => self.tagged("ok", ok.as_deref(), payload),
                Err(payload) => self.tagged("err", err.as_deref(), payload),
            },
            (ty, _) => Err(PathError::new(format!(
                "expected {}, got a value of another type",
                ty.expectation()
            ))
            .into()),
        }
    }

    fn bytes(&mut self, items: &[Val]) -> Result<Value, LiftError> {
        self.spend(items.len().saturating_mul(4) / 3)?;
        let mut raw = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Val::U8(byte) => raw.push(*byte),
                _ => return Err(PathError::new("expected bytes").into()),
            }
        }
        Ok(Value::String(
            base64::engine::general_purpose::STANDARD.encode(raw),
        ))
    }

    fn option(&mut self, inner: &Type, value: Option<Box<Val>>) -> Result<Value, LiftError> {
        let Some(value) = value else {
            return Ok(Value::Null);
        };
        let some = self.value(inner, *value)?;
        if matches!(inner, Type::Option { .. }) {
            return Ok(Value::Object(Map::from_iter([("some".to_owned(), some)])));
        }
        Ok(some)
    }

    fn record(&mut self, fields: &[Field], values: Vec<(String, Val)>) -> Result<Value, LiftError> {
        let mut object = Map::with_capacity(fields.len());
        for (field, (_, value)) in fields.iter().zip(values) {
            self.spend(field.name.len().saturating_add(3))?;
            let value = self
                .value(&field.ty, value)
                .map_err(|error| error.at(at_field(&field.name)))?;
            object.insert(field.name.clone(), value);
        }
        Ok(Value::Object(object))
    }

    fn variant(&mut self, cases: &[Case], name: &str, payload: Option<Box<Val>>) -> Result<Value, LiftError> {
        let case = cases.iter().find(|case| case.wit_name == name);
        let case = case.ok_or_else(|| PathError::new(format!("`{name}` is no case")))?;
        self.tagged(&case.name, case.ty.as_ref(), payload)
    }

    fn tagged(
        &mut self,
        kind: &str,
        ty: Option<&Type>,
        payload: Option<Box<Val>>,
    ) -> Result<Value, LiftError> {
        self.spend(kind.len().saturating_add(20))?;
        let mut object = Map::with_capacity(2);
        object.insert("kind".to_owned(), Value::String(kind.to_owned()));
        if let (Some(ty), Some(payload)) = (ty, payload) {
            let value = self
                .value(ty, *payload)
                .map_err(|error| error.at(at_field("value")))?;
            object.insert("value".to_owned(), value);
        }
        Ok(Value::Object(object))
    }

    fn artefact(&mut self, fields: Vec<(String, Val)>) -> Result<Value, LiftError> {
        let mut object = Map::with_capacity(4);
        for (name, value) in fields {
            let value = match value {
                Val::String(text) => {
                    self.spend(text.len())?;
                    Value::String(text)
                }
                Val::U64(size) => Value::from(size),
                _ => return Err(PathError::new("expected an artefact").into()),
            };
            object.insert(name.replace('-', "_"), value);
        }
        let digest: Option<Digest> = object
            .get("digest")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        match digest {
            Some(digest) if self.artefacts.contains(&digest) => Ok(Value::Object(object)),
            Some(_) => Err(PathError::new("an artefact that this step neither got nor made").into()),
            None => Err(PathError::new("an artefact whose digest is none"))
                .map_err(at_field("digest"))
                .map_err(Into::into),
        }
    }
}

fn json_case(cases: &[EnumCase], name: &str) -> String {
    let case = cases.iter().find(|case| case.wit_name == name);
    case.map_or_else(|| name.to_owned(), |case| case.name.clone())
}

fn number(value: f64) -> Result<Value, LiftError> {
    match Number::from_f64(value) {
        Some(number) => Ok(Value::Number(number)),
        None => Err(PathError::new(format!(
            "{value} has no place in JSON; return a finite number or an option"
        ))
        .into()),
    }
}

/// The value of a JSON text of a connector. What two readers would understand differently is refused here as at every
/// other door: a whole number that does not fit 64 bits would become a double about its size.
fn parse_json(text: &str) -> Result<Value, LiftError> {
    scan(text).map_err(|error| match error {
        StrictError::IntegerTooLarge { at } => {
            PathError::new("this whole number does not fit 64 bits; return it as text")
                .inside(path_at(text, at))
        }
        StrictError::TooDeep { .. } => PathError::new(format!("nested deeper than {JSON_DEPTH_MAX} levels")),
        other => PathError::new(format!("expected a JSON text: {other}")),
    })?;
    let value: Value = serde_json::from_str(text)
        .map_err(|error| PathError::new(format!("expected a JSON text: {error}")))?;
    if depth_of(&value, JSON_DEPTH_MAX).is_none() {
        return Err(PathError::new(format!("nested deeper than {JSON_DEPTH_MAX} levels")).into());
    }
    Ok(value)
}

/// The depth of a JSON value, or nothing if it is above the limit.
pub(super) fn depth_of(value: &Value, limit: usize) -> Option<usize> {
    match value {
        Value::Array(items) => depth_around(items.iter(), limit),
        Value::Object(fields) => depth_around(fields.values(), limit),
        _ => Some(0),
    }
}

/// The depth of a list or object of these items.
fn depth_around<'v>(mut items: impl Iterator<Item = &'v Value>, limit: usize) -> Option<usize> {
    let below = limit.checked_sub(1)?;
    let deepest = items.try_fold(0, |deepest: usize, item| {
        Some(deepest.max(depth_of(item, below)?))
    })?;
    Some(deepest.saturating_add(1))
}

/// Most that is kept of a failure's message, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// The failure that a guest returned. `standard` says that its type is the standard variant; any other error value is a
/// final refusal with the value as its message, because nobody said that a repetition could help.
pub(crate) fn lift_failure(value: Option<Value>, standard: bool) -> Failure {
    let kind = value
        .as_ref()
        .and_then(|value| value.get("kind"))
        .and_then(Value::as_str);
    match (standard, kind) {
        (true, Some(kind)) => standard_failure(kind, value.as_ref().and_then(|value| value.get("value"))),
        _ => foreign_failure(value),
    }
}

fn standard_failure(kind: &str, value: Option<&Value>) -> Failure {
    let text = |name: &str| {
        let text = value.and_then(|value| value.get(name)).and_then(Value::as_str);
        text.map(|text| cut(text.to_owned()))
            .filter(|text| !text.is_empty())
    };
    let plain = || cut(value.and_then(Value::as_str).unwrap_or_default().to_owned());
    match kind {
        "invalid" => Failure {
            path: text("path"),
            ..Failure::new(FailureKind::Invalid, text("message").unwrap_or_default())
        },
        "rejected" => Failure {
            code: text("code"),
            ..Failure::new(FailureKind::Rejected, text("message").unwrap_or_default())
        },
        "denied" => Failure::new(FailureKind::Denied, plain()),
        "throttled" => Failure {
            retry_after_ms: value
                .and_then(|value| value.get("retry_after_ms"))
                .and_then(Value::as_u64),
            ..Failure::new(FailureKind::Throttled, text("message").unwrap_or_default())
        },
        "unavailable" => Failure::new(FailureKind::Unavailable, plain()),
        "timed_out" => Failure::new(FailureKind::TimedOut, plain()),
        _ => Failure::new(FailureKind::Internal, plain()),
    }
}

fn foreign_failure(value: Option<Value>) -> Failure {
    let code = match &value {
        Some(Value::Object(fields)) => fields.get("kind").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let message = match value {
        None => "the operation failed without a reason".to_owned(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    Failure {
        code,
        ..Failure::new(FailureKind::Rejected, cut(message))
    }
}

/// The text, cut to the longest message at a character boundary.
pub(crate) fn cut(text: String) -> String {
    cut_to(text, MESSAGE_BYTES_MAX)
}

/// The text in at most this many bytes; one that was cut ends with an ellipsis.
pub(crate) fn cut_to(mut text: String, bytes_max: usize) -> String {
    const ELLIPSIS: char = '…';
    if text.len() > bytes_max {
        let room = bytes_max.saturating_sub(ELLIPSIS.len_utf8());
        let end = (0..=room)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
        text.push(ELLIPSIS);
    }
    text
}
