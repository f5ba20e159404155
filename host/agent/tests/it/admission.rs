//! Orders that must not be followed: each is refused with its own code, and nothing of it is done.

use flowforge_protocol::envelope::{sign, sign_document};
use flowforge_protocol::job::{JOB_TYPE, Job, Order};
use flowforge_protocol::{HostId, RunId, SigningKey};
use serde_json::json;

use crate::connectors::{Scripts, bytes};
use crate::plane::{Plane, Published};
use crate::runs::{PURE, publish, scripts};
use crate::world::{Running, World};

struct Case {
    world: World,
    scripts: Scripts,
    published: Published,
    host: Running,
}

fn case() -> Case {
    let scripts = scripts();
    let world = World::new(scripts.clone());
    let published = publish(&world.plane, PURE);
    let host = world.start();
    Case {
        world,
        scripts,
        published,
        host,
    }
}

impl Case {
    fn job(&self) -> Job {
        let order = Plane::start_order(&self.published, json!({"n": 1}));
        self.world
            .plane
            .job(&RunId::from_entropy([1; 16]), order, self.world.now())
    }

    /// Delivers an envelope under the job's id, and returns the code of its refusal.
    async fn refusal(&self, job: &Job, envelope: String) -> String {
        let id = self.world.plane.deliver_envelope(job.job_id.clone(), envelope);
        self.world
            .plane
            .until(|state| state.refused.iter().any(|refused| refused.job == id))
            .await;
        self.world.plane.with(|state| {
            state
                .refused
                .iter()
                .find(|refused| refused.job == id)
                .expect("found")
                .code
                .clone()
        })
    }

    async fn refusal_of(&self, job: &Job) -> String {
        self.refusal(
            job,
            sign_document(job, &self.world.plane.scheduler).expect("signs"),
        )
        .await
    }

    /// Nothing was done, and a good job is still done.
    async fn unharmed(self) {
        assert_eq!(
            self.scripts.calls(),
            Vec::<String>::new(),
            "something of a refused job was done"
        );
        assert!(self.world.plane.with(|state| state.runs.is_empty()));
        let run = self
            .world
            .plane
            .start(&self.published, 77, json!({"n": 1}), self.world.now());
        self.world
            .plane
            .prove(&self.published, &self.world.plane.ended(&run).await);
        self.host.drain().await;
    }
}

#[tokio::test]
async fn a_changed_byte_breaks_the_signature() {
    let case = case();
    let job = case.job();
    let good = sign_document(&job, &case.world.plane.scheduler).expect("signs");
    let payload = flowforge_protocol::envelope::payload(&job).expect("payload");
    let mut changed = payload.clone();
    let place = changed
        .windows(10)
        .position(|window| window == b"\"epoch\":1,")
        .expect("epoch");
    changed[place + 8] = b'2';
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let forged = good.replace(&encode(&payload), &encode(&changed));
    assert_ne!(forged, good, "the payload was changed");
    assert_eq!(case.refusal(&job, forged).await, "FF-ADM-004");
    case.unharmed().await;
}

#[tokio::test]
async fn another_key_another_type_and_no_envelope_are_refused() {
    let case = case();
    let job = case.job();
    let stranger = SigningKey::from_seed(&[66; 32]);
    assert_eq!(
        case.refusal(&job, sign_document(&job, &stranger).expect("signs"))
            .await,
        "FF-ADM-004"
    );
    let job = case.job();
    let payload = flowforge_protocol::envelope::payload(&job).expect("payload");
    let other = sign(
        "application/vnd.flowforge.receipt.v1+json",
        &payload,
        &case.world.plane.scheduler,
    );
    assert_eq!(case.refusal(&job, other).await, "FF-ADM-003");
    let job = case.job();
    let mut unknown: serde_json::Value = serde_json::to_value(&job).expect("value");
    unknown["priority"] = json!(1);
    let unknown = sign(
        JOB_TYPE,
        unknown.to_string().as_bytes(),
        &case.world.plane.scheduler,
    );
    assert_eq!(case.refusal(&job, unknown).await, "FF-ADM-005");
    case.unharmed().await;
}

#[tokio::test]
async fn another_host_another_tenant_another_time_another_input() {
    let case = case();
    let mut job = case.job();
    job.audience = HostId::from_entropy([1; 16]);
    assert_eq!(case.refusal_of(&job).await, "FF-JOB-002");
    let mut job = case.job();
    job.workspace = "other".into();
    assert_eq!(case.refusal_of(&job).await, "FF-JOB-001");
    let mut job = case.job();
    (job.issued_at_ms, job.expires_at_ms) = (1, case.world.now() - 121_000);
    assert_eq!(case.refusal_of(&job).await, "FF-JOB-004");
    let mut job = case.job();
    job.issued_at_ms = case.world.now() + 200_000;
    assert_eq!(case.refusal_of(&job).await, "FF-JOB-003");
    let mut job = case.job();
    if let Order::Start(start) = &mut job.order {
        start.input = json!({"n": 2});
    }
    assert_eq!(case.refusal_of(&job).await, "FF-JOB-005");
    case.unharmed().await;
}

