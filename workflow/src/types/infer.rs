//! The type of an expression, from the types of the names in it.

use super::Ty;
use crate::diagnostic::{Severity, nearest};
use crate::expr::{
    Call, Expression, Form, Gives, Literal, Loop, LoopKind, Operator, Pair, Step, StepKind, Tree,
};

/// The types of names.
pub(crate) trait Names {
    /// The type of what the name stands for.
    fn ty(&self, name: &str) -> Ty;

    /// What helps where a name has no such field, if more is known than its fields.
    fn instead_of_field(&self, name: &str, field: &str) -> Option<String>;
}

/// Something certainly wrong in an expression, or probably not meant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// Stable code.
    pub(crate) code: &'static str,
    /// What.
    pub(crate) message: String,
    /// How bad.
    pub(crate) severity: Severity,
    /// How to fix it.
    pub(crate) fix: String,
    /// Byte of the expression at which it shows.
    pub(crate) at: usize,
}

/// The type of an expression; what is certainly wrong in it is added to the findings.
pub(crate) fn infer(expression: &Expression, names: &dyn Names, findings: &mut Vec<Finding>) -> Ty {
    Inference {
        source: expression.source(),
        names,
        bound: Vec::new(),
        findings,
    }
    .of(expression.tree())
}

struct Inference<'n> {
    source: &'n str,
    names: &'n dyn Names,
    bound: Vec<(String, Ty)>,
    findings: &'n mut Vec<Finding>,
}

