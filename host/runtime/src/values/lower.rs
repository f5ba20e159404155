//! JSON to component values.

use base64::Engine as _;
use flowforge_ports::{Case, EnumCase, Field, Operation, Type};
use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use super::path::{PathError, at_field, at_index};
use super::{JSON_DEPTH_MAX, SAFE_INTEGER};
use crate::artefacts::Artefact;

/// Turns the input of a step into the arguments of a call, and notes the artefacts that come in by typed ports.
#[derive(Default)]
pub(crate) struct Lowerer {
    /// What the step may open.
    pub(crate) artefacts: Vec<Artefact>,
}

impl Lowerer {
    /// The arguments in order. A parameter whose type is an option may be absent; an unknown name is refused.
    pub(crate) fn arguments(
        &mut self,
        operation: &Operation,
        mut input: Map<String, Value>,
    ) -> Result<Vec<Val>, PathError> {
        let mut arguments = Vec::with_capacity(operation.params.len());
        for port in &operation.params {
            let value = match input.swap_remove(&port.name) {
                Some(value) => self.value(&port.ty, value, 0).map_err(at_field(&port.name))?,
                None => absent(&port.ty).map_err(at_field(&port.name))?,
            };
            arguments.push(value);
        }
        match input.keys().next() {
            Some(name) => {
                let known = operation.params.iter().map(|port| port.name.as_str());
                Err(unknown("no such input", known)).map_err(at_field(name))
            }
            None => Ok(arguments),
        }
    }

