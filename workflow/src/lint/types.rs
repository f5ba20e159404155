//! Types: what each expression gives fits where it goes, and every field it reads is there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use flowforge_ports::Type;
use serde_json::Value;

use super::Lint;
use super::expressions::Site;
use crate::diagnostic::Diagnostic;
use crate::expr::{Expression, Template, strip_marker};
use crate::model::{Foreach, Node, NodeKind};
use crate::types::{Finding, Names, Ty, infer};

/// The types of what nodes give, as far as they were asked for. `None` while one is being found: a cycle.
pub(super) type Known = RefCell<BTreeMap<String, Option<Ty>>>;

/// The names at one place with their types.
pub(super) struct TypedNames<'l, 'd> {
    pub(super) lint: &'l Lint<'d>,
    pub(super) site: &'l Site<'d>,
    pub(super) known: &'l Known,
}

impl Names for TypedNames<'_, '_> {
    fn ty(&self, name: &str) -> Ty {
        if let Some(node) = self.site.item(name) {
            return match &node.kind {
                NodeKind::Foreach(each) => self.lint.list_type(node, each, self.known).element(),
                _ => Ty::Any,
            };
        }
        if let Some(node) = self.site.node(name) {
            return self.lint.node_type(node, self.known);
        }
        let text = |name: &str| (name.to_owned(), Ty::Text);
        match name {
            "input" => {
                let fields = self.lint.definition.model.input.iter().map(|field| {
                    let ty = if field.optional {
                        Ty::Any
                    } else {
                        Ty::of_schema(&field.schema)
                    };
                    (field.name.clone(), ty)
                });
                Ty::closed(fields.collect())
            }
            "config" => Ty::of_value(&self.lint.config),
            "run" => Ty::closed(vec![text("id"), text("workflow"), text("started_at")]),
            "trigger" => Ty::open(),
            _ => Ty::Any,
        }
    }
}

