//! Starting, stopping, and telling the truth in between.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use flowforge_failpoints::{FailPoints, Point};
use flowforge_host::clock::ManualClock;
use flowforge_host::health::{self, LinkState};
use flowforge_host::{RunError, StartError};
use flowforge_journal::OpenError;
use flowforge_ports::Effect;
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
    assert!(waits[0] == 0 && waits[1] > 0, "{waits:?}");
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
        entropy: Arc::new(flowforge_host::clock::SeededEntropy::new([1; 32])),
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
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let scripts = scripts().asynchronous("slow", Effect::Pure, move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.expect("open").forget();
            Ok(json!(1))
        }
    });
    let mut world = World::new(scripts);
    world.limits.max_runs = 1;
    let slow = publish(
        &world.plane,
        "workflow: slow\nnodes:\n  slow: { call: test:scripts/slow }\noutput: { n: \"${slow}\" }\n",
    );
    let host = world.start();
    let run = world.plane.start(&slow, 1, json!({}), world.now());
    world.plane.until(|state| state.received.len() == 1).await;
    assert!(host.handle.status().busy);
    opened.add_permits(1);
    world.plane.ended(&run).await;
    while host.handle.status().busy {
        tokio::task::yield_now().await;
    }
    host.drain().await;
}

/// A host that had enrolled wanted its join file, with the token in it, at every start.
#[tokio::test]
async fn a_host_that_has_enrolled_starts_without_its_join_file() {
    let mut world = World::new(scripts());
    let published = publish(&world.plane, PURE);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    world.plane.ended(&run).await;
    let id = host.handle.host_id().cloned().expect("enrolled");
    host.drain().await;
    let data_dir = world.config().data_dir;
    let settings = flowforge_host::Settings {
        data_dir: Some(data_dir.clone()),
        ..flowforge_host::Settings::default()
    };
    let config = settings
        .check(flowforge_runtime::CompileWorker::InProcess)
        .expect("what is needed is in the data folder");
    assert_eq!(config.join.token, None);
    assert_eq!(config.join.trust_root, world.plane.trust());
    let host = world.start_with(config);
    let run = world.plane.start(&published, 2, json!({"n": 1}), world.now());
    world.plane.ended(&run).await;
    assert_eq!(host.handle.host_id(), Some(&id));
    assert_eq!(
        world.plane.with(|state| state.tokens.clone()),
        [Some("token".to_owned()), None]
    );
    host.drain().await;
    // Without an invitation a new key is nobody.
    std::fs::remove_file(data_dir.join("keys/identity.pem")).expect("removed");
    world.seed = 9;
    let mut config = world.config();
    config.join.token = None;
    let error = world
        .open_with(config, FailPoints::inert())
        .err()
        .expect("refused");
    assert!(matches!(error, StartError::NotInvited), "{error}");
    assert!(error.to_string().contains("--join"), "{error}");
}

/// "Delete it to enrol anew", said the message about a damaged key; whoever did it was refused as another host.
#[tokio::test]
async fn a_deleted_key_enrols_anew() {
    let mut world = World::new(scripts());
    let host = world.start();
    world.plane.until(|state| !state.tokens.is_empty()).await;
    while host.handle.host_id().is_none() {
        tokio::task::yield_now().await;
    }
    host.drain().await;
    let data_dir = world.config().data_dir;
    std::fs::remove_file(data_dir.join("keys/identity.pem")).expect("removed");
    world
        .plane
        .with(|state| state.host = Some(flowforge_protocol::HostId::from_entropy([10; 16])));
    world.seed = 9;
    let host = world.start();
    let published = publish(&world.plane, PURE);
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    world.plane.ended(&run).await;
    assert_eq!(
        host.handle.host_id(),
        Some(&flowforge_protocol::HostId::from_entropy([10; 16]))
    );
    host.drain().await;
}

/// A data folder that others could write to was taken as it was.
#[tokio::test]
async fn a_data_folder_that_is_open_to_others_is_refused() {
    let world = World::new(scripts());
    let data_dir = world.config().data_dir;
    std::fs::create_dir(&data_dir).expect("made");
    std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o750)).expect("chmod");
    let error = world.open(FailPoints::inert()).err().expect("refused");
    assert!(
        error.to_string().contains("mode 750") && error.to_string().contains("chmod 700"),
        "{error}"
    );
    std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o700)).expect("chmod");
    world.start().drain().await;
}

/// A clock that was ahead once left a floor on the disk, and every job after its correction was "expired".
#[tokio::test]
async fn a_clock_that_was_ahead_once_does_not_expire_every_job() {
    let clock = ManualClock::at(1_900_000_000_000);
    let mut world = World::new(scripts());
    world.clock = Arc::new(clock.clone());
    let published = publish(&world.plane, PURE);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    world.plane.ended(&run).await;
    host.drain().await;
    clock.set(1_800_000_000_000);
    let host = world.start();
    let run = world.plane.start(&published, 2, json!({"n": 1}), world.now());
    world.plane.ended(&run).await;
    assert!(world.plane.with(|state| state.refused.is_empty()));
    host.drain().await;
}

/// A call that the control plane will never take was shown as a line that is out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_must_act_on_is_told() {
    let world = World::new(scripts());
    let host = world.start();
    world
        .plane
        .with(|state| state.refuses_with = Some("413".to_owned()));
    while !host.handle.status().link.needs_action {
        tokio::task::yield_now().await;
    }
    let status = host.handle.status();
    assert!(
        !status.is_fine() && status.for_people().contains("413"),
        "{}",
        status.for_people()
    );
    world.plane.with(|state| state.refuses_with = None);
    while host.handle.status().link.state != LinkState::Connected {
        tokio::task::yield_now().await;
    }
    host.drain().await;
}
