//! From the canonical form to the plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use flowforge_ports::{Effect, Interface};
use serde_json::Value;

use super::{
    AfterPlan, ApprovalPlan, Body, CallPlan, LoopPlan, OutputPlan, Plan, PlanError, PlanKind, PlanNode,
    WaitPlan, Wanted,
};
use crate::expr::{Expression, References, Template};
use crate::model::{After, Field, Node, NodeKind, Output, Workflow};
use crate::names::{SPECIAL, is_type_word};

impl Plan {
    /// Makes the plan of a canonical definition.
    ///
    /// `interfaces` tells the effect class of each operation; one that is not there counts as unsafe to repeat, which
    /// changes only what happens after a failure with unknown outcome.
    ///
    /// # Errors
    ///
    /// What the lint would have refused: see [`PlanError`].
    pub fn from_canonical(
        definition: &Value,
        interfaces: &BTreeMap<String, Interface>,
    ) -> Result<Arc<Self>, PlanError> {
        let model = crate::canonical::read(definition).map_err(PlanError::Shape)?;
        let mut builder = Builder {
            interfaces,
            nodes: Vec::new(),
            by_id: HashMap::new(),
            model: &model,
        };
        let (top, loose) = builder.body(&model.nodes, &[], &[])?;
        builder.check_loose(&loose, &[], "the workflow")?;
        let output = builder.output(&model.output)?;
        Ok(Arc::new(Self {
            title: if model.title.is_empty() {
                model.workflow.clone()
            } else {
                model.title.clone()
            },
            config: Arc::new(Value::Object(model.config.clone())),
            output,
            top,
            nodes: builder.nodes.into_iter().flatten().collect(),
            by_id: builder.by_id,
            workflow: model.workflow,
        }))
    }
}

struct Builder<'m> {
    interfaces: &'m BTreeMap<String, Interface>,
    model: &'m Workflow,
    nodes: Vec<Option<PlanNode>>,
    by_id: HashMap<String, usize>,
}

/// A node that is compiled but not yet connected.
struct Draft {
    number: usize,
    kind: PlanKind,
    references: References,
}

