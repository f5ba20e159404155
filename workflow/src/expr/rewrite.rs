//! From the tree as it was written to the tree that is evaluated.
//!
//! Operators become functions of ours where JSON needs more than the language gives, lists that are walked are paid
//! for, `default(x, y)` looks at `x` without failing, and our functions can be called in both styles.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::library::REWRITTEN;

/// Names that stand for groups of functions, not for values.
pub(super) const NAMESPACES: [&str; 5] = ["math", "lists", "strings", "optional", "cel"];

/// Rewrites the tree in place.
pub(super) fn rewrite(expr: &mut IdedExpr) {
    let id = expr.id;
    match &mut expr.expr {
        Expr::Call(call) => {
            rewrite_call(call, id);
            if call.func_name == "@now" {
                expr.expr = Expr::Ident("@now".to_owned());
            }
        }
        Expr::Comprehension(comprehension) => rewrite_comprehension(comprehension, id),
        Expr::List(list) => list.elements.iter_mut().for_each(rewrite),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    rewrite(&mut entry.key);
                    rewrite(&mut entry.value);
                }
            }
        }
        Expr::Struct(structure) => {
            for entry in &mut structure.entries {
                if let EntryExpr::StructField(field) = &mut entry.expr {
                    rewrite(&mut field.value);
                }
            }
        }
        Expr::Select(select) => rewrite(&mut select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn ident(id: u64, name: &str) -> IdedExpr {
    IdedExpr {
        id,
        expr: Expr::Ident(name.to_owned()),
    }
}

/// Whether the target of a call is a group of functions.
pub(crate) fn is_namespace(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name) if NAMESPACES.contains(&name.as_str()))
}

fn rewrite_call(call: &mut CallExpr, id: u64) {
    if let Some(target) = call.target.as_mut() {
        if is_namespace(target) {
            call.args.iter_mut().for_each(rewrite);
            return;
        }
        rewrite(target);
    }
    if call.func_name == "default" && call.target.is_none() && call.args.len() == 2 {
        if let Some(value) = call.args.first_mut() {
            make_optional(value);
        }
        call.func_name = "@default".to_owned();
    }
    call.args.iter_mut().for_each(rewrite);
    if call.func_name == "now" && call.target.is_none() && call.args.is_empty() {
        call.func_name = "@now".to_owned();
        return;
    }
    if REWRITTEN.contains(&call.func_name.as_str()) {
        if let Some(target) = call.target.take() {
            call.args.insert(0, *target);
        }
        call.func_name = format!("@{}", call.func_name);
        return;
    }
    if call.target.is_none() && call.args.len() == 2 {
        rewrite_operator(call, id);
    }
}

fn rewrite_operator(call: &mut CallExpr, id: u64) {
    let scalar = |expr: &IdedExpr| matches!(&expr.expr, Expr::Literal(literal) if !matches!(literal, LiteralValue::Null));
    let name = match call.func_name.as_str() {
        operators::ADD => "@add",
        operators::SUBSTRACT => "@subtract",
        operators::MULTIPLY => "@multiply",
        operators::DIVIDE => "@divide",
        // Against a plain literal the language's own equality is the same, and quicker.
        operators::EQUALS if !call.args.iter().any(scalar) => "@equals",
        operators::NOT_EQUALS if !call.args.iter().any(scalar) => "@differs",
        _ => return,
    };
    name.clone_into(&mut call.func_name);
    if name == "@add" {
        call.args.push(ident(id, "@budget"));
    }
}

fn rewrite_comprehension(comprehension: &mut ComprehensionExpr, id: u64) {
    rewrite(&mut comprehension.iter_range);
    let range = std::mem::take(&mut comprehension.iter_range);
    comprehension.iter_range = IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: "@walk".to_owned(),
            target: None,
            args: vec![range, ident(id, "@budget")],
        }),
    };
    rewrite(&mut comprehension.accu_init);
    rewrite_step(&mut comprehension.loop_step, &comprehension.accu_var);
}

/// The step of a loop, without its accumulation: the evaluator recognises that by its form and does it in place.
fn rewrite_step(step: &mut IdedExpr, accumulator: &str) {
    let is_accumulator = |expr: &IdedExpr| matches!(&expr.expr, Expr::Ident(name) if name == accumulator);
    match &mut step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL && call.args.len() == 3 => {
            let mut args = call.args.iter_mut();
            if let (Some(condition), Some(then), Some(otherwise)) = (args.next(), args.next(), args.next()) {
                rewrite(condition);
                rewrite_step(then, accumulator);
                rewrite_step(otherwise, accumulator);
            }
        }
        Expr::Call(call) if call.args.first().is_some_and(is_accumulator) => {
            call.args.iter_mut().skip(1).for_each(rewrite);
        }
        _ => rewrite(step),
    }
}

/// Turns `a.b[0].c` into `a.?b[?0].?c`, so that a missing part is nothing instead of an error.
fn make_optional(expr: &mut IdedExpr) {
    let id = expr.id;
    match std::mem::take(&mut expr.expr) {
        Expr::Select(mut select) if !select.test => {
            make_optional(&mut select.operand);
            let field = IdedExpr {
                id,
                expr: Expr::Literal(LiteralValue::String(select.field.into())),
            };
            expr.expr = Expr::Call(CallExpr {
                func_name: operators::OPT_SELECT.to_owned(),
                target: None,
                args: vec![*select.operand, field],
            });
        }
        Expr::Call(mut call) if call.func_name == operators::INDEX => {
            if let Some(operand) = call.args.first_mut() {
                make_optional(operand);
            }
            operators::OPT_INDEX.clone_into(&mut call.func_name);
            expr.expr = Expr::Call(call);
        }
        other => expr.expr = other,
    }
}
