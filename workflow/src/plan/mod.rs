//! The plan: a canonical definition with its expressions compiled and its order known.
//!
//! Owns what follows from the definition alone. Nodes are numbered; a body (the workflow's nodes, or those of a loop)
//! is a list of such numbers, and a node's place in its body is its slot. Immutable and shared by all runs.

mod build;
mod compile;
mod triggers;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flowforge_ports::Effect;
use flowforge_protocol::NodeId;
use flowforge_protocol::approval::Terms;
use flowforge_protocol::release::PinnedRelease;
use serde_json::Value;

use crate::expr::{Expression, Template};
use crate::model::{OnError, Retry};
use crate::order::Wanted;

/// A workflow that can run.
#[derive(Debug, Default)]
pub struct Plan {
    pub(crate) workflow: String,
    pub(crate) title: String,
    pub(crate) config: Arc<Value>,
    pub(crate) nodes: Vec<PlanNode>,
    pub(crate) by_id: HashMap<String, usize>,
    pub(crate) top: Body,
    pub(crate) output: OutputPlan,
    /// The releases that `workflow` nodes run, by name; given with the release that this plan is made of.
    pub(crate) children: BTreeMap<String, PinnedRelease>,
    /// What runs that find the events of a trigger follow, by the id of their only step.
    pub(crate) triggers: BTreeMap<String, Arc<Plan>>,
}

/// The nodes of the workflow, or of a loop.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Numbers of its nodes, in the order of the file.
    pub(crate) nodes: Vec<usize>,
    /// Slots that wait for nothing.
    pub(crate) roots: Vec<usize>,
}

/// One node.
#[derive(Debug)]
pub(crate) struct PlanNode {
    pub(crate) id: NodeId,
    pub(crate) kind: PlanKind,
    /// Numbers of the loops around it, outermost first.
    pub(crate) loops: Vec<usize>,
    /// Its place in its body.
    pub(crate) slot: usize,
    /// Slots whose value its expressions need, or those of anything inside it.
    pub(crate) needs: Vec<usize>,
    /// Slots whose value they only ask about.
    pub(crate) asks: Vec<usize>,
    /// What must have happened: at least one of these, unless there is none.
    pub(crate) after: Vec<AfterPlan>,
    /// Slots to look at again when this one is settled.
    pub(crate) dependents: Vec<usize>,
    /// What a failure of it does.
    pub(crate) on_error: OnError,
    /// What stands in for its result when it has failed.
    pub(crate) fallback: Option<FallbackPlan>,
    /// The slot that this node stands in for: it runs only when that one has failed.
    pub(crate) stands_in_for: Option<usize>,
    /// Number of the node that takes its effect back. That node is in no body.
    pub(crate) undo: Option<usize>,
    /// Whether it is skipped.
    pub(crate) disabled: bool,
}

impl PlanNode {
    /// Whether it comes after this outcome of a node of its body.
    pub(crate) fn comes_after(&self, slot: usize, outcome: Wanted) -> bool {
        self.after
            .iter()
            .any(|after| after.slot == slot && after.outcome == outcome)
    }

    /// The frame of a node that is in no body: nothing holds it and nothing follows from it.
    fn outside(id: NodeId, kind: PlanKind, loops: Vec<usize>) -> Self {
        Self {
            id,
            kind,
            loops,
            slot: usize::MAX,
            needs: Vec::new(),
            asks: Vec::new(),
            after: Vec::new(),
            dependents: Vec::new(),
            on_error: OnError::Stop,
            fallback: None,
            stands_in_for: None,
            undo: None,
            disabled: false,
        }
    }
}

/// What stands in for the result of a node that has failed.
#[derive(Debug)]
pub(crate) enum FallbackPlan {
    /// A template.
    Value(Template),
    /// The slot of a node of the same body.
    Node(usize),
}

/// One entry of `after`.
#[derive(Debug)]
pub(crate) struct AfterPlan {
    /// The slot.
    pub(crate) slot: usize,
    /// Which of its outcomes.
    pub(crate) outcome: Wanted,
}

/// What a node does.
#[derive(Debug)]
pub(crate) enum PlanKind {
    Call(CallPlan),
    Set(Vec<(String, Template)>),
    Switch(Vec<(String, Option<Expression>)>),
    Foreach(LoopPlan),
    Wait(WaitPlan),
    Approval(ApprovalPlan),
    Workflow(ChildPlan),
    Repeat(RepeatPlan),
    Respond(RespondPlan),
}

