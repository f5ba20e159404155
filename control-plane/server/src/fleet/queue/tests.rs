//! Tests of the queue.

use super::*;

fn job(sequence: u64) -> QueuedJob {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&sequence.to_be_bytes());
    QueuedJob {
        id: JobId::from_entropy(bytes),
        sequence,
        run: RunId::from_entropy(bytes),
        kind: JobKind::Start,
        document: sequence.to_string().into(),
        expires_at_ms: LIVES_UNTIL,
        issue: 0,
    }
}

const LIVES_UNTIL: u64 = JOB_LIFE_MS;

/// Both clocks show the same.
fn at(ms: u64) -> Now {
    Now {
        wall_ms: ms,
        monotonic_ms: ms,
    }
}

fn up_to(starts: usize) -> Lanes {
    Lanes {
        starts: u32::try_from(starts).unwrap(),
        changes: 9,
    }
}

fn texts(taken: &Taken) -> Vec<&str> {
    taken.starts.iter().map(|text| &**text).collect()
}

#[test]
fn jobs_go_out_in_order_and_once() {
    let mut queue = JobQueue::default();
    for sequence in [3, 1, 2] {
        queue.push(job(sequence));
    }
    queue.push(job(2));
    assert_eq!(texts(&queue.take(up_to(2), 1_000, None, at(0))), ["1", "2"]);
    assert_eq!(texts(&queue.take(up_to(2), 1_000, Some(1), at(0))), ["3"]);
    assert_eq!(queue.take(up_to(2), 1_000, Some(2), at(0)), Taken::default());
    queue.settle([&job(1).id, &job(2).id, &job(3).id]);
    assert_eq!(
        queue.take(up_to(9), 1_000, Some(0), at(LIVES_UNTIL)),
        Taken::default()
    );
}

#[test]
fn a_lost_answer_brings_its_jobs_again_at_once_before_newer_ones() {
    let mut queue = JobQueue::default();
    queue.push(job(1));
    assert_eq!(queue.take(up_to(9), 1_000, Some(0), at(0)).delivery, 1);
    queue.push(job(2));
    assert_eq!(texts(&queue.take(up_to(9), 1_000, Some(0), at(1))), ["1", "2"]);
}

#[test]
fn an_unconfirmed_job_comes_again_after_a_while() {
    let mut queue = JobQueue::default();
    queue.push(job(1));
    queue.take(up_to(9), 1_000, None, at(0));
    assert_eq!(queue.next_turn_ms(), Some(REDELIVER_AFTER_MS));
    assert!(
        queue
            .take(up_to(9), 1_000, None, at(REDELIVER_AFTER_MS - 1))
            .starts
            .is_empty()
    );
    assert_eq!(
        texts(&queue.take(up_to(9), 1_000, None, at(REDELIVER_AFTER_MS))),
        ["1"]
    );
}

/// Expired jobs left the queue before they were written anew: a call that was cut lost them until the plane restarted.
#[test]
fn an_expired_job_waits_for_its_new_signature_and_is_never_out_of_sight() {
    let mut queue = JobQueue::default();
    queue.push(job(1));
    assert_eq!(
        queue.take(up_to(9), 1_000, None, at(LIVES_UNTIL - EXPIRY_MARGIN_MS)),
        Taken::default()
    );
    assert_eq!(queue.expired(9), [job(1)]);
    assert_eq!(queue.expired(9), [job(1)], "looking takes nothing away");
    queue.settle([&job(1).id]);
    assert!(!queue.has_expired());
}

/// A clock that was ahead by a day left jobs that every host refused for a day.
#[test]
fn a_job_from_the_future_is_signed_anew() {
    let mut queue = JobQueue::default();
    let mut ahead = job(1);
    ahead.expires_at_ms = LIVES_UNTIL + CLOCK_TOLERANCE_MS + 1;
    queue.push(ahead.clone());
    assert_eq!(queue.take(up_to(9), 1_000, None, at(0)), Taken::default());
    assert_eq!(queue.expired(9), [ahead]);
}

