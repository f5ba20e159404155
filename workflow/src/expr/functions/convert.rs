//! From one kind of value to another, and to JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use flowforge_protocol::Digest;
use flowforge_protocol::canonical::canonical_json;
use serde_json::{Map, Number as JsonNumber, Value};

use super::{Outcome, Tools, made, text_of};
use crate::expr::fault::{Fault, kind};
use crate::expr::meter::Meter;
use crate::expr::value::{Key, Text, Val};
use crate::limits::{MAX_RECORD_DEPTH, MAX_VALUE_BYTES};

/// The value as JSON: bounded in size and depth, paid for.
pub(in crate::expr) fn to_json(value: &Val<'_>, meter: &Meter<'_>) -> Result<Value, Box<Fault>> {
    let mut left = MAX_VALUE_BYTES;
    convert(value, &mut left, 0, meter)
}

fn spend(left: &mut usize, bytes: usize, meter: &Meter<'_>) -> Result<(), Box<Fault>> {
    *left = left
        .checked_sub(bytes)
        .ok_or_else(|| Fault::stop(format!("the result is larger than {MAX_VALUE_BYTES} bytes")))?;
    meter.read(bytes)
}

fn convert(value: &Val<'_>, left: &mut usize, depth: usize, meter: &Meter<'_>) -> Result<Value, Box<Fault>> {
    if depth > MAX_RECORD_DEPTH {
        return Err(Fault::stop(format!(
            "the result is nested deeper than {MAX_RECORD_DEPTH} levels"
        )));
    }
    spend(left, 4, meter)?;
    if let Some(length) = value.list_length() {
        let mut out = Vec::new();
        for index in 0..length {
            if let Some(item) = value.element(index) {
                out.push(convert(&item, left, depth + 1, meter)?);
            }
        }
        return Ok(Value::Array(out));
    }
    if value.field_count().is_some() {
        let mut out = Map::new();
        for key in value.keys() {
            let Some(key) = key.key() else { continue };
            let name = key.name();
            spend(left, name.len() + 4, meter)?;
            if let Some(field) = value.get(&key) {
                out.insert(name, convert(&field, left, depth + 1, meter)?);
            }
        }
        return Ok(Value::Object(out));
    }
    scalar(value, left, depth, meter)
}

fn scalar(value: &Val<'_>, left: &mut usize, depth: usize, meter: &Meter<'_>) -> Result<Value, Box<Fault>> {
    Ok(match value {
        Val::Bool(flag) => Value::Bool(*flag),
        Val::Int(whole) => Value::from(*whole),
        Val::Big(whole) => Value::from(*whole),
        Val::Double(float) => Value::Number(
            JsonNumber::from_f64(*float)
                .ok_or_else(|| Fault::new(format!("the result is {float}, which JSON cannot hold")))?,
        ),
        Val::Text(text) => {
            spend(left, text.as_str().len(), meter)?;
            Value::String(text.as_str().to_owned())
        }
        Val::Bytes(bytes) => {
            spend(left, bytes.len().saturating_mul(4) / 3 + 4, meter)?;
            Value::String(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        Val::Moment(moment) => Value::String(rfc3339(*moment)),
        Val::Length(length) => Value::String(seconds(*length)),
        Val::Optional(Some(inner)) => convert(inner, left, depth + 1, meter)?,
        Val::Type(name) => Value::String((*name).to_owned()),
        _ => Value::Null,
    })
}

fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A moment in the form it has in JSON.
pub(crate) fn moment_text(ms: u64) -> Option<String> {
    let moment = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(rfc3339(moment))
}

/// A length of time in seconds, exactly: `90s`, `0.25s`.
fn seconds(length: TimeDelta) -> String {
    let nanos = i128::from(length.num_seconds()) * 1_000_000_000 + i128::from(length.subsec_nanos());
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let fraction = format!("{:09}", nanos % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{fraction}s", nanos / 1_000_000_000)
}

/// A value as it appears inside a text.
pub(super) fn written<'a>(value: &'a Val<'_>, meter: &Meter<'_>) -> Result<Cow<'a, str>, Box<Fault>> {
    if let Val::Text(text) = value {
        meter.read(text.as_str().len())?;
        return Ok(Cow::Borrowed(text.as_str()));
    }
    Ok(match to_json(value, meter)? {
        Value::String(text) => Cow::Owned(text),
        other => Cow::Owned(other.to_string()),
    })
}

/// A JSON value as a value that owns its parts.
fn own<'v>(value: &Value, meter: &Meter<'_>, depth: usize) -> Outcome<'v> {
    if depth > MAX_RECORD_DEPTH {
        return Err(Fault::new(format!(
            "the JSON is nested deeper than {MAX_RECORD_DEPTH} levels"
        )));
    }
    Ok(match value {
        Value::Array(items) => {
            meter.make_parts(items.len())?;
            let items: Result<Vec<_>, _> = items.iter().map(|item| own(item, meter, depth + 1)).collect();
            Val::list(items?)
        }
        Value::Object(fields) => {
            meter.make_parts(fields.len())?;
            let mut out = BTreeMap::new();
            for (name, field) in fields {
                meter.make(name.len())?;
                out.insert(
                    Key::Text(Text::Made(name.as_str().into())),
                    own(field, meter, depth + 1)?,
                );
            }
            Val::Map(Rc::new(out))
        }
        Value::String(text) => {
            meter.make(text.len())?;
            Val::text(text.clone())
        }
        Value::Null => Val::Null,
        Value::Bool(flag) => Val::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Val::Int(whole),
            (None, Some(whole), _) => Val::Big(whole),
            (None, None, float) => Val::Double(float.unwrap_or(f64::NAN)),
        },
    })
}

