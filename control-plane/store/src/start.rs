//! Run starts: event, run, lease and signed job in one commit (B1, B2).

use std::collections::HashMap;
use std::sync::Arc;

use crate::connection::Connection;
use flowforge_core::{AuditEntry, Scope};
use flowforge_protocol::record::Lineage;
use flowforge_protocol::{Digest, RunId};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::deliveries::{self, DeliveryOutcome, NewDelivery};
use crate::follow_ups::OnEnd;
use crate::jobs::{self, NewJob};
use crate::writer::Write;
use crate::{Store, StoreError, audit, sql};

/// A run to be stored.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id, from fresh entropy.
    pub id: RunId,
    /// Workflow name.
    pub workflow: String,
    /// Its version.
    pub version: u32,
    /// The release that will run.
    pub release: Digest,
    /// The input as JSON text.
    pub input: String,
    /// What started it, as JSON text.
    pub trigger: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Where it comes from among runs. One that a parent has ordered is no order any more once it is stored.
    pub lineage: Option<Lineage>,
    /// What else its order says, as JSON text: kept until a host is chosen, and shown.
    pub options: Option<String>,
    /// The words that its host must have; none for any host.
    pub labels: Vec<String>,
    /// How long a host may have it without renewing its lease, milliseconds; none for a run that stays at its host.
    pub lease_ms: Option<u64>,
    /// What its end starts; none for a draft.
    pub on_end: Option<OnEnd>,
    /// When.
    pub created_at_ms: u64,
    /// The signed order for the host that gets the lease with epoch 1; none if no host can be chosen now.
    pub job: Option<NewJob>,
    /// Names of this request, so that it starts nothing when it comes again under any of them. The first one that is known
    /// decides.
    pub requests: Vec<ClientRequest>,
    /// The request to a webhook that asks for it: kept in the same commit, with what became of it.
    pub delivery: Option<NewDelivery>,
}

/// How a caller names a request, so that a repeated one starts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRequest {
    /// The name.
    pub id: String,
    /// Digest of everything that was asked for under this name.
    pub body: Digest,
}

/// What became of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// Stored.
    New,
    /// The same request was stored before; nothing was stored now.
    Duplicate {
        /// The run it started.
        run: RunId,
    },
    /// Another request has this name; nothing was stored.
    Conflict {
        /// The run that the other request started.
        run: RunId,
    },
}

impl Store {
    /// Stores a run, its lease and its job; returns after the commit.
    ///
    /// # Errors
    /// See [`StoreError`]; with a [`ClientRequest`] the call can be repeated safely.
    pub async fn start_run(&self, scope: &Scope, run: NewRun) -> Result<Started, StoreError> {
        let (answer, result) = oneshot::channel();
        let start = (scope.clone(), run, self.note.clone());
        self.submit(Write::Start(Box::new(start), answer)).await?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}

// A release of another project is none: the column may not be null.
const STORE: &str = "insert into run (id, workflow, version, release, state, input, trigger, traceparent, host, \
     epoch, created_at_ms, bytes, lineage, options, parent, parent_step, parent_told, predecessor, workspace, project, labels, lease_ms, on_end) \
     select value ->> 0, value ->> 1, cast(value ->> 2 as bigint), (select digest from release where release.digest = value ->> 3 \
     and release.workspace = value ->> 16 and release.project = value ->> 17), 'queued', value ->> 4, value ->> 5, \
     value ->> 6, value ->> 7, cast(value ->> 8 as bigint), cast(value ->> 9 as bigint), cast(value ->> 10 as bigint), value ->> 11, value ->> 12, value ->> 13, \
     value ->> 14, case when value ->> 13 is null then 1 else 0 end, value ->> 15, value ->> 16, value ->> 17, \
     value ->> 18, cast(value ->> 19 as bigint), value ->> 20 from json_each(?1)";
const REMEMBER: &str = "insert into request (name, body, run, at_ms, workspace, project) \
     select value ->> 0, value ->> 1, value ->> 2, cast(value ->> 3 as bigint), value ->> 4, value ->> 5 from json_each(?1) \
     where true on conflict do nothing";

impl ClientRequest {
    /// What is remembered: that it asked for this run or message.
    pub(crate) fn row(&self, scope: &Scope, asked_for: &str, at_ms: u64) -> Value {
        json!([
            self.id,
            self.body,
            asked_for,
            at_ms,
            scope.workspace(),
            scope.project()
        ])
    }
}

/// Keeps the names of requests.
pub(crate) fn remember(connection: &Connection, names: Vec<Value>) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    sql::run(connection, REMEMBER, [Value::Array(names).to_string()])?;
    Ok(())
}

