//! An evaluation for somebody who looks at the expression: where it went wrong stands beside what.

use serde_json::Value;

use super::{Context, Expression, Scope, functions};
use crate::bounds;

/// Why an evaluation gave no value, and in which part of the expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Explained {
    /// As [`super::EvaluationError`] says it.
    pub message: String,
    /// First byte of the part.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

impl Expression {
    /// Evaluates it, as [`Expression::evaluate`] does, and says of a fault where it came up.
    ///
    /// # Errors
    ///
    /// As [`Expression::evaluate`].
    pub fn explain<'c>(
        &self,
        scope: &dyn Scope,
        context: impl Into<Context<'c>>,
    ) -> Result<Value, Box<Explained>> {
        let whole = (0, self.source.len());
        let at = |message: String, (start, end): (usize, usize)| Box::new(Explained { message, start, end });
        let value = self
            .run(scope, context.into(), |value, tools| {
                functions::to_json(value, &tools.meter)
            })
            .map_err(|fault| at(fault.message, fault.span.unwrap_or(whole)))?;
        bounds::check_value(&value).map_err(|problem| at(problem.to_string(), whole))?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::expr::Meaning;

    struct Data(Value);

    impl Scope for Data {
        fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
            self.0.get(name).map(Meaning::Value)
        }
    }

    #[test]
    fn a_fault_is_placed_at_the_innermost_part_that_has_it() {
        let data = Data(json!({"fetch": {"body": {"items": [1, "two"]}}}));
        for (source, part) in [
            ("fetch.body.item", "fetch.body.item"),
            ("1 + fetch.body.items.map(x, x * 2).size()", "x * 2"),
            ("size(fetch.body.items) / 0", "size(fetch.body.items) / 0"),
            ("fetch.body.items[7] + 1", "fetch.body.items[7]"),
            ("other.x", "other"),
        ] {
            let found = Expression::compile(source)
                .unwrap()
                .explain(&data, 0)
                .unwrap_err();
            assert_eq!(&source[found.start..found.end], part, "{source}: {found}");
        }
        let value = Expression::compile("fetch.body.items").unwrap().explain(&data, 0);
        assert_eq!(value.unwrap(), json!([1, "two"]));
    }
}