#[test]
fn what_is_refused_again_and_again_waits_longer_each_time() {
    let mut queue = JobQueue::default();
    queue.push(job(1));
    let mut now = 0;
    for wait in [HOLD_MS, 2 * HOLD_MS, 4 * HOLD_MS] {
        assert_eq!(texts(&queue.take(up_to(9), 1_000, None, at(now))), ["1"]);
        queue.hold(&job(1).id, now);
        assert_eq!(queue.next_turn_ms(), Some(now + wait));
        assert_eq!(
            queue.take(up_to(9), 1_000, None, at(now + wait - 1)),
            Taken::default()
        );
        now += wait;
    }
    assert_eq!(hold_ms(70), HOLD_MAX_MS);
    queue.hold(&job(1).id, now);
    queue.redeliver_all();
    assert_eq!(texts(&queue.take(up_to(9), 1_000, None, at(now))), ["1"]);
    let mut again = job(2);
    for (issue, waits) in [(1, false), (ISSUES_AT_ONCE + 1, true)] {
        again.issue = issue;
        queue.push_again(again.clone(), now);
        assert_eq!(
            queue.take(up_to(9), 1_000, None, at(now)).starts.is_empty(),
            waits
        );
        queue.settle([&again.id]);
    }
}

/// A decision waited behind every run that was still to begin, and a busy host got neither.
#[test]
fn a_change_does_not_wait_behind_starts() {
    let mut queue = JobQueue::default();
    for sequence in 0..=MAX_IN_MEMORY as u64 {
        queue.push(job(sequence));
    }
    let last = MAX_IN_MEMORY as u64 + 1;
    queue.spilled = false;
    queue.push(QueuedJob {
        kind: JobKind::Cancel,
        ..job(last)
    });
    let busy = queue.take(up_to(0), 1_000, None, at(0));
    assert_eq!(
        (busy.starts.len(), &*busy.changes[0]),
        (0, last.to_string().as_str())
    );
    assert_eq!(busy.delivery, 1);
    assert_eq!(queue.take(up_to(2), 1_000, None, at(0)).starts.len(), 2);
}

#[test]
fn beyond_the_bound_jobs_wait_in_the_store() {
    let mut queue = JobQueue::default();
    for sequence in 0..=MAX_IN_MEMORY as u64 {
        queue.push(job(sequence));
    }
    assert_eq!(queue.places.len(), MAX_IN_MEMORY);
    assert!(!queue.wants_refill());
    queue.take(up_to(MAX_IN_MEMORY), usize::MAX, None, at(0));
    assert!(queue.wants_refill());
    queue.settle([&job(0).id]);
    let refill = queue.begin_refill();
    queue.refill(&refill, vec![job(1), job(MAX_IN_MEMORY as u64)]);
    assert_eq!(queue.take(up_to(9), 1_000, None, at(0)).starts.len(), 1);
    assert!(!queue.wants_refill());
}

/// Another server replaced an order while it lay here: it went out to a host that had the newer one already.
#[test]
fn an_old_picture_is_read_anew_before_anything_goes_out() {
    let tag = ServerTag(9);
    let mut queue = JobQueue::unread(tag);
    let refill = queue.begin_refill();
    queue.refill(&refill, vec![job(1), job(2), job(3)]);
    let first = queue.take(up_to(1), 1_000, None, at(0));
    assert_eq!(first.delivery >> DELIVERY_BITS, 9);
    assert!(first.delivery < 1 << 53, "a number of JSON");
    queue.hears_of(Some(first.delivery));
    queue.hears_of(Some(0));
    assert!(!queue.wants_refill(), "the host got its last orders here");
    queue.hears_of(Some((8 << DELIVERY_BITS) + 1));
    assert!(queue.wants_refill(), "it got them elsewhere");
    let refill = queue.begin_refill();
    queue.push(job(5));
    // The delivered one and the second are over, a fourth is new.
    queue.refill(&refill, vec![job(3), job(4)]);
    let later = queue.take(up_to(9), 1_000, None, at(2 * REDELIVER_AFTER_MS));
    let taken: Vec<&str> = later.starts.iter().map(AsRef::as_ref).collect();
    assert_eq!(taken, ["3", "4", "5"], "what came meanwhile stays");
}

#[test]
fn a_look_that_fails_leaves_the_queue_unread() {
    let mut queue = JobQueue::unread(ServerTag(9));
    queue.renew();
    let refill = queue.begin_refill();
    assert!(!queue.wants_refill());
    queue.refill_failed(&refill);
    assert!(queue.wants_refill());
    let refill = queue.begin_refill();
    queue.refill(&refill, vec![job(1)]);
    assert_eq!(queue.take(up_to(9), 1_000, None, at(0)).starts.len(), 1);
}
