//! Many runs at once: stopped, or run again.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::Action;
use flowforge_store::{RunFilter, RunHead, Started};

use super::codes::ProblemCode;
use super::fault;
use super::loads::{reading, reading_for};
use super::mutation::{field, input_problem, reason_of, trace_of};
use super::problems::InputProblem;
use super::query::{app, caller};
use super::runs::RunStateName;
use crate::app::decisions::CancelOutcome;
use crate::app::operations::Refused;
use crate::app::retry::RetryError;
use crate::app::starts::StartError;

/// Runs that one call stops or starts.
const MAX_RUNS: usize = 100;

/// Runs of a list.
#[derive(InputObject)]
pub(crate) struct RunsFilter {
    workflow: Option<String>,
    state: RunStateName,
}

/// Runs to be stopped: by their ids, or the newest 100 of a list.
#[derive(InputObject)]
pub(crate) struct CancelRunsInput {
    /// Whole ids, at most 100.
    ids: Option<Vec<String>>,
    /// In the place of `ids`; its state is one of a run that is not over.
    of: Option<RunsFilter>,
    /// Kept in the runs' records.
    reason: Option<String>,
}

/// Runs that are over, to be run again: by their ids, or the newest 100 of a list.
#[derive(InputObject)]
pub(crate) struct RetryRunsInput {
    /// Whole ids, at most 100.
    ids: Option<Vec<String>>,
    /// In the place of `ids`; its state is one of a run that is over.
    of: Option<RunsFilter>,
    /// The node from which each runs again; absent: the one at which it failed.
    from: Option<String>,
    /// With the newest release of the workflow; otherwise with the one that each had.
    newest: Option<bool>,
}

/// What became of one of the runs.
#[derive(SimpleObject)]
pub(crate) struct BulkItem {
    /// Id of the run that was named.
    id: String,
    /// Id of the run that was started, if one was.
    started: Option<String>,
    /// True if it was done.
    done: bool,
    /// Why not: `FF-…`.
    code: Option<String>,
    /// The same as one of a closed set.
    kind: Option<ProblemCode>,
    /// Why not, for people.
    message: Option<String>,
}

impl BulkItem {
    fn succeeded(id: String, started: Option<String>) -> Self {
        Self {
            id,
            started,
            done: true,
            code: None,
            kind: None,
            message: None,
        }
    }

    fn refused(id: String, kind: ProblemCode, message: String) -> Self {
        Self {
            id,
            started: None,
            done: false,
            code: Some(kind.to_string()),
            kind: Some(kind),
            message: Some(message),
        }
    }
}

/// What became of each run; one that was refused holds up no other.
#[derive(SimpleObject)]
pub(crate) struct BulkSuccess {
    items: Vec<BulkItem>,
    /// With `of`: true if the list has more.
    more: bool,
}

#[derive(Union)]
pub(crate) enum CancelRunsPayload {
    Success(BulkSuccess),
    Input(InputProblem),
}

#[derive(Union)]
pub(crate) enum RetryRunsPayload {
    Success(BulkSuccess),
    Input(InputProblem),
}

type Chosen = std::result::Result<(Vec<String>, bool), InputProblem>;

/// The runs that are meant, and whether there are more.
async fn chosen(
    ctx: &Context<'_>,
    ids: Option<Vec<String>>,
    of: Option<RunsFilter>,
    over: bool,
) -> Result<Chosen> {
    let wrong = |path: &str, message: String| Ok(Err(input_problem(vec![field(path, message)])));
    match (ids, of) {
        (Some(ids), None) if ids.is_empty() || ids.len() > MAX_RUNS => {
            wrong("ids", format!("{} ids; give 1 to {MAX_RUNS}", ids.len()))
        }
        (Some(mut ids), None) => {
            let mut seen = std::collections::HashSet::new();
            ids.retain(|id| seen.insert(id.clone()));
            match ids
                .iter()
                .position(|id| id.parse::<flowforge_protocol::RunId>().is_err())
            {
                Some(place) => wrong(
                    &format!("ids[{place}]"),
                    "expected a whole id of a run".to_owned(),
                ),
                None => Ok(Ok((ids, false))),
            }
        }
        (None, Some(of)) => {
            let state = flowforge_store::RunState::from(of.state);
            if state.is_final() != over {
                let message = if over {
                    "a run that is not over is not run again"
                } else {
                    "a run that is over cannot be stopped"
                };
                return wrong("of.state", message.to_owned());
            }
            let filter = RunFilter {
                workflow: of.workflow,
                state: Some(state),
            };
            let limit = u32::try_from(MAX_RUNS).unwrap_or(u32::MAX);
            let page = reading(ctx).await?.runs(&filter, None, limit).await;
            let page = page.map_err(|error| fault(&error))?;
            let id = |(_, run): (i64, RunHead)| run.id.to_string();
            Ok(Ok((page.items.into_iter().map(id).collect(), page.has_more)))
        }
        (Some(_), Some(_)) | (None, None) => wrong("ids", "give either `ids` or `of`".to_owned()),
    }
}

