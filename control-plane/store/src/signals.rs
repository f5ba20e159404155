//! Signals on their way: each is kept here until it is an order for a run.
//!
//! One that names a run goes there as soon as a host has the run, whether or not it waits already: the run keeps it. One
//! that names a workflow goes to all runs of it that wait for such a signal; while there is none it waits here, and goes
//! to the first that does.

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::{Digest, HostId, MessageId, RunId};

use crate::deliveries::{self, DeliveryOutcome, NewDelivery};
use crate::jobs::{self, NewJob};
use crate::sql::{self, signed, unsigned};
use crate::start::{self, ClientRequest};
use crate::{Store, StoreError};

/// Signals of a project that wait here at most, whomever they are for; more are refused.
pub const MAX_SIGNALS: u64 = 10_000;
/// Bytes of their payloads at most.
pub const MAX_SIGNAL_BYTES: u64 = 64 * 1024 * 1024;

/// A signal to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignal {
    /// Its id.
    pub message: MessageId,
    /// The run it is for; without it, the runs of the workflow that wait for it.
    pub run: Option<RunId>,
    /// The workflow.
    pub workflow: String,
    /// Its name.
    pub name: String,
    /// For whom it is among several waits of this name.
    pub correlation: Option<String>,
    /// What it carries, as JSON text.
    pub payload: String,
    /// Who sent it.
    pub by: String,
    /// When it came.
    pub at_ms: u64,
    /// Names of this request; see [`crate::NewRun::requests`].
    pub requests: Vec<ClientRequest>,
    /// The request to a webhook that it is: kept in the same commit, with what became of it.
    pub delivery: Option<NewDelivery>,
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalKept {
    /// It is kept.
    New,
    /// The same request brought it before, as this message.
    Duplicate(MessageId),
    /// Another request has this name, that of this message.
    Conflict(MessageId),
    /// Too many wait already: it is not kept.
    Full,
}

/// A signal for which there are runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSignal {
    /// Its id.
    pub message: MessageId,
    /// Its name.
    pub name: String,
    /// For whom it is among several waits of this name.
    pub correlation: Option<String>,
    /// What it carries, as JSON text.
    pub payload: String,
    /// Who sent it.
    pub by: String,
    /// Who is to get it.
    pub targets: Vec<Target>,
}

/// A run that is to be told something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The run.
    pub run: RunId,
    /// Its host.
    pub host: HostId,
    /// Its fencing number.
    pub epoch: u64,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// The runs that a signal is for and that are at a host.
const TARGETS: &str = "select run.id, run.host, run.epoch, run.traceparent from run where run.workspace = ?1 \
     and run.project = ?2 and run.host is not null and run.ended_at_ms is null and run.lost_at_ms is null";
const OF_ITS_RUN: &str = "exists (select 1 from run where run.id = signal.run and run.workspace = signal.workspace \
     and run.project = signal.project and run.host is not null \
     and run.ended_at_ms is null and run.lost_at_ms is null)";
const OF_ITS_WORKFLOW: &str = "exists (select 1 from wait join run on run.seq = wait.run where wait.kind = 'signal' \
     and wait.name = signal.name and (wait.correlation is null or wait.correlation = signal.correlation) \
     and run.workflow = signal.workflow and run.workspace = signal.workspace and run.project = signal.project \
     and run.host is not null and run.lost_at_ms is null)";

impl Store {
    /// Keeps a signal.
    ///
    /// # Errors
    /// See [`StoreError`]; with a [`ClientRequest`] the call can be repeated safely.
    pub async fn keep_signal(&self, scope: &Scope, signal: NewSignal) -> Result<SignalKept, StoreError> {
        let took = |kept: &SignalKept| matches!(kept, SignalKept::New);
        self.change(scope, None, took, move |transaction, scope| {
            let kept = keep(transaction, scope, &signal)?;
            if let Some(delivery) = &signal.delivery {
                let (outcome, code, message) = told(&kept, &signal);
                let row = delivery.row(scope, outcome, code, None, message.map(MessageId::as_str));
                deliveries::insert(transaction, vec![row])?;
            }
            Ok(kept)
        })
        .await
    }

