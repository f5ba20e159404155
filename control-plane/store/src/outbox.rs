//! The outbox: events that are to be sent to webhook endpoints. A row is written in the transaction of what it tells, once for
//! each endpoint, and is sent by whoever has claimed it.
//!
//! The name of an event is made of what it is about, so that the same thing is never told twice under two names. A claim is
//! for a time: whoever dies with it leaves the row to another. What a call brought is written down only by the claim that made it.

use flowforge_core::{AuditEntry, Scope};
use flowforge_protocol::Digest;
use serde_json::{Value, json};

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::sql::{self, signed, small, unsigned};
use crate::{Store, StoreError, audit, endpoints};

/// A run ended.
pub const RUN_ENDED: &str = "run.ended";
/// A run ended well whose release names the endpoint.
pub const RUN_DONE: &str = "run.done";
/// A run failed whose release names the endpoint.
pub const RUN_FAILED: &str = "run.failed";
/// A person is asked.
pub const APPROVAL_REQUESTED: &str = "approval.requested";
/// A workflow has a new version.
pub const WORKFLOW_PUBLISHED: &str = "workflow.published";
/// Somebody tries an endpoint.
pub const ENDPOINT_TEST: &str = "endpoint.test";

/// The kinds of events that an endpoint can ask for.
pub const EVENT_KINDS: [&str; 3] = [WORKFLOW_PUBLISHED, RUN_ENDED, APPROVAL_REQUESTED];

/// Largest outcome that an event has with it, in bytes of JSON text; of a larger one it says only that there is one.
pub const MAX_EVENT_OUTCOME_BYTES: u32 = 64 << 10;

/// What an event tells, as it is kept; its body is made of this, the same each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The endpoint that it is for.
    pub endpoint: String,
    /// The name under which its receiver knows it.
    pub event: String,
    /// `run.ended` and the like.
    pub kind: String,
    /// When it happened, by the clock of the server that wrote it.
    pub at_ms: u64,
    /// The workflow that it is about.
    pub workflow: Option<String>,
    /// Its version.
    pub version: Option<u32>,
    /// The run, approval or release that it is about.
    pub subject: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// How the run ended.
    pub ended_as: Option<String>,
    /// Title of the question, or of the workflow.
    pub title: Option<String>,
    /// Until when the question can be answered.
    pub until_ms: Option<u64>,
    /// The outcome of the run as JSON text.
    pub outcome: Option<String>,
}

/// An event that this server may send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedEvent {
    /// Its number.
    pub number: u64,
    /// Which attempt this is, from 1.
    pub attempt: u64,
    /// What it tells.
    pub told: Told,
}

/// Which events are claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventClaim {
    /// Now.
    pub now_ms: u64,
    /// From when on another may claim them.
    pub until_ms: u64,
    /// So many at most.
    pub limit: u32,
    /// So many of one endpoint at most.
    pub of_one: u32,
    /// None of these endpoints.
    pub busy: Vec<String>,
}

/// What a call brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSent {
    /// The number of the event.
    pub number: u64,
    /// Which attempt it was.
    pub attempt: u64,
    /// When it was over.
    pub at_ms: u64,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The beginning of the answer, or why there was none.
    pub answer: String,
    /// What follows.
    pub then: AfterSending,
}

/// What follows a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterSending {
    /// The endpoint has taken it.
    Delivered,
    /// It is tried again at this time.
    Again(u64),
    /// It is not tried again.
    GivenUp,
}

/// When an endpoint is disabled.
#[derive(Debug, Clone)]
pub struct DisableRule {
    /// It has failed since this time or longer.
    pub failing_since_ms: u64,
    /// Why, for people.
    pub why: String,
    /// Whether it says itself that it is gone.
    pub gone: bool,
    /// What is written down then.
    pub note: AuditEntry,
}

/// The columns of [`Told`] behind the number, for a list that goes on.
pub(crate) const TOLD: &str = "seq, endpoint, event, kind, at_ms, workflow, version, subject, run, ended_as, title, until_ms, \
     detail";
