//! What the control plane answers to uploads, and that nothing is ever lost for it.

use std::sync::Arc;
use std::time::Duration;

use flowforge_host::clock::ManualClock;
use flowforge_ports::Effect;
use flowforge_protocol::RunId;
use flowforge_protocol::job::Order;
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::sync::RejectCode;
use serde_json::json;

use crate::runs::{ASKING, PURE, outcome, publish, scripts};
use crate::world::{Running, World};

async fn parked(host: &Running) -> String {
    while host.handle.status().parked.is_empty() {
        tokio::task::yield_now().await;
    }
    let status = host.handle.status();
    assert!(!status.is_fine());
    assert!(
        status.for_people().contains(&status.parked[0].reason),
        "{}",
        status.for_people()
    );
    status.parked[0].code.clone()
}

/// A verdict that the host did not expect counted as "never": the records were taken for sent, and gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_parks_its_run_visibly_and_holds_up_no_other() {
    for code in [
        RejectCode::UnknownRun,
        RejectCode::BrokenChain,
        RejectCode::Conflict,
        RejectCode::Malformed,
        RejectCode::TooLarge,
        RejectCode::Other("quota".to_owned()),
    ] {
        let clock = ManualClock::at(1_800_000_000_000);
        let mut world = World::new(scripts());
        world.clock = Arc::new(clock.clone());
        let published = publish(&world.plane, PURE);
        let host = world.start();
        let run = RunId::from_entropy([1; 16]);
        world
            .plane
            .with(|state| state.verdicts.insert(run.clone(), code.clone()));
        world.plane.start(&published, 1, json!({"n": 1}), world.now());
        assert_eq!(parked(&host).await, code.to_string());
        let other = world.plane.start(&published, 2, json!({"n": 1}), world.now());
        world.plane.prove(&published, &world.plane.ended(&other).await);
        // Kept over a restart, and offered again.
        host.drain().await;
        let host = world.start();
        assert_eq!(parked(&host).await, code.to_string());
        world.plane.with(|state| state.verdicts.clear());
        clock.advance(Duration::from_mins(5));
        let stored = world.plane.ended(&run).await;
        world.plane.prove(&published, &stored);
        while !host.handle.status().parked.is_empty() || host.handle.status().to_upload.parked_runs > 0 {
            tokio::task::yield_now().await;
        }
        host.drain().await;
    }
}

/// One artefact that could not be sent held back the records of every run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artefact_that_cannot_be_sent_now_holds_up_its_run_alone() {
    let scripts = scripts().asynchronous("keep", Effect::Pure, |call| async move {
        assert!(call.services.artefact_quota().is_some(), "a run has one");
        let store = call.services.artefacts();
        let mut writer = store.create().await.expect("room");
        writer.write(b"large").await.expect("written");
        let kept = writer.finish().await.expect("kept");
        Ok(json!({"digest": kept.0, "name": "a", "media_type": "text/plain", "size": 5}))
    });
    let world = World::new(scripts);
    let keeping = publish(
        &world.plane,
        "workflow: keeping\nnodes:\n  keep: { call: test:scripts/keep }\noutput: { n: \"${keep}\" }\n",
    );
    let pure = publish(&world.plane, PURE);
    let host = world.start();
    world.plane.with(|state| state.no_artefacts = true);
    let first = world.plane.start(&keeping, 1, json!({}), world.now());
    let second = world.plane.start(&pure, 2, json!({"n": 1}), world.now());
    world.plane.prove(&pure, &world.plane.ended(&second).await);
    assert!(world.plane.with(|state| state.artefacts.is_empty()));
    world.plane.with(|state| state.no_artefacts = false);
    world.plane.prove(&keeping, &world.plane.ended(&first).await);
    assert_eq!(world.plane.with(|state| state.artefacts.len()), 1);
    host.drain().await;
}

/// One missing batch made the host send every run again from its beginning, with a pause of up to 30 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_rewinds_its_run_and_no_other() {
    let world = World::new(scripts());
    let asking = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&asking, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    let other = world.plane.start(&asking, 2, json!({}), world.now());
    world.plane.question(&other).await;
    // The control plane loses what it had of one run.
    let uploads = world.plane.with(|state| {
        state.runs.remove(&run);
        state.batches_of.clear();
        state.uploads
    });
    assert!(uploads > 0);
    world.plane.decide(&run, question, true, world.now());
    let stored = world.plane.ended(&run).await;
    world.plane.prove(&asking, &stored);
    assert!(
        !world.plane.with(|state| state.batches_of.contains(&other)),
        "the other run was left alone"
    );
    host.drain().await;
}

