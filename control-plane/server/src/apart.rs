//! What others wrote is checked and compiled on threads of its own, a little at a time, and not for ever.
//!
//! A file can be written so that looking at it takes long. The threads that answer calls never do that themselves: whoever
//! sent it waits for it, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use flowforge_workflow::Interrupt;
use tokio::sync::Semaphore;

/// How long a file may take.
pub(crate) const WORK_TIMEOUT: Duration = Duration::from_secs(5);
/// Files that are looked at at the same time; others wait within their time.
const WORK_PER_PROCESS: usize = 2;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApartError {
    #[error("the workflow takes longer than {} s to check; make its expressions simpler", WORK_TIMEOUT.as_secs())]
    TooLong,
    #[error("the check ended badly; the log of the control plane says why")]
    Broken,
}

/// The places of files that are looked at.
#[derive(Debug, Clone)]
pub(crate) struct Workbench {
    places: Arc<Semaphore>,
}

impl Default for Workbench {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(WORK_PER_PROCESS)),
        }
    }
}

/// Stops the work when nobody waits for it any more.
struct Waiter(Interrupt);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Workbench {
    /// Does the work in one of the places, for so long.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl FnOnce(&Interrupt) -> T + Send + 'static,
    ) -> Result<T, ApartError> {
        let waiter = Waiter(Interrupt::new());
        let interrupt = waiter.0.clone();
        let places = Arc::clone(&self.places);
        let done = async move {
            // The place is kept until the work has ended, which may be after its caller has gone.
            let place = places.acquire_owned().await.map_err(|_| ApartError::Broken)?;
            let work = tokio::task::spawn_blocking(move || {
                let _place = place;
                work(&interrupt)
            });
            work.await.map_err(|error| {
                tracing::error!(%error, "a check ended badly");
                ApartError::Broken
            })
        };
        tokio::time::timeout(time, done)
            .await
            .unwrap_or(Err(ApartError::TooLong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One `workflow lint` of a hostile folder hung the whole server.
    #[tokio::test]
    async fn work_without_end_holds_nobody_up_and_is_stopped() {
        let bench = Workbench::default();
        let endless = |interrupt: &Interrupt| while !interrupt.is_stopped() {};
        for _ in 0..2 * WORK_PER_PROCESS {
            let ended = bench.run(Duration::from_millis(20), endless).await;
            assert_eq!(ended, Err(ApartError::TooLong));
        }
        let done = bench.run(Duration::from_secs(60), |_| 7).await;
        assert_eq!(done, Ok(7), "the places come back");
        // A caller that goes away takes its work with it.
        let mut call = Box::pin(bench.run(Duration::from_secs(60), endless));
        assert!(futures::poll!(&mut call).is_pending());
        drop(call);
        while bench.places.available_permits() < WORK_PER_PROCESS {
            tokio::task::yield_now().await;
        }
    }
}
