//! The one task that sends: by turns what waits of each kind, at a bounded pace.
//!
//! A collector that is away costs one try at growing intervals, and no more memory than the queues hold.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::gather;
use crate::metrics::Observed;
use crate::sending::{NotTaken, packed, post};
use crate::settings::Endpoint;
use crate::telemetry::{Telemetry, now_ns};

/// How often one request is tried before what it holds is dropped.
const TRIES: u32 = 5;
/// The longest pause between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How long what still waits may take to leave when the process stops.
const LAST_SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// How fast bytes may leave.
struct Pace {
    bytes_per_second: u64,
    /// Nothing leaves before.
    free_at: Instant,
}

impl Pace {
    /// Waits until so many bytes may leave, and counts them.
    async fn wait(&mut self, bytes: usize) {
        tokio::time::sleep_until(self.free_at).await;
        self.free_at = Instant::now() + self.time_of(bytes);
    }

    /// How long so many bytes are on their way at this pace.
    fn time_of(&self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Duration::from_millis(bytes.saturating_mul(1_000) / self.bytes_per_second.max(1))
    }
}

/// What sends.
struct Exporter {
    telemetry: Telemetry,
    pace: Pace,
    /// Tries that failed since one was taken.
    failed: u32,
    stop: CancellationToken,
}

impl Telemetry {
    /// Sends what is told until `stop`, and then what still waits, for at most two seconds.
    ///
    /// `is_true` is asked before each request with spans or lines: it returns when what they tell is durable, or `false`
    /// if that will not be known any more; they are not sent then.
    pub async fn run<F>(self, stop: CancellationToken, is_true: impl Fn() -> F)
    where
        F: Future<Output = bool>,
    {
        let settings = &self.inner.settings;
        let (delay, interval) = (settings.delay, settings.metric_interval);
        let mut exporter = Exporter {
            pace: Pace {
                bytes_per_second: settings.bytes_per_second,
                free_at: Instant::now(),
            },
            telemetry: self.clone(),
            failed: 0,
            stop: stop.clone(),
        };
        let mut metrics_due = Instant::now() + interval;
        let mut due = Instant::now() + delay;
        while !stop.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep_until(due.min(metrics_due)) => {}
                () = self.inner.enough.notified() => {}
                () = stop.cancelled() => break,
            }
            let sending = async {
                if Instant::now() >= metrics_due {
                    exporter.send_metrics().await;
                    metrics_due = Instant::now() + interval;
                }
                exporter.send_waiting(&is_true).await;
            };
            tokio::select! {
                () = sending => {}
                () = grace_of(&stop) => {}
            }
            due = Instant::now() + delay;
        }
        let last = async {
            exporter.send_waiting(&is_true).await;
            exporter.send_metrics().await;
        };
        let _ = tokio::time::timeout(LAST_SEND_TIMEOUT, last).await;
    }
}

/// Returns when what is under way at a stop has had its time.
async fn grace_of(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_SEND_TIMEOUT).await;
}

impl Exporter {
    /// Sends what waits now. What comes meanwhile waits for the next turn, so that every kind has its own.
    async fn send_waiting<F>(&mut self, is_true: &impl Fn() -> F)
    where
        F: Future<Output = bool>,
    {
        let inner = self.telemetry.inner.clone();
        let most = inner.settings.items_per_request;
        if let Some(endpoint) = &inner.settings.traces {
            let mut left = inner.spans.len();
            while left > 0 {
                let spans = inner.spans.take(most.min(left));
                let count = spans.len();
                left = left.saturating_sub(count.max(1));
                if !is_true().await {
                    add(&inner.counts.spans_refused, count as u64);
                    return;
                }
                let answer = self.send(endpoint, gather::spans(&inner.resource, spans)).await;
                let refused = answer.map_or(count as u64, |answer| gather::spans_refused(&answer));
                settle(count, refused, &inner.counts.spans, &inner.counts.spans_refused);
            }
        }
        if let Some(endpoint) = &inner.settings.logs {
            let mut left = inner.lines.len();
            while left > 0 {
                let lines = inner.lines.take(most.min(left));
                let count = lines.len();
                left = left.saturating_sub(count.max(1));
                let answer = self.send(endpoint, gather::logs(&inner.resource, lines)).await;
                let refused = answer.map_or(count as u64, |answer| gather::logs_refused(&answer));
                settle(count, refused, &inner.counts.lines, &inner.counts.lines_refused);
            }
        }
    }

    async fn send_metrics(&mut self) {
        let inner = self.telemetry.inner.clone();
        let Some(endpoint) = &inner.settings.metrics else {
            return;
        };
        let mut observed = Observed::default();
        if let Some(observer) = inner.observer.get() {
            observer(&mut observed);
        }
        self.telemetry.observe_itself(&mut observed);
        let now_ns = now_ns();
        let mut metrics = inner.metrics.collect(inner.started_ns, now_ns);
        metrics.extend(observed.collect(inner.started_ns, now_ns));
        // Sums go on growing: the next request says what this one would have said.
        let body = packed(endpoint, gather::metrics(&inner.resource, metrics));
        self.pace.wait(body.len()).await;
        let taken = post(&inner.dialer, endpoint, body).await;
        self.note(taken.err().as_ref());
    }

    /// Sends one body, and again if it may be; none if it was not taken.
    async fn send(&mut self, endpoint: &Endpoint, body: Vec<u8>) -> Option<Bytes> {
        let body = packed(endpoint, body);
        for attempt in 1.. {
            self.pace.wait(body.len()).await;
            let inner = &self.telemetry.inner;
            let not_taken = match post(&inner.dialer, endpoint, body.clone()).await {
                Ok(answer) => {
                    self.note(None);
                    return Some(answer);
                }
                Err(not_taken) => not_taken,
            };
            self.note(Some(&not_taken));
            if !not_taken.again || attempt >= TRIES || self.stop.is_cancelled() {
                break;
            }
            let doubled = Duration::from_secs(1 << self.failed.saturating_sub(1).min(5));
            let pause = not_taken.pause.unwrap_or_default().max(doubled.min(BACKOFF_MAX));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // One more try, the last.
                () = self.stop.cancelled() => {}
            }
        }
        None
    }

    fn note(&mut self, not_taken: Option<&NotTaken>) {
        self.failed = match not_taken {
            Some(_) => self.failed.saturating_add(1),
            None => 0,
        };
        let trouble = not_taken.map(|not_taken| not_taken.reason.clone());
        let mut kept = self
            .telemetry
            .inner
            .counts
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match (&*kept, &trouble) {
            (None, Some(reason)) => {
                tracing::warn!(%reason, "the collector of telemetry takes nothing; work goes on without it");
            }
            (Some(_), None) => tracing::info!("the collector of telemetry takes again"),
            _ => {}
        }
        *kept = trouble;
    }
}

/// Counts what was taken of a request, and what not.
fn settle(count: usize, refused: u64, taken: &AtomicU64, dropped: &AtomicU64) {
    let refused = refused.min(count as u64);
    add(taken, (count as u64).saturating_sub(refused));
    add(dropped, refused);
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_left_holds_back_what_comes_next() {
        let mut pace = Pace {
            bytes_per_second: 1_000,
            free_at: Instant::now(),
        };
        assert_eq!(pace.time_of(250), Duration::from_millis(250));
        let begun = Instant::now();
        pace.wait(50).await;
        let free_at = pace.free_at;
        assert!(free_at >= begun + Duration::from_millis(50));
        pace.wait(0).await;
        assert!(Instant::now() >= free_at, "the second waited for the first");
    }
}
