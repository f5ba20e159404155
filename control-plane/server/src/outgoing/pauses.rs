//! What follows a call: whether it was taken, and if not, when it is made again.

use std::time::Duration;

use flowforge_protocol::Digest;
use flowforge_store::AfterSending;

use super::call::Answer;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const HOUR: u64 = 60 * 60;

/// The pauses after the first, second, … failure; a failure behind the last is the end of it. Together two days and four
/// hours, so that an endpoint may be away over a weekend's night.
const PAUSES: [Duration; 9] = [
    seconds(5),
    seconds(60),
    seconds(5 * 60),
    seconds(30 * 60),
    seconds(2 * HOUR),
    seconds(5 * HOUR),
    seconds(10 * HOUR),
    seconds(14 * HOUR),
    seconds(20 * HOUR),
];
/// The longest wait that an endpoint may ask for, in seconds.
const RETRY_AFTER_MAX: u64 = 24 * HOUR;

/// What follows this answer to the attempt of this number, from 1.
pub(super) fn after(answer: &Answer, attempt: u64, event: &str, now_ms: u64) -> AfterSending {
    if answer.status.is_some_and(|status| (200..300).contains(&status)) {
        return AfterSending::Delivered;
    }
    if answer.status == Some(410) {
        return AfterSending::GivenUp;
    }
    let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(pause) = PAUSES.get(place) else {
        return AfterSending::GivenUp;
    };
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let asked_ms = answer.retry_after.unwrap_or(0).min(RETRY_AFTER_MAX) * 1_000;
    AfterSending::Again(now_ms + spread(pause_ms, attempt, event).max(asked_ms))
}

/// Up to a fifth longer, by the event: those that failed together do not all come back together.
fn spread(pause_ms: u64, attempt: u64, event: &str) -> u64 {
    let digest = Digest::of_parts(&[event.as_bytes(), &attempt.to_be_bytes()]);
    let part = digest.as_bytes().first().copied().map_or(0, u64::from);
    pause_ms + pause_ms * part / (5 * 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Option<u16>, retry_after: Option<u64>) -> Answer {
        Answer {
            status,
            text: String::new(),
            retry_after,
        }
    }

    #[test]
    fn what_is_taken_is_over_and_what_is_not_comes_again_later_and_later() {
        for good in [200, 202, 204, 299] {
            assert_eq!(
                after(&answer(Some(good), None), 1, "e", 0),
                AfterSending::Delivered
            );
        }
        assert_eq!(after(&answer(Some(410), None), 1, "e", 0), AfterSending::GivenUp);
        let mut before = 0;
        for attempt in 1..=9 {
            for bad in [None, Some(302), Some(404), Some(500)] {
                let AfterSending::Again(at_ms) = after(&answer(bad, None), attempt, "e", 1_000) else {
                    panic!("{bad:?} {attempt}")
                };
                let pause = u64::try_from(PAUSES[usize::try_from(attempt).unwrap() - 1].as_millis()).unwrap();
                assert!((pause..=pause + pause / 5).contains(&(at_ms - 1_000)), "{at_ms}");
                assert!(at_ms >= before);
                before = at_ms;
            }
        }
        assert_eq!(after(&answer(Some(500), None), 10, "e", 0), AfterSending::GivenUp);
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_pause_and_not_for_one_without_end() {
        let wait = |asked| after(&answer(Some(503), Some(asked)), 1, "e", 0);
        assert_eq!(wait(600), AfterSending::Again(600_000));
        assert_eq!(wait(u64::MAX), AfterSending::Again(RETRY_AFTER_MAX * 1_000));
        assert_eq!(wait(0), after(&answer(Some(503), None), 1, "e", 0));
    }
}
