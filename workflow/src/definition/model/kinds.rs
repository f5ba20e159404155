//! What each kind of node holds, and which of it is made of expressions.

use std::collections::BTreeMap;

use flowforge_protocol::FailureKind;
use flowforge_protocol::approval::Terms;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Field, Node};
use crate::names::ROUND;

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

/// A question to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Template of the question.
    pub title: String,
    /// Template of what the person sees with it.
    pub show: Value,
    /// Who may answer: people and groups; empty: anybody.
    pub approvers: Vec<String>,
    /// How long the question stands, milliseconds; absent: until it is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// What it wants besides.
    #[serde(default, skip_serializing_if = "Terms::is_plain")]
    pub terms: Terms,
}

/// A value of a node that is made of expressions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'m> {
    /// Any value, with expressions in its texts.
    Template(&'m Value),
    /// A text with expressions in it.
    Text(&'m str),
    /// An expression without marker.
    Expression(&'m str, Wanted),
}

/// What an expression without marker must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// True or false: a case.
    Case,
    /// True or false: whether a loop ends.
    End,
    /// A list.
    List,
    /// A moment.
    Moment,
    /// Text, a number or a truth value.
    Correlation,
}

impl NodeKind {
    /// The nodes inside it, if it is a loop.
    #[must_use]
    pub fn body(&self) -> Option<&[Node]> {
        match self {
            Self::Foreach(each) => Some(&each.body),
            Self::Repeat(repeat) => Some(&repeat.body),
            _ => None,
        }
    }

    /// Its values that are made of expressions, each with its path below the node. Those that are looked at inside the
    /// body of a loop are not among them.
    pub(crate) fn parts(&self) -> Vec<(String, Part<'_>)> {
        let of_map = |map: &'_ Map<String, Value>| -> Vec<String> {
            map.keys().map(|name| format!("with.{name}")).collect()
        };
        match self {
            Self::Call(call) => {
                let values = call.with.values().map(Part::Template);
                of_map(&call.with).into_iter().zip(values).collect()
            }
            Self::Workflow(child) => {
                let values = child.with.values().map(Part::Template);
                of_map(&child.with).into_iter().zip(values).collect()
            }
            Self::Set { fields } => {
                let part = |field: &'_ Field| format!("set.{}", field.name);
                fields
                    .iter()
                    .map(|field| (part(field), Part::Template(&field.value)))
                    .collect()
            }
            Self::Switch { cases } => cases
                .iter()
                .filter_map(|case| {
                    let when = Part::Expression(case.when.as_deref()?, Wanted::Case);
                    Some((format!("switch.{}", case.name), when))
                })
                .collect(),
            Self::Foreach(each) => {
                vec![("foreach".to_owned(), Part::Expression(&each.list, Wanted::List))]
            }
            Self::Wait(wait) => {
                let until = wait.until.as_deref().map(|until| {
                    let until = Part::Expression(until, Wanted::Moment);
                    ("wait.until".to_owned(), until)
                });
                let correlate = wait.signal.as_ref().and_then(|signal| {
                    let correlate = Part::Expression(signal.correlate.as_deref()?, Wanted::Correlation);
                    Some(("wait.correlate".to_owned(), correlate))
                });
                until.into_iter().chain(correlate).collect()
            }
            Self::Approval(approval) => vec![
                ("approval.title".to_owned(), Part::Text(&approval.title)),
                ("approval.show".to_owned(), Part::Template(&approval.show)),
            ],
            Self::Respond(respond) => {
                let mut parts = vec![
                    ("respond.status".to_owned(), Part::Template(&respond.status)),
                    ("respond.body".to_owned(), Part::Template(&respond.body)),
                ];
                let header = |(name, value)| (format!("respond.headers.{name}"), Part::Template(value));
                parts.extend(respond.headers.iter().map(header));
                parts
            }
            Self::Repeat(_) => Vec::new(),
        }
    }

    /// The word of the kind, as files and views write it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Call(_) => "call",
            Self::Set { .. } => "set",
            Self::Switch { .. } => "switch",
            Self::Foreach(_) => "foreach",
            Self::Wait(_) => "wait",
            Self::Approval(_) => "approval",
            Self::Workflow(_) => "workflow",
            Self::Repeat(_) => "repeat",
            Self::Respond(_) => "respond",
        }
    }

    /// Its values that are looked at inside its body, where the body's nodes are in reach.
    pub(crate) fn inner_parts(&self) -> Vec<(String, Part<'_>)> {
        match self {
            Self::Repeat(repeat) => {
                let (word, source) = match &repeat.condition {
                    RepeatCondition::Until(source) => ("until", source),
                    RepeatCondition::While(source) => ("while", source),
                };
                vec![(format!("repeat.{word}"), Part::Expression(source, Wanted::End))]
            }
            _ => Vec::new(),
        }
    }

    /// The name that the body of a loop knows besides nodes: the element, or the number of the round.
    pub(crate) fn inner_name(&self) -> Option<&str> {
        match self {
            Self::Foreach(each) => Some(&each.item),
            Self::Repeat(_) => Some(ROUND),
            _ => None,
        }
    }
}
