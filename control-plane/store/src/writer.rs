//! The only writer: many callers, one transaction at a time, on a thread of its own.
//!
//! Run starts and what hosts bring are grouped: whatever waits when a commit ends goes into the next one, as a few
//! statements over whole sets. If a group fails by what one of them holds, each is tried alone. Every other write is rare and has a transaction of its own. An answer is sent after the
//! commit. Why one thread: SQLite has one writer anyway, and a queue in front of it turns waiting for the lock into
//! sharing the next commit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flowforge_core::Scope;
use flowforge_failpoints::{FailPoints, Point};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::ingest::{self, HostIngest, Ingested};
use crate::start::{self, StartOf, Started};
use crate::{Store, StoreError};

/// The part of the last commit's time for which its company is waited for: one in so many.
const GATHER_PART: u32 = 2;
/// The longest such wait.
const GATHER_MAX: Duration = Duration::from_millis(5);

pub(crate) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A write that has a transaction of its own. It answers its caller itself, and says whether the store can go on.
pub(crate) type Alone = Box<dyn FnOnce(&mut Connection, &FailPoints) -> Result<(), StoreError> + Send>;

/// What may be asked of the writer.
pub(crate) enum Write {
    Start(Box<StartOf>, Answer<Started>),
    Ingest(Box<(Scope, HostIngest)>, Answer<Ingested>),
    Alone(Alone),
}

