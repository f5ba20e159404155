//! Made-up inputs: the smallest of a type, its bounds, random ones, and examples with one part changed.

use flowforge_ports::{Operation, Type};
use serde_json::{Map, Value, json};

use super::dice::Dice;

/// Most levels of lists, records and variants that are made up; below, everything is the smallest.
const DEPTH_MAX: usize = 4;

/// Most elements of a made-up list.
const ELEMENTS_MAX: usize = 6;

/// Longest made-up text, in characters, where it is not one of [`TEXTS`].
const CHARS_MAX: usize = 40;

/// Characters of the longest text at a bound.
const LONG_CHARS: usize = 4_096;

/// The largest whole number up to which a floating point number names each one: engines for scripts take no more.
const SAFE_MAX: i64 = (1 << 53) - 1;

/// Texts that connectors stumble over.
const TEXTS: [&str; 22] = [
    "",
    " ",
    "a",
    "0",
    "-1",
    "1e309",
    "null",
    "true",
    "[]",
    "{\"a\":1}",
    "{\"a\":",
    "a,b\n1,2",
    "\"quoted\", 'and' `more`",
    "\u{0}",
    "\u{feff}first",
    "e\u{301}\u{1f469}\u{200d}\u{1f52c}\u{202e}abc",
    "../../etc/passwd",
    "https://",
    "not a url",
    "2024-02-30T25:61:61Z",
    "line\r\nline",
    "%00%ff+%20",
];

const NUMBERS: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    1.5,
    4.0,
    10.0,
    1e-300,
    1e15,
    -1e15,
    1.797e308,
    -1.797e308,
    9_007_199_254_740_993.0,
];

const CHARS: [char; 6] = ['a', '0', ' ', '\u{0}', 'é', '\u{1f469}'];

/// Makes up values of types. Artefacts are those that were put into the store for it.
pub(super) struct Maker {
    /// As a workflow would pass them on; never empty.
    pub(super) artefacts: Vec<Value>,
}

impl Maker {
    /// The smallest input of an operation: nothing where there may be nothing, empty texts and lists, zeros, first cases.
    pub(super) fn smallest_input(&self, operation: &Operation) -> Map<String, Value> {
        let ports = operation.params.iter();
        ports
            .map(|port| (port.name.clone(), self.smallest(&port.ty)))
            .collect()
    }

    pub(super) fn smallest(&self, ty: &Type) -> Value {
        match ty {
            Type::Bool => json!(false),
            Type::S8
            | Type::U8
            | Type::S16
            | Type::U16
            | Type::S32
            | Type::U32
            | Type::S64
            | Type::U64
            | Type::F32
            | Type::F64 => json!(0),
            Type::Char => json!("a"),
            Type::String | Type::Bytes => json!(""),
            Type::Json | Type::Option { .. } => Value::Null,
            Type::Artefact => self.artefacts.first().cloned().unwrap_or_default(),
            Type::List { .. } | Type::Flags { .. } => json!([]),
            Type::Tuple { items } => items.iter().map(|item| self.smallest(item)).collect(),
            Type::Record { fields, .. } => fields
                .iter()
                .map(|field| (field.name.clone(), self.smallest(&field.ty)))
                .collect(),
            Type::Variant { cases, .. } => {
                let case = cases.first();
                let value = case.and_then(|case| case.ty.as_ref()).map(|ty| self.smallest(ty));
                kind(case.map_or("", |case| &case.name), value)
            }
            Type::Result { ok, .. } => kind("ok", ok.as_ref().map(|ty| self.smallest(ty))),
            Type::Enum { cases, .. } => json!(cases.first().map_or("", |case| &case.name)),
        }
    }

