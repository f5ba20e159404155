//! What people do with runs that are there, and runs that are made from others.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Action;
use flowforge_protocol::job::{ReviewOrder, ReviewOrderAction};
use flowforge_store::{ClientRequest, Started, without_draft};
use serde_json::{Map, Value};

use super::codes::ProblemCode;
use super::fault;
use super::loads::{reading, reading_for};
use super::mutation::{by_hand, field, input_problem, reason_of, trace_of, wrong_request_id};
use super::payloads::StartRunPayload;
use super::problems::{
    BusyProblem, CapabilityProblem, InputProblem, PlanChangedProblem, RequestConflictProblem,
    RunNotFoundProblem, RunStateProblem, WorkflowNotFoundProblem,
};
use super::query::{app, caller};
use super::runs::RunNode;
use super::scalars::{AnyJson, Long};
use crate::app::hooks::Name;
use crate::app::operations::{Incoming, OperationError, Refused};
use crate::app::retry::{RetryError, Try};
use crate::app::starts::{StartError, request_body};

/// When a refused caller should come again.
const RETRY_AFTER_MS: Long = Long(1_000);

/// A run to be paused, or to go on.
#[derive(InputObject)]
pub(crate) struct PauseRunInput {
    /// An id, a unique prefix of one, or `last`.
    id: String,
    /// Kept in the run's records.
    reason: Option<String>,
}

/// A run whose values are to be erased.
#[derive(InputObject)]
pub(crate) struct EraseRunInput {
    /// An id, a unique prefix of one, or `last`.
    id: String,
    /// Shown with the run from then on.
    reason: Option<String>,
}

/// What to do with a step that needs review.
#[derive(async_graphql::Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReviewAction {
    /// Another attempt, although an effect may happen twice; its key stays the same.
    Retry,
    /// Go on with `output` as the step's result.
    Skip,
    /// The step has failed.
    Fail,
}

/// What a person says of a step that needs review.
#[derive(InputObject)]
pub(crate) struct ReviewStepInput {
    /// The run: an id, a unique prefix of one, or `last`.
    run: String,
    /// `pay`, or `each[2].pay`.
    step: String,
    action: ReviewAction,
    /// With `SKIP`: the value, of the type that the step gives.
    output: Option<AnyJson>,
    comment: Option<String>,
}

macro_rules! told_payload {
    ($name:ident, $success:ident) => {
        /// The run has been told.
        #[derive(SimpleObject)]
        pub(crate) struct $success {
            run: RunNode,
        }

        #[derive(Union)]
        pub(crate) enum $name {
            Success($success),
            NotFound(RunNotFoundProblem),
            State(RunStateProblem),
            Input(InputProblem),
        }

        impl $name {
            fn of(told: std::result::Result<flowforge_store::StoredRun, Refused>) -> Result<Self> {
                Ok(match told {
                    Ok(run) => Self::Success($success {
                        run: RunNode::new(run),
                    }),
                    Err(Refused::NotFound(message)) => Self::NotFound(not_found(message)),
                    Err(Refused::State(state, message)) => Self::State(wrong_state(state, message)),
                    Err(Refused::Field(path, message)) => {
                        Self::Input(input_problem(vec![field(path, message)]))
                    }
                    Err(Refused::Full | Refused::Conflict(_)) => {
                        return Err(fault(&flowforge_store::StoreError::Stopped));
                    }
                })
            }
        }
    };
}

told_payload!(EraseRunPayload, EraseRunSuccess);
told_payload!(PauseRunPayload, PauseRunSuccess);
told_payload!(ResumeRunPayload, ResumeRunSuccess);
told_payload!(ReviewStepPayload, ReviewStepSuccess);

