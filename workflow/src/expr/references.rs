//! Which names an expression uses, and whether it can do without their values.

use std::collections::BTreeSet;

use super::tree::{Form, StepKind, Tree};

/// The names an expression uses, without the variables it binds itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Names whose value it needs.
    pub needed: BTreeSet<String>,
    /// Names it only asks about: in `default(x.…, y)`, `has(x.…)`, `x.?field`. If such a node did not run, its value
    /// is absent, and the expression is evaluated all the same.
    pub asked: BTreeSet<String>,
}

impl References {
    /// Every name.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.needed.iter().chain(&self.asked).map(String::as_str)
    }

    /// Leaves a name out.
    pub(crate) fn forget(&mut self, name: &str) {
        self.needed.remove(name);
        self.asked.remove(name);
    }

    /// Takes the names of another expression in.
    pub fn merge(&mut self, other: &Self) {
        self.needed.extend(other.needed.iter().cloned());
        self.asked.extend(other.asked.iter().cloned());
        self.asked.retain(|name| !self.needed.contains(name));
    }
}

/// The names in a tree.
pub(super) fn references(tree: &Tree) -> References {
    let mut out = References::default();
    collect(tree, &mut Vec::new(), &mut out);
    out.asked.retain(|name| !out.needed.contains(name));
    out
}

fn collect<'e>(tree: &'e Tree, bound: &mut Vec<&'e str>, out: &mut References) {
    match &tree.form {
        Form::Name(name) => {
            if !bound.contains(&name.as_str()) {
                out.needed.insert(name.clone());
            }
        }
        Form::Has(of, _) => ask_or_collect(of, bound, out),
        Form::Steps(base, steps) => {
            let asks = matches!(
                steps.first().map(|step| &step.kind),
                Some(StepKind::AskField(_) | StepKind::AskIndex(_))
            );
            if asks {
                ask_or_collect(base, bound, out);
            } else {
                collect(base, bound, out);
            }
            for step in steps {
                if let StepKind::Index(index) | StepKind::AskIndex(index) = &step.kind {
                    collect(index, bound, out);
                }
            }
        }
        Form::Default(value, otherwise) => {
            ask_chain(value, bound, out);
            collect(otherwise, bound, out);
        }
        Form::Loop(each) => {
            collect(&each.over, bound, out);
            bound.push(&each.name);
            collect(&each.body, bound, out);
            if let Some(second) = &each.second {
                collect(second, bound, out);
            }
            bound.pop();
        }
        _ => tree.children(&mut |child| collect(child, bound, out)),
    }
}

/// A name alone is asked about; anything else is needed.
fn ask_or_collect<'e>(tree: &'e Tree, bound: &mut Vec<&'e str>, out: &mut References) {
    match &tree.form {
        Form::Name(name) if !bound.contains(&name.as_str()) => {
            out.asked.insert(name.clone());
        }
        _ => collect(tree, bound, out),
    }
}

/// The root of `a.b[0].c` is asked about, because every step of it may be missing.
fn ask_chain<'e>(tree: &'e Tree, bound: &mut Vec<&'e str>, out: &mut References) {
    match &tree.form {
        Form::Steps(base, steps) => {
            ask_or_collect(base, bound, out);
            for step in steps {
                if let StepKind::Index(index) | StepKind::AskIndex(index) = &step.kind {
                    collect(index, bound, out);
                }
            }
        }
        _ => ask_or_collect(tree, bound, out),
    }
}
