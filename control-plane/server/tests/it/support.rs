//! A control plane on a free port, and a host that does what the test says.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowforge_failpoints::FailPoints;
use flowforge_protocol::enrol::{HostRegistration, Nonce};
use flowforge_protocol::envelope::{Signed, sign, sign_document};
use flowforge_protocol::job::{Job, Order};
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::record::Outcome;
use flowforge_protocol::seal::SealKey;
use flowforge_protocol::{Digest, HostId, SigningKey, TrustRoot};
use flowforge_server::{Clock, Config, Handle, RunError, Service};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::script::sealed;
pub(crate) use crate::script::{Script, accepted, completed, done, finish_sum};

/// A clock that stands still until a test moves it.
#[derive(Clone)]
pub(crate) struct TestClock {
    wall: Arc<watch::Sender<u64>>,
    monotonic: Arc<AtomicU64>,
}

impl TestClock {
    pub(crate) fn at(now_ms: u64) -> Self {
        Self {
            wall: Arc::new(watch::Sender::new(now_ms)),
            monotonic: Arc::default(),
        }
    }

    /// Time passes until then; or, if then is earlier, somebody sets the time of day back.
    pub(crate) fn set(&self, now_ms: u64) {
        let before = self.wall.send_replace(now_ms);
        self.monotonic
            .fetch_add(now_ms.saturating_sub(before), Ordering::Relaxed);
    }

    /// So much time passes.
    pub(crate) fn pass(&self, ms: u64) {
        self.set(self.now_ms() + ms);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        *self.wall.borrow()
    }

    fn monotonic_ms(&self) -> u64 {
        self.monotonic.load(Ordering::Relaxed)
    }

    fn sleep_until(&self, due_ms: u64) -> BoxFuture<'static, ()> {
        let mut now = self.wall.subscribe();
        Box::pin(async move {
            let _ = now.wait_for(|now| *now >= due_ms).await;
        })
    }
}

/// A running control plane.
pub(crate) struct Plane {
    pub(crate) handle: Handle,
    pub(crate) http: reqwest::Client,
    /// The address by which the first administrator makes an account.
    pub(crate) first_link: Option<String>,
    /// What the owner shows where people sign in: calls that show nothing else show this.
    owner: Option<String>,
    clock: Option<TestClock>,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), RunError>>,
}

pub(crate) struct Home {
    dir: TempDir,
    pub(crate) clock: Option<TestClock>,
    pub(crate) fail_points: FailPoints,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: None,
            fail_points: FailPoints::inert(),
        }
    }

    pub(crate) fn at(clock: &TestClock) -> Self {
        Self {
            clock: Some(clock.clone()),
            ..Self::new()
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.path().join("ff"), "127.0.0.1:0".parse().unwrap());
        config.dev = true;
        config.fail_points = self.fail_points.clone();
        if let Some(clock) = &self.clock {
            config.clock = Arc::new(clock.clone());
        }
        config
    }

    /// A control plane at which people sign in.
    pub(crate) async fn start_peopled(&self) -> Plane {
        let mut config = self.config();
        (config.dev, config.sign_in) = (false, true);
        self.start_with(config).await
    }

    pub(crate) async fn start(&self) -> Plane {
        self.start_with(self.config()).await
    }

    pub(crate) async fn start_with(&self, config: Config) -> Plane {
        let service = Service::open(config).await.unwrap();
        let handle = service.handle();
        let first_link = service.first_link().map(str::to_owned);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(service.run(stop.clone()));
        Plane {
            clock: self.clock.clone(),
            first_link,
            owner: owner_token(&handle),
            handle,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop,
            tasks,
        }
    }
}

