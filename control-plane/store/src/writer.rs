//! The only writer: many callers, one transaction at a time.
//!
//! Run starts and what hosts bring are grouped: whatever waits when a commit ends goes into the next one, as a few
//! statements over whole sets. Every other write is rare and has a transaction of its own. An answer is sent after the
//! commit. Why one task: SQLite has one writer anyway, and a queue in front of it turns waiting for the lock into
//! sharing the next commit.

use std::path::Path;
use std::sync::Arc;

use flowforge_failpoints::{FailPoints, Point};
use futures::future::BoxFuture;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::ingest::{self, HostIngest, Ingested};
use crate::start::{self, NewRun, Started};
use crate::{Store, StoreError, transaction};

pub(crate) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A write that has a transaction of its own. It answers its caller itself, and says whether the store can go on.
pub(crate) type Alone = Box<
    dyn for<'c> FnOnce(&'c mut SqliteConnection, &'c FailPoints) -> BoxFuture<'c, Result<(), StoreError>>
        + Send,
>;

/// What may be asked of the writer.
pub(crate) enum Write {
    Start(Box<NewRun>, Answer<Started>),
    Ingest(Box<HostIngest>, Answer<Ingested>),
    Alone(Alone),
}

/// The task that writes. It ends when it is told to, or after an I/O error, because then nobody knows what the disk holds
/// until the file is opened again.
pub struct Writer {
    connection: SqliteConnection,
    requests: mpsc::Receiver<Write>,
    group: usize,
    path: Arc<Path>,
    fail_points: FailPoints,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(
        connection: SqliteConnection,
        requests: mpsc::Receiver<Write>,
        group: usize,
        path: Arc<Path>,
        fail_points: FailPoints,
    ) -> Self {
        Self {
            connection,
            requests,
            group,
            path,
            fail_points,
        }
    }

