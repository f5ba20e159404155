//! The type of an expression, from the types of the names in it.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::Ty;
use crate::diagnostic::nearest;
use crate::expr::is_namespace;

/// The types of names.
pub(crate) trait Names {
    /// The type of what the name stands for.
    fn ty(&self, name: &str) -> Ty;
}

/// Something certainly wrong in an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// Stable code.
    pub(crate) code: &'static str,
    /// What.
    pub(crate) message: String,
    /// How to mend it.
    pub(crate) mend: String,
    /// A text of the source near which it shows; empty for the whole.
    pub(crate) near: String,
}

/// A function and the type it gives.
type Returns = (&'static str, fn() -> Ty);

/// Functions that give what their name says, by the type they give.
const RETURNS: [Returns; 39] = [
    ("size", || Ty::Int),
    ("int", || Ty::Int),
    ("indexOf", || Ty::Int),
    ("lastIndexOf", || Ty::Int),
    ("getFullYear", || Ty::Int),
    ("getMonth", || Ty::Int),
    ("getDayOfYear", || Ty::Int),
    ("getDayOfMonth", || Ty::Int),
    ("getDate", || Ty::Int),
    ("getDayOfWeek", || Ty::Int),
    ("getHours", || Ty::Int),
    ("getMinutes", || Ty::Int),
    ("getSeconds", || Ty::Int),
    ("getMilliseconds", || Ty::Int),
    ("double", || Ty::Double),
    ("bool", || Ty::Bool),
    ("contains", || Ty::Bool),
    ("startsWith", || Ty::Bool),
    ("endsWith", || Ty::Bool),
    ("matches", || Ty::Bool),
    ("hasValue", || Ty::Bool),
    ("string", || Ty::Text),
    ("join", || Ty::Text),
    ("lowerAscii", || Ty::Text),
    ("upperAscii", || Ty::Text),
    ("replace", || Ty::Text),
    ("substring", || Ty::Text),
    ("trim", || Ty::Text),
    ("charAt", || Ty::Text),
    ("format", || Ty::Text),
    ("quote", || Ty::Text),
    ("date", || Ty::Text),
    ("now", || Ty::Moment),
    ("timestamp", || Ty::Moment),
    ("duration", || Ty::Length),
    ("split", || Ty::List(Box::new(Ty::Text))),
    ("json", || Ty::Any),
    ("type", || Ty::Any),
    ("dyn", || Ty::Any),
];

/// Functions whose type depends on what they are given.
const OTHERS: [&str; 29] = [
    "uint",
    "bytes",
    "reverse",
    "slice",
    "flatten",
    "distinct",
    "sort",
    "sort_by",
    "sortBy",
    "unique",
    "first",
    "sum",
    "min",
    "max",
    "round",
    "default",
    "orValue",
    "or",
    "value",
    "optMap",
    "optFlatMap",
    "has",
    "map",
    "filter",
    "all",
    "exists",
    "exists_one",
    "greatest",
    "least",
];

/// The type of an expression; what is certainly wrong in it is added to the findings.
pub(crate) fn infer(tree: &IdedExpr, names: &dyn Names, findings: &mut Vec<Finding>) -> Ty {
    Inference {
        names,
        bound: Vec::new(),
        findings,
    }
    .of(tree)
}

struct Inference<'n> {
    names: &'n dyn Names,
    bound: Vec<(String, Ty)>,
    findings: &'n mut Vec<Finding>,
}

