//! Where in a value something is wrong. Built only on the way out of an error, so that a good value costs nothing.

use std::fmt::Write as _;

use serde_json::Value;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathError {
    /// Innermost first.
    segments: Vec<Segment>,
    pub(crate) message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Field(String),
    Index(usize),
}

impl PathError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            segments: Vec::new(),
            message: message.into(),
        }
    }

    /// `expected a number, got text`
    pub(crate) fn expected(what: &str, got: &Value) -> Self {
        Self::new(format!("expected {what}, got {}", describe(got)))
    }

    /// The error as seen from the text that holds the value at this path, which is written as the whole path is.
    pub(crate) fn inside(mut self, path: String) -> Self {
        if !path.is_empty() {
            self.segments.push(Segment::Field(path));
        }
        self
    }

    /// `rows[3].price`; empty for the value itself.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.segments.iter().rev() {
            match segment {
                Segment::Field(name) => {
                    if !path.is_empty() && !name.starts_with('[') {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Segment::Index(index) => {
                    // Writing into a string has no failing path.
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        path
    }
}

/// The error as seen from the object that holds the field.
pub(crate) fn at_field(name: &str) -> impl FnOnce(PathError) -> PathError + '_ {
    move |mut error| {
        error.segments.push(Segment::Field(name.to_owned()));
        error
    }
}

/// The error as seen from the list that holds the element.
pub(crate) fn at_index(index: usize) -> impl FnOnce(PathError) -> PathError {
    move |mut error| {
        error.segments.push(Segment::Index(index));
        error
    }
}

/// What a JSON value is, for people; short values are shown.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
