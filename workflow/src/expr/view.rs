//! JSON values as values of the expression language, without a copy.
//!
//! A list or an object is looked at where it lies; its elements become values of the language one level at a time,
//! when they are walked. So an expression over a large response costs what it looks at, and nothing is converted or
//! cached per step. JSON integers are always `int`; one beyond 64 bits is a `double`.

use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{self, Adder, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelNull, CelString, Kind, LIST_TYPE, MAP_TYPE, NULL_TYPE, Type,
};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Value};

/// A JSON value as a value of the language.
pub(super) fn view<'a>(value: &'a Value) -> Box<dyn Val + 'a> {
    match value {
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(JsonList::new(items)),
        Value::Object(fields) => Box::new(JsonMap::new(fields)),
        scalar_value => scalar(scalar_value),
    }
}

/// A value without parts; anything else is null.
pub(super) fn scalar<'v>(value: &Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Box::new(CelInt::from(whole)),
            (None, Some(float)) => Box::new(CelDouble::from(float)),
            (None, None) => Box::new(CelNull),
        },
        _ => Box::new(CelNull),
    }
}

/// A JSON array.
#[derive(Debug)]
pub(super) struct JsonList<'a> {
    items: &'a [Value],
    views: OnceLock<Vec<Box<dyn Val + 'a>>>,
}

impl<'a> JsonList<'a> {
    fn new(items: &'a [Value]) -> Self {
        Self {
            items,
            views: OnceLock::new(),
        }
    }

    fn views(&self) -> &[Box<dyn Val + 'a>] {
        self.views.get_or_init(|| self.items.iter().map(view).collect())
    }
}

/// Walks the elements of a list.
struct Elements<'b, 'a>(std::slice::Iter<'b, Box<dyn Val + 'a>>);

impl<'b, 'a: 'w, 'w> traits::Iterator<'b, 'w> for Elements<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.0.next().map(|value| value.as_ref() as &(dyn Val + 'w))
    }
}

/// Walks the keys of a map.
struct Keys<'b, 'a>(std::slice::Iter<'b, CelString<'a>>);

impl<'b, 'a: 'w, 'w> traits::Iterator<'b, 'w> for Keys<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.0.next().map(|key| key as &(dyn Val + 'w))
    }
}

impl Val for JsonList<'_> {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        equal(self, other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(JsonList::new(self.items))
    }
}

impl Adder for JsonList<'_> {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let right = rhs
            .as_iterable()
            .filter(|_| rhs.get_type().kind() == Kind::List)
            .ok_or_else(|| ExecutionError::function_error("+", "a list can only be joined with a list"))?;
        let mut out: Vec<Box<dyn Val + 'v>> = Vec::with_capacity(self.items.len());
        for item in self.items {
            out.push(view(item));
        }
        let mut walk = right.iter();
        while let Some(item) = walk.next() {
            out.push(item.clone_as_boxed());
        }
        Ok(CowVal::owned(CelList::from(out)))
    }
}

impl Container for JsonList<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.items.iter().any(|item| equal(view(item).as_ref(), value)))
    }
}

impl Indexer for JsonList<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let wanted = index_of(index)?;
        let found = usize::try_from(wanted).ok().and_then(|at| self.items.get(at));
        found
            .map(|item| CowVal::Owned(view(item)))
            .ok_or(ExecutionError::IndexOutOfBounds(wanted.into()))
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let wanted = index_of(index)?;
        let found = usize::try_from(wanted).ok().and_then(|at| self.items.get(at));
        found
            .map(view)
            .map(|value| value as Box<dyn Val + 'v>)
            .ok_or(ExecutionError::IndexOutOfBounds(wanted.into()))
    }
}

/// An index as a whole number; a `double` without fraction counts.
fn index_of(index: &dyn Val) -> Result<i64, ExecutionError> {
    if let Some(whole) = index.downcast_ref::<CelInt>() {
        return Ok(*whole.inner());
    }
    if let Some(float) = index.downcast_ref::<CelDouble>() {
        let float = *float.inner();
        if float.fract() == 0.0 && float.abs() < 1e15 {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
            return Ok(float as i64);
        }
    }
    Err(ExecutionError::UnexpectedType {
        got: index.get_type().name().to_owned(),
        want: "int".to_owned(),
    })
}

