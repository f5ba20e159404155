//! Types: what each expression gives fits where it goes, and every field it reads is there.

use std::collections::BTreeMap;

use flowforge_protocol::approval::Terms;
use serde_json::Value;

use super::Lint;
use super::expressions::Site;
use super::kinds::{seen_from, seen_in_results};
use super::order::of_part;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expr::{Expression, Form, Operator, References, Template, strip_marker};
use crate::model::{Fallback, Foreach, InputField, Node, NodeKind, OnError, Part};
use crate::types::{Finding, Names, Ty, infer, misfit};

/// The types of what nodes give and of the lists that loops run over. What is not in it is any value: the nodes that
/// wait for each other.
#[derive(Debug, Default)]
pub(super) struct Known {
    nodes: BTreeMap<String, Ty>,
    lists: BTreeMap<String, Ty>,
}

impl Known {
    /// The type of what a node gives.
    pub(super) fn of_node(&self, id: &str) -> Ty {
        self.nodes.get(id).cloned().unwrap_or(Ty::Any)
    }
}

/// The names at one place with their types.
pub(super) struct TypedNames<'l, 'd> {
    pub(super) lint: &'l Lint<'d>,
    pub(super) site: &'l Site<'d>,
    pub(super) known: &'l Known,
}

impl Names for TypedNames<'_, '_> {
    fn ty(&self, name: &str) -> Ty {
        let found = |types: &BTreeMap<String, Ty>, node: &Node| {
            types.get(node.id.as_str()).cloned().unwrap_or(Ty::Any)
        };
        if let Some(node) = self.site.item(name) {
            return match &node.kind {
                NodeKind::Foreach(_) => found(&self.known.lists, node).element(),
                _ => Ty::Int,
            };
        }
        if let Some(node) = self.site.node(name) {
            return seen_from(self.site, node).unwrap_or_else(|| found(&self.known.nodes, node));
        }
        let text = |name: &str| (name.to_owned(), Ty::Text);
        match name {
            "input" => of_fields(&self.lint.definition.model.input),
            "config" => Ty::of_value(&self.lint.config),
            "run" => Ty::closed(vec![text("id"), text("workflow"), text("started_at")]),
            "trigger" => Ty::open(),
            _ => Ty::Any,
        }
    }

    fn instead_of_field(&self, name: &str, field: &str) -> Option<String> {
        let branches = |node: &Node| node.on_error == OnError::Branch && field == "failure";
        let node = self.site.node(name).filter(|node| branches(node))?;
        Some(format!(
            "only a node with `after: {}.failed` sees the failure",
            node.id
        ))
    }
}

/// The type of an object of fields that somebody fills in.
fn of_fields(fields: &[InputField]) -> Ty {
    let of_field = |field: &InputField| {
        let ty = if field.optional {
            Ty::Any
        } else {
            Ty::of_schema(&field.schema)
        };
        (field.name.clone(), ty)
    };
    Ty::closed(fields.iter().map(of_field).collect())
}

/// The type of what a question gives.
fn answer_type(terms: &Terms) -> Ty {
    let said = |name: &str, ty: Ty| (name.to_owned(), ty);
    let mut fields = vec![
        said("approved", Ty::Bool),
        said("by", Ty::Any),
        said("comment", Ty::Any),
        said("at", Ty::Text),
    ];
    if !terms.form.is_empty() {
        fields.push(said("form", of_fields(&terms.form)));
    }
    if terms.quorum > 1 {
        fields.push(said("answers", Ty::list(Ty::open())));
    }
    Ty::closed(fields)
}

/// Something whose type is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// What a node gives, by its place in the walk.
    Node(usize),
    /// The list that a loop runs over.
    List(usize),
}

impl Task {
    fn slot(self) -> usize {
        match self {
            Self::Node(index) => 2 * index,
            Self::List(index) => 2 * index + 1,
        }
    }
}