    /// Values at the bounds of a type; at least one.
    pub(super) fn bounds(&self, ty: &Type) -> Vec<Value> {
        match ty {
            Type::Bool => vec![json!(false), json!(true)],
            Type::S8 => vec![json!(i8::MIN), json!(i8::MAX)],
            Type::U8 => vec![json!(u8::MAX)],
            Type::S16 => vec![json!(i16::MIN), json!(i16::MAX)],
            Type::U16 => vec![json!(u16::MAX)],
            Type::S32 => vec![json!(i32::MIN), json!(i32::MAX)],
            Type::U32 => vec![json!(u32::MAX)],
            Type::S64 => vec![
                json!(i64::MIN),
                json!(-SAFE_MAX),
                json!(SAFE_MAX),
                json!(i64::MAX),
            ],
            Type::U64 => vec![json!(SAFE_MAX), json!(u64::MAX)],
            Type::F32 => vec![json!(f64::from(f32::MIN)), json!(f64::from(f32::MAX))],
            Type::F64 => vec![json!(f64::MIN), json!(f64::MAX), json!(f64::MIN_POSITIVE)],
            Type::Char => vec![json!("\u{0}"), json!("\u{10ffff}")],
            Type::String => vec![json!("x".repeat(LONG_CHARS)), json!("\u{10ffff}".repeat(64))],
            Type::Json => vec![deep(60), json!([]), json!({}), json!("x".repeat(LONG_CHARS))],
            Type::Bytes => vec![json!("/w=="), json!("AAAA".repeat(LONG_CHARS / 4))],
            Type::Artefact => self.artefacts.clone(),
            Type::List { element } => {
                let many = Value::Array(vec![self.smallest(element); 1_000]);
                vec![
                    many,
                    json!([self.smallest(element)]),
                    Value::Array(self.bounds(element)),
                ]
            }
            Type::Option { inner } => self
                .bounds(inner)
                .into_iter()
                .map(|value| some(inner, value))
                .collect(),
            Type::Tuple { items } => {
                let ends = items.iter().filter_map(|item| self.bounds(item).pop());
                vec![ends.collect()]
            }
            Type::Record { fields, .. } => {
                let ends = |last: bool| -> Value {
                    let of = |ty: &Type| {
                        let mut all = self.bounds(ty);
                        if last { all.pop() } else { all.drain(..).next() }
                    };
                    fields
                        .iter()
                        .filter_map(|field| Some((field.name.clone(), of(&field.ty)?)))
                        .collect()
                };
                vec![ends(false), ends(true)]
            }
            Type::Variant { cases, .. } => cases
                .iter()
                .map(|case| kind(&case.name, case.ty.as_ref().and_then(|ty| self.bounds(ty).pop())))
                .collect(),
            Type::Result { ok, err } => [("ok", ok), ("err", err)]
                .into_iter()
                .map(|(name, ty)| kind(name, ty.as_ref().and_then(|ty| self.bounds(ty).pop())))
                .collect(),
            Type::Enum { cases, .. } => cases.iter().map(|case| json!(case.name)).collect(),
            Type::Flags { flags, .. } => vec![flags.iter().map(|flag| json!(flag.name)).collect()],
        }
    }

    /// A random input of an operation; one of the examples with one port made up anew, every second time.
    pub(super) fn input(
        &self,
        operation: &Operation,
        examples: &[Map<String, Value>],
        dice: &mut Dice,
    ) -> Map<String, Value> {
        let example = if dice.once_in(2) { dice.one(examples) } else { None };
        let Some(example) = example else {
            let ports = operation.params.iter();
            return ports
                .map(|port| (port.name.clone(), self.random(&port.ty, dice, 0)))
                .collect();
        };
        let mut input = example.clone();
        if let Some(port) = dice.one(&operation.params) {
            let old = input.get(&port.name).cloned();
            let new = match old {
                Some(old) if !dice.once_in(3) => self.changed(&port.ty, old, dice, 0),
                _ => self.random(&port.ty, dice, 0),
            };
            input.insert(port.name.clone(), new);
        }
        input
    }

    /// A value of this type that differs from another in one place.
    fn changed(&self, ty: &Type, old: Value, dice: &mut Dice, depth: usize) -> Value {
        match (ty, old) {
            (Type::Option { inner }, value)
                if !value.is_null() && !matches!(**inner, Type::Option { .. }) =>
            {
                self.changed(inner, value, dice, depth)
            }
            (Type::Record { fields, .. }, Value::Object(mut all)) => {
                if let Some(field) = dice.one(fields) {
                    let part = all.get(&field.name).cloned().unwrap_or_default();
                    let part = self.changed(&field.ty, part, dice, depth.saturating_add(1));
                    all.insert(field.name.clone(), part);
                }
                Value::Object(all)
            }
            (Type::List { element }, Value::Array(mut items)) if !items.is_empty() => {
                let at = dice.below(items.len());
                match (dice.below(3), items.get(at).cloned()) {
                    (0, _) => {
                        items.remove(at);
                    }
                    (1, Some(item)) => items.insert(at, item),
                    (_, Some(item)) => {
                        let item = self.changed(element, item, dice, depth.saturating_add(1));
                        if let Some(place) = items.get_mut(at) {
                            *place = item;
                        }
                    }
                    (_, None) => {}
                }
                Value::Array(items)
            }
            (Type::String, Value::String(text)) => json!(changed_text(&text, dice)),
            (Type::Json, Value::String(text)) if dice.once_in(2) => json!(changed_text(&text, dice)),
            _ => self.random(ty, dice, depth),
        }
    }

