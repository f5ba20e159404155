//! Looking at what somebody is writing: expressions, drawings, differences.

use async_graphql::{Context, Enum, InputObject, Json, Object, Result, SimpleObject};
use flowforge_workflow::preview::{Completion, CompletionKind, Preview, PreviewFault};
use serde_json::Value;

use super::compare::{self, CompareWorkflowsPayload};
use super::graphs::{self, WorkflowGraphPayload};
use super::limits::spend;
use super::loads::reading;
use super::mutation::too_long;
use super::query::app;
use super::scalars::{AnyJson, Long};
use super::texts::{WorkflowTextInput, object};
use super::{CODE_ARGUMENT, coded, fault};
use crate::app::looks::Asked;

/// Longest text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Bytes of a value, as JSON, that are shown; of a larger one the beginning of each part.
const MAX_SHOWN_BYTES: usize = 64 * 1024;

/// An expression that is being written.
#[derive(InputObject)]
pub(crate) struct PreviewExpressionInput {
    /// What is written so far, at most 16 KiB.
    expression: String,
    /// True: a text with `${…}` in it, as values of nodes have; otherwise it is an expression without marker.
    template: Option<bool>,
    /// Where the cursor stands, if completions are wanted: UTF-16 units before it, as JavaScript counts.
    cursor: Option<u32>,
    /// The workflow file, for names and types; one that cannot be read gives neither.
    source: Option<String>,
    /// `workflow.lock`
    lock: Option<String>,
    /// The node whose value it is; absent: the output of the workflow.
    node: Option<String>,
    /// Values by name: `input`, `config`, `trigger`, `run`, nodes, elements of loops.
    data: Option<AnyJson>,
    /// A run whose input and results stand for what `data` does not have: an id, a unique prefix of one, or `last`.
    run: Option<String>,
    /// What `now()` gives; absent: the moment of the call.
    now_ms: Option<Long>,
}

/// What somebody sees who writes an expression.
#[derive(SimpleObject)]
pub(crate) struct ExpressionPreview {
    /// The value; of a large one the beginning of each of its parts.
    value: Option<AnyJson>,
    /// Whether parts of `value` were left out.
    cut: bool,
    /// Bytes of the whole value as JSON.
    bytes: Option<Long>,
    /// In one line: `int`, `list<text>`, `{ id: int, name: text }`. Of the value, or what the workflow says.
    #[graphql(name = "type")]
    ty: Option<String>,
    /// Why there is no value.
    fault: Option<ExpressionFault>,
    /// With `cursor`: what can come there; absent in quotes and outside expressions.
    completions: Option<CompletionList>,
}

/// Why there is no value, and where it shows.
#[derive(SimpleObject)]
pub(crate) struct ExpressionFault {
    /// Stable: `FF-WF-…` as the lint says it, `FF-EX-001` where data is missing, `FF-EX-002` where the evaluation fails.
    code: String,
    message: String,
    fix: Option<String>,
    /// UTF-16 units before it.
    start: usize,
    /// UTF-16 units before what follows it.
    end: usize,
}

/// What can come at the cursor.
#[derive(SimpleObject)]
pub(crate) struct CompletionList {
    /// What a chosen one replaces begins here: UTF-16 units before it.
    from: usize,
    /// And ends here.
    to: usize,
    /// At most 200.
    items: Vec<CompletionNode>,
}

/// One thing that can come.
#[derive(SimpleObject)]
#[graphql(name = "Completion")]
pub(crate) struct CompletionNode {
    /// As it is shown.
    label: String,
    /// As it is written.
    insert: String,
    kind: CompletionKindName,
    #[graphql(name = "type")]
    ty: Option<String>,
    docs: Option<String>,
    /// An expression that stands on its own.
    example: Option<String>,
}

/// What a completion is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "CompletionKind")]
pub(crate) enum CompletionKindName {
    /// `input`, `config`, the element of a loop.
    Name,
    /// A node.
    Node,
    /// A field of what stands before the dot.
    Field,
    /// A function.
    Function,
    /// A function of what stands before the dot.
    Method,
}

impl From<Completion> for CompletionNode {
    fn from(item: Completion) -> Self {
        Self {
            label: item.label,
            insert: item.insert,
            kind: match item.kind {
                CompletionKind::Name => CompletionKindName::Name,
                CompletionKind::Node => CompletionKindName::Node,
                CompletionKind::Field => CompletionKindName::Field,
                CompletionKind::Function => CompletionKindName::Function,
                CompletionKind::Method => CompletionKindName::Method,
            },
            ty: item.ty,
            docs: item.docs,
            example: item.example,
        }
    }
}

/// UTF-16 units of a text before a byte.
fn units(text: &str, byte: usize) -> usize {
    text.get(..byte).unwrap_or(text).encode_utf16().count()
}

/// The byte before which so many UTF-16 units stand; none inside a character and beyond the end.
fn byte_at(text: &str, units: usize) -> Option<usize> {
    let mut before = 0;
    for (byte, c) in text.char_indices() {
        if before == units {
            return Some(byte);
        }
        before += c.len_utf16();
    }
    (before == units).then_some(text.len())
}

impl ExpressionPreview {
    fn of(text: &str, seen: Preview) -> Self {
        let bytes = seen.value.as_ref().map(|value| value.to_string().len());
        let is_large = bytes.is_some_and(|bytes| bytes > MAX_SHOWN_BYTES);
        let value = match seen.value {
            Some(value) if is_large => {
                let mut left = MAX_SHOWN_BYTES;
                Some(beginning(&value, &mut left))
            }
            value => value,
        };
        Self {
            value: value.map(Json),
            cut: is_large,
            bytes: bytes.map(|bytes| Long(bytes as u64)),
            ty: seen.ty,
            fault: seen.fault.map(|fault| ExpressionFault::of(text, fault)),
            completions: seen.completions.map(|list| CompletionList {
                from: units(text, list.from),
                to: units(text, list.to),
                items: list.items.into_iter().map(CompletionNode::from).collect(),
            }),
        }
    }
}