/// A signal. With `run` it goes to that run, which keeps it until a step waits for it; with `workflow` to all runs of it
/// that wait for it, or, if none does, to the first that will, within seven days.
#[derive(InputObject)]
pub(crate) struct SendSignalInput {
    /// An id, a unique prefix of one, or `last`.
    run: Option<String>,
    /// Name of a published workflow.
    workflow: Option<String>,
    name: String,
    /// For whom it is among several waits of this name.
    correlation: Option<String>,
    /// What it carries, at most 256 KiB; null if absent.
    payload: Option<AnyJson>,
    /// Repeating a call with the same id and content sends nothing more. At most 128 characters.
    client_request_id: Option<String>,
}

#[derive(Union)]
pub(crate) enum SendSignalPayload {
    Success(SendSignalSuccess),
    NotFound(RunNotFoundProblem),
    WorkflowNotFound(WorkflowNotFoundProblem),
    State(RunStateProblem),
    Input(InputProblem),
    Conflict(RequestConflictProblem),
    Busy(BusyProblem),
}

/// The signal is kept, and goes to its run as soon as that can hear it.
#[derive(SimpleObject)]
pub(crate) struct SendSignalSuccess {
    /// Its id, as it stands in the records of the run that takes it.
    signal: String,
    /// True if an earlier call with the same `clientRequestId` sent it.
    duplicate: bool,
}

/// A run that is over, to be run again from a node on.
#[derive(InputObject)]
pub(crate) struct RetryRunInput {
    /// An id, a unique prefix of one, or `last`.
    id: String,
    /// A node, or a step of a round as `each[0].send`; it and what comes after it run again, and whatever has no result.
    from: String,
    /// With the newest release of the workflow; otherwise with the one that the run had.
    newest: Option<bool>,
    /// `digest` of the plan that was shown: if it is another one now, nothing is started.
    plan: Option<String>,
    /// Repeating a call with the same id and body gives the same run. At most 128 characters.
    client_request_id: Option<String>,
}

#[derive(Union)]
pub(crate) enum RetryRunPayload {
    Success(super::payloads::StartRunSuccess),
    NotFound(RunNotFoundProblem),
    State(RunStateProblem),
    Input(InputProblem),
    PlanChanged(PlanChangedProblem),
    Conflict(RequestConflictProblem),
    Busy(BusyProblem),
    Held(CapabilityProblem),
}

/// One node to be tried: it and what it needs run, and nothing else.
#[derive(InputObject)]
pub(crate) struct TryNodeInput {
    workflow: String,
    /// Without it: the newest.
    version: Option<u32>,
    node: String,
    /// Defaults to the input of `pinnedFrom`, or to `{}`.
    input: Option<AnyJson>,
    /// Results that stand for nodes, which do not run then: an object of node and output.
    given: Option<AnyJson>,
    /// A run of this workflow whose results stand for all other nodes: an id, a unique prefix of one, or `last`.
    pinned_from: Option<String>,
}

pub(super) fn not_found(message: String) -> RunNotFoundProblem {
    RunNotFoundProblem::new(ProblemCode::Run005, message)
}

pub(super) fn wrong_state(state: flowforge_store::RunState, message: String) -> RunStateProblem {
    RunStateProblem {
        message,
        code: ProblemCode::Run004.to_string(),
        kind: ProblemCode::Run004,
        state: state.into(),
    }
}

/// Whether a run is one of a workflow, or of its draft.
pub(super) fn of_workflow(run: &flowforge_store::RunHead, workflow: &str) -> std::result::Result<(), String> {
    let (own, _) = without_draft(&run.workflow);
    if own == without_draft(workflow).0 {
        return Ok(());
    }
    Err(format!("run {} is one of `{own}`", run.id.short()))
}

pub(super) fn no_workflow(name: &str) -> WorkflowNotFoundProblem {
    let message = format!("there is no workflow `{name}`, or no such version; see the published ones");
    WorkflowNotFoundProblem::new(ProblemCode::Run001, message)
}

pub(super) fn busy(message: String) -> BusyProblem {
    BusyProblem {
        message,
        code: ProblemCode::Run003.to_string(),
        kind: ProblemCode::Run003,
        retry_after_ms: RETRY_AFTER_MS,
    }
}