impl Iterable for JsonList<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Elements(self.views().iter()))
    }
}

impl Sizer for JsonList<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.items.len()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for JsonList<'_> {
    fn is_zero_value(&self) -> bool {
        self.items.is_empty()
    }
}

/// A JSON object.
#[derive(Debug)]
pub(super) struct JsonMap<'a> {
    fields: &'a Map<String, Value>,
    keys: OnceLock<Vec<CelString<'a>>>,
}

impl<'a> JsonMap<'a> {
    fn new(fields: &'a Map<String, Value>) -> Self {
        Self {
            fields,
            keys: OnceLock::new(),
        }
    }

    fn find(&self, key: &dyn Val) -> Result<&'a Value, ExecutionError> {
        let Some(key) = key.downcast_ref::<CelString>() else {
            return Err(ExecutionError::NoSuchKey(key_text(key).into()));
        };
        self.fields
            .get(key.inner())
            .ok_or_else(|| ExecutionError::no_such_key(key.inner()))
    }
}

fn key_text(key: &dyn Val) -> String {
    key.downcast_ref::<CelInt>().map_or_else(
        || key.get_type().name().to_owned(),
        |whole| whole.inner().to_string(),
    )
}

impl Val for JsonMap<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        equal(self, other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(JsonMap::new(self.fields))
    }
}

impl Container for JsonMap<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key).is_ok())
    }
}

impl Indexer for JsonMap<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.find(key).map(|value| CowVal::Owned(view(value)))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.find(key).map(|value| view(value) as Box<dyn Val + 'v>)
    }
}

impl Iterable for JsonMap<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        let keys = self.keys.get_or_init(|| {
            self.fields
                .keys()
                .map(|key| CelString::from(key.as_str()))
                .collect()
        });
        Box::new(Keys(keys.iter()))
    }
}

impl Sizer for JsonMap<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.fields.len()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for JsonMap<'_> {
    fn is_zero_value(&self) -> bool {
        self.fields.is_empty()
    }
}

/// The output of a node that did not run: nothing, of which every field is absent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absent;

impl Val for Absent {
    fn get_type(&self) -> &Type {
        &NULL_TYPE
    }

    fn cel_type() -> &'static Type {
        &NULL_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.get_type().kind() == Kind::NullType
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Absent)
    }
}

impl Indexer for Absent {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let key = key.downcast_ref::<CelString>().map_or("0", |key| key.inner());
        Err(ExecutionError::no_such_key(key))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let key = key.downcast_ref::<CelString>().map_or("0", |key| key.inner());
        Err(ExecutionError::no_such_key(key))
    }
}

/// Equality that does not ask who made a list or a map.
pub(super) fn equal(a: &dyn Val, b: &dyn Val) -> bool {
    match (a.get_type().kind(), b.get_type().kind()) {
        (Kind::List, Kind::List) => lists_equal(a, b),
        (Kind::Map, Kind::Map) => maps_equal(a, b),
        (Kind::NullType, Kind::NullType) => true,
        (Kind::List | Kind::Map, _) => false,
        _ => a.equals(b),
    }
}

fn lists_equal(a: &dyn Val, b: &dyn Val) -> bool {
    let (Some(a), Some(b)) = (a.as_iterable(), b.as_iterable()) else {
        return false;
    };
    let (mut a, mut b) = (a.iter(), b.iter());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if equal(a, b) => {}
            _ => return false,
        }
    }
}

fn maps_equal(a: &dyn Val, b: &dyn Val) -> bool {
    let size = |value: &dyn Val| value.as_sizer().map(|sizer| *sizer.size().inner());
    if size(a) != size(b) {
        return false;
    }
    let (Some(keys), Some(left), Some(right)) = (a.as_iterable(), a.as_indexer(), b.as_indexer()) else {
        return false;
    };
    let mut keys = keys.iter();
    while let Some(key) = keys.next() {
        match (left.get(key), right.get(key)) {
            (Ok(left), Ok(right)) if equal(left.as_ref(), right.as_ref()) => {}
            _ => return false,
        }
    }
    true
}
