//! What tests do to runs, beyond beginning them.

use flowforge_journal::{Ack, Delivered, Entry, Journal, OpenRun, RunLog};

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
