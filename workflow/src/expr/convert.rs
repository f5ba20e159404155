//! The result of an expression as JSON, bounded.

use base64::Engine as _;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelMap, CelOptional, CelString, CelTimestamp, CelType,
    CelUInt, Kind,
};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_VALUE_BYTES, MAX_VALUE_DEPTH};

/// The value as JSON.
///
/// # Errors
///
/// A fragment: not a number, too large, too deep, or a kind of value that JSON does not have.
pub(super) fn to_json(value: &dyn Val) -> Result<Value, String> {
    let mut left = MAX_VALUE_BYTES;
    convert(value, &mut left, 0)
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), String> {
    *left = left
        .checked_sub(bytes)
        .ok_or_else(|| format!("the result is larger than {MAX_VALUE_BYTES} bytes"))?;
    Ok(())
}

fn convert(value: &dyn Val, left: &mut usize, depth: usize) -> Result<Value, String> {
    if depth > MAX_VALUE_DEPTH {
        return Err(format!(
            "the result is nested deeper than {MAX_VALUE_DEPTH} levels"
        ));
    }
    spend(left, 4)?;
    match value.get_type().kind() {
        Kind::List => list(value, left, depth),
        Kind::Map => map(value, left, depth),
        Kind::String => match value.downcast_ref::<CelString>() {
            Some(text) => text_value(text.inner(), left),
            None => Ok(Value::Null),
        },
        _ => scalar(value, left, depth),
    }
}

fn text_value(text: &str, left: &mut usize) -> Result<Value, String> {
    spend(left, text.len())?;
    Ok(Value::String(text.to_owned()))
}

fn list(value: &dyn Val, left: &mut usize, depth: usize) -> Result<Value, String> {
    let Some(iterable) = value.as_iterable() else {
        return Ok(Value::Null);
    };
    let mut walk = iterable.iter();
    let mut out = Vec::new();
    while let Some(item) = walk.next() {
        out.push(convert(item, left, depth + 1)?);
    }
    Ok(Value::Array(out))
}

fn map(value: &dyn Val, left: &mut usize, depth: usize) -> Result<Value, String> {
    let (Some(iterable), Some(indexer)) = (value.as_iterable(), value.as_indexer()) else {
        return Ok(Value::Null);
    };
    let mut walk = iterable.iter();
    let mut out = Map::new();
    while let Some(key) = walk.next() {
        let name = key_name(key)?;
        spend(left, name.len() + 4)?;
        let item = indexer
            .get(key)
            .map_err(|error| super::failure::describe(&error))?;
        out.insert(name, convert(item.as_ref(), left, depth + 1)?);
    }
    // A map of the language has no order; the result must not depend on chance.
    if value.downcast_ref::<CelMap>().is_some() {
        out.sort_keys();
    }
    Ok(Value::Object(out))
}

fn key_name(key: &dyn Val) -> Result<String, String> {
    if let Some(text) = key.downcast_ref::<CelString>() {
        return Ok(text.inner().to_owned());
    }
    if let Some(whole) = key.downcast_ref::<CelInt>() {
        return Ok(whole.inner().to_string());
    }
    if let Some(whole) = key.downcast_ref::<CelUInt>() {
        return Ok(whole.inner().to_string());
    }
    if let Some(flag) = key.downcast_ref::<CelBool>() {
        return Ok(flag.inner().to_string());
    }
    Err("a key must be text, a whole number or a bool".to_owned())
}

fn scalar(value: &dyn Val, left: &mut usize, depth: usize) -> Result<Value, String> {
    if let Some(whole) = value.downcast_ref::<CelInt>() {
        return Ok(Value::from(*whole.inner()));
    }
    if let Some(float) = value.downcast_ref::<CelDouble>() {
        let float = *float.inner();
        let number = Number::from_f64(float)
            .ok_or_else(|| format!("the result is {float}, which JSON cannot hold"))?;
        return Ok(Value::Number(number));
    }
    if let Some(flag) = value.downcast_ref::<CelBool>() {
        return Ok(Value::Bool(*flag.inner()));
    }
    if let Some(whole) = value.downcast_ref::<CelUInt>() {
        return Ok(Value::from(*whole.inner()));
    }
    if let Some(moment) = value.downcast_ref::<CelTimestamp>() {
        let text = moment
            .inner()
            .to_utc()
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        return Ok(Value::String(text));
    }
    if let Some(length) = value.downcast_ref::<CelDuration>() {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a length of time in seconds is meant for people"
        )]
        let seconds = length.inner().num_milliseconds() as f64 / 1000.0;
        return Ok(Value::String(format!("{seconds}s")));
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        spend(left, bytes.inner().len() * 4 / 3)?;
        return Ok(Value::String(
            base64::engine::general_purpose::STANDARD.encode(bytes.inner()),
        ));
    }
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return optional
            .option()
            .map_or(Ok(Value::Null), |inner| convert(inner, left, depth + 1));
    }
    if let Some(name) = value.downcast_ref::<CelType>() {
        return Ok(Value::String(name.name().to_owned()));
    }
    match value.get_type().kind() {
        Kind::NullType => Ok(Value::Null),
        _ => Err(format!(
            "the result is a {}, which JSON cannot hold",
            super::failure::type_name(value)
        )),
    }
}
