//! The evaluator: walks a tree and gives a value.
//!
//! Invariant: every part that is evaluated and every element that is walked is paid for, and no function is called
//! that is not in the table. `&&`, `||`, `all` and `exists` give an answer in spite of a fault on one side if the
//! other side decides; a bound that was reached ends the evaluation in any case.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::access::{Part, element_of, field_of, no_key};
use super::fault::{Fault, kind};
use super::functions::{Outcome, Tools, pay_search, sorted, twice};
use super::operators;
use super::tree::{Call, Form, Item, Literal, Loop, LoopKind, Pair, Step, StepKind, Tree};
use super::value::{Key, Text, Val};
use super::{Meaning, Scope};
use crate::limits::MAX_LIST;
use crate::names::type_word;

/// One evaluation.
pub(super) struct Evaluator<'v, 't> {
    pub(super) source: &'v str,
    pub(super) scope: &'v dyn Scope,
    pub(super) now_ms: u64,
    pub(super) tools: Tools<'t>,
    /// The elements of the loops around, the innermost last.
    pub(super) locals: Vec<(&'v str, Val<'v>)>,
}

/// The elements of a list, one after the other, without a copy of the list.
struct Walk<'v> {
    list: Val<'v>,
    next: usize,
}

impl<'v> Iterator for Walk<'v> {
    type Item = Val<'v>;

    fn next(&mut self) -> Option<Val<'v>> {
        let item = self.list.element(self.next);
        self.next += 1;
        item
    }
}