/// A control plane that was restored from a backup did not know its newest runs; the host erased the only copy of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_control_plane_gets_again_what_it_lacks() {
    let world = World::new(scripts());
    let asking = publish(&world.plane, ASKING);
    let pure = publish(&world.plane, PURE);
    let host = world.start();
    let waiting = world.plane.start(&asking, 1, json!({}), world.now());
    let question = world.plane.question(&waiting).await;
    let over = world.plane.start(&pure, 2, json!({"n": 1}), world.now());
    world.plane.ended(&over).await;
    while host.handle.status().to_upload.items > 0 {
        tokio::task::yield_now().await;
    }
    world.plane.with(|state| {
        state.life += 1;
        state.runs.get_mut(&waiting).expect("stored").batches.truncate(1);
        let lost = state.runs.get_mut(&over).expect("stored");
        (lost.receipt, lost.batches) = (None, Vec::new());
    });
    let stored = world.plane.ended(&over).await;
    world.plane.prove(&pure, &stored);
    world.plane.question(&waiting).await;
    world.plane.decide(&waiting, question, true, world.now());
    world.plane.prove(&asking, &world.plane.ended(&waiting).await);
    host.drain().await;
}

/// And one that does not know a run at all gets it offered, for as long as the host has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_a_restored_control_plane_does_not_know_is_kept() {
    let clock = ManualClock::at(1_800_000_000_000);
    let mut world = World::new(scripts());
    world.clock = Arc::new(clock.clone());
    let asking = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&asking, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    world.plane.with(|state| {
        state.life += 1;
        state.runs.clear();
        state.verdicts.insert(run.clone(), RejectCode::UnknownRun);
    });
    assert_eq!(parked(&host).await, "unknown_run");
    assert_eq!(
        host.handle.status().runs.waiting_approval,
        1,
        "it goes on waiting"
    );
    world.plane.with(|state| state.verdicts.clear());
    clock.advance(Duration::from_mins(5));
    assert_eq!(world.plane.question(&run).await, question);
    host.drain().await;
}

/// A cancellation that came before the start was refused and forgotten; then the run was executed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_that_overtakes_its_start_takes_effect() {
    let scripts = scripts();
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, PURE);
    let host = world.start();
    let run = RunId::from_entropy([1; 16]);
    let order = Order::Cancel {
        reason: "duty: too late".into(),
        grace_ms: 0,
    };
    let cancel = world.plane.job(&run, order, world.now());
    world.plane.deliver(&cancel);
    world
        .plane
        .until(|state| state.refused.iter().any(|refused| refused.job == cancel.job_id))
        .await;
    assert_eq!(
        world.plane.with(|state| state.refused[0].code.clone()),
        "FF-ADM-012",
        "the run is said not to be here"
    );
    // A restart in between changes nothing.
    host.drain().await;
    let host = world.start();
    world.plane.start(&published, 1, json!({"n": 1}), world.now());
    let stored = world.plane.ended(&run).await;
    assert!(
        matches!(outcome(&stored), Outcome::Cancelled { .. }),
        "{:?}",
        outcome(&stored)
    );
    assert_eq!(scripts.calls(), Vec::<String>::new(), "nothing was done");
    host.drain().await;
}

/// A decision was answered as received and lived in memory; a crash before its record lost it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_kept_until_it_took_effect() {
    let world = World::new(scripts());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let question = world.plane.question(&run).await;
    host.drain().await;
    // Its component is gone, so it rests and cannot follow the decision now.
    let folder = world.config().data_dir.join("components");
    std::fs::remove_dir_all(&folder).expect("removed");
    let components = world.plane.with(|state| std::mem::take(&mut state.components));
    let host = world.start();
    world.plane.decide(&run, question, true, world.now());
    while host.handle.status().runs.resting == 0 {
        tokio::task::yield_now().await;
    }
    world.plane.until(|state| state.received.len() == 2).await;
    host.halt().await;
    world.plane.with(|state| state.components = components);
    let host = world.start();
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Done { .. }));
    let decided = |event: &Event| matches!(event, Event::AwaitClosed { .. });
    assert_eq!(
        stored
            .records()
            .iter()
            .filter(|record| decided(&record.event))
            .count(),
        1
    );
    host.drain().await;
}
