//! What somebody sees who writes an expression: its value from given data, its type, what is wrong and where, and what can
//! come next.
//!
//! Owns the answers to one look at one text. The value is the evaluator's own, at its price and within its bounds. Pure:
//! data, moment and the handle that stops it are parameters.

mod complete;
mod cursor;

use serde_json::{Map, Value};

pub use complete::{Completion, CompletionKind, Completions};

use crate::Definition;
use crate::diagnostic::{Severity, nearest};
use crate::expr::{
    Context, Expression, ExpressionError, Interrupt, Meaning, Part, Scope, Template, strip_marker,
};
use crate::limits::MAX_VALUE_BYTES;
use crate::lint::{Connectors, Reach, word_at};
use crate::names::is_type_word;
use crate::types::Ty;

/// One look at a text.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// What is written so far.
    pub text: &'q str,
    /// Whether expressions stand in it as `${…}`; otherwise it is one.
    pub template: bool,
    /// The byte before which the cursor stands, if completions are wanted.
    pub cursor: Option<usize>,
    /// Where it stands, if that is known: then names and types are.
    pub place: Option<Place<'q>>,
    /// Values by name.
    pub data: &'q Map<String, Value>,
    /// What `now()` gives, milliseconds since 1970 UTC.
    pub now_ms: u64,
    /// Stops the look from outside.
    pub interrupt: &'q Interrupt,
}

/// A place in a definition.
#[derive(Clone, Copy)]
pub struct Place<'q> {
    /// The definition.
    pub definition: &'q Definition,
    /// What it calls.
    pub connectors: &'q dyn Connectors,
    /// The node whose value the text is; none for the output.
    pub node: Option<&'q str>,
}

/// What is seen. All places are bytes of the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preview {
    /// The value, if there is one.
    pub value: Option<Value>,
    /// The type in one line: that of the value, or what the definition says.
    pub ty: Option<String>,
    /// What is wrong, if something is.
    pub fault: Option<PreviewFault>,
    /// What can come at the cursor.
    pub completions: Option<Completions>,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewFault {
    /// Stable: `FF-WF-0xx` as the lint has it, `FF-EX-001` where data is missing, `FF-EX-002` where the evaluation fails.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What to do.
    pub fix: Option<String>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The definition has no such node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no node `{0}` in this workflow")]
pub struct UnknownNode(pub String);

/// Looks at a text.
///
/// # Errors
///
/// The place names a node that is not there.
pub fn preview(question: &Question<'_>) -> Result<Preview, UnknownNode> {
    let reach = match &question.place {
        Some(place) => {
            let reach = Reach::new(place.definition, place.connectors, place.node, question.interrupt);
            Some(reach.ok_or_else(|| UnknownNode(place.node.unwrap_or_default().to_owned()))?)
        }
        None => None,
    };
    let look = Look {
        data: Data {
            given: question.data,
            config: reach
                .as_ref()
                .map(|reach| Value::Object(reach.definition().model().config.clone())),
            bound: Vec::new(),
        },
        reach,
        now_ms: question.now_ms,
        interrupt: question.interrupt,
    };
    let mut out = look.whole(question);
    if let Some(cursor) = question.cursor {
        out.completions = complete::at(&look, question.text, question.template, cursor);
    }
    Ok(out)
}

/// The values there are.
struct Data<'q> {
    given: &'q Map<String, Value>,
    config: Option<Value>,
    /// Elements of loops around the cursor.
    bound: Vec<(String, Value)>,
}

impl Scope for Data<'_> {
    fn lookup(&self, name: &str) -> Option<Meaning<'_>> {
        if let Some((_, value)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Some(Meaning::Value(value));
        }
        match self.given.get(name) {
            Some(value) => Some(Meaning::Value(value)),
            None if name == "config" => self.config.as_ref().map(Meaning::Value),
            // Only what an expression can do without is evaluated without it.
            None => Some(Meaning::Absent),
        }
    }
}

impl Data<'_> {
    fn has(&self, name: &str) -> bool {
        matches!(self.lookup(name), Some(Meaning::Value(_)))
    }
}

/// One look at work.
struct Look<'q> {
    reach: Option<Reach<'q>>,
    data: Data<'q>,
    now_ms: u64,
    interrupt: &'q Interrupt,
}

/// A value with its type.
type Seen = (Option<Value>, Ty);