    fn value(&mut self, ty: &Type, value: Value, depth: usize) -> Result<Val, PathError> {
        if depth > JSON_DEPTH_MAX {
            return Err(too_deep());
        }
        match ty {
            Type::Bool => match value {
                Value::Bool(value) => Ok(Val::Bool(value)),
                other => Err(PathError::expected("true or false", &other)),
            },
            Type::S8 => integer(&value).map(Val::S8),
            Type::U8 => integer(&value).map(Val::U8),
            Type::S16 => integer(&value).map(Val::S16),
            Type::U16 => integer(&value).map(Val::U16),
            Type::S32 => integer(&value).map(Val::S32),
            Type::U32 => integer(&value).map(Val::U32),
            Type::S64 => wide_integer(&value).map(Val::S64),
            Type::U64 => wide_integer(&value).map(Val::U64),
            Type::F32 => {
                let number = float(&value)?;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "rounding to the port's precision is what the author asked for"
                )]
                let narrow = number as f32;
                if narrow.is_finite() {
                    Ok(Val::Float32(narrow))
                } else {
                    Err(PathError::new(format!(
                        "{value} is too large for a 32-bit number"
                    )))
                }
            }
            Type::F64 => float(&value).map(Val::Float64),
            Type::Char => match &value {
                Value::String(text) => one_char(text).map(Val::Char),
                other => Err(PathError::expected("one character", other)),
            },
            Type::String => match value {
                Value::String(text) => Ok(Val::String(text)),
                other => Err(PathError::expected("text", &other)),
            },
            Type::Json => json_text(&value, depth).map(Val::String),
            Type::Bytes => bytes(&value),
            Type::Artefact => self.artefact(value),
            Type::List { element } => match value {
                Value::Array(items) => {
                    let items = items.into_iter().enumerate();
                    let lowered = items.map(|(index, item)| {
                        self.value(element, item, depth.saturating_add(1))
                            .map_err(at_index(index))
                    });
                    lowered.collect::<Result<_, _>>().map(Val::List)
                }
                other => Err(PathError::expected("a list", &other)),
            },
            Type::Option { inner } => self.option(inner, value, depth),
            Type::Tuple { items } => self.tuple(items, value, depth),
            Type::Record { fields, .. } => self.record(fields, value, depth),
            Type::Variant { cases, .. } => self.variant(cases, value, depth),
            Type::Enum { cases, .. } => match &value {
                Value::String(text) => case_name(cases, text).map(Val::Enum),
                // What a variant would be written as.
                Value::Object(fields) if fields.contains_key("kind") => Err(PathError::new(format!(
                    "expected {}, written as the name alone, got an object",
                    ty.expectation()
                ))),
                other => Err(PathError::expected(&ty.expectation(), other)),
            },
            Type::Flags { flags, .. } => match &value {
                Value::Array(names) => flag_names(flags, names).map(Val::Flags),
                other => Err(PathError::expected(&ty.expectation(), other)),
            },
            Type::Result { ok, err } => self.result(ok.as_deref(), err.as_deref(), value, depth),
        }
    }

    fn option(&mut self, inner: &Type, value: Value, depth: usize) -> Result<Val, PathError> {
        if value.is_null() {
            return Ok(Val::Option(None));
        }
        let some = if matches!(inner, Type::Option { .. }) {
            let wrapped = match value {
                Value::Object(mut fields) if fields.len() == 1 => fields.swap_remove("some"),
                _ => None,
            };
            let wrapped = wrapped.ok_or_else(|| {
                PathError::new("expected nothing or {\"some\": …}, because the port has two levels of option")
            })?;
            self.value(inner, wrapped, depth.saturating_add(1))
                .map_err(at_field("some"))?
        } else {
            self.value(inner, value, depth)?
        };
        Ok(Val::Option(Some(Box::new(some))))
    }

    fn tuple(&mut self, types: &[Type], value: Value, depth: usize) -> Result<Val, PathError> {
        let Value::Array(items) = value else {
            return Err(PathError::expected(&format!("a list of {}", types.len()), &value));
        };
        if items.len() != types.len() {
            return Err(PathError::new(format!(
                "expected a list of {}, got {} elements",
                types.len(),
                items.len()
            )));
        }
        let pairs = types.iter().zip(items).enumerate();
        let lowered = pairs.map(|(index, (ty, item))| {
            self.value(ty, item, depth.saturating_add(1))
                .map_err(at_index(index))
        });
        lowered.collect::<Result<_, _>>().map(Val::Tuple)
    }

    fn record(&mut self, fields: &[Field], value: Value, depth: usize) -> Result<Val, PathError> {
        let Value::Object(mut object) = value else {
            return Err(PathError::expected("an object", &value));
        };
        let mut lowered = Vec::with_capacity(fields.len());
        for field in fields {
            let value = match object.swap_remove(&field.name) {
                Some(value) => self.value(&field.ty, value, depth.saturating_add(1)),
                None => absent(&field.ty),
            };
            lowered.push((field.wit_name.clone(), value.map_err(at_field(&field.name))?));
        }
        match object.keys().next() {
            Some(name) => Err(unknown(
                "no such field",
                fields.iter().map(|field| field.name.as_str()),
            ))
            .map_err(at_field(name)),
            None => Ok(Val::Record(lowered)),
        }
    }

    fn variant(&mut self, cases: &[Case], value: Value, depth: usize) -> Result<Val, PathError> {
        let (kind, payload) = kind_and_value(value).map_err(|wrong| wrong.named(cases))?;
        let Some(case) = cases
            .iter()
            .find(|case| case.name == kind || case.wit_name == kind)
        else {
            let known = cases.iter().map(|case| case.name.as_str());
            return Err(unknown(&format!("`{kind}` is no case"), known)).map_err(at_field("kind"));
        };
        let payload = self.payload(case.ty.as_ref(), payload, depth)?;
        Ok(Val::Variant(case.wit_name.clone(), payload))
    }

    fn result(
        &mut self,
        ok: Option<&Type>,
        err: Option<&Type>,
        value: Value,
        depth: usize,
    ) -> Result<Val, PathError> {
        let (kind, payload) = kind_and_value(value).map_err(|wrong| {
            let sides = [("ok", ok), ("err", err)];
            wrong.shown(sides.map(|(name, ty)| form(name, ty)).join(" or "))
        })?;
        match kind.as_str() {
            "ok" => Ok(Val::Result(Ok(self.payload(ok, payload, depth)?))),
            "err" => Ok(Val::Result(Err(self.payload(err, payload, depth)?))),
            _ => Err(PathError::new(format!("`{kind}` is no case, expected ok or err")))
                .map_err(at_field("kind")),
        }
    }

    fn payload(
        &mut self,
        ty: Option<&Type>,
        value: Option<Value>,
        depth: usize,
    ) -> Result<Option<Box<Val>>, PathError> {
        let lowered = match (ty, value) {
            (None, None | Some(Value::Null)) => return Ok(None),
            (None, Some(_)) => Err(PathError::new("this case has no value; leave `value` out")),
            (Some(ty), Some(value)) => self.value(ty, value, depth.saturating_add(1)),
            (Some(ty), None) => absent(ty),
        };
        lowered
            .map(|value| Some(Box::new(value)))
            .map_err(at_field("value"))
    }

    fn artefact(&mut self, value: Value) -> Result<Val, PathError> {
        if !value.is_object() {
            return Err(PathError::expected("an artefact", &value));
        }
        let artefact: Artefact = serde_json::from_value(value)
            .map_err(|error| PathError::new(format!("expected an artefact: {error}")))?;
        let text = |text: &str| Val::String(text.to_owned());
        let fields = vec![
            ("digest".to_owned(), Val::String(artefact.digest.to_string())),
            ("name".to_owned(), text(&artefact.name)),
            ("media-type".to_owned(), text(&artefact.media_type)),
            ("size".to_owned(), Val::U64(artefact.size)),
        ];
        self.artefacts.push(artefact);
        Ok(Val::Record(fields))
    }
}

