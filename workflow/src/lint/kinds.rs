//! Which outcome of a node a value sees, and the types that follow from it.

use serde_json::Value;

use super::Lint;
use super::expressions::Site;
use crate::diagnostic::Diagnostic;
use crate::expr::Template;
use crate::model::{After, Child, Node, NodeKind, OnError};
use crate::order::may_expire;
use crate::types::Ty;

/// The type of a node's value from a place that comes after its failure or its expiry; `None` where its good value is
/// meant.
pub(super) fn seen_from(site: &Site<'_>, node: &Node) -> Option<Ty> {
    let of = |after: &&After| after.node == node.id;
    let reader = site.readers().find(|reader| {
        reader
            .after
            .iter()
            .any(|after| of(&after) && is_hidden(node, after))
    })?;
    let mut outcomes = reader.after.iter();
    if outcomes.any(|after| !(of(&after) && is_hidden(node, after))) {
        // Another of them may have happened instead.
        return Some(Ty::Any);
    }
    let text = |name: &str| (name.to_owned(), Ty::Text);
    Some(
        match reader.after.first().and_then(|after| after.outcome.as_deref()) {
            Some("failed") if reader.after.len() == 1 => {
                let failure = Ty::closed(vec![
                    text("kind"),
                    text("message"),
                    ("code".to_owned(), Ty::Any),
                    ("path".to_owned(), Ty::Any),
                    ("retry_after_ms".to_owned(), Ty::Any),
                ]);
                Ty::closed(vec![("failure".to_owned(), failure)])
            }
            Some("expired") if reader.after.len() == 1 => Ty::closed(vec![text("expired_at")]),
            _ => Ty::Any,
        },
    )
}

/// Whether the value that this outcome has is seen only by nodes that come after it.
fn is_hidden(node: &Node, after: &After) -> bool {
    match after.outcome.as_deref() {
        Some("failed") => node.on_error == OnError::Branch,
        Some("expired") => matches!(&node.kind, NodeKind::Wait(_)),
        _ => false,
    }
}

/// Whether the result of a round holds the good value of this node, if it ran.
pub(super) fn seen_in_results(node: &Node) -> bool {
    node.on_error == OnError::Stop && !may_expire(node)
}

impl<'d> Lint<'d> {
    /// A value made of expressions that certainly is not what the other workflow takes. Constants are compared with the
    /// whole schema elsewhere.
    pub(super) fn child_value(
        &self,
        path: &str,
        child: &Child,
        name: &str,
        value: &Value,
        site: &Site<'d>,
    ) -> Option<Diagnostic> {
        let known = self.children.get(&child.workflow)?;
        let field = known.input.iter().find(|field| field.name == name)?;
        let template = Template::compile(value).ok()?;
        if matches!(template, Template::Constant(_)) {
            return None;
        }
        let ty = self.template_type(&template, site, &self.types);
        let wanted = Ty::of_schema(&field.schema);
        if field.optional && ty == Ty::Null || !ty.differs(&wanted) {
            return None;
        }
        let message = format!(
            "input `{name}` of `{}` takes {}, this is {}",
            child.workflow,
            wanted.name(),
            ty.name()
        );
        let found = self.error_at_value("FF-WF-037", path, message);
        Some(match (&ty, &wanted) {
            (ty, Ty::Text) if ty.is_number() || *ty == Ty::Bool => {
                found.with_fix("write string(…) around it")
            }
            (Ty::Text, Ty::Int) => found.with_fix("write int(…) around it"),
            (Ty::Text, wanted) if wanted.is_number() => found.with_fix("write double(…) around it"),
            (_, Ty::List { .. }) => found.with_fix("write [ … ] around it"),
            _ => found,
        })
    }

    /// The type of what a node gives that runs another workflow.
    pub(super) fn child_type(&self, child: &Child) -> Ty {
        if child.detach {
            return Ty::closed(vec![("run".to_owned(), Ty::Text)]);
        }
        match self
            .children
            .get(&child.workflow)
            .and_then(|known| known.output.as_ref())
        {
            Some(fields) => Ty::closed(fields.iter().map(|name| (name.clone(), Ty::Any)).collect()),
            None => Ty::Any,
        }
    }
}