    /// Signals for which there are runs, oldest first, at most `limit`, each with at most `targets` of them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn due_signals(
        &self,
        scope: &Scope,
        limit: u32,
        targets: u32,
    ) -> Result<Vec<DueSignal>, StoreError> {
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "select id, run, workflow, name, correlation, payload, sender from signal \
                 where workspace = ?2 and project = ?3 and ((run is not null and {OF_ITS_RUN}) \
                 or (run is null and {OF_ITS_WORKFLOW})) order by seq limit ?1"
            );
            let mut due = sql::all(
                connection,
                &sql,
                params![limit, scope.workspace(), scope.project()],
                |row| {
                    let signal = DueSignal {
                        message: sql::parsed(row, 0, "message id")?,
                        name: row.get(3)?,
                        correlation: row.get(4)?,
                        payload: row.get(5)?,
                        by: row.get(6)?,
                        targets: Vec::new(),
                    };
                    Ok((signal, row.get::<Option<String>>(1)?, row.get::<String>(2)?))
                },
            )?;
            for (signal, run, workflow) in &mut due {
                signal.targets = match run {
                    Some(run) => of_run(connection, scope, run)?,
                    None => of_workflow(connection, scope, workflow, signal, targets)?,
                };
            }
            Ok(due.into_iter().map(|(signal, ..)| signal).collect())
        })
        .await
    }

    /// Puts orders in the place of a signal. False if it is gone: nothing was stored then.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn send_signal(
        &self,
        scope: &Scope,
        message: MessageId,
        jobs: Vec<NewJob>,
    ) -> Result<bool, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let taken = sql::run(
                transaction,
                "delete from signal where id = ?1 and workspace = ?2 and project = ?3",
                [message.as_str(), scope.workspace(), scope.project()],
            )?;
            if taken == 1 {
                jobs::insert(transaction, scope, &jobs)?;
            }
            Ok(taken == 1)
        })
        .await
    }
}

fn target(row: &Row<'_>) -> Result<Target, StoreError> {
    Ok(Target {
        run: sql::parsed(row, 0, "run id")?,
        host: sql::parsed(row, 1, "host id")?,
        epoch: unsigned(row.get(2)?),
        traceparent: row.get(3)?,
    })
}

fn of_run(connection: &Connection, scope: &Scope, run: &str) -> Result<Vec<Target>, StoreError> {
    let params = [scope.workspace(), scope.project(), run];
    sql::all(connection, &format!("{TARGETS} and run.id = ?3"), params, target)
}

fn of_workflow(
    connection: &Connection,
    scope: &Scope,
    workflow: &str,
    signal: &DueSignal,
    limit: u32,
) -> Result<Vec<Target>, StoreError> {
    sql::all(
        connection,
        &format!(
            "{TARGETS} and run.workflow = ?3 and run.seq in (select wait.run from wait where wait.kind = 'signal' \
             and wait.name = ?4 and (wait.correlation is null or wait.correlation = ?5)) order by run.seq limit ?6"
        ),
        params![
            scope.workspace(),
            scope.project(),
            workflow,
            signal.name,
            signal.correlation,
            limit
        ],
        target,
    )
}

/// What became of the request that is a signal.
fn told<'a>(
    kept: &'a SignalKept,
    signal: &'a NewSignal,
) -> (DeliveryOutcome, Option<&'static str>, Option<&'a MessageId>) {
    match kept {
        SignalKept::New => (DeliveryOutcome::Accepted, None, Some(&signal.message)),
        SignalKept::Duplicate(before) => (DeliveryOutcome::Duplicate, None, Some(before)),
        SignalKept::Conflict(before) => (
            DeliveryOutcome::Refused,
            Some(deliveries::CODE_NAME_TAKEN),
            Some(before),
        ),
        SignalKept::Full => (DeliveryOutcome::Refused, Some(deliveries::CODE_FULL), None),
    }
}

fn keep(connection: &Connection, scope: &Scope, signal: &NewSignal) -> Result<SignalKept, StoreError> {
    for request in &signal.requests {
        let known = sql::first(
            connection,
            "select body, run from request where name = ?1 and workspace = ?2 and project = ?3",
            [request.id.as_str(), scope.workspace(), scope.project()],
            |row| {
                let body: Digest = sql::parsed(row, 0, "request digest")?;
                Ok((body, sql::parsed::<MessageId>(row, 1, "message id")?))
            },
        )?;
        if let Some((body, message)) = known {
            return Ok(if body == request.body {
                SignalKept::Duplicate(message)
            } else {
                SignalKept::Conflict(message)
            });
        }
    }
    let (count, bytes) = sql::first(
        connection,
        "select count(*), cast(coalesce(sum(bytes), 0) as bigint) from signal where workspace = ?1 and project = ?2",
        [scope.workspace(), scope.project()],
        |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))),
    )?
    .unwrap_or_default();
    let of_this = signal.payload.len() as u64;
    if count >= MAX_SIGNALS || bytes.saturating_add(of_this) > MAX_SIGNAL_BYTES {
        return Ok(SignalKept::Full);
    }
    sql::run(
        connection,
        "insert into signal (id, run, workflow, name, correlation, sender, at_ms, bytes, payload, workspace, project) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            signal.message.as_str(),
            signal.run.as_ref().map(RunId::as_str),
            signal.workflow,
            signal.name,
            signal.correlation,
            signal.by,
            signed(signal.at_ms),
            signed(of_this),
            signal.payload,
            scope.workspace(),
            scope.project()
        ],
    )?;
    let names = signal.requests.iter();
    let names = names.map(|request| request.row(scope, signal.message.as_str(), signal.at_ms));
    start::remember(connection, names.collect())?;
    Ok(SignalKept::New)
}
