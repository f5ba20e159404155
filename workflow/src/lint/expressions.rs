//! Expressions: each one compiles, names what is in reach, and gives what its place wants.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Lint;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::expr::{Expression, ExpressionError, Form, Operator, StepKind, Template, Tree, strip_marker};
use crate::model::{Call, Child, Fallback, Field, Node, NodeKind, Output, Part, Wanted};
use crate::names::{SPECIAL, is_type_word, to_snake};
use crate::types::Ty;

/// Where an expression stands.
pub(super) struct Site<'d> {
    /// The loops around it, outermost first.
    pub(super) around: Vec<&'d Node>,
    /// The nodes beside it and around it.
    pub(super) reach: Vec<&'d Node>,
    /// The node whose value it is; none for the output.
    pub(super) of: Option<&'d Node>,
}

impl<'d> Site<'d> {
    /// Outside all loops.
    pub(super) fn top(nodes: &'d [Node]) -> Self {
        Self {
            around: Vec::new(),
            reach: nodes.iter().collect(),
            of: None,
        }
    }

    /// The same place for the values of a node that stands there.
    pub(super) fn at(&self, node: &'d Node) -> Self {
        Self {
            around: self.around.clone(),
            reach: self.reach.clone(),
            of: Some(node),
        }
    }

    /// Inside the body of a loop that stands here.
    pub(super) fn inside(&self, node: &'d Node) -> Self {
        let mut around = self.around.clone();
        around.push(node);
        // Nodes inside come first: they are the nearer ones.
        let inner = node.body().unwrap_or_default().iter();
        let outer = self.reach.iter().copied().filter(|other| other.id != node.id);
        Self {
            around,
            reach: inner.chain(outer).collect(),
            of: None,
        }
    }

    /// The loop whose body knows this name besides nodes.
    pub(super) fn item(&self, name: &str) -> Option<&'d Node> {
        self.around
            .iter()
            .rev()
            .copied()
            .find(|node| node.kind.inner_name() == Some(name))
    }

    pub(super) fn node(&self, name: &str) -> Option<&'d Node> {
        self.reach.iter().copied().find(|node| node.id.as_str() == name)
    }

    /// The nodes whose `after` counts here: the one whose value this is, and the loops around it.
    pub(super) fn readers(&self) -> impl Iterator<Item = &'d Node> {
        self.around.iter().copied().chain(self.of)
    }

    /// Every name that an expression here may use.
    fn names(&self) -> Vec<&'d str> {
        let items = self.around.iter().filter_map(|node| node.kind.inner_name());
        SPECIAL
            .into_iter()
            .chain(items)
            .chain(self.reach.iter().map(|node| node.id.as_str()))
            .collect()
    }
}

impl<'d> Lint<'d> {
    pub(super) fn expressions(&mut self) {
        let model = &self.definition.model;
        let top = Site::top(&model.nodes);
        self.body(&model.nodes, &top);
        match &model.output {
            Output::Fields(fields) => self.fields("output", fields, &top),
            Output::Value(value) => self.template("output", value, &top),
        }
        for (_, call) in model.calls() {
            for source in &call.allow {
                if let Ok(template) = Template::compile(&Value::String(source.clone())) {
                    template.each(&mut |_, expression, _| self.use_of(expression.tree()));
                }
            }
        }
    }

    fn body(&mut self, nodes: &'d [Node], site: &Site<'d>) {
        for node in nodes {
            if self.interrupt.is_stopped() {
                return;
            }
            self.node(node, site);
        }
    }

    fn node(&mut self, node: &'d Node, site: &Site<'d>) {
        let path = format!("nodes.{}", node.id);
        let at = site.at(node);
        match &node.kind {
            NodeKind::Call(call) => self.call_values(&path, call, &at),
            NodeKind::Workflow(child) => self.child_values(&path, child, &at),
            kind => {
                for (place, part) in kind.parts() {
                    self.part(&format!("{path}.{place}"), part, &at);
                }
            }
        }
        if let Some(Fallback::Value(value)) = &node.fallback {
            self.template(&format!("{path}.fallback.value"), value, &at);
        }
        if let Some(undo) = node.undo.as_deref() {
            self.call_values(&format!("{path}~undo"), undo, &at);
        }
        if let Some(body) = node.body() {
            let inside = site.inside(node);
            self.body(body, &inside);
            for (place, part) in node.kind.inner_parts() {
                self.part(&format!("{path}.{place}"), part, &inside);
            }
        }
    }

