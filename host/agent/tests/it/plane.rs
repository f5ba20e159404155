//! A control plane in memory: signs, delivers, and keeps what a host sends, checking every chain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use flowforge_host::link::control::LinkError;
use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::awaited::Await;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::no_fetch;
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::grants::{GrantSet, NodeGrants, SecretGrant};
use flowforge_protocol::job::{Job, Order, RecordPrefix, StartOrder};
use flowforge_protocol::progress::StepProgress;
use flowforge_protocol::publication::Publication;
use flowforge_protocol::record::{Event, Record, Trigger};
use flowforge_protocol::release::{GrantRequest, PinnedConnector, Release};
use flowforge_protocol::sync::{Incarnation, RefusedJob, RejectCode};
use flowforge_protocol::verify::{Asked, Evidence, verify_run};
use flowforge_protocol::{
    ApprovalId, Digest, HostId, JobId, RunId, Signed, SigningKey, TrustRoot, VerifyingKey,
};
use flowforge_workflow::{canonical, grant_requests, parse};
use serde_json::{Map, Value};
use tokio::sync::Notify;

/// Signed release and grants, by their digests.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) release: Digest,
    pub(crate) grants: Digest,
}

/// A secret as the control plane has it.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) version: u32,
    pub(crate) kind: String,
    pub(crate) destinations: Vec<String>,
    pub(crate) value: Vec<u8>,
}

/// A run as the control plane has it.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) receipt: Option<String>,
}

impl Stored {
    pub(crate) fn lines(&self) -> Vec<u8> {
        self.batches
            .iter()
            .flat_map(|batch| batch.lines.clone())
            .collect()
    }

    /// Each record with its values, by its number.
    pub(crate) fn frames(&self) -> BTreeMap<u64, Vec<u8>> {
        let batches = self.batches.iter();
        batches
            .flat_map(|batch| flowforge_protocol::chain::frames(&batch.lines, batch.first_seq))
            .map(|frame| frame.map(|frame| (frame.seq, frame.bytes.to_vec())))
            .collect::<Result<_, _>>()
            .expect("records")
    }

    /// All its records, as an order names them.
    pub(crate) fn prefix(&self) -> RecordPrefix {
        let last = self.batches.last().expect("records");
        RecordPrefix {
            run: last.run.clone(),
            count: last.next_seq(),
            chain: last.chain,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        let last = self.records().pop();
        last.is_some_and(|record| matches!(record.event, Event::Ended { .. }))
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.batches
            .iter()
            .flat_map(|batch| batch.records(&no_fetch).collect::<Vec<_>>())
            .collect::<Result<_, _>>()
            .expect("records")
    }
}

#[derive(Default)]
pub(crate) struct State {
    /// How long each standing call would have waited for work.
    pub(crate) waits: Vec<u32>,
    /// The life of this control plane; another one after it was restored.
    pub(crate) life: u8,
    /// What is answered to batches and receipts of a run, in place of storing them.
    pub(crate) verdicts: BTreeMap<RunId, RejectCode>,
    /// Every time in which hosts said they had no answer.
    pub(crate) silences: u64,
    pub(crate) offline: bool,
    /// Calls that bring records or refusals stay without an answer.
    pub(crate) offline_uploads: bool,
    pub(crate) jobs: Vec<(JobId, String)>,
    /// Sent in this session; sent again in the next one if they are not answered.
    pub(crate) delivered: BTreeSet<JobId>,
    pub(crate) received: Vec<JobId>,
    pub(crate) refused: Vec<RefusedJob>,
    /// How far steps are, as was said last.
    pub(crate) progress: Vec<StepProgress>,
    pub(crate) runs: BTreeMap<RunId, Stored>,
    pub(crate) documents: BTreeMap<Digest, String>,
    pub(crate) components: BTreeMap<Digest, Vec<u8>>,
    pub(crate) publications: BTreeMap<Digest, String>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) not_granted: BTreeSet<String>,
    /// Questions about secrets stay without an answer.
    pub(crate) secrets_silent: bool,
    /// Said to belong to every sealed value, in place of those that do.
    pub(crate) claimed_destinations: Option<Vec<String>>,
    pub(crate) artefacts: BTreeMap<Digest, Vec<u8>>,
    /// Large values, as far as they came.
    pub(crate) values: BTreeMap<Digest, Vec<u8>>,
    /// How often pieces of each value came.
    pub(crate) pieces: BTreeMap<Digest, u64>,
    /// So many pieces are taken before the line goes out; `None` if it does not.
    pub(crate) pieces_left: Option<u64>,
    /// Artefacts are not taken now.
    pub(crate) no_artefacts: bool,
    /// The token of each registration.
    pub(crate) tokens: Vec<Option<String>>,
    /// Who registers from now on, if not the usual one.
    pub(crate) host: Option<HostId>,
    /// Code with which every sync is refused.
    pub(crate) refuses_with: Option<String>,
    pub(crate) seal_key: Option<[u8; 32]>,
    pub(crate) identity_key: Option<[u8; 32]>,
    pub(crate) sequence: u64,
    pub(crate) uploads: u64,
    /// Runs of which a batch came.
    pub(crate) batches_of: BTreeSet<RunId>,
}