impl Builder<'_> {
    /// Builds a body. Gives it with the names that nothing inside it defines.
    fn body(
        &mut self,
        nodes: &[Node],
        loops: &[usize],
        items: &[&str],
    ) -> Result<(Body, References), PlanError> {
        let mut drafts = Vec::with_capacity(nodes.len());
        for node in nodes {
            let number = self.nodes.len();
            self.nodes.push(None);
            self.by_id.insert(node.id.to_string(), number);
            let (kind, references) = self.kind(node, number, loops, items)?;
            drafts.push(Draft {
                number,
                kind,
                references,
            });
        }
        let slots: HashMap<&str, usize> = nodes
            .iter()
            .enumerate()
            .map(|(slot, node)| (node.id.as_str(), slot))
            .collect();
        let mut loose = References::default();
        let mut body = Body {
            nodes: drafts.iter().map(|draft| draft.number).collect(),
            roots: Vec::new(),
        };
        let mut edges: Vec<BTreeSet<usize>> = Vec::with_capacity(nodes.len());
        for ((slot, node), draft) in nodes.iter().enumerate().zip(drafts) {
            let split = |names: &BTreeSet<String>| -> (Vec<usize>, BTreeSet<String>) {
                let known = names
                    .iter()
                    .filter_map(|name| slots.get(name.as_str()).copied())
                    .collect();
                let rest = names
                    .iter()
                    .filter(|name| !slots.contains_key(name.as_str()))
                    .cloned()
                    .collect();
                (known, rest)
            };
            let (needs, needed) = split(&draft.references.needed);
            let (asks, asked) = split(&draft.references.asked);
            loose.merge(&References { needed, asked });
            let after = node
                .after
                .iter()
                .map(|after| self.after(nodes, &slots, node, after))
                .collect::<Result<Vec<_>, _>>()?;
            if needs.is_empty() && asks.is_empty() && after.is_empty() {
                body.roots.push(slot);
            }
            edges.push(
                needs
                    .iter()
                    .chain(&asks)
                    .copied()
                    .chain(after.iter().map(|after| after.slot))
                    .collect(),
            );
            let plan_node = PlanNode {
                id: node.id.clone(),
                kind: draft.kind,
                loops: loops.to_vec(),
                slot,
                needs,
                asks,
                after,
                dependents: Vec::new(),
            };
            if let Some(place) = self.nodes.get_mut(draft.number) {
                *place = Some(plan_node);
            }
        }
        self.connect(&body, &edges);
        if let Some(path) = crate::order::cycle(&edges) {
            let name = |slot: &usize| {
                nodes
                    .get(*slot)
                    .map_or_else(String::new, |node| node.id.to_string())
            };
            return Err(PlanError::Cycle {
                path: path.iter().map(name).collect(),
            });
        }
        Ok((body, loose))
    }

    fn connect(&mut self, body: &Body, edges: &[BTreeSet<usize>]) {
        for (slot, sources) in edges.iter().enumerate() {
            for source in sources {
                let number = body.nodes.get(*source).copied();
                if let Some(Some(node)) = number.and_then(|number| self.nodes.get_mut(number)) {
                    node.dependents.push(slot);
                }
            }
        }
    }

    fn after(
        &self,
        nodes: &[Node],
        slots: &HashMap<&str, usize>,
        node: &Node,
        after: &After,
    ) -> Result<AfterPlan, PlanError> {
        let unknown = || PlanError::UnknownName {
            place: node.id.to_string(),
            name: after.to_string(),
        };
        let slot = *slots.get(after.node.as_str()).ok_or_else(unknown)?;
        let target = nodes.get(slot).ok_or_else(unknown)?;
        let outcome = crate::order::wanted(target, after).ok_or_else(unknown)?;
        Ok(AfterPlan { slot, outcome })
    }

    fn kind(
        &mut self,
        node: &Node,
        number: usize,
        loops: &[usize],
        items: &[&str],
    ) -> Result<(PlanKind, References), PlanError> {
        let place = node.id.to_string();
        let mut references = References::default();
        let kind = match &node.kind {
            NodeKind::Call(call) => {
                let with = call.with.iter().map(|(port, value)| {
                    let template = template(&format!("{place}.with.{port}"), value, &mut references)?;
                    Ok((port.clone(), template))
                });
                let effect = self
                    .interfaces
                    .get(&call.connector)
                    .and_then(|i| i.operation(&call.operation));
                PlanKind::Call(CallPlan {
                    with: with.collect::<Result<_, _>>()?,
                    connector: call.connector.clone(),
                    operation: call.operation.clone(),
                    retry: call.retry,
                    timeout_ms: call.timeout_ms,
                    effect: effect.map_or(Effect::Unsafe, |operation| operation.effect),
                })
            }
            NodeKind::Set { fields } => {
                PlanKind::Set(named(&format!("{place}.set"), fields, &mut references)?)
            }
            NodeKind::Switch { cases } => {
                let cases = cases.iter().map(|case| {
                    let when = case.when.as_deref();
                    let when = when
                        .map(|w| expression(&format!("{place}.switch.{}", case.name), w, &mut references));
                    Ok((case.name.clone(), when.transpose()?))
                });
                PlanKind::Switch(cases.collect::<Result<_, _>>()?)
            }
            NodeKind::Foreach(each) => {
                let list = expression(&format!("{place}.foreach"), &each.list, &mut references)?;
                let mut inner_loops = loops.to_vec();
                inner_loops.push(number);
                let mut inner_items = items.to_vec();
                inner_items.push(&each.item);
                let (body, mut loose) = self.body(&each.body, &inner_loops, &inner_items)?;
                loose.needed.remove(&each.item);
                loose.asked.remove(&each.item);
                references.merge(&loose);
                PlanKind::Foreach(LoopPlan {
                    list,
                    item: each.item.clone(),
                    parallel: each.parallel.max(1),
                    body,
                })
            }
            NodeKind::Wait(wait) => PlanKind::Wait(match (wait.for_ms, &wait.until) {
                (Some(ms), _) => WaitPlan::For(ms),
                (None, Some(until)) => WaitPlan::Until(expression(
                    &format!("{place}.wait.until"),
                    until,
                    &mut references,
                )?),
                (None, None) => return Err(PlanError::Shape(format!("`{place}` waits for nothing"))),
            }),
            NodeKind::Approval(approval) => {
                let handled = |outcome: &str| {
                    self.model.walk().iter().any(|(_, other)| {
                        other
                            .after
                            .iter()
                            .any(|a| a.node == node.id && a.outcome.as_deref() == Some(outcome))
                    })
                };
                let title = Value::String(approval.title.clone());
                PlanKind::Approval(ApprovalPlan {
                    title: template(&format!("{place}.approval.title"), &title, &mut references)?,
                    show: template(&format!("{place}.approval.show"), &approval.show, &mut references)?,
                    approvers: approval.approvers.clone(),
                    expires_ms: approval.expires_ms,
                    rejection_handled: handled("rejected"),
                    expiry_handled: handled("expired"),
                })
            }
        };
        self.check_loose(&references_outside(&references, items), items, &place)?;
        Ok((kind, references_outside(&references, items)))
    }

    /// Names that no node in reach defines must be nodes at all; where they stand is checked by the body around.
    fn check_loose(&self, references: &References, items: &[&str], place: &str) -> Result<(), PlanError> {
        let ids: BTreeSet<&str> = match items {
            // At the top everything must have been found.
            [] if place == "the workflow" => BTreeSet::new(),
            _ => self
                .model
                .walk()
                .iter()
                .map(|(_, node)| node.id.as_str())
                .collect(),
        };
        match references.all().find(|name| !ids.contains(name)) {
            Some(name) => Err(PlanError::UnknownName {
                place: place.to_owned(),
                name: name.to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn output(&self, output: &Output) -> Result<OutputPlan, PlanError> {
        let mut references = References::default();
        let plan = match output {
            Output::Fields(fields) => OutputPlan::Fields(named("output", fields, &mut references)?),
            Output::Value(value) => OutputPlan::Value(template("output", value, &mut references)?),
        };
        let outside = references_outside(&references, &[]);
        let top: BTreeSet<&str> = self.model.nodes.iter().map(|node| node.id.as_str()).collect();
        match outside.all().find(|name| !top.contains(name)) {
            Some(name) => Err(PlanError::UnknownName {
                place: "output".to_owned(),
                name: name.to_owned(),
            }),
            None => Ok(plan),
        }
    }
}

/// The references that are neither reserved words, nor loop variables, nor names of types.
fn references_outside(references: &References, items: &[&str]) -> References {
    let outside = |names: &BTreeSet<String>| {
        names
            .iter()
            .filter(|name| {
                !SPECIAL.contains(&name.as_str()) && !items.contains(&name.as_str()) && !is_type_word(name)
            })
            .cloned()
            .collect()
    };
    References {
        needed: outside(&references.needed),
        asked: outside(&references.asked),
    }
}

fn expression(place: &str, source: &str, references: &mut References) -> Result<Expression, PlanError> {
    let expression =
        Expression::compile(crate::expr::strip_marker(source)).map_err(|error| PlanError::Expression {
            place: place.to_owned(),
            message: error.message,
        })?;
    references.merge(expression.references());
    Ok(expression)
}

fn template(place: &str, value: &Value, references: &mut References) -> Result<Template, PlanError> {
    let template = Template::compile(value).map_err(|errors| {
        let first = errors.into_iter().next();
        let (path, message) = first.map_or_else(Default::default, |first| (first.path, first.error.message));
        PlanError::Expression {
            place: format!("{place}{path}"),
            message,
        }
    })?;
    references.merge(&template.references());
    Ok(template)
}

fn named(
    place: &str,
    fields: &[Field],
    references: &mut References,
) -> Result<Vec<(String, Template)>, PlanError> {
    fields
        .iter()
        .map(|field| {
            Ok((
                field.name.clone(),
                template(&format!("{place}.{}", field.name), &field.value, references)?,
            ))
        })
        .collect()
}

impl Wanted {
    /// The word for it in a reason.
    pub(crate) fn describe(self, id: &str, target: &PlanKind) -> String {
        match (self, target) {
            (Self::Case(case), PlanKind::Switch(cases)) => {
                let name = cases.get(case).map_or("", |(name, _)| name.as_str());
                format!("`{id}` did not choose `{name}`")
            }
            (Self::Good, PlanKind::Approval(_)) => format!("`{id}` was not approved"),
            (Self::Rejected, _) => format!("`{id}` was not rejected"),
            (Self::Expired, _) => format!("`{id}` did not expire"),
            _ => format!("`{id}` did not run"),
        }
    }
}
