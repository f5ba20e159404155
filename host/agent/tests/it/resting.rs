//! Runs that cannot go on: they say why, and end when they are told to.

use std::sync::Arc;

use flowforge_failpoints::FailPoints;
use flowforge_host::order::Gate;
use flowforge_journal::{Journal, JournalConfig};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::job::{Job, Order, SignalOrder};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::sync::RejectCode;
use flowforge_protocol::{MessageId, RunId, SigningKey};
use redb::{Database, ReadableTable as _, TableDefinition};
use serde_json::json;

use crate::connectors::bytes;
use crate::runs::{ASKING, PURE, outcome, publish, scripts};
use crate::world::{Running, World};

/// A run that waits for a person, on a host that is stopped.
async fn waiting_run(world: &World) -> RunId {
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    world.plane.question(&run).await;
    host.drain().await;
    run
}

/// Something comes for the run, and has it woken.
fn nudge(world: &World, run: &RunId, key: &SigningKey) {
    let signal = SignalOrder {
        message: MessageId::from_entropy([3; 16]),
        name: "nudge".to_owned(),
        correlation: None,
        payload: json!(null),
        by: "duty".to_owned(),
    };
    let job = world.plane.job(run, Order::Signal(signal), world.now());
    let envelope = sign_document(&job, key).expect("signs");
    world.plane.deliver_envelope(job.job_id.clone(), envelope);
}

/// The component is gone, here and at its source.
fn lose_component(world: &World) {
    let folder = world.config().data_dir.join("components");
    std::fs::remove_dir_all(folder).expect("removed");
    world.plane.with(|state| state.components.clear());
}

async fn rests(host: &Running) -> String {
    while host.handle.status().runs.resting == 0 {
        tokio::task::yield_now().await;
    }
    let standing = host.handle.status().standing;
    assert!(standing[0].rests, "{standing:?}");
    standing[0].about.clone()
}

fn cancel(world: &World, run: &RunId) {
    let order = Order::Cancel {
        reason: "duty: it hangs".into(),
        grace_ms: 0,
    };
    world.plane.deliver(&world.plane.job(run, order, world.now()));
}

/// A run whose release could not be loaded never read its inbox: nobody could cancel it, and it looked like a running one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_be_loaded_says_why_and_can_be_cancelled() {
    let world = World::new(scripts());
    let run = waiting_run(&world).await;
    lose_component(&world);
    let host = world.start();
    nudge(&world, &run, &world.plane.scheduler);
    let about = rests(&host).await;
    assert!(about.contains("FF-ADM-014"), "{about}");
    assert!(host.handle.status().for_people().contains(&about));
    cancel(&world, &run);
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        outcome(&stored),
        Outcome::Cancelled {
            reason: "duty: it hangs".into()
        }
    );
    assert!(
        stored
            .records()
            .iter()
            .any(|record| matches!(record.event, Event::CancelRequested { .. }))
    );
    while host.handle.status().runs.total() > 0 {
        tokio::task::yield_now().await;
    }
    host.drain().await;
    // And it stays over.
    let host = world.start();
    assert_eq!(host.handle.status().runs.total(), 0);
    host.drain().await;
}

/// A byte of every row of records is another one, and the file's own pages do not show it.
fn damage_records(world: &World) {
    let records = TableDefinition::<&[u8], &[u8]>::new("records");
    let journal = Database::open(world.config().data_dir.join("journal.redb")).expect("opens");
    let transaction = journal.begin_write().expect("begins");
    let mut table = transaction.open_table(records).expect("a table");
    let rows = table.iter().expect("rows").map(|row| row.expect("a row"));
    let rows: Vec<(Vec<u8>, Vec<u8>)> = rows
        .map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
        .collect();
    assert!(!rows.is_empty());
    for (key, mut value) in rows {
        *value.last_mut().expect("bytes") ^= 1;
        table.insert(&key[..], &value[..]).expect("writes");
    }
    drop(table);
    transaction.commit().expect("commits");
}

/// A run whose records could not be read rested for ever: nobody could end it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_be_read_is_given_up_when_somebody_says_so() {
    let world = World::new(scripts());
    let run = waiting_run(&world).await;
    damage_records(&world);
    let host = world.start();
    nudge(&world, &run, &world.plane.scheduler);
    let about = rests(&host).await;
    assert!(
        about.contains("damaged") || about.contains("not what was written"),
        "{about}"
    );
    cancel(&world, &run);
    world.plane.until(|state| !state.refused.is_empty()).await;
    let refused = world.plane.with(|state| state.refused[0].clone());
    assert_eq!(refused.code, "FF-ADM-018");
    assert!(refused.message.contains("is dropped"), "{}", refused.message);
    assert_eq!(host.handle.status().runs.total(), 0);
    host.drain().await;
    let host = world.start();
    assert_eq!(host.handle.status().runs.total(), 0, "and it stays so");
    host.drain().await;
}

/// A waiting run that was told to end by the order that this gives, which its host has, and of which nothing can be read
/// any more.
async fn told_to_end_before_its_damage(world: &World) -> Job {
    let run = waiting_run(world).await;
    let order = Order::Cancel {
        reason: "duty: it hangs".into(),
        grace_ms: 0,
    };
    let job = world.plane.job(&run, order, world.now());
    let envelope = sign_document(&job, &world.plane.scheduler).expect("signs");
    let gate = Gate::new(Arc::new(world.plane.trust()), world.plane.host());
    let order = gate.admit(envelope.as_bytes(), world.now()).expect("an order");
    let about = order.about();
    let path = world.config().data_dir.join("journal.redb");
    let (journal, _) = Journal::open(JournalConfig::at(path, [0; 16]), FailPoints::inert()).expect("opens");
    journal
        .deliver(&run, about.envelope.clone(), about.entry.clone())
        .await
        .expect("taken");
    journal.close().await;
    drop(journal);
    damage_records(world);
    job
}

