//! When to try again.

use flowforge_ports::Effect;
use flowforge_protocol::record::Event;
use flowforge_protocol::used::Used;
use flowforge_protocol::{Digest, Failure, FailureKind, RunId, StepKey};

use super::state::RunState;
use crate::model::{Jitter, Retry};
use crate::plan::PlanKind;

/// Whether a failure of this kind may be tried again: those that the node names, and without such a list those that
/// people expect. A failure after which the effect may have happened is tried again only where repeating is safe.
fn allows_retry(retry: &Retry, kind: FailureKind, effect: Effect) -> bool {
    let wanted = if retry.on.is_empty() {
        matches!(
            kind,
            FailureKind::Throttled | FailureKind::Unavailable | FailureKind::TimedOut
        )
    } else {
        retry.on.contains(&kind)
    };
    let nothing_happened = matches!(
        kind,
        FailureKind::Throttled
            | FailureKind::Unavailable
            | FailureKind::Rejected
            | FailureKind::Denied
            | FailureKind::Invalid
    );
    wanted && (nothing_happened || effect.is_repeatable())
}

/// Milliseconds to wait after this attempt: doubling up to the longest, spread as the node says, at least what the
/// service asked for. The part that spreads callers is derived from run, step and attempt.
pub(super) fn delay_ms(
    retry: &Retry,
    run: &RunId,
    step: &StepKey,
    attempt: u32,
    asked_ms: Option<u64>,
) -> u64 {
    let doublings = attempt.saturating_sub(1).min(40);
    let full = retry
        .first_delay_ms
        .saturating_mul(1_u64 << doublings)
        .min(retry.max_delay_ms);
    let least = match retry.jitter {
        Jitter::Half => full / 2,
        Jitter::Full => 0,
        Jitter::None => full,
    };
    let digest = Digest::of_parts(&[
        b"flowforge.jitter.v1\n",
        run.as_str().as_bytes(),
        b"\n",
        step.to_string().as_bytes(),
        b"\n",
        &attempt.to_be_bytes(),
    ]);
    let noise = digest
        .as_bytes()
        .iter()
        .take(4)
        .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    let spread = least + ((full - least).saturating_mul(noise) >> 32);
    spread.max(asked_ms.unwrap_or(0))
}

/// An attempt that failed, and what is known of its step.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The step.
    pub step: &'a StepKey,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When the step first began something outside, milliseconds since 1970 UTC.
    pub first_intent_ms: Option<u64>,
    /// When an attempt of it failed for the first time.
    pub first_failure_ms: Option<u64>,
    /// Now.
    pub now_ms: u64,
}

/// When a call with this failure is tried again, milliseconds since 1970 UTC; nothing if the failure is final.
#[must_use]
pub fn retry_at_ms(retry: &Retry, effect: Effect, failure: &Failure, failed: &Failed<'_>) -> Option<u64> {
    let Failed { attempt, now_ms, .. } = *failed;
    if attempt >= retry.attempts || !allows_retry(retry, failure.kind, effect) {
        return None;
    }
    let delay = delay_ms(retry, failed.run, failed.step, attempt, failure.retry_after_ms);
    let due = now_ms.saturating_add(delay);
    let begun = failed
        .first_intent_ms
        .or(failed.first_failure_ms)
        .unwrap_or(now_ms);
    let in_budget = retry
        .within_ms
        .is_none_or(|within| due <= begun.saturating_add(within));
    let remembered =
        failure.kind != FailureKind::TimedOut || within_retention(effect, failed.first_intent_ms, due);
    (in_budget && remembered).then_some(due)
}

impl RunState {
    /// The event for an attempt that failed, with the time of the next one if there is to be one.
    ///
    /// `now_ms` is the moment it failed. The step must be one that [`super::Command::Invoke`] named; for any other the
    /// failure is final.
    #[must_use]
    pub fn attempt_failed(
        &self,
        step: &StepKey,
        attempt: u32,
        failure: Failure,
        used: Vec<Used>,
        elapsed_us: u64,
        now_ms: u64,
    ) -> Event {
        let retry_at_ms = self.retry_at(step, attempt, &failure, now_ms);
        Event::AttemptFailed {
            step: step.clone(),
            attempt,
            failure,
            retry_at_ms,
            elapsed_us,
            used,
        }
    }

