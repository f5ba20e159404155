//! `switch`: the name of the first case that is true, computed at once.

use serde_json::Value;

use super::{Start, Started, kind_of, wrong};
use crate::expr::Expression;

type Case = (String, Option<Expression>);

pub(super) fn begin(start: &Start<'_>, cases: &[Case]) -> Started {
    for (name, when) in cases {
        let Some(when) = when else {
            return Ok(start.completed(Value::String(name.clone())));
        };
        let place = format!("switch.{name}");
        match start.expression(&place, when)? {
            Value::Bool(true) => return Ok(start.completed(Value::String(name.clone()))),
            Value::Bool(false) => {}
            other => {
                let message = format!("a case must be true or false, found {}", kind_of(&other));
                return Err(wrong(start.key, &place, message));
            }
        }
    }
    let message = "no case is true; add a last one: `otherwise: else`";
    Err(wrong(start.key, "switch", message))
}

pub(super) fn case_of(cases: &[Case], output: &Value) -> Option<usize> {
    cases
        .iter()
        .position(|(case, _)| output.as_str() == Some(case.as_str()))
}
