//! Expressions: CEL over JSON, with the functions that workflows need.
//!
//! Owns compilation, evaluation, its bounds, the names an expression uses and the words for what goes wrong. Pure:
//! the moment that `now()` gives is a parameter. A plain path such as `fetch.body.items` never enters the evaluator.

mod budget;
mod convert;
mod failure;
mod help;
mod library;
mod mistakes;
mod operators;
mod references;
mod rewrite;
mod template;
mod view;

use std::borrow::Cow;
use std::sync::Arc;

use cel::Context;
use cel::common::ast::{Expr as Tree, IdedExpr, SelectExpr};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::Value;

pub use help::{HelpEntry, expr_help};
pub(crate) use library::moment_text;
pub use references::References;
pub(crate) use rewrite::is_namespace;
pub use template::{Part, Template, TemplateError, TemplateFailure};
pub(crate) use template::{Piece, pieces};

use crate::limits::{MAX_COMPREHENSION_DEPTH, MAX_EXPRESSION_BYTES};

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
    tree: IdedExpr,
    plan: Evaluation,
    references: References,
}

/// How it is evaluated.
#[derive(Debug, Clone)]
enum Evaluation {
    /// A name and fields of it.
    Path { root: String, fields: Vec<String> },
    /// Anything else: the rewritten tree.
    Tree(IdedExpr),
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
    /// How to mend it, if that is known.
    pub mend: Option<String>,
}

/// Why an evaluation gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// What is wrong, for people.
    pub message: String,
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

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// The first thing wrong with it: too long, not an expression, too deeply nested.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > MAX_EXPRESSION_BYTES {
            return Err(ExpressionError {
                code: "FF-WF-017",
                offset: 0,
                message: format!(
                    "the expression has {} bytes, above the limit of {MAX_EXPRESSION_BYTES}",
                    source.len()
                ),
                mend: Some("split it: let a `set` node before it do a part".to_owned()),
            });
        }
        if let Some(found) = mistakes::before_parsing(source) {
            return Err(found);
        }
        if let Some(tree) = plain_path(source) {
            return Ok(Self::from_tree(source, tree));
        }
        let env = library::ENV.as_ref().map_err(|error| ExpressionError {
            code: "FF-WF-010",
            offset: 0,
            message: format!("the expression library is broken: {error}"),
            mend: None,
        })?;
        let tree = env
            .parser()
            .parse(source)
            .map_err(|errors| mistakes::after_parsing(source, &errors))?;
        if references::loop_depth(&tree) > MAX_COMPREHENSION_DEPTH {
            return Err(ExpressionError {
                code: "FF-WF-017",
                offset: 0,
                message: format!("loops over lists are nested deeper than {MAX_COMPREHENSION_DEPTH} levels"),
                mend: Some("let a `set` node before it do the inner part".to_owned()),
            });
        }
        Ok(Self::from_tree(source, tree))
    }

    fn from_tree(source: &str, tree: IdedExpr) -> Self {
        let references = references::references(&tree);
        let plan = path_of(&tree).map_or_else(
            || {
                let mut rewritten = tree.clone();
                rewrite::rewrite(&mut rewritten);
                Evaluation::Tree(rewritten)
            },
            |(root, fields)| Evaluation::Path { root, fields },
        );
        Self {
            source: source.to_owned(),
            tree,
            plan,
            references,
        }
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

    /// The tree as it was written.
    pub(crate) fn tree(&self) -> &IdedExpr {
        &self.tree
    }

    /// Evaluates it.
    ///
    /// `now_ms` is what `now()` gives, milliseconds since 1970 UTC.
    ///
    /// # Errors
    ///
    /// A missing field, values of the wrong kind, a bound that was reached.
    pub fn evaluate(&self, scope: &dyn Scope, now_ms: u64) -> Result<Value, EvaluationError> {
        self.evaluate_cow(scope, now_ms).map(Cow::into_owned)
    }

    /// Evaluates it; a plain path gives the value where it lies.
    pub(crate) fn evaluate_cow<'s>(
        &self,
        scope: &'s dyn Scope,
        now_ms: u64,
    ) -> Result<Cow<'s, Value>, EvaluationError> {
        match &self.plan {
            Evaluation::Path { root, fields } => path(scope, root, fields).map(Cow::Borrowed),
            Evaluation::Tree(tree) => run(tree, scope, now_ms, |value| {
                convert::to_json(value).map_err(|message| EvaluationError { message })
            })
            .map(Cow::Owned),
        }
    }

    /// Evaluates it to a moment: a timestamp, its text form, or milliseconds since 1970. Milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`Self::evaluate`], and any other kind of value.
    pub(crate) fn evaluate_moment(&self, scope: &dyn Scope, now_ms: u64) -> Result<u64, EvaluationError> {
        let to_ms = |value: &dyn Val| {
            library::moment(value).and_then(|moment| u64::try_from(moment.timestamp_millis()).ok()).ok_or_else(|| {
                let found = failure::type_name(value);
                let message = format!(
                    "`until` needs a moment: a timestamp, text like 2026-11-26T09:14:00Z, or milliseconds since 1970; \
                     found {found}"
                );
                EvaluationError { message }
            })
        };
        match &self.plan {
            Evaluation::Path { root, fields } => to_ms(view::view(path(scope, root, fields)?).as_ref()),
            Evaluation::Tree(tree) => run(tree, scope, now_ms, to_ms),
        }
    }
}

