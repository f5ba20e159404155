//! The values of an evaluation.
//!
//! A list or an object from outside is looked at where it lies; its elements become values one at a time, when they are
//! walked. Every value is cheap to clone: text, lists and objects that were made are shared. Whole numbers are exact:
//! one above the signed 64 bits is carried as it is and takes no part in arithmetic.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::fault::{Fault, kind};
use super::meter::Meter;
use crate::limits::MAX_RECORD_DEPTH;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Val<'v> {
    Null,
    /// The output of a node that did not run: null, and every field of it is absent.
    Absent,
    Bool(bool),
    Int(i64),
    /// A whole number from 2^63 to 2^64 - 1.
    Big(u64),
    Double(f64),
    Text(Text<'v>),
    Bytes(Rc<[u8]>),
    Moment(DateTime<Utc>),
    Length(TimeDelta),
    /// A list from outside.
    Array(&'v [Value]),
    /// An object from outside.
    Object(&'v Map<String, Value>),
    /// A list made here.
    List(Rc<Vec<Val<'v>>>),
    /// An object made here; sorted, so that its order never depends on chance.
    Map(Rc<BTreeMap<Key<'v>, Val<'v>>>),
    Optional(Option<Rc<Val<'v>>>),
    /// The name of a type, as `type(x)` gives it.
    Type(&'static str),
}

/// Text from outside, or made here.
#[derive(Debug, Clone)]
pub(super) enum Text<'v> {
    Lent(&'v str),
    Made(Rc<str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// A key of an object made here.
#[derive(Debug, Clone)]
pub(super) enum Key<'v> {
    Bool(bool),
    Whole(i128),
    Text(Text<'v>),
}

impl Key<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Whole(_) => 1,
            Self::Text(_) => 2,
        }
    }

    /// The key as it stands in JSON.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Bool(flag) => flag.to_string(),
            Self::Whole(whole) => whole.to_string(),
            Self::Text(text) => text.as_str().to_owned(),
        }
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_str().cmp(b.as_str()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}

impl<'v> Val<'v> {
    /// A value from outside.
    pub(super) fn of(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), ..) => Self::Int(whole),
                (None, Some(whole), _) => Self::Big(whole),
                (None, None, float) => Self::Double(float.unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Text(Text::Lent(text)),
            Value::Array(items) => Self::Array(items),
            Value::Object(fields) => Self::Object(fields),
        }
    }

    pub(super) fn text(text: String) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    /// A whole number, if it has 64 bits.
    pub(super) fn whole(value: i128) -> Option<Self> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => Some(Self::Int(value)),
            (_, Ok(value)) => Some(Self::Big(value)),
            _ => None,
        }
    }

    /// The length of a list; nothing for any other value.
    pub(super) fn list_length(&self) -> Option<usize> {
        match self {
            Self::Array(items) => Some(items.len()),
            Self::List(items) => Some(items.len()),
            _ => None,
        }
    }

    /// An element of a list.
    pub(super) fn element(&self, index: usize) -> Option<Self> {
        match self {
            Self::Array(items) => items.get(index).map(Self::of),
            Self::List(items) => items.get(index).cloned(),
            _ => None,
        }
    }

    /// The number of an object's fields; nothing for any other value.
    pub(super) fn field_count(&self) -> Option<usize> {
        match self {
            Self::Object(fields) => Some(fields.len()),
            Self::Map(fields) => Some(fields.len()),
            _ => None,
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &Key<'_>) -> Option<Self> {
        match self {
            Self::Object(fields) => match key {
                Key::Text(text) => fields.get(text.as_str()).map(Self::of),
                _ => None,
            },
            // The lifetimes of the keys differ, so the map is asked with one of its own kind.
            Self::Map(fields) => fields
                .range(own(key)..)
                .next()
                .filter(|(found, _)| **found == *key)
                .map(|(_, value)| value.clone()),
            _ => None,
        }
    }

    /// The keys of an object, in its order.
    pub(super) fn keys(&self) -> Vec<Self> {
        match self {
            Self::Object(fields) => fields.keys().map(|key| Self::Text(Text::Lent(key))).collect(),
            Self::Map(fields) => fields
                .keys()
                .map(|key| match key {
                    Key::Bool(flag) => Self::Bool(*flag),
                    Key::Whole(whole) => Self::whole(*whole).unwrap_or(Self::Null),
                    Key::Text(text) => Self::Text(text.clone()),
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The value as a key.
    pub(super) fn key(&self) -> Option<Key<'v>> {
        match self {
            Self::Bool(flag) => Some(Key::Bool(*flag)),
            Self::Int(whole) => Some(Key::Whole(i128::from(*whole))),
            Self::Big(whole) => Some(Key::Whole(i128::from(*whole))),
            Self::Text(text) => Some(Key::Text(text.clone())),
            _ => None,
        }
    }

    /// The number it is, whole ones exactly.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Int(whole) => Some(Number::Whole(i128::from(*whole))),
            Self::Big(whole) => Some(Number::Whole(i128::from(*whole))),
            Self::Double(float) => Some(Number::Float(*float)),
            _ => None,
        }
    }
}

/// A moment, if it lies in the years 1 to 9999.
pub(super) fn in_calendar(moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (1..=9999).contains(&moment.year()).then_some(moment)
}

/// A key of the same value with a lifetime of its own.
fn own<'k>(key: &Key<'_>) -> Key<'k> {
    match key {
        Key::Bool(flag) => Key::Bool(*flag),
        Key::Whole(whole) => Key::Whole(*whole),
        Key::Text(text) => Key::Text(Text::Made(text.as_str().into())),
    }
}

