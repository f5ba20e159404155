//! From the canonical form to the plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use flowforge_ports::{Effect, Interface};
use flowforge_protocol::release::PinnedRelease;
use serde_json::Value;

use super::compile::{expression, named, ports, references_outside, respond, template};
use super::{
    AfterPlan, ApprovalPlan, Body, CallPlan, ChildPlan, FallbackPlan, LoopPlan, OutputPlan, Plan, PlanError,
    PlanKind, PlanNode, RepeatPlan, WaitPlan,
};
use crate::expr::References;
use crate::model::{After, Call, Fallback, Node, NodeKind, Output, RepeatCondition, Wait, Workflow, undo_id};
use crate::names::ROUND;
use crate::order::Wanted;

impl Plan {
    /// Makes the plan of a canonical definition.
    ///
    /// `interfaces` tells the effect class of each operation; one that is not there counts as unsafe to repeat, which
    /// changes only what happens after a failure with unknown outcome. `children` are the releases that `workflow` nodes
    /// run, as the release pins them; a node whose workflow is not there fails when its turn comes.
    ///
    /// # Errors
    ///
    /// What the lint would have refused: see [`PlanError`].
    pub fn from_canonical(
        definition: &Value,
        interfaces: &BTreeMap<String, Interface>,
        children: &BTreeMap<String, PinnedRelease>,
    ) -> Result<Arc<Self>, PlanError> {
        let model = crate::canonical::read(definition).map_err(PlanError::Shape)?;
        let mut plan = Self::of_model(&model, interfaces)?;
        plan.children.clone_from(children);
        for (step, part) in super::triggers::parts(&model) {
            let part = Self::of_model(&part, interfaces)?;
            plan.triggers.insert(step.to_string(), Arc::new(part));
        }
        Ok(Arc::new(plan))
    }

