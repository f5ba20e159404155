//! From tokens to a tree, by operator precedence.
//!
//! Source of the grammar: CEL, "Language Definition", Syntax. Left out of it, each with its message: messages
//! (`Name{…}`), names with a leading dot, comments. Beyond it: what stands before a dot is the first argument of any
//! function.

mod calls;

use regex::RegexBuilder;

use super::ExpressionError;
use super::lexer::{Placed, Token, tokens};
use super::tree::{Form, Item, Literal, Operator, Pair, Step, StepKind, Tree};
use crate::limits::{MAX_EXPRESSION_DEPTH, MAX_PATTERN_BYTES};
use crate::names::NAMESPACES;

/// The tree of an expression.
///
/// # Errors
///
/// The first thing that is wrong, with its place.
pub(super) fn parse(source: &str) -> Result<Tree, ExpressionError> {
    let mut parser = Parser {
        source,
        tokens: tokens(source)?,
        at: 0,
        depth: 0,
    };
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(tree),
        Some(_) => Err(parser.unexpected()),
    }
}

type Parsed<T> = Result<T, ExpressionError>;

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
}

/// Ranks of operators, the weakest first.
const OR: u8 = 0;
const AND: u8 = 1;
const COMPARE: u8 = 2;
const SUM: u8 = 3;
const PRODUCT: u8 = 4;

/// What joins two values.
enum Joint {
    Or,
    And,
    With(Operator),
}