impl<'d> Lint<'d> {
    /// The site of a node.
    fn site_of(&self, node: &Node) -> Site<'d> {
        let model = &self.definition.model;
        let mut site = Site {
            around: Vec::new(),
            reach: model.nodes.iter().collect(),
        };
        let walk = model.walk();
        let Some((around, _)) = walk.into_iter().find(|(_, other)| other.id == node.id) else {
            return site;
        };
        for each in around {
            if let NodeKind::Foreach(inner) = &each.kind {
                site.reach.retain(|other| other.id != each.id);
                site.reach.extend(inner.body.iter());
                site.around.push(each);
            }
        }
        site
    }

    /// The type of what a node gives.
    fn node_type(&self, node: &Node, known: &Known) -> Ty {
        let id = node.id.to_string();
        if let Some(ty) = known.borrow().get(&id) {
            return ty.clone().unwrap_or(Ty::Any);
        }
        known.borrow_mut().insert(id.clone(), None);
        let ty = match &node.kind {
            NodeKind::Call(call) => match self.operation(&call.connector, &call.operation) {
                Some(operation) => operation.result.as_ref().map_or(Ty::Null, Ty::of_port),
                None => Ty::Any,
            },
            NodeKind::Set { fields } => {
                let site = self.site_of(node);
                let fields = fields
                    .iter()
                    .map(|field| (field.name.clone(), self.value_type(&field.value, &site, known)));
                Ty::closed(fields.collect())
            }
            NodeKind::Switch { .. } => Ty::Text,
            NodeKind::Foreach(each) => {
                let element = match each.body.as_slice() {
                    [only] => self.node_type(only, known),
                    body => Ty::closed(
                        body.iter()
                            .map(|node| (node.id.to_string(), self.node_type(node, known)))
                            .collect(),
                    ),
                };
                Ty::List(Box::new(element))
            }
            NodeKind::Wait(_) => Ty::Null,
            NodeKind::Approval(_) => Ty::closed(vec![
                ("approved".to_owned(), Ty::Bool),
                ("by".to_owned(), Ty::Any),
                ("comment".to_owned(), Ty::Any),
                ("at".to_owned(), Ty::Text),
            ]),
        };
        known.borrow_mut().insert(id, Some(ty.clone()));
        ty
    }

    fn list_type(&self, node: &Node, each: &Foreach, known: &Known) -> Ty {
        let Ok(list) = Expression::compile(strip_marker(&each.list)) else {
            return Ty::Any;
        };
        let names = TypedNames {
            lint: self,
            site: &self.site_of(node),
            known,
        };
        infer(list.tree(), &names, &mut Vec::new())
    }

    /// The type of a value with expressions in it.
    fn value_type(&self, value: &Value, site: &Site<'d>, known: &Known) -> Ty {
        Template::compile(value).map_or(Ty::Any, |template| self.template_type(&template, site, known))
    }

    pub(super) fn template_type(&self, template: &Template, site: &Site<'d>, known: &Known) -> Ty {
        match template {
            Template::Constant(value) => Ty::of_value(value),
            Template::Expression(expression) => {
                let names = TypedNames {
                    lint: self,
                    site,
                    known,
                };
                infer(expression.tree(), &names, &mut Vec::new())
            }
            Template::Text(_) => Ty::Text,
            Template::List(items) => {
                Ty::list_of(items.iter().map(|item| self.template_type(item, site, known)))
            }
            Template::Object(fields) => Ty::closed(
                fields
                    .iter()
                    .map(|(name, field)| (name.clone(), self.template_type(field, site, known)))
                    .collect(),
            ),
        }
    }

    /// What is wrong inside an expression.
    pub(super) fn typed(
        &self,
        path: &str,
        expression: &Expression,
        offset: usize,
        site: &Site<'d>,
        known: &Known,
    ) -> (Ty, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let names = TypedNames {
            lint: self,
            site,
            known,
        };
        let ty = infer(expression.tree(), &names, &mut findings);
        let found = findings
            .into_iter()
            .map(|finding| self.placed(path, expression, offset, finding))
            .collect();
        (ty, found)
    }

    fn placed(&self, path: &str, expression: &Expression, offset: usize, finding: Finding) -> Diagnostic {
        let near = if finding.near.is_empty() {
            None
        } else {
            expression.source().find(&finding.near)
        };
        // A field is shown at its first letter, not at the dot.
        let near = near.map_or(0, |at| at + usize::from(finding.near.starts_with('.')));
        let at = self.definition.places.inside_text(path, offset + near);
        self.definition
            .source
            .error(finding.code, at, finding.message)
            .with_mend(finding.mend)
    }

    /// Whether a value fits the port it goes to.
    pub(super) fn fits(
        &self,
        path: &str,
        target: &str,
        port: &flowforge_ports::Port,
        template: &Template,
        site: &Site<'d>,
        known: &Known,
    ) -> Option<Diagnostic> {
        if let Some(found) = self.unknown_case(path, target, port, template) {
            return Some(found);
        }
        let ty = self.template_type(template, site, known);
        let reason = ty.misfit(&port.ty)?;
        let found = self.error_at_value(
            "FF-WF-015",
            path,
            format!("port `{}` of `{target}` {reason}", port.name),
        );
        Some(match (&ty, &port.ty) {
            (Ty::Int | Ty::Double | Ty::Number | Ty::Bool, Type::String) => {
                found.with_mend("write string(…) around it")
            }
            (Ty::Text, Type::F32 | Type::F64) => {
                found.with_mend("write double(…) around it, or leave the quotes out")
            }
            (
                Ty::Text,
                Type::S8 | Type::S16 | Type::S32 | Type::S64 | Type::U8 | Type::U16 | Type::U32 | Type::U64,
            ) => found.with_mend("write int(…) around it, or leave the quotes out"),
            (Ty::Int | Ty::Double | Ty::Number | Ty::Bool | Ty::Text, Type::List { .. }) => {
                found.with_mend("write [ … ] around it")
            }
            (Ty::Double, _) => found.with_mend("write round(…) or int(…) around it"),
            (Ty::List(_), ty) if !matches!(ty, Type::List { .. }) => {
                found.with_mend("use a `foreach` node to call it for each element")
            }
            _ => {
                let connector = target.split('/').next().unwrap_or(target);
                found.with_mend(format!(
                    "`flowforge connector inspect {connector}` shows what its ports take"
                ))
            }
        })
    }

    /// A constant that is not among the cases of an enum.
    fn unknown_case(
        &self,
        path: &str,
        target: &str,
        port: &flowforge_ports::Port,
        template: &Template,
    ) -> Option<Diagnostic> {
        let (Type::Enum { cases, .. }, Template::Constant(Value::String(text))) = (&port.ty, template) else {
            return None;
        };
        if cases.iter().any(|case| case.name == *text) {
            return None;
        }
        let message = format!(
            "port `{}` of `{target}` takes {}, not `{text}`",
            port.name,
            port.ty.expectation()
        );
        Some(self.error_at_value("FF-WF-015", path, message))
    }
}
