//! `set`: an object of expressions, computed at once.

use serde_json::{Map, Value};

use super::{Start, Started};
use crate::expr::Template;

pub(super) fn begin(start: &Start<'_>, fields: &[(String, Template)]) -> Started {
    let mut output = Map::with_capacity(fields.len());
    for (name, template) in fields {
        output.insert(name.clone(), start.template(&format!("set.{name}"), template)?);
    }
    Ok(start.completed(Value::Object(output)))
}
