//! Following lists: what moved among runs, questions, hosts and drafts, and the nodes of one run.
//!
//! Each thing comes in its newest state, once however often it moved meanwhile. Whoever was away reads the list first and
//! follows then. A follower that cannot keep up misses the middle, never the newest state of what moves on.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, Enum, Result, SimpleObject, Subscription as GraphQlSubscription};
use flowforge_core::{Action, Caller};
use flowforge_protocol::RunId;
use flowforge_store::{ApprovalState, Found, is_finder, without_draft};
use flowforge_workflow::{NodeRow, NodeState};
use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::approvals::ApprovalNode;
use super::drafts::DraftSummary;
use super::fault;
use super::faults::{CODE_ARGUMENT, CODE_BUSY, coded, denied};
use super::hosts::HostNode;
use super::loads::reading;
use super::query::{app, caller};
use super::runs::RunNode;
use super::scalars::Long;
use crate::app::{App, FOLLOWERS_MAX, Reading};
use crate::fleet::events::RunMoved;

/// What moved is told at most this often.
const PACE: Duration = Duration::from_millis(200);
/// How often it is looked whether hosts moved; that costs no statement.
const HOSTS_PACE: Duration = Duration::from_secs(1);
/// Runs that one turn tells of at most; the others come with the next.
const TURN_MAX: usize = 100;
/// Runs that moved and were not told yet, at most; beyond that the list is read again by whoever follows it.
const WAITING_MAX: usize = 4_096;
/// Questions whose last state is remembered, so that it is told once.
const QUESTIONS_MAX: usize = 10_000;

/// A place among the followers; it is given back when the subscription ends.
pub(super) fn place(app: &App) -> Result<OwnedSemaphorePermit> {
    let place = Arc::clone(&app.followers).try_acquire_owned();
    place.map_err(|_| {
        let message =
            format!("{FOLLOWERS_MAX} subscriptions are open, and no more are served; try again later");
        coded(message, CODE_BUSY)
    })
}

/// A draft that was saved, or is gone.
#[derive(SimpleObject)]
pub(crate) struct DraftMoved {
    workflow: String,
    /// As it is now; null if it is gone.
    draft: Option<DraftSummary>,
}

/// Where a node of a run stands.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "RunNodeState", remote = "NodeState")]
pub(crate) enum RunNodeStateName {
    /// Waits for other nodes.
    Pending,
    /// At work.
    Running,
    /// Tries again later.
    Retrying,
    /// Waits for a person, a time, a signal or another run.
    Waiting,
    /// Waits for a person to look at it.
    NeedsReview,
    /// Done.
    Done,
    /// Did not run, because what it comes after did not happen.
    Skipped,
    /// Failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The run ended while it was at work or waited.
    Stopped,
    /// The run ended before it could start.
    NotRun,
}

/// One node of a run, as the table of its run shows it.
#[derive(SimpleObject)]
pub(crate) struct RunNodeRow {
    node: String,
    /// `call`, `set`, `switch`, …; `undo` for the steps that take effects back.
    kind: String,
    state: RunNodeStateName,
    /// What came of it, or what it is at, in a few words.
    what: String,
    /// Attempts, those inside a loop counted; null for a node that makes none.
    tries: Option<Long>,
    started_at_ms: Option<Long>,
    /// How long it took; null until it ended.
    time_ms: Option<Long>,
}

impl From<NodeRow> for RunNodeRow {
    fn from(row: NodeRow) -> Self {
        Self {
            node: row.node.to_string(),
            kind: row.kind,
            state: row.state.into(),
            what: row.what,
            tries: row.tries.map(Long),
            started_at_ms: row.started_at_ms.map(Long),
            time_ms: row.time_ms.map(Long),
        }
    }
}

/// The nodes of a run that changed.
#[derive(SimpleObject)]
pub(crate) struct RunNodesEvent {
    /// All of them at first, then those that are otherwise than they were told.
    nodes: Vec<RunNodeRow>,
    /// True in the last event.
    ended: bool,
}

/// What a follower needs.
struct Follower {
    app: Arc<App>,
    caller: Caller,
    moved: broadcast::Receiver<RunMoved>,
    waiting: HashSet<RunId>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    async fn new(ctx: &Context<'_>) -> Result<Self> {
        // Looked at once here, so that whoever may not look is refused at once.
        reading(ctx).await?;
        let app = Arc::clone(app(ctx)?);
        Ok(Self {
            _place: place(&app)?,
            moved: app.events.subscribe(),
            waiting: HashSet::new(),
            caller: caller(ctx)?.clone(),
            app,
        })
    }