fn read_json<'v>(tools: &Tools<'_>, text: &str) -> Outcome<'v> {
    // A parsed value takes about eight times the bytes of its text.
    tools.meter.make(text.len())?;
    tools.meter.work(text.len() / 8)?;
    let value = crate::json::read_json(text).map_err(|problem| {
        let at = if problem.path.is_empty() {
            String::new()
        } else {
            format!(" at `{}`", problem.path)
        };
        Fault::new(format!(
            "this text cannot be read as JSON{at}: {}",
            problem.message
        ))
    })?;
    own(&value, &tools.meter, 0)
}

/// Text is read as JSON; anything else becomes JSON text.
pub(super) fn json<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(Val::Text(text)) => read_json(tools, text.as_str()),
        Some(other) => {
            let text = to_json(other, &tools.meter)?.to_string();
            tools.meter.make(text.len())?;
            made(text)
        }
        None => Err(Fault::new("`json` needs a value")),
    }
}

pub(super) fn parse_json<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    read_json(tools, text_of("parse_json", args.first(), "the value")?)
}

/// A number written as in JSON or in the language; blanks around it are no matter.
pub(super) fn parse_number<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let text = match args.first() {
        Some(number) if number.number().is_some() => return Ok(number.clone()),
        text => text_of("parse_number", text, "the value")?.trim(),
    };
    tools.meter.read(text.len())?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text
            .parse::<i128>()
            .ok()
            .and_then(Val::whole)
            .ok_or_else(|| Fault::new(format!("`{}` does not fit 64 bits", shown(text))));
    }
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match text.parse::<f64>() {
        Ok(float) if plain && float.is_finite() => Ok(Val::Double(float)),
        _ => Err(Fault::new(format!(
            "`{}` is not a number; write it with a point, without blanks or thousands marks",
            shown(text)
        ))),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

pub(super) fn same<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    args.first()
        .cloned()
        .ok_or_else(|| Fault::new("`dyn` needs a value"))
}

