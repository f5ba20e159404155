//! What a host must refuse although the signature is good.

use flowforge_protocol::job::{CLOCK_TOLERANCE_MS, Job, JobRefusal, MAX_INPUT_BYTES, MAX_JOB_LIFE_MS, Order};
use flowforge_protocol::{Digest, HostId};
use serde_json::{Value, json};

use crate::documents::{host_id, job};

fn check_at(job: &Job, now_ms: u64) -> Result<(), JobRefusal> {
    job.check("default", &host_id(), now_ms)
}

#[test]
fn a_job_is_for_one_host_of_one_workspace() {
    let job = job();
    let now = job.issued_at_ms;
    assert_eq!(check_at(&job, now), Ok(()));
    let other = HostId::from_entropy([1; 16]);
    assert!(matches!(
        job.check("default", &other, now),
        Err(JobRefusal::WrongAudience { .. })
    ));
    assert!(matches!(
        job.check("other", &host_id(), now),
        Err(JobRefusal::WrongWorkspace { .. })
    ));
}

#[test]
fn a_job_has_a_time_with_two_ends() {
    let job = job();
    let (first, last) = (
        job.issued_at_ms - CLOCK_TOLERANCE_MS,
        job.expires_at_ms + CLOCK_TOLERANCE_MS - 1,
    );
    assert_eq!(check_at(&job, first), Ok(()));
    assert_eq!(
        check_at(&job, first - 1),
        Err(JobRefusal::NotYetValid {
            ahead_ms: CLOCK_TOLERANCE_MS + 1
        })
    );
    assert_eq!(check_at(&job, last), Ok(()));
    assert_eq!(
        check_at(&job, last + 1),
        Err(JobRefusal::Expired {
            late_ms: CLOCK_TOLERANCE_MS
        })
    );
    // A job without an end could be acted on again when nobody remembers it any more.
    let living = |life_ms| Job {
        expires_at_ms: job.issued_at_ms + life_ms,
        ..job.clone()
    };
    assert_eq!(check_at(&living(MAX_JOB_LIFE_MS), job.issued_at_ms), Ok(()));
    assert_eq!(
        check_at(&living(MAX_JOB_LIFE_MS + 1), job.issued_at_ms),
        Err(JobRefusal::LivesTooLong {
            life_ms: MAX_JOB_LIFE_MS + 1
        })
    );
    let never = Job {
        expires_at_ms: job.issued_at_ms,
        ..job
    };
    assert!(matches!(
        check_at(&never, never.issued_at_ms),
        Err(JobRefusal::Expired { .. })
    ));
}

fn with_input(input: Value, digest: Digest) -> Job {
    let mut job = job();
    if let Order::Start(order) = &mut job.order {
        order.input = input;
        order.input_digest = digest;
    }
    job
}

#[test]
fn the_input_is_the_one_that_was_signed_for() {
    let input = json!({"threshold": 5.0});
    let now = job().issued_at_ms;
    assert_eq!(
        check_at(&with_input(input.clone(), Digest::of_json(&input)), now),
        Ok(())
    );
    let wrong = with_input(input, Digest::of(b"another"));
    assert!(matches!(
        check_at(&wrong, now),
        Err(JobRefusal::WrongInput { .. })
    ));
    // A string of n characters is n + 2 bytes.
    let largest = json!("x".repeat(MAX_INPUT_BYTES - 2));
    assert_eq!(
        check_at(&with_input(largest.clone(), Digest::of_json(&largest)), now),
        Ok(())
    );
    let beyond = json!("x".repeat(MAX_INPUT_BYTES - 1));
    assert_eq!(
        check_at(&with_input(beyond.clone(), Digest::of_json(&beyond)), now),
        Err(JobRefusal::InputTooLarge {
            actual_bytes: MAX_INPUT_BYTES + 1
        })
    );
}
