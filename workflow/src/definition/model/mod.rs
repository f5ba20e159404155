//! The parts of a workflow, without places: what is signed, and what a plan is made from.
//!
//! Everything whose order means something to people (nodes, cases, input fields, output) is a list, because the
//! canonical bytes sort the keys of objects.

mod kinds;
mod runs_on;
mod triggers;

use std::fmt;
use std::str::FromStr;

pub use flowforge_protocol::InputField;
use flowforge_protocol::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

pub use kinds::{
    Approval, Call, Case, Child, Foreach, Jitter, NodeKind, Repeat, RepeatCondition, Respond, Retry,
    SignalWait, Wait,
};
pub(crate) use kinds::{Part, Wanted};
pub use runs_on::RunsOn;
pub use triggers::{
    Answer, CatchUp, Check, Form, HookSignal, MAX_RATE, Overlap, Poll, Rate, Timetable, Trigger, TriggerKind,
    Webhook,
};

/// The version of this form. A reader refuses any other.
pub const FORMAT: u32 = 1;

/// A workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// [`FORMAT`].
    pub format: u32,
    /// Name, kebab-case.
    pub workflow: String,
    /// For people; empty if absent.
    pub title: String,
    /// What a run is asked for.
    pub input: Vec<InputField>,
    /// Whether a webhook's body may not have fields that the input does not name; otherwise `trigger.body` holds them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refuses_additional: bool,
    /// Fixed when published.
    pub config: Map<String, Value>,
    /// Names of the secrets that nodes and triggers may use.
    pub secrets: Vec<String>,
    /// What starts runs, besides people.
    pub triggers: Vec<Trigger>,
    /// Whether values stay on the host: the control plane then knows their sizes and types, not their contents.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub values_stay: bool,
    /// Where its runs may be, and whether they may move.
    #[serde(default, skip_serializing_if = "RunsOn::is_anywhere")]
    pub runs_on: RunsOn,
    /// What follows when a run of it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_done: Option<Follow>,
    /// What follows when a run of it failed, was rejected, or was not answered in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failed: Option<Follow>,
    /// The nodes, in the order of the file.
    pub nodes: Vec<Node>,
    /// The result of a run.
    pub output: Output,
}

/// What follows the end of a run: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// The workflow whose newest release is started, with the outcome as its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The webhook endpoint of the project that is told the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// What a workflow that follows is given, each as a field of its input if it has one of that name.
pub const FOLLOW_FIELDS: [&str; 7] = [
    "run", "workflow", "version", "state", "output", "failure", "outcome",
];

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its id, unique in the workflow.
    pub id: NodeId,
    /// At least one of these must have happened before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    /// What a failure of it does to the run.
    #[serde(default, skip_serializing_if = "OnError::is_stop")]
    pub on_error: OnError,
    /// What stands in for its result when it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// The call that takes its effect back when the run fails or is cancelled after it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<Call>>,
    /// Whether it is skipped, for this reason only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// What it does.
    pub kind: NodeKind,
}

/// What a failure of a node does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The run fails.
    #[default]
    Stop,
    /// The run goes on: nodes with `after: NODE.failed` run, those that need its result are skipped. Its value is an
    /// object with the field `failure`.
    Branch,
}

impl OnError {
    fn is_stop(&self) -> bool {
        *self == Self::Stop
    }
}

/// What stands in for the result of a node that has failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// A template.
    Value(Value),
    /// The result of another node of the same body, which runs only then.
    Node(NodeId),
}

/// One field of a `set` or of the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its template.
    pub value: Value,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// An object with these fields, in this order; none: the result is an empty object.
    Fields(Vec<Field>),
    /// One template.
    Value(Value),
}

/// One entry of `after`: a node, or one of its outcomes. Written `node` or `node.outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct After {
    /// The node.
    pub node: NodeId,
    /// Its outcome; absent: its good one.
    pub outcome: Option<String>,
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Some(outcome) => write!(f, "{}.{outcome}", self.node),
            None => write!(f, "{}", self.node),
        }
    }
}

impl FromStr for After {
    type Err = flowforge_protocol::ids::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (node, outcome) = match text.split_once('.') {
            Some((node, outcome)) => (node, Some(outcome.to_owned())),
            None => (text, None),
        };
        Ok(Self {
            node: node.parse()?,
            outcome,
        })
    }
}

impl Serialize for After {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Node {
    /// The nodes inside it, if it is a loop.
    #[must_use]
    pub fn body(&self) -> Option<&[Node]> {
        self.kind.body()
    }
}

/// The id of the step that takes back the effect of a node: the node's id and `~undo`. No node in a file has such an id.
#[must_use]
pub fn undo_id(node: &NodeId) -> NodeId {
    node.undo()
}

impl Workflow {
    /// Every node with the loops around it, outermost first; a loop comes before its body.
    #[must_use]
    pub fn walk(&self) -> Vec<(Vec<&Node>, &Node)> {
        fn add<'w>(nodes: &'w [Node], around: &[&'w Node], out: &mut Vec<(Vec<&'w Node>, &'w Node)>) {
            for node in nodes {
                out.push((around.to_vec(), node));
                if let Some(body) = node.body() {
                    let mut inner = around.to_vec();
                    inner.push(node);
                    add(body, &inner, out);
                }
            }
        }
        let mut out = Vec::new();
        add(&self.nodes, &[], &mut out);
        out
    }

    /// The calls: those that find the events of triggers, which have the id that [`Trigger::step`] gives; those that nodes
    /// make, in the order of the file; and those that take an effect back, which have the id that [`undo_id`] gives.
    pub fn calls(&self) -> impl Iterator<Item = (NodeId, &Call)> {
        let of_triggers = self.triggers.iter();
        let of_triggers = of_triggers.filter_map(|trigger| Some((trigger.step()?, trigger.call()?)));
        of_triggers.chain(self.walk().into_iter().flat_map(|(_, node)| {
            let call = match &node.kind {
                NodeKind::Call(call) => Some((node.id.clone(), call.as_ref())),
                _ => None,
            };
            let undo = node.undo.as_deref().map(|call| (undo_id(&node.id), call));
            call.into_iter().chain(undo)
        }))
    }

    /// The workflows that follow its runs, each with the key that names it.
    pub fn following_workflows(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let follows = [("on_done", &self.on_done), ("on_failed", &self.on_failed)].into_iter();
        follows.filter_map(|(key, follow)| Some((key, follow.as_ref()?.workflow.as_deref()?)))
    }

    /// The workflows that its nodes run, in the order of the file; one may come more than once.
    pub fn child_workflows(&self) -> impl Iterator<Item = (&Node, &str)> {
        self.walk().into_iter().filter_map(|(_, node)| match &node.kind {
            NodeKind::Workflow(child) => Some((node, child.workflow.as_str())),
            _ => None,
        })
    }
}