pub(super) fn type_of<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    Ok(Val::Type(match args.first() {
        None | Some(Val::Null | Val::Absent) => "null_type",
        Some(Val::Bool(_)) => "bool",
        Some(Val::Int(_) | Val::Big(_)) => "int",
        Some(Val::Double(_)) => "double",
        Some(Val::Text(_)) => "string",
        Some(Val::Bytes(_)) => "bytes",
        Some(Val::Array(_) | Val::List(_)) => "list",
        Some(Val::Object(_) | Val::Map(_)) => "map",
        Some(Val::Moment(_)) => "timestamp",
        Some(Val::Length(_)) => "duration",
        Some(Val::Optional(_)) => "optional",
        Some(Val::Type(_)) => "type",
    }))
}

fn no_conversion(function: &str, found: Option<&Val<'_>>, hint: &str) -> Box<Fault> {
    let found = found.map_or("nothing", kind);
    Fault::new(format!("`{function}` cannot convert {found}{hint}"))
}

pub(super) fn string<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(text @ Val::Text(_)) => Ok(text.clone()),
        Some(Val::Double(float)) => made(float.to_string()),
        Some(Val::Bytes(bytes)) => {
            tools.meter.make(bytes.len())?;
            String::from_utf8(bytes.to_vec())
                .map_or_else(|_| Err(Fault::new("these bytes are not UTF-8 text")), made)
        }
        Some(
            value @ (Val::Int(_)
            | Val::Big(_)
            | Val::Bool(_)
            | Val::Moment(_)
            | Val::Length(_)
            | Val::Type(_)),
        ) => made(written(value, &tools.meter)?.into_owned()),
        other => {
            let hint = match other {
                Some(Val::Null | Val::Absent) => "; write default(x, \"\") if it may be absent",
                _ => "; for JSON text write json(x)",
            };
            Err(no_conversion("string", other, hint))
        }
    }
}

fn beyond(function: &str) -> Box<Fault> {
    Fault::new(format!("the result of `{function}` is beyond 64 bits"))
}

fn whole<'v>(tools: &Tools<'_>, function: &str, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(number @ (Val::Int(_) | Val::Big(_))) => Ok(number.clone()),
        Some(Val::Double(float)) => {
            if float.is_nan() || float.abs() >= 1e19 {
                return Err(beyond(function));
            }
            #[expect(clippy::cast_possible_truncation, reason = "its size was checked above")]
            let whole = float.trunc() as i128;
            Val::whole(whole).ok_or_else(|| beyond(function))
        }
        Some(Val::Text(text)) => {
            let text = text.as_str();
            tools.meter.read(text.len())?;
            text.trim()
                .parse::<i128>()
                .map_err(|_| {
                    Fault::new(format!(
                        "`{}` is not a whole number; for one with a fraction write double(x) or parse_number(x)",
                        shown(text)
                    ))
                })
                .and_then(|whole| Val::whole(whole).ok_or_else(|| beyond(function)))
        }
        Some(Val::Moment(moment)) => Ok(Val::Int(moment.timestamp())),
        Some(Val::Length(length)) => Ok(Val::Int(length.num_seconds())),
        other => Err(no_conversion(function, other, "")),
    }
}

pub(super) fn int<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    whole(tools, "int", args)
}

pub(super) fn uint<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match whole(tools, "uint", args)? {
        Val::Int(whole) if whole < 0 => Err(Fault::new("`uint` is never below 0")),
        other => Ok(other),
    }
}

pub(super) fn double<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(Val::Text(text)) => {
            tools.meter.read(text.as_str().len())?;
            text.as_str()
                .trim()
                .parse()
                .map(Val::Double)
                .map_err(|_| Fault::new(format!("`{}` is not a number", shown(text.as_str()))))
        }
        other => match other.and_then(Val::number) {
            Some(number) => Ok(Val::Double(number.as_double())),
            None => Err(no_conversion("double", other, "")),
        },
    }
}

pub(super) fn bool<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(flag @ Val::Bool(_)) => Ok(flag.clone()),
        Some(Val::Text(text)) => match text.as_str() {
            "true" | "True" | "TRUE" | "1" | "t" => Ok(Val::Bool(true)),
            "false" | "False" | "FALSE" | "0" | "f" => Ok(Val::Bool(false)),
            other => Err(Fault::new(format!(
                "`{}` is neither true nor false",
                shown(other)
            ))),
        },
        other => Err(no_conversion(
            "bool",
            other,
            "; compare it with something, for example `x > 0`",
        )),
    }
}