fn conflict(of: &str) -> RequestConflictProblem {
    let message = format!("this clientRequestId stands for {of}, with another content");
    RequestConflictProblem::new(ProblemCode::Run002, message)
}

/// Pausing, signals, reviews, retries, tries.
#[derive(Default)]
pub(crate) struct Operations;

#[Object]
impl Operations {
    /// Pauses a run: no step starts and no time comes until it goes on. What is under way ends.
    async fn pause_run(&self, ctx: &Context<'_>, input: PauseRunInput) -> Result<PauseRunPayload> {
        let reason = reason_of(caller(ctx)?, "paused", input.reason);
        let told = app(ctx)?.pause(caller(ctx)?, &input.id, true, reason).await;
        PauseRunPayload::of(told.map_err(|error| fault(&error))?)
    }

    /// Lets a paused run go on.
    async fn resume_run(&self, ctx: &Context<'_>, input: PauseRunInput) -> Result<ResumeRunPayload> {
        let reason = reason_of(caller(ctx)?, "resumed", input.reason);
        let told = app(ctx)?.pause(caller(ctx)?, &input.id, false, reason).await;
        ResumeRunPayload::of(told.map_err(|error| fault(&error))?)
    }

    /// Erases the values of a run that is over: input, output, what its steps got and gave, questions and answers. Its host is
    /// told to drop what it still has. The records stay with the digests of the values, so the run still verifies. Artefacts
    /// and runs that it ordered are apart. This cannot be undone.
    async fn erase_run(&self, ctx: &Context<'_>, input: EraseRunInput) -> Result<EraseRunPayload> {
        let by = reason_of(caller(ctx)?, "erased", input.reason);
        let told = app(ctx)?.erase(caller(ctx)?, &input.id, by).await;
        EraseRunPayload::of(told.map_err(|error| fault(&error))?)
    }

    /// Says what to do with a step that needs review: its outcome is unknown, or it stopped its host again and again.
    async fn review_step(&self, ctx: &Context<'_>, input: ReviewStepInput) -> Result<ReviewStepPayload> {
        let action = match (input.action, input.output) {
            (ReviewAction::Retry, None) => ReviewOrderAction::Retry,
            (ReviewAction::Fail, None) => ReviewOrderAction::Fail,
            (ReviewAction::Skip, Some(output)) => ReviewOrderAction::Skip { output: output.0 },
            (ReviewAction::Skip, None) => {
                let message = "a step that is skipped needs the value that stands for its result";
                return ReviewStepPayload::of(Err(Refused::Field("output", message.to_owned())));
            }
            (ReviewAction::Retry | ReviewAction::Fail, Some(_)) => {
                let message = "only a step that is skipped takes a value";
                return ReviewStepPayload::of(Err(Refused::Field("output", message.to_owned())));
            }
        };
        let app = app(ctx)?;
        let verdict = ReviewOrder {
            action,
            by: caller(ctx)?.actor.name().to_owned(),
            comment: input.comment,
            at_ms: app.clock.now_ms(),
        };
        let told = app.review(caller(ctx)?, &input.run, &input.step, verdict).await;
        ReviewStepPayload::of(told.map_err(|error| fault(&error))?)
    }

