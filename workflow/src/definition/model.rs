//! The parts of a workflow, without places: what is signed, and what a plan is made from.
//!
//! Everything whose order means something to people (nodes, cases, input fields, output) is a list, because the
//! canonical bytes sort the keys of objects.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use flowforge_protocol::{FailureKind, NodeId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

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
    /// Fixed when published.
    pub config: Map<String, Value>,
    /// Names of the secrets that nodes and triggers may use.
    pub secrets: Vec<String>,
    /// What starts runs, besides people.
    pub triggers: Vec<Trigger>,
    /// The nodes, in the order of the file.
    pub nodes: Vec<Node>,
    /// The result of a run.
    pub output: Output,
}

/// One field of the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputField {
    /// Its name, `snake_case`.
    pub name: String,
    /// Its schema: the JSON Schema keywords that a field may have.
    pub schema: Map<String, Value>,
    /// The value if a run gives none. A field without one must be given.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub default: Option<Value>,
    /// Whether it may be left out although it has no default; it is `null` then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// Keeps `null` apart from an absent field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Its name in the file.
    pub name: String,
    /// What it is.
    pub kind: TriggerKind,
}

/// The kinds of triggers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TriggerKind {
    /// A request to `/hooks/PATH`; its JSON body is the input.
    Webhook {
        /// Below `/hooks/`, without a slash at its ends.
        path: String,
        /// The secret whose key signs the body; absent: no signature is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hmac: Option<String>,
        /// When the caller gets an answer.
        answer: Answer,
        /// Given: a request starts no run, it is a signal for the runs of this workflow that wait for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<HookSignal>,
    },
    /// A time table.
    Schedule {
        /// Five fields: minute, hour, day of month, month, day of week.
        cron: String,
        /// IANA name of the time zone the fields are read in.
        time_zone: String,
        /// The input of the runs it starts.
        input: Map<String, Value>,
    },
}

/// The signal that a request to a webhook is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSignal {
    /// Its name.
    pub name: String,
    /// Expression over `trigger` of its correlation; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlate: Option<String>,
}

/// When a webhook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// At once, with the id of the run.
    AtOnce,
    /// When the run has ended, with its output.
    Result,
    /// When a `respond` node says so, or when the run has ended without one.
    Respond,
}

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

/// What a node does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Calls an operation of a connector.
    Call(Box<Call>),
    /// Makes an object of expressions.
    Set {
        /// Its fields.
        fields: Vec<Field>,
    },
    /// Chooses the first case that is true.
    Switch {
        /// The cases, in order.
        cases: Vec<Case>,
    },
    /// Runs a body for each element of a list.
    Foreach(Foreach),
    /// Waits.
    Wait(Wait),
    /// Asks a person.
    Approval(Approval),
    /// Runs another workflow.
    Workflow(Child),
    /// Runs a body again and again.
    Repeat(Repeat),
    /// Answers the webhook that started the run, before the run ends.
    Respond(Respond),
}

/// A run of another workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// Its name.
    pub workflow: String,
    /// Input field → template.
    pub with: Map<String, Value>,
    /// Whether the node is done as soon as the other run is ordered, with that run's id as its output.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detach: bool,
}

/// A loop over rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// Looked at after each round.
    pub condition: RepeatCondition,
    /// Most rounds; when they are over and the condition asks for more, the node has failed.
    pub max_rounds: u32,
    /// Time between the end of a round and the next, milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pause_ms: u64,
    /// The body. The node's output is the last round's.
    pub body: Vec<Node>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// When a loop over rounds ends. The expressions see the nodes of the round that has just ended, and `round`, its number
/// from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatCondition {
    /// When this is true.
    Until(String),
    /// When this is false.
    While(String),
}

/// An answer to the webhook that started the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// Template of the HTTP status; 200 unless it says otherwise.
    pub status: Value,
    /// HTTP header → template of its text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Value>,
    /// Template of the body: text is sent as it is, anything else as JSON.
    pub body: Value,
}

/// A call of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// `publisher:name`.
    pub connector: String,
    /// The operation.
    pub operation: String,
    /// Port → template.
    pub with: Map<String, Value>,
    /// Destinations, as written: with expressions over `config`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Slot → name of the secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// How often and when to try again.
    #[serde(default)]
    pub retry: Retry,
    /// Time limit of one attempt, milliseconds.
    pub timeout_ms: u64,
    /// An attempt that says nothing of itself for so long has failed, milliseconds; absent: only `timeout_ms` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
}

/// When to try again after a failure that allows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts altogether, the first one counted.
    pub attempts: u32,
    /// The wait before the second attempt, milliseconds; it doubles with each further one.
    pub first_delay_ms: u64,
    /// The longest wait, milliseconds.
    pub max_delay_ms: u64,
    /// How the waits of many callers are spread.
    #[serde(default, skip_serializing_if = "Jitter::is_half")]
    pub jitter: Jitter,
    /// No attempt begins later than this after the first one began, milliseconds; absent: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u64>,
    /// The failures that are tried again; empty: those that the operation allows to repeat. `timed_out` is repeated only
    /// where the operation is pure, idempotent or keyed, whatever stands here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<FailureKind>,
}

/// How the waits of many callers are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Between a half and the whole of the wait.
    #[default]
    Half,
    /// Between nothing and the whole of it.
    Full,
    /// Not at all.
    None,
}

impl Jitter {
    fn is_half(&self) -> bool {
        *self == Self::Half
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 10,
            first_delay_ms: 500,
            max_delay_ms: 5 * 60 * 1000,
            jitter: Jitter::default(),
            within_ms: None,
            on: Vec::new(),
        }
    }
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

/// One case of a `switch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name: the outcome that `after` may name.
    pub name: String,
    /// The condition; absent for `else`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// A loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreach {
    /// Expression of the list.
    pub list: String,
    /// Name of the element in the body's expressions.
    pub item: String,
    /// How many elements are worked on at the same time.
    pub parallel: u32,
    /// The body.
    pub body: Vec<Node>,
}

/// A wait. Exactly one of its fields is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Expression of the moment it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The signal that ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalWait>,
}

/// A wait for a signal; its payload is the node's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalWait {
    /// Its name, `snake_case`.
    pub name: String,
    /// Expression of its correlation; absent: any signal of this name counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlate: Option<String>,
    /// How long it is waited for, milliseconds; absent: until it comes. Then the node has the outcome `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Template of the question.
    pub title: String,
    /// Template of what the person sees with it.
    pub show: Value,
    /// Who may answer.
    pub approvers: Vec<String>,
    /// How long the question stands, milliseconds; absent: until it is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
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
        match &self.kind {
            NodeKind::Foreach(each) => Some(&each.body),
            NodeKind::Repeat(repeat) => Some(&repeat.body),
            _ => None,
        }
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

    /// The calls, in the order of the file: those that nodes make, and those that take an effect back, which have the id
    /// that [`undo_id`] gives.
    pub fn calls(&self) -> impl Iterator<Item = (NodeId, &Call)> {
        self.walk().into_iter().flat_map(|(_, node)| {
            let call = match &node.kind {
                NodeKind::Call(call) => Some((node.id.clone(), call.as_ref())),
                _ => None,
            };
            let undo = node.undo.as_deref().map(|call| (undo_id(&node.id), call));
            call.into_iter().chain(undo)
        })
    }
}
