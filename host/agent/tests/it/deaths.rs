//! A host that dies again and again: what it died of is known, named and left alone, and nothing else is.

use std::path::PathBuf;
use std::time::Duration;

use flowforge_failpoints::{FailPoints, Point, Side};
use flowforge_journal::{Journal, JournalConfig};
use flowforge_ports::Effect;
use flowforge_protocol::job::Order;
use flowforge_protocol::record::Outcome;
use serde_json::json;

use crate::connectors::Scripts;
use crate::crashes::{Crash, rests};
use crate::runs::{outcome, publish, scripts};
use crate::world::{Running, World};

const STUCK: &str =
    "workflow: stuck\nnodes:\n  stuck: { call: test:scripts/stuck }\noutput: { n: \"${stuck}\" }\n";

fn stuck_calls(scripts: &Scripts) -> usize {
    scripts.calls().iter().filter(|call| *call == "stuck").count()
}

/// The host dies so often while the step `stuck` is under way.
async fn dies_during_the_step(world: &World, scripts: &Scripts, deaths: usize) {
    let pure = publish(&world.plane, crate::runs::PURE);
    for death in 1..=deaths {
        let points = Crash {
            point: Point::B4,
            side: Side::After,
            nth: if death == 1 { 2 } else { 1 },
        };
        let mut host = world.start_failing(points.plan());
        while stuck_calls(scripts) < death {
            tokio::task::yield_now().await;
        }
        // The commit that accepts another run is the last thing that this host does.
        let number = u8::try_from(death).expect("small") + 1;
        world.plane.start(&pure, number, json!({"n": 1}), world.now());
        host.fails().await;
    }
}

/// A step without effects that took its host down was begun again at every start, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_during_which_the_host_dies_again_and_again_is_left_to_a_person() {
    let scripts = scripts().asynchronous("stuck", Effect::Pure, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let stuck = publish(&world.plane, STUCK);
    let run = world.plane.start(&stuck, 1, json!({}), world.now());
    dies_during_the_step(&world, &scripts, 3).await;
    let host = world.start();
    rests(&host.handle).await;
    let about = host.handle.status().standing[0].about.clone();
    assert!(
        about.contains("FF-RUN-102") && about.contains("step stuck"),
        "{about}"
    );
    assert_eq!(stuck_calls(&scripts), 3, "it is not tried again");
    let order = Order::Cancel {
        reason: "duty".into(),
        grace_ms: 0,
    };
    world.plane.deliver(&world.plane.job(&run, order, world.now()));
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Cancelled { .. }));
    host.drain().await;
}

/// What a process leaves behind that dies without stopping.
fn leave_socket(world: &World) {
    let path = world.config().data_dir.join(flowforge_host::health::SOCKET);
    drop(std::os::unix::net::UnixListener::bind(path).expect("a socket"));
}

/// The host is gone, and the next process finds the disk as it is now.
async fn dies(world: &World, host: Running) {
    let image = image(world);
    host.halt().await;
    for (path, content) in image {
        std::fs::write(path, content).expect("writes");
    }
    leave_socket(world);
}

/// A step without effects that took the host down before its run was durable left no trace: the order came again, and the
/// host went down again, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_death_no_step_begins_before_its_run_is_durable() {
    let scripts = scripts().asynchronous("stuck", Effect::Pure, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let (pure, stuck) = (
        publish(&world.plane, crate::runs::PURE),
        publish(&world.plane, STUCK),
    );
    let host = world.start();
    let first = world.plane.start(&pure, 1, json!({"n": 1}), world.now());
    world.plane.ended(&first).await;
    host.drain().await;
    leave_socket(&world);
    let crash = Crash {
        point: Point::B4,
        side: Side::Before,
        nth: 1,
    };
    let mut host = world.start_failing(crash.plan());
    let run = world.plane.start(&stuck, 2, json!({}), world.now());
    host.fails().await;
    assert_eq!(
        stuck_calls(&scripts),
        0,
        "nobody would have known what took the host down"
    );
    leave_socket(&world);
    for death in 1..=3 {
        let host = world.start();
        while stuck_calls(&scripts) < death {
            tokio::task::yield_now().await;
        }
        dies(&world, host).await;
    }
    let host = world.start();
    rests(&host.handle).await;
    let standing = host.handle.status().standing;
    assert!(
        standing[0].run == run.to_string() && standing[0].about.contains("FF-RUN-102"),
        "{standing:?}"
    );
    host.drain().await;
}