/// How many these are.
pub(crate) const TOLD_COLUMNS: usize = 13;

pub(crate) fn told(row: &Row<'_>) -> Result<(i64, Told), StoreError> {
    let told = Told {
        endpoint: row.get(1)?,
        event: row.get(2)?,
        kind: row.get(3)?,
        at_ms: unsigned(row.get(4)?),
        workflow: row.get(5)?,
        version: row.get::<Option<i64>>(6)?.map(small),
        subject: row.get(7)?,
        run: row.get(8)?,
        ended_as: row.get(9)?,
        title: row.get(10)?,
        until_ms: row.get::<Option<i64>>(11)?.map(unsigned),
        outcome: row.get(12)?,
    };
    Ok((row.get(0)?, told))
}

/// The name of an event: the same for the same thing. It has no full stop, because those part what is signed.
#[must_use]
pub fn event_name(kind: &str, subject: &str) -> String {
    let digest = Digest::of_parts(&[kind.as_bytes(), b"\n", subject.as_bytes()]).hex();
    let short: String = digest.chars().take(32).collect();
    format!("evt_{short}")
}

// The endpoints of a run's project that ask for a kind of event, and are not disabled.
const SUBSCRIBED: &str = "join endpoint on endpoint.workspace = run.workspace and endpoint.project = run.project \
     and endpoint.disabled_at_ms is null and endpoint.kinds like '% ' || (item.value ->> 1) || ' %' \
     and (endpoint.workflow is null or endpoint.workflow = run.workflow)";
const ADD: &str = "insert into event_delivery (workspace, project, endpoint, event, kind, at_ms, due_ms, workflow, version, \
     subject, run, ended_as, title, until_ms, detail)";

/// Runs that ended, for those who follow all ends: event, kind, time, row of the run. Drafts tell nobody.
pub(crate) fn tell_ends(connection: &Connection, rows: &str) -> Result<(), StoreError> {
    let sql = format!(
        "{ADD} select run.workspace, run.project, endpoint.name, item.value ->> 0, item.value ->> 1, \
         cast(item.value ->> 2 as bigint), cast(item.value ->> 2 as bigint), run.workflow, run.version, run.id, run.id, \
         run.state, null, null, null from json_each(?1) item join run on run.seq = cast(item.value ->> 3 as bigint) \
         {SUBSCRIBED} where run.version > 0 on conflict do nothing"
    );
    sql::run(connection, &sql, [rows])?;
    Ok(())
}

/// Runs that ended, for the endpoint that their release names: event, kind, time, row of the run, endpoint. One that is not
/// there, or disabled, gets it when it is.
pub(crate) fn tell_named(connection: &Connection, rows: &str) -> Result<(), StoreError> {
    let sql = format!(
        "{ADD} select run.workspace, run.project, item.value ->> 4, item.value ->> 0, item.value ->> 1, \
         cast(item.value ->> 2 as bigint), cast(item.value ->> 2 as bigint), run.workflow, run.version, run.id, run.id, \
         run.state, null, null, case when octet_length(run.outcome) <= {MAX_EVENT_OUTCOME_BYTES} then run.outcome end \
         from json_each(?1) item join run on run.seq = cast(item.value ->> 3 as bigint) where true on conflict do nothing"
    );
    sql::run(connection, &sql, [rows])?;
    Ok(())
}

/// Questions that were asked: event, kind, time, approval.
pub(crate) fn tell_questions(connection: &Connection, rows: &str) -> Result<(), StoreError> {
    let sql = format!(
        "{ADD} select run.workspace, run.project, endpoint.name, item.value ->> 0, item.value ->> 1, \
         cast(item.value ->> 2 as bigint), cast(item.value ->> 2 as bigint), run.workflow, run.version, approval.id, run.id, \
         null, approval.title, approval.expires_at_ms, null from json_each(?1) item \
         join approval on approval.id = item.value ->> 3 join run on run.seq = approval.run \
         {SUBSCRIBED} where run.version > 0 on conflict do nothing"
    );
    sql::run(connection, &sql, [rows])?;
    Ok(())
}