    /// The right to look, asked for anew: it may have been taken back.
    async fn reading(&self) -> Result<Reading<'_>> {
        let reading = self.app.reading(&self.caller, Action::Read).await;
        reading.map_err(|refused| denied(&refused))
    }

    /// Runs that moved, each once, at most [`TURN_MAX`]; or whether this one did. None when the server closes.
    async fn turn(&mut self, only: Option<&RunId>) -> Option<Vec<RunId>> {
        while self.waiting.is_empty() {
            tokio::select! {
                moved = self.moved.recv() => self.heard(moved, only)?,
                () = self.app.closing.cancelled() => return None,
            }
        }
        let pause = tokio::time::sleep(PACE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                moved = self.moved.recv() => self.heard(moved, only)?,
            }
        }
        let turn: Vec<RunId> = self.waiting.iter().take(TURN_MAX).cloned().collect();
        for run in &turn {
            self.waiting.remove(run);
        }
        Some(turn)
    }

    fn heard(&mut self, moved: Result<RunMoved, RecvError>, only: Option<&RunId>) -> Option<()> {
        let run = match (moved, only) {
            (Err(RecvError::Closed), _) => return None,
            (Ok(moved), Some(only)) => moved.concerns(only).then(|| only.clone()),
            (Ok(moved), None) => moved.run,
            // It may have been among those that were missed.
            (Err(RecvError::Lagged(_)), only) => only.cloned(),
        };
        if let Some(run) = run.filter(|_| self.waiting.len() < WAITING_MAX) {
            self.waiting.insert(run);
        }
        Some(())
    }
}

/// A stream of what `next` finds, turn after turn; it ends with the first error, and when the server closes.
fn turns<S: Send + 'static, T: Send + 'static>(
    state: S,
    next: impl for<'s> Fn(&'s mut S) -> futures::future::BoxFuture<'s, Option<Result<Vec<T>>>>
    + Send
    + Sync
    + 'static,
) -> impl Stream<Item = Result<T>> {
    let next = Arc::new(next);
    let begin = (state, VecDeque::new(), false);
    futures::stream::unfold(begin, move |(mut state, mut found, over)| {
        let next = Arc::clone(&next);
        async move {
            if over {
                return None;
            }
            loop {
                if let Some(item) = found.pop_front() {
                    return Some((Ok(item), (state, found, false)));
                }
                match next(&mut state).await? {
                    Ok(more) => found.extend(more),
                    Err(error) => return Some((Err(error), (state, found, true))),
                }
            }
        }
    })
}

/// Following lists.
#[derive(Default)]
pub(crate) struct ListFollowing;

#[GraphQlSubscription]
impl ListFollowing {
    /// Runs that began, moved or ended, each in its newest state; with `workflow` those of its versions and its draft.
    async fn runs_moved(
        &self,
        ctx: &Context<'_>,
        workflow: Option<String>,
    ) -> Result<impl Stream<Item = Result<RunNode>> + use<>> {
        let follower = Follower::new(ctx).await?;
        Ok(turns((follower, workflow), |(follower, workflow)| {
            Box::pin(async move {
                let runs = follower.turn(None).await?;
                Some(moved_runs(follower, runs, workflow.as_deref()).await)
            })
        }))
    }