/// The host died of the second step, and the first one was blamed: the mark of the second was never durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_step_of_which_the_host_dies_is_the_one_that_is_named() {
    let scripts = scripts().asynchronous("stuck", Effect::Pure, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let source = "
workflow: later
nodes:
  one: { call: test:scripts/add, with: { n: 1 } }
  stuck: { after: one, call: test:scripts/stuck }
output: { n: \"${one}\" }
";
    let published = publish(&world.plane, source);
    world.start().drain().await;
    world.plane.start(&published, 1, json!({}), world.now());
    leave_socket(&world);
    let mut deaths = 0;
    loop {
        let host = world.start();
        while stuck_calls(&scripts) == deaths && host.handle.status().runs.resting == 0 {
            tokio::task::yield_now().await;
        }
        if host.handle.status().runs.resting > 0 {
            let about = host.handle.status().standing[0].about.clone();
            assert!(about.contains("step stuck"), "{about}");
            host.drain().await;
            break;
        }
        deaths += 1;
        assert!(deaths <= 6, "it is never left alone");
        dies(&world, host).await;
    }
}

/// With kills in quick succession, every step that asks something outside came to rest after the third.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_asks_something_outside_is_not_blamed_for_a_few_deaths() {
    let scripts = scripts().asynchronous("stuck", Effect::Idempotent, |_| std::future::pending());
    let world = World::new(scripts.clone());
    let stuck = publish(&world.plane, STUCK);
    world.plane.start(&stuck, 1, json!({}), world.now());
    dies_during_the_step(&world, &scripts, 6).await;
    let host = world.start();
    while stuck_calls(&scripts) < 7 {
        tokio::task::yield_now().await;
    }
    assert_eq!(host.handle.status().runs.resting, 0);
    host.halt().await;
}

/// Being stopped is no fault of a step, however often it happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_under_way_when_the_host_was_stopped_goes_on() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let opened = std::sync::Arc::clone(&gate);
    let scripts = scripts().asynchronous("stuck", Effect::Pure, move |_| {
        let gate = std::sync::Arc::clone(&gate);
        async move {
            gate.acquire().await.expect("open").forget();
            Ok(json!(1))
        }
    });
    let world = World::new(scripts.clone());
    let stuck = publish(&world.plane, STUCK);
    let run = world.plane.start(&stuck, 1, json!({}), world.now());
    for stop in 1..=4 {
        let host = world.start();
        while scripts.calls().len() < stop {
            tokio::task::yield_now().await;
        }
        host.halt().await;
    }
    let host = world.start();
    opened.add_permits(1);
    let stored = world.plane.ended(&run).await;
    assert!(
        matches!(outcome(&stored), Outcome::Done { .. }),
        "{:?}",
        outcome(&stored)
    );
    host.drain().await;
}

/// Copies of the journal as it is on the disk now, with its lock.
fn image(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(world.config().data_dir).expect("a folder");
    let paths = files.map(|file| file.expect("a file").path());
    let journal = paths.filter(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name.starts_with("journal.redb")
    });
    journal
        .map(|path| (path.clone(), std::fs::read(path).expect("reads")))
        .collect()
}

/// How many deaths a host that finds this image blames on the step.
async fn blamed(image: &[(PathBuf, Vec<u8>)], step: &str) -> u32 {
    let folder = tempfile::tempdir().expect("folder");
    for (path, content) in image {
        std::fs::write(folder.path().join(path.file_name().expect("a name")), content).expect("writes");
    }
    let config = JournalConfig::at(folder.path().join("journal.redb"), [0; 16]);
    // One that is being written just now cannot be opened.
    let Ok((journal, recovered)) = Journal::open(config, FailPoints::inert()) else {
        return 0;
    };
    journal.close().await;
    let mut crashed = recovered.crashed.iter();
    let found = crashed.find(|crashed| crashed.step.to_string() == step);
    found.map_or(0, |crashed| crashed.crashes)
}

