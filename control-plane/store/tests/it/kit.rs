//! A store in a temporary folder and things to put into it.

use std::sync::LazyLock;

use flowforge_core::Scope;
use flowforge_failpoints::FailPoints;
use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::chain::chain_start;
use flowforge_protocol::record::{Event, Outcome, Record};
use flowforge_protocol::value::Salt;
use flowforge_protocol::{ApprovalId, Digest, HostId, JobId, RunId};
use flowforge_store::{
    CheckedBatch, Host, HostIngest, JobKind, Links, NewDecision, NewHost, NewJob, NewRun, Registered, Store,
    StoreConfig, StoreError, StoredRelease,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::database;

pub(crate) struct Home {
    dir: TempDir,
    /// The database in the place of the file, if there is one.
    database: Option<String>,
    pub(crate) fail_points: FailPoints,
}

pub(crate) struct Open {
    pub(crate) store: Store,
    stop: CancellationToken,
    writers: JoinSet<Result<(), StoreError>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            database: crate::POSTGRES.then(database::new),
            fail_points: FailPoints::inert(),
        }
    }

    pub(crate) fn config(&self) -> StoreConfig {
        StoreConfig {
            database: self.database.clone(),
            ..StoreConfig::new(self.dir.path().join("server.db"), scope().clone())
        }
    }

    /// Changes the tables behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        match &self.database {
            Some(url) => database::execute(url, sql).await,
            None => {
                let file = rusqlite::Connection::open(self.config().path).unwrap();
                file.execute_batch(sql).unwrap();
                file.close().unwrap();
            }
        }
    }

    /// A number that the tables give.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match &self.database {
            Some(url) => database::number(url, sql).await,
            None => {
                let file = rusqlite::Connection::open(self.config().path).unwrap();
                file.query_row(sql, (), |row| row.get(0)).unwrap()
            }
        }
    }

    pub(crate) async fn open(&self) -> Open {
        self.open_with(self.config()).await
    }

    pub(crate) async fn open_with(&self, config: StoreConfig) -> Open {
        let (store, writer) = Store::open(config, self.fail_points.clone()).await.unwrap();
        let stop = CancellationToken::new();
        let mut writers = JoinSet::new();
        writers.spawn(writer.run(stop.clone()));
        Open { store, stop, writers }
    }

    /// A store with a release and two hosts.
    pub(crate) async fn ready(&self) -> Open {
        let open = self.open().await;
        open.store
            .publish(scope(), release("sum", 1), Links::default())
            .await
            .unwrap();
        for n in [1, 2] {
            open.store.register_host(scope(), new_host(n)).await.unwrap();
        }
        open
    }
}

impl Open {
    pub(crate) async fn close(mut self) {
        self.store.close().await;
        self.stop.cancel();
        self.writers.join_next().await.unwrap().unwrap().unwrap();
    }
}

/// Whose everything is that a test does not say of.
pub(crate) fn scope() -> &'static Scope {
    static SCOPE: LazyLock<Scope> = LazyLock::new(|| Scope::new("dev", "default"));
    &SCOPE
}

pub(crate) fn id<const N: usize>(kind: u8, n: u64) -> [u8; N] {
    let mut bytes = [kind; N];
    for (slot, byte) in bytes.iter_mut().skip(1).zip(n.to_be_bytes()) {
        *slot = byte;
    }
    bytes
}

pub(crate) fn host(n: u64) -> HostId {
    HostId::from_entropy(id(1, n))
}

pub(crate) fn run(n: u64) -> RunId {
    RunId::from_entropy(id(2, n))
}

pub(crate) fn new_host(n: u64) -> NewHost {
    NewHost {
        id: host(n),
        name: format!("host-{n}"),
        identity_key: id(3, n),
        seal_key: id(4, n),
        session_hash: Digest::of(&n.to_be_bytes()),
        labels: Vec::new(),
        given_labels: None,
        at_ms: 1,
        nonce: None,
    }
}

pub(crate) fn release(workflow: &str, version: u32) -> StoredRelease {
    StoredRelease {
        digest: Digest::of(format!("{workflow} {version}").as_bytes()),
        workflow: workflow.to_owned(),
        version,
        title: workflow.to_owned(),
        envelope: "{}".to_owned(),
        grants_digest: Digest::of(b"grants"),
        grants: "{}".to_owned(),
        source: None,
        published_at_ms: 1,
    }
}

pub(crate) fn new_job(n: u64, sequence: u64, on: &HostId) -> NewJob {
    NewJob {
        id: JobId::from_entropy(id(5, sequence)),
        sequence,
        host: on.clone(),
        run: run(n),
        kind: JobKind::Start,
        subject: None,
        document: format!("{{\"n\":{n}}}"),
        expires_at_ms: 100,
        issue: 0,
    }
}