    /// Sends a signal; answers when it is durable.
    async fn send_signal(&self, ctx: &Context<'_>, input: SendSignalInput) -> Result<SendSignalPayload> {
        use SendSignalPayload as Payload;
        let app = app(ctx)?;
        let faulty = |error: OperationError| fault(&error);
        reading_for(ctx, Action::SendSignal).await?;
        if let Some(wrong) = wrong_request_id(input.client_request_id.as_ref()) {
            return Ok(Payload::Input(input_problem(vec![wrong])));
        }
        let (run, workflow) = match (input.run, input.workflow) {
            (Some(wanted), None) => match reading(ctx)
                .await?
                .find_run(&wanted)
                .await
                .map_err(|error| fault(&error))?
            {
                Ok(run) => (Some(run.clone()), run.head.workflow),
                Err(message) => return Ok(Payload::NotFound(not_found(message))),
            },
            (None, Some(name)) => match app
                .published_of(&name, None)
                .await
                .map_err(|error| fault(&error))?
            {
                Some(release) => (None, release.stored.workflow.clone()),
                None => return Ok(Payload::WorkflowNotFound(no_workflow(&name))),
            },
            (Some(_), Some(_)) | (None, None) => {
                let wrong = field("run", "give either `run` or `workflow`");
                return Ok(Payload::Input(input_problem(vec![wrong])));
            }
        };
        let incoming = Incoming {
            run,
            workflow,
            name: input.name,
            correlation: input.correlation,
            payload: input.payload.map(|payload| payload.0).unwrap_or_default(),
            by: caller(ctx)?.actor.name().to_owned(),
            names: input
                .client_request_id
                .map(|id| Name::plain(format!("api:{id}")))
                .into_iter()
                .collect(),
            delivery: None,
            action: Action::SendSignal,
        };
        Ok(match app.signal(caller(ctx)?, incoming).await.map_err(faulty)? {
            Ok((message, duplicate)) => Payload::Success(SendSignalSuccess {
                signal: message.to_string(),
                duplicate,
            }),
            Err(Refused::NotFound(message)) => Payload::NotFound(not_found(message)),
            Err(Refused::State(state, message)) => Payload::State(wrong_state(state, message)),
            Err(Refused::Field(path, message)) => Payload::Input(input_problem(vec![field(path, message)])),
            Err(Refused::Full) => {
                Payload::Busy(busy("too many signals wait for runs; try again later".to_owned()))
            }
            Err(Refused::Conflict(before)) => Payload::Conflict(conflict(&format!("signal {before}"))),
        })
    }

    /// Runs a run again from a node on, as a new run that takes the results before it; see `retryPlan`.
    async fn retry_run(&self, ctx: &Context<'_>, input: RetryRunInput) -> Result<RetryRunPayload> {
        use RetryRunPayload as Payload;
        let app = app(ctx)?;
        if let Some(wrong) = wrong_request_id(input.client_request_id.as_ref()) {
            return Ok(Payload::Input(input_problem(vec![wrong])));
        }
        let newest = input.newest.unwrap_or(false);
        // Whoever may make no run is told so, whatever there is.
        let looking = reading_for(ctx, Action::RetryRun).await?;
        let plan = app.retry_plan(&looking, &input.id, &input.from, newest).await;
        let plan = match plan.map_err(|error| fault(&error))? {
            Ok(plan) => plan,
            Err(Refused::NotFound(message)) => return Ok(Payload::NotFound(not_found(message))),
            Err(Refused::State(state, message)) => return Ok(Payload::State(wrong_state(state, message))),
            Err(Refused::Field(path, message)) => {
                return Ok(Payload::Input(input_problem(vec![field(path, message)])));
            }
            Err(Refused::Full | Refused::Conflict(_)) => {
                return Err(fault(&flowforge_store::StoreError::Stopped));
            }
        };
        if input.plan.is_some_and(|shown| shown != plan.digest.to_string()) {
            let message = "what the retry would do has changed since it was shown; look at it again";
            return Ok(Payload::PlanChanged(PlanChangedProblem::new(
                ProblemCode::Run023,
                message,
            )));
        }
        let body = serde_json::json!([plan.run.id, input.from, newest]);
        let requests = input.client_request_id.map(|id| ClientRequest {
            id: format!("api:{id}"),
            body: request_body(&plan.run.workflow, None, &body),
        });
        match app
            .retry(caller(ctx)?, plan, trace_of(ctx), requests.into_iter().collect())
            .await
        {
            Ok((id, started)) => match StartRunPayload::of(ctx, id, started).await? {
                StartRunPayload::Success(success) => Ok(Payload::Success(success)),
                StartRunPayload::Conflict(problem) => Ok(Payload::Conflict(problem)),
                _ => Err(fault(&flowforge_store::StoreError::Stopped)),
            },
            Err(RetryError::Start(StartError::Input(faults))) => {
                let fields = faults.into_iter().map(|fault| field(&fault.path, fault.message));
                Ok(Payload::Input(input_problem(fields.collect())))
            }
            Err(RetryError::Start(error @ StartError::Busy { .. })) => {
                Ok(Payload::Busy(busy(error.to_string())))
            }
            Err(RetryError::Start(StartError::Held(held))) => Ok(Payload::Held(CapabilityProblem::of(&held))),
            Err(error) => Err(fault(&error)),
        }
    }