    fn of_model(model: &Workflow, interfaces: &BTreeMap<String, Interface>) -> Result<Self, PlanError> {
        let mut builder = Builder {
            interfaces,
            nodes: Vec::new(),
            by_id: HashMap::new(),
            model,
        };
        let (top, loose) = builder.body(&model.nodes, &[], &[])?;
        builder.check_loose(&loose, &[], "the workflow")?;
        let output = builder.output(&model.output)?;
        Ok(Self {
            title: if model.title.is_empty() {
                model.workflow.clone()
            } else {
                model.title.clone()
            },
            config: Arc::new(Value::Object(model.config.clone())),
            output,
            children: BTreeMap::new(),
            triggers: BTreeMap::new(),
            top,
            nodes: builder.nodes.into_iter().flatten().collect(),
            by_id: builder.by_id,
            workflow: model.workflow.clone(),
        })
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
    fallback: Option<FallbackPlan>,
    undo: Option<usize>,
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
            drafts.push(self.draft(nodes, node, loops, items)?);
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
        let names: Vec<References> = drafts.iter().map(|draft| draft.references.clone()).collect();
        let waits = crate::order::waits(nodes, &names);
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
            let stands_in_for = stands_in_for(nodes, node)?;
            if needs.is_empty() && asks.is_empty() && after.is_empty() && stands_in_for.is_none() {
                body.roots.push(slot);
            }
            edges.push(
                needs
                    .iter()
                    .chain(&asks)
                    .copied()
                    .chain(after.iter().map(|after| after.slot))
                    .chain(stands_in_for)
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
                on_error: node.on_error,
                fallback: draft.fallback,
                stands_in_for,
                undo: draft.undo,
                disabled: node.disabled,
            };
            if let Some(place) = self.nodes.get_mut(draft.number) {
                *place = Some(plan_node);
            }
        }
        self.connect(&body, &edges);
        if let Some(path) = crate::order::cycle(&waits) {
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

    /// One node of a body, before it is known who waits for whom.
    fn draft(
        &mut self,
        nodes: &[Node],
        node: &Node,
        loops: &[usize],
        items: &[&str],
    ) -> Result<Draft, PlanError> {
        let number = self.nodes.len();
        self.nodes.push(None);
        self.by_id.insert(node.id.to_string(), number);
        let (kind, mut references) = self.kind(node, number, loops, items)?;
        let mut more = References::default();
        let fallback = match &node.fallback {
            Some(Fallback::Value(value)) => {
                let value = template(&format!("{}.fallback", node.id), value, &mut more)?;
                Some(FallbackPlan::Value(value))
            }
            Some(Fallback::Node(id)) => {
                let unknown = || PlanError::UnknownName {
                    place: format!("{}.fallback", node.id),
                    name: id.to_string(),
                };
                let slot = crate::order::stand_in(nodes, node).ok_or_else(unknown)?;
                Some(FallbackPlan::Node(slot))
            }
            None => None,
        };
        references.merge(&references_outside(&more, items));
        let undo = match &node.undo {
            Some(call) => {
                // What it needs besides is there when it runs, or is null: it never holds its node back.
                let (undo, needed) = self.undo(node, call, loops)?;
                self.check_loose(&references_outside(&needed, items), items, node.id.as_str())?;
                Some(undo)
            }
            None => None,
        };
        Ok(Draft {
            number,
            kind,
            references,
            fallback,
            undo,
        })
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
            NodeKind::Call(call) => PlanKind::Call(self.call(&place, call, &mut references)?),
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
                loose.forget(&each.item);
                references.merge(&loose);
                PlanKind::Foreach(LoopPlan {
                    list,
                    item: each.item.clone(),
                    parallel: each.parallel.max(1),
                    body,
                })
            }
            NodeKind::Wait(wait) => PlanKind::Wait(self.wait(node, wait, &mut references)?),
            NodeKind::Workflow(child) => PlanKind::Workflow(ChildPlan {
                workflow: child.workflow.clone(),
                with: ports(&format!("{place}.with"), &child.with, &mut references)?,
                detach: child.detach,
            }),
            NodeKind::Respond(answer) => PlanKind::Respond(respond(&place, answer, &mut references)?),
            NodeKind::Repeat(repeat) => {
                let mut inner_loops = loops.to_vec();
                inner_loops.push(number);
                let mut inner_items = items.to_vec();
                inner_items.push(ROUND);
                let (body, mut loose) = self.body(&repeat.body, &inner_loops, &inner_items)?;
                loose.forget(ROUND);
                let (source, goes_on_while) = match &repeat.condition {
                    RepeatCondition::Until(source) => (source, false),
                    RepeatCondition::While(source) => (source, true),
                };
                let mut asked = References::default();
                let condition = expression(&format!("{place}.repeat"), source, &mut asked)?;
                // The condition is looked at inside the loop: its own nodes and `round` are no reason to wait.
                for node in &repeat.body {
                    asked.forget(node.id.as_str());
                }
                asked.forget(ROUND);
                loose.merge(&references_outside(&asked, items));
                references.merge(&loose);
                PlanKind::Repeat(RepeatPlan {
                    condition,
                    goes_on_while,
                    max_rounds: repeat.max_rounds.max(1),
                    pause_ms: repeat.pause_ms,
                    body,
                })
            }
            NodeKind::Approval(approval) => {
                let handled = |outcome: &str| self.handled(node, outcome);
                let title = Value::String(approval.title.clone());
                PlanKind::Approval(ApprovalPlan {
                    title: template(&format!("{place}.approval.title"), &title, &mut references)?,
                    show: template(&format!("{place}.approval.show"), &approval.show, &mut references)?,
                    approvers: approval.approvers.clone(),
                    expires_ms: approval.expires_ms,
                    terms: approval.terms.clone(),
                    rejection_handled: handled("rejected"),
                    expiry_handled: handled("expired"),
                })
            }
        };
        self.check_loose(&references_outside(&references, items), items, &place)?;
        Ok((kind, references_outside(&references, items)))
    }

    fn call(&self, place: &str, call: &Call, references: &mut References) -> Result<CallPlan, PlanError> {
        let effect = self
            .interfaces
            .get(&call.connector)
            .and_then(|interface| interface.operation(&call.operation));
        Ok(CallPlan {
            with: ports(&format!("{place}.with"), &call.with, references)?,
            connector: call.connector.clone(),
            operation: call.operation.clone(),
            retry: call.retry.clone(),
            timeout_ms: call.timeout_ms,
            idle_timeout_ms: call.idle_timeout_ms,
            effect: effect.map_or(Effect::Unsafe, |operation| operation.effect),
        })
    }

    fn wait(&self, node: &Node, wait: &Wait, references: &mut References) -> Result<WaitPlan, PlanError> {
        let place = format!("{}.wait", node.id);
        match (wait.for_ms, &wait.until, &wait.signal) {
            (Some(ms), ..) => Ok(WaitPlan::For(ms)),
            (None, Some(until), _) => {
                expression(&format!("{place}.until"), until, references).map(WaitPlan::Until)
            }
            (None, None, Some(signal)) => {
                let correlate = signal.correlate.as_deref();
                let correlate = correlate
                    .map(|source| expression(&format!("{place}.correlate"), source, references))
                    .transpose()?;
                Ok(WaitPlan::Signal {
                    name: signal.name.clone(),
                    correlate,
                    timeout_ms: signal.timeout_ms,
                    expiry_handled: self.handled(node, "expired"),
                })
            }
            (None, None, None) => Err(PlanError::Shape(format!("`{}` waits for nothing", node.id))),
        }
    }

    /// Whether a node comes after this outcome, so that it does not end the run.
    fn handled(&self, node: &Node, outcome: &str) -> bool {
        self.model.walk().iter().any(|(_, other)| {
            let mut after = other.after.iter();
            after.any(|after| after.node == node.id && after.outcome.as_deref() == Some(outcome))
        })
    }

    /// The node that takes back another one's effect: in no body, with the names that the node itself has in reach, and
    /// the node's own result.
    fn undo(&mut self, node: &Node, call: &Call, loops: &[usize]) -> Result<(usize, References), PlanError> {
        let id = undo_id(&node.id);
        let mut references = References::default();
        let kind = PlanKind::Call(self.call(id.as_str(), call, &mut references)?);
        let number = self.nodes.len();
        self.by_id.insert(id.to_string(), number);
        self.nodes.push(Some(PlanNode::outside(id, kind, loops.to_vec())));
        references.forget(node.id.as_str());
        Ok((number, references))
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

/// The slot of the node that this one stands in for. For one only: it could not have two results.
fn stands_in_for(nodes: &[Node], node: &Node) -> Result<Option<usize>, PlanError> {
    let mut originals = nodes
        .iter()
        .enumerate()
        .filter(|(_, other)| other.fallback == Some(Fallback::Node(node.id.clone())))
        .map(|(slot, _)| slot);
    let first = originals.next();
    match originals.next() {
        Some(_) => Err(PlanError::Shape(format!("`{}` stands in for two nodes", node.id))),
        None => Ok(first),
    }
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
            (Self::Failed, _) => format!("`{id}` did not fail"),
            _ => format!("`{id}` did not run"),
        }
    }
}