/// A version of a workflow.
pub(crate) struct NewVersion<'a> {
    /// Digest of its release.
    pub(crate) release: &'a Digest,
    pub(crate) workflow: &'a str,
    pub(crate) version: u32,
    pub(crate) title: &'a str,
    pub(crate) at_ms: u64,
}

/// A version that was published.
pub(crate) fn tell_version(
    connection: &Connection,
    scope: &Scope,
    new: &NewVersion<'_>,
) -> Result<(), StoreError> {
    let digest = new.release.to_string();
    let sql = format!(
        "{ADD} select workspace, project, name, ?4, '{WORKFLOW_PUBLISHED}', cast(?5 as bigint), cast(?5 as bigint), \
         cast(?3 as text), cast(?6 as bigint), ?7, null, null, ?8, null, null from endpoint \
         where workspace = ?1 and project = ?2 and disabled_at_ms is null and kinds like '% {WORKFLOW_PUBLISHED} %' \
         and (workflow is null or workflow = ?3) on conflict do nothing"
    );
    sql::run(
        connection,
        &sql,
        params![
            scope.workspace(),
            scope.project(),
            new.workflow,
            event_name(WORKFLOW_PUBLISHED, &digest),
            signed(new.at_ms),
            new.version,
            digest,
            new.title
        ],
    )?;
    Ok(())
}

impl Store {
    /// Writes an event that tries an endpoint; gives its number. None if there is no such endpoint, or nothing is sent there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn tell_test(
        &self,
        scope: &Scope,
        endpoint: String,
        event: String,
        at_ms: u64,
    ) -> Result<Option<u64>, StoreError> {
        self.change(scope, None, Option::is_some, move |transaction, scope| {
            let numbers = sql::all(
                transaction,
                "insert into event_delivery (workspace, project, endpoint, event, kind, at_ms, due_ms) \
                 select workspace, project, name, ?4, ?5, cast(?6 as bigint), cast(?6 as bigint) from endpoint \
                 where workspace = ?1 and project = ?2 and name = ?3 and disabled_at_ms is null returning seq",
                params![
                    scope.workspace(),
                    scope.project(),
                    endpoint,
                    event,
                    ENDPOINT_TEST,
                    signed(at_ms)
                ],
                |row| row.get::<i64>(0),
            )?;
            Ok(numbers.first().copied().map(unsigned))
        })
        .await
    }

    /// Claims events that are due, the oldest first, and of each endpoint only some.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn claim_events(
        &self,
        scope: &Scope,
        claim: EventClaim,
    ) -> Result<Vec<ClaimedEvent>, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let sql = format!(
                "update event_delivery set due_ms = ?4, attempts = attempts + 1 where seq in (select seq from (\
                 select due.seq, row_number() over (partition by due.endpoint order by due.due_ms, due.seq) as place \
                 from event_delivery due join endpoint on endpoint.workspace = due.workspace \
                 and endpoint.project = due.project and endpoint.name = due.endpoint and endpoint.disabled_at_ms is null \
                 where due.workspace = ?1 and due.project = ?2 and due.state = 'pending' and due.due_ms <= ?3 \
                 and due.endpoint not in (select value from json_each(?7))) ranked where place <= ?6 \
                 order by place, seq limit ?5) returning {TOLD}, attempts"
            );
            sql::all(
                transaction,
                &sql,
                params![
                    scope.workspace(),
                    scope.project(),
                    signed(claim.now_ms),
                    signed(claim.until_ms),
                    claim.limit,
                    claim.of_one,
                    json!(claim.busy).to_string()
                ],
                |row| {
                    let (seq, told) = told(row)?;
                    Ok(ClaimedEvent {
                        number: unsigned(seq),
                        attempt: unsigned(row.get(TOLD_COLUMNS)?),
                        told,
                    })
                },
            )
        })
        .await
    }

    /// When the next event is due that can be sent, if there is one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn next_event_ms(&self, scope: &Scope) -> Result<Option<u64>, StoreError> {
        self.read(scope, |connection, scope| {
            let next = sql::first(
                connection,
                "select min(due.due_ms) from event_delivery due join endpoint on endpoint.workspace = due.workspace \
                 and endpoint.project = due.project and endpoint.name = due.endpoint and endpoint.disabled_at_ms is null \
                 where due.workspace = ?1 and due.project = ?2 and due.state = 'pending'",
                [scope.workspace(), scope.project()],
                |row| row.get::<Option<i64>>(0),
            )?;
            Ok(next.flatten().map(unsigned))
        })
        .await
    }

    /// Writes down what a call brought, and how its endpoint does. True if the endpoint is disabled with this.
    ///
    /// # Errors
    /// See [`StoreError`]; then the event is sent again when its claim is over.
    pub async fn event_sent(
        &self,
        scope: &Scope,
        endpoint: String,
        sent: EventSent,
        rule: DisableRule,
    ) -> Result<bool, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            if !note_sent(transaction, scope, &sent)? {
                return Ok(false);
            }
            let of = [scope.workspace(), scope.project(), endpoint.as_str()];
            if sent.then == AfterSending::Delivered {
                sql::run(
                    transaction,
                    "update endpoint set failures = 0, failing_since_ms = null \
                     where workspace = ?1 and project = ?2 and name = ?3 and failures > 0",
                    of,
                )?;
                return Ok(false);
            }
            sql::run(
                transaction,
                "update endpoint set failures = failures + 1, failing_since_ms = coalesce(failing_since_ms, ?4) \
                 where workspace = ?1 and project = ?2 and name = ?3",
                params![of[0], of[1], of[2], signed(sent.at_ms)],
            )?;
            let too_long = sql::first(
                transaction,
                "select failing_since_ms <= ?4 from endpoint where workspace = ?1 and project = ?2 and name = ?3",
                params![of[0], of[1], of[2], signed(rule.failing_since_ms)],
                |row| row.get::<bool>(0),
            )?;
            if !(rule.gone || too_long == Some(true)) {
                return Ok(false);
            }
            let disabled = endpoints::disable(transaction, scope, &endpoint, (sent.at_ms, &rule.why))?;
            if disabled {
                audit::insert(transaction, [&rule.note].into_iter())?;
            }
            Ok(disabled)
        })
        .await
    }
}

