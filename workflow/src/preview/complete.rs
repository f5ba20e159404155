//! What can come at a cursor: names in reach, functions, and what the value before a dot has.

use serde_json::Value;

use super::cursor::{self, Before};
use super::{Context, Look};
use crate::expr::{Expression, Offer, Receiver, offers};
use crate::lint::NameOf;
use crate::names::is_snake;
use crate::types::Ty;

/// Most things that are offered at once.
const MAX_ITEMS: usize = 200;

/// What can come, and what it stands in the place of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completions {
    /// First byte that a chosen one replaces.
    pub from: usize,
    /// One past the last byte.
    pub to: usize,
    /// At most 200: what is nearest first.
    pub items: Vec<Completion>,
}

/// One thing that can come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// As it is shown: `items`, `list.join(separator)`.
    pub label: String,
    /// As it is written.
    pub insert: String,
    /// What it is.
    pub kind: CompletionKind,
    /// Its type, if it is known.
    pub ty: Option<String>,
    /// For people.
    pub docs: Option<String>,
    /// An expression that stands on its own.
    pub example: Option<String>,
}

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
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

/// What can come at this byte; nothing outside expressions and inside quotes.
pub(super) fn at(look: &Look<'_>, text: &str, template: bool, cursor: usize) -> Option<Completions> {
    let (start, end) = match cursor::expression_around(text, cursor) {
        Some(around) => around,
        None if template => return None,
        None => (0, text.len()),
    };
    let before_cursor = text.get(start..cursor)?;
    let before = cursor::read(before_cursor)?;
    let word = cursor::word_start(before_cursor, before_cursor.len());
    let prefix = before_cursor.get(word..)?.to_lowercase();
    let rest = text.get(cursor..end)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let behind = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let locals = Locals::around(look, before_cursor, &before);
    let head = before_cursor.get(..word)?;
    let (asks, on) = match (head.strip_suffix(".?"), head.strip_suffix('.')) {
        (Some(on), _) => (true, Some(on)),
        (None, on) => (false, on),
    };
    let mut items = match on {
        Some(on) => {
            let base = on.get(before.value_start(on, on.len())..)?;
            members(look, &locals, base, asks)
        }
        None => names(look, &locals),
    };
    items.retain(|item| {
        let name = item.insert.trim_end_matches('(');
        name.to_lowercase().starts_with(&prefix)
    });
    items.truncate(MAX_ITEMS);
    Some(Completions {
        from: start + word,
        to: cursor + behind,
        items,
    })
}

/// What loops around the cursor bind, as far as it is known.
#[derive(Default)]
struct Locals {
    types: Vec<(String, Ty)>,
    values: Vec<(String, Value)>,
}

impl Locals {
    /// `list.map(x, …`: `x` is an element of `list`.
    fn around(look: &Look<'_>, text: &str, before: &Before) -> Self {
        let mut out = Self::default();
        for open in &before.open {
            let Some((name, list)) = bound_at(text, before, *open) else {
                continue;
            };
            let (ty, value) = out.see(look, list);
            out.types.push((name.to_owned(), ty.element()));
            if let Some(Value::Array(items)) = value
                && let Some(first) = items.into_iter().next()
            {
                out.values.push((name.to_owned(), first));
            }
        }
        out
    }

    /// The type of a value that is written, and the value, as far as there is data.
    fn see(&self, look: &Look<'_>, source: &str) -> (Ty, Option<Value>) {
        let Ok(expression) = Expression::compile(source) else {
            return (Ty::Any, None);
        };
        let ty = match &look.reach {
            Some(reach) => reach.infer(&expression, &self.types).0,
            None => Ty::Any,
        };
        let data = super::Data {
            given: look.data.given,
            config: look.data.config.clone(),
            bound: self.values.clone(),
        };
        let has_all = expression.references().needed.iter().all(|name| data.has(name));
        let context = Context {
            now_ms: look.now_ms,
            seed: Some("preview"),
            interrupt: Some(look.interrupt),
            allowance: None,
        };
        let value = has_all.then(|| expression.explain(&data, context).ok()).flatten();
        match &value {
            Some(value) if ty == Ty::Any => (Ty::of_value(value), Some(value.clone())),
            _ => (ty, value),
        }
    }
}

