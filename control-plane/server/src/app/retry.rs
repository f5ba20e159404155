//! Retry from a step, and trying a node: new runs that take results from runs before.
//!
//! A retry is shown before it starts: what is reused, what runs again, and which completed effects happen again, under
//! which keys. The digest of what was shown can be given with the start, which then does that and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_core::{Action, Caller};
use flowforge_protocol::job::{RecordPrefix, Reuse};
use flowforge_protocol::record::effect_key;
use flowforge_protocol::step_set::StepSet;
use flowforge_protocol::used::Used;
use flowforge_protocol::{Digest, NodeId, RunId, StepKey};
use flowforge_store::{ClientRequest, Started, StoreError, StoredRun};
use flowforge_workflow::{ForkError, ForkPlan, RunState};
use serde_json::{Map, Value, json};

use crate::app::operations::Refused;
use crate::app::starts::{StartError, StartOptions, StartRequest, new_run_id};
use crate::app::view::ViewError;
use crate::app::{App, LoadError, Reading};
use crate::release::ReadyRelease;

/// Largest order of a retry, in bytes, the input and the names of what is reused and repeated included: a job has a little
/// more, for what else it says.
const RETRY_BYTES_MAX: usize = 312 * 1024;

/// Why there is no plan or no run, by fault of this server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("what is stored of run {0} cannot be read")]
    Unreadable(RunId),
}

/// A completed effect that happens again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RepeatedStep {
    pub(crate) step: StepKey,
    /// How often it was asked for to happen again, this time counted.
    pub(crate) times: u32,
    /// The key that it has this time.
    pub(crate) key: String,
    /// What its node used outside; empty for a node that orders another run.
    pub(crate) used: Vec<Used>,
}

/// What a retry would do.
pub(crate) struct RetryPlan {
    pub(crate) run: StoredRun,
    pub(crate) release: Arc<ReadyRelease>,
    pub(crate) fork: ForkPlan,
    /// Nodes that run again because the newest release has them otherwise, or not at all.
    pub(crate) changed: Vec<NodeId>,
    /// Nodes that only the newest release has.
    pub(crate) added: Vec<NodeId>,
    pub(crate) repeated: Vec<RepeatedStep>,
    /// Names this plan.
    pub(crate) digest: Digest,
}

/// What is to be tried.
pub(crate) struct Try {
    pub(crate) release: Arc<ReadyRelease>,
    /// The node; it and what it needs run, and nothing else. None: all of it runs.
    pub(crate) node: Option<String>,
    /// Without it: the input of the run whose results are taken.
    pub(crate) input: Option<Value>,
    /// Results that are given: node → output.
    pub(crate) given: Map<String, Value>,
    /// A run whose results stand for all other nodes.
    pub(crate) pinned: Option<StoredRun>,
}

impl App {
    /// What a retry of a run that is over, from this node or step on, would do: with the release that it had, or with the newest.
    pub(crate) async fn retry_plan(
        &self,
        reading: &Reading<'_>,
        wanted: &str,
        from: &str,
        newest: bool,
    ) -> Result<Result<RetryPlan, Refused>, RetryError> {
        let run = match reading.find_run(wanted).await? {
            Ok(run) => run,
            Err(message) => return Ok(Err(Refused::NotFound(message))),
        };
        let Ok(from) = from.parse::<StepKey>() else {
            return Ok(Err(Refused::Field(
                "from",
                format!("`{from}` is no name of a node, nor a step of a round as `loop[0].node`"),
            )));
        };
        if run.records == 0 {
            let message = format!("nothing of run {} is recorded; start it anew", run.id.short());
            return Ok(Err(Refused::State(run.state, message)));
        }
        if run.erased.is_some() {
            let id = run.id.short();
            let message =
                format!("the values of run {id} are erased, so it cannot be run again; start it anew");
            return Ok(Err(Refused::State(run.state, message)));
        }
        let gone = || RetryError::Unreadable(run.id.clone());
        let original = self.release(&run.release).await?.ok_or_else(gone)?;
        let release = match newest {
            false => Arc::clone(&original),
            true => self.release_of(&run.workflow, None).await?.ok_or_else(gone)?,
        };
        let state = self.state_with_rounds(&run).await?;
        let changed = changed_nodes(&original, &release, &from);
        let added = added_nodes(&original, &release);
        let mut starts = vec![from];
        starts.extend(changed.iter().cloned().map(StepKey::top));
        let fork = match state.fork_from(&starts) {
            Ok(fork) => fork,
            Err(error @ (ForkError::NoNode(..) | ForkError::NoRound { .. })) => {
                return Ok(Err(Refused::Field("from", error.to_string())));
            }
            Err(error @ (ForkError::NotEnded(_) | ForkError::ViewOnly(_))) => {
                return Ok(Err(Refused::State(run.state, error.to_string())));
            }
        };
        let reused: StepSet = fork.reused.iter().cloned().collect();
        let named = json!([reused, fork.lineage]).to_string().len();
        let order = named + run.texts.input.len() + run.options.as_ref().map_or(0, String::len);
        if order > RETRY_BYTES_MAX {
            let message = format!(
                "its order would take {order} bytes, {named} of them to name what is reused and repeated; the limit is \
                 {RETRY_BYTES_MAX}: retry from a later step, or start the workflow anew"
            );
            return Ok(Err(Refused::Field("from", message)));
        }
        let repeated = self.repeated(&state, &fork);
        let digest = Digest::of_json(&json!({
            "run": run.id,
            "records": run.records,
            "release": release.digest(),
            "reused": fork.reused,
            "again": fork.runs_again,
            "repeats": fork.lineage.repeats,
        }));
        Ok(Ok(RetryPlan {
            run,
            release,
            fork,
            changed,
            added,
            repeated,
            digest,
        }))
    }

