//! Expressions: CEL over JSON, with the functions that workflows need.
//!
//! Owns the language from text to value: tokens, tree, the functions there are, evaluation, its price and its bounds,
//! the names an expression uses and the words for what goes wrong. Pure: the moment that `now()` gives, the seed of
//! `uuid()` and the handle that stops an evaluation are parameters. Invariant: what is evaluated is what the tree can
//! hold, all of it is paid for, and the cost of one evaluation is bounded in work, memory and stack. A plain path such
//! as `fetch.body.items` never enters the evaluator.

mod access;
mod evaluate;
mod explain;
mod fault;
mod functions;
mod help;
mod lexer;
mod meter;
mod mistakes;
mod offers;
mod operators;
mod parser;
mod references;
mod template;
mod tree;
mod value;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use serde_json::Value;

pub use explain::Explained;
pub(crate) use functions::{Gives, moment_text};
pub use help::{HelpEntry, expr_help};
pub(crate) use lexer::expression_length;
pub use meter::{Allowance, Interrupt};
pub(crate) use offers::{Offer, Receiver, offers};
pub use references::References;
pub use template::{Part, Template, TemplateError, TemplateFailure};
pub(crate) use template::{Piece, pieces};
pub(crate) use tree::{Call, Form, Literal, Loop, LoopKind, Operator, Pair, Step, StepKind, Tree};

use crate::bounds;
use crate::limits::{MAX_EXPRESSION_BYTES, MAX_VALUE_BYTES};

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
    tree: Tree,
    path: Option<Path>,
    references: References,
    /// Whether it calls `uuid()`.
    unique: bool,
}

/// A name and fields of it, and nothing else.
#[derive(Debug, Clone)]
struct Path {
    root: String,
    fields: Vec<String>,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// Stable code, `FF-WF-0xx`.
    pub code: &'static str,
    /// Byte of the text at which it shows.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// How to fix it, if that is known.
    pub fix: Option<String>,
}

/// Why an evaluation gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// Stable code: `FF-EXP-001`, or `FF-EXP-002` if the evaluation was stopped from outside.
    pub code: &'static str,
    /// What is wrong, for people; with the part of the expression it is about, if that is not the whole.
    pub message: String,
}

impl EvaluationError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            code: "FF-EXP-001",
            message: message.into(),
        }
    }
}

impl From<Box<fault::Fault>> for EvaluationError {
    fn from(fault: Box<fault::Fault>) -> Self {
        Self {
            code: if fault.late { "FF-EXP-002" } else { "FF-EXP-001" },
            message: fault.message,
        }
    }
}

/// What a name stands for in an evaluation.
#[derive(Debug, Clone, Copy)]
pub enum Meaning<'s> {
    /// A value.
    Value(&'s Value),
    /// A node that did not run.
    Absent,
}

/// The names an evaluation knows.
pub trait Scope: Send + Sync {
    /// What the name stands for; `None` if it is unknown.
    fn lookup(&self, name: &str) -> Option<Meaning<'_>>;
}

/// What an evaluation is given beside its names. A bare number of milliseconds is a context with that moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'c> {
    /// What `now()` gives, milliseconds since 1970 UTC.
    pub now_ms: u64,
    /// What `uuid()` is derived from. It must be the same in every attempt and on every host, and differ for each place
    /// whose value is recorded: run, step, iteration and field. Without it `uuid()` gives no value.
    pub seed: Option<&'c str>,
    /// Stops the evaluation from outside.
    pub interrupt: Option<&'c Interrupt>,
    /// What it may cost here, with others; without it, what any evaluation may cost.
    pub allowance: Option<&'c Allowance>,
}

impl From<u64> for Context<'_> {
    fn from(now_ms: u64) -> Self {
        Self {
            now_ms,
            ..Self::default()
        }
    }
}

