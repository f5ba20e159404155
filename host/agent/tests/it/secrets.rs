//! A secret is opened for one use, and is in no record, log, failure or file.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowforge_host::clock::ManualClock;
use flowforge_ports::Effect;
use flowforge_protocol::record::{Event, Outcome, Record};
use flowforge_protocol::{Failure, FailureKind};
use flowforge_runtime::{LogLevel, StepError, Usage};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::connectors::Scripts;
use crate::plane::State;
use crate::runs::{outcome, publish};
use crate::world::World;

const CANARY: &str = "canary/7f3k+\"secret\"";

const SENDING: &str = "
workflow: sending
secrets: [chat_token]
nodes:
  send: { call: test:scripts/send, secrets: { auth: chat_token }, allow: [\"https://chat.example\"] }
output: { n: \"${send}\" }
";

fn scripts(got: &Arc<Mutex<Vec<String>>>, fails: bool) -> Scripts {
    let got = Arc::clone(got);
    Scripts::default().asynchronous("send", Effect::Idempotent, move |call| {
        let got = Arc::clone(&got);
        async move {
            let host = |error: String| StepError::host(error);
            call.services
                .before_effect(&flowforge_protocol::Use::of("https://chat.example:443"))
                .await
                .map_err(|e| host(e.to_string()))?;
            let failed = |failure| StepError::Failure {
                failure,
                usage: Usage::default(),
            };
            let secret = call
                .services
                .secret("auth")
                .await
                .map_err(failed)?
                .ok_or_else(|| host("no secret".into()))?;
            let value = String::from_utf8(secret.value.to_vec()).expect("text");
            assert!(
                call.services.secret("other").await.expect("answer").is_none(),
                "a slot without a grant"
            );
            got.lock().expect("got").push(value.clone());
            call.services
                .log(LogLevel::Info, &format!("the service said: Bearer {value}"));
            if fails {
                return Err(failed(Failure::new(
                    FailureKind::Rejected,
                    format!("401 for {value}"),
                )));
            }
            Ok(json!({"echo": format!("got {value}"), "json": json!(value).to_string()}))
        }
    })
}

fn files_with(folder: &Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files_with(&path, needle, found);
        } else if path.is_file()
            && std::fs::read(&path)
                .expect("file")
                .windows(needle.len())
                .any(|window| window == needle)
        {
            found.push(path.display().to_string());
        }
    }
}

async fn nothing_leaks(fails: bool) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let world = World::new(scripts(&got, fails));
    let published = publish(&world.plane, SENDING);
    world.plane.set_secret("chat_token", "bearer", CANARY.as_bytes());
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        *got.lock().expect("got"),
        [CANARY],
        "the connector's host got the value"
    );
    let text = String::from_utf8(stored.lines()).expect("text");
    assert!(!text.contains("canary"), "{text}");
    assert!(
        text.contains("[secret chat_token]"),
        "what was removed is named: {text}"
    );
    match outcome(&stored) {
        Outcome::Done { output } => assert_eq!(output.shown()["n"]["echo"], "got [secret chat_token]"),
        Outcome::Failed { failure, .. } => assert_eq!(failure.message, "401 for [secret chat_token]"),
        other => panic!("{other:?}"),
    }
    host.drain().await;
    let mut found = Vec::new();
    files_with(world.folder.path(), b"canary/7f3k", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn a_value_that_a_service_echoes_is_removed_from_output_and_log() {
    nothing_leaks(false).await;
}

#[tokio::test]
async fn a_value_in_a_failure_is_removed() {
    nothing_leaks(true).await;
}

#[tokio::test]
async fn the_newest_version_is_used() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let world = World::new(scripts(&got, false));
    let published = publish(&world.plane, SENDING);
    let host = world.start();
    for (run, value) in [(1, "first-value"), (2, "second-value")] {
        world.plane.set_secret("chat_token", "bearer", value.as_bytes());
        let run = world.plane.start(&published, run, json!({}), world.now());
        world.plane.ended(&run).await;
    }
    assert_eq!(*got.lock().expect("got"), ["first-value", "second-value"]);
    host.drain().await;
}

