//! Artefacts on the host: what stays, what goes, and what a run may keep.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flowforge_ports::Effect;
use flowforge_protocol::record::Outcome;
use serde_json::json;

use crate::connectors::Scripts;
use crate::runs::{outcome, publish, scripts};
use crate::world::World;

const ENDING: &str = "
workflow: ending
nodes:
  keep: { call: test:scripts/keep, with: { bytes: 40 } }
output: { n: \"${keep}\" }
";

const ASKING: &str = "
workflow: asking
nodes:
  keep: { call: test:scripts/keep, with: { bytes: 45 } }
  confirm:
    after: keep
    approval: { title: Really?, approvers: [duty], expires: 1h }
  taken: { after: confirm, call: test:scripts/taken }
output: { taken: \"${taken}\" }
";

/// `keep` makes an artefact of so many bytes; `taken` says what the run has taken of its quota.
fn keepers() -> Scripts {
    let keep = scripts().asynchronous("keep", Effect::Pure, |call| async move {
        let bytes = call.input["bytes"].as_u64().expect("a number");
        let quota = call.services.artefact_quota().expect("a run has one");
        quota.take(bytes).expect("room");
        let mut writer = call.services.artefacts().create().await.expect("room");
        let content = vec![7; usize::try_from(bytes).expect("small")];
        writer.write(&content).await.expect("written");
        let (digest, size) = writer.finish().await.expect("kept");
        Ok(json!({"digest": digest, "name": "a", "media_type": "text/plain", "size": size}))
    });
    keep.asynchronous("taken", Effect::Pure, |call| async move {
        let quota = call.services.artefact_quota().expect("a run has one");
        Ok(json!(quota.taken()))
    })
}

/// The files of the store, by their lengths. The host may take a file away between the two looks at it, and such a file
/// counts as gone.
fn kept(world: &World) -> Vec<(u64, PathBuf)> {
    let files = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    let length = |file: &Path| match file.metadata() {
        Ok(metadata) => Some(metadata.len()),
        Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("a file: {error}"),
    };
    let shards = files(&world.config().data_dir.join("artefacts/sha256"));
    let all = shards.iter().flat_map(|shard| files(shard));
    let mut kept: Vec<(u64, PathBuf)> = all.filter_map(|file| Some((length(&file)?, file))).collect();
    kept.sort();
    kept
}

/// Nothing ever left the folder of artefacts: at its limit every step that made one failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_open_run_names_leaves_a_store_that_is_well_filled() {
    let mut world = World::new(keepers());
    world.limits.max_artefact_bytes = 100;
    let (ending, asking) = (publish(&world.plane, ENDING), publish(&world.plane, ASKING));
    let host = world.start();
    let ended = world.plane.start(&ending, 1, json!({}), world.now());
    world.plane.ended(&ended).await;
    let open = world.plane.start(&asking, 2, json!({}), world.now());
    let question = world.plane.question(&open).await;
    while host.handle.status().to_upload.items > 0 {
        tokio::task::yield_now().await;
    }
    host.drain().await;
    assert_eq!(
        kept(&world).iter().map(|(bytes, _)| *bytes).collect::<Vec<_>>(),
        [40, 45]
    );
    // Nobody has touched them for a while.
    let before = SystemTime::now() - Duration::from_hours(2);
    for (_, path) in kept(&world) {
        let file = std::fs::File::options().write(true).open(path).expect("opens");
        file.set_modified(before).expect("set");
    }
    let host = world.start();
    while kept(&world).len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kept(&world)[0].0, 45, "that of the open run");
    world.plane.decide(&open, question, true, world.now());
    let stored = world.plane.ended(&open).await;
    assert!(matches!(outcome(&stored), Outcome::Done { .. }));
    host.drain().await;
}

/// A run that waited between its steps could make as much again after each wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_keeps_counts_when_it_has_left_memory() {
    let world = World::new(keepers());
    let asking = publish(&world.plane, ASKING);
    for restarts in [false, true] {
        let mut host = world.start();
        let run = world
            .plane
            .start(&asking, u8::from(restarts), json!({}), world.now());
        let question = world.plane.question(&run).await;
        if restarts {
            host.drain().await;
            host = world.start();
        } else {
            while host.handle.status().runs.asleep == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        world.plane.decide(&run, question, true, world.now());
        let stored = world.plane.ended(&run).await;
        let expected = Outcome::Done {
            output: json!({"taken": 45}).into(),
        };
        assert_eq!(outcome(&stored), expected, "restarted: {restarts}");
        host.drain().await;
    }
}