impl<'c> Context<'c> {
    /// With what `uuid()` is derived from.
    #[must_use]
    pub fn with_seed(self, seed: &'c str) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// With what `uuid()` is derived from, where it is needed.
    pub(crate) fn seeded(self, seed: Option<&'c str>) -> Self {
        Self { seed, ..self }
    }

    /// With the handle that stops the evaluation.
    #[must_use]
    pub fn with_interrupt(self, interrupt: &'c Interrupt) -> Self {
        Self {
            interrupt: Some(interrupt),
            ..self
        }
    }
}

impl Expression {
    /// Compiles an expression. Takes time in proportion to its length, which is at most `MAX_EXPRESSION_BYTES`.
    ///
    /// # Errors
    ///
    /// The first thing wrong with it: too long, not an expression, an unknown function, too deeply nested.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > MAX_EXPRESSION_BYTES {
            return Err(ExpressionError {
                code: "FF-WF-017",
                offset: 0,
                message: format!(
                    "the expression has {} bytes, above the limit of {MAX_EXPRESSION_BYTES}",
                    source.len()
                ),
                fix: Some("split it: let a `set` node before it do a part".to_owned()),
            });
        }
        if let Some(found) = mistakes::before_parsing(source) {
            return Err(found);
        }
        let tree = parser::parse(source)?;
        let mut unique = false;
        tree.visit(&mut |part| {
            unique |= matches!(&part.form, Form::Call(call) if call.function.name == "uuid");
            true
        });
        Ok(Self {
            source: source.to_owned(),
            path: path_of(&tree),
            references: references::references(&tree),
            tree,
            unique,
        })
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names it uses.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }

    /// The tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether its value depends on the seed of the context.
    pub(crate) fn needs_seed(&self) -> bool {
        self.unique
    }

    /// Whether it is a name and fields of it, and nothing has to be computed.
    pub(crate) fn is_plain(&self) -> bool {
        self.path.is_some()
    }

    /// Evaluates it. The value fits a record: see [`crate::check_value`].
    ///
    /// # Errors
    ///
    /// A missing field, values of the wrong kind, a bound that was reached, an interrupt.
    pub fn evaluate<'c>(
        &self,
        scope: &dyn Scope,
        context: impl Into<Context<'c>>,
    ) -> Result<Value, EvaluationError> {
        let context = context.into();
        let value = self.evaluate_cow(scope, context)?;
        let mut left = MAX_VALUE_BYTES;
        let measured = bounds::measure(&value, &mut left);
        measured.map_err(|problem| EvaluationError::new(problem.to_string()))?;
        may_copy(context, MAX_VALUE_BYTES.saturating_sub(left))?;
        Ok(value.into_owned())
    }

    /// Evaluates it; a plain path gives the value where it lies, unchecked.
    pub(crate) fn evaluate_cow<'s>(
        &self,
        scope: &'s dyn Scope,
        context: Context<'_>,
    ) -> Result<Cow<'s, Value>, EvaluationError> {
        match &self.path {
            Some(path) => along(scope, path).map(Cow::Borrowed),
            None => self
                .run(scope, context, |value, tools| {
                    functions::to_json(value, &tools.meter)
                })
                .map(Cow::Owned)
                .map_err(EvaluationError::from),
        }
    }

    /// Evaluates it to a moment: a timestamp, its text form, or milliseconds since 1970. Milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`Self::evaluate`], and any other kind of value. A number that can only be meant as seconds is refused.
    pub(crate) fn evaluate_moment<'c>(
        &self,
        scope: &dyn Scope,
        context: impl Into<Context<'c>>,
    ) -> Result<u64, EvaluationError> {
        self.run(scope, context.into(), |value, _| due_ms(value))
            .map_err(EvaluationError::from)
    }

    fn run<T>(
        &self,
        scope: &dyn Scope,
        context: Context<'_>,
        then: impl FnOnce(&value::Val<'_>, &functions::Tools<'_>) -> Result<T, Box<fault::Fault>>,
    ) -> Result<T, Box<fault::Fault>> {
        let mut evaluator = evaluate::Evaluator {
            source: &self.source,
            scope,
            now_ms: context.now_ms,
            tools: functions::Tools {
                meter: meter::Meter::new(context.interrupt, context.allowance),
                seed: context.seed,
                uuids: Cell::new(0),
                pattern: RefCell::new(None),
            },
            locals: Vec::new(),
        };
        evaluator
            .of(&self.tree)
            .and_then(|value| then(&value, &evaluator.tools))
    }
}

