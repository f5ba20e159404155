//! Runs as the API shows them.

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, Json, Object, Result, SimpleObject};
use flowforge_protocol::progress::StepProgress;
use flowforge_protocol::release::DRAFT_VERSION;
use flowforge_store::{RunHead, RunState, RunTexts, StoredRun, WaitFor, without_draft};
use serde_json::Value;

use super::approvals::ApprovalNode;
use super::endings::FollowUpNode;
use super::evidence::EvidenceNode;
use super::hosts::HostNode;
use super::limits::spend;
use super::loads::{self, reading};
use super::page::{Cursor, Window, from_edges};
use super::scalars::{AnyJson, Long, stored_json};
use super::{CODE_ARGUMENT, coded, fault};
use crate::app::App;
use crate::app::waiting;

/// Where a run stands.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "RunState")]
pub(crate) enum RunStateName {
    /// Accepted; no host has taken it yet.
    Queued,
    /// A host has it.
    Running,
    /// It waits for a person, a time, a signal or another run.
    Waiting,
    /// A step of it waits for a person's look: its outcome is unknown.
    NeedsReview,
    /// Somebody paused it.
    Paused,
    /// Its host says that it does not have it.
    Lost,
    /// It ended well.
    Done,
    /// A step failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// Somebody stopped it.
    Cancelled,
}

impl From<RunState> for RunStateName {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Queued => Self::Queued,
            RunState::Running => Self::Running,
            RunState::Waiting => Self::Waiting,
            RunState::NeedsReview => Self::NeedsReview,
            RunState::Paused => Self::Paused,
            RunState::Lost => Self::Lost,
            RunState::Done => Self::Done,
            RunState::Failed => Self::Failed,
            RunState::Rejected => Self::Rejected,
            RunState::Expired => Self::Expired,
            RunState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<RunStateName> for RunState {
    fn from(state: RunStateName) -> Self {
        match state {
            RunStateName::Queued => Self::Queued,
            RunStateName::Running => Self::Running,
            RunStateName::Waiting => Self::Waiting,
            RunStateName::NeedsReview => Self::NeedsReview,
            RunStateName::Paused => Self::Paused,
            RunStateName::Lost => Self::Lost,
            RunStateName::Done => Self::Done,
            RunStateName::Failed => Self::Failed,
            RunStateName::Rejected => Self::Rejected,
            RunStateName::Expired => Self::Expired,
            RunStateName::Cancelled => Self::Cancelled,
        }
    }
}

/// The host's signed word on what ran.
#[derive(SimpleObject)]
#[graphql(name = "Receipt")]
pub(crate) struct ReceiptNode {
    /// DSSE envelope, JSON.
    envelope: String,
    /// The payload.
    receipt: AnyJson,
    /// True if signature, run, release, state and chain agree with what is stored here.
    valid: bool,
    /// Why it is not valid.
    reason: Option<String>,
}

/// One line that a connector logged.
#[derive(SimpleObject)]
#[graphql(name = "LogLine")]
pub(crate) struct LogLineNode {
    at_ms: Long,
    step: String,
    attempt: u32,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    level: String,
    message: String,
}

/// How far an attempt is that is under way.
#[derive(SimpleObject)]
#[graphql(name = "StepProgress")]
pub(crate) struct StepProgressNode {
    step: String,
    attempt: u32,
    /// From 0 to 100; null if the connector does not know.
    percent: Option<u8>,
    /// One line for people.
    message: Option<String>,
    /// When it was said, by the host's clock.
    at_ms: Long,
}

impl From<StepProgress> for StepProgressNode {
    fn from(said: StepProgress) -> Self {
        Self {
            step: said.step.to_string(),
            attempt: said.attempt,
            percent: said.percent,
            message: said.message,
            at_ms: said.at_ms.into(),
        }
    }
}

/// Where a run comes from among runs.
#[derive(SimpleObject)]
pub(crate) struct Lineage {
    /// Id of the first generation.
    root: String,
    /// 1 for the first, one more with each retry from a step.
    generation: u32,
    /// Id of the generation before.
    predecessor: Option<String>,
    /// Id of the run whose `workflow` node ordered this one.
    parent: Option<String>,
    /// That node's step.
    parent_step: Option<String>,
}

/// What a run waits for.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitKind {
    /// A time.
    Time,
    /// A signal.
    Signal,
    /// The end of another run.
    Run,
    /// A person's look at a step whose outcome is unknown.
    Review,
}