/// The control plane.
pub(crate) struct Plane {
    pub(crate) state: Mutex<State>,
    pub(crate) changed: Notify,
    pub(crate) scheduler: SigningKey,
    pub(crate) publisher: SigningKey,
    release_key: SigningKey,
    grant_key: SigningKey,
}

pub(crate) fn host_id() -> HostId {
    HostId::from_entropy([9; 16])
}

pub(crate) const WORKSPACE: &str = "acme";

impl Plane {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changed: Notify::new(),
            scheduler: SigningKey::from_seed(&[1; 32]),
            release_key: SigningKey::from_seed(&[2; 32]),
            grant_key: SigningKey::from_seed(&[3; 32]),
            publisher: SigningKey::from_seed(&[4; 32]),
        })
    }

    pub(crate) fn trust(&self) -> TrustRoot {
        TrustRoot {
            workspace: WORKSPACE.to_owned(),
            version: 1,
            release_keys: vec![self.release_key.verifying_key()],
            grant_keys: vec![self.grant_key.verifying_key()],
            scheduler_keys: vec![self.scheduler.verifying_key()],
            publishers: BTreeMap::from([("*".to_owned(), vec![self.publisher.verifying_key()])]),
        }
    }

    /// Every key that it has.
    pub(crate) fn keys(&self) -> [&SigningKey; 4] {
        [
            &self.scheduler,
            &self.release_key,
            &self.grant_key,
            &self.publisher,
        ]
    }

    /// Looks at the state, or changes it, and wakes whoever waits.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let answer = look(&mut self.state.lock().expect("state"));
        self.changed.notify_waiters();
        answer
    }

    /// Returns when the state is so.
    pub(crate) async fn until(&self, so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if so(&self.state.lock().expect("state")) {
                return;
            }
            changed.await;
        }
    }

    /// Publishes a workflow whose connectors are the given bytes.
    pub(crate) fn publish(&self, source: &str, connectors: &[(&str, Vec<u8>)]) -> Published {
        let definition = parse(source).unwrap_or_else(|found| panic!("{found:#?}"));
        let model = definition.model();
        let requests = grant_requests(model, &model.config).expect("requests");
        let definition = canonical(&definition, &Map::new()).expect("canonical");
        let mut pinned = BTreeMap::new();
        for (name, bytes) in connectors {
            let digest = Digest::of(bytes);
            let publication = Publication {
                name: name.parse().expect("name"),
                version: "1.0.0".into(),
                layer_digest: digest,
            };
            let envelope = sign_document(&publication, &self.publisher).expect("publication");
            self.with(|state| {
                state.components.insert(digest, bytes.clone());
                state.publications.insert(digest, envelope);
            });
            pinned.insert(
                (*name).to_owned(),
                PinnedConnector {
                    version: "1.0.0".into(),
                    digest,
                },
            );
        }
        let release = Release {
            workspace: WORKSPACE.to_owned(),
            project: flowforge_protocol::DEFAULT_PROJECT.to_owned(),
            workflow: model.workflow.clone(),
            version: 1,
            title: model.title.clone(),
            definition_digest: Digest::of_json(&definition),
            definition,
            connectors: pinned,
            calls: model
                .calls()
                .map(|(node, call)| (node, call.connector.clone()))
                .collect(),
            children: BTreeMap::new(),
            values_stay: model.values_stay,
            config: model.config.clone(),
            requests: requests.clone(),
            created_at_ms: 1,
        };
        self.publish_release(&release, &requests)
    }

    fn publish_release(&self, release: &Release, requests: &[GrantRequest]) -> Published {
        let envelope = sign_document(release, &self.release_key).expect("release");
        let release = Signed::<Release>::open(envelope.as_bytes(), &[self.release_key.verifying_key()])
            .expect("opens")
            .digest();
        let nodes = requests
            .iter()
            .map(|request| (request.node.clone(), granted(request)))
            .collect();
        let set = GrantSet {
            workspace: WORKSPACE.to_owned(),
            project: flowforge_protocol::DEFAULT_PROJECT.to_owned(),
            release,
            version: 1,
            nodes,
            created_at_ms: 1,
        };
        let set_envelope = sign_document(&set, &self.grant_key).expect("grants");
        let grants = Signed::<GrantSet>::open(set_envelope.as_bytes(), &[self.grant_key.verifying_key()])
            .expect("opens")
            .digest();
        self.with(|state| {
            state.documents.insert(release, envelope);
            state.documents.insert(grants, set_envelope);
        });
        Published { release, grants }
    }

    /// A job for this host; its numbers follow from how many there were.
    pub(crate) fn job(&self, run: &RunId, order: Order, now_ms: u64) -> Job {
        let sequence = self.with(|state| {
            state.sequence += 1;
            state.sequence
        });
        let mut entropy = [7; 16];
        entropy[..8].copy_from_slice(&sequence.to_be_bytes());
        Job {
            job_id: JobId::from_entropy(entropy),
            workspace: WORKSPACE.to_owned(),
            project: flowforge_protocol::DEFAULT_PROJECT.to_owned(),
            audience: self.host(),
            run_id: run.clone(),
            epoch: 1,
            sequence,
            issued_at_ms: now_ms,
            expires_at_ms: now_ms + 900_000,
            order,
            traceparent: None,
        }
    }

    pub(crate) fn start_order(published: &Published, input: Value) -> Order {
        let digest = Digest::of_json(&input);
        let trigger = Trigger::Manual { by: "test".into() };
        Order::Start(Box::new(StartOrder::new(
            published.release,
            published.grants,
            input,
            digest,
            trigger,
        )))
    }

    /// Signs and delivers a job.
    pub(crate) fn deliver(&self, job: &Job) -> JobId {
        self.deliver_envelope(
            job.job_id.clone(),
            sign_document(job, &self.scheduler).expect("job"),
        )
    }

    pub(crate) fn deliver_envelope(&self, id: JobId, envelope: String) -> JobId {
        self.with(|state| state.jobs.push((id.clone(), envelope)));
        id
    }

    /// Starts a run.
    pub(crate) fn start(&self, published: &Published, run: u8, input: Value, now_ms: u64) -> RunId {
        let run = RunId::from_entropy([run; 16]);
        self.deliver(&self.job(&run, Self::start_order(published, input), now_ms));
        run
    }

    pub(crate) fn decide(&self, run: &RunId, approval: ApprovalId, approved: bool, now_ms: u64) {
        self.order_decision(run, approval, vec![answer("duty", approved)], now_ms);
    }

    /// Orders the decision that these answers make, whether or not they count.
    pub(crate) fn order_decision(
        &self,
        run: &RunId,
        approval: ApprovalId,
        answers: Vec<Answer<Value>>,
        now_ms: u64,
    ) -> JobId {
        let decision = Decision::of(approval, answers).expect("an answer");
        self.deliver(&self.job(run, Order::Decide(Box::new(decision)), now_ms))
    }

    /// The question that a run asks, once it does.
    pub(crate) async fn question(&self, run: &RunId) -> ApprovalId {
        let find = |state: &State| {
            state
                .runs
                .get(run)?
                .records()
                .into_iter()
                .find_map(|record| match record.event {
                    Event::AwaitOpened {
                        awaits: Await::Approval { approval, .. },
                        ..
                    } => Some(approval),
                    _ => None,
                })
        };
        self.until(|state| find(state).is_some()).await;
        self.with(|state| find(state)).expect("found")
    }

    /// The run, once it has ended and its receipt is here.
    pub(crate) async fn ended(&self, run: &RunId) -> Stored {
        self.until(|state| state.runs.get(run).is_some_and(|stored| stored.receipt.is_some()))
            .await;
        let stored = self.with(|state| state.runs[run].clone());
        let last = stored.records().pop().expect("records");
        assert!(matches!(last.event, Event::Ended { .. }), "{last:?}");
        stored
    }

    /// Checks a run's receipt against everything it speaks of.
    pub(crate) fn prove(&self, published: &Published, stored: &Stored) {
        self.prove_at(published, stored, 1);
    }

    /// As [`Plane::prove`], for a run that ended under this fencing number.
    pub(crate) fn prove_at(&self, published: &Published, stored: &Stored, epoch: u64) {
        let (release, grants, identity) = self.with(|state| {
            (
                state.documents[&published.release].clone(),
                state.documents[&published.grants].clone(),
                state.identity_key.expect("registered"),
            )
        });
        let evidence = Evidence {
            release: release.as_bytes(),
            grants: grants.as_bytes(),
            receipt: stored.receipt.as_deref().expect("receipt").as_bytes(),
            lines: &stored.lines(),
        };
        let (host, key) = (self.host(), VerifyingKey::from_bytes(&identity).expect("key"));
        let run = stored.batches.first().expect("records").run.clone();
        let asked = Asked {
            run: &run,
            host: &host,
            key: &key,
            epoch,
        };
        let report = verify_run(&evidence, &self.trust(), &asked);
        assert!(report.valid(), "{report:#?}");
    }

    pub(crate) fn set_secret(&self, name: &str, kind: &str, value: &[u8]) {
        self.with(|state| {
            let version = state.secrets.get(name).map_or(1, |secret| secret.version + 1);
            let secret = Secret {
                version,
                kind: kind.to_owned(),
                destinations: vec!["https://chat.example:443".to_owned()],
                value: value.to_vec(),
            };
            state.secrets.insert(name.to_owned(), secret);
        });
    }

    /// Who has registered.
    pub(crate) fn host(&self) -> HostId {
        self.with_quietly(|state| state.host.clone())
            .unwrap_or_else(host_id)
    }

    /// The life of this control plane.
    pub(crate) fn incarnation(&self) -> Incarnation {
        Incarnation::from_entropy([self.with_quietly(|state| state.life); 16])
    }

    pub(crate) fn online(&self) -> Result<(), LinkError> {
        if self.with_quietly(|state| state.offline) {
            Err(LinkError::Unreachable("the cable is out".into()))
        } else {
            Ok(())
        }
    }
}

/// What somebody says who answers for the group of the tests' workflows.
pub(crate) fn answer(by: &str, approved: bool) -> Answer<Value> {
    Answer {
        by: by.to_owned(),
        answers_for: Some("duty".to_owned()),
        approved,
        comment: None,
        at_ms: 5,
        form: None,
        signature: None,
    }
}

fn granted(request: &GrantRequest) -> NodeGrants {
    let secrets = request.secrets.iter().map(|(slot, secret)| {
        let grant = SecretGrant {
            secret: secret.clone(),
            kind: "bearer".into(),
            destinations: request.destinations.clone(),
        };
        (slot.clone(), grant)
    });
    NodeGrants {
        destinations: request.destinations.clone(),
        secrets: secrets.collect(),
    }
}

impl Plane {
    /// Looks at the state, or changes it, and wakes nobody.
    pub(crate) fn with_quietly<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().expect("state"))
    }
}
