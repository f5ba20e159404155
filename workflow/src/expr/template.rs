//! Values with expressions in them: `${…}` alone keeps its type, inside longer text it becomes text.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::lexer::expression_length;
use super::{Context, EvaluationError, Expression, ExpressionError, References, Scope, may_copy};
use crate::bounds;
use crate::limits::MAX_VALUE_BYTES;

/// A compiled value.
#[derive(Debug, Clone)]
pub enum Template {
    /// A value without expressions.
    Constant(Value),
    /// One expression, whose value keeps its type.
    Expression(Box<Expression>),
    /// Text with expressions in it.
    Text(Vec<Part>),
    /// A list.
    List(Vec<Template>),
    /// An object.
    Object(Vec<(String, Template)>),
}

/// A part of a text.
#[derive(Debug, Clone)]
pub enum Part {
    /// As it stands.
    Literal(String),
    /// An expression; the byte of the text where its source begins.
    Expression(Box<Expression>, usize),
}

/// A finding in a template: where in it, and what.
#[derive(Debug, Clone)]
pub struct TemplateError {
    /// Path inside the value: `rows[0].text`; empty for the value itself.
    pub path: String,
    /// What is wrong; its offset counts from the start of the text at `path`.
    pub error: ExpressionError,
}

/// A failed evaluation: where in the template, and why.
#[derive(Debug, Clone)]
pub struct TemplateFailure {
    /// Path inside the value.
    pub path: String,
    /// What its evaluation says.
    pub error: EvaluationError,
}

impl Template {
    /// Compiles a value.
    ///
    /// # Errors
    ///
    /// Every expression in it that does not compile.
    pub fn compile(value: &Value) -> Result<Self, Vec<TemplateError>> {
        let mut errors = Vec::new();
        let out = compile(value, &mut String::new(), &mut errors);
        if errors.is_empty() { Ok(out) } else { Err(errors) }
    }

    /// The value. It fits a record: see [`crate::check_value`].
    ///
    /// # Errors
    ///
    /// The first expression that gives no value, or the place at which the value becomes too large or too deep.
    pub fn evaluate<'c>(
        &self,
        scope: &dyn Scope,
        context: impl Into<Context<'c>>,
    ) -> Result<Value, TemplateFailure> {
        let mut evaluation = Evaluation {
            scope,
            context: context.into(),
            left: MAX_VALUE_BYTES,
            path: String::new(),
        };
        let value = evaluation.value(self)?;
        bounds::check_value(&value).map_err(|problem| TemplateFailure {
            path: dotted(problem.path()),
            error: EvaluationError::new(problem.to_string()),
        })?;
        Ok(value)
    }

    /// Whether nothing in it has to be computed: constants, and names with fields.
    pub(crate) fn is_plain(&self) -> bool {
        let mut plain = true;
        self.each(&mut |_, expression, _| plain &= expression.is_plain());
        plain
    }

    /// Whether its value depends on the seed of the context.
    pub(crate) fn needs_seed(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Expression(expression) => expression.needs_seed(),
            Self::Text(parts) => parts.iter().any(|part| match part {
                Part::Literal(_) => false,
                Part::Expression(expression, _) => expression.needs_seed(),
            }),
            Self::List(items) => items.iter().any(Self::needs_seed),
            Self::Object(fields) => fields.iter().any(|(_, field)| field.needs_seed()),
        }
    }

    /// The names its expressions use.
    #[must_use]
    pub fn references(&self) -> References {
        let mut out = References::default();
        self.each(&mut |_, expression, _| out.merge(expression.references()));
        out
    }

    /// Calls back for each expression with its path inside the value and its offset inside its text.
    pub fn each<'t>(&'t self, then: &mut impl FnMut(&str, &'t Expression, usize)) {
        walk(self, &mut String::new(), then);
    }
}

fn walk<'t>(template: &'t Template, path: &mut String, then: &mut impl FnMut(&str, &'t Expression, usize)) {
    let length = path.len();
    match template {
        Template::Constant(_) => {}
        Template::Expression(expression) => then(path, expression, 2),
        Template::Text(parts) => {
            for part in parts {
                if let Part::Expression(expression, offset) = part {
                    then(path, expression, *offset);
                }
            }
        }
        Template::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                walk(item, path, then);
                path.truncate(length);
            }
        }
        Template::Object(fields) => {
            for (name, field) in fields {
                path.push('.');
                path.push_str(name);
                walk(field, path, then);
                path.truncate(length);
            }
        }
    }
}