fn joint(token: &Token) -> Option<(u8, Joint)> {
    let with = |rank, operator| Some((rank, Joint::With(operator)));
    match token {
        Token::Sign("||") => Some((OR, Joint::Or)),
        Token::Sign("&&") => Some((AND, Joint::And)),
        Token::Sign("==") => with(COMPARE, Operator::Equal),
        Token::Sign("!=") => with(COMPARE, Operator::Differ),
        Token::Sign("<") => with(COMPARE, Operator::Less),
        Token::Sign("<=") => with(COMPARE, Operator::LessOrEqual),
        Token::Sign(">") => with(COMPARE, Operator::Greater),
        Token::Sign(">=") => with(COMPARE, Operator::GreaterOrEqual),
        Token::Word(word) if word == "in" => with(COMPARE, Operator::In),
        Token::Sign("+") => with(SUM, Operator::Add),
        Token::Sign("-") => with(SUM, Operator::Subtract),
        Token::Sign("*") => with(PRODUCT, Operator::Multiply),
        Token::Sign("/") => with(PRODUCT, Operator::Divide),
        Token::Sign("%") => with(PRODUCT, Operator::Modulo),
        _ => None,
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|placed| &placed.token)
    }

    /// The first byte of what comes next.
    fn place(&self) -> usize {
        self.tokens
            .get(self.at)
            .map_or(self.source.len(), |placed| placed.start)
    }

    /// One past the last byte of what came last.
    fn end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(0, |placed| placed.end)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.eat(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn error(&self, offset: usize, message: impl Into<String>, fix: impl Into<String>) -> ExpressionError {
        ExpressionError {
            code: "FF-WF-010",
            offset: offset.min(self.source.len()),
            message: message.into(),
            fix: Some(fix.into()),
        }
    }

    fn too_deep(&self, offset: usize) -> ExpressionError {
        ExpressionError {
            code: "FF-WF-017",
            offset,
            message: format!("the expression is nested deeper than {MAX_EXPRESSION_DEPTH} levels"),
            fix: Some("let a `set` node before it do a part".to_owned()),
        }
    }

    fn unexpected(&self) -> ExpressionError {
        let Some(found) = self.tokens.get(self.at) else {
            return self.error(
                self.source.len(),
                "the expression ends too early",
                "something is missing at its end: a value, `)`, `]` or `}`",
            );
        };
        let text = self.source.get(found.start..found.end).unwrap_or_default();
        let text: String = text.chars().take(40).collect();
        let fix = match &found.token {
            Token::Word(_) | Token::Whole(_) | Token::Float(_) | Token::Text(_) | Token::Bytes(_) => {
                "an operator is missing before it, or a comma"
            }
            Token::Sign("{") => "an object is written {\"field\": value}, without a name before it",
            Token::Sign(")" | "]" | "}") => "it closes nothing, or a value is missing before it",
            Token::Sign("/") => "`//` begins no comment; notes stand in the file behind `#`",
            _ => "a value is missing before it",
        };
        self.error(found.start, format!("`{text}` does not belong here"), fix)
    }

    /// A part from `start` to here, if it is not too high.
    fn made(&self, form: Form, start: usize) -> Parsed<Tree> {
        let mut tree = Tree {
            form,
            start,
            end: self.end(),
            height: 1,
        };
        let mut below = 0;
        tree.children(&mut |child| below = below.max(child.height));
        tree.height = below + 1;
        if tree.height > MAX_EXPRESSION_DEPTH {
            return Err(self.too_deep(start));
        }
        Ok(tree)
    }

    fn expression(&mut self) -> Parsed<Tree> {
        if self.depth >= MAX_EXPRESSION_DEPTH {
            return Err(self.too_deep(self.place()));
        }
        self.depth += 1;
        let start = self.place();
        let mut cases = Vec::new();
        let last = loop {
            let value = self.binary(OR)?;
            if !self.eat("?") {
                break value;
            }
            let then = self.expression()?;
            self.expect(":")?;
            cases.push((value, then));
        };
        self.depth -= 1;
        if cases.is_empty() {
            return Ok(last);
        }
        self.made(Form::Choice(cases, Box::new(last)), start)
    }

    fn binary(&mut self, weakest: u8) -> Parsed<Tree> {
        let start = self.place();
        let mut left = self.unary()?;
        // The rank of the run that `left` is, if this loop made it: only then it may grow.
        let mut run: Option<u8> = None;
        while let Some((rank, joint)) = self.peek().and_then(joint).filter(|(rank, _)| *rank >= weakest) {
            self.at += 1;
            let right = self.binary(rank + 1)?;
            let grows = run == Some(rank);
            let form = match (joint, left.form, grows) {
                (Joint::Or, Form::Any(mut parts), true) => {
                    parts.push(right);
                    Form::Any(parts)
                }
                (Joint::And, Form::All(mut parts), true) => {
                    parts.push(right);
                    Form::All(parts)
                }
                (Joint::With(operator), Form::Chain(first, mut rest), true) => {
                    rest.push((operator, right));
                    Form::Chain(first, rest)
                }
                (joint, form, _) => {
                    let left = Tree { form, ..left };
                    match joint {
                        Joint::Or => Form::Any(vec![left, right]),
                        Joint::And => Form::All(vec![left, right]),
                        Joint::With(operator) => Form::Chain(Box::new(left), vec![(operator, right)]),
                    }
                }
            };
            left = self.made(form, start)?;
            run = Some(rank);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Tree> {
        let start = self.place();
        let (not, minus) = (self.is("!"), self.is("-"));
        if !not && !minus {
            return self.postfix();
        }
        if self.depth >= MAX_EXPRESSION_DEPTH {
            return Err(self.too_deep(start));
        }
        self.at += 1;
        if minus
            && let Some(Token::Whole(whole)) = self.peek()
            && let Some(value) = 0_i64.checked_sub_unsigned(*whole)
        {
            self.at += 1;
            let number = self.made(Form::Literal(Literal::Int(value)), start)?;
            return self.steps(number, start);
        }
        self.depth += 1;
        let inner = Box::new(self.unary()?);
        self.depth -= 1;
        self.made(
            if not {
                Form::Not(inner)
            } else {
                Form::Negate(inner)
            },
            start,
        )
    }

    fn postfix(&mut self) -> Parsed<Tree> {
        let start = self.place();
        let base = self.primary()?;
        self.steps(base, start)
    }

    /// Fields, elements and calls behind a value.
    fn steps(&mut self, base: Tree, start: usize) -> Parsed<Tree> {
        let mut value = base;
        let mut steps: Vec<Step> = Vec::new();
        loop {
            let at = self.place();
            let kind = if self.eat(".") {
                let asks = self.eat("?");
                let (name, at) = self.field_name()?;
                if self.is("(") && !asks {
                    let target = self.stepped(value, std::mem::take(&mut steps), start)?;
                    value = self.method(target, &name, start, at)?;
                    continue;
                }
                steps.push(Step {
                    kind: if asks {
                        StepKind::AskField(name)
                    } else {
                        StepKind::Field(name)
                    },
                    start: at,
                    end: self.end(),
                });
                continue;
            } else if self.eat("[") {
                let asks = self.eat("?");
                let index = self.expression()?;
                self.expect("]")?;
                if asks {
                    StepKind::AskIndex(index)
                } else {
                    StepKind::Index(index)
                }
            } else {
                break;
            };
            steps.push(Step {
                kind,
                start: at,
                end: self.end(),
            });
        }
        self.stepped(value, steps, start)
    }

    fn stepped(&self, value: Tree, steps: Vec<Step>, start: usize) -> Parsed<Tree> {
        if steps.is_empty() {
            return Ok(value);
        }
        self.made(Form::Steps(Box::new(value), steps), start)
    }

    fn field_name(&mut self) -> Parsed<(String, usize)> {
        let at = self.place();
        let name = match self.peek() {
            Some(Token::Word(name) | Token::Escaped(name)) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok((name, at))
    }

    /// Values between an opening sign that was read and this closing one.
    fn values(&mut self, close: &str) -> Parsed<Vec<Item>> {
        let mut out = Vec::new();
        while !self.eat(close) {
            let optional = self.eat("?");
            let value = self.expression()?;
            out.push(Item { value, optional });
            if !self.eat(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(out)
    }

    fn primary(&mut self) -> Parsed<Tree> {
        let start = self.place();
        let Some(token) = self.peek().cloned() else {
            return Err(self.unexpected());
        };
        let literal = match token {
            Token::Whole(whole) => i64::try_from(whole).map_or(Literal::Big(whole), Literal::Int),
            Token::Float(value) => Literal::Double(value),
            Token::Text(text) => Literal::Text(text),
            Token::Bytes(bytes) => Literal::Bytes(bytes),
            Token::Word(word) => return self.word(word, start),
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                // Where a part of an expression is shown, its parentheses belong to it.
                return Ok(match inner.form {
                    Form::Chain(..) | Form::Any(_) | Form::All(_) | Form::Choice(..) => Tree {
                        start,
                        end: self.end(),
                        ..inner
                    },
                    _ => inner,
                });
            }
            Token::Sign("[") => {
                self.at += 1;
                let items = self.values("]")?;
                return self.made(Form::List(items), start);
            }
            Token::Sign("{") => return self.object(start),
            Token::Escaped(_) | Token::Sign(_) => return Err(self.unexpected()),
        };
        self.at += 1;
        self.made(Form::Literal(literal), start)
    }

    fn object(&mut self, start: usize) -> Parsed<Tree> {
        self.at += 1;
        let mut pairs = Vec::new();
        while !self.eat("}") {
            let optional = self.eat("?");
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            pairs.push(Pair { key, value, optional });
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        self.made(Form::Object(pairs), start)
    }

    fn word(&mut self, word: String, start: usize) -> Parsed<Tree> {
        if word == "in" {
            return Err(self.unexpected());
        }
        self.at += 1;
        match word.as_str() {
            "true" => return self.made(Form::Literal(Literal::Bool(true)), start),
            "false" => return self.made(Form::Literal(Literal::Bool(false)), start),
            "null" => return self.made(Form::Literal(Literal::Null), start),
            _ => {}
        }
        if self.eat("(") {
            let arguments = self.arguments()?;
            return self.call(&word, arguments, start, start);
        }
        if NAMESPACES.contains(&word.as_str()) && self.is(".") {
            self.at += 1;
            let (name, at) = self.field_name()?;
            self.expect("(")?;
            let arguments = self.arguments()?;
            return self.call(&format!("{word}.{name}"), arguments, start, at);
        }
        if crate::names::is_kept_word(&word) {
            return Err(self.error(
                start,
                format!("`{word}` is a word of the expression language"),
                "no value has this name; choose another",
            ));
        }
        self.made(Form::Name(word), start)
    }
}

/// A regular expression, bounded; it takes time in proportion to the text.
pub(super) fn pattern(text: &str) -> Result<regex::Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .nest_limit(32)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "this pattern is too large".to_owned(),
            other => {
                let text = other.to_string();
                let reason = text
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ");
                format!("this is not a regular expression: {reason}")
            }
        })
}