    /// Tries a node: a run that goes as far as this node and takes given results in the place of others.
    async fn try_node(&self, ctx: &Context<'_>, input: TryNodeInput) -> Result<StartRunPayload> {
        use StartRunPayload as Payload;
        let app = app(ctx)?;
        reading_for(ctx, Action::TryNode).await?;
        let release = app.published_of(&input.workflow, input.version).await;
        let Some(release) = release.map_err(|error| fault(&error))? else {
            return Ok(Payload::NotFound(no_workflow(&input.workflow)));
        };
        let wrong =
            |path: &str, message: String| Ok(Payload::Input(input_problem(vec![field(path, message)])));
        let given = match input.given.map(|given| given.0) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(given)) => given,
            Some(_) => return wrong("given", "expected an object of node and output".to_owned()),
        };
        let pinned = match input.pinned_from {
            None => None,
            Some(wanted) => match reading(ctx)
                .await?
                .find_run(&wanted)
                .await
                .map_err(|error| fault(&error))?
            {
                Ok(run) => match of_workflow(&run, &release.stored.workflow) {
                    Ok(()) => Some(run),
                    Err(message) => return wrong("pinnedFrom", message),
                },
                Err(message) => return wrong("pinnedFrom", message),
            },
        };
        let wanted = Try {
            release: release.clone(),
            node: Some(input.node),
            input: input.input.map(|input| input.0),
            given,
            pinned,
        };
        let (run_input, options) = match app.try_request(wanted).await.map_err(|error| fault(&error))? {
            Ok(wanted) => wanted,
            Err(Refused::Field(path, message)) => return wrong(path, message),
            Err(_) => return Err(fault(&flowforge_store::StoreError::Stopped)),
        };
        let request = by_hand(ctx, release, run_input, options)?;
        let id = request.id.clone();
        let started = app.start(caller(ctx)?, Action::TryNode, request).await;
        StartRunPayload::of_result(ctx, id, started).await
    }
}

impl StartRunPayload {
    /// The payload of a start that was tried.
    pub(super) async fn of_result(
        ctx: &Context<'_>,
        id: flowforge_protocol::RunId,
        started: std::result::Result<Started, StartError>,
    ) -> Result<Self> {
        match started {
            Ok(started) => Self::of(ctx, id, started).await,
            Err(StartError::Input(faults)) => {
                let fields = faults.into_iter().map(|fault| field(&fault.path, fault.message));
                Ok(Self::Input(input_problem(fields.collect())))
            }
            Err(error @ StartError::Busy { .. }) => Ok(Self::Busy(busy(error.to_string()))),
            Err(StartError::Held(held)) => Ok(Self::Held(CapabilityProblem::of(&held))),
            Err(error) => Err(fault(&error)),
        }
    }

    /// The payload of a start that was stored, now or before.
    pub(super) async fn of(
        ctx: &Context<'_>,
        id: flowforge_protocol::RunId,
        started: Started,
    ) -> Result<Self> {
        let (run, duplicate) = match started {
            Started::New => (id, false),
            Started::Duplicate { run } => (run, true),
            Started::Conflict { run } => {
                return Ok(Self::Conflict(conflict(&format!("run {}", run.short()))));
            }
        };
        let run = reading(ctx).await?.run(&run).await;
        let run = run.map_err(|error| fault(&error))?;
        let run = run.ok_or_else(|| fault(&flowforge_store::StoreError::Stopped))?;
        Ok(Self::Success(super::payloads::StartRunSuccess {
            run: RunNode::new(run),
            duplicate,
        }))
    }
}