    pub(super) fn call_values(&mut self, path: &str, call: &Call, site: &Site<'d>) {
        for (port, value) in &call.with {
            let path = format!("{path}.with.{port}");
            let before = self.findings.len();
            self.template(&path, value, site);
            if self.findings.len() == before {
                let found = self.port(&path, call, port, value, site);
                self.findings.extend(found);
            }
        }
    }

    /// What a node gives to the workflow that it runs.
    fn child_values(&mut self, path: &str, child: &'d Child, site: &Site<'d>) {
        for (name, value) in &child.with {
            let path = format!("{path}.with.{name}");
            let before = self.findings.len();
            self.template(&path, value, site);
            if self.findings.len() == before {
                let found = self.child_value(&path, child, name, value, site);
                self.findings.extend(found);
            }
        }
    }

    fn part(&mut self, path: &str, part: Part<'_>, site: &Site<'d>) {
        match part {
            Part::Template(value) => self.template(path, value, site),
            Part::Text(text) => self.template(path, &Value::String(text.to_owned()), site),
            Part::Expression(source, wanted) => self.bare(path, source, wanted, site),
        }
    }

    fn port(
        &self,
        path: &str,
        call: &Call,
        port: &str,
        value: &Value,
        site: &Site<'d>,
    ) -> Option<Diagnostic> {
        let operation = self.operation(&call.connector, &call.operation)?;
        let port = operation.params.iter().find(|known| known.name == port)?;
        let template = Template::compile(value).ok()?;
        let target = format!("{}/{}", call.connector, call.operation);
        self.fits(path, &target, port, &template, site, &self.types)
    }

    fn fields(&mut self, path: &str, fields: &[Field], site: &Site<'d>) {
        for field in fields {
            self.template(&format!("{path}.{}", field.name), &field.value, site);
        }
    }

    fn template(&mut self, path: &str, value: &Value, site: &Site<'d>) {
        match Template::compile(value) {
            Ok(template) => {
                let mut found = Vec::new();
                let mut seen = Vec::new();
                template.each(&mut |inner, expression, offset| {
                    found.extend(self.inside(&format!("{path}{inner}"), expression, offset, site).1);
                    seen.push(expression);
                });
                for expression in seen {
                    self.use_of(expression.tree());
                }
                self.findings.extend(found);
            }
            Err(errors) => {
                for error in errors {
                    let found = self.broken(&format!("{path}{}", error.path), &error.error, 0);
                    self.findings.push(found);
                }
            }
        }
    }

    /// An expression that stands without marker.
    fn bare(&mut self, path: &str, source: &str, wanted: Wanted, site: &Site<'d>) {
        let inner = strip_marker(source);
        if inner.len() != source.len() {
            let message = "this is always an expression, it needs no `${…}`";
            let mut found = self
                .error_at_value("FF-WF-019", path, message)
                .into_warning()
                .with_fix(format!("write {inner}"));
            if let Some(place) = self.definition.places.get(path) {
                let text = if needs_quotes(inner) {
                    crate::yaml::quote(inner)
                } else {
                    inner.to_owned()
                };
                let edit = Edit {
                    start: place.value.start,
                    end: place.value.end,
                    text,
                };
                found = found.with_correction("took the marker off", vec![edit]);
            }
            self.findings.push(found);
        }
        let offset = source.find(inner).unwrap_or(0);
        match Expression::compile(inner) {
            Ok(expression) => {
                let (ty, mut found) = self.inside(path, &expression, offset, site);
                if found.is_empty() && !wanted.allows(&ty) {
                    let message = format!("{}, this is {}", wanted.text(), ty.name());
                    found.push(
                        self.error_at_value("FF-WF-015", path, message)
                            .with_fix(wanted.fix()),
                    );
                }
                self.findings.extend(found);
                self.use_of(expression.tree());
            }
            Err(error) => {
                let found = self.broken(path, &error, offset);
                self.findings.push(found);
            }
        }
    }