    fn random(&self, ty: &Type, dice: &mut Dice, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return self.smallest(ty);
        }
        let below = depth.saturating_add(1);
        match ty {
            Type::S8
            | Type::U8
            | Type::S16
            | Type::U16
            | Type::S32
            | Type::U32
            | Type::S64
            | Type::U64
            | Type::Char => {
                let mut ends = self.bounds(ty);
                ends.push(self.smallest(ty));
                if matches!(ty, Type::Char) {
                    ends.extend(CHARS.map(|c| json!(c)));
                } else {
                    ends.push(json!(dice.below(100)));
                }
                dice.one(&ends).cloned().unwrap_or_default()
            }
            Type::F32 | Type::F64 => {
                let number = dice.one(&NUMBERS).copied().unwrap_or_default();
                let clamped = if matches!(ty, Type::F32) {
                    number.clamp(f64::from(f32::MIN), f64::from(f32::MAX))
                } else {
                    number
                };
                json!(clamped)
            }
            Type::String => json!(text(dice)),
            Type::Json => any_json(dice, depth),
            Type::Bytes => json!(base64(dice)),
            Type::List { element } => {
                let length = dice.below(ELEMENTS_MAX);
                (0..length).map(|_| self.random(element, dice, below)).collect()
            }
            Type::Option { inner } if dice.once_in(3) => {
                let _ = inner;
                Value::Null
            }
            Type::Option { inner } => some(inner, self.random(inner, dice, below)),
            Type::Tuple { items } => items.iter().map(|item| self.random(item, dice, below)).collect(),
            Type::Record { fields, .. } => fields
                .iter()
                .map(|field| (field.name.clone(), self.random(&field.ty, dice, below)))
                .collect(),
            Type::Variant { cases, .. } => {
                let case = dice.one(cases);
                let value = case.and_then(|case| case.ty.as_ref());
                let value = value.map(|ty| self.random(ty, dice, below));
                kind(case.map_or("", |case| &case.name), value)
            }
            Type::Result { ok, err } => {
                let (name, ty) = if dice.once_in(2) { ("ok", ok) } else { ("err", err) };
                kind(name, ty.as_ref().map(|ty| self.random(ty, dice, below)))
            }
            Type::Flags { flags, .. } => flags
                .iter()
                .filter(|_| dice.once_in(2))
                .map(|flag| json!(flag.name))
                .collect(),
            Type::Bool | Type::Enum { .. } | Type::Artefact => {
                dice.one(&self.bounds(ty)).cloned().unwrap_or_default()
            }
        }
    }
}

/// A variant's case.
pub(super) fn kind(name: &str, value: Option<Value>) -> Value {
    match value {
        Some(value) => json!({ "kind": name, "value": value }),
        None => json!({ "kind": name }),
    }
}

/// A value that is there; an option directly inside another needs a frame.
fn some(inner: &Type, value: Value) -> Value {
    match inner {
        Type::Option { .. } => json!({ "some": value }),
        _ => value,
    }
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| json!([inner]))
}

fn text(dice: &mut Dice) -> String {
    if dice.once_in(2) {
        return dice.one(&TEXTS).copied().unwrap_or_default().to_owned();
    }
    let length = dice.below(CHARS_MAX);
    let known: Vec<char> = TEXTS.iter().flat_map(|text| text.chars()).collect();
    (0..length).filter_map(|_| dice.one(&known).copied()).collect()
}

fn changed_text(old: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = old.chars().collect();
    let at = dice.below(chars.len());
    match dice.below(4) {
        0 => chars.truncate(at),
        1 if !chars.is_empty() => {
            chars.remove(at);
        }
        2 => {
            let more = dice.one(&TEXTS).copied().unwrap_or_default();
            let end = chars.split_off(at);
            chars.extend(more.chars().chain(end));
        }
        _ => return text(dice),
    }
    chars.into_iter().collect()
}

fn any_json(dice: &mut Dice, depth: usize) -> Value {
    let below = depth.saturating_add(1);
    match if depth > DEPTH_MAX {
        dice.below(4)
    } else {
        dice.below(6)
    } {
        0 => Value::Null,
        1 => json!(dice.once_in(2)),
        2 => json!(dice.one(&NUMBERS).copied().unwrap_or_default()),
        3 => json!(text(dice)),
        4 => (0..dice.below(ELEMENTS_MAX))
            .map(|_| any_json(dice, below))
            .collect(),
        _ => (0..dice.below(ELEMENTS_MAX))
            .map(|_| (text(dice), any_json(dice, below)))
            .collect(),
    }
}

/// Some bytes as base64: groups of four digits, which are always whole bytes.
fn base64(dice: &mut Dice) -> String {
    const DIGITS: &[u8] = b"AZaz09+/";
    (0..dice.below(CHARS_MAX).saturating_mul(4))
        .filter_map(|_| dice.one(DIGITS).copied().map(char::from))
        .collect()
}