/// What writes. It ends when it is told to, or after an I/O error, because then nobody knows what the disk holds
/// until the file is opened again.
pub struct Writer {
    connection: Connection,
    requests: mpsc::Receiver<Write>,
    group: usize,
    path: Arc<Path>,
    fail_points: FailPoints,
    /// How many writes the last commit had, and what it took.
    last: (usize, Duration),
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
        connection: Connection,
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
            last: (0, Duration::ZERO),
        }
    }

    /// Writes, on a thread of its own, until `shutdown` or until every handle is dropped; what was accepted is written
    /// before it returns.
    ///
    /// # Errors
    /// The I/O error that made the state of the disk uncertain. Callers that were waiting get it, too.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let runtime = Handle::current();
        let thread = tokio::task::spawn_blocking(move || self.write_all(&runtime, &shutdown));
        thread
            .await
            .unwrap_or_else(|failed| match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Stopped),
            })
    }

    fn write_all(mut self, runtime: &Handle, shutdown: &CancellationToken) -> Result<(), StoreError> {
        let mut waiting = Vec::with_capacity(self.group);
        while runtime.block_on(self.wait(&mut waiting, shutdown)) > 0 {
            let (count, begun) = (waiting.len(), Instant::now());
            let mut group = Group::default();
            for write in waiting.drain(..) {
                match write {
                    Write::Start(run, answer) => group.starts.push((*run, answer)),
                    Write::Ingest(ingest, answer) => group.ingests.push((*ingest, answer)),
                    Write::Alone(alone) => {
                        let done = alone(&mut self.connection, &self.fail_points);
                        self.settle(done)?;
                    }
                }
            }
            let done = group.commit(&mut self.connection, &self.fail_points, &self.path);
            self.settle(done)?;
            self.last = (count, begun.elapsed());
        }
        self.connection.close()
    }

    /// Waits for requests and takes those that are there; none if there will be none.
    async fn wait(&mut self, waiting: &mut Vec<Write>, shutdown: &CancellationToken) -> usize {
        loop {
            // `recv_many` loses nothing when it is dropped.
            tokio::select! {
                count = self.requests.recv_many(waiting, self.group) => {
                    if count > 0 {
                        self.gather(waiting).await;
                    }
                    return waiting.len();
                }
                () = shutdown.cancelled(), if !self.requests.is_closed() => self.requests.close(),
            }
        }
    }

    /// Under load a commit that begins the moment the last one ended would leave behind those whom that one has answered and
    /// who are about to come back: they have a part of its time to come. Whoever writes alone never waits.
    async fn gather(&mut self, waiting: &mut Vec<Write>) {
        let (company, took) = self.last;
        let until = Instant::now() + (took / GATHER_PART).min(GATHER_MAX);
        while waiting.len() < company.min(self.group) {
            let room = self.group - waiting.len();
            let come = tokio::time::timeout_at(until, self.requests.recv_many(waiting, room));
            if !matches!(come.await, Ok(1..)) {
                return;
            }
        }
    }

    /// Lets the writer go on after a refused write, not after a broken disk, nor inside a transaction that cannot be
    /// taken back.
    fn settle(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        match result {
            Err(error) if error.is_fatal() || self.connection.is_stuck() => {
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
    starts: Vec<(StartOf, Answer<Started>)>,
    ingests: Vec<((Scope, HostIngest), Answer<Ingested>)>,
}

impl Group {
    fn commit(
        self,
        connection: &mut Connection,
        fail_points: &FailPoints,
        path: &Path,
    ) -> Result<(), StoreError> {
        if self.starts.is_empty() && self.ingests.is_empty() {
            return Ok(());
        }
        let (runs, start_answers): (Vec<_>, Vec<_>) = self.starts.into_iter().unzip();
        let (ingests, ingest_answers): (Vec<_>, Vec<_>) = self.ingests.into_iter().unzip();
        match write_group(connection, fail_points, &runs, &ingests) {
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
            Err(error) if error.may_be_of_one() && runs.len() + ingests.len() > 1 => {
                tracing::warn!(%error, "a group of writes failed; each is tried alone");
                let alone =
                    |runs: &[StartOf], ingests: &[(Scope, HostIngest)], connection: &mut Connection| {
                        write_group(connection, fail_points, runs, ingests).map_err(|error| error.at(path))
                    };
                for (answer, run) in start_answers.into_iter().zip(&runs) {
                    let result = alone(std::slice::from_ref(run), &[], connection);
                    tell(answer, result.map(|(started, _)| started.into_iter().next()))?;
                }
                for (answer, ingest) in ingest_answers.into_iter().zip(&ingests) {
                    let result = alone(&[], std::slice::from_ref(ingest), connection);
                    tell(answer, result.map(|(_, ingested)| ingested.into_iter().next()))?;
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

/// Answers a caller whose write was tried alone. An error that is not its own stops the rest of the group, whose callers
/// learn from their closed slots that the outcome is unknown.
fn tell<T>(answer: Answer<T>, result: Result<Option<T>, StoreError>) -> Result<(), StoreError> {
    let result = result.and_then(|value| value.ok_or(StoreError::Stopped));
    let concerns_all = match &result {
        Err(error) if error.is_fatal() => Err(error.clone()),
        Ok(_) | Err(_) => Ok(()),
    };
    let _ = answer.send(result);
    concerns_all
}

fn write_group(
    connection: &mut Connection,
    fail_points: &FailPoints,
    runs: &[StartOf],
    ingests: &[(Scope, HostIngest)],
) -> Result<(Vec<Started>, Vec<Ingested>), StoreError> {
    let (has_starts, has_batches) = (
        !runs.is_empty(),
        ingests.iter().any(|(_, i)| !i.batches.is_empty()),
    );
    let (started, ingested, points) = connection.transact(|transaction| {
        let started = start::write(transaction, runs)?;
        let ingested = ingest::write(transaction, ingests)?;
        let points = points_of(has_starts, has_batches, &ingested);
        for point in &points {
            fail_points.hit_before(*point)?;
        }
        Ok((started, ingested, points))
    })?;
    for point in points {
        fail_points.hit(point)?;
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

impl Store {
    /// One write of a project in a transaction of its own; `point` is the commit point it crosses, if it is one.
    pub(crate) async fn alone<T, F>(
        &self,
        scope: &Scope,
        point: Option<Point>,
        write: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Scope) -> Result<T, StoreError> + Send + 'static,
    {
        let scope = scope.clone();
        let (answer, result) = oneshot::channel::<Result<T, StoreError>>();
        let path = Arc::clone(&self.path);
        let alone: Alone = Box::new(move |connection, fail_points| {
            match write_alone(connection, fail_points, point, |transaction| {
                write(transaction, &scope)
            }) {
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
        });
        self.submit(Write::Alone(alone)).await?;
        result.await.map_err(|_| StoreError::Stopped)?
    }
}

fn write_alone<T>(
    connection: &mut Connection,
    fail_points: &FailPoints,
    point: Option<Point>,
    write: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let value = connection.transact(|transaction| {
        let value = write(transaction)?;
        point.map_or(Ok(()), |point| fail_points.hit_before(point))?;
        Ok(value)
    })?;
    point.map_or(Ok(()), |point| fail_points.hit(point))?;
    Ok(value)
}
