//! What kind of value an expression gives, as far as the file and the ports tell.
//!
//! Owns the types, where they come from, and whether one fits a port. Says "wrong" only when it is certain: a value of
//! unknown type fits everywhere.

mod infer;
mod shown;
mod written;

use std::sync::Arc;

use flowforge_ports::Type;
use serde_json::{Map, Value};

pub(crate) use infer::{Finding, Names, infer};
pub(crate) use written::misfit;

use crate::limits::{MAX_RECORD_DEPTH, MAX_TYPE_PARTS};

/// A type; [`Ty::Any`] where nothing is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ty {
    Any,
    Null,
    Bool,
    Int,
    Double,
    /// Either kind of number.
    Number,
    Text,
    Moment,
    Length,
    List {
        element: Arc<Ty>,
        extent: Extent,
    },
    /// An object; `closed` if it has no other fields.
    Object {
        fields: Arc<Vec<(String, Ty)>>,
        closed: bool,
        extent: Extent,
    },
}

/// How large a type is. A node that hands on two copies of what it gets doubles it, one that wraps it makes it higher:
/// both are bounded, so that comparing and dropping types is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Parts, with the type itself.
    parts: usize,
    /// Levels, with its own.
    levels: usize,
}

impl Extent {
    const ONE: Self = Self { parts: 1, levels: 1 };

    /// Of a type made of others; nothing if it would be too large to follow.
    fn around(inner: impl Iterator<Item = Self>) -> Option<Self> {
        let all = inner.fold(Self::ONE, |all, one| Self {
            parts: all.parts.saturating_add(one.parts),
            levels: all.levels.max(one.levels + 1),
        });
        (all.parts <= MAX_TYPE_PARTS && all.levels <= MAX_RECORD_DEPTH).then_some(all)
    }
}