    fn retry_at(&self, key: &StepKey, attempt: u32, failure: &Failure, now_ms: u64) -> Option<u64> {
        let at = self.locate(key)?;
        let node = self.plan_node(&at)?;
        let PlanKind::Call(call) = &node.kind else {
            return None;
        };
        // A run that ends tries nothing again, except what takes its effects back.
        if self.is_ending() && !node.id.is_undo() {
            return None;
        }
        let step = self.step(&at)?;
        let failed = Failed {
            run: &self.run,
            step: key,
            attempt,
            first_intent_ms: step.first_intent_ms,
            first_failure_ms: step.first_failure_ms,
            now_ms,
        };
        retry_at_ms(&call.retry, call.effect, failure, &failed)
    }
}

/// Whether the service still remembers the key of a step at this moment.
fn within_retention(effect: Effect, first_intent_ms: Option<u64>, now_ms: u64) -> bool {
    match (effect, first_intent_ms) {
        (Effect::Keyed { retention_ms }, Some(first)) => now_ms < first.saturating_add(retention_ms),
        _ => true,
    }
}

/// Why a step whose host stopped at work cannot simply run again, if it cannot.
///
/// # Errors
/// The failure with which the step waits for a person.
pub fn after_stop(effect: Effect, first_intent_ms: Option<u64>, now_ms: u64) -> Result<(), Failure> {
    let unknown =
        |message: &str, code: &str| Err(Failure::new(FailureKind::OutcomeUnknown, message).with_code(code));
    if !effect.is_repeatable() {
        let message =
            "the host stopped while this step was at work outside, and doing it again may do it twice";
        return unknown(message, "FF-RUN-101");
    }
    if !within_retention(effect, first_intent_ms, now_ms) {
        let message =
            "the host stopped while this step was at work, and the service no longer remembers its key";
        return unknown(message, "FF-RUN-103");
    }
    Ok(())
}

/// Why a step is not repeated whose input is not what it was: another request must not go out under the same key.
pub(super) fn input_changed(recorded: &Digest, found: &Digest) -> Failure {
    let message = format!(
        "the host stopped while this step was at work, and its input is not what was recorded: {found} instead of \
         {recorded}"
    );
    Failure::new(FailureKind::OutcomeUnknown, message).with_code("FF-RUN-104")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_their_bounds_and_spread_by_step() {
        let run = RunId::from_entropy([7; 16]);
        let step: StepKey = "fetch".parse().expect("a step");
        let other: StepKey = "labels[3].label".parse().expect("a step");
        let retry = Retry {
            attempts: 10,
            first_delay_ms: 1000,
            max_delay_ms: 8000,
            ..Retry::default()
        };
        for attempt in 1..=20 {
            let full = 1000_u64.saturating_mul(1 << (attempt - 1).min(10)).min(8000);
            let delay = delay_ms(&retry, &run, &step, attempt, None);
            assert!(
                (full / 2..=full).contains(&delay),
                "attempt {attempt}: {delay} of {full}"
            );
            assert_eq!(
                delay,
                delay_ms(&retry, &run, &step, attempt, None),
                "the same every time"
            );
        }
        assert_ne!(
            delay_ms(&retry, &run, &step, 1, None),
            delay_ms(&retry, &run, &other, 1, None)
        );
        assert_eq!(
            delay_ms(&retry, &run, &step, 1, Some(60_000)),
            60_000,
            "what the service asks for wins"
        );
        let exact = Retry {
            jitter: Jitter::None,
            ..retry.clone()
        };
        assert_eq!(delay_ms(&exact, &run, &step, 2, None), 2000);
        let full = Retry {
            jitter: Jitter::Full,
            ..retry
        };
        assert!((1..=9).any(|attempt| delay_ms(&full, &run, &step, attempt, None) < 500));
    }
}