impl<'v> Evaluator<'v, '_> {
    /// The value of a part of the tree.
    pub(super) fn of(&mut self, tree: &'v Tree) -> Outcome<'v> {
        self.tools.meter.work(1)?;
        self.value(tree)
            .map_err(|fault| fault.within(self.source, tree.start, tree.end))
    }

    fn value(&mut self, tree: &'v Tree) -> Outcome<'v> {
        match &tree.form {
            Form::Literal(literal) => Ok(written_out(literal)),
            Form::Name(name) => self.name(name),
            Form::Steps(base, steps) => self.steps(base, steps),
            Form::Has(of, field) => self.has(of, field),
            Form::List(items) => self.list(items),
            Form::Object(pairs) => self.object(pairs),
            Form::Not(inner) => match self.of(inner)? {
                Val::Bool(flag) => Ok(Val::Bool(!flag)),
                other => Err(no_bool("what follows `!`", &other)),
            },
            Form::Negate(inner) => operators::negate(&self.of(inner)?),
            Form::All(parts) => self.decide(parts, false),
            Form::Any(parts) => self.decide(parts, true),
            Form::Chain(first, rest) => {
                let mut left = self.of(first)?;
                for (operator, right) in rest {
                    let right_value = self.of(right)?;
                    left = operators::apply(*operator, &left, &right_value, &self.tools.meter)
                        .map_err(|fault| fault.within(self.source, tree.start, right.end))?;
                }
                Ok(left)
            }
            Form::Choice(cases, otherwise) => {
                for (condition, value) in cases {
                    match self.of(condition)? {
                        Val::Bool(true) => return self.of(value),
                        Val::Bool(false) => {}
                        other => return Err(no_bool("the condition before `?`", &other)),
                    }
                }
                self.of(otherwise)
            }
            Form::Call(call) => self.call(call),
            Form::Loop(each) => self.each(each),
            Form::Default(value, otherwise) => self.default(value, otherwise),
            Form::Now => i64::try_from(self.now_ms)
                .ok()
                .and_then(chrono::DateTime::from_timestamp_millis)
                .and_then(super::value::in_calendar)
                .map(Val::Moment)
                .ok_or_else(|| Fault::new("the moment is beyond the calendar")),
        }
    }

    fn name(&self, name: &str) -> Outcome<'v> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return Ok(value.clone());
        }
        match self.scope.lookup(name) {
            Some(Meaning::Value(value)) => Ok(Val::of(value)),
            Some(Meaning::Absent) => Ok(Val::Absent),
            None => type_word(name)
                .map(Val::Type)
                .ok_or_else(|| Fault::new(format!("`{name}` is unknown"))),
        }
    }

    fn steps(&mut self, base: &'v Tree, steps: &'v [Step]) -> Outcome<'v> {
        let mut value = self.of(base)?;
        let mut end = base.end;
        for step in steps {
            let path = self.source.get(base.start..end).unwrap_or_default();
            value = self.step(value, step, path)?;
            end = step.end;
        }
        Ok(value)
    }

    fn step(&mut self, value: Val<'v>, step: &'v Step, path: &str) -> Outcome<'v> {
        self.tools.meter.work(1)?;
        let (asks, value) = match (&step.kind, value) {
            (StepKind::AskField(_) | StepKind::AskIndex(_), Val::Optional(None))
            | (_, Val::Optional(None)) => {
                return Ok(Val::Optional(None));
            }
            // Behind an optional everything is optional.
            (_, Val::Optional(Some(inner))) => (true, Val::clone(&inner)),
            (StepKind::AskField(_) | StepKind::AskIndex(_), value) => (true, value),
            (_, value) => (false, value),
        };
        let part = self.part(&value, step, path)?;
        match (asks, part) {
            (false, Part::Found(value)) => Ok(value),
            (false, Part::Absent(fault)) => Err(fault),
            (true, Part::Found(value)) => Ok(Val::Optional(Some(Rc::new(value)))),
            (true, Part::Absent(_)) => Ok(Val::Optional(None)),
        }
    }

    fn part(&mut self, value: &Val<'v>, step: &'v Step, path: &str) -> Result<Part<'v>, Box<Fault>> {
        match &step.kind {
            StepKind::Field(field) | StepKind::AskField(field) => Ok(field_of(value, field, path)),
            StepKind::Index(index) | StepKind::AskIndex(index) => {
                let index = self.of(index)?;
                Ok(element_of(value, &index, path))
            }
        }
    }

    fn has(&mut self, of: &'v Tree, field: &str) -> Outcome<'v> {
        match self.of(of)? {
            Val::Absent | Val::Optional(None) => Ok(Val::Bool(false)),
            Val::Optional(Some(inner)) => Ok(Val::Bool(inner.get(&Key::Text(Text::Lent(field))).is_some())),
            object if object.field_count().is_some() => {
                Ok(Val::Bool(object.get(&Key::Text(Text::Lent(field))).is_some()))
            }
            other => Err(Fault::new(format!("{} has no fields", kind(&other)))),
        }
    }

    fn list(&mut self, items: &'v [Item]) -> Outcome<'v> {
        self.tools.meter.make_parts(items.len())?;
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match (item.optional, self.of(&item.value)?) {
                (true, Val::Optional(None)) => {}
                (true, Val::Optional(Some(inner))) => out.push(Val::clone(&inner)),
                (_, value) => out.push(value),
            }
        }
        Ok(Val::list(out))
    }

    fn object(&mut self, pairs: &'v [Pair]) -> Outcome<'v> {
        self.tools.meter.make_parts(pairs.len())?;
        let mut out = BTreeMap::new();
        for pair in pairs {
            let key = self.of(&pair.key)?;
            let key = key.key().ok_or_else(|| no_key(&key))?;
            let value = match (pair.optional, self.of(&pair.value)?) {
                (true, Val::Optional(None)) => continue,
                (true, Val::Optional(Some(inner))) => Val::clone(&inner),
                (_, value) => value,
            };
            let name = key.name();
            if out.insert(key, value).is_some() {
                return Err(Fault::new(format!("the key `{name}` stands twice in one object")));
            }
        }
        Ok(Val::Map(Rc::new(out)))
    }

    /// `&&` and `||`: the first side that is `decisive` decides, whatever goes wrong on another one.
    fn decide(&mut self, parts: &'v [Tree], decisive: bool) -> Outcome<'v> {
        let mut trouble: Option<Box<Fault>> = None;
        for part in parts {
            match self.of(part) {
                Ok(Val::Bool(flag)) if flag == decisive => return Ok(Val::Bool(decisive)),
                Ok(Val::Bool(_)) => {}
                Ok(other) => {
                    let fault = no_bool("each side of `&&` and `||`", &other);
                    trouble.get_or_insert(fault.within(self.source, part.start, part.end));
                }
                Err(fault) if fault.final_ => return Err(fault),
                Err(fault) => {
                    trouble.get_or_insert(fault);
                }
            }
        }
        trouble.map_or(Ok(Val::Bool(!decisive)), Err)
    }

    fn call(&mut self, call: &'v Call) -> Outcome<'v> {
        let mut values = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            values.push(self.of(argument)?);
        }
        if let (Some(regex), [Val::Text(text), Val::Text(pattern)]) = (&call.pattern, values.as_slice()) {
            pay_search(&self.tools, text.as_str().len(), pattern.as_str().len())?;
            return Ok(Val::Bool(regex.is_match(text.as_str())));
        }
        (call.function.call)(&self.tools, &values)
    }

    fn default(&mut self, value: &'v Tree, otherwise: &'v Tree) -> Outcome<'v> {
        match self.asked(value)? {
            Some(Val::Optional(Some(inner))) => match &*inner {
                Val::Null | Val::Absent => self.of(otherwise),
                _ => Ok(Val::clone(&inner)),
            },
            None | Some(Val::Null | Val::Absent | Val::Optional(None)) => self.of(otherwise),
            Some(value) => Ok(value),
        }
    }

    /// The value of a path of which every step may be missing.
    fn asked(&mut self, tree: &'v Tree) -> Result<Option<Val<'v>>, Box<Fault>> {
        let Form::Steps(base, steps) = &tree.form else {
            return self.of(tree).map(Some);
        };
        let mut value = self.of(base)?;
        for step in steps {
            self.tools.meter.work(1)?;
            let inner = match value {
                Val::Optional(None) => return Ok(None),
                Val::Optional(Some(inner)) => Val::clone(&inner),
                other => other,
            };
            match self.part(&inner, step, "")? {
                Part::Found(found) => value = found,
                Part::Absent(_) => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// What a loop walks over: the elements of a list, or the keys of an object.
    fn walked(&mut self, each: &'v Loop) -> Result<Walk<'v>, Box<Fault>> {
        let over = self.of(&each.over)?;
        let word = each.kind.word();
        let (list, length) = match (over.list_length(), over.field_count()) {
            (Some(length), _) => (over, length),
            (None, Some(length)) if length <= MAX_LIST => (Val::list(over.keys()), length),
            (None, Some(length)) => (Val::Null, length),
            (None, None) => {
                let hint = match over {
                    Val::Null | Val::Absent => "; write default(x, []) if it may be absent",
                    _ => "",
                };
                return Err(Fault::new(format!(
                    "`{word}` needs a list or an object, not {}{hint}",
                    kind(&over)
                )));
            }
        };
        if length > MAX_LIST {
            return Err(Fault::stop(format!(
                "the list has {length} elements, above the limit of {MAX_LIST}"
            )));
        }
        self.tools.meter.work(length + 1)?;
        Ok(Walk { list, next: 0 })
    }

    fn with(&mut self, each: &'v Loop, item: &Val<'v>, body: &'v Tree) -> Outcome<'v> {
        self.locals.push((&each.name, item.clone()));
        let value = self.of(body);
        self.locals.pop();
        value
    }

    /// Whether the condition of a loop holds for an element.
    fn holds(&mut self, each: &'v Loop, item: &Val<'v>) -> Result<bool, Box<Fault>> {
        match self.with(each, item, &each.body)? {
            Val::Bool(flag) => Ok(flag),
            other => {
                let what = format!("the condition of `{}`", each.kind.word());
                Err(no_bool(&what, &other).within(self.source, each.body.start, each.body.end))
            }
        }
    }

    fn each(&mut self, each: &'v Loop) -> Outcome<'v> {
        let items = self.walked(each)?;
        match each.kind {
            LoopKind::All => self.quantified(each, items, false),
            LoopKind::Exists => self.quantified(each, items, true),
            LoopKind::ExistsOne | LoopKind::Count => {
                let mut count = 0_i64;
                for item in items {
                    count += i64::from(self.holds(each, &item)?);
                }
                Ok(match each.kind {
                    LoopKind::Count => Val::Int(count),
                    _ => Val::Bool(count == 1),
                })
            }
            LoopKind::Filter => {
                let mut out = Vec::new();
                for item in items {
                    if self.holds(each, &item)? {
                        self.tools.meter.make_parts(1)?;
                        out.push(item);
                    }
                }
                Ok(Val::list(out))
            }
            LoopKind::Map => {
                let mut out = Vec::new();
                for item in items {
                    let body = match &each.second {
                        None => &each.body,
                        Some(value) if self.holds(each, &item)? => value,
                        Some(_) => continue,
                    };
                    self.tools.meter.make_parts(1)?;
                    out.push(self.with(each, &item, body)?);
                }
                Ok(Val::list(out))
            }
            LoopKind::SortBy => {
                let mut keyed = Vec::new();
                for item in items {
                    self.tools.meter.make_parts(2)?;
                    keyed.push((self.with(each, &item, &each.body)?, item));
                }
                sorted(&self.tools, "sort_by", keyed)
            }
            LoopKind::GroupBy => self.grouped(each, items),
            LoopKind::ToMap => self.mapped(each, items),
        }
    }

    fn quantified(&mut self, each: &'v Loop, items: Walk<'v>, decisive: bool) -> Outcome<'v> {
        let mut trouble: Option<Box<Fault>> = None;
        for item in items {
            match self.holds(each, &item) {
                Ok(flag) if flag == decisive => return Ok(Val::Bool(decisive)),
                Ok(_) => {}
                Err(fault) if fault.final_ => return Err(fault),
                Err(fault) => {
                    trouble.get_or_insert(fault);
                }
            }
        }
        trouble.map_or(Ok(Val::Bool(!decisive)), Err)
    }

    fn grouped(&mut self, each: &'v Loop, items: Walk<'v>) -> Outcome<'v> {
        let mut groups: BTreeMap<Key<'v>, Vec<Val<'v>>> = BTreeMap::new();
        for item in items {
            let key = self.with(each, &item, &each.body)?;
            let key = key.key().ok_or_else(|| no_key(&key))?;
            self.tools.meter.make_parts(2)?;
            groups.entry(key).or_default().push(item);
        }
        let groups = groups.into_iter().map(|(key, items)| (key, Val::list(items)));
        Ok(Val::Map(Rc::new(groups.collect())))
    }

    fn mapped(&mut self, each: &'v Loop, items: Walk<'v>) -> Outcome<'v> {
        let mut out = BTreeMap::new();
        for item in items {
            let key = self.with(each, &item, &each.body)?;
            let key = key.key().ok_or_else(|| no_key(&key))?;
            let value = match &each.second {
                Some(value) => self.with(each, &item, value)?,
                None => item,
            };
            self.tools.meter.make_parts(1)?;
            let name = key.name();
            if out.insert(key, value).is_some() {
                return Err(twice(&name));
            }
        }
        Ok(Val::Map(Rc::new(out)))
    }
}

fn written_out(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(flag) => Val::Bool(*flag),
        Literal::Int(whole) => Val::Int(*whole),
        Literal::Big(whole) => Val::Big(*whole),
        Literal::Double(float) => Val::Double(*float),
        Literal::Text(text) => Val::Text(Text::Lent(text)),
        Literal::Bytes(bytes) => Val::Bytes(bytes.as_slice().into()),
    }
}

fn no_bool(what: &str, found: &Val<'_>) -> Box<Fault> {
    Fault::new(format!(
        "{what} must be true or false, found {}; compare it with something, for example `x > 0`",
        kind(found)
    ))
}