    /// Writes until `shutdown` or until every handle is dropped; what was accepted is written before it returns.
    ///
    /// # Errors
    /// The I/O error that made the state of the disk uncertain. Callers that were waiting get it, too.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let mut waiting = Vec::with_capacity(self.group);
        loop {
            // `recv_many` loses nothing when it is dropped.
            let count = tokio::select! {
                count = self.requests.recv_many(&mut waiting, self.group) => count,
                () = shutdown.cancelled(), if !self.requests.is_closed() => {
                    self.requests.close();
                    continue;
                }
            };
            if count == 0 {
                break;
            }
            let mut group = Group::default();
            for write in waiting.drain(..) {
                match write {
                    Write::Start(run, answer) => group.starts.push((*run, answer)),
                    Write::Ingest(ingest, answer) => group.ingests.push((*ingest, answer)),
                    Write::Alone(alone) => {
                        let done = alone(&mut self.connection, &self.fail_points).await;
                        Self::settle(done)?;
                    }
                }
            }
            let done = group
                .commit(&mut self.connection, &self.fail_points, &self.path)
                .await;
            Self::settle(done)?;
        }
        self.connection.close().await.map_err(StoreError::from)
    }

    /// Lets the writer go on after a refused write, not after a broken disk.
    fn settle(result: Result<(), StoreError>) -> Result<(), StoreError> {
        match result {
            Err(error) if error.is_fatal() => {
                tracing::error!(%error, "the store stops: its disk failed");
                Err(error)
            }
            Err(error) => {
                tracing::warn!(%error, "a write was refused");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Writes that share one commit.
#[derive(Default)]
struct Group {
    starts: Vec<(NewRun, Answer<Started>)>,
    ingests: Vec<(HostIngest, Answer<Ingested>)>,
}

impl Group {
    async fn commit(
        self,
        connection: &mut SqliteConnection,
        fail_points: &FailPoints,
        path: &Path,
    ) -> Result<(), StoreError> {
        if self.starts.is_empty() && self.ingests.is_empty() {
            return Ok(());
        }
        let (runs, start_answers): (Vec<_>, Vec<_>) = self.starts.into_iter().unzip();
        let (ingests, ingest_answers): (Vec<_>, Vec<_>) = self.ingests.into_iter().unzip();
        match write_group(connection, fail_points, runs, ingests).await {
            Ok((started, ingested)) => {
                for (answer, result) in start_answers.into_iter().zip(started) {
                    // A caller that has gone away is told nothing; its run stands.
                    let _ = answer.send(Ok(result));
                }
                for (answer, result) in ingest_answers.into_iter().zip(ingested) {
                    let _ = answer.send(Ok(result));
                }
                Ok(())
            }
            Err(error) => {
                let error = error.at(path);
                for answer in start_answers {
                    let _ = answer.send(Err(error.clone()));
                }
                for answer in ingest_answers {
                    let _ = answer.send(Err(error.clone()));
                }
                Err(error)
            }
        }
    }
}

async fn write_group(
    connection: &mut SqliteConnection,
    fail_points: &FailPoints,
    runs: Vec<NewRun>,
    ingests: Vec<HostIngest>,
) -> Result<(Vec<Started>, Vec<Ingested>), StoreError> {
    let (has_starts, has_batches) = (!runs.is_empty(), ingests.iter().any(|i| !i.batches.is_empty()));
    transaction::begin(connection).await?;
    let written = async {
        let started = start::write(connection, runs).await?;
        let ingested = ingest::write(connection, ingests).await?;
        let points = points_of(has_starts, has_batches, &ingested);
        for point in &points {
            fail_points.hit_before(*point).map_err(injected)?;
        }
        Ok((started, ingested, points))
    }
    .await;
    let (started, ingested, points) = transaction::finish(connection, written).await?;
    for point in points {
        fail_points.hit(point).map_err(injected)?;
    }
    Ok((started, ingested))
}

/// The commit points that a group crosses.
fn points_of(has_starts: bool, has_batches: bool, ingested: &[Ingested]) -> Vec<Point> {
    let has_ends = ingested
        .iter()
        .any(|i| i.changed.iter().any(|c| c.outcome.is_some()));
    [
        (has_starts, Point::B1),
        (has_starts, Point::B2),
        (has_batches, Point::B9),
        (has_ends, Point::B11),
    ]
    .into_iter()
    .filter_map(|(crossed, point)| crossed.then_some(point))
    .collect()
}

pub(crate) fn injected(error: flowforge_failpoints::Injected) -> StoreError {
    StoreError::Database(Arc::new(sqlx::Error::Io(std::io::Error::other(error))))
}

impl Store {
    /// One write in a transaction of its own; `point` is the commit point it crosses, if it is one.
    pub(crate) async fn alone<T, F>(&self, point: Option<Point>, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut SqliteConnection) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel::<Result<T, StoreError>>();
        let path = Arc::clone(&self.path);
        let alone: Alone = Box::new(move |connection, fail_points| {
            Box::pin(async move {
                match in_transaction(connection, fail_points, point, write).await {
                    Ok(value) => {
                        let _ = answer.send(Ok(value));
                        Ok(())
                    }
                    Err(error) => {
                        let error = error.at(&path);
                        let _ = answer.send(Err(error.clone()));
                        Err(error)
                    }
                }
            })
        });
        self.submit(Write::Alone(alone)).await?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}

async fn in_transaction<T, F>(
    connection: &mut SqliteConnection,
    fail_points: &FailPoints,
    point: Option<Point>,
    write: F,
) -> Result<T, StoreError>
where
    F: for<'t> FnOnce(&'t mut SqliteConnection) -> BoxFuture<'t, Result<T, StoreError>>,
{
    transaction::begin(connection).await?;
    let written = write(connection).await.and_then(|value| {
        point.map_or(Ok(()), |point| fail_points.hit_before(point).map_err(injected))?;
        Ok(value)
    });
    let value = transaction::finish(connection, written).await?;
    if let Some(point) = point {
        fail_points.hit(point).map_err(injected)?;
    }
    Ok(value)
}