/// A step that waits for something else than an answer to a question.
#[derive(SimpleObject)]
pub(crate) struct OpenWait {
    step: String,
    kind: WaitKind,
    /// For people.
    what: String,
    /// Name of the signal.
    signal: Option<String>,
    /// The correlation that the signal must have.
    correlation: Option<String>,
    /// Id of the run whose end is waited for.
    run: Option<String>,
    since_ms: Long,
    /// When the waiting ends in any case.
    due_ms: Option<Long>,
}

impl From<flowforge_store::OpenWait> for OpenWait {
    fn from(wait: flowforge_store::OpenWait) -> Self {
        let what = waiting::wait_text(&wait);
        let (kind, signal, correlation, run) = match wait.what {
            WaitFor::Time => (WaitKind::Time, None, None, None),
            WaitFor::Signal { name, correlation } => (WaitKind::Signal, Some(name), correlation, None),
            WaitFor::Child { run } => (WaitKind::Run, None, None, Some(run.to_string())),
            WaitFor::Review { .. } => (WaitKind::Review, None, None, None),
        };
        Self {
            step: wait.step.to_string(),
            kind,
            what,
            signal,
            correlation,
            run,
            since_ms: wait.since_ms.into(),
            due_ms: wait.due_ms.map(Long),
        }
    }
}

/// One execution of a workflow version. Its texts are read when they are asked for.
pub(crate) struct RunNode(Box<RunHead>);

impl RunNode {
    pub(crate) fn new(run: StoredRun) -> Self {
        Self::of_head(run.head)
    }

    pub(crate) fn of_head(run: RunHead) -> Self {
        Self(Box::new(run))
    }

    /// Its texts, together with those of other runs of this answer; `bytes` are those that are wanted of them.
    async fn texts(&self, ctx: &Context<'_>, bytes: u64) -> Result<Arc<RunTexts>> {
        spend(ctx, bytes)?;
        let texts = loads::texts(ctx, self.0.id.clone()).await?;
        texts.ok_or_else(|| coded("the run is gone", CODE_ARGUMENT))
    }

    /// Its outcome, if it has one.
    async fn outcome_text(&self, ctx: &Context<'_>) -> Result<Option<Value>> {
        let bytes = self.0.text_bytes.outcome;
        if bytes == 0 {
            return Ok(None);
        }
        let texts = self.texts(ctx, bytes).await?;
        let outcome = texts.outcome.as_deref().map(stored_json).transpose()?;
        Ok(outcome.map(|outcome| outcome.0))
    }
}

fn app<'a>(ctx: &Context<'a>) -> Result<&'a Arc<App>> {
    ctx.data::<Arc<App>>()
}

/// The values of a run were erased on purpose.
#[derive(SimpleObject)]
#[graphql(name = "Erasure")]
pub(crate) struct ErasedNode {
    /// Who asked.
    by: String,
    at_ms: Long,
}

#[Object(name = "Run")]
impl RunNode {
    /// Unique among everything here.
    pub(crate) async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    async fn workflow(&self) -> &str {
        without_draft(&self.0.workflow).0
    }

    /// 0 for a run of a draft, which is no version.
    async fn version(&self) -> u32 {
        match without_draft(&self.0.workflow).1 {
            true => DRAFT_VERSION,
            false => self.0.version,
        }
    }

    /// True if it runs a draft.
    async fn draft(&self) -> bool {
        without_draft(&self.0.workflow).1
    }

    /// Digest of the release.
    async fn release(&self) -> String {
        self.0.release.to_string()
    }

    async fn state(&self) -> RunStateName {
        self.0.state.into()
    }

    /// For people: what a run that does not move waits for.
    async fn waiting_for(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(waiting::waiting_for(app(ctx)?, &self.0))
    }