impl PlanKind {
    /// The nodes inside it, if it is a loop.
    pub(crate) fn body(&self) -> Option<&Body> {
        match self {
            Self::Foreach(each) => Some(&each.body),
            Self::Repeat(repeat) => Some(&repeat.body),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct CallPlan {
    pub(crate) connector: String,
    pub(crate) operation: String,
    pub(crate) with: Vec<(String, Template)>,
    pub(crate) retry: Retry,
    pub(crate) timeout_ms: u64,
    pub(crate) idle_timeout_ms: Option<u64>,
    pub(crate) effect: Effect,
}

#[derive(Debug)]
pub(crate) struct ChildPlan {
    pub(crate) workflow: String,
    pub(crate) with: Vec<(String, Template)>,
    pub(crate) detach: bool,
}

#[derive(Debug)]
pub(crate) struct RepeatPlan {
    /// Looked at after each round.
    pub(crate) condition: Expression,
    /// Whether the loop goes on while the condition is true, rather than until it is.
    pub(crate) goes_on_while: bool,
    pub(crate) max_rounds: u32,
    pub(crate) pause_ms: u64,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) struct RespondPlan {
    pub(crate) status: Template,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) body: Template,
}

#[derive(Debug)]
pub(crate) struct LoopPlan {
    pub(crate) list: Expression,
    pub(crate) item: String,
    pub(crate) parallel: u32,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum WaitPlan {
    For(u64),
    Until(Expression),
    Signal {
        name: String,
        correlate: Option<Expression>,
        timeout_ms: Option<u64>,
        /// Whether a node comes after the expiry, so that it does not end the run.
        expiry_handled: bool,
    },
}

#[derive(Debug)]
pub(crate) struct ApprovalPlan {
    pub(crate) title: Template,
    pub(crate) show: Template,
    pub(crate) approvers: Vec<String>,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) terms: Terms,
    /// Whether a node comes after the rejection, so that it does not end the run.
    pub(crate) rejection_handled: bool,
    /// Whether a node comes after the expiry.
    pub(crate) expiry_handled: bool,
}

#[derive(Debug)]
pub(crate) enum OutputPlan {
    Fields(Vec<(String, Template)>),
    Value(Template),
}

impl Default for OutputPlan {
    fn default() -> Self {
        Self::Fields(Vec::new())
    }
}

/// Why a definition cannot run. A published one always can: the lint refuses these before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The canonical form is of another version or has another shape.
    #[error("not a definition of this version: {0}")]
    Shape(String),
    /// An expression does not compile.
    #[error("`{place}`: {message}")]
    Expression {
        /// Path of the expression.
        place: String,
        /// What is wrong, for people.
        message: String,
    },
    /// A name that is neither a node nor a reserved word nor a loop variable in reach.
    #[error("`{place}` names `{name}`, which is not in reach")]
    UnknownName {
        /// The node that names it.
        place: String,
        /// The name.
        name: String,
    },
    /// Nodes that wait for each other.
    #[error("these nodes wait for each other: {}", .path.join(" → "))]
    Cycle {
        /// The way around; the first id stands at the end again.
        path: Vec<String>,
    },
}

impl Plan {
    /// Name of the workflow.
    #[must_use]
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// Title for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Number of nodes, nested ones counted.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Whether going through the records of a run evaluates expressions that may take long: the lists of its loops.
    #[must_use]
    pub fn computes_in_replay(&self) -> bool {
        let computes =
            |node: &PlanNode| matches!(&node.kind, PlanKind::Foreach(each) if !each.list.is_plain());
        self.nodes.iter().any(computes)
    }

    /// The plan of the runs that go as far as this node and no further, if the node is a step that finds the events of a
    /// trigger: such a step is no part of other runs.
    pub(crate) fn of_trigger(&self, until: &NodeId) -> Option<&Arc<Plan>> {
        until.trigger().and_then(|_| self.triggers.get(until.as_str()))
    }

    pub(crate) fn node(&self, number: usize) -> Option<&PlanNode> {
        self.nodes.get(number)
    }

    /// The body that a path of loops leads to.
    pub(crate) fn body(&self, innermost: Option<usize>) -> Option<&Body> {
        match innermost {
            None => Some(&self.top),
            Some(number) => self.nodes.get(number)?.kind.body(),
        }
    }
}
