//! Who is told when a run moves: subscriptions and waiting webhooks.
//!
//! Telling never waits. A subscriber that cannot follow misses the middle and reads the state anew; a webhook waits for
//! one outcome in one slot.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use flowforge_protocol::RunId;
use tokio::sync::{broadcast, oneshot};

/// Changes that a slow subscriber may lag behind before it skips to the newest state.
const BACKLOG: usize = 4_096;

/// A run moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunMoved {
    pub(crate) run: RunId,
    pub(crate) ended: bool,
}

/// The switchboard.
#[derive(Debug)]
pub(crate) struct Events {
    moved: broadcast::Sender<RunMoved>,
    waiting: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_run: HashMap<RunId, Vec<(u64, oneshot::Sender<String>)>>,
    next: u64,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            moved: broadcast::Sender::new(BACKLOG),
            waiting: Mutex::new(Slots::default()),
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RunMoved> {
        self.moved.subscribe()
    }

    /// A run moved; `outcome` is its outcome as JSON text if it ended.
    pub(crate) fn tell(&self, run: &RunId, outcome: Option<String>) {
        let ended = outcome.is_some();
        if let Some(outcome) = outcome {
            let slots = self
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .by_run
                .remove(run);
            for (_, slot) in slots.unwrap_or_default() {
                // Nobody may wait any more: the caller has gone, the run stands.
                let _ = slot.send(outcome.clone());
            }
        }
        // Without a subscriber there is nobody to tell.
        let _ = self.moved.send(RunMoved {
            run: run.clone(),
            ended,
        });
    }

    /// A slot for the outcome of a run that is about to be started. Dropping the returned value gives the slot back.
    pub(crate) fn wait_for(&self, run: &RunId) -> Waiting<'_> {
        let (sender, outcome) = oneshot::channel();
        let mut slots = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        slots.next += 1;
        let number = slots.next;
        slots
            .by_run
            .entry(run.clone())
            .or_default()
            .push((number, sender));
        Waiting {
            events: self,
            run: run.clone(),
            number,
            outcome,
        }
    }
}

/// A slot for one outcome.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    events: &'a Events,
    run: RunId,
    number: u64,
    /// The outcome as JSON text.
    pub(crate) outcome: oneshot::Receiver<String>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut slots = self.events.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_run) = slots.by_run.get_mut(&self.run) {
            of_run.retain(|(number, _)| *number != self.number);
            if of_run.is_empty() {
                slots.by_run.remove(&self.run);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_outcome_reaches_the_slot_and_the_slot_is_given_back() {
        let events = Events::new();
        let run = RunId::from_entropy([1; 16]);
        let mut waiting = events.wait_for(&run);
        events.tell(&run, None);
        assert!(waiting.outcome.try_recv().is_err());
        events.tell(&run, Some("{}".to_owned()));
        assert_eq!((&mut waiting.outcome).await.unwrap(), "{}");
        let (first, second) = (events.wait_for(&run), events.wait_for(&run));
        drop(first);
        events.tell(&run, Some("again".to_owned()));
        let mut second = second;
        assert_eq!((&mut second.outcome).await.unwrap(), "again");
        drop(second);
        drop(events.wait_for(&run));
        drop(waiting);
        assert!(events.waiting.lock().unwrap().by_run.is_empty());
    }

    #[test]
    fn telling_more_than_the_backlog_does_not_wait() {
        let events = Events::new();
        let mut slow = events.subscribe();
        for n in 0..=BACKLOG {
            events.tell(&RunId::from_entropy([u8::try_from(n % 251).unwrap(); 16]), None);
        }
        assert!(matches!(
            slow.try_recv(),
            Err(broadcast::error::TryRecvError::Lagged(_))
        ));
        assert!(slow.try_recv().is_ok());
    }
}
