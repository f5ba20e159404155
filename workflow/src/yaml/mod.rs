//! YAML as a tree with places.
//!
//! Owns the part of YAML that workflow files use: mappings with text keys, sequences, scalars of the core schema.
//! Leaves out on purpose, each with its message: anchors, aliases, tags, several documents. Bounds size, depth and
//! number of values, so that a hostile file costs little.

mod mistakes;
mod reader;
mod scalar;

pub(crate) use mistakes::{quote, without_braces};
pub(crate) use reader::read;

use crate::diagnostic::Span;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where.
    pub span: Span,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number from −2⁶³ to 2⁶⁴−1.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Text),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// Text, and how it was written.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text.
    pub text: String,
    /// How it was written; decides where inside it a place can be told.
    pub style: Style,
}

/// How text was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// With quotes.
    Quoted,
    /// As a block, `|` or `>`.
    Block,
}

/// One key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

impl Node {
    /// What it is, for messages: "a list", "text", ….
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value as JSON. Numbers that JSON does not know cannot occur: the reader refuses them.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(*value),
            Value::Int(value) => match u64::try_from(*value) {
                Ok(value) => value.into(),
                Err(_) => i64::try_from(*value).unwrap_or(i64::MIN).into(),
            },
            Value::Float(value) => (*value).into(),
            Value::Text(text) => serde_json::Value::String(text.text.clone()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }
}
