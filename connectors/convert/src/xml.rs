//! XML as values, and values as XML.
//!
//! An element is an object: its attributes are fields that begin with `@`, its elements are fields of their names, several of
//! one name are a list, and text beside them is the field `#text`. An element with nothing but text is that text.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

/// Begins the field of an attribute.
const ATTRIBUTE: char = '@';
/// The field of the text of an element that has more than text.
const TEXT: &str = "#text";
/// How deep elements may be nested: a value may have 64 levels, and a list takes one of its own.
const DEPTH_MAX: usize = 30;