    /// How far the attempts under way are, as their connectors said last. It is in no record, and goes with the attempt.
    async fn progress(&self, ctx: &Context<'_>) -> Result<Vec<StepProgressNode>> {
        let host = self.0.host.as_ref().and_then(|id| app(ctx).ok()?.hosts.get(id));
        let Some(host) = host.filter(|_| !self.0.state.is_final()) else {
            return Ok(Vec::new());
        };
        let said = host.state().progress(&self.0.id);
        Ok(said.into_iter().map(StepProgressNode::from).collect())
    }

    /// Who paused it and why, while it is paused.
    async fn paused_by(&self) -> Option<&str> {
        self.0.paused_by.as_deref()
    }

    /// What it waits for besides questions to people, at most 100, oldest first.
    #[graphql(complexity = "10 + child_complexity")]
    async fn waits(&self, ctx: &Context<'_>) -> Result<Vec<OpenWait>> {
        let waits = loads::waits(ctx, self.0.id.clone()).await?.unwrap_or_default();
        Ok(waits.iter().cloned().map(OpenWait::from).collect())
    }

    /// Where it comes from among runs; absent for one that stands alone.
    async fn lineage(&self) -> Result<Option<Lineage>> {
        let Some(text) = &self.0.lineage else {
            return Ok(None);
        };
        let lineage: flowforge_protocol::record::Lineage =
            serde_json::from_str(text).map_err(|error| fault(&error))?;
        let parent = lineage.parent;
        Ok(Some(Lineage {
            root: lineage.root.to_string(),
            generation: lineage.generation,
            predecessor: lineage.predecessor.map(|run| run.to_string()),
            parent: parent.as_ref().map(|parent| parent.run.to_string()),
            parent_step: parent.map(|parent| parent.step.to_string()),
        }))
    }

    /// Runs that it has ordered, at most 100, oldest first.
    #[graphql(complexity = "10 + 10 * child_complexity")]
    async fn children(&self, ctx: &Context<'_>) -> Result<Vec<RunNode>> {
        let children = loads::children(ctx, self.0.id.clone()).await?.unwrap_or_default();
        Ok(children.iter().cloned().map(Self::of_head).collect())
    }

    /// Runs that were made from it by a retry, at most 100, oldest first.
    #[graphql(complexity = "10 + 10 * child_complexity")]
    async fn retries(&self, ctx: &Context<'_>) -> Result<Vec<RunNode>> {
        let retries = loads::retries(ctx, self.0.id.clone()).await?.unwrap_or_default();
        Ok(retries.iter().cloned().map(Self::of_head).collect())
    }

    /// What its end started, or will, as its release says in `on_done` or `on_failed`.
    #[graphql(complexity = "10 + child_complexity")]
    async fn follow_up(&self, ctx: &Context<'_>) -> Result<Option<FollowUpNode>> {
        let follow_up = loads::follow_ups(ctx, self.0.id.clone()).await?;
        Ok(follow_up.map(|follow_up| FollowUpNode((*follow_up).clone())))
    }

    /// That its values were erased, if they were.
    async fn erased(&self) -> Option<ErasedNode> {
        let erased = self.0.erased.as_ref();
        erased.map(|erased| ErasedNode {
            by: erased.by.clone(),
            at_ms: Long(erased.at_ms),
        })
    }

    /// What started it.
    async fn trigger(&self) -> Result<AnyJson> {
        stored_json(&self.0.trigger)
    }

    async fn input(&self, ctx: &Context<'_>) -> Result<AnyJson> {
        stored_json(&self.texts(ctx, self.0.text_bytes.input).await?.input)
    }

    /// Who has the lease.
    async fn host(&self, ctx: &Context<'_>) -> Result<Option<HostNode>> {
        let app = app(ctx)?;
        Ok(self
            .0
            .host
            .as_ref()
            .and_then(|id| app.hosts.get(id))
            .map(HostNode))
    }

    /// Fencing number; 0 without a host.
    async fn epoch(&self) -> Long {
        self.0.epoch.into()
    }

    async fn created_at_ms(&self) -> Long {
        self.0.created_at_ms.into()
    }

