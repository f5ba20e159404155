//! Starting, stopping, and telling the truth in between.

use std::os::unix::fs::PermissionsExt as _;

use flowforge_failpoints::{FailPoints, Point};
use flowforge_host::health::{self, LinkState};
use flowforge_host::{RunError, StartError};
use flowforge_journal::OpenError;
use serde_json::json;

use crate::runs::{PURE, publish, scripts};
use crate::world::World;

/// A host that started again said `connecting` for 25 s, and one whose plane came back `offline`: it waited for the end of
/// a standing call to know that it was heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_call_does_not_wait_for_work() {
    let world = World::new(scripts());
    let host = world.start();
    let waits = || world.plane.with(|state| state.waits.clone());
    while waits().len() < 2 {
        tokio::task::yield_now().await;
    }
    let waits = waits();
    assert!(waits[0].is_zero() && !waits[1].is_zero(), "{waits:?}");
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_tells_how_the_host_is_and_only_to_its_user() {
    let world = World::new(scripts());
    let published = publish(&world.plane, PURE);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    world.plane.ended(&run).await;
    let data_dir = world.config().data_dir;
    let ask = || {
        let data_dir = data_dir.clone();
        async move {
            tokio::task::spawn_blocking(move || health::ask(&data_dir))
                .await
                .expect("asked")
        }
    };
    let status = ask().await.expect("answers");
    assert_eq!(
        (status.link.state, status.name.as_str()),
        (LinkState::Connected, "edge")
    );
    assert!(
        status.is_fine() && status.for_people().contains("connected, last heard"),
        "{}",
        status.for_people()
    );
    let mode = std::fs::metadata(data_dir.join("host.sock"))
        .expect("socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    world.plane.with(|state| state.offline = true);
    while ask().await.expect("answers").link.state == LinkState::Connected {
        tokio::task::yield_now().await;
    }
    let status = ask().await.expect("answers");
    assert_eq!(status.link.state, LinkState::Offline);
    assert!(
        !status.is_fine() && status.for_people().contains("offline for"),
        "{}",
        status.for_people()
    );
    assert!(
        status.for_people().contains("the cable is out"),
        "{}",
        status.for_people()
    );
    host.drain().await;
    assert!(ask().await.is_err(), "nobody answers for a host that is gone");
}

#[tokio::test]
async fn a_second_host_on_the_same_folder_is_refused_and_named() {
    let world = World::new(scripts());
    let host = world.start();
    let error = world.open(FailPoints::inert()).err().expect("refused");
    assert!(
        matches!(error, StartError::Journal(OpenError::AlreadyOpen { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("already open in process"), "{error}");
    let published = publish(&world.plane, PURE);
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    world.plane.ended(&run).await;
    host.drain().await;
}

#[tokio::test]
async fn a_folder_that_is_no_folder_is_refused_by_name() {
    let world = World::new(scripts());
    std::fs::write(world.config().data_dir, "a file").expect("write");
    let error = world.open(FailPoints::inert()).err().expect("refused");
    assert!(
        error.to_string().contains("cannot use the data folder"),
        "{error}"
    );
}

#[tokio::test]
async fn other_trust_than_the_pinned_is_refused() {
    let world = World::new(scripts());
    world.start().drain().await;
    let mut other = World::new(scripts());
    other.folder = world.folder;
    let mut trust = other.plane.trust();
    trust.scheduler_keys = vec![flowforge_protocol::SigningKey::from_seed(&[99; 32]).verifying_key()];
    let mut config = other.config();
    config.join.trust_root = trust;
    let seams = flowforge_host::Seams {
        clock: other.clock.clone(),
        entropy: std::sync::Arc::new(flowforge_host::clock::SeededEntropy::new([1; 32])),
        link: other.plane.clone(),
        connectors: other.connectors.clone(),
        failpoints: FailPoints::inert(),
    };
    let error = flowforge_host::Host::open(config, seams).err().expect("refused");
    assert!(
        error.to_string().contains("other keys but no higher version"),
        "{error}"
    );
}

#[tokio::test]
async fn a_storage_error_stops_the_host_and_nothing_is_confirmed_after_it() {
    let world = World::new(scripts());
    let published = publish(&world.plane, PURE);
    let mut host = world.start_failing(FailPoints::from_env_value(Some("B4.before=error")).expect("plan"));
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    let error = host.fails().await;
    assert!(
        matches!(error, RunError::Stopped(_) | RunError::Upload(_)),
        "{error:?}"
    );
    assert!(
        world
            .plane
            .with(|state| state.received.is_empty() && state.runs.is_empty())
    );
    assert!(error.to_string().contains(&Point::B4.to_string()), "{error}");
    let host = world.start();
    world.plane.prove(&published, &world.plane.ended(&run).await);
    host.drain().await;
}

#[tokio::test]
async fn at_its_limit_a_host_takes_no_more_and_later_does() {
    let mut world = World::new(scripts());
    world.limits.max_runs = 1;
    let asking = publish(
        &world.plane,
        "workflow: asking\nnodes:\n  confirm: { approval: { title: Really?, approvers: [duty], expires: 1h } }\noutput: { n: 1 }\n",
    );
    let host = world.start();
    let run = world.plane.start(&asking, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    assert!(host.handle.status().busy);
    world.plane.decide(&run, question, true, world.now());
    world.plane.ended(&run).await;
    while host.handle.status().busy {
        tokio::task::yield_now().await;
    }
    host.drain().await;
}