/// False if the claim is over: somebody else has it, or the event is gone.
fn note_sent(connection: &Connection, scope: &Scope, sent: &EventSent) -> Result<bool, StoreError> {
    let (state, due_ms) = match sent.then {
        AfterSending::Delivered => ("delivered", sent.at_ms),
        AfterSending::Again(at_ms) => ("pending", at_ms),
        AfterSending::GivenUp => ("failed", sent.at_ms),
    };
    let noted = sql::run(
        connection,
        "update event_delivery set state = ?4, due_ms = ?5, last_at_ms = ?6, last_status = ?7, last_answer = ?8 \
         where seq = ?1 and workspace = ?2 and project = ?3 and attempts = ?9 and state = 'pending'",
        params![
            signed(sent.number),
            scope.workspace(),
            scope.project(),
            state,
            signed(due_ms),
            signed(sent.at_ms),
            sent.status.map(u32::from),
            sent.answer,
            signed(sent.attempt)
        ],
    )?;
    Ok(noted > 0)
}

/// A row for [`tell_ends`] or [`tell_named`].
pub(crate) fn end_row(kind: &str, run: &str, at_ms: u64, row: i64, endpoint: Option<&str>) -> Value {
    json!([event_name(kind, run), kind, at_ms, row, endpoint])
}

/// A row for [`tell_questions`].
pub(crate) fn question_row(approval: &str, at_ms: u64) -> Value {
    json!([
        event_name(APPROVAL_REQUESTED, approval),
        APPROVAL_REQUESTED,
        at_ms,
        approval
    ])
}