impl Plane {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.handle.url)
    }

    pub(crate) async fn stop(mut self) {
        drop(self.http);
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn post(&self, session: Option<&str>, query: &str, variables: Value) -> Value {
        let mut request = self
            .http
            .post(self.url("/graphql"))
            .json(&json!({"query": query, "variables": variables}));
        if let Some(shown) = session.or(self.owner.as_deref()) {
            request = request.bearer_auth(shown);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A call at the hosts' door.
    pub(crate) async fn post_host(&self, session: Option<&str>, query: &str, variables: Value) -> Value {
        let mut request = self
            .http
            .post(self.url("/host/graphql"))
            .json(&json!({"query": query, "variables": variables}));
        if let Some(session) = session {
            request = request.bearer_auth(session);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A registration; returns its payload.
    pub(crate) async fn register(&self, input: Value) -> Value {
        let mut answer = self.post_host(None, REGISTER, json!({ "input": input })).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["registerHost"].take()
    }

    /// Data of a call that must succeed.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.post(None, query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].take()
    }

    /// A mutation with one `input`; returns its payload.
    pub(crate) async fn change(&self, name: &str, input_type: &str, input: Value, fields: &str) -> Value {
        let query = format!("mutation($input: {input_type}!) {{ {name}(input: $input) {{ {fields} }} }}");
        self.ask(&query, json!({ "input": input })).await[name].take()
    }

    pub(crate) fn key(&self, name: &str) -> SigningKey {
        let path = self.handle.keys_dir.join(name);
        SigningKey::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    pub(crate) async fn prepare(&self, source: &str) -> Value {
        let fields = "__typename ... on PreparedRelease { workflow version release grants releaseDigest lock \
            summary { nodes destinations secrets } } ... on Problem { message code } \
            ... on WorkflowProblem { diagnostics { code line message } }";
        self.change(
            "prepareRelease",
            "PrepareReleaseInput",
            json!({"source": source}),
            fields,
        )
        .await
    }

    pub(crate) fn sign_prepared(&self, prepared: &Value, source: &str) -> Value {
        let payload = |field: &str| STANDARD.decode(prepared[field].as_str().unwrap()).unwrap();
        let (release_type, grants_type) = (
            flowforge_protocol::release::RELEASE_TYPE,
            flowforge_protocol::grants::GRANT_SET_TYPE,
        );
        json!({
            "release": sign(release_type, &payload("release"), &self.key("release.pem")),
            "grants": sign(grants_type, &payload("grants"), &self.key("grant.pem")),
            "source": source,
        })
    }

    pub(crate) async fn publish_signed(&self, input: Value) -> Value {
        let fields = "__typename ... on PublishReleaseSuccess { workflow { name version release } } \
            ... on Problem { message code } ... on VersionProblem { expected }";
        self.change("publishRelease", "PublishReleaseInput", input, fields)
            .await
    }

    pub(crate) async fn publish(&self, source: &str) -> Value {
        let prepared = self.prepare(source).await;
        assert_eq!(prepared["__typename"], "PreparedRelease", "{prepared:#}");
        let published = self.publish_signed(self.sign_prepared(&prepared, source)).await;
        assert_eq!(published["__typename"], "PublishReleaseSuccess", "{published:#}");
        published["workflow"].clone()
    }

    pub(crate) async fn start_run(&self, input: Value) -> Value {
        let fields = "__typename ... on StartRunSuccess { duplicate run { id state epoch waitingFor } } \
            ... on Problem { message code } ... on InputProblem { fields { path message } }";
        self.change("startRun", "StartRunInput", input, fields).await
    }

    pub(crate) async fn run(&self, id: &str) -> Value {
        let query = "query($id: String!) { run(id: $id) { id state waitingFor output outcome failure records chain view \
            epoch input trigger traceparent host { name connected } receipt { valid reason } \
            approvals { id state decidedBy } } }";
        self.ask(query, json!({ "id": id })).await["run"].take()
    }
}

fn owner_token(handle: &Handle) -> Option<String> {
    let client = std::fs::read(&handle.client_file).unwrap();
    let client: Value = serde_json::from_slice(&client).unwrap();
    client["token"].as_str().map(str::to_owned)
}

/// HMAC-SHA256 by its definition, in hex, so that a check is not compared with itself.
pub(crate) fn hmac(key: &str, text: &str) -> String {
    let block = |with: u8| {
        let mut padded = key.as_bytes().to_vec();
        padded.resize(64, 0);
        padded.iter().map(|byte| byte ^ with).collect::<Vec<u8>>()
    };
    let inner = Digest::of_parts(&[&block(0x36), text.as_bytes()]);
    Digest::of_parts(&[&block(0x5c), inner.as_bytes()]).hex()
}

/// A request to a webhook: the status of the answer, and what it says.
pub(crate) async fn hook(
    plane: &Plane,
    path: &str,
    body: impl AsRef<[u8]>,
    headers: &[(&str, &str)],
) -> (u16, Value) {
    let mut request = plane.http.post(plane.url(path)).body(body.as_ref().to_vec());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// A host that does what the test says.
pub(crate) struct FakeHost {
    pub(crate) id: HostId,
    pub(crate) session: String,
    pub(crate) key: SigningKey,
    pub(crate) seal: SealKey,
    pub(crate) trust: TrustRoot,
    workspace: String,
    seen: Mutex<u64>,
}

pub(crate) fn join_file(plane: &Plane) -> Value {
    serde_json::from_slice(&std::fs::read(&plane.handle.join_file).unwrap()).unwrap()
}

pub(crate) fn registration(join: &Value, name: &str, key: &SigningKey, seal: &SealKey) -> Value {
    registration_at(join, name, key, seal, flowforge_server::SystemClock.now_ms())
}

/// A registration that was made at this time.
pub(crate) fn registration_at(
    join: &Value,
    name: &str,
    key: &SigningKey,
    seal: &SealKey,
    issued_at_ms: u64,
) -> Value {
    let token = join["token"].as_str().map(str::to_owned);
    signed_registration(join, token, name, (key, seal), &[], issued_at_ms)
}

pub(crate) fn registration_without_token(
    join: &Value,
    name: &str,
    key: &SigningKey,
    seal: &SealKey,
) -> Value {
    let now_ms = flowforge_server::SystemClock.now_ms();
    signed_registration(join, None, name, (key, seal), &[], now_ms)
}

/// No two have the same nonce.
fn signed_registration(
    join: &Value,
    token: Option<String>,
    name: &str,
    (key, seal): (&SigningKey, &SealKey),
    labels: &[&str],
    issued_at_ms: u64,
) -> Value {
    static NONCES: AtomicU64 = AtomicU64::new(0);
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&NONCES.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let document = HostRegistration {
        workspace: join["trust_root"]["workspace"].as_str().unwrap().to_owned(),
        token: token.as_ref().map(|token| Digest::of(token.as_bytes())),
        name: name.to_owned(),
        identity_key: key.verifying_key(),
        seal_key: seal.public(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        issued_at_ms,
        nonce: Nonce::from_entropy(nonce),
    };
    let seal_text = seal.public().to_string();
    let hex = seal_text.strip_prefix("x25519:").unwrap();
    let seal_bytes: Vec<u8> = (0..32)
        .map(|n| u8::from_str_radix(&hex[n * 2..n * 2 + 2], 16).unwrap())
        .collect();
    json!({
        "token": token,
        "name": name,
        "identityKey": STANDARD.encode(key.verifying_key().as_bytes()),
        "sealKey": STANDARD.encode(seal_bytes),
        "proof": sign_document(&document, key).unwrap(),
    })
}

const REGISTER: &str = "mutation($input: RegisterHostInput!) { registerHost(input: $input) { __typename \
    ... on RegisterHostSuccess { hostId session workspace } ... on RegistrationProblem { code message } } }";

const SYNC: &str = "mutation($input: SyncInput!) { sync(input: $input) { workspace planeIncarnation starts changes \
    delivery acknowledged { run through } rejected { run code message } receiptsStored } }";

impl FakeHost {
    pub(crate) async fn join(plane: &Plane, seed: u8) -> Self {
        Self::join_as(plane, seed, &[]).await
    }

    /// One whose site gives it these labels.
    pub(crate) async fn join_as(plane: &Plane, seed: u8, labels: &[&str]) -> Self {
        let join = join_file(plane);
        let (key, seal) = (
            SigningKey::from_seed(&[seed; 32]),
            SealKey::from_seed(&[seed; 32]),
        );
        let token = join["token"].as_str().map(str::to_owned);
        let now_ms = plane
            .clock
            .as_ref()
            .map_or_else(|| flowforge_server::SystemClock.now_ms(), |clock| clock.now_ms());
        let name = format!("host-{seed}");
        let input = signed_registration(&join, token, &name, (&key, &seal), labels, now_ms);
        let joined = plane.register(input).await;
        assert_eq!(joined["__typename"], "RegisterHostSuccess", "{joined:#}");
        Self {
            id: joined["hostId"].as_str().unwrap().parse().unwrap(),
            session: joined["session"].as_str().unwrap().to_owned(),
            trust: serde_json::from_value(join["trust_root"].clone()).unwrap(),
            workspace: joined["workspace"].as_str().unwrap().to_owned(),
            key,
            seal,
            seen: Mutex::new(0),
        }
    }

    /// One call; what is not given is nothing.
    pub(crate) async fn sync(&self, plane: &Plane, input: Value) -> Value {
        let mut answer = self.try_sync(plane, input).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["sync"].take()
    }

    /// One call, with whatever comes back.
    pub(crate) async fn try_sync(&self, plane: &Plane, input: Value) -> Value {
        let mut whole = json!({
            "workspace": self.workspace, "hostIncarnation": "00000000000000000000000000000001",
            "received": [], "refused": [], "batches": [], "receipts": [], "asked": [],
            "lanes": {"starts": 0, "changes": 0}, "waitMs": 0,
        });
        for (name, value) in input.as_object().unwrap() {
            whole[name] = value.clone();
        }
        plane
            .post_host(Some(&self.session), SYNC, json!({ "input": whole }))
            .await
    }

    /// Jobs, verified as a host verifies them.
    pub(crate) async fn jobs(&self, plane: &Plane, wait_ms: u64) -> Vec<Job> {
        let seen = *self.seen.lock().unwrap();
        let answer = self
            .sync(
                plane,
                json!({"lanes": {"starts": 10, "changes": 10}, "waitMs": wait_ms, "seenDelivery": seen}),
            )
            .await;
        let delivery = answer["delivery"].as_u64().unwrap();
        if delivery > 0 {
            *self.seen.lock().unwrap() = delivery;
        }
        let lane = |name: &str| answer[name].as_array().unwrap().clone();
        lane("changes")
            .iter()
            .chain(&lane("starts"))
            .map(|text| self.verify(text.as_str().unwrap()))
            .collect()
    }

    /// The order of a run of `sum`, which must be published, just started.
    pub(crate) async fn started(&self, plane: &Plane) -> Job {
        let started = plane
            .start_run(json!({"workflow": "sum", "input": {"a": 1}}))
            .await;
        assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
        self.job(plane).await
    }

    pub(crate) async fn job(&self, plane: &Plane) -> Job {
        let mut jobs = self.jobs(plane, 20_000).await;
        assert_eq!(jobs.len(), 1, "{jobs:#?}");
        jobs.remove(0)
    }

    pub(crate) fn verify(&self, envelope: &str) -> Job {
        let job = Signed::<Job>::open(envelope.as_bytes(), &self.trust.scheduler_keys)
            .unwrap()
            .into_document();
        job.check(&self.workspace, &self.id, job.issued_at_ms).unwrap();
        job
    }

    pub(crate) async fn received(&self, plane: &Plane, job: &Job) {
        self.sync(plane, json!({"received": [job.job_id]})).await;
    }

    /// A receipt over everything a script has written.
    pub(crate) fn receipt(&self, job: &Job, script: &Script, outcome: &Outcome) -> String {
        let Order::Start(start) = &job.order else {
            panic!("no start")
        };
        let receipt = Receipt {
            workspace: self.workspace.clone(),
            project: job.project.clone(),
            host: self.id.clone(),
            run_id: job.run_id.clone(),
            epoch: job.epoch,
            job: job.job_id.clone(),
            release: start.release,
            grants: start.grants,
            connectors: Default::default(),
            state: outcome.state().to_owned(),
            outcome: sealed(outcome).digest(),
            steps: 1,
            records: script.seq,
            chain: script.chain,
            used: Default::default(),
            ended_at_ms: 9,
        };
        sign_document(&receipt, &self.key).unwrap()
    }
}

pub(crate) const SUM: &str = r#"workflow: sum
title: Adds two numbers
input:
  a: { type: integer }
  b: { type: integer, default: 2 }
secrets: [hook_key]
triggers:
  signed: { webhook: { path: sum, hmac: hook_key, answer: at_once } }
  waiting: { webhook: { path: sum-now, answer: result } }
nodes:
  total:
    set:
      value: ${input.a + input.b}
output: { total: "${total.value}" }
"#;