impl Ty {
    /// What it is called in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Moment => "a timestamp",
            Self::Length => "a duration",
            Self::List { .. } => "a list",
            Self::Object { .. } => "an object",
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Number)
    }

    fn extent(&self) -> Extent {
        match self {
            Self::List { extent, .. } | Self::Object { extent, .. } => *extent,
            _ => Extent::ONE,
        }
    }

    /// A list; any value if the type would be too large to follow.
    pub(crate) fn list(element: Self) -> Self {
        match Extent::around(std::iter::once(element.extent())) {
            Some(extent) => Self::List {
                element: Arc::new(element),
                extent,
            },
            None => Self::Any,
        }
    }

    /// An object; any value if the type would be too large to follow.
    pub(crate) fn object(fields: Vec<(String, Self)>, closed: bool) -> Self {
        match Extent::around(fields.iter().map(|(_, ty)| ty.extent())) {
            Some(extent) => Self::Object {
                fields: Arc::new(fields),
                closed,
                extent,
            },
            None => Self::Any,
        }
    }

    pub(crate) fn closed(fields: Vec<(String, Self)>) -> Self {
        Self::object(fields, true)
    }

    /// An object of which nothing is known.
    pub(crate) fn open() -> Self {
        Self::object(Vec::new(), false)
    }

    /// The type of a list's elements; `Any` if it is no list.
    pub(crate) fn element(&self) -> Self {
        match self {
            Self::List { element, .. } => (**element).clone(),
            _ => Self::Any,
        }
    }

    /// A type for values of both.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        if self.is_number() && other.is_number() {
            Self::Number
        } else {
            Self::Any
        }
    }

    /// The type of a value.
    pub(crate) fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_i64() || number.is_u64() => Self::Int,
            Value::Number(_) => Self::Double,
            Value::String(_) => Self::Text,
            Value::Array(items) => Self::list_of(items.iter().map(Self::of_value)),
            Value::Object(fields) => Self::closed(
                fields
                    .iter()
                    .map(|(name, field)| (name.clone(), Self::of_value(field)))
                    .collect(),
            ),
        }
    }

    /// A list of values of these types.
    pub(crate) fn list_of(types: impl Iterator<Item = Self>) -> Self {
        Self::list(types.reduce(Self::or).unwrap_or(Self::Any))
    }

    /// The type of a JSON Schema that an input field may have.
    pub(crate) fn of_schema(schema: &Map<String, Value>) -> Self {
        let fields = || match schema.get("properties") {
            Some(Value::Object(fields)) => fields
                .iter()
                .map(|(name, field)| (name.clone(), field.as_object().map_or(Self::Any, Self::of_schema)))
                .collect(),
            _ => Vec::new(),
        };
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => Self::Text,
            Some("number") => Self::Number,
            Some("integer") => Self::Int,
            Some("boolean") => Self::Bool,
            Some("array") => {
                let element = schema
                    .get("items")
                    .and_then(Value::as_object)
                    .map_or(Self::Any, Self::of_schema);
                Self::list(element)
            }
            Some("object") => Self::object(fields(), false),
            _ => Self::Any,
        }
    }

    /// The type of what a port gives.
    pub(crate) fn of_port(ty: &Type) -> Self {
        match ty {
            Type::Bool => Self::Bool,
            Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 => Self::Int,
            Type::S64 | Type::U64 => Self::Int,
            Type::F32 | Type::F64 => Self::Number,
            Type::Char | Type::String | Type::Bytes | Type::Enum { .. } => Self::Text,
            Type::Json => Self::Any,
            Type::Artefact => Self::closed(vec![
                ("digest".to_owned(), Self::Text),
                ("name".to_owned(), Self::Text),
                ("media_type".to_owned(), Self::Text),
                ("size".to_owned(), Self::Int),
            ]),
            Type::List { element } => Self::list(Self::of_port(element)),
            Type::Tuple { .. } => Self::list(Self::Any),
            Type::Flags { .. } => Self::list(Self::Text),
            // It may be null, and then has no fields: nothing is certain.
            Type::Option { .. } => Self::Any,
            Type::Record { fields, .. } => Self::closed(
                fields
                    .iter()
                    .map(|field| (field.name.clone(), Self::of_port(&field.ty)))
                    .collect(),
            ),
            Type::Variant { .. } | Type::Result { .. } => Self::closed(vec![
                ("kind".to_owned(), Self::Text),
                ("value".to_owned(), Self::Any),
            ]),
        }
    }

    /// Whether a value of this type is certainly none of the other one, which JSON Schema names.
    pub(crate) fn differs(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Any, _) | (_, Self::Any) => false,
            // A double without fraction is a whole number there.
            (own, wanted) if own.is_number() && wanted.is_number() => false,
            (Self::Moment | Self::Length, Self::Text) => false,
            (Self::List { .. }, Self::List { .. }) => self.element().differs(&wanted.element()),
            (Self::Object { .. }, Self::Object { .. }) => false,
            (own, wanted) => own != wanted,
        }
    }

    /// Why a value of this type cannot go into a port; nothing if it can, or might.
    pub(crate) fn misfit(&self, port: &Type) -> Option<String> {
        let plain =
            |fits: bool| (!fits).then(|| format!("takes {}, this is {}", port.expectation(), self.name()));
        match (self, port) {
            (Self::Any, _) | (_, Type::Json) => None,
            (Self::Null, Type::Option { .. }) => None,
            (_, Type::Option { inner }) => self.misfit(inner),
            (_, Type::Bool) => plain(*self == Self::Bool),
            // Decimal text is taken for the wide ones.
            (Self::Text, Type::S64 | Type::U64) => None,
            (
                _,
                Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64,
            ) => plain(matches!(self, Self::Int | Self::Number)),
            (_, Type::F32 | Type::F64) => plain(self.is_number()),
            (_, Type::Char | Type::String | Type::Bytes | Type::Enum { .. }) => {
                plain(matches!(self, Self::Text | Self::Moment | Self::Length))
            }
            (Self::List { element, .. }, Type::List { element: wanted }) => element
                .misfit(wanted)
                .map(|reason| format!("takes a list of which each {}", reason.replacen("takes", "is", 1))),
            (Self::Object { fields, closed, .. }, Type::Record { fields: wanted, .. }) => {
                record_misfit(fields, *closed, wanted)
            }
            (_, Type::List { .. } | Type::Tuple { .. } | Type::Flags { .. }) => {
                plain(matches!(self, Self::List { .. }))
            }
            _ => plain(matches!(self, Self::Object { .. })),
        }
    }
}

fn record_misfit(fields: &[(String, Ty)], closed: bool, wanted: &[flowforge_ports::Field]) -> Option<String> {
    for want in wanted {
        match fields.iter().find(|(name, _)| *name == want.name) {
            Some((name, ty)) => {
                if let Some(reason) = ty.misfit(&want.ty) {
                    return Some(format!("has a field `{name}` that {reason}"));
                }
            }
            None if closed && !matches!(want.ty, Type::Option { .. }) => {
                return Some(format!(
                    "needs a field `{}`: {}",
                    want.name,
                    want.ty.expectation()
                ));
            }
            None => {}
        }
    }
    let extra = fields
        .iter()
        .find(|(name, _)| !wanted.iter().any(|want| want.name == *name));
    extra.map(|(name, _)| {
        let names: Vec<&str> = wanted.iter().map(|want| want.name.as_str()).collect();
        format!("has no field `{name}`; its fields are: {}", names.join(", "))
    })
}
