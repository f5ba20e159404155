//! The attempts of one run that are under way.
//!
//! A lone attempt runs inside the run's own task: to hand it to another one and its end back takes two wakes and two
//! changes of thread, more than a short step itself. As soon as there is a second one, each has a task of its own, so
//! that they run side by side. Either way a panic ends its attempt and nothing else.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use flowforge_protocol::StepKey;
use futures::FutureExt as _;
use futures::future::{AbortHandle, AbortRegistration, Abortable};
use tokio::task::{JoinError, JoinSet};

/// An attempt that is over.
pub(super) struct Ended<T> {
    pub(super) step: StepKey,
    pub(super) result: Result<T, Broken>,
}

/// Why an attempt ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It panicked.
    Panicked,
    /// It was stopped.
    Stopped,
}

type Running<T> = Pin<Box<dyn Future<Output = Ended<T>> + Send>>;

/// What is under way. Dropping it stops everything.
pub(super) struct Attempts<T> {
    /// The only one; then there are no tasks.
    alone: Option<Running<T>>,
    tasks: JoinSet<Ended<T>>,
}

impl<T: Send + 'static> Attempts<T> {
    pub(super) fn new() -> Self {
        Self {
            alone: None,
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.alone.is_none() && self.tasks.is_empty()
    }

    /// Adds an attempt, which goes on in [`Attempts::next`] at the latest.
    pub(super) fn start(
        &mut self,
        step: StepKey,
        attempt: impl Future<Output = T> + Send + 'static,
    ) -> AbortHandle {
        let (abort, registration) = AbortHandle::new_pair();
        let running = Box::pin(guarded(step, attempt, registration));
        if self.is_empty() {
            self.alone = Some(running);
            return abort;
        }
        if let Some(first) = self.alone.take() {
            self.tasks.spawn(first);
        }
        self.tasks.spawn(running);
        abort
    }

    /// The next one that is over; `None` if nothing is under way.
    ///
    /// # Errors
    /// A task was lost with its answer: a mistake in this program, or the end of the process.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn next(&mut self) -> Option<Result<Ended<T>, JoinError>> {
        let Some(alone) = &mut self.alone else {
            return self.tasks.join_next().await;
        };
        let ended = alone.await;
        self.alone = None;
        Some(Ok(ended))
    }

    /// Stops everything, and returns when it has stopped.
    pub(super) async fn shutdown(&mut self) {
        self.alone = None;
        self.tasks.shutdown().await;
    }
}

/// The attempt, with its panics and its stop as answers. What is stopped is dropped inside the guard, too.
async fn guarded<T>(
    step: StepKey,
    attempt: impl Future<Output = T>,
    registration: AbortRegistration,
) -> Ended<T> {
    let stoppable = async move { Abortable::new(attempt, registration).await };
    let result = match AssertUnwindSafe(stoppable).catch_unwind().await {
        Ok(Ok(end)) => Ok(end),
        Ok(Err(_)) => Err(Broken::Stopped),
        Err(_) => Err(Broken::Panicked),
    };
    Ended { step, result }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Barrier;

    use super::*;

    fn key(name: &str) -> StepKey {
        StepKey::top(name.parse().expect("id"))
    }

    async fn next<T: Send + 'static>(attempts: &mut Attempts<T>) -> (String, Result<T, Broken>) {
        let ended = attempts.next().await.expect("under way").expect("an answer");
        (ended.step.to_string(), ended.result)
    }

    #[tokio::test]
    async fn a_lone_one_makes_no_task_and_several_run_side_by_side() {
        let mut attempts = Attempts::new();
        let meeting = Arc::new(Barrier::new(3));
        for name in ["a", "b", "c"] {
            let meeting = Arc::clone(&meeting);
            attempts.start(key(name), async move {
                meeting.wait().await;
            });
            assert_eq!(attempts.alone.is_some(), name == "a");
        }
        let mut ended = Vec::new();
        while let Some(end) = attempts.next().await {
            ended.push(end.expect("an answer").step.to_string());
        }
        ended.sort();
        assert_eq!(ended, ["a", "b", "c"]);
        attempts.start(key("d"), async {});
        assert!(attempts.tasks.is_empty());
        assert_eq!(next(&mut attempts).await, ("d".to_owned(), Ok(())));
        assert!(attempts.is_empty());
    }

    #[tokio::test]
    async fn a_lone_one_that_has_begun_goes_on_beside_a_second() {
        let mut attempts = Attempts::new();
        let meeting = Arc::new(Barrier::new(2));
        for name in ["a", "b"] {
            let meeting = Arc::clone(&meeting);
            attempts.start(key(name), async move {
                meeting.wait().await;
            });
            if name == "a" {
                assert!(
                    attempts.next().now_or_never().is_none(),
                    "it waits for the second"
                );
            }
        }
        for _ in 0..2 {
            assert_eq!(next(&mut attempts).await.1, Ok(()));
        }
        assert!(attempts.is_empty());
    }

    #[tokio::test]
    async fn a_panic_or_a_stop_ends_one_attempt_alone_or_not() {
        for company in [false, true] {
            let mut attempts = Attempts::new();
            attempts.start(key("bad"), async { panic!("on purpose") });
            if company {
                attempts.start(key("good"), async {});
                let mut results = [next(&mut attempts).await, next(&mut attempts).await];
                results.sort_by(|a, b| a.0.cmp(&b.0));
                assert_eq!(
                    results,
                    [
                        ("bad".to_owned(), Err(Broken::Panicked)),
                        ("good".to_owned(), Ok(()))
                    ]
                );
            } else {
                assert_eq!(
                    next(&mut attempts).await,
                    ("bad".to_owned(), Err(Broken::Panicked))
                );
            }
            let abort = attempts.start(key("slow"), std::future::pending());
            assert!(attempts.next().now_or_never().is_none());
            abort.abort();
            assert_eq!(
                next(&mut attempts).await,
                ("slow".to_owned(), Err(Broken::Stopped))
            );
            assert!(attempts.is_empty());
        }
    }
}