/// A run on host 1, unless it is to wait for one.
pub(crate) fn new_run(n: u64, assigned: bool) -> NewRun {
    NewRun {
        id: run(n),
        workflow: "sum".to_owned(),
        version: 1,
        release: release("sum", 1).digest,
        input: r#"{"a":"ü\"\\"}"#.to_owned(),
        trigger: r#"{"kind":"manual","by":"x"}"#.to_owned(),
        traceparent: None,
        lineage: None,
        options: None,
        labels: Vec::new(),
        lease_ms: None,
        on_end: None,
        created_at_ms: n,
        job: assigned.then(|| new_job(n, 1_000 + n, &host(1))),
        requests: Vec::new(),
        delivery: None,
    }
}

/// Writes the records of a run.
pub(crate) struct Script {
    pub(crate) run: RunId,
    pub(crate) seq: u64,
    pub(crate) chain: Digest,
}

impl Script {
    pub(crate) fn new(run: RunId) -> Self {
        Self {
            chain: chain_start(&run),
            run,
            seq: 0,
        }
    }

    pub(crate) fn batch(&mut self, events: Vec<Event>) -> RecordBatch {
        let mut batch = RecordBatch::after(self.run.clone(), 1, self.seq, self.chain);
        for event in events {
            let (seq, at_ms) = (self.seq, self.seq);
            let record = Record { seq, at_ms, event };
            batch
                .push_sealed(record, &mut |_| Salt::from_entropy([1; 16]))
                .unwrap();
            self.seq += 1;
        }
        self.chain = batch.chain;
        batch
    }
}

pub(crate) fn skipped(reason: &str) -> Event {
    Event::Skipped {
        step: "a".parse().unwrap(),
        reason: reason.to_owned(),
    }
}

pub(crate) fn ended(output: serde_json::Value) -> Event {
    Event::Ended {
        outcome: Outcome::Done {
            output: output.into(),
        },
    }
}

/// A step asks a person.
pub(crate) fn asks_at(
    step: &str,
    approval: ApprovalId,
    title: &str,
    approvers: &[&str],
    due_ms: Option<u64>,
) -> Event {
    Event::AwaitOpened {
        step: step.parse().unwrap(),
        awaits: Await::Approval {
            approval,
            question: serde_json::json!({"title": title, "show": null}).into(),
            approvers: approvers.iter().map(|name| (*name).to_owned()).collect(),
            terms: Box::default(),
        },
        due_ms,
    }
}

/// A person says yes.
pub(crate) fn approved_at(step: &str, approval: ApprovalId) -> Event {
    Event::AwaitClosed {
        step: step.parse().unwrap(),
        closing: Closing::Decision(Box::new(sum(approval, vec![answer("ann", true)]).recorded())),
    }
}

/// What a person says.
pub(crate) fn answer(by: &str, approved: bool) -> Answer<serde_json::Value> {
    Answer {
        by: by.to_owned(),
        answers_for: Some(by.to_owned()),
        approved,
        comment: None,
        at_ms: 5,
        form: None,
        signature: None,
    }
}

/// What people decide by these answers.
pub(crate) fn sum(
    approval: ApprovalId,
    answers: Vec<Answer<serde_json::Value>>,
) -> Decision<serde_json::Value> {
    Decision::of(approval, answers).unwrap()
}

/// One person's answer that decides a question.
pub(crate) fn decides(approval: ApprovalId, approved: bool, by: &str, job: NewJob) -> NewDecision {
    let answers = vec![answer(by, approved)];
    NewDecision {
        decided: Some((sum(approval.clone(), answers.clone()), job)),
        approval,
        answers,
        at_ms: 5,
    }
}

/// The time of a step came.
pub(crate) fn time_up(step: &str) -> Event {
    Event::AwaitClosed {
        step: step.parse().unwrap(),
        closing: Closing::Due,
    }
}

pub(crate) fn ingest(from: &HostId, batches: Vec<RecordBatch>) -> HostIngest {
    HostIngest {
        host: from.clone(),
        at_ms: 1_000,
        received: Vec::new(),
        batches: batches
            .into_iter()
            .map(|batch| CheckedBatch::new(batch).unwrap())
            .collect(),
        receipts: Vec::new(),
        heard: None,
    }
}

/// One webhook path.
pub(crate) fn hooks(path: &str) -> Links {
    Links {
        hooks: vec![path.to_owned()],
        ..Links::default()
    }
}

/// The host that a registration made.
pub(crate) fn registered(registered: Registered) -> Option<Host> {
    match registered {
        Registered::Host(host) => Some(*host),
        Registered::TooMany | Registered::Elsewhere | Registered::Replayed => None,
    }
}