impl Inference<'_> {
    fn wrong(&mut self, code: &'static str, message: String, fix: impl Into<String>, at: usize) {
        self.add(Severity::Error, code, message, fix.into(), at);
    }

    fn hint(&mut self, code: &'static str, message: String, fix: String, at: usize) {
        self.add(Severity::Warning, code, message, fix, at);
    }

    fn add(&mut self, severity: Severity, code: &'static str, message: String, fix: String, at: usize) {
        let finding = Finding {
            code,
            message,
            severity,
            fix,
            at,
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn of(&mut self, tree: &Tree) -> Ty {
        match &tree.form {
            Form::Literal(literal) => literal_type(literal),
            Form::Name(name) => match self.bound.iter().rev().find(|(bound, _)| bound == name) {
                Some((_, ty)) => ty.clone(),
                None => self.names.ty(name),
            },
            Form::Has(of, _) => {
                self.of(of);
                Ty::Bool
            }
            Form::Steps(base, steps) => self.steps(tree, base, steps),
            Form::List(items) => {
                let types: Vec<Ty> = items.iter().map(|item| self.of(&item.value)).collect();
                if items.iter().any(|item| item.optional) {
                    return Ty::list(Ty::Any);
                }
                Ty::list_of(types.into_iter())
            }
            Form::Object(pairs) => self.object(pairs),
            Form::Not(inner) => {
                let ty = self.of(inner);
                self.condition(&ty, "what follows `!`", inner);
                Ty::Bool
            }
            Form::Negate(inner) => self.of(inner),
            Form::All(parts) | Form::Any(parts) => {
                for part in parts {
                    let ty = self.of(part);
                    self.condition(&ty, "each side of `&&` and `||`", part);
                }
                Ty::Bool
            }
            Form::Chain(first, rest) => self.chain(first, rest),
            Form::Choice(cases, otherwise) => {
                let mut out: Option<Ty> = None;
                for (condition, value) in cases {
                    let ty = self.of(condition);
                    self.condition(&ty, "the condition before `?`", condition);
                    let value = self.of(value);
                    out = Some(out.map_or_else(|| value.clone(), |out| out.or(value.clone())));
                }
                let otherwise = self.of(otherwise);
                out.map_or_else(|| otherwise.clone(), |out| out.or(otherwise.clone()))
            }
            Form::Call(call) => self.call(call),
            Form::Loop(each) => self.each(each),
            Form::Default(value, otherwise) => {
                let value = self.quietly(value);
                value.or(self.of(otherwise))
            }
            Form::Now => Ty::Moment,
        }
    }

    /// The type of something whose parts may be absent: that is no mistake.
    fn quietly(&mut self, tree: &Tree) -> Ty {
        let before = self.findings.len();
        let ty = self.of(tree);
        self.findings.truncate(before);
        ty
    }

    fn object(&mut self, pairs: &[Pair]) -> Ty {
        let mut fields = Vec::new();
        let mut closed = true;
        for pair in pairs {
            let ty = self.of(&pair.value);
            match &pair.key.form {
                Form::Literal(Literal::Text(name)) if !pair.optional => fields.push((name.clone(), ty)),
                _ => {
                    self.of(&pair.key);
                    closed = false;
                }
            }
        }
        Ty::object(fields, closed)
    }

    fn steps(&mut self, tree: &Tree, base: &Tree, steps: &[Step]) -> Ty {
        let asks = |step: &Step| matches!(step.kind, StepKind::AskField(_) | StepKind::AskIndex(_));
        let mut ty = if steps.first().is_some_and(asks) {
            self.quietly(base)
        } else {
            self.of(base)
        };
        let plain = matches!(base.form, Form::Name(_));
        let mut path = self.text(base.start, base.end).to_owned();
        for step in steps {
            ty = match &step.kind {
                StepKind::Field(field) => {
                    let what = if plain {
                        format!("`{path}`")
                    } else {
                        "this value".to_owned()
                    };
                    let before = self.findings.len();
                    let found = self.field(&what, &ty, field, step.start);
                    if let Form::Name(name) = &base.form
                        && path == *name
                        && let Some(instead) = self.names.instead_of_field(name, field)
                        && let Some(finding) = self.findings.get_mut(before)
                    {
                        finding.fix = instead;
                    }
                    found
                }
                StepKind::Index(index) => {
                    self.of(index);
                    ty.element()
                }
                StepKind::AskField(_) => Ty::Any,
                StepKind::AskIndex(index) => {
                    self.of(index);
                    Ty::Any
                }
            };
            path = self.text(tree.start, step.end).to_owned();
        }
        ty
    }

    fn text(&self, start: usize, end: usize) -> &str {
        self.source.get(start..end).unwrap_or_default()
    }

    fn field(&mut self, what: &str, ty: &Ty, field: &str, at: usize) -> Ty {
        match ty {
            Ty::Object { fields, closed, .. } => match fields.iter().find(|(name, _)| name == field) {
                Some((_, ty)) => ty.clone(),
                None if *closed => {
                    let known: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                    let fix = match nearest(field, known.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if known.is_empty() => "it has no fields".to_owned(),
                        None => format!("its fields are: {}", known.join(", ")),
                    };
                    self.wrong("FF-WF-014", format!("{what} has no field `{field}`"), fix, at);
                    Ty::Any
                }
                None => Ty::Any,
            },
            Ty::List { .. } => {
                let fix = format!("for all of them write .map(x, x.{field}); for one of them [0].{field}");
                self.wrong(
                    "FF-WF-014",
                    format!("{what} is a list and has no field `{field}`"),
                    fix,
                    at,
                );
                Ty::Any
            }
            Ty::Any | Ty::Moment | Ty::Length => Ty::Any,
            other => {
                let message = format!("{what} is {} and has no field `{field}`", other.name());
                self.wrong("FF-WF-014", message, "use the value itself", at);
                Ty::Any
            }
        }
    }

    fn call(&mut self, call: &Call) -> Ty {
        let types: Vec<Ty> = call.arguments.iter().map(|argument| self.of(argument)).collect();
        let first = types.first().cloned().unwrap_or(Ty::Any);
        self.rounded_quotient(call, &first);
        match call.function.gives {
            Gives::Any => Ty::Any,
            Gives::Bool => Ty::Bool,
            Gives::Int => Ty::Int,
            Gives::Double => Ty::Double,
            Gives::Text => Ty::Text,
            Gives::Moment => Ty::Moment,
            Gives::Length => Ty::Length,
            Gives::Texts => Ty::list(Ty::Text),
            Gives::List => Ty::list(Ty::Any),
            Gives::SameList => match first {
                Ty::List { .. } => first,
                _ => Ty::Any,
            },
            Gives::Element if types.len() > 1 => types.into_iter().reduce(Ty::or).unwrap_or(Ty::Any),
            Gives::Element => first.element(),
            Gives::Sum => Some(first.element()).filter(Ty::is_number).unwrap_or(Ty::Number),
            Gives::Rounded if types.len() > 1 => Ty::Double,
            Gives::Rounded => Ty::Int,
        }
    }

    fn condition(&mut self, ty: &Ty, what: &str, tree: &Tree) {
        if !matches!(ty, Ty::Any | Ty::Bool) {
            let message = format!("{what} must be true or false, this is {}", ty.name());
            let fix = "compare it with something, for example `x > 0`";
            self.wrong("FF-WF-015", message, fix, tree.start);
        }
    }

    fn chain(&mut self, first: &Tree, rest: &[(Operator, Tree)]) -> Ty {
        let mut ty = self.of(first);
        let mut left = first;
        for (operator, right) in rest {
            let other = self.of(right);
            ty = match operator {
                Operator::Equal | Operator::Differ | Operator::In => Ty::Bool,
                Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                    self.comparison(&ty, &other, first.start);
                    Ty::Bool
                }
                operator => {
                    if *operator == Operator::Divide {
                        self.mean(&ty, &other, left, right);
                    }
                    self.arithmetic(*operator, ty, other, first.start)
                }
            };
            left = right;
        }
        ty
    }

    /// `sum(x) / size(x)`: a mean that loses its fraction.
    fn mean(&mut self, a: &Ty, b: &Ty, left: &Tree, right: &Tree) {
        let calls = |tree: &Tree, names: &[&str]| {
            matches!(&tree.form, Form::Call(call) if names.contains(&call.function.name))
                || matches!(&tree.form, Form::Loop(each) if names.contains(&each.kind.word()))
        };
        let named = |tree: &Tree, names: &[&str]| match &tree.form {
            Form::Name(name) => names.contains(&name.as_str()),
            Form::Steps(_, steps) => matches!(
                steps.last().map(|step| &step.kind),
                Some(StepKind::Field(field)) if names.contains(&field.as_str())
            ),
            _ => false,
        };
        let counts = calls(right, &["size", "count"]) || named(right, &["size", "count", "n"]);
        let sums = calls(left, &["sum"]) || named(left, &["sum", "total"]);
        // A sum of numbers of which nothing is known may be an int as well.
        let may_be_whole = matches!(a, Ty::Int | Ty::Number | Ty::Any);
        if sums && counts && may_be_whole && matches!(b, Ty::Int | Ty::Any) {
            let list = match &left.form {
                Form::Call(call) => call.arguments.first(),
                _ => None,
            };
            let fix = match list.map(|list| self.text(list.start, list.end)) {
                Some(list) => format!("write avg({list}), or double(…) around one side"),
                None => "write avg(list), or double(…) around one side".to_owned(),
            };
            self.lost_fraction("as a mean this loses its fraction", fix, left.start);
        }
    }

    /// `round(a / b, 2)` of whole numbers: there is nothing left to round.
    fn rounded_quotient(&mut self, call: &Call, first: &Ty) {
        let Some(value) = call.arguments.first().filter(|_| call.arguments.len() == 2) else {
            return;
        };
        let divides = matches!(
            &value.form,
            Form::Chain(_, rest) if matches!(rest.last(), Some((Operator::Divide, _)))
        );
        if call.function.name == "round" && divides && *first == Ty::Int {
            let fix = "write double(…) around one side of `/`".to_owned();
            self.lost_fraction("there is no fraction to round", fix, value.start);
        }
    }

    fn lost_fraction(&mut self, why: &str, fix: String, at: usize) {
        self.hint("FF-WF-029", format!("int / int is an int: {why}"), fix, at);
    }

    fn comparison(&mut self, a: &Ty, b: &Ty, at: usize) {
        let fits = matches!(a, Ty::Any) || matches!(b, Ty::Any) || a == b || (a.is_number() && b.is_number());
        if !fits {
            let fix = match (a, b) {
                (Ty::Text, other) | (other, Ty::Text) if other.is_number() => {
                    "write double(x) around the text"
                }
                _ => "compare values of the same kind",
            };
            self.wrong(
                "FF-WF-015",
                format!("cannot compare {} and {}", a.name(), b.name()),
                fix,
                at,
            );
        }
    }

    fn arithmetic(&mut self, operator: Operator, a: Ty, b: Ty, at: usize) -> Ty {
        let known = |ty: &Ty| !matches!(ty, Ty::Any | Ty::Moment | Ty::Length);
        if !known(&a) || !known(&b) {
            return Ty::Any;
        }
        match (a, b) {
            (Ty::Int, Ty::Int) => Ty::Int,
            (a, b) if a.is_number() && b.is_number() => {
                if a == Ty::Double || b == Ty::Double {
                    Ty::Double
                } else {
                    Ty::Number
                }
            }
            (Ty::Text, Ty::Text) if operator == Operator::Add => Ty::Text,
            (a @ Ty::List { .. }, b @ Ty::List { .. }) if operator == Operator::Add => {
                Ty::list(a.element().or(b.element()))
            }
            (a, b) => {
                let sign = operator.sign();
                let fix = if operator == Operator::Add && (a == Ty::Text || b == Ty::Text) {
                    "write string(x) around the other one"
                } else {
                    "use numbers on both sides"
                };
                let message = format!("`{sign}` does not take {} and {}", a.name(), b.name());
                self.wrong("FF-WF-015", message, fix, at);
                Ty::Any
            }
        }
    }

    fn each(&mut self, each: &Loop) -> Ty {
        let over = self.of(&each.over);
        if !matches!(over, Ty::Any | Ty::List { .. } | Ty::Object { .. }) {
            let text = self.text(each.over.start, each.over.end);
            let what = if matches!(each.over.form, Form::Name(_) | Form::Steps(..)) {
                format!("`{text}`")
            } else {
                "this value".to_owned()
            };
            self.wrong(
                "FF-WF-015",
                format!("{what} is {}, not a list", over.name()),
                "only lists can be walked",
                each.over.start,
            );
        }
        let element = match &over {
            Ty::Object { .. } => Ty::Text,
            over => over.element(),
        };
        self.bound.push((each.name.clone(), element.clone()));
        let body = self.of(&each.body);
        let condition = matches!(
            each.kind,
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne | LoopKind::Filter | LoopKind::Count
        ) || (each.kind == LoopKind::Map && each.second.is_some());
        if condition {
            let what = format!("the condition of `{}`", each.kind.word());
            self.condition(&body, &what, &each.body);
        }
        let second = each.second.as_ref().map(|second| self.of(second));
        self.bound.pop();
        match each.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Ty::Bool,
            LoopKind::Count => Ty::Int,
            LoopKind::Filter | LoopKind::SortBy => Ty::list(element),
            LoopKind::Map => Ty::list(second.unwrap_or(body)),
            LoopKind::GroupBy | LoopKind::ToMap => Ty::open(),
        }
    }
}

fn literal_type(literal: &Literal) -> Ty {
    match literal {
        Literal::Bool(_) => Ty::Bool,
        Literal::Double(_) => Ty::Double,
        Literal::Int(_) | Literal::Big(_) => Ty::Int,
        Literal::Text(_) | Literal::Bytes(_) => Ty::Text,
        Literal::Null => Ty::Null,
    }
}