#[tokio::test]
async fn a_replay_is_harmless_and_a_forged_one_refused_also_after_a_restart() {
    let case = case();
    let job = case.job();
    let plane = &case.world.plane;
    plane.deliver(&job);
    let stored = plane.ended(&job.run_id).await;
    plane.until(|state| state.received.len() == 1).await;
    plane.with(|state| state.delivered.clear());
    plane.deliver(&job);
    plane.until(|state| state.received.len() == 2).await;
    case.host.drain().await;
    let host = case.world.start();
    plane.deliver(&job);
    plane.until(|state| state.received.len() == 3).await;
    assert_eq!(case.scripts.calls().len(), 3, "the run was done once");
    assert_eq!(
        plane.with(|state| state.runs[&job.run_id].records().len()),
        stored.records().len()
    );
    // The same id with other content, and the same sequence with another id.
    let case = Case { host, ..case };
    let mut forged = job.clone();
    forged.run_id = RunId::from_entropy([2; 16]);
    case.world.plane.with(|state| state.delivered.clear());
    assert_eq!(case.refusal_of(&forged).await, "FF-ADM-006");
    let mut reused = case.job();
    reused.sequence = job.sequence;
    reused.run_id = RunId::from_entropy([3; 16]);
    assert_eq!(case.refusal_of(&reused).await, "FF-ADM-006");
    assert_eq!(case.scripts.calls().len(), 3);
    case.host.drain().await;
}

#[tokio::test]
async fn documents_and_bytes_that_are_not_the_named_ones_are_refused() {
    let case = case();
    let plane = &case.world.plane;
    // The control plane gives another signed release, then an unsigned one.
    let other = publish(plane, &PURE.replace("workflow: pure", "workflow: other"));
    let good = plane.with(|state| state.documents.clone());
    let swap = |from, to| plane.with(|state| state.documents.insert(from, good[&to].clone()));
    swap(case.published.release, other.release);
    assert_eq!(case.refusal_of(&case.job()).await, "FF-ADM-007");
    swap(case.published.release, case.published.release);
    swap(case.published.grants, other.grants);
    assert_eq!(case.refusal_of(&case.job()).await, "FF-ADM-008");
    swap(case.published.grants, case.published.grants);
    // The registry serves other bytes.
    let digest = flowforge_protocol::Digest::of(&bytes());
    plane.with(|state| state.components.insert(digest, b"something else".to_vec()));
    assert_eq!(case.refusal_of(&case.job()).await, "FF-ADM-009");
    plane.with(|state| state.components.insert(digest, bytes()));
    case.unharmed().await;
}

#[tokio::test]
async fn a_component_that_no_trusted_publisher_vouches_for_is_refused() {
    let case = case();
    let plane = &case.world.plane;
    let digest = flowforge_protocol::Digest::of(&bytes());
    let good = plane.with(|state| state.publications[&digest].clone());
    let statement: flowforge_protocol::Publication = flowforge_protocol::Publication {
        name: "test:scripts".parse().expect("name"),
        version: "1.0.0".into(),
        layer_digest: digest,
    };
    let stranger = sign_document(&statement, &SigningKey::from_seed(&[66; 32])).expect("signs");
    plane.with(|state| state.publications.insert(digest, stranger));
    assert_eq!(case.refusal_of(&case.job()).await, "FF-ADM-010");
    plane.with(|state| state.publications.insert(digest, good));
    case.unharmed().await;
}

#[tokio::test]
async fn orders_for_runs_that_are_not_here_are_refused() {
    let case = case();
    let order = Order::Cancel {
        reason: "x".into(),
        grace_ms: 0,
    };
    let job = case
        .world
        .plane
        .job(&RunId::from_entropy([5; 16]), order, case.world.now());
    assert_eq!(case.refusal_of(&job).await, "FF-ADM-012");
    case.unharmed().await;
}

/// The site is over every signature: what goes beyond it is refused by name, also of a run that was begun before.
#[tokio::test]
async fn what_goes_beyond_the_site_is_refused_before_anything_of_it_starts() {
    let mut case = case();
    case.host.drain().await;
    case.world.site.publishers = Some(vec!["somebody-else".to_owned()]);
    case.host = case.world.start();
    let job = case.job();
    assert_eq!(case.refusal_of(&job).await, "FF-ADM-019");
    let message = case.world.plane.with(|state| state.refused[0].message.clone());
    assert!(
        message.contains("this site allows somebody-else") && message.contains("is published by"),
        "{message}"
    );
    assert_eq!(case.scripts.calls(), Vec::<String>::new());
    case.host.drain().await;
    case.world.site = flowforge_host::SiteSettings::default();
    case.host = case.world.start();
    case.unharmed().await;
}
