//! Runs that order others.

use flowforge_protocol::awaited::{Await, ChildEnd, Closing, child_run_id};
use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::record::{Event, Outcome, Trigger};
use flowforge_protocol::{Digest, RunId};
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM, Script, accepted, finish_sum};

const PARENT: &str = r#"workflow: total-of-two
nodes:
  both:
    workflow: sum
    with: { a: 1 }
output: { total: "${both.total}" }
"#;

struct Scene {
    plane: Plane,
    host: FakeHost,
    job: Job,
    script: Script,
    child: RunId,
    _home: Home,
}

impl Scene {
    async fn new() -> Self {
        let home = Home::new();
        let plane = home.start().await;
        plane.publish(SUM).await;
        plane.publish(PARENT).await;
        let host = FakeHost::join(&plane, 1).await;
        plane.start_run(json!({"workflow": "total-of-two"})).await;
        let job = host.job(&plane).await;
        let mut script = Script::new(&job);
        let child = child_run_id(&job.run_id, &"both".parse().unwrap(), 0);
        let batch = script.batch(vec![accepted(&job)]);
        host.sync(&plane, json!({"received": [job.job_id], "batches": [batch]}))
            .await;
        Self {
            plane,
            host,
            job,
            script,
            child,
            _home: home,
        }
    }

    async fn record(&mut self, events: Vec<Event>) {
        let batch = self.script.batch(events);
        let told = self.host.sync(&self.plane, json!({"batches": [batch]})).await;
        assert_eq!(told["rejected"], json!([]), "{told:#}");
    }

    async fn orders(&mut self, release: Digest, grants: Digest, input: Value) {
        let run = self.child.clone();
        self.record(vec![Event::AwaitOpened {
            step: "both".parse().unwrap(),
            awaits: Await::Child {
                run,
                release,
                grants,
                input: input.into(),
            },
            due_ms: None,
        }])
        .await;
    }

    async fn orders_sum(&mut self, input: Value) {
        let sum = "{ workflow(name: \"sum\") { release grants } }";
        let sum = self.plane.ask(sum, Value::Null).await;
        let digest = |name: &str| sum["workflow"][name].as_str().unwrap().parse().unwrap();
        self.orders(digest("release"), digest("grants"), input).await;
    }

    fn end_told(&self, job: &Job) -> flowforge_protocol::job::ChildOrder {
        let Order::ChildEnded(end) = job.order.clone() else {
            panic!("{job:?}")
        };
        assert_eq!((&job.run_id, &end.run), (&self.job.run_id, &self.child));
        end
    }
}

#[tokio::test]
async fn a_release_pins_the_release_of_each_workflow_that_it_runs() {
    let home = Home::new();
    let plane = home.start().await;
    let missing = plane.prepare(PARENT).await;
    assert_eq!(missing["__typename"], "WorkflowProblem", "{missing:#}");
    assert_eq!(missing["diagnostics"][0]["code"], "FF-WF-037");
    plane.publish(SUM).await;
    let prepared = plane.prepare(PARENT).await;
    let signed = plane.sign_prepared(&prepared, PARENT);
    assert_eq!(
        plane.publish_signed(signed.clone()).await["__typename"],
        "PublishReleaseSuccess"
    );
    // A release of another life of this server pins what is not here.
    let elsewhere = Home::new();
    let other = elsewhere.start().await;
    let prepared = {
        other.publish(SUM).await;
        other.prepare(PARENT).await
    };
    let mut signed = other.sign_prepared(&prepared, PARENT);
    for name in ["release", "grants"] {
        let envelope: Value = serde_json::from_str(signed[name].as_str().unwrap()).unwrap();
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::STANDARD
            .decode(envelope["payload"].as_str().unwrap())
            .unwrap();
        let (kind, key) = (envelope["payloadType"].as_str().unwrap(), format!("{name}.pem"));
        let key = plane.key(&key.replace("grants", "grant"));
        signed[name] = json!(flowforge_protocol::envelope::sign(kind, &payload, &key));
    }
    let refused = plane.publish_signed(signed).await;
    assert_eq!(refused["__typename"], "ReleaseProblem", "{refused:#}");
    assert!(
        refused["message"].as_str().unwrap().contains("`sum`"),
        "{refused:#}"
    );
    other.stop().await;
    plane.stop().await;
}