/// The value of a field or parameter that is not there.
fn absent(ty: &Type) -> Result<Val, PathError> {
    if ty.may_be_absent() {
        Ok(Val::Option(None))
    } else {
        Err(PathError::new(format!(
            "is missing, expected {}",
            ty.expectation()
        )))
    }
}

fn unknown<'a>(what: &str, known: impl Iterator<Item = &'a str>) -> PathError {
    let names: Vec<&str> = known.take(12).collect();
    if names.is_empty() {
        return PathError::new(format!("{what}, none is expected"));
    }
    PathError::new(format!("{what}, expected {}", names.join(", ")))
}

fn too_deep() -> PathError {
    PathError::new(format!("nested deeper than {JSON_DEPTH_MAX} levels"))
}

/// A value that is no `{kind, value}`.
enum WrongForm {
    /// Not of this form at all. Carries what it is, and the name that may have been meant as the kind.
    Other { got: String, meant: Option<String> },
    /// Of this form, with something wrong in it.
    Inside(PathError),
}

impl WrongForm {
    /// The failure, naming the right form for these cases.
    fn named(self, cases: &[Case]) -> PathError {
        const SHOWN: usize = 6;
        let of = |name: &str| {
            cases
                .iter()
                .find(|case| case.name == name || case.wit_name == name)
        };
        let meant = match &self {
            Self::Other { meant, .. } => meant.as_deref().and_then(of),
            Self::Inside(_) => None,
        };
        let forms = match meant {
            Some(case) => form(&case.name, case.ty.as_ref()),
            None => {
                let mut forms: Vec<String> = cases
                    .iter()
                    .take(SHOWN)
                    .map(|case| form(&case.name, case.ty.as_ref()))
                    .collect();
                if cases.len() > SHOWN {
                    forms.push("…".to_owned());
                }
                forms.join(" or ")
            }
        };
        self.shown(forms)
    }

    fn shown(self, forms: String) -> PathError {
        match self {
            Self::Other { got, .. } => PathError::new(format!("expected {forms}, got {got}")),
            Self::Inside(error) => error,
        }
    }
}

/// How a case is written, `{ kind: circle, value: a number }`.
fn form(name: &str, ty: Option<&Type>) -> String {
    match ty {
        Some(ty) => format!("{{ kind: {name}, value: {} }}", ty.expectation()),
        None => format!("{{ kind: {name} }}"),
    }
}

fn kind_and_value(value: Value) -> Result<(String, Option<Value>), WrongForm> {
    let other = |got: &Value, meant: Option<String>| WrongForm::Other {
        got: super::path::describe(got),
        meant,
    };
    let mut object = match value {
        Value::Object(object) => object,
        // The name alone, as an enum is written.
        Value::String(text) => return Err(other(&Value::String(text.clone()), Some(text))),
        value => return Err(other(&value, None)),
    };
    let inside = |error: PathError| WrongForm::Inside(error);
    let kind = match object.swap_remove("kind") {
        Some(Value::String(kind)) => kind,
        Some(wrong) => {
            return Err(PathError::expected("text", &wrong))
                .map_err(at_field("kind"))
                .map_err(inside);
        }
        None => {
            // `{ circle: 1.5 }`, as other formats write it.
            let meant = object.keys().next().filter(|_| object.len() == 1).cloned();
            return Err(other(&Value::Object(object), meant));
        }
    };
    let payload = object.swap_remove("value");
    match object.keys().next() {
        Some(name) => Err(PathError::new("no such field, expected kind, value"))
            .map_err(at_field(name))
            .map_err(inside),
        None => Ok((kind, payload)),
    }
}