    /// By the host's clock.
    async fn ended_at_ms(&self) -> Option<Long> {
        self.0.ended_at_ms.map(Long)
    }

    /// Records stored here.
    async fn records(&self) -> Long {
        self.0.records.into()
    }

    /// Chain value after the last stored record.
    async fn chain(&self) -> Option<String> {
        self.0.chain.map(|chain| chain.to_string())
    }

    /// The workflow's output, when the run is done.
    async fn output(&self, ctx: &Context<'_>) -> Result<Option<AnyJson>> {
        let outcome = self.outcome_text(ctx).await?;
        Ok(outcome.and_then(|mut outcome| outcome.get_mut("output").map(|o| Json(o.take()))))
    }

    /// The outcome as recorded, when the run has ended.
    async fn outcome(&self, ctx: &Context<'_>) -> Result<Option<AnyJson>> {
        Ok(self.outcome_text(ctx).await?.map(Json))
    }

    /// Why it failed, when it did.
    async fn failure(&self, ctx: &Context<'_>) -> Result<Option<AnyJson>> {
        let outcome = self.outcome_text(ctx).await?;
        Ok(outcome.and_then(|mut outcome| outcome.get_mut("failure").map(|f| Json(f.take()))))
    }

    /// The table of nodes as the state machine sees it; absent until the first record is here.
    #[graphql(complexity = 100)]
    async fn view(&self, ctx: &Context<'_>) -> Result<Option<AnyJson>> {
        let app = app(ctx)?;
        let Some(view) = app.view(&self.0).await.map_err(|error| fault(&error))? else {
            return Ok(None);
        };
        spend(ctx, view.bytes)?;
        Ok(Some(Json(view.table.as_ref().clone())))
    }

    /// The host's receipt, when it is here.
    async fn receipt(&self, ctx: &Context<'_>) -> Result<Option<ReceiptNode>> {
        let bytes = self.0.text_bytes.receipt;
        if bytes == 0 {
            return Ok(None);
        }
        let texts = self.texts(ctx, 2 * bytes).await?;
        let Some(envelope) = &texts.receipt else {
            return Ok(None);
        };
        let checked = crate::app::receipts::check(app(ctx)?, &self.0, envelope);
        Ok(Some(ReceiptNode {
            envelope: envelope.clone(),
            receipt: Json(checked.receipt),
            valid: checked.fault.is_none(),
            reason: checked.fault,
        }))
    }

    /// The signed documents and the records, from `fromSeq` on, to check the run without this server.
    #[graphql(complexity = 100)]
    async fn evidence(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Long(0)")] from_seq: Long,
    ) -> Result<Option<EvidenceNode>> {
        super::evidence::of(ctx, &self.0, from_seq.0).await
    }

    async fn traceparent(&self) -> Option<&str> {
        self.0.traceparent.as_deref()
    }

    /// Questions it asked, oldest first.
    #[graphql(complexity = "10 + child_complexity")]
    async fn approvals(&self, ctx: &Context<'_>) -> Result<Vec<ApprovalNode>> {
        let approvals = loads::approvals(ctx, self.0.id.clone())
            .await?
            .unwrap_or_default();
        Ok(approvals.iter().cloned().map(ApprovalNode::new).collect())
    }

    /// Log lines among the records stored here, oldest first.
    #[graphql(complexity = "100 + child_complexity")]
    async fn logs(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<Connection<Cursor, LogLineNode>> {
        let window = Window::new("logs", Some(first), after)?;
        let from = window
            .after_row()?
            .map_or(0, |seq| u64::try_from(seq).unwrap_or(0).saturating_add(1));
        let lines = reading(ctx).await?.logs(&self.0.id, from, window.limit).await;
        let (lines, has_more) = lines.map_err(|error| fault(&error))?;
        spend(ctx, lines.iter().map(|line| line.message.len() as u64).sum())?;
        let edges = lines.into_iter().map(|line| {
            let node = LogLineNode {
                at_ms: line.at_ms.into(),
                step: line.step,
                attempt: line.attempt,
                level: line.level,
                message: line.message,
            };
            (Cursor(line.seq.to_string()), node)
        });
        Ok(from_edges(edges, has_more, &window))
    }
}
