//! What the tests of this binary share.

use flowforge_failpoints::FailPoints;
use flowforge_journal::{
    Accepted, Entry, JobEntry, Journal, JournalConfig, NewRun, Recovered, RunLog, Ticket,
};
use flowforge_protocol::{Digest, JobId, RunId};

pub(crate) fn run(n: u64) -> RunId {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    RunId::from_entropy(bytes)
}

pub(crate) fn job(n: u64) -> JobEntry {
    let mut bytes = [9; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    JobEntry {
        job_id: JobId::from_entropy(bytes),
        digest: Digest::of(&n.to_be_bytes()),
        scheduler_key: "scheduler-1".to_owned(),
        sequence: n,
        expires_at_ms: u64::MAX,
    }
}

/// Record lines with these numbers, each with so many bytes in it.
pub(crate) fn lines(seqs: std::ops::Range<u64>, bytes: usize) -> String {
    let filling = "x".repeat(bytes);
    seqs.map(|seq| format!("{{\"seq\":{seq},\"x\":\"{filling}\"}}\n"))
        .collect()
}

/// The next record of a run.
pub(crate) fn next(log: &RunLog) -> String {
    lines(log.next_seq()..log.next_seq() + 1, 1)
}

pub(crate) fn new_run(n: u64) -> NewRun {
    NewRun {
        run: run(n),
        epoch: 1,
        envelope: format!("envelope {n}").into_bytes(),
        documents: Vec::new(),
        acknowledged: 0,
        values_stay: false,
        entry: Entry::now(lines(0..1, 1)),
    }
}

pub(crate) fn open(config: &JournalConfig) -> (Journal, Recovered) {
    Journal::open(config.clone(), FailPoints::inert()).unwrap()
}

/// Accepts a run that is new.
pub(crate) async fn accept(journal: &Journal, n: u64) -> (RunLog, Ticket) {
    match journal.accept(job(n), new_run(n)).await.unwrap() {
        Accepted::New(log, ticket) => (log, ticket),
        other => panic!("run {n} is not new: {other:?}"),
    }
}

pub(crate) async fn durable(mut ticket: Ticket) {
    ticket.durable().await.unwrap();
}