/// The host dies as soon as one more death would be blamed on this step, of which it died so often before.
async fn dies_of(world: &World, host: Running, step: &str, before: u32) {
    // What it does behind the moment of its death is not to be seen.
    world.plane.with(|state| state.offline_uploads = true);
    let mut began = false;
    loop {
        let runs = host.handle.status().runs.total();
        assert!(
            runs > 0 || !began,
            "the run ended, and nothing is known of {step}"
        );
        began |= runs > 0;
        let found = image(world);
        if blamed(&found, step).await > before {
            host.halt().await;
            for (path, content) in found {
                std::fs::write(path, content).expect("writes");
            }
            world.plane.with(|state| state.offline_uploads = false);
            return leave_socket(world);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Expressions that take long enough to be met at work.
fn slow_fields() -> String {
    let slow = "${input.xs.map(a, input.xs.map(b, a * b).size()).size()}";
    let fields: Vec<String> = (0..8).map(|n| format!("f{n}: \"{slow}\"")).collect();
    format!("{{ {} }}", fields.join(", "))
}

/// Expressions that took the host down were evaluated again at every start, for ever: only attempts had marks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expressions_of_which_the_host_dies_again_and_again_are_named_and_left_alone() {
    let source = |nodes: &str, output: &str| {
        format!("workflow: poison\ninput: {{ xs: {{ type: array }} }}\nnodes:\n{nodes}output: {output}\n")
    };
    let set = |fields: &str| format!("  a: {{ set: {{ n: 1 }} }}\n  b: {{ after: a, set: {fields} }}\n");
    for (step, source) in [
        ("b", source(&set(&slow_fields()), "{ n: 1 }")),
        ("output", source(&set("{ n: 1 }"), &slow_fields())),
    ] {
        let world = World::new(scripts());
        let published = publish(&world.plane, &source);
        world.start().drain().await;
        leave_socket(&world);
        let xs: Vec<u32> = (0..700).collect();
        let run = world.plane.start(&published, 1, json!({"xs": xs}), world.now());
        for before in 0..3 {
            dies_of(&world, world.start(), step, before).await;
        }
        let host = world.start();
        rests(&host.handle).await;
        let standing = host.handle.status().standing;
        let about = &standing[0].about;
        assert!(
            about.contains("FF-RUN-102") && about.contains(&format!("step {step} ")),
            "{about}"
        );
        let order = Order::Cancel {
            reason: "duty".into(),
            grace_ms: 0,
        };
        world.plane.deliver(&world.plane.job(&run, order, world.now()));
        let stored = world.plane.ended(&run).await;
        assert!(matches!(outcome(&stored), Outcome::Cancelled { .. }));
        host.drain().await;
    }
}

/// The input of what takes an effect back was computed when its step completed, without a mark: a host that died of it was
/// not counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_of_whose_input_the_host_dies_again_and_again_is_named_and_left_alone() {
    let scripts = scripts()
        .asynchronous("stuck", Effect::Pure, |_| std::future::pending())
        .pure("back", |_| Ok(json!(null)));
    let world = World::new(scripts.clone());
    let undo = format!("{{ call: test:scripts/back, with: {} }}", slow_fields());
    let source = format!(
        "workflow: taken-back\ninput: {{ xs: {{ type: array }} }}\nnodes:\n  a: {{ call: test:scripts/add, with: {{ n: 1 }}, undo: \
         {undo} }}\n  stuck: {{ after: a, call: test:scripts/stuck }}\n"
    );
    let published = publish(&world.plane, &source);
    world.start().drain().await;
    leave_socket(&world);
    let xs: Vec<u32> = (0..700).collect();
    let run = world.plane.start(&published, 1, json!({"xs": xs}), world.now());
    // What `a` did is durable then: there is something to take back in the next life.
    dies_of(&world, world.start(), "stuck", 0).await;
    let cancel = || {
        let order = Order::Cancel {
            reason: "duty".into(),
            grace_ms: 0,
        };
        world.plane.deliver(&world.plane.job(&run, order, world.now()));
    };
    cancel();
    for before in 0..3 {
        dies_of(&world, world.start(), "a~undo", before).await;
    }
    let host = world.start();
    rests(&host.handle).await;
    let about = host.handle.status().standing[0].about.clone();
    assert!(
        about.contains("FF-RUN-102") && about.contains("step a~undo "),
        "{about}"
    );
    assert!(
        !scripts.calls().contains(&"back".to_owned()),
        "it was never called"
    );
    cancel();
    let stored = world.plane.ended(&run).await;
    assert!(matches!(outcome(&stored), Outcome::Cancelled { .. }));
    host.drain().await;
}
