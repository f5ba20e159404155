//! Work that may take long is done on threads of its own, a little at a time.
//!
//! The threads that drive runs never do it themselves: whoever needs it waits for it, and nobody else. What the work is about
//! is handed over and comes back with the result, after a panic of the work too. Invariant: so many pieces at the same time,
//! however many wait for their turn; the time of a piece begins with its turn.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use flowforge_workflow::Interrupt;
use tokio::sync::Semaphore;

/// The process is stopping: there is no result, and what the work was about is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host is stopping")]
pub(crate) struct Stopping;

/// The places for such work. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Apart {
    places: Arc<Semaphore>,
}

/// Stops the work when nobody waits for it any more.
struct Waiter(Interrupt);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Default for Apart {
    /// As many places as the machine has cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            places: Arc::new(Semaphore::new(cores)),
        }
    }
}

impl Apart {
    /// Does the work. When this time is over the work is interrupted, and gives what it gives then; it has no time without
    /// one.
    ///
    /// # Errors
    /// [`Stopping`].
    ///
    /// # Panics
    /// With the panic of the work, when its subject is lost to the caller anyway: see [`Apart::hand_over`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        time: Option<Duration>,
        work: impl FnOnce(&Interrupt) -> T + Send + 'static,
    ) -> Result<T, Stopping> {
        let ((), done) = self.hand_over((), time, |(), interrupt| work(interrupt)).await?;
        Ok(done.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// As [`Apart::run`], with something that the work changes; it comes back with the result, or with the panic of the
    /// work.
    ///
    /// # Errors
    /// [`Stopping`].
    ///
    /// # Cancel safety
    /// The work is interrupted, and its subject is lost.
    pub(crate) async fn hand_over<S: Send + 'static, T: Send + 'static>(
        &self,
        mut subject: S,
        time: Option<Duration>,
        work: impl FnOnce(&mut S, &Interrupt) -> T + Send + 'static,
    ) -> Result<(S, std::thread::Result<T>), Stopping> {
        // The place is kept until the work has ended, which may be after its caller has gone.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Stopping)?;
        let waiter = Waiter(Interrupt::new());
        let interrupt = waiter.0.clone();
        let mut done = tokio::task::spawn_blocking(move || {
            let _place = place;
            let done = catch_unwind(AssertUnwindSafe(|| work(&mut subject, &interrupt)));
            (subject, done)
        });
        let over = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            done = &mut done => done,
            () = over => {
                waiter.0.stop();
                done.await
            }
        };
        done.map_err(|_| Stopping)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Expressions were evaluated where runs are driven: a costly one held up every other run on that thread.
    #[tokio::test]
    async fn others_go_on_while_the_work_lasts() {
        let apart = Apart::default();
        let beats = Arc::new(AtomicUsize::new(0));
        let heard = Arc::clone(&beats);
        // On the one thread of this test nothing beats while the work has it.
        let work = apart.run(None, move |_| {
            let give_up = std::time::Instant::now() + Duration::from_secs(60);
            while heard.load(Ordering::Relaxed) < 100 && std::time::Instant::now() < give_up {
                std::thread::yield_now();
            }
            heard.load(Ordering::Relaxed)
        });
        let heart = async {
            loop {
                beats.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        };
        let counted = tokio::select! {
            counted = work => counted,
            () = heart => Err(Stopping),
        };
        assert!(counted.is_ok_and(|counted| counted >= 100));
    }

    #[tokio::test]
    async fn work_without_end_is_interrupted_and_the_places_come_back() {
        let apart = Apart::default();
        let all = apart.places.available_permits();
        let endless = |count: &mut u32, interrupt: &Interrupt| {
            while !interrupt.is_stopped() {
                std::thread::yield_now();
            }
            *count += 1;
        };
        let (count, done) = apart
            .hand_over(1, Some(Duration::from_millis(1)), endless)
            .await
            .expect("goes on");
        assert_eq!((count, done.is_ok()), (2, true), "it comes back changed");
        // A caller that goes away takes its work with it.
        let mut call = Box::pin(apart.hand_over(1, None, endless));
        assert!(futures::poll!(&mut call).is_pending());
        drop(call);
        while apart.places.available_permits() < all {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_the_work_is_about_comes_back_after_a_panic() {
        let apart = Apart::default();
        let (subject, done) = apart
            .hand_over(7, None, |_: &mut u32, _| -> u32 { panic!("by the work") })
            .await
            .expect("goes on");
        assert_eq!((subject, done.is_err()), (7, true));
    }
}
