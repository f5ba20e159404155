//! Which names an expression uses, and whether it can do without their values.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators};

use super::rewrite::is_namespace;

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

    /// Takes the names of another expression in.
    pub fn merge(&mut self, other: &Self) {
        self.needed.extend(other.needed.iter().cloned());
        self.asked.extend(other.asked.iter().cloned());
        self.asked.retain(|name| !self.needed.contains(name));
    }
}

/// The names in a tree as it was written.
pub(super) fn references(expr: &IdedExpr) -> References {
    let mut out = References::default();
    collect(expr, &mut Vec::new(), &mut out);
    out.asked.retain(|name| !out.needed.contains(name));
    out
}

fn collect<'e>(expr: &'e IdedExpr, bound: &mut Vec<&'e str>, out: &mut References) {
    match &expr.expr {
        Expr::Ident(name) => {
            if !bound.contains(&name.as_str()) && !name.starts_with('@') {
                out.needed.insert(name.trim_start_matches('.').to_owned());
            }
        }
        Expr::Select(select) if select.test => ask_or_collect(&select.operand, bound, out),
        Expr::Select(select) => collect(&select.operand, bound, out),
        Expr::Call(call) => {
            if let Some(target) = call.target.as_deref().filter(|target| !is_namespace(target)) {
                collect(target, bound, out);
            }
            let asks = call.func_name == operators::OPT_SELECT || call.func_name == operators::OPT_INDEX;
            let defaults = call.func_name == "default" && call.target.is_none() && call.args.len() == 2;
            for (index, arg) in call.args.iter().enumerate() {
                match index {
                    0 if asks => ask_or_collect(arg, bound, out),
                    0 if defaults => ask_chain(arg, bound, out),
                    _ => collect(arg, bound, out),
                }
            }
        }
        Expr::Comprehension(comprehension) => {
            collect(&comprehension.iter_range, bound, out);
            collect(&comprehension.accu_init, bound, out);
            let before = bound.len();
            bound.push(&comprehension.iter_var);
            bound.push(&comprehension.accu_var);
            bound.extend(comprehension.iter_var2.as_deref());
            collect(&comprehension.loop_cond, bound, out);
            collect(&comprehension.loop_step, bound, out);
            collect(&comprehension.result, bound, out);
            bound.truncate(before);
        }
        Expr::List(list) => list
            .elements
            .iter()
            .for_each(|element| collect(element, bound, out)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    collect(&entry.key, bound, out);
                    collect(&entry.value, bound, out);
                }
            }
        }
        Expr::Struct(structure) => {
            for entry in &structure.entries {
                if let EntryExpr::StructField(field) = &entry.expr {
                    collect(&field.value, bound, out);
                }
            }
        }
        Expr::Literal(_) | Expr::Unspecified => {}
    }
}

/// A name alone is asked about; anything else is needed.
fn ask_or_collect<'e>(expr: &'e IdedExpr, bound: &mut Vec<&'e str>, out: &mut References) {
    match &expr.expr {
        Expr::Ident(name) if !bound.contains(&name.as_str()) => {
            out.asked.insert(name.clone());
        }
        _ => collect(expr, bound, out),
    }
}

/// The root of `a.b[0].c` is asked about, because every step of it may be missing.
fn ask_chain<'e>(expr: &'e IdedExpr, bound: &mut Vec<&'e str>, out: &mut References) {
    match &expr.expr {
        Expr::Select(select) if !select.test => ask_chain(&select.operand, bound, out),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            for (index, arg) in call.args.iter().enumerate() {
                if index == 0 {
                    ask_chain(arg, bound, out)
                } else {
                    collect(arg, bound, out)
                }
            }
        }
        _ => ask_or_collect(expr, bound, out),
    }
}

/// The deepest nesting of loops over lists.
pub(super) fn loop_depth(expr: &IdedExpr) -> usize {
    match &expr.expr {
        Expr::Comprehension(comprehension) => {
            let inside = loop_depth(&comprehension.loop_step).max(loop_depth(&comprehension.loop_cond));
            loop_depth(&comprehension.iter_range).max(inside + 1)
        }
        Expr::Select(select) => loop_depth(&select.operand),
        Expr::Call(call) => {
            let target = call.target.as_deref().map_or(0, loop_depth);
            call.args.iter().map(loop_depth).fold(target, usize::max)
        }
        Expr::List(list) => list.elements.iter().map(loop_depth).max().unwrap_or(0),
        Expr::Map(map) => map
            .entries
            .iter()
            .filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some(loop_depth(&entry.key).max(loop_depth(&entry.value))),
                EntryExpr::StructField(_) => None,
            })
            .max()
            .unwrap_or(0),
        _ => 0,
    }
}