#[tokio::test]
async fn a_secret_that_is_not_set_fails_the_step_with_the_mend() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let world = World::new(scripts(&got, false));
    let published = publish(
        &world.plane,
        &SENDING.replace("allow: [", "retry: { attempts: 1 }, allow: ["),
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, .. } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(failure.code.as_deref(), Some("FF-SEC-101"));
    assert!(
        failure.message.contains("flowforge secret set chat_token"),
        "{}",
        failure.message
    );
    host.drain().await;
}

const LATER: &str = "
workflow: later
secrets: [chat_token]
nodes:
  first: { call: test:scripts/send, secrets: { auth: chat_token }, allow: [\"https://chat.example\"] }
  hold: { after: first, call: test:scripts/hold }
  second: { after: hold, call: test:scripts/send, secrets: { auth: chat_token }, allow: [\"https://chat.example\"] }
output: { n: \"${second}\" }
";

/// `send`, and a `hold` that ends when a permit is given.
fn holding(got: &Arc<Mutex<Vec<String>>>, released: &Arc<Semaphore>) -> Scripts {
    let released = Arc::clone(released);
    scripts(got, false).asynchronous("hold", Effect::Pure, move |_| {
        let released = Arc::clone(&released);
        async move {
            released.acquire().await.expect("open").forget();
            Ok(json!(null))
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_line_the_sealed_copy_is_used_also_by_a_new_process() {
    let (got, released) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
    let scripts = holding(&got, &released);
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, LATER);
    world.plane.set_secret("chat_token", "bearer", b"the-kept-value");
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    calls(&scripts, "hold", 1).await;
    // What is sent is on the disk: a first step whose end was not there would be done again.
    let is_done = |record: &Record| matches!(record.event, Event::Completed { .. });
    let stored = |state: &State| {
        state
            .runs
            .get(&run)
            .is_some_and(|run| run.records().iter().any(is_done))
    };
    world.plane.until(stored).await;
    host.halt().await;
    // The line is gone, and behind it there is a newer value that this host has never seen.
    world.plane.with(|state| state.offline = true);
    world.plane.set_secret("chat_token", "bearer", b"a-newer-value");
    let host = world.start();
    calls(&scripts, "hold", 2).await;
    released.add_permits(1);
    calls(&scripts, "second", 1).await;
    comes("the second use", || got.lock().expect("got").len() == 2).await;
    assert_eq!(
        *got.lock().expect("got"),
        ["the-kept-value", "the-kept-value"],
        "the sealed copy was opened"
    );
    world.plane.with(|state| state.offline = false);
    let stored = world.plane.ended(&run).await;
    assert!(
        matches!(outcome(&stored), Outcome::Done { .. }),
        "{:?}",
        outcome(&stored)
    );
    host.drain().await;
    let mut found = Vec::new();
    files_with(world.folder.path(), b"the-kept-value", &mut found);
    assert_eq!(found, Vec::<String>::new(), "the copy is kept sealed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_line_and_without_a_copy_the_step_says_what_is_missing() {
    let (got, released) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
    let scripts = holding(&got, &released);
    let world = World::new(scripts.clone());
    let source = LATER
        .replacen(
            "call: test:scripts/send, secrets: { auth: chat_token }, allow: [\"https://chat.example\"]",
            "set: { x: 1 }",
            1,
        )
        .replacen(
            "call: test:scripts/send,",
            "retry: { attempts: 1 }, call: test:scripts/send,",
            1,
        );
    let published = publish(&world.plane, &source);
    world.plane.set_secret("chat_token", "bearer", b"never-fetched");
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    calls(&scripts, "hold", 1).await;
    world.plane.with(|state| state.offline = true);
    released.add_permits(1);
    comes("the run's end", || host.handle.status().runs.running == 0).await;
    world.plane.with(|state| state.offline = false);
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, .. } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(failure.code.as_deref(), Some("FF-SEC-104"));
    assert!(
        failure.message.contains("the cable is out"),
        "{}",
        failure.message
    );
    assert!(got.lock().expect("got").is_empty());
    host.drain().await;
}

/// Returns when a step was called so often.
async fn calls(scripts: &Scripts, step: &str, times: usize) {
    let called = || scripts.calls().iter().filter(|called| *called == step).count();
    comes(step, || called() >= times).await;
}

/// Returns when it is so; what has not come by then does not come.
async fn comes(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .expect(what);
}

/// A deleted secret went on working on every host that had used it once, because each "no" counted as silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_of_the_control_plane_wipes_the_copy() {
    for granted in [true, false] {
        let got = Arc::new(Mutex::new(Vec::new()));
        let world = World::new(scripts(&got, false));
        let source = SENDING.replace("allow: [", "retry: { attempts: 1 }, allow: [");
        let published = publish(&world.plane, &source);
        world.plane.set_secret("chat_token", "bearer", b"the-old-value");
        let host = world.start();
        let run = world.plane.start(&published, 1, json!({}), world.now());
        world.plane.ended(&run).await;
        world.plane.with(|state| {
            if granted {
                state.secrets.clear();
            } else {
                state.not_granted.insert("chat_token".to_owned());
            }
        });
        let run = world.plane.start(&published, 2, json!({}), world.now());
        let stored = world.plane.ended(&run).await;
        let Outcome::Failed { failure, .. } = outcome(&stored) else {
            panic!("{:?}", outcome(&stored))
        };
        let code = if granted { "FF-SEC-101" } else { "FF-SEC-103" };
        assert_eq!(
            (failure.kind, failure.code.as_deref()),
            (FailureKind::Denied, Some(code))
        );
        // And when the line goes down there is nothing left to fall back to.
        world.plane.with(|state| state.secrets_silent = true);
        let run = world.plane.start(&published, 3, json!({}), world.now());
        let stored = world.plane.ended(&run).await;
        let Outcome::Failed { failure, .. } = outcome(&stored) else {
            panic!("{:?}", outcome(&stored))
        };
        assert_eq!(failure.code.as_deref(), Some("FF-SEC-104"), "{}", failure.message);
        assert_eq!(*got.lock().expect("got"), ["the-old-value"]);
        host.drain().await;
    }
}

/// A host that was cut off used its copies for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_used_without_the_control_plane_as_long_as_its_lease_lasts() {
    let clock = ManualClock::at(1_800_000_000_000);
    let got = Arc::new(Mutex::new(Vec::new()));
    let mut world = World::new(scripts(&got, false));
    world.clock = Arc::new(clock.clone());
    let source = SENDING.replace("allow: [", "retry: { attempts: 1 }, allow: [");
    let published = publish(&world.plane, &source);
    world
        .plane
        .set_secret("chat_token", "bearer", b"the-leased-value");
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    world.plane.ended(&run).await;
    world.plane.with(|state| state.secrets_silent = true);
    let mut codes = Vec::new();
    for (number, hours) in [(2, 23), (3, 2)] {
        clock.advance(Duration::from_hours(hours));
        let run = world.plane.start(&published, number, json!({}), world.now());
        let stored = world.plane.ended(&run).await;
        codes.push(match outcome(&stored) {
            Outcome::Failed { failure, .. } => failure.code,
            _ => None,
        });
    }
    assert_eq!(codes, [None, Some("FF-SEC-105".to_owned())]);
    assert_eq!(got.lock().expect("got").len(), 2);
    host.drain().await;
}

/// A value that was set again for another place went to the place that an older grant set named.
#[tokio::test]
async fn the_destinations_that_were_sealed_with_a_value_are_part_of_it() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let world = World::new(scripts(&got, false));
    let source = SENDING.replace("allow: [", "retry: { attempts: 1 }, allow: [");
    let published = publish(&world.plane, &source);
    world
        .plane
        .set_secret("chat_token", "bearer", b"the-sealed-value");
    world
        .plane
        .with(|state| state.claimed_destinations = Some(vec!["https://evil.example:443".to_owned()]));
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, .. } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(failure.code.as_deref(), Some("FF-SEC-102"), "{}", failure.message);
    assert!(got.lock().expect("got").is_empty());
    host.drain().await;
}
