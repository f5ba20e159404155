//! Run starts: event, run, lease and signed job in one commit (B1, B2).

use std::collections::HashMap;

use flowforge_protocol::{Digest, RunId};
use rusqlite::Connection;
use serde_json::json;
use tokio::sync::oneshot;

use crate::jobs::{self, NewJob};
use crate::writer::Write;
use crate::{Store, StoreError, sql};

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
    /// When.
    pub created_at_ms: u64,
    /// The signed order for the host that gets the lease with epoch 1; none if no host can be chosen now.
    pub job: Option<NewJob>,
    /// The caller's own id of this request, if there is one.
    pub request: Option<ClientRequest>,
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
    pub async fn start_run(&self, run: NewRun) -> Result<Started, StoreError> {
        let (answer, result) = oneshot::channel();
        self.submit(Write::Start(Box::new(run), answer)).await?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}

const STORE: &str = "insert into run (id, workflow, version, release, state, input, trigger, traceparent, host, \
     epoch, created_at_ms, client_request_id, request_digest) \
     select value ->> 0, value ->> 1, value ->> 2, value ->> 3, 'queued', value ->> 4, value ->> 5, \
     value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11 from json_each(?1)";

pub(crate) fn write(connection: &Connection, runs: Vec<NewRun>) -> Result<Vec<Started>, StoreError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = known_requests(connection, &runs)?;
    let mut results = Vec::with_capacity(runs.len());
    let mut rows = Vec::with_capacity(runs.len());
    let mut jobs = Vec::with_capacity(runs.len());
    for run in runs {
        if let Some(request) = &run.request {
            if let Some((body, first)) = known.get(&request.id) {
                let run = first.clone();
                results.push(if *body == request.body {
                    Started::Duplicate { run }
                } else {
                    Started::Conflict { run }
                });
                continue;
            }
            known.insert(request.id.clone(), (request.body, run.id.clone()));
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
            run.request.as_ref().map(|request| &request.id),
            run.request.as_ref().map(|request| request.body),
        ]));
        jobs.extend(run.job);
        results.push(Started::New);
    }
    if !rows.is_empty() {
        sql::run(connection, STORE, [serde_json::Value::Array(rows).to_string()])?;
        jobs::insert(connection, &jobs)?;
    }
    Ok(results)
}

fn known_requests(
    connection: &Connection,
    runs: &[NewRun],
) -> Result<HashMap<String, (Digest, RunId)>, StoreError> {
    let ids: Vec<&str> = runs
        .iter()
        .filter_map(|run| Some(run.request.as_ref()?.id.as_str()))
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let known = sql::all(
        connection,
        "select run.client_request_id, run.request_digest, run.id from json_each(?1) wanted \
         join run on run.client_request_id = wanted.value",
        [json!(ids).to_string()],
        |row| {
            let first = (
                sql::parsed(row, 1, "request digest")?,
                sql::parsed(row, 2, "run id")?,
            );
            Ok((row.get(0)?, first))
        },
    )?;
    Ok(known.into_iter().collect())
}