/// A number for comparison.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    /// Order of two numbers by their exact values; nothing for not-a-number.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Whole(a), Self::Float(b)) => whole_and_float(a, b),
            (Self::Float(a), Self::Whole(b)) => whole_and_float(b, a).map(Ordering::reverse),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "this is what mixing with a double means"
    )]
    pub(super) fn as_double(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }
}

fn whole_and_float(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Whole numbers here have at most 65 bits.
    if float >= 1e20 {
        return Some(Ordering::Less);
    }
    if float <= -1e20 {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "its size was checked above")]
    let truncated = float.trunc() as i128;
    Some(
        whole
            .cmp(&truncated)
            .then_with(|| 0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)),
    )
}

/// Whether two values are equal, whoever made them; paid for by what is looked at.
pub(super) fn equal(a: &Val<'_>, b: &Val<'_>, meter: &Meter<'_>) -> Result<bool, Box<Fault>> {
    equal_at(a, b, meter, 0)
}

fn equal_at(a: &Val<'_>, b: &Val<'_>, meter: &Meter<'_>, depth: usize) -> Result<bool, Box<Fault>> {
    meter.work(1)?;
    if depth > MAX_RECORD_DEPTH {
        return Err(Fault::stop(format!(
            "a value is nested deeper than {MAX_RECORD_DEPTH} levels"
        )));
    }
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        return Ok(a.compare(b) == Some(Ordering::Equal));
    }
    if let (Some(length), Some(other)) = (a.list_length(), b.list_length()) {
        if length != other {
            return Ok(false);
        }
        for index in 0..length {
            if let (Some(a), Some(b)) = (a.element(index), b.element(index))
                && !equal_at(&a, &b, meter, depth + 1)?
            {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Some(count), Some(other)) = (a.field_count(), b.field_count()) {
        if count != other {
            return Ok(false);
        }
        for key in a.keys() {
            let Some(key) = key.key() else { return Ok(false) };
            match (a.get(&key), b.get(&key)) {
                (Some(a), Some(b)) if equal_at(&a, &b, meter, depth + 1)? => {}
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    Ok(match (a, b) {
        (Val::Null | Val::Absent, Val::Null | Val::Absent) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => {
            meter.read(a.as_str().len().min(b.as_str().len()))?;
            a.as_str() == b.as_str()
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            meter.read(a.len().min(b.len()))?;
            a == b
        }
        (Val::Moment(a), Val::Moment(b)) => a == b,
        (Val::Length(a), Val::Length(b)) => a == b,
        (Val::Type(a), Val::Type(b)) => a == b,
        (Val::Optional(None), Val::Optional(None)) => true,
        (Val::Optional(Some(a)), Val::Optional(Some(b))) => equal_at(a, b, meter, depth + 1)?,
        _ => false,
    })
}

/// Order of two values of one kind; nothing for values that have none.
pub(super) fn order(a: &Val<'_>, b: &Val<'_>, meter: &Meter<'_>) -> Result<Option<Ordering>, Box<Fault>> {
    meter.work(1)?;
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        return Ok(a.compare(b));
    }
    Ok(match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::Text(a), Val::Text(b)) => {
            meter.read(a.as_str().len().min(b.as_str().len()))?;
            Some(a.as_str().cmp(b.as_str()))
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            meter.read(a.len().min(b.len()))?;
            Some(a.cmp(b))
        }
        (Val::Moment(a), Val::Moment(b)) => Some(a.cmp(b)),
        (Val::Length(a), Val::Length(b)) => Some(a.cmp(b)),
        _ => None,
    })
}

/// A text that is the same for equal values and differs for others, so that equal ones are found without comparing
/// each with each.
pub(super) fn fingerprint(value: &Val<'_>, out: &mut String, meter: &Meter<'_>) -> Result<(), Box<Fault>> {
    fingerprint_at(value, out, meter, 0)
}

fn fingerprint_at(
    value: &Val<'_>,
    out: &mut String,
    meter: &Meter<'_>,
    depth: usize,
) -> Result<(), Box<Fault>> {
    meter.make(16)?;
    if depth > MAX_RECORD_DEPTH {
        return Err(Fault::stop(format!(
            "a value is nested deeper than {MAX_RECORD_DEPTH} levels"
        )));
    }
    // Writing to a string cannot fail.
    if let Some(number) = value.number() {
        let whole = match number {
            Number::Whole(whole) => Some(whole),
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^20")]
            Number::Float(float) if float.fract() == 0.0 && float.abs() < 1e20 => Some(float as i128),
            Number::Float(_) => None,
        };
        let _ = match whole {
            Some(whole) => write!(out, "i{whole},"),
            None => write!(out, "d{},", number.as_double().to_bits()),
        };
        return Ok(());
    }
    if let Some(length) = value.list_length() {
        let _ = write!(out, "[{length},");
        for index in 0..length {
            if let Some(item) = value.element(index) {
                fingerprint_at(&item, out, meter, depth + 1)?;
            }
        }
        return Ok(());
    }
    if let Some(count) = value.field_count() {
        let _ = write!(out, "{{{count},");
        let mut keys: Vec<Key<'_>> = value.keys().iter().filter_map(Val::key).collect();
        meter.work(keys.len())?;
        keys.sort();
        for key in keys {
            if let Some(field) = value.get(&key) {
                let name = key.name();
                meter.make(name.len())?;
                let _ = write!(out, "{}{}:{name}", key.rank(), name.len());
                fingerprint_at(&field, out, meter, depth + 1)?;
            }
        }
        return Ok(());
    }
    match value {
        Val::Text(text) => {
            meter.make(text.as_str().len())?;
            let _ = write!(out, "t{}:{}", text.as_str().len(), text.as_str());
        }
        Val::Bytes(bytes) => {
            meter.make(bytes.len().saturating_mul(2))?;
            let _ = write!(out, "b{}:", bytes.len());
            for byte in bytes.iter() {
                let _ = write!(out, "{byte:02x}");
            }
        }
        Val::Bool(flag) => {
            let _ = write!(out, "{flag},");
        }
        Val::Moment(moment) => {
            let _ = write!(out, "m{moment},");
        }
        Val::Length(length) => {
            let _ = write!(out, "l{length},");
        }
        Val::Optional(Some(inner)) => {
            out.push('?');
            fingerprint_at(inner, out, meter, depth + 1)?;
        }
        Val::Type(name) => {
            let _ = write!(out, "y{name},");
        }
        other => {
            let _ = write!(out, "{},", kind(other));
        }
    }
    Ok(())
}