/// The expression in a text that stands where only an expression can stand: the marker `${…}` around it is dropped.
#[must_use]
pub fn strip_marker(source: &str) -> &str {
    let trimmed = source.trim();
    trimmed
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .map_or(source, str::trim)
}

/// The tree of `a.b.c`, without asking the parser: most mappings are no more than that.
fn plain_path(source: &str) -> Option<IdedExpr> {
    let word = |part: &str| {
        part.bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !crate::names::is_expression_word(part)
    };
    let mut parts = source.trim().split('.');
    let root = parts.next().filter(|part| word(part))?;
    let mut tree = IdedExpr {
        id: 1,
        expr: Tree::Ident(root.to_owned()),
    };
    for (id, part) in (2..).zip(parts) {
        if !word(part) {
            return None;
        }
        let select = SelectExpr {
            operand: Box::new(tree),
            field: part.to_owned(),
            test: false,
        };
        tree = IdedExpr {
            id,
            expr: Tree::Select(select),
        };
    }
    Some(tree)
}

/// `a.b.c` as root and fields; `None` for anything else.
fn path_of(tree: &IdedExpr) -> Option<(String, Vec<String>)> {
    let mut fields = Vec::new();
    let mut expr = tree;
    loop {
        match &expr.expr {
            Tree::Ident(name) => {
                fields.reverse();
                return Some((name.trim_start_matches('.').to_owned(), fields));
            }
            Tree::Select(select) if !select.test => {
                fields.push(select.field.clone());
                expr = &select.operand;
            }
            _ => return None,
        }
    }
}

static NULL: Value = Value::Null;

fn path<'s>(scope: &'s dyn Scope, root: &str, fields: &[String]) -> Result<&'s Value, EvaluationError> {
    let mut value = match scope.lookup(root) {
        Some(Meaning::Value(value)) => value,
        Some(Meaning::Absent) => match fields.first() {
            None => &NULL,
            Some(_) => {
                return Err(EvaluationError {
                    message: format!("`{root}` did not run"),
                });
            }
        },
        None => {
            return Err(EvaluationError {
                message: format!("`{root}` is unknown"),
            });
        }
    };
    for (index, field) in fields.iter().enumerate() {
        value = match value {
            Value::Object(map) => map.get(field).ok_or_else(|| {
                let before = fields
                    .iter()
                    .take(index)
                    .fold(root.to_owned(), |path, field| format!("{path}.{field}"));
                EvaluationError {
                    message: missing_field(&before, field, map),
                }
            })?,
            other => {
                let before = fields
                    .iter()
                    .take(index)
                    .fold(root.to_owned(), |path, field| format!("{path}.{field}"));
                let kind = failure::type_name(view::view(other).as_ref());
                return Err(EvaluationError {
                    message: format!("`{before}` is {kind} and has no field `{field}`"),
                });
            }
        };
    }
    Ok(value)
}

fn missing_field(path: &str, field: &str, map: &serde_json::Map<String, Value>) -> String {
    let near = crate::diagnostic::nearest(field, map.keys().map(String::as_str));
    match near {
        Some(near) => format!("`{path}` has no field `{field}`; did you mean `{near}`?"),
        None => {
            format!("`{path}` has no field `{field}`; write `.?{field}` or default(…, x) if it may be absent")
        }
    }
}

/// Evaluates a rewritten tree and hands the value on before its borrows end.
fn run<T>(
    tree: &IdedExpr,
    scope: &dyn Scope,
    now_ms: u64,
    then: impl FnOnce(&dyn Val) -> Result<T, EvaluationError>,
) -> Result<T, EvaluationError> {
    let env = library::ENV.as_ref().map_err(|error| EvaluationError {
        message: error.to_string(),
    })?;
    let resolver = Resolver {
        scope,
        now: library::now_value(now_ms),
        budget: budget::Budget::new(),
    };
    let mut context = Context::with_env(Arc::clone(env));
    context.set_variable_resolver(&resolver);
    match cel::Value::resolve_val(tree, &context) {
        Ok(value) => then(value.as_ref()),
        Err(error) => Err(EvaluationError {
            message: failure::describe(&error),
        }),
    }
}

/// Gives the evaluator its variables.
struct Resolver<'s> {
    scope: &'s dyn Scope,
    now: Option<cel::common::types::CelTimestamp>,
    budget: budget::Budget,
}

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match name {
            "@now" => self.now.as_ref().map(|now| CowVal::Borrowed(now)),
            "@budget" => Some(CowVal::Borrowed(&self.budget)),
            _ => match self.scope.lookup(name)? {
                Meaning::Value(value) => Some(CowVal::Owned(view::view(value))),
                Meaning::Absent => Some(CowVal::Borrowed(&view::Absent)),
            },
        }
    }
}