    /// The type of an expression and what is wrong in it; types are looked at once all names are known.
    fn inside(
        &self,
        path: &str,
        expression: &Expression,
        offset: usize,
        site: &Site<'d>,
    ) -> (Ty, Vec<Diagnostic>) {
        let found = self.names(path, expression, offset, site);
        if found.is_empty() {
            self.typed(path, expression, offset, site, &self.types)
        } else {
            (Ty::Any, found)
        }
    }

    fn broken(&self, path: &str, error: &ExpressionError, offset: usize) -> Diagnostic {
        let at = self.definition.places.inside_text(path, error.offset + offset);
        let found = self
            .definition
            .source
            .error(error.code, at, error.message.clone());
        match &error.fix {
            Some(fix) => found.with_fix(fix.clone()),
            None => found,
        }
    }

    /// Names that are not in reach.
    fn names(&self, path: &str, expression: &Expression, offset: usize, site: &Site<'d>) -> Vec<Diagnostic> {
        let known = |name: &str| {
            SPECIAL.contains(&name)
                || site.item(name).is_some()
                || site.node(name).is_some()
                || is_type_word(name)
        };
        let unknown: Vec<&str> = expression
            .references()
            .all()
            .filter(|name| !known(name))
            .collect();
        unknown
            .into_iter()
            .map(|name| {
                let at_in_source = word_at(expression.source(), name).unwrap_or(0);
                let at = self.definition.places.inside_text(path, offset + at_in_source);
                self.unknown_name(at, name, expression, site)
            })
            .collect()
    }

    fn unknown_name(&self, at: usize, name: &str, expression: &Expression, site: &Site<'d>) -> Diagnostic {
        let source = &self.definition.source;
        if let Some((left, field)) = minus_trap(expression, name) {
            let wrong = format!("{field}-{name}");
            let right = to_snake(&wrong).unwrap_or_else(|| format!("{field}_{name}"));
            let message = format!("`{left}.{wrong}` means `{left}.{field}` minus `{name}`");
            return source.error("FF-WF-016", at, message).with_fix(format!(
                "names are snake_case: {left}.{right}; for a field of other data write {left}[\"{wrong}\"]"
            ));
        }
        let found = source.error("FF-WF-013", at, format!("`{name}` is not in reach here"));
        if let Some((around, _)) = self
            .definition
            .model
            .walk()
            .iter()
            .find(|(_, node)| node.id.as_str() == name)
        {
            let fix = match around.last() {
                Some(each) => {
                    let results = match &each.kind {
                        NodeKind::Foreach(_) => "the list of its results",
                        _ => "the result of its last round",
                    };
                    format!("`{name}` runs inside `{0}`: use `{0}`, {results}", each.id)
                }
                None => "it is this node itself".to_owned(),
            };
            return found.with_fix(fix);
        }
        if self.definition.model.input.iter().any(|field| field.name == name) {
            return found.with_fix(format!("write `input.{name}`"));
        }
        if self.definition.model.config.contains_key(name) {
            return found.with_fix(format!("write `config.{name}`"));
        }
        if self.definition.model.secrets.iter().any(|secret| secret == name)
            || name == "secrets"
            || name == "env"
        {
            return found
                .with_fix("no expression sees a secret: give it to a slot, `secrets: { auth: name }`");
        }
        let names = site.names();
        match nearest(name, names.iter().copied()) {
            Some(near) => found.with_fix(format!("did you mean `{near}`?")),
            None => found.with_fix(format!("in reach are: {}", crate::names::some_of(&names))),
        }
    }