    /// Questions that were asked, answered or closed, each in its newest state.
    async fn approvals_moved(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<ApprovalNode>> + use<>> {
        let follower = Follower::new(ctx).await?;
        let told: HashMap<String, ApprovalState> = HashMap::new();
        Ok(turns((follower, told), |(follower, told)| {
            Box::pin(async move {
                let runs = follower.turn(None).await?;
                Some(moved_questions(follower, runs, told).await)
            })
        }))
    }

    /// Hosts that joined, connected, went away, or take nothing new.
    async fn hosts_moved(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Result<HostNode>> + use<>> {
        let follower = Follower::new(ctx).await?;
        let told = shown_hosts(&follower.app);
        Ok(turns((follower, told), |(follower, told)| {
            Box::pin(async move {
                tokio::select! {
                    () = tokio::time::sleep(HOSTS_PACE) => {}
                    () = follower.app.closing.cancelled() => return None,
                }
                if let Err(error) = follower.reading().await {
                    return Some(Err(error));
                }
                let now = shown_hosts(&follower.app);
                let moved = now.iter().filter(|(id, shown)| told.get(*id) != Some(shown));
                let hosts = follower.app.hosts.all();
                let moved: HashSet<&String> = moved.map(|(id, _)| id).collect();
                let hosts = hosts
                    .into_iter()
                    .filter(|host| moved.contains(&host.id.to_string()));
                let hosts = hosts.map(HostNode).collect();
                *told = now;
                Some(Ok(hosts))
            })
        }))
    }

    /// Drafts that were saved, published or thrown away.
    async fn drafts_moved(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<DraftMoved>> + use<>> {
        let follower = Follower::new(ctx).await?;
        let moved = follower.app.drafts_moved.subscribe();
        Ok(turns((follower, moved), |(follower, moved)| {
            Box::pin(async move {
                let workflow = tokio::select! {
                    moved = moved.recv() => match moved {
                        Ok(workflow) => workflow,
                        Err(RecvError::Lagged(_)) => return Some(Ok(Vec::new())),
                        Err(RecvError::Closed) => return None,
                    },
                    () = follower.app.closing.cancelled() => return None,
                };
                Some(moved_draft(follower, workflow).await.map(|draft| vec![draft]))
            })
        }))
    }

    /// The nodes of a run: all of them at once, then those that changed, until it is over.
    async fn run_nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An id, a unique prefix of one, or `last`.")] run: String,
    ) -> Result<impl Stream<Item = Result<RunNodesEvent>> + use<>> {
        let follower = Follower::new(ctx).await?;
        let found = reading(ctx).await?.run_or_prefix(&run).await;
        let run = match found.map_err(|error| fault(&error))? {
            Found::One(found) => found.head.id,
            Found::None => return Err(coded(format!("there is no run `{run}`"), CODE_ARGUMENT)),
            Found::Several => return Err(coded(format!("several runs begin with `{run}`"), CODE_ARGUMENT)),
        };
        let begin = Table {
            run,
            told: BTreeMap::new(),
            begun: false,
            ended: false,
        };
        Ok(turns((follower, begin), |(follower, table)| {
            Box::pin(async move { table.next(follower).await })
        }))
    }
}

async fn moved_runs(follower: &Follower, runs: Vec<RunId>, workflow: Option<&str>) -> Result<Vec<RunNode>> {
    let reading = follower.reading().await?;
    let heads = reading.run_heads(runs).await.map_err(|error| fault(&error))?;
    let wanted = heads
        .into_iter()
        .filter(|run| !is_finder(&run.workflow))
        .filter(|run| workflow.is_none_or(|name| without_draft(&run.workflow).0 == name));
    Ok(wanted.map(RunNode::of_head).collect())
}

async fn moved_questions(
    follower: &Follower,
    runs: Vec<RunId>,
    told: &mut HashMap<String, ApprovalState>,
) -> Result<Vec<ApprovalNode>> {
    let reading = follower.reading().await?;
    let most = u32::try_from(TURN_MAX).unwrap_or(u32::MAX);
    let asked = reading
        .approvals_of(runs, most)
        .await
        .map_err(|error| fault(&error))?;
    if told.len() > QUESTIONS_MAX {
        told.clear();
    }
    let is_new = |id: String, state| told.insert(id, state) != Some(state);
    let mut is_new = is_new;
    let moved = asked
        .into_iter()
        .filter(|asked| is_new(asked.id.to_string(), asked.state));
    Ok(moved.map(ApprovalNode::new).collect())
}

async fn moved_draft(follower: &Follower, workflow: String) -> Result<DraftMoved> {
    let reading = follower.reading().await?;
    let draft = reading.draft(&workflow).await.map_err(|error| fault(&error))?;
    Ok(DraftMoved {
        workflow,
        draft: draft.map(|draft| DraftSummary::from(draft.head)),
    })
}

/// What of each host is told when it changes.
fn shown_hosts(app: &App) -> HashMap<String, (String, bool, bool)> {
    let monotonic_ms = app.clock.monotonic_ms();
    let hosts = app.hosts.all().into_iter();
    hosts
        .map(|host| {
            let state = host.state();
            let shown = (state.host.name.clone(), state.connected(monotonic_ms), state.busy);
            drop(state);
            (host.id.to_string(), shown)
        })
        .collect()
}

/// The table of a run, as it was told.
struct Table {
    run: RunId,
    told: BTreeMap<String, NodeRow>,
    begun: bool,
    ended: bool,
}

impl Table {
    async fn next(&mut self, follower: &mut Follower) -> Option<Result<Vec<RunNodesEvent>>> {
        if self.ended {
            return None;
        }
        if self.begun {
            follower.turn(Some(&self.run)).await?;
        }
        self.begun = true;
        Some(self.look(follower).await)
    }

    async fn look(&mut self, follower: &Follower) -> Result<Vec<RunNodesEvent>> {
        let reading = follower.reading().await?;
        let run = reading.run(&self.run).await.map_err(|error| fault(&error))?;
        let run = run.ok_or_else(|| coded("the run is gone", CODE_ARGUMENT))?;
        let view = follower.app.view(&run).await.map_err(|error| fault(&error))?;
        let rows = view.and_then(|view| view.table.get("nodes").cloned());
        let rows: Vec<NodeRow> = match rows {
            Some(rows) => serde_json::from_value(rows).map_err(|error| fault(&error))?,
            None => Vec::new(),
        };
        let mut nodes = Vec::new();
        for row in rows {
            let name = format!("{} {}", row.kind == "undo", row.node);
            if self.told.get(&name) != Some(&row) {
                self.told.insert(name, row.clone());
                nodes.push(RunNodeRow::from(row));
            }
        }
        self.ended = run.state.is_final();
        if nodes.is_empty() && !self.ended {
            return Ok(Vec::new());
        }
        Ok(vec![RunNodesEvent {
            nodes,
            ended: self.ended,
        }])
    }
}