    /// The steps whose completed effects happen again, with the keys that they have then.
    fn repeated(&self, state: &RunState, fork: &ForkPlan) -> Vec<RepeatedStep> {
        let scope = self.scope.names();
        let grown = fork.lineage.repeats.iter();
        let grown = grown.filter(|(step, times)| **times > state.repeats(step));
        grown
            .map(|(step, times)| {
                let mut of_node = fork.repeated.iter();
                let of_node = of_node.find(|repeated| repeated.node == step.node);
                RepeatedStep {
                    key: effect_key(scope, &fork.lineage.root, step, *times),
                    step: step.clone(),
                    times: *times,
                    used: of_node.map(|repeated| repeated.used.clone()).unwrap_or_default(),
                }
            })
            .collect()
    }

    /// Starts what was planned.
    pub(crate) async fn retry(
        &self,
        caller: &Caller,
        plan: RetryPlan,
        traceparent: Option<String>,
        requests: Vec<ClientRequest>,
    ) -> Result<(RunId, Started), RetryError> {
        let run = &plan.run;
        let unreadable = |_| RetryError::Unreadable(run.id.clone());
        let mut options: StartOptions = match &run.options {
            Some(text) => serde_json::from_str(text).map_err(unreadable)?,
            None => StartOptions::default(),
        };
        let chain = run.chain.ok_or_else(|| RetryError::Unreadable(run.id.clone()))?;
        options.reuse = (!plan.fork.reused.is_empty()).then(|| Reuse {
            prefix: RecordPrefix {
                run: run.id.clone(),
                count: run.records,
                chain,
            },
            steps: plan.fork.reused.iter().cloned().collect(),
        });
        let request = StartRequest {
            id: new_run_id().map_err(StartError::from)?,
            input: serde_json::from_str(&run.texts.input).map_err(unreadable)?,
            trigger: serde_json::from_str(&run.trigger).map_err(unreadable)?,
            release: plan.release,
            traceparent,
            lineage: Some(plan.fork.lineage),
            options,
            requests,
            delivery: None,
        };
        let id = request.id.clone();
        Ok((id, self.start(caller, Action::RetryRun, request).await?))
    }

    /// What to start for a try.
    pub(crate) async fn try_request(
        &self,
        wanted: Try,
    ) -> Result<Result<(Value, StartOptions), Refused>, RetryError> {
        let nodes = top_nodes(&wanted.release);
        let known = |name: &str, field| {
            let found = nodes.keys().find(|node| node.as_str() == name);
            found.cloned().ok_or_else(|| {
                let names: Vec<&str> = nodes.keys().map(NodeId::as_str).collect();
                let message = format!(
                    "there is no node `{name}` outside loops; there are: {}",
                    names.join(", ")
                );
                Refused::Field(field, message)
            })
        };
        let node = match wanted.node.as_ref().map(|node| known(node, "node")).transpose() {
            Ok(node) => node,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut given = BTreeMap::new();
        let mut input = wanted.input;
        if let Some(run) = &wanted.pinned {
            let state = self.state_of(run).await?;
            let others = nodes.keys().filter(|other| Some(*other) != node.as_ref());
            given.extend(others.filter_map(|other| {
                let output = state.output_of(&StepKey::top(other.clone()))?;
                Some((other.clone(), Value::clone(&output)))
            }));
            let unreadable = |_| RetryError::Unreadable(run.id.clone());
            if input.is_none() {
                input = Some(serde_json::from_str(&run.texts.input).map_err(unreadable)?);
            }
        }
        for (name, output) in wanted.given {
            match known(&name, "given") {
                Ok(node) => given.insert(node, output),
                Err(refused) => return Ok(Err(refused)),
            };
        }
        let options = StartOptions {
            reuse: None,
            given,
            until: node,
            extra: None,
        };
        Ok(Ok((input.unwrap_or_else(|| json!({})), options)))
    }
}

/// The nodes outside loops, each as its definition says it.
fn top_nodes(release: &ReadyRelease) -> BTreeMap<NodeId, Value> {
    let nodes = release.workflow.nodes.iter();
    nodes
        .map(|node| (node.id.clone(), serde_json::to_value(node).unwrap_or_default()))
        .collect()
}

/// Nodes of the newest release that the original has not.
fn added_nodes(original: &ReadyRelease, newest: &ReadyRelease) -> Vec<NodeId> {
    let before = top_nodes(original);
    let now = newest.workflow.nodes.iter().map(|node| node.id.clone());
    now.filter(|node| !before.contains_key(node)).collect()
}

/// Nodes of the original whose results cannot stand in the newest release: they are written otherwise there, or see another
/// configuration. One that is gone there gives its result to nobody.
fn changed_nodes(original: &ReadyRelease, newest: &ReadyRelease, from: &StepKey) -> Vec<NodeId> {
    if original.digest() == newest.digest() {
        return Vec::new();
    }
    let configured = original.workflow.config != newest.workflow.config;
    let now = top_nodes(newest);
    let before = top_nodes(original).into_iter();
    before
        .filter(|(node, definition)| {
            let sees_config = configured && definition.to_string().contains("config");
            StepKey::top(node.clone()) != *from && (now.get(node) != Some(definition) || sees_config)
        })
        .map(|(node, _)| node)
        .collect()
}