/// One evaluation of a template.
struct Evaluation<'e> {
    scope: &'e dyn Scope,
    context: Context<'e>,
    /// Bytes of the value that are still allowed, so that nothing is copied that would not fit.
    left: usize,
    /// Where in the value it is.
    path: String,
}

impl<'e> Evaluation<'e> {
    fn failure(&self, error: EvaluationError) -> TemplateFailure {
        TemplateFailure {
            path: self.path.clone(),
            error,
        }
    }

    /// Takes the size of a part of the value from what is left.
    fn measure(&mut self, value: &Value) -> Result<(), TemplateFailure> {
        let before = self.left;
        let measured = bounds::measure(value, &mut self.left);
        measured.map_err(|problem| TemplateFailure {
            path: format!("{}{}", self.path, dotted(problem.path())),
            error: EvaluationError::new(problem.to_string()),
        })?;
        may_copy(self.context, before.saturating_sub(self.left)).map_err(|error| self.failure(error))
    }

    fn value(&mut self, template: &Template) -> Result<Value, TemplateFailure> {
        match template {
            Template::Constant(value) => {
                self.measure(value)?;
                Ok(value.clone())
            }
            Template::Expression(expression) => {
                let value = self.expression(expression, 0)?;
                self.measure(&value)?;
                Ok(value.into_owned())
            }
            Template::Text(parts) => self.text(parts).map(Value::String),
            Template::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    out.push(self.below(&format!("[{index}]"), item)?);
                }
                Ok(Value::Array(out))
            }
            Template::Object(fields) => {
                let mut out = Map::with_capacity(fields.len());
                for (name, field) in fields {
                    out.insert(name.clone(), self.below(&format!(".{name}"), field)?);
                }
                Ok(Value::Object(out))
            }
        }
    }

    fn below(&mut self, step: &str, template: &Template) -> Result<Value, TemplateFailure> {
        let length = self.path.len();
        self.path.push_str(step);
        let value = self.value(template)?;
        self.path.truncate(length);
        Ok(value)
    }

    /// The value of an expression that begins at this byte of its text.
    fn expression(&self, expression: &Expression, offset: usize) -> Result<Cow<'e, Value>, TemplateFailure> {
        let seed = match self.context.seed {
            // Each place has identifiers of its own.
            Some(seed) if expression.needs_seed() => Some(format!("{seed}{}@{offset}", self.path)),
            _ => None,
        };
        let context = Context {
            seed: seed.as_deref(),
            ..self.context
        };
        expression
            .evaluate_cow(self.scope, context)
            .map_err(|error| self.failure(error))
    }

    fn text(&mut self, parts: &[Part]) -> Result<String, TemplateFailure> {
        let mut out = String::new();
        for part in parts {
            let piece = match part {
                Part::Literal(literal) => Cow::Borrowed(literal.as_str()),
                Part::Expression(expression, offset) => match self.expression(expression, *offset)? {
                    Cow::Borrowed(Value::String(text)) => Cow::Borrowed(text.as_str()),
                    Cow::Owned(Value::String(text)) => Cow::Owned(text),
                    other => Cow::Owned(other.to_string()),
                },
            };
            if out.len() + piece.len() > self.left {
                let message = format!("the text would make the value larger than {MAX_VALUE_BYTES} bytes");
                return Err(self.failure(EvaluationError::new(message)));
            }
            out.push_str(&piece);
        }
        self.left = self.left.saturating_sub(out.len() + 4);
        may_copy(self.context, out.len()).map_err(|error| self.failure(error))?;
        Ok(out)
    }
}

/// A path inside a value as it follows another path: with the dot before a field.
fn dotted(path: &str) -> String {
    if path.is_empty() || path.starts_with('[') {
        path.to_owned()
    } else {
        format!(".{path}")
    }
}

fn compile(value: &Value, path: &mut String, errors: &mut Vec<TemplateError>) -> Template {
    let length = path.len();
    match value {
        Value::String(source) => match compile_text(source) {
            Ok(template) => template,
            Err(error) => {
                errors.push(TemplateError {
                    path: path.clone(),
                    error,
                });
                Template::Constant(Value::Null)
            }
        },
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                out.push(compile(item, path, errors));
                path.truncate(length);
            }
            fold(Template::List(out))
        }
        Value::Object(fields) => {
            let mut out = Vec::with_capacity(fields.len());
            for (name, field) in fields {
                path.push('.');
                path.push_str(name);
                out.push((name.clone(), compile(field, path, errors)));
                path.truncate(length);
            }
            fold(Template::Object(out))
        }
        scalar => Template::Constant(scalar.clone()),
    }
}

