//! The expressions and templates of a plan, compiled, with the names that they use.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{PlanError, RespondPlan};
use crate::expr::{Expression, References, Template};
use crate::model::{Field, Respond};
use crate::names::{SPECIAL, is_type_word};

/// The references that are neither reserved words, nor loop variables, nor names of types.
pub(super) fn references_outside(references: &References, items: &[&str]) -> References {
    let outside = |names: &BTreeSet<String>| {
        names
            .iter()
            .filter(|name| {
                !SPECIAL.contains(&name.as_str()) && !items.contains(&name.as_str()) && !is_type_word(name)
            })
            .cloned()
            .collect()
    };
    References {
        needed: outside(&references.needed),
        asked: outside(&references.asked),
    }
}

pub(super) fn expression(
    place: &str,
    source: &str,
    references: &mut References,
) -> Result<Expression, PlanError> {
    let expression =
        Expression::compile(crate::expr::strip_marker(source)).map_err(|error| PlanError::Expression {
            place: place.to_owned(),
            message: error.message,
        })?;
    references.merge(expression.references());
    Ok(expression)
}

pub(super) fn ports(
    place: &str,
    with: &Map<String, Value>,
    references: &mut References,
) -> Result<Vec<(String, Template)>, PlanError> {
    with.iter()
        .map(|(port, value)| {
            let template = template(&format!("{place}.{port}"), value, references)?;
            Ok((port.clone(), template))
        })
        .collect()
}

pub(super) fn template(
    place: &str,
    value: &Value,
    references: &mut References,
) -> Result<Template, PlanError> {
    let template = Template::compile(value).map_err(|errors| {
        let first = errors.into_iter().next();
        let (path, message) = first.map_or_else(Default::default, |first| (first.path, first.error.message));
        PlanError::Expression {
            place: format!("{place}{path}"),
            message,
        }
    })?;
    references.merge(&template.references());
    Ok(template)
}

pub(super) fn named(
    place: &str,
    fields: &[Field],
    references: &mut References,
) -> Result<Vec<(String, Template)>, PlanError> {
    fields
        .iter()
        .map(|field| {
            Ok((
                field.name.clone(),
                template(&format!("{place}.{}", field.name), &field.value, references)?,
            ))
        })
        .collect()
}

pub(super) fn respond(
    place: &str,
    answer: &Respond,
    references: &mut References,
) -> Result<RespondPlan, PlanError> {
    let mut headers = Vec::with_capacity(answer.headers.len());
    for (name, value) in &answer.headers {
        let at = format!("{place}.respond.headers.{name}");
        headers.push((name.clone(), template(&at, value, references)?));
    }
    Ok(RespondPlan {
        status: template(&format!("{place}.respond.status"), &answer.status, references)?,
        body: template(&format!("{place}.respond.body"), &answer.body, references)?,
        headers,
    })
}