/// A whole number that fits the port.
fn integer<T: TryFrom<i64>>(value: &Value) -> Result<T, PathError> {
    let Value::Number(number) = value else {
        return Err(PathError::expected("a whole number", value));
    };
    let whole = whole(number).ok_or_else(|| PathError::expected("a whole number", value))?;
    i64::try_from(whole)
        .ok()
        .and_then(|wide| T::try_from(wide).ok())
        .ok_or_else(|| PathError::new(format!("{number} is out of range")))
}

/// The same for 64 bits, which also take decimal text.
fn wide_integer<T: TryFrom<i128>>(value: &Value) -> Result<T, PathError> {
    match value {
        Value::Number(number) => {
            let whole = whole(number).ok_or_else(|| PathError::expected("a whole number", value))?;
            T::try_from(whole).map_err(|_| PathError::new(format!("{number} is out of range")))
        }
        Value::String(text) => match text.parse::<i128>() {
            Ok(whole) => T::try_from(whole).map_err(|_| PathError::new(format!("{whole} is out of range"))),
            Err(_) => Err(PathError::new("expected a whole number, got text that is none")),
        },
        other => Err(PathError::expected("a whole number", other)),
    }
}

/// The number without fraction, however JSON wrote it.
fn whole(number: &Number) -> Option<i128> {
    if let Some(value) = number.as_i64() {
        return Some(i128::from(value));
    }
    if let Some(value) = number.as_u64() {
        return Some(i128::from(value));
    }
    let float = number.as_f64()?;
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact in a double")]
    let exact = float.fract() == 0.0 && float.abs() <= SAFE_INTEGER as f64;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    exact.then_some(float as i128)
}

fn float(value: &Value) -> Result<f64, PathError> {
    match value {
        Value::Number(number) => number.as_f64().filter(|float| float.is_finite()),
        _ => None,
    }
    .ok_or_else(|| PathError::expected("a number", value))
}

fn one_char(text: &str) -> Result<char, PathError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(PathError::new(format!(
            "expected one character, got {}",
            text.chars().count()
        ))),
    }
}

fn bytes(value: &Value) -> Result<Val, PathError> {
    let Value::String(text) = value else {
        return Err(PathError::expected("base64 text", value));
    };
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|error| PathError::new(format!("expected base64 text: {error}")))?;
    Ok(Val::List(decoded.into_iter().map(Val::U8).collect()))
}

fn json_text(value: &Value, depth: usize) -> Result<String, PathError> {
    if super::lift::depth_of(value, JSON_DEPTH_MAX.saturating_sub(depth)).is_none() {
        return Err(too_deep());
    }
    serde_json::to_string(value)
        .map_err(|error| PathError::new(format!("cannot be written as JSON: {error}")))
}

fn case_name(cases: &[EnumCase], text: &str) -> Result<String, PathError> {
    cases
        .iter()
        .find(|case| case.name == text || case.wit_name == text)
        .map(|case| case.wit_name.clone())
        .ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            unknown(
                &format!("`{shown}` is not allowed"),
                cases.iter().map(|case| case.name.as_str()),
            )
        })
}

fn flag_names(flags: &[EnumCase], names: &[Value]) -> Result<Vec<String>, PathError> {
    let lowered = names.iter().enumerate().map(|(index, name)| {
        let text = name.as_str().ok_or_else(|| PathError::expected("text", name));
        text.and_then(|text| case_name(flags, text))
            .map_err(at_index(index))
    });
    let mut seen: Vec<String> = lowered.collect::<Result<_, _>>()?;
    seen.sort_unstable();
    seen.dedup();
    Ok(seen)
}