/// Where the names of requests that are known lead to.
type KnownRequests = HashMap<(Scope, String), (Digest, RunId)>;

/// A run to be stored, where, and what is noted beside it.
pub(crate) type StartOf = (Scope, NewRun, Option<Arc<AuditEntry>>);

pub(crate) fn write(connection: &Connection, runs: &[StartOf]) -> Result<Vec<Started>, StoreError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = known_requests(connection, runs)?;
    let mut results = Vec::with_capacity(runs.len());
    let (mut rows, mut names, mut jobs) = (Vec::with_capacity(runs.len()), Vec::new(), Vec::new());
    let (mut children, mut notes, mut came) = (Vec::new(), Vec::new(), Vec::new());
    for (scope, run, note) in runs {
        let name = |request: &ClientRequest| (scope.clone(), request.id.clone());
        let mut requests = run.requests.iter();
        let before = requests.find_map(|request| Some((request.body, known.get(&name(request))?)));
        if let Some((asked, (body, first))) = before {
            let same = *body == asked;
            let outcome = if same {
                DeliveryOutcome::Duplicate
            } else {
                DeliveryOutcome::Refused
            };
            came.extend(run.delivery.as_ref().map(|delivery| {
                let code = (!same).then_some(deliveries::CODE_NAME_TAKEN);
                delivery.row(scope, outcome, code, Some(first.as_str()), None)
            }));
            let run = first.clone();
            results.push(if same {
                Started::Duplicate { run }
            } else {
                Started::Conflict { run }
            });
            continue;
        }
        for request in &run.requests {
            known.insert(name(request), (request.body, run.id.clone()));
            names.push(request.row(scope, run.id.as_str(), run.created_at_ms));
        }
        let lineage = run.lineage.as_ref();
        let parent = lineage.and_then(|lineage| lineage.parent.as_ref());
        if parent.is_some() {
            children.push(&run.id);
        }
        rows.push(json!([
            run.id,
            run.workflow,
            run.version,
            run.release,
            run.input,
            run.trigger,
            run.traceparent,
            run.job.as_ref().map(|job| &job.host),
            u64::from(run.job.is_some()),
            run.created_at_ms,
            run.input.len(),
            lineage.map(|lineage| json!(lineage).to_string()),
            run.options,
            parent.map(|parent| &parent.run),
            parent.map(|parent| &parent.step),
            lineage.and_then(|lineage| lineage.predecessor.as_ref()),
            scope.workspace(),
            scope.project(),
            (!run.labels.is_empty()).then(|| json!(run.labels).to_string()),
            run.lease_ms,
            run.on_end.as_ref().map(|on_end| json!(on_end).to_string()),
        ]));
        jobs.extend(run.job.as_ref().map(|job| (scope, job)));
        notes.extend(note.as_deref());
        came.extend(run.delivery.as_ref().map(|delivery| {
            delivery.row(
                scope,
                DeliveryOutcome::Accepted,
                None,
                Some(run.id.as_str()),
                None,
            )
        }));
        results.push(Started::New);
    }
    if !rows.is_empty() {
        sql::run(connection, STORE, [Value::Array(rows).to_string()])?;
        jobs::insert_all(connection, jobs.iter().copied())?;
    }
    if !children.is_empty() {
        sql::run(
            connection,
            "delete from ordered_child where id in (select value from json_each(?1))",
            [json!(children).to_string()],
        )?;
    }
    audit::insert(connection, notes.into_iter())?;
    remember(connection, names)?;
    deliveries::insert(connection, came)?;
    Ok(results)
}

fn known_requests(connection: &Connection, runs: &[StartOf]) -> Result<KnownRequests, StoreError> {
    let wanted: Vec<Value> = runs
        .iter()
        .flat_map(|(scope, run, _)| {
            let named = |request: &ClientRequest| json!([request.id, scope.workspace(), scope.project()]);
            run.requests.iter().map(named)
        })
        .collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let known = sql::all(
        connection,
        "select request.name, request.body, request.run, request.workspace, request.project from json_each(?1) wanted \
         join request on request.workspace = wanted.value ->> 1 and request.project = wanted.value ->> 2 \
         and request.name = wanted.value ->> 0",
        [Value::Array(wanted).to_string()],
        |row| {
            let first = (
                sql::parsed(row, 1, "request digest")?,
                sql::parsed(row, 2, "run id")?,
            );
            Ok(((sql::scope(row, 3)?, row.get(0)?), first))
        },
    )?;
    Ok(known.into_iter().collect())
}