/// The name that a loop binds whose bracket is open, and the list that it walks.
fn bound_at<'t>(text: &'t str, before: &Before, open: usize) -> Option<(&'t str, &'t str)> {
    let word = cursor::word_start(text, open);
    let kind = text.get(word..open)?;
    let binds = |offer: &Offer| offer.name == kind && offer.form.contains("(e,");
    if !offers().iter().any(binds) {
        return None;
    }
    let list = text.get(..word)?.strip_suffix('.')?;
    let list = list.get(before.value_start(list, list.len())..)?;
    let (name, _) = text.get(open + 1..)?.split_once(',')?;
    let name = name.trim();
    is_snake(name).then_some((name, list))
}

/// Everything that can begin a value.
fn names(look: &Look<'_>, locals: &Locals) -> Vec<Completion> {
    let mut out: Vec<Completion> = Vec::new();
    let mut add = |name: &str, kind, ty: Ty| {
        if !out.iter().any(|known| known.label == name) {
            out.push(plain(name, kind, &ty));
        }
    };
    for (name, ty) in locals.types.iter().rev() {
        add(name, CompletionKind::Name, ty.clone());
    }
    let of_data = |name: &str| look.data.given.get(name).map(Ty::of_value);
    if let Some(reach) = &look.reach {
        for (name, of) in reach.names() {
            let known = Expression::compile(name).map(|name| reach.infer(&name, &[]).0);
            let ty = known.ok().filter(|ty| *ty != Ty::Any).or_else(|| of_data(name));
            let kind = match of {
                NameOf::Given => CompletionKind::Name,
                NameOf::Node => CompletionKind::Node,
            };
            add(name, kind, ty.unwrap_or(Ty::Any));
        }
    }
    for name in look.data.given.keys().filter(|_| look.reach.is_none()) {
        add(name, CompletionKind::Name, of_data(name).unwrap_or(Ty::Any));
    }
    let functions = offers()
        .iter()
        .filter(|offer| offer.receiver == Receiver::Nothing);
    out.extend(functions.map(|offer| called(offer, offer.name, CompletionKind::Function)));
    out
}

/// What the value before a dot has.
fn members(look: &Look<'_>, locals: &Locals, base: &str, asks: bool) -> Vec<Completion> {
    let group = format!("{base}.");
    let of_group = offers().iter().filter_map(|offer| {
        let name = offer.name.strip_prefix(&group)?;
        Some(called(offer, name, CompletionKind::Function))
    });
    let of_group: Vec<Completion> = of_group.collect();
    if !of_group.is_empty() {
        return of_group;
    }
    let (ty, value) = locals.see(look, base);
    let mut out = Vec::new();
    if let Some(Value::Object(fields)) = &value {
        let fields = fields.iter().filter(|(name, _)| is_word(name)).take(MAX_ITEMS);
        out.extend(fields.map(|(name, field)| plain(name, CompletionKind::Field, &Ty::of_value(field))));
    }
    if let Ty::Object { fields, .. } = &ty {
        for (name, ty) in fields.iter() {
            if is_word(name) && !out.iter().any(|known| known.label == *name) {
                out.push(plain(name, CompletionKind::Field, ty));
            }
        }
    }
    if asks {
        return out;
    }
    let seen = match (&ty, &value) {
        (Ty::Any, Some(value)) => Ty::of_value(value),
        _ => ty,
    };
    let is_optional = base.contains(".?") || base.contains("[?");
    let fits = |receiver: Receiver| match (&seen, receiver) {
        (_, Receiver::Nothing) => false,
        (_, Receiver::Optional) => is_optional,
        (Ty::Any, _) => true,
        (Ty::List { .. }, Receiver::List | Receiver::Sized) => true,
        (Ty::Text, Receiver::Text | Receiver::Sized) => true,
        (Ty::Moment | Ty::Length, Receiver::Moment) => true,
        (Ty::Object { .. }, Receiver::Sized) => true,
        _ => false,
    };
    let methods = offers().iter().filter(|offer| fits(offer.receiver));
    out.extend(methods.map(|offer| called(offer, offer.name, CompletionKind::Method)));
    out
}

/// Whether a field can be written behind a dot.
fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn plain(name: &str, kind: CompletionKind, ty: &Ty) -> Completion {
    Completion {
        label: name.to_owned(),
        insert: name.to_owned(),
        kind,
        ty: (*ty != Ty::Any).then(|| ty.shown()),
        docs: None,
        example: None,
    }
}

fn called(offer: &Offer, name: &str, kind: CompletionKind) -> Completion {
    Completion {
        label: offer.form.to_owned(),
        insert: format!("{name}("),
        kind,
        ty: None,
        docs: Some(offer.entry.summary.to_owned()),
        example: Some(offer.entry.example.to_owned()),
    }
}
