//! The first record of a run: what was accepted, and where it comes from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Datum, Digest, JobId, NodeId, RunId, StepKey};

/// The first record of a run: what it runs, for whom and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// [`RECORD_VERSION`](crate::record::RECORD_VERSION) of the writer.
    pub version: u32,
    /// Tenant.
    pub workspace: String,
    /// Project inside it.
    pub project: String,
    /// What ordered it.
    pub origin: Origin,
    /// The release.
    pub release: Digest,
    /// The grants.
    pub grants: Digest,
    /// The input.
    pub input: Datum,
    /// What started it.
    pub trigger: Trigger,
    /// Fields of a webhook's body that the input does not name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Datum>,
    /// Where it comes from among runs; absent for a run that stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Box<Lineage>>,
    /// How far it is to go, if not to the end: what a try asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NodeId>,
    /// Nodes whose results are given instead of running them: pinned data of a try.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<NodeId>,
    /// Trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What ordered a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// A signed order of the control plane.
    Order {
        /// The order.
        job: JobId,
    },
    /// A signed standing job, at a time of its schedule.
    StandingJob {
        /// The standing job.
        job: JobId,
        /// The time that was due, milliseconds since 1970 UTC.
        due_ms: u64,
    },
}

impl Origin {
    /// The signed document behind it.
    #[must_use]
    pub fn job(&self) -> &JobId {
        match self {
            Self::Order { job } | Self::StandingJob { job, .. } => job,
        }
    }
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// A person or a program, by the API.
    Manual {
        /// Who.
        by: String,
    },
    /// A webhook.
    Webhook {
        /// Its path below `/hooks/`.
        path: String,
        /// What its body was, if it was not JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Content>,
    },
    /// A schedule.
    Schedule {
        /// The time it was due, milliseconds since 1970 UTC.
        due_ms: u64,
    },
    /// A `workflow` node of another run.
    Parent {
        /// That run.
        run: RunId,
        /// Its step.
        step: StepKey,
        /// Who started the run at the top, if a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_by: Option<String>,
    },
    /// It is time to ask for events: the run is nothing but the poll of this trigger.
    Poll {
        /// The trigger's name.
        trigger: String,
    },
    /// An event that the operation of a trigger found.
    Event {
        /// The trigger's name.
        trigger: String,
        /// The event's id, as the operation gave it.
        id: String,
        /// The run in which it was found.
        found_by: RunId,
    },
    /// The end of another run, whose release names this workflow in `on_done` or `on_failed`.
    RunEnded {
        /// That run.
        run: RunId,
        /// How many ends in a row led here, from 1.
        depth: u32,
        /// Who started the run at the top, if a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_by: Option<String>,
    },
    /// A form that somebody filled in.
    Form {
        /// Its path below `/forms/`.
        path: String,
    },
}

impl Trigger {
    /// Its kind in one word, as documents have it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Manual { .. } => "manual",
            Self::Webhook { .. } => "webhook",
            Self::Schedule { .. } => "schedule",
            Self::Parent { .. } => "parent",
            Self::Poll { .. } => "poll",
            Self::Event { .. } => "event",
            Self::RunEnded { .. } => "run_ended",
            Self::Form { .. } => "form",
        }
    }

    /// Who started the run, or the one that ordered it: nobody answers a question of an own run.
    #[must_use]
    pub fn started_by(&self) -> Option<&str> {
        match self {
            Self::Manual { by } => Some(by),
            Self::Parent { started_by, .. } | Self::RunEnded { started_by, .. } => started_by.as_deref(),
            Self::Webhook { .. }
            | Self::Schedule { .. }
            | Self::Poll { .. }
            | Self::Event { .. }
            | Self::Form { .. } => None,
        }
    }
}

/// A body that is not JSON, as a run is given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Its type, as its sender said it, without parameters: `text/csv`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// How it is given.
    pub form: BodyForm,
}

/// How a body is given that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyForm {
    /// The fields of a form: each is text, or a list of texts if it stands there more than once.
    Fields,
    /// The whole as text.
    Text,
    /// The whole as base64 text, in the standard alphabet with padding.
    Base64,
}

/// Where a run comes from among runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The first generation: effect keys are derived from it, so that a later generation repeats an effect under the
    /// key it had.
    pub root: RunId,
    /// The generation before, of which this run reuses the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<RunId>,
    /// 1 for the first, one more with each retry from a step.
    pub generation: u32,
    /// The run whose `workflow` node started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStep>,
    /// Steps whose completed effects are repeated on purpose, each with how often that was asked for. Others have 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repeats: BTreeMap<StepKey, u32>,
}

/// A step of another run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentStep {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
}