impl Look<'_> {
    fn whole(&self, question: &Question<'_>) -> Preview {
        let seen = match question.template {
            true => self.template(question.text),
            false => self.bare(question.text),
        };
        match seen {
            Ok((value, ty)) => Preview {
                ty: Some(ty.shown()),
                value,
                ..Preview::default()
            },
            Err((fault, ty)) => Preview {
                fault: Some(*fault),
                ty: ty.filter(|ty| *ty != Ty::Any).map(|ty| ty.shown()),
                ..Preview::default()
            },
        }
    }

    fn bare(&self, text: &str) -> Result<Seen, (Box<PreviewFault>, Option<Ty>)> {
        let inner = strip_marker(text);
        let offset = text.find(inner).unwrap_or(0);
        match Expression::compile(inner) {
            Ok(expression) => self.one(&expression, offset),
            Err(error) => Err((broken(&error, offset, text), None)),
        }
    }

    fn template(&self, text: &str) -> Result<Seen, (Box<PreviewFault>, Option<Ty>)> {
        let compiled = Template::compile(&Value::String(text.to_owned()));
        let parts = match compiled {
            Ok(Template::Expression(expression)) => return self.one(&expression, 2),
            Ok(Template::Text(parts)) => parts,
            // A text without expressions: what is said of it is the text itself.
            Ok(Template::Constant(value)) => return Ok((Some(value), Ty::Text)),
            Ok(Template::List(_) | Template::Object(_)) => Vec::new(),
            Err(errors) => {
                let Some(first) = errors.first() else {
                    return Ok((None, Ty::Text));
                };
                return Err((broken(&first.error, 0, text), Some(Ty::Text)));
            }
        };
        let mut out = String::new();
        for part in &parts {
            match part {
                Part::Literal(literal) => out.push_str(literal),
                Part::Expression(expression, offset) => {
                    let (value, _) = self
                        .one(expression, *offset)
                        .map_err(|(fault, _)| (fault, Some(Ty::Text)))?;
                    match value {
                        Some(Value::String(text)) => out.push_str(&text),
                        other => out.push_str(&other.unwrap_or_default().to_string()),
                    }
                }
            }
            if out.len() > MAX_VALUE_BYTES {
                let message = format!("the text would be larger than {MAX_VALUE_BYTES} bytes");
                let fault = fault("FF-EX-002", message, None, 0, text.len());
                return Err((fault, Some(Ty::Text)));
            }
        }
        Ok((Some(Value::String(out)), Ty::Text))
    }

    /// One expression whose source begins at this byte of the text.
    fn one(&self, expression: &Expression, offset: usize) -> Result<Seen, (Box<PreviewFault>, Option<Ty>)> {
        let missing = self.missing(expression, offset);
        let known = match &self.reach {
            Some(reach) if missing.as_ref().is_none_or(|fault| fault.code == NO_DATA) => {
                let (ty, findings) = reach.infer(expression, &[]);
                let wrong = findings
                    .into_iter()
                    .find(|found| found.severity == Severity::Error);
                // What the evaluator can do is right, whatever types say.
                if let (Some(wrong), true) = (wrong, missing.is_some()) {
                    let start = offset + wrong.at;
                    let end = offset + expression.source().len();
                    return Err((
                        fault(wrong.code, wrong.message, Some(wrong.fix), start, end),
                        Some(ty),
                    ));
                }
                Some(ty)
            }
            _ => None,
        };
        if let Some(missing) = missing {
            return Err((missing, known));
        }
        let context = Context {
            now_ms: self.now_ms,
            seed: Some("preview"),
            interrupt: Some(self.interrupt),
            allowance: None,
        };
        match expression.explain(&self.data, context) {
            Ok(value) => {
                let ty = Ty::of_value(&value);
                Ok((Some(value), ty))
            }
            Err(found) => {
                let (start, end) = (offset + found.start, offset + found.end);
                Err((fault("FF-EX-002", found.message, None, start, end), known))
            }
        }
    }

    /// A name of which there is no value: it is unknown here, or nothing has given it one yet.
    fn missing(&self, expression: &Expression, offset: usize) -> Option<Box<PreviewFault>> {
        let references = expression.references();
        let names = self.reach.as_ref().map(Reach::names);
        let knows = |name: &str| match &names {
            Some(names) => names.iter().any(|(known, _)| *known == name),
            None => false,
        };
        for name in references.all() {
            if self.data.has(name) || is_type_word(name) {
                continue;
            }
            let start = offset + word_at(expression.source(), name).unwrap_or(0);
            let end = start + name.len();
            if names.is_some() && !knows(name) {
                let known = names.iter().flatten().map(|(name, _)| *name);
                let fix = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
                let message = format!("`{name}` is not in reach here");
                return Some(fault("FF-WF-013", message, fix, start, end));
            }
            if references.needed.contains(name) {
                let message = format!("there is no data for `{name}` yet");
                let fix = "run it, or give its data".to_owned();
                return Some(fault(NO_DATA, message, Some(fix), start, end));
            }
        }
        None
    }
}

/// Something has no data yet.
const NO_DATA: &str = "FF-EX-001";

fn fault(
    code: &'static str,
    message: String,
    fix: Option<String>,
    start: usize,
    end: usize,
) -> Box<PreviewFault> {
    Box::new(PreviewFault {
        code,
        message,
        fix,
        start,
        end,
    })
}

/// What does not compile: from where it shows to the end of that character.
fn broken(error: &ExpressionError, offset: usize, text: &str) -> Box<PreviewFault> {
    let start = (offset + error.offset).min(text.len());
    let width = text.get(start..).and_then(|rest| rest.chars().next());
    let end = start + width.map_or(0, char::len_utf8);
    fault(error.code, error.message.clone(), error.fix.clone(), start, end)
}