/// The order to end a run was taken, and the damage was found when it woke for it: the order lay there for ever, and the
/// control plane, which knew that it had arrived, gave it no second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_end_a_run_that_came_before_its_damage_was_found_is_obeyed() {
    let world = World::new(scripts());
    let job = told_to_end_before_its_damage(&world).await;
    let host = world.start();
    world.plane.until(|state| !state.refused.is_empty()).await;
    let refused = world.plane.with(|state| state.refused[0].clone());
    assert_eq!((refused.code.as_str(), &refused.job), ("FF-ADM-018", &job.job_id));
    while host.handle.status().runs.total() > 0 {
        tokio::task::yield_now().await;
    }
    host.drain().await;
}

/// A host died between dropping such a run and saying so: nobody said it any more, and the run stayed open where it is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_said_until_it_is_heard_that_a_run_was_given_up() {
    let world = World::new(scripts());
    let job = told_to_end_before_its_damage(&world).await;
    world.plane.with(|state| state.offline_uploads = true);
    for _ in 0..2 {
        let host = world.start();
        while host.handle.status().runs.total() > 0 {
            tokio::task::yield_now().await;
        }
        host.halt().await;
    }
    assert!(
        world.plane.with(|state| state.refused.is_empty()),
        "nothing was heard"
    );
    world.plane.with(|state| state.offline_uploads = false);
    let host = world.start();
    world.plane.until(|state| !state.refused.is_empty()).await;
    let refused = world.plane.with(|state| state.refused[0].clone());
    assert_eq!((refused.code.as_str(), &refused.job), ("FF-ADM-018", &job.job_id));
    host.drain().await;
    // What was heard is said no more.
    world.plane.with(|state| state.refused.clear());
    let host = world.start();
    let published = publish(&world.plane, PURE);
    let other = world.plane.start(&published, 9, json!({"n": 1}), world.now());
    world.plane.ended(&other).await;
    assert!(world.plane.with(|state| state.refused.is_empty()));
    host.drain().await;
}

/// A run whose task had stopped heard nothing before the next start of the host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_task_is_over_can_be_cancelled() {
    let world = World::new(scripts());
    let published = publish(&world.plane, PURE);
    let points = FailPoints::from_env_value(Some("B7=error@1")).expect("plan");
    let host = world.start_failing(points);
    let run = world.plane.start(&published, 1, json!({"n": 1}), world.now());
    rests(&host).await;
    cancel(&world, &run);
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Cancelled { .. }));
    host.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_by_itself_once_its_release_is_there_again() {
    let world = World::new(scripts());
    let run = waiting_run(&world).await;
    lose_component(&world);
    let host = world.start();
    nudge(&world, &run, &world.plane.scheduler);
    rests(&host).await;
    let digest = flowforge_protocol::Digest::of(&bytes());
    world.plane.with(|state| state.components.insert(digest, bytes()));
    let question = world.plane.question(&run).await;
    world.plane.decide(&run, question, true, world.now());
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Done { .. }));
    host.drain().await;
}

/// The stored order was believed at a restart, whatever had been done to it or to the keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_key_is_no_longer_trusted_is_not_obeyed_at_the_next_start() {
    let world = World::new(scripts());
    let run = waiting_run(&world).await;
    let mut config = world.config();
    config.join.trust_root.version += 1;
    let other = SigningKey::from_seed(&[77; 32]);
    config.join.trust_root.scheduler_keys = vec![other.verifying_key()];
    let host = world.open_with(config, FailPoints::inert()).expect("opens");
    let host = crate::world::run(host);
    nudge(&world, &run, &other);
    let about = rests(&host).await;
    assert!(about.contains("its stored order is refused"), "{about}");
    // The new key's word ends it.
    let job = world.plane.job(
        &run,
        Order::Cancel {
            reason: "x".into(),
            grace_ms: 0,
        },
        world.now(),
    );
    let envelope = sign_document(&job, &other).expect("signs");
    world.plane.deliver_envelope(job.job_id.clone(), envelope);
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Cancelled { .. }));
    host.drain().await;
}

/// A resting run stayed on a host that had lost it to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_run_that_belongs_to_another_host_goes() {
    let world = World::new(scripts());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    world.plane.with(|state| state.offline_uploads = true);
    let run = world.plane.start(&published, 1, json!({}), world.now());
    while host.handle.status().runs.waiting_approval == 0 {
        tokio::task::yield_now().await;
    }
    host.halt().await;
    lose_component(&world);
    let host = world.start();
    nudge(&world, &run, &world.plane.scheduler);
    rests(&host).await;
    world
        .plane
        .with(|state| state.verdicts.insert(run.clone(), RejectCode::NotOwner));
    world.plane.with(|state| state.offline_uploads = false);
    while host.handle.status().runs.total() > 0 {
        tokio::task::yield_now().await;
    }
    host.drain().await;
}

/// A waiting run is shown as waiting, with what for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_waits_says_what_for() {
    let world = World::new(scripts());
    let published = publish(&world.plane, ASKING);
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    world.plane.question(&run).await;
    while host.handle.status().standing.is_empty() {
        tokio::task::yield_now().await;
    }
    let status = host.handle.status();
    let text = status.for_people();
    assert!(
        text.contains(&format!("{run} waits for approval of step confirm")),
        "{text}"
    );
    host.drain().await;
}