impl ExpressionFault {
    fn of(text: &str, fault: PreviewFault) -> Self {
        Self {
            start: units(text, fault.start),
            end: units(text, fault.end),
            code: fault.code.to_owned(),
            message: fault.message,
            fix: fault.fix,
        }
    }
}

/// The beginning of a value, as much as these bytes hold.
fn beginning(value: &Value, left: &mut usize) -> Value {
    let take = |left: &mut usize, bytes: usize| *left = left.saturating_sub(bytes);
    match value {
        Value::String(text) => {
            let end = text.floor_char_boundary(text.len().min(*left));
            take(left, end + 2);
            Value::String(text.get(..end).unwrap_or_default().to_owned())
        }
        Value::Array(items) => {
            let mut out = Vec::new();
            for item in items {
                if *left == 0 {
                    break;
                }
                take(left, 1);
                out.push(beginning(item, left));
            }
            Value::Array(out)
        }
        Value::Object(fields) => {
            let mut out = serde_json::Map::new();
            for (name, field) in fields {
                if *left <= name.len() {
                    break;
                }
                take(left, name.len() + 4);
                out.insert(name.clone(), beginning(field, left));
            }
            Value::Object(out)
        }
        plain => {
            take(left, 8);
            plain.clone()
        }
    }
}

/// Looking at what somebody writes.
#[derive(Default)]
pub(crate) struct Looks;

#[Object]
impl Looks {
    /// The value of an expression by the engine's evaluator and at its price, its type, what is wrong with it and where, and
    /// what can come at the cursor. Changes nothing.
    #[graphql(complexity = "20 + child_complexity")]
    async fn preview_expression(
        &self,
        ctx: &Context<'_>,
        input: PreviewExpressionInput,
    ) -> Result<ExpressionPreview> {
        let (app, reading) = (app(ctx)?, reading(ctx).await?);
        let text = input.expression;
        if text.len() > MAX_TEXT_BYTES {
            let message = format!(
                "`expression` has {} bytes, more than {MAX_TEXT_BYTES}",
                text.len()
            );
            return Err(coded(message, CODE_ARGUMENT));
        }
        let cursor = match input.cursor {
            None => None,
            Some(units) => {
                let byte = byte_at(&text, usize::try_from(units).unwrap_or(usize::MAX));
                Some(byte.ok_or_else(|| {
                    let message = "`cursor` is inside a character of `expression`, or behind its end";
                    coded(message, CODE_ARGUMENT)
                })?)
            }
        };
        let mut data = object(input.data, "data")?;
        if let Some(wanted) = input.run {
            let run = reading.find_run(&wanted).await.map_err(|error| fault(&error))?;
            let run = run.map_err(|message| coded(message, CODE_ARGUMENT))?;
            for (name, value) in app.data_of(&run).await.map_err(|error| fault(&error))? {
                data.entry(name).or_insert(value);
            }
        }
        let asked = Asked {
            text: text.clone(),
            template: input.template.unwrap_or(false),
            cursor,
            source: input.source,
            lock: input.lock,
            node: input.node,
            data,
            now_ms: input.now_ms.map_or_else(|| app.clock.now_ms(), |now| now.0),
        };
        let seen = app.preview(asked).await.map_err(too_long)?;
        let seen = seen.map_err(|unknown| coded(unknown.to_string(), CODE_ARGUMENT))?;
        let shown = ExpressionPreview::of(&text, seen);
        spend(
            ctx,
            shown.bytes.map_or(0, |bytes| bytes.0.min(MAX_SHOWN_BYTES as u64)),
        )?;
        Ok(shown)
    }

    /// A workflow as a drawing has it: nodes with typed ports, and the edges between them.
    #[graphql(complexity = "50 + child_complexity")]
    async fn workflow_graph(&self, ctx: &Context<'_>, of: WorkflowTextInput) -> Result<WorkflowGraphPayload> {
        graphs::draw(ctx, of).await
    }

    /// What differs between two texts, by node and property, and by line.
    #[graphql(complexity = "50 + child_complexity")]
    async fn compare_workflows(
        &self,
        ctx: &Context<'_>,
        before: WorkflowTextInput,
        after: WorkflowTextInput,
    ) -> Result<CompareWorkflowsPayload> {
        compare::beside(ctx, before, after).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_counted_as_javascript_counts() {
        let text = "a💧ü.b";
        assert_eq!(units(text, text.find('.').unwrap()), 4);
        assert_eq!(byte_at(text, 4), text.find('.'));
        assert_eq!(byte_at(text, 6), Some(text.len()));
        for wrong in [2, 7] {
            assert_eq!(byte_at(text, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn of_a_large_value_the_beginning_is_shown_and_stays_a_value() {
        let large = json!({"rows": vec![json!({"name": "x".repeat(100)}); 5_000], "more": 1});
        let mut left = MAX_SHOWN_BYTES;
        let shown = beginning(&large, &mut left);
        let bytes = shown.to_string().len();
        assert!(
            (MAX_SHOWN_BYTES / 2..MAX_SHOWN_BYTES * 2).contains(&bytes),
            "{bytes}"
        );
        assert_eq!(shown["rows"][0], large["rows"][0]);
        let text = Value::String("ü".repeat(MAX_SHOWN_BYTES));
        assert!(beginning(&text, &mut { MAX_SHOWN_BYTES }).to_string().len() <= MAX_SHOWN_BYTES + 2);
    }
}
