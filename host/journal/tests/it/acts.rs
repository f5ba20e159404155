//! What tests do to runs, beyond beginning them.

use flowforge_journal::{Ack, Delivered, Entry, Journal, OpenRun, RunLog};
use flowforge_protocol::Digest;
use flowforge_protocol::value::Salt;

use crate::support::{durable, job, next, run};

/// The rules by which the tests make snapshots.
pub(crate) const SEMANTICS: u32 = 1;

pub(crate) async fn load(journal: &Journal, n: u64) -> OpenRun {
    journal.load(&run(n), SEMANTICS).await.unwrap()
}

/// Delivers a message that is new; answers its number.
pub(crate) async fn deliver(journal: &Journal, n: u64, message: &str, order: u64) -> u64 {
    match journal
        .deliver(&run(n), message.into(), job(order))
        .await
        .unwrap()
    {
        Delivered::Waiting(number, _) => number,
        other => panic!("message {message} is not new: {other:?}"),
    }
}

/// Adds the last record of a run and says that the control plane has everything.
pub(crate) async fn end_and_acknowledge(journal: &Journal, mut log: RunLog) {
    let through = log.next_seq();
    durable(log.append(Entry::now(next(&log)).ending()).await.unwrap()).await;
    let run = log.run().clone();
    journal.acknowledge(&[Ack::Records { run, through }]).unwrap();
}

/// A record that holds a value by its digest, with the value's bytes.
pub(crate) fn holding(seq: u64, bytes: &[u8]) -> Entry {
    let salt = Salt::from_entropy([seq.to_le_bytes()[0]; 16]);
    let (value, stored) = (salt.digest(bytes), Digest::of(bytes));
    let lines = format!(
        "{{\"value\":\"{value}\",\"salt\":\"{salt}\",\"stored\":\"{stored}\"}}\n{{\"seq\":{seq},\"x\":\"{value}\"}}\n"
    );
    Entry::lazy(lines).holding(stored, bytes)
}