    /// Remembers which inputs and configuration values are used.
    fn use_of(&mut self, tree: &Tree) {
        uses(tree, &mut self.used);
    }
}

fn uses(tree: &Tree, used: &mut BTreeSet<String>) {
    tree.visit(&mut |part| {
        let (root, field) = match &part.form {
            Form::Steps(base, steps) => match (&base.form, steps.first().map(|step| &step.kind)) {
                (Form::Name(root), Some(StepKind::Field(field))) => (root, Some(field)),
                _ => return true,
            },
            Form::Has(of, field) => match &of.form {
                Form::Name(root) => (root, Some(field)),
                _ => return true,
            },
            Form::Name(root) => (root, None),
            _ => return true,
        };
        if root != "input" && root != "config" {
            return true;
        }
        match field {
            Some(field) => used.insert(format!("{root}.{field}")),
            None => used.insert(root.clone()),
        };
        // The name itself is not used as a whole; what stands in brackets behind it is looked at.
        if let Form::Steps(_, steps) = &part.form {
            for step in steps {
                if let StepKind::Index(index) | StepKind::AskIndex(index) = &step.kind {
                    uses(index, used);
                }
            }
        }
        false
    });
}

impl Wanted {
    fn allows(self, ty: &Ty) -> bool {
        match (self, ty) {
            (_, Ty::Any) | (Self::Case | Self::End, Ty::Bool) | (Self::List, Ty::List { .. }) => true,
            (Self::Correlation, ty) => ty.is_number() || matches!(ty, Ty::Text | Ty::Bool),
            (Self::Moment, ty) => ty.is_number() || matches!(ty, Ty::Moment | Ty::Text),
            _ => false,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Case => "a case must be true or false",
            Self::End => "the condition of a loop must be true or false",
            Self::Correlation => "`correlate` needs text or a number",
            Self::List => "`foreach` needs a list",
            Self::Moment => "`until` needs a moment",
        }
    }

    fn fix(self) -> &'static str {
        match self {
            Self::Correlation => "name what tells one from another, for example `order.id`",
            Self::Case | Self::End => "compare it with something, for example `x > 0`",
            Self::List => "name a list, for example `fetch.body.items`",
            Self::Moment => "for example `now() + duration(\"1h\")`",
        }
    }
}

/// Whether a plain scalar of this text would mean something else to YAML.
fn needs_quotes(text: &str) -> bool {
    text.contains(": ")
        || text.contains(" #")
        || text.starts_with([
            '"', '\'', '[', '{', '!', '&', '*', '-', '?', '|', '>', '%', '@', '`',
        ])
}

/// `input.feed-url`: the path and the field before a minus whose right side begins with this unknown name.
fn minus_trap(expression: &Expression, name: &str) -> Option<(String, String)> {
    let mut found = None;
    expression.tree().visit(&mut |part| {
        let Form::Chain(first, rest) = &part.form else {
            return true;
        };
        let mut left: &Tree = first;
        for (operator, right) in rest {
            if *operator == Operator::Subtract
                && root(right) == Some(name)
                && let Form::Steps(base, steps) = &left.form
                && let Some(last) = steps.last()
                && let StepKind::Field(field) = &last.kind
            {
                let end = steps
                    .len()
                    .checked_sub(2)
                    .and_then(|at| steps.get(at))
                    .map_or(base.end, |step| step.end);
                let path = expression.source().get(left.start..end).unwrap_or_default();
                found = Some((path.to_owned(), field.clone()));
            }
            left = right;
        }
        true
    });
    found
}

fn root(tree: &Tree) -> Option<&str> {
    match &tree.form {
        Form::Name(name) => Some(name),
        Form::Steps(base, _) => root(base),
        _ => None,
    }
}

/// The byte at which a name stands as a word of its own.
pub(crate) fn word_at(source: &str, name: &str) -> Option<usize> {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    source.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = source.get(..*at).and_then(|text| text.chars().next_back());
        let after = source.get(at + name.len()..).and_then(|text| text.chars().next());
        !part(before) && !after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