impl<'d> Lint<'d> {
    /// Finds the type of every node, each one after those it is made from. A chain of nodes takes no stack.
    pub(super) fn find_types(&mut self) {
        let walk = self.definition.model.walk();
        let by_id: BTreeMap<&str, usize> = walk
            .iter()
            .enumerate()
            .map(|(index, (_, node))| (node.id.as_str(), index))
            .collect();
        let mut tasks = Vec::with_capacity(walk.len());
        for (index, (_, node)) in walk.iter().enumerate() {
            tasks.push(Task::Node(index));
            if matches!(node.kind, NodeKind::Foreach(_)) {
                tasks.push(Task::List(index));
            }
        }
        let mut waiting: Vec<usize> = vec![0; walk.len() * 2];
        let mut dependents: Vec<Vec<Task>> = vec![Vec::new(); walk.len() * 2];
        for task in &tasks {
            if self.interrupt.is_stopped() {
                return;
            }
            for from in made_from(*task, &walk, &by_id) {
                if let (Some(list), Some(count)) =
                    (dependents.get_mut(from.slot()), waiting.get_mut(task.slot()))
                {
                    list.push(*task);
                    *count += 1;
                }
            }
        }
        let mut ready: Vec<Task> = tasks
            .iter()
            .copied()
            .filter(|task| waiting.get(task.slot()) == Some(&0))
            .collect();
        while let Some(task) = ready.pop() {
            if self.interrupt.is_stopped() {
                return;
            }
            self.find_type(task, &walk);
            for dependent in dependents.get(task.slot()).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(dependent.slot()) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(*dependent);
                    }
                }
            }
        }
    }

    fn find_type(&mut self, task: Task, walk: &[(Vec<&'d Node>, &'d Node)]) {
        let (Task::Node(index) | Task::List(index)) = task;
        let Some((around, node)) = walk.get(index) else {
            return;
        };
        let id = node.id.to_string();
        let site = self.site_of(around).at(node);
        match task {
            Task::Node(_) => {
                let ty = self.node_type(node, &site);
                self.types.nodes.insert(id, ty);
            }
            Task::List(_) => {
                let NodeKind::Foreach(each) = &node.kind else {
                    return;
                };
                let ty = self.list_type(each, &site);
                self.types.lists.insert(id, ty);
            }
        }
    }

    /// The site of a node inside these loops.
    pub(super) fn site_of(&self, around: &[&'d Node]) -> Site<'d> {
        let top = Site::top(&self.definition.model.nodes);
        around.iter().fold(top, |site, each| site.inside(each))
    }

    /// The type of what a node gives, from those of what it is made from.
    fn node_type(&self, node: &Node, site: &Site<'d>) -> Ty {
        let known = &self.types;
        let own = match &node.kind {
            NodeKind::Call(call) => match self.operation(&call.connector, &call.operation) {
                Some(operation) => operation.result.as_ref().map_or(Ty::Null, Ty::of_port),
                None => Ty::Any,
            },
            NodeKind::Set { fields } => {
                let fields = fields
                    .iter()
                    .map(|field| (field.name.clone(), self.value_type(&field.value, site, known)));
                Ty::closed(fields.collect())
            }
            NodeKind::Switch { .. } => Ty::Text,
            NodeKind::Foreach(each) => Ty::list(self.round_type(&each.body)),
            NodeKind::Repeat(repeat) => self.round_type(&repeat.body),
            NodeKind::Wait(wait) if wait.signal.is_some() => Ty::Any,
            NodeKind::Wait(_) => Ty::Null,
            NodeKind::Approval(approval) => answer_type(&approval.terms),
            NodeKind::Workflow(child) => self.child_type(child),
            NodeKind::Respond(_) => Ty::closed(vec![("status".to_owned(), Ty::Int)]),
        };
        match &node.fallback {
            None => own,
            Some(Fallback::Value(value)) => own.or(self.value_type(value, site, known)),
            Some(Fallback::Node(id)) => own.or(known.nodes.get(id.as_str()).cloned().unwrap_or(Ty::Any)),
        }
    }

    /// The type of the result of one round of a loop.
    fn round_type(&self, body: &[Node]) -> Ty {
        let of = |node: &Node| match seen_in_results(node) {
            true => self.types.nodes.get(node.id.as_str()).cloned().unwrap_or(Ty::Any),
            false => Ty::Any,
        };
        match body {
            [only] => of(only),
            body => Ty::closed(body.iter().map(|node| (node.id.to_string(), of(node))).collect()),
        }
    }

    fn list_type(&self, each: &Foreach, site: &Site<'d>) -> Ty {
        let Ok(list) = Expression::compile(strip_marker(&each.list)) else {
            return Ty::Any;
        };
        let names = TypedNames {
            lint: self,
            site,
            known: &self.types,
        };
        infer(&list, &names, &mut Vec::new())
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
                infer(expression, &names, &mut Vec::new())
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
        let ty = infer(expression, &names, &mut findings);
        findings.extend(mean_by_name(path, expression, &ty, &findings));
        let found = findings
            .into_iter()
            .map(|finding| self.placed(path, offset, finding))
            .collect();
        (ty, found)
    }

    fn placed(&self, path: &str, offset: usize, finding: Finding) -> Diagnostic {
        let at = self.definition.places.inside_text(path, offset + finding.at);
        let found = self
            .definition
            .source
            .error(finding.code, at, finding.message)
            .with_fix(finding.fix);
        match finding.severity {
            Severity::Error => found,
            Severity::Warning => found.into_warning(),
        }
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
        let names = TypedNames {
            lint: self,
            site,
            known,
        };
        let ty_of = |expression: &Expression| infer(expression, &names, &mut Vec::new());
        let found = misfit(template, &port.ty, &ty_of)?;
        let message = format!(
            "port `{}{}` of `{target}` {}",
            port.name, found.path, found.reason
        );
        let place = format!("{path}{}", found.path);
        let diagnostic = self.error_at_value("FF-WF-015", &place, message);
        // Of an expression only the type is known, and of a list or a record that is not all.
        let is_vague = matches!(template, Template::Expression(_));
        Some(match found.fix {
            Some(fix) => diagnostic.with_fix(fix),
            None if is_vague => {
                let connector = target.split('/').next().unwrap_or(target);
                diagnostic.with_fix(format!(
                    "`flowforge connector inspect {connector}` shows what its ports take"
                ))
            }
            None => diagnostic,
        })
    }
}

/// A hint for a quotient of whole numbers in a field that is called a mean.
fn mean_by_name(path: &str, expression: &Expression, ty: &Ty, found: &[Finding]) -> Option<Finding> {
    const NAMES: [&str; 5] = ["mean", "avg", "average", "ratio", "rate"];
    let field = path.rsplit('.').next().unwrap_or_default();
    let is_mean = field.split('_').any(|word| NAMES.contains(&word));
    let code = "FF-WF-029";
    let tree = expression.tree();
    let divides = matches!(
        &tree.form,
        Form::Chain(_, rest) if matches!(rest.last(), Some((Operator::Divide, _)))
    );
    let is_new = !found.iter().any(|finding| finding.code == code);
    (is_mean && divides && *ty == Ty::Int && is_new).then(|| Finding {
        code,
        message: format!("int / int is an int: `{field}` loses its fraction"),
        severity: Severity::Warning,
        fix: "write double(…) around one side".to_owned(),
        at: tree.start,
    })
}

/// What the type of a task is made from.
fn made_from(task: Task, walk: &[(Vec<&Node>, &Node)], by_id: &BTreeMap<&str, usize>) -> Vec<Task> {
    let (Task::Node(index) | Task::List(index)) = task;
    let Some((around, node)) = walk.get(index) else {
        return Vec::new();
    };
    let mut references = References::default();
    match (&node.kind, task) {
        (NodeKind::Set { fields }, _) => {
            for field in fields {
                if let Ok(template) = Template::compile(&field.value) {
                    references.merge(&template.references());
                }
            }
        }
        (NodeKind::Foreach(each), Task::List(_)) => {
            if let Ok(list) = Expression::compile(strip_marker(&each.list)) {
                references.merge(list.references());
            }
        }
        (_, Task::List(_)) | (_, Task::Node(_)) => {}
    }
    if let Some(Fallback::Value(value)) = &node.fallback {
        references.merge(&of_part(Part::Template(value)));
    }
    let inside = match task {
        Task::Node(_) => node.body().unwrap_or_default(),
        Task::List(_) => &[],
    };
    let stand_in = match &node.fallback {
        Some(Fallback::Node(id)) => Some(id),
        _ => None,
    };
    let whole = inside.iter().map(|node| &node.id).chain(stand_in);
    let whole = whole.filter_map(|id| by_id.get(id.as_str()).map(|index| Task::Node(*index)));
    let loop_of = |name: &str| {
        around
            .iter()
            .rev()
            .find(|node| node.kind.inner_name() == Some(name))
            .and_then(|node| Some((&node.kind, *by_id.get(node.id.as_str())?)))
    };
    let named = references.all().filter_map(|name| match loop_of(name) {
        Some((NodeKind::Foreach(_), index)) => Some(Task::List(index)),
        // The number of a round is a whole number, whatever else is known.
        Some(_) => None,
        None => by_id.get(name).map(|index| Task::Node(*index)),
    });
    named.chain(whole).collect()
}
