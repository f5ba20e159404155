//! What one call may cost, whatever transport it came by: its shape, its time, the bytes of its answer, and how many run
//! at once.
//!
//! An extension of the engine, so that a POST and a WebSocket pass the same checks. Hosts have a schema and a door of their
//! own, with their own limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextPrepareRequest,
};
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    Context, Error, Name, Request, Response, Result, ServerError, ServerResult, Value, Variables,
};
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::faults::{CODE_ARGUMENT, CODE_BUSY, CODE_TIMEOUT, CODE_TOO_LARGE, coded};
use super::guard::{changes, check_shape};
use super::literals::check_literals;
use super::loads::Loads;

/// Bytes of the large fields of one answer: inputs, outcomes, tables of nodes, records, receipts, sources.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Calls of people that are carried out at once; others wait within their time.
const PEOPLE_MAX: usize = 32;
/// Longest time for a person's call.
pub(crate) const PERSON_TIMEOUT: Duration = Duration::from_secs(10);

/// What one call has used, and what it has asked already.
pub(crate) struct PerCall {
    bytes_left: AtomicU64,
    pub(super) loads: Loads,
}

impl Default for PerCall {
    fn default() -> Self {
        Self {
            bytes_left: AtomicU64::new(ANSWER_BYTES_MAX),
            loads: Loads::default(),
        }
    }
}

impl PerCall {
    /// What an answer has cost: statements of its questions, and bytes of large fields. The next answer of the same call,
    /// if it is a subscription, begins anew.
    fn cost(&self) -> Value {
        let bytes = ANSWER_BYTES_MAX - self.bytes_left.swap(ANSWER_BYTES_MAX, Ordering::Relaxed);
        let mut cost = IndexMap::new();
        cost.insert(Name::new("statements"), Value::from(self.loads.take_statements()));
        cost.insert(Name::new("bytes"), Value::from(bytes));
        Value::Object(cost)
    }
}

/// Takes a large field's bytes from what the answer may have. To be called before the bytes are read, where that can be.
pub(crate) fn spend(ctx: &Context<'_>, bytes: u64) -> Result<()> {
    let Some(call) = ctx.data_opt::<PerCall>() else {
        return Ok(());
    };
    let take = |left: u64| left.checked_sub(bytes);
    let taken = call
        .bytes_left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    taken.map(|_| ()).map_err(|_| {
        let message =
            format!("the answer would be larger than {ANSWER_BYTES_MAX} bytes; ask for fewer runs or fields");
        coded(message, CODE_TOO_LARGE)
    })
}

/// Marks the calls of a WebSocket. They change nothing: the numbers in their variables are read before anything here can
/// look at their digits.
pub(crate) struct BySocket;

/// Makes the extension for each call.
pub(crate) struct Limits {
    people: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            people: Arc::new(Semaphore::new(PEOPLE_MAX)),
        }
    }
}

impl ExtensionFactory for Limits {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(OfCall {
            people: Arc::clone(&self.people),
        })
    }
}

struct OfCall {
    people: Arc<Semaphore>,
}

#[async_graphql::async_trait::async_trait]
impl Extension for OfCall {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        next.run(ctx, request.data(PerCall::default())).await
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let refused = |message: String| server_error(coded(message, CODE_ARGUMENT));
        let document = next.run(ctx, query, variables).await?;
        check_shape(&document)
            .and_then(|()| check_literals(query))
            .map_err(refused)?;
        if ctx.data_opt::<BySocket>().is_some() && changes(&document) {
            return Err(refused("changes are made by POST /graphql".to_owned()));
        }
        Ok(document)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let work = next.run(ctx, operation_name);
        let mut response = within(PERSON_TIMEOUT, async {
            // The permit is given back when the call ends; the semaphore is never closed.
            match self.people.acquire().await {
                Ok(_permit) => work.await,
                Err(_) => refused(coded("the control plane is closing", CODE_BUSY)),
            }
        })
        .await;
        if let Some(call) = ctx.data_opt::<PerCall>() {
            response.extensions.insert("cost".to_owned(), call.cost());
        }
        response
    }
}

async fn within(limit: Duration, work: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, work).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("the call took longer than {} s", limit.as_secs());
            refused(coded(message, CODE_TIMEOUT))
        }
    }
}

/// The HTTP status of a refusal that is not the fault of the request; none for one that is.
pub(crate) fn status_of(error: &ServerError) -> Option<StatusCode> {
    let code = error.extensions.as_ref()?.get("code")?;
    let is = |known: &str| *code == Value::from(known);
    if is(CODE_TIMEOUT) {
        Some(StatusCode::GATEWAY_TIMEOUT)
    } else if is(CODE_BUSY) {
        Some(StatusCode::SERVICE_UNAVAILABLE)
    } else {
        None
    }
}

fn refused(error: Error) -> Response {
    Response::from_errors(vec![server_error(error)])
}

fn server_error(error: Error) -> ServerError {
    ServerError {
        extensions: error.extensions,
        ..ServerError::new(error.message, None)
    }
}