pub(super) fn bytes<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match args.first() {
        Some(bytes @ Val::Bytes(_)) => Ok(bytes.clone()),
        value => {
            let text = text_of("bytes", value, "the value")?;
            tools.meter.make(text.len())?;
            Ok(Val::Bytes(text.as_bytes().into()))
        }
    }
}

/// SHA-256 in hexadecimal digits: of a text's UTF-8, of bytes, of anything else as canonical JSON.
pub(super) fn hash<'v>(tools: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    let digest = match args.first() {
        Some(Val::Text(text)) => {
            tools.meter.read(text.as_str().len())?;
            Digest::of(text.as_str().as_bytes())
        }
        Some(Val::Bytes(bytes)) => {
            tools.meter.read(bytes.len())?;
            Digest::of(bytes)
        }
        Some(other) => {
            // Equal values have one canonical form, so that 1 and 1.0 have one hash.
            let bytes = canonical_json(&to_json(other, &tools.meter)?);
            tools.meter.read(bytes.len())?;
            Digest::of(&bytes)
        }
        None => return Err(Fault::new("`hash` needs a value")),
    };
    made(digest.hex())
}

/// A UUID of version 8 (RFC 9562 §5.8), derived from what the evaluation was given: the same in every attempt.
pub(super) fn uuid<'v>(tools: &Tools<'_>, _: &[Val<'v>]) -> Outcome<'v> {
    let Some(seed) = tools.seed else {
        return Err(Fault::new(
            "`uuid()` belongs to a step of a run; there is none here, so its value could not be recorded",
        ));
    };
    tools.meter.make(36)?;
    let count = tools.uuids.get();
    tools.uuids.set(count.saturating_add(1));
    let digest = Digest::of_parts(&[b"flowforge uuid\0", seed.as_bytes(), b"\0", &count.to_be_bytes()]);
    let mut bits = digest
        .as_bytes()
        .iter()
        .take(16)
        .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    bits = bits & !(0xf << 76) | (8 << 76);
    bits = bits & !(0b11 << 62) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    made(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    ))
}

pub(super) fn optional_of<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    Ok(Val::Optional(args.first().cloned().map(Rc::new)))
}

pub(super) fn optional_none<'v>(_: &Tools<'_>, _: &[Val<'v>]) -> Outcome<'v> {
    Ok(Val::Optional(None))
}

fn optional<'a, 'v>(function: &str, args: &'a [Val<'v>]) -> Result<Option<&'a Rc<Val<'v>>>, Box<Fault>> {
    match args.first() {
        Some(Val::Optional(inner)) => Ok(inner.as_ref()),
        Some(other) => Err(Fault::new(format!(
            "`{function}` belongs behind `.?field`, this is {}; for any value write default(x, y)",
            kind(other)
        ))),
        None => Err(Fault::new(format!("`{function}` needs an optional"))),
    }
}

pub(super) fn has_value<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    Ok(Val::Bool(optional("hasValue", args)?.is_some()))
}

pub(super) fn optional_value<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    match optional("value", args)? {
        Some(inner) => Ok(Val::clone(inner)),
        None => Err(Fault::new("the optional is absent; write .orValue(x)")),
    }
}

pub(super) fn or_value<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    Ok(match (optional("orValue", args)?, args.get(1)) {
        (Some(inner), _) => Val::clone(inner),
        (None, other) => other.cloned().unwrap_or(Val::Null),
    })
}

pub(super) fn or<'v>(_: &Tools<'_>, args: &[Val<'v>]) -> Outcome<'v> {
    Ok(match (optional("or", args)?, args.get(1)) {
        (Some(inner), _) => Val::Optional(Some(Rc::clone(inner))),
        (None, other) => other.cloned().unwrap_or(Val::Optional(None)),
    })
}
