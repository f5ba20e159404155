//! The parts of a workflow, without places: what is signed, and what a plan is made from.
//!
//! Everything whose order means something to people (nodes, cases, input fields, output) is a list, because the
//! canonical bytes sort the keys of objects.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use flowforge_protocol::NodeId;
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

/// When a webhook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// At once, with the id of the run.
    AtOnce,
    /// When the run has ended, with its output.
    Result,
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
    /// What it does.
    pub kind: NodeKind,
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
}

/// When to try again after a failure that allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts altogether, the first one counted.
    pub attempts: u32,
    /// The wait before the second attempt, milliseconds; it doubles with each further one.
    pub first_delay_ms: u64,
    /// The longest wait, milliseconds.
    pub max_delay_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 10,
            first_delay_ms: 500,
            max_delay_ms: 5 * 60 * 1000,
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

impl Workflow {
    /// Every node with the loops around it, outermost first; a loop comes before its body.
    #[must_use]
    pub fn walk(&self) -> Vec<(Vec<&Node>, &Node)> {
        fn add<'w>(nodes: &'w [Node], around: &[&'w Node], out: &mut Vec<(Vec<&'w Node>, &'w Node)>) {
            for node in nodes {
                out.push((around.to_vec(), node));
                if let NodeKind::Foreach(each) = &node.kind {
                    let mut inner = around.to_vec();
                    inner.push(node);
                    add(&each.body, &inner, out);
                }
            }
        }
        let mut out = Vec::new();
        add(&self.nodes, &[], &mut out);
        out
    }

    /// The calls, in the order of the file.
    pub fn calls(&self) -> impl Iterator<Item = (&NodeId, &Call)> {
        self.walk().into_iter().filter_map(|(_, node)| match &node.kind {
            NodeKind::Call(call) => Some((&node.id, call.as_ref())),
            _ => None,
        })
    }
}