/// Whether a value of so many bytes may be copied here.
fn may_copy(context: Context<'_>, bytes: usize) -> Result<(), EvaluationError> {
    match context.allowance {
        Some(allowance) if !allowance.copies(bytes) => Err(EvaluationError::new(
            "the value is too large to be copied in passing",
        )),
        _ => Ok(()),
    }
}

/// Moments before this one, 1973-03-03 in milliseconds, are seconds that were taken for milliseconds.
const FIRST_MOMENT_MS: i64 = 100_000_000_000;

fn due_ms(value: &value::Val<'_>) -> Result<u64, Box<fault::Fault>> {
    if let value::Val::Int(number @ 1..FIRST_MOMENT_MS) = value {
        return Err(fault::Fault::new(format!(
            "`until` takes milliseconds since 1970, {number} looks like seconds; write x * 1000"
        )));
    }
    functions::moment(value)
        .and_then(|moment| u64::try_from(moment.timestamp_millis()).ok())
        .ok_or_else(|| {
            let found = functions::found(value);
            fault::Fault::new(format!(
                "`until` needs a moment: a timestamp, text like 2026-11-26 or 2026-11-26T09:14:00Z, or milliseconds \
                 since 1970; found {found}"
            ))
        })
}

/// The expression in a text that stands where only an expression can stand: the marker `${…}` around it is dropped.
#[must_use]
pub fn strip_marker(source: &str) -> &str {
    let trimmed = source.trim();
    let Some(body) = trimmed.strip_prefix("${") else {
        return source;
    };
    match expression_length(body) {
        Ok(length) if length + 1 == body.len() => body.get(..length).map_or(source, str::trim),
        _ => source,
    }
}

/// `a.b.c` as root and fields; `None` for anything else.
fn path_of(tree: &Tree) -> Option<Path> {
    match &tree.form {
        Form::Name(root) => Some(Path {
            root: root.clone(),
            fields: Vec::new(),
        }),
        Form::Steps(base, steps) => {
            let Form::Name(root) = &base.form else { return None };
            let fields = steps.iter().map(|step| match &step.kind {
                StepKind::Field(field) => Some(field.clone()),
                _ => None,
            });
            Some(Path {
                root: root.clone(),
                fields: fields.collect::<Option<_>>()?,
            })
        }
        _ => None,
    }
}

static NULL: Value = Value::Null;

fn along<'s>(scope: &'s dyn Scope, path: &Path) -> Result<&'s Value, EvaluationError> {
    let Path { root, fields } = path;
    let wrong = |message: String| EvaluationError::new(message);
    let mut value = match scope.lookup(root) {
        Some(Meaning::Value(value)) => value,
        Some(Meaning::Absent) if fields.is_empty() => &NULL,
        Some(Meaning::Absent) => return Err(wrong(format!("`{root}` did not run"))),
        None => return Err(wrong(format!("`{root}` is unknown"))),
    };
    for (index, field) in fields.iter().enumerate() {
        let before = || {
            let fields = fields.iter().take(index);
            fields.fold(root.to_owned(), |path, field| format!("{path}.{field}"))
        };
        value = match value {
            Value::Object(map) => map
                .get(field)
                .ok_or_else(|| wrong(missing_field(&before(), field, map.keys().map(String::as_str))))?,
            other => {
                let kind = fault::kind(&value::Val::of(other));
                return Err(wrong(format!(
                    "`{}` is {kind} and has no field `{field}`",
                    before()
                )));
            }
        };
    }
    Ok(value)
}

/// Most keys that are looked through for one that may be meant.
const MAX_NEAR_KEYS: usize = 200;

fn missing_field<'k>(path: &str, field: &str, keys: impl Iterator<Item = &'k str>) -> String {
    let path: String = path.chars().take(80).collect();
    let field: String = field.chars().take(80).collect();
    match crate::diagnostic::nearest(&field, keys.take(MAX_NEAR_KEYS)) {
        Some(near) => format!("`{path}` has no field `{field}`; did you mean `{near}`?"),
        None => {
            format!("`{path}` has no field `{field}`; write `.?{field}` or default(…, x) if it may be absent")
        }
    }
}
