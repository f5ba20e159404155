//! Connections for reading: a few, each used by one question at a time, off the threads that serve requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowforge_core::Scope;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::open::Place;
use crate::{Store, StoreError};

/// How long a question waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

/// The connections that no question uses now, and a permit for each that may be used.
pub(crate) struct Readers {
    place: Place,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    count: u32,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Readers {
    /// No connection yet: each is opened when it is needed first, and again if its question panicked.
    pub(crate) fn new(place: Place, count: u32) -> Self {
        Self {
            place,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(
                usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            count,
        }
    }

    /// Where they lead to.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The answer, and how many statements it took.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<(T, u64), StoreError> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.place.reader()?,
        };
        connection.renew();
        let before = connection.asked();
        let answer = question(&connection);
        let statements = connection.asked() - before;
        self.idle().push(connection);
        answer.map(|answer| (answer, statements))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// The same store, whose questions add the number of their statements to this.
    #[must_use]
    pub fn counting(&self, asked: Arc<AtomicU64>) -> Self {
        let mut counting = self.clone();
        counting.asked = Some(asked);
        counting
    }

    /// Asks a question about a project on one of the readers.
    pub(crate) async fn read<T>(
        &self,
        scope: &Scope,
        question: impl FnOnce(&Connection, &Scope) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
    {
        let scope = scope.clone();
        self.read_all(move |connection| question(connection, &scope))
            .await
    }

    /// Asks a question that concerns no project, or all of them, on one of the readers.
    pub(crate) async fn read_all<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let permit = timeout(WAIT, Arc::clone(&readers.permits).acquire_owned())
            .await
            .map_err(|_| StoreError::Busy)?
            .map_err(|_| StoreError::Stopped)?;
        let asked_of = self.asked.clone();
        let asked = tokio::task::spawn_blocking(move || {
            // Goes back when the question is answered, also if nobody waits for the answer any more.
            let _permit = permit;
            let (answer, statements) = readers.ask(question)?;
            if let Some(asked) = asked_of {
                asked.fetch_add(statements, Ordering::Relaxed);
            }
            Ok(answer)
        });
        asked
            .await
            .unwrap_or_else(|failed| match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Stopped),
            })
    }

    /// Closes the readers when the questions under way are answered; later ones are refused.
    pub async fn close(&self) {
        let all = self.readers.permits.acquire_many(self.readers.count).await;
        self.readers.permits.close();
        if all.is_ok() {
            self.readers.idle().clear();
        }
    }
}