impl Inference<'_> {
    fn wrong(
        &mut self,
        code: &'static str,
        message: String,
        mend: impl Into<String>,
        near: impl Into<String>,
    ) {
        let finding = Finding {
            code,
            message,
            mend: mend.into(),
            near: near.into(),
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn of(&mut self, expr: &IdedExpr) -> Ty {
        match &expr.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => match self.bound.iter().rev().find(|(bound, _)| bound == name) {
                Some((_, ty)) => ty.clone(),
                None => self.names.ty(name),
            },
            Expr::Select(select) if select.test => {
                self.of(&select.operand);
                Ty::Bool
            }
            Expr::Select(select) => {
                let operand = self.of(&select.operand);
                self.field(&select.operand, &operand, &select.field)
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let types: Vec<Ty> = list.elements.iter().map(|element| self.of(element)).collect();
                Ty::list_of(types.into_iter())
            }
            Expr::Map(map) => {
                let mut fields = Vec::new();
                let mut closed = true;
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        let ty = self.of(&entry.value);
                        match &entry.key.expr {
                            Expr::Literal(LiteralValue::String(name)) if !entry.optional => {
                                fields.push((name.inner().to_owned(), ty));
                            }
                            _ => closed = false,
                        }
                    }
                }
                Ty::Object { fields, closed }
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) | Expr::Unspecified => Ty::Any,
        }
    }

    fn field(&mut self, operand: &IdedExpr, ty: &Ty, field: &str) -> Ty {
        let near = format!(".{field}");
        let what = written(operand).map_or_else(|| "this value".to_owned(), |path| format!("`{path}`"));
        match ty {
            Ty::Object { fields, closed } => match fields.iter().find(|(name, _)| name == field) {
                Some((_, ty)) => ty.clone(),
                None if *closed => {
                    let known: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                    let mend = match nearest(field, known.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if known.is_empty() => "it has no fields".to_owned(),
                        None => format!("its fields are: {}", known.join(", ")),
                    };
                    self.wrong("FF-WF-014", format!("{what} has no field `{field}`"), mend, near);
                    Ty::Any
                }
                None => Ty::Any,
            },
            Ty::List(_) => {
                let mend = format!("for all of them write .map(x, x.{field}); for one of them [0].{field}");
                self.wrong(
                    "FF-WF-014",
                    format!("{what} is a list and has no field `{field}`"),
                    mend,
                    near,
                );
                Ty::Any
            }
            Ty::Any | Ty::Moment | Ty::Length => Ty::Any,
            other => {
                let message = format!("{what} is {} and has no field `{field}`", other.name());
                self.wrong("FF-WF-014", message, "use the value itself", near);
                Ty::Any
            }
        }
    }

    fn call(&mut self, call: &CallExpr) -> Ty {
        let namespaced = call.target.as_deref().is_some_and(is_namespace);
        let defaulted = call.func_name == "default" && call.args.len() == 2;
        let asks = call.func_name == operators::OPT_SELECT || call.func_name == operators::OPT_INDEX;
        let mut types = Vec::new();
        if let Some(target) = call.target.as_deref().filter(|_| !namespaced) {
            types.push(self.of(target));
        }
        for (index, arg) in call.args.iter().enumerate() {
            if (defaulted || asks) && index == 0 {
                // What may be absent is no mistake here.
                let before = self.findings.len();
                let ty = self.of(arg);
                self.findings.truncate(before);
                types.push(ty);
            } else {
                types.push(self.of(arg));
            }
        }
        if namespaced {
            return Ty::Any;
        }
        let mut types = types.into_iter();
        let (first, second, third) = (types.next(), types.next(), types.next());
        let (first, has_second) = (first.unwrap_or(Ty::Any), second.is_some());
        let second = second.unwrap_or(Ty::Any);
        match call.func_name.as_str() {
            operators::CONDITIONAL => {
                self.condition(&first, "the condition before `?`");
                second.or(third.unwrap_or(Ty::Any))
            }
            operators::LOGICAL_AND | operators::LOGICAL_OR => {
                self.condition(&first, "each side of `&&` and `||`");
                self.condition(&second, "each side of `&&` and `||`");
                Ty::Bool
            }
            operators::LOGICAL_NOT => {
                self.condition(&first, "what follows `!`");
                Ty::Bool
            }
            operators::EQUALS | operators::NOT_EQUALS | operators::IN => Ty::Bool,
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
                self.comparison(&first, &second);
                Ty::Bool
            }
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO => self.arithmetic(&call.func_name, first, second),
            operators::NEGATE => first,
            operators::INDEX => first.element(),
            operators::OPT_SELECT | operators::OPT_INDEX => Ty::Any,
            "@sort_by" | "reverse" | "slice" | "sort" | "distinct" | "unique" => match first {
                Ty::List(_) => first,
                _ => Ty::Any,
            },
            "first" => first.element(),
            "sum" => Some(first.element()).filter(Ty::is_number).unwrap_or(Ty::Number),
            "min" | "max" if has_second => first.or(second),
            "min" | "max" => first.element(),
            "round" => {
                if has_second {
                    Ty::Double
                } else {
                    Ty::Int
                }
            }
            "default" => first.or(second),
            name => self.function(name),
        }
    }

    fn function(&mut self, name: &str) -> Ty {
        if let Some((_, returns)) = RETURNS.iter().find(|(known, _)| *known == name) {
            return returns();
        }
        let plain = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if plain && !OTHERS.contains(&name) {
            let known = RETURNS.iter().map(|(known, _)| *known).chain(OTHERS);
            let mend = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`flowforge expr help` lists all functions".to_owned(),
            };
            self.wrong("FF-WF-018", format!("there is no function `{name}`"), mend, name);
        }
        Ty::Any
    }

    fn condition(&mut self, ty: &Ty, what: &str) {
        if !matches!(ty, Ty::Any | Ty::Bool) {
            let message = format!("{what} must be true or false, this is {}", ty.name());
            self.wrong(
                "FF-WF-015",
                message,
                "compare it with something, for example `x > 0`",
                "",
            );
        }
    }

    fn comparison(&mut self, a: &Ty, b: &Ty) {
        let fits = matches!(a, Ty::Any) || matches!(b, Ty::Any) || a == b || (a.is_number() && b.is_number());
        if !fits {
            let mend = match (a, b) {
                (Ty::Text, other) | (other, Ty::Text) if other.is_number() => {
                    "write double(x) around the text"
                }
                _ => "compare values of the same kind",
            };
            self.wrong(
                "FF-WF-015",
                format!("cannot compare {} and {}", a.name(), b.name()),
                mend,
                "",
            );
        }
    }

    fn arithmetic(&mut self, operator: &str, a: Ty, b: Ty) -> Ty {
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
            (Ty::Text, Ty::Text) if operator == operators::ADD => Ty::Text,
            (Ty::List(a), Ty::List(b)) if operator == operators::ADD => Ty::List(Box::new(a.or(*b))),
            (a, b) => {
                let sign = operator.trim_matches('_');
                let mend = if operator == operators::ADD && (a == Ty::Text || b == Ty::Text) {
                    "write string(x) around the other one"
                } else {
                    "use numbers on both sides"
                };
                let message = format!("`{sign}` does not take {} and {}", a.name(), b.name());
                self.wrong("FF-WF-015", message, mend, "");
                Ty::Any
            }
        }
    }

    fn comprehension(&mut self, each: &ComprehensionExpr) -> Ty {
        let range = self.of(&each.iter_range);
        if !matches!(range, Ty::Any | Ty::List(_) | Ty::Object { .. }) {
            let what =
                written(&each.iter_range).map_or_else(|| "this value".to_owned(), |path| format!("`{path}`"));
            self.wrong(
                "FF-WF-015",
                format!("{what} is {}, not a list", range.name()),
                "only lists can be walked",
                "",
            );
        }
        let element = match &range {
            Ty::Object { .. } => Ty::Text,
            range => range.element(),
        };
        let start = self.of(&each.accu_init);
        self.bound.push((each.iter_var.clone(), element));
        let accumulator = if matches!(start, Ty::List(_)) {
            Ty::List(Box::new(Ty::Any))
        } else {
            Ty::Any
        };
        self.bound.push((each.accu_var.clone(), accumulator));
        self.of(&each.loop_step);
        let value = appended(&each.loop_step).map(|value| self.of(value));
        self.bound.pop();
        self.bound.pop();
        match (start, value) {
            (Ty::List(_), Some(value)) => Ty::List(Box::new(value)),
            (Ty::List(_), None) => Ty::List(Box::new(Ty::Any)),
            (Ty::Bool | Ty::Int, _) => Ty::Bool,
            _ => Ty::Any,
        }
    }
}

/// The value that each round of a `map` or a `filter` appends.
fn appended(step: &IdedExpr) -> Option<&IdedExpr> {
    let Expr::Call(call) = &step.expr else { return None };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::CONDITIONAL, [_, then, _]) => appended(then),
        (
            operators::ADD,
            [
                _,
                IdedExpr {
                    expr: Expr::List(list),
                    ..
                },
            ],
        ) => match list.elements.as_slice() {
            [value] => Some(value),
            _ => None,
        },
        _ => None,
    }
}

fn literal_type(literal: &LiteralValue) -> Ty {
    match literal {
        LiteralValue::Boolean(_) => Ty::Bool,
        LiteralValue::Double(_) => Ty::Double,
        LiteralValue::Int(_) | LiteralValue::UInt(_) => Ty::Int,
        LiteralValue::String(_) | LiteralValue::Bytes(_) => Ty::Text,
        LiteralValue::Null => Ty::Null,
    }
}

/// `a.b.c` as it was written; nothing for anything else.
fn written(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", written(&select.operand)?, select.field))
        }
        _ => None,
    }
}