/// The node at which a run failed.
fn failed_at(outcome: Option<&str>) -> Option<String> {
    let outcome: serde_json::Value = serde_json::from_str(outcome?).ok()?;
    Some(outcome.get("node")?.as_str()?.to_owned())
}

/// Changes of many runs.
#[derive(Default)]
pub(crate) struct Bulk;

#[Object]
impl Bulk {
    /// Stops runs. Each is checked and answered by itself.
    async fn cancel_runs(&self, ctx: &Context<'_>, input: CancelRunsInput) -> Result<CancelRunsPayload> {
        reading_for(ctx, Action::CancelRun).await?;
        let (ids, more) = match chosen(ctx, input.ids, input.of, false).await? {
            Ok(chosen) => chosen,
            Err(problem) => return Ok(CancelRunsPayload::Input(problem)),
        };
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            let reason = reason_of(caller, "cancelled", input.reason.clone());
            let outcome = app.cancel(caller, &id, reason, 0).await;
            items.push(match outcome.map_err(|error| fault(&error))? {
                CancelOutcome::Told(_) => BulkItem::succeeded(id, None),
                CancelOutcome::Over(run) => {
                    let message = format!("run {} is over: {}", run.id.short(), run.state.as_str());
                    BulkItem::refused(id, ProblemCode::Run004, message)
                }
                CancelOutcome::NotFound(message) => BulkItem::refused(id, ProblemCode::Run005, message),
            });
        }
        Ok(CancelRunsPayload::Success(BulkSuccess { items, more }))
    }

    /// Runs runs again, each as a new run that takes the results before the node it begins from. What completed and happens
    /// again is told by `retryPlan`, run by run.
    async fn retry_runs(&self, ctx: &Context<'_>, input: RetryRunsInput) -> Result<RetryRunsPayload> {
        reading_for(ctx, Action::RetryRun).await?;
        let (ids, more) = match chosen(ctx, input.ids, input.of, true).await? {
            Ok(chosen) => chosen,
            Err(problem) => return Ok(RetryRunsPayload::Input(problem)),
        };
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            items.push(retry(ctx, id, input.from.as_deref(), input.newest.unwrap_or(false)).await?);
        }
        Ok(RetryRunsPayload::Success(BulkSuccess { items, more }))
    }
}

async fn retry(ctx: &Context<'_>, id: String, from: Option<&str>, newest: bool) -> Result<BulkItem> {
    let (app, reading) = (app(ctx)?, reading(ctx).await?);
    let from = match from {
        Some(from) => from.to_owned(),
        None => match reading.find_run(&id).await.map_err(|error| fault(&error))? {
            Err(message) => return Ok(BulkItem::refused(id, ProblemCode::Run005, message)),
            Ok(run) => match failed_at(run.texts.outcome.as_deref()) {
                Some(node) => node,
                None => {
                    let message = format!("run {} did not fail at a node; say `from`", run.id.short());
                    return Ok(BulkItem::refused(id, ProblemCode::Run004, message));
                }
            },
        },
    };
    let plan = app.retry_plan(&reading, &id, &from, newest).await;
    let plan = match plan.map_err(|error| fault(&error))? {
        Ok(plan) => plan,
        Err(Refused::NotFound(message)) => return Ok(BulkItem::refused(id, ProblemCode::Run005, message)),
        Err(Refused::State(_, message)) => return Ok(BulkItem::refused(id, ProblemCode::Run004, message)),
        Err(Refused::Field(path, message)) => {
            return Ok(BulkItem::refused(
                id,
                ProblemCode::In001,
                format!("{path}: {message}"),
            ));
        }
        Err(Refused::Full | Refused::Conflict(_)) => {
            return Err(fault(&flowforge_store::StoreError::Stopped));
        }
    };
    Ok(
        match app.retry(caller(ctx)?, plan, trace_of(ctx), Vec::new()).await {
            Ok((run, Started::New)) => BulkItem::succeeded(id, Some(run.to_string())),
            Ok((_, Started::Duplicate { run } | Started::Conflict { run })) => {
                BulkItem::succeeded(id, Some(run.to_string()))
            }
            Err(RetryError::Start(StartError::Input(faults))) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                BulkItem::refused(id, ProblemCode::In001, faults.join("; "))
            }
            Err(RetryError::Start(error @ StartError::Busy { .. })) => {
                BulkItem::refused(id, ProblemCode::Run003, error.to_string())
            }
            Err(RetryError::Start(error @ StartError::Held(_))) => {
                BulkItem::refused(id, ProblemCode::Reg010, error.to_string())
            }
            Err(error) => return Err(fault(&error)),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_failed_says_its_node() {
        let at = |node: &str| failed_at(Some(&format!(r#"{{"state":"failed","node":"{node}"}}"#)));
        assert_eq!(at("pay").as_deref(), Some("pay"));
        assert_eq!(failed_at(Some(r#"{"state":"done"}"#)), None);
        assert_eq!(failed_at(None), None);
    }
}