#[tokio::test]
async fn a_child_is_started_once_and_its_end_goes_to_its_parent() {
    let mut scene = Scene::new().await;
    scene.orders_sum(json!({"a": 1})).await;
    let job = scene.host.job(&scene.plane).await;
    assert_eq!(job.run_id, scene.child);
    let Order::Start(start) = &job.order else {
        panic!("{job:?}")
    };
    let parent = Trigger::Parent {
        run: scene.job.run_id.clone(),
        step: "both".parse().unwrap(),
        // Who answers no questions of the one answers none of the other.
        started_by: Some("local".to_owned()),
    };
    assert_eq!(
        (&start.trigger, &start.input),
        (&parent, &json!({"a": 1, "b": 2}))
    );
    let lineage = start.lineage.as_ref().unwrap();
    assert_eq!((&lineage.root, lineage.generation), (&scene.child, 1));
    let shown = "query($id: String!) { run(id: $id) { state waitingFor children { id workflow } lineage { parent } } }";
    let shown = |id: RunId| scene.plane.ask(shown, json!({ "id": id }));
    let parent = shown(scene.job.run_id.clone()).await;
    assert_eq!(parent["run"]["state"], "WAITING");
    assert_eq!(
        parent["run"]["children"],
        json!([{"id": scene.child, "workflow": "sum"}])
    );
    let child = shown(scene.child.clone()).await;
    assert_eq!(child["run"]["lineage"]["parent"], json!(scene.job.run_id));
    finish_sum(&scene.plane, &scene.host, &job).await;
    let told = scene.host.job(&scene.plane).await;
    let end = scene.end_told(&told);
    assert_eq!((end.state.as_str(), &end.output), ("done", &json!({"total": 3})));
    scene.host.received(&scene.plane, &told).await;
    assert!(scene.host.jobs(&scene.plane, 0).await.is_empty());
    let end = ChildEnd {
        run: end.run,
        state: end.state,
        output: end.output.into(),
        failure: None,
    };
    scene
        .record(vec![Event::AwaitClosed {
            step: "both".parse().unwrap(),
            closing: Closing::Child(end),
        }])
        .await;
    assert_eq!(
        scene.plane.run(scene.job.run_id.as_str()).await["state"],
        "RUNNING"
    );
    scene.plane.stop().await;
}

#[tokio::test]
async fn a_child_that_cannot_be_started_fails_to_its_parent_with_the_reason() {
    for (release, input, why) in [
        (Some(Digest::of(b"none")), json!({"a": 1}), "not published here"),
        (None, json!({"a": "x"}), "does not fit"),
    ] {
        let mut scene = Scene::new().await;
        match release {
            Some(release) => scene.orders(release, Digest::of(b"none"), input).await,
            None => scene.orders_sum(input).await,
        }
        let told = scene.host.job(&scene.plane).await;
        let end = scene.end_told(&told);
        assert_eq!(end.state, "failed");
        assert!(end.failure.unwrap().message.contains(why));
        scene.plane.stop().await;
    }
}

#[tokio::test]
async fn a_cancelled_parent_takes_its_child_with_it() {
    let mut scene = Scene::new().await;
    scene.orders_sum(json!({"a": 1})).await;
    let child = scene.host.job(&scene.plane).await;
    scene.host.received(&scene.plane, &child).await;
    let reason = "enough".to_owned();
    let grace_ms = 0;
    scene
        .record(vec![Event::CancelRequested { reason, grace_ms }])
        .await;
    let told = scene.host.job(&scene.plane).await;
    assert_eq!(told.run_id, scene.child);
    let Order::Cancel { reason, .. } = &told.order else {
        panic!("{told:?}")
    };
    assert!(reason.contains(scene.job.run_id.as_str()), "{reason}");
    // Its end is owed to nobody: the parent is over before.
    let outcome = Outcome::Cancelled {
        reason: "enough".to_owned(),
    };
    scene
        .record(vec![Event::Ended {
            outcome: outcome.clone(),
        }])
        .await;
    let batch = Script::new(&child).batch(vec![accepted(&child), Event::Ended { outcome }]);
    scene.host.sync(&scene.plane, json!({"batches": [batch]})).await;
    assert!(scene.host.jobs(&scene.plane, 500).await.is_empty());
    assert_eq!(scene.plane.run(scene.child.as_str()).await["state"], "CANCELLED");
    scene.plane.stop().await;
}