/// A collection of constants is a constant.
fn fold(template: Template) -> Template {
    let constant = |template: &Template| matches!(template, Template::Constant(_));
    match template {
        Template::List(items) if items.iter().all(constant) => {
            Template::Constant(items.into_iter().filter_map(into_constant).collect())
        }
        Template::Object(fields) if fields.iter().all(|(_, field)| constant(field)) => {
            let fields = fields
                .into_iter()
                .filter_map(|(name, field)| Some((name, into_constant(field)?)));
            Template::Constant(Value::Object(fields.collect()))
        }
        other => other,
    }
}

fn into_constant(template: Template) -> Option<Value> {
    match template {
        Template::Constant(value) => Some(value),
        _ => None,
    }
}

/// A piece of text: as it stands, or an expression with the byte where its source begins.
pub(crate) enum Piece<'s> {
    Literal(String),
    Expression(&'s str, usize),
}

/// Cuts a text at its `${…}`. `$${` stands for `${` itself.
pub(crate) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, ExpressionError> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("$${") {
            literal.push_str("${");
            at += 3;
        } else if let Some(body) = rest.strip_prefix("${") {
            let length = expression_length(body).map_err(|text| match text {
                Some(mut error) => {
                    error.offset += at + 2;
                    error
                }
                None => ExpressionError {
                    code: "FF-WF-010",
                    offset: at,
                    message: "the expression has no end".to_owned(),
                    fix: Some("close it with `}`; write `$${` for the characters `${` themselves".to_owned()),
                },
            })?;
            if !literal.is_empty() {
                out.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            out.push(Piece::Expression(body.get(..length).unwrap_or_default(), at + 2));
            at += 2 + length + 1;
        } else {
            let step = rest.chars().next().map_or(1, char::len_utf8);
            literal.push_str(rest.get(..step).unwrap_or_default());
            at += step;
        }
    }
    if !literal.is_empty() {
        out.push(Piece::Literal(literal));
    }
    Ok(out)
}

fn compile_text(source: &str) -> Result<Template, ExpressionError> {
    if let Some((at, inner)) = foreign_braces(source) {
        return Err(ExpressionError {
            code: "FF-WF-012",
            offset: at,
            message: "`{{ … }}` is another product's way to write an expression".to_owned(),
            fix: Some(format!("write {}", crate::yaml::without_braces(inner))),
        });
    }
    if !source.contains("${") {
        return Ok(Template::Constant(Value::String(source.to_owned())));
    }
    let compile_at = |text: &str, offset: usize| {
        Expression::compile(text).map(Box::new).map_err(|mut error| {
            error.offset += offset;
            error
        })
    };
    let pieces = pieces(source)?;
    if let [Piece::Expression(text, offset)] = pieces.as_slice() {
        return compile_at(text, *offset).map(Template::Expression);
    }
    let parts: Vec<Part> = pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => Ok(Part::Literal(literal)),
            Piece::Expression(text, offset) => compile_at(text, offset).map(|e| Part::Expression(e, offset)),
        })
        .collect::<Result<_, _>>()?;
    match parts.as_slice() {
        [Part::Literal(literal)] => Ok(Template::Constant(Value::String(literal.clone()))),
        _ => Ok(Template::Text(parts)),
    }
}

/// The first `{{ … }}` outside expressions: where, and what stands in it.
fn foreign_braces(source: &str) -> Option<(usize, &str)> {
    let at = source.find("{{")?;
    let (inner, _) = source.get(at + 2..)?.split_once("}}")?;
    let marked = source.get(..at)?.ends_with('$');
    (!marked && !inside_expression(source, at)).then_some((at, inner))
}

/// Whether a byte of a text lies inside one of its expressions.
fn inside_expression(source: &str, at: usize) -> bool {
    pieces(source).is_ok_and(|pieces| {
        pieces.iter().any(|piece| match piece {
            Piece::Expression(text, start) => (*start..start + text.len()).contains(&at),
            Piece::Literal(_) => false,
        })
    })
}
