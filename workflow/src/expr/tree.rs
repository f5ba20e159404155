//! An expression as a tree of our own: what may be evaluated is what this tree can hold.
//!
//! Owns the shape of expressions after parsing. Functions are resolved to entries of the table in `functions`, so that
//! an unknown one never reaches the evaluator. Runs of the same rank (`a + b + c`, `a && b && c`, `a.b.c`,
//! `x ? 1 : y ? 2 : 3`) are flat. Invariant: no tree is higher than `MAX_EXPRESSION_DEPTH`, so recursion over one is
//! bounded.

use regex::Regex;

use super::functions::Function;

/// A part of an expression and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) form: Form,
    /// First byte in the source.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// Levels below and with this one.
    pub(crate) height: usize,
}

/// What a part is.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    Literal(Literal),
    /// A node, a loop variable, `input`, …, or the name of a type.
    Name(String),
    /// Fields and elements of something, one after the other.
    Steps(Box<Tree>, Vec<Step>),
    /// `has(x.field)`
    Has(Box<Tree>, String),
    List(Vec<Item>),
    Object(Vec<Pair>),
    Not(Box<Tree>),
    Negate(Box<Tree>),
    /// `a && b && …`
    All(Vec<Tree>),
    /// `a || b || …`
    Any(Vec<Tree>),
    /// Operators of one rank, from left to right.
    Chain(Box<Tree>, Vec<(Operator, Tree)>),
    /// `c ? a : d ? b : e`
    Choice(Vec<(Tree, Tree)>, Box<Tree>),
    Call(Box<Call>),
    Loop(Box<Loop>),
    /// `default(x, y)`
    Default(Box<Tree>, Box<Tree>),
    /// `now()`
    Now,
}

/// A value that is written out.
#[derive(Debug, Clone)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number above the signed 64 bits.
    Big(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One step from a value to a part of it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    /// First byte of the field's name or of the bracket.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

/// The kinds of steps.
#[derive(Debug, Clone)]
pub(crate) enum StepKind {
    /// `.field`
    Field(String),
    /// `.?field`
    AskField(String),
    /// `[index]`
    Index(Tree),
    /// `[?index]`
    AskIndex(Tree),
}

/// An element of a list that is written out.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) value: Tree,
    /// `[?x]`: left out if it is an absent optional.
    pub(crate) optional: bool,
}

/// A field of an object that is written out.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) key: Tree,
    pub(crate) value: Tree,
    /// `{?k: v}`: left out if it is an absent optional.
    pub(crate) optional: bool,
}

/// Operators between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    Differ,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Operator {
    /// How it is written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equal => "==",
            Self::Differ => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

/// A call of a function; what stood before the dot is its first argument.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) function: &'static Function,
    pub(crate) arguments: Vec<Tree>,
    /// The pattern of `matches`, if it is written out.
    pub(crate) pattern: Option<Regex>,
}

/// Something done for each element of a list, or for each key of an object.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) over: Tree,
    /// The name of the element.
    pub(crate) name: String,
    /// What is evaluated for each element; two of them for some kinds.
    pub(crate) body: Tree,
    pub(crate) second: Option<Tree>,
}

/// The kinds of loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    /// With a second body: the first one is a condition.
    Map,
    Filter,
    Count,
    SortBy,
    GroupBy,
    /// With a second body: it is the value.
    ToMap,
}

impl LoopKind {
    /// The word for it, and how many bodies it takes.
    pub(super) const WORDS: [(&'static str, Self, std::ops::RangeInclusive<usize>); 10] = [
        ("all", Self::All, 1..=1),
        ("exists", Self::Exists, 1..=1),
        ("exists_one", Self::ExistsOne, 1..=1),
        ("map", Self::Map, 1..=2),
        ("filter", Self::Filter, 1..=1),
        ("count", Self::Count, 1..=1),
        ("sort_by", Self::SortBy, 1..=1),
        ("sortBy", Self::SortBy, 1..=1),
        ("group_by", Self::GroupBy, 1..=1),
        ("to_map", Self::ToMap, 1..=2),
    ];

    /// How it is written.
    pub(crate) fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, kind, _)| *kind == self)
            .map_or("map", |(word, ..)| *word)
    }
}

impl Tree {
    /// Calls back for each part of the tree, the outer ones first; `false` leaves the parts of a part out.
    pub(crate) fn visit<'t>(&'t self, then: &mut impl FnMut(&'t Self) -> bool) {
        if then(self) {
            self.children(&mut |child| child.visit(then));
        }
    }

    /// The parts directly below.
    pub(crate) fn children<'t>(&'t self, then: &mut impl FnMut(&'t Self)) {
        match &self.form {
            Form::Literal(_) | Form::Name(_) | Form::Now => {}
            Form::Steps(base, steps) => {
                then(base);
                for step in steps {
                    if let StepKind::Index(index) | StepKind::AskIndex(index) = &step.kind {
                        then(index);
                    }
                }
            }
            Form::Has(of, _) => then(of),
            Form::List(items) => items.iter().for_each(|item| then(&item.value)),
            Form::Object(pairs) => {
                for pair in pairs {
                    then(&pair.key);
                    then(&pair.value);
                }
            }
            Form::Not(inner) | Form::Negate(inner) => then(inner),
            Form::All(parts) | Form::Any(parts) => parts.iter().for_each(then),
            Form::Chain(first, rest) => {
                then(first);
                rest.iter().for_each(|(_, part)| then(part));
            }
            Form::Choice(cases, otherwise) => {
                for (condition, value) in cases {
                    then(condition);
                    then(value);
                }
                then(otherwise);
            }
            Form::Call(call) => call.arguments.iter().for_each(then),
            Form::Loop(each) => {
                then(&each.over);
                then(&each.body);
                each.second.iter().for_each(then);
            }
            Form::Default(value, otherwise) => {
                then(value);
                then(otherwise);
            }
        }
    }
}
