//! Who is told when a run moves: subscriptions and waiting webhooks.
//!
//! Telling never waits. A subscriber that cannot follow misses the middle and reads the state anew; a webhook waits for
//! one outcome in one slot.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use flowforge_protocol::RunId;
use tokio::sync::{Notify, broadcast, oneshot};

/// Changes that a slow subscriber may lag behind before it skips to the newest state.
const BACKLOG: usize = 4_096;

/// A run moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunMoved {
    pub(crate) run: RunId,
    pub(crate) ended: bool,
}

/// What somebody who waits for a run is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Its answer: see [`flowforge_store::StoredRun::response`].
    Response(String),
    /// Its outcome as JSON text.
    Ended(String),
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// The end of the run.
    End,
    /// Its answer, or its end if that comes first.
    Response,
}

/// The switchboard.
#[derive(Debug)]
pub(crate) struct Events {
    /// Woken when there may be something to do for runs because of others: see [`crate::errands`].
    pub(crate) errands: Notify,
    moved: broadcast::Sender<RunMoved>,
    waiting: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_run: HashMap<RunId, Vec<Slot>>,
    next: u64,
}

#[derive(Debug)]
struct Slot {
    number: u64,
    waits_for: WaitsFor,
    sender: oneshot::Sender<Said>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            errands: Notify::new(),
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
            for slot in slots.unwrap_or_default() {
                // Nobody may wait any more: the caller has gone, the run stands.
                let _ = slot.sender.send(Said::Ended(outcome.clone()));
            }
            // Its parent, or the runs that it has ordered.
            self.errands.notify_one();
        }
        // Without a subscriber there is nobody to tell.
        let _ = self.moved.send(RunMoved {
            run: run.clone(),
            ended,
        });
    }

    /// A run has an answer for whoever started it.
    pub(crate) fn respond(&self, run: &RunId, response: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slots) = waiting.by_run.get_mut(run) else {
            return;
        };
        for slot in slots.extract_if(.., |slot| slot.waits_for == WaitsFor::Response) {
            // As above.
            let _ = slot.sender.send(Said::Response(response.to_owned()));
        }
    }

    /// A slot for what a run says that is about to be started. Dropping the returned value gives the slot back.
    pub(crate) fn wait_for(&self, run: &RunId, waits_for: WaitsFor) -> Waiting<'_> {
        let (sender, said) = oneshot::channel();
        let mut slots = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        slots.next += 1;
        let number = slots.next;
        slots.by_run.entry(run.clone()).or_default().push(Slot {
            number,
            waits_for,
            sender,
        });
        Waiting {
            events: self,
            run: run.clone(),
            number,
            said,
        }
    }
}

/// A slot for one word of a run.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    events: &'a Events,
    run: RunId,
    number: u64,
    /// The word.
    pub(crate) said: oneshot::Receiver<Said>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut slots = self.events.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_run) = slots.by_run.get_mut(&self.run) {
            of_run.retain(|slot| slot.number != self.number);
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
        let ended = |text: &str| Said::Ended(text.to_owned());
        let mut waiting = events.wait_for(&run, WaitsFor::End);
        events.tell(&run, None);
        events.respond(&run, "early");
        assert!(waiting.said.try_recv().is_err());
        events.tell(&run, Some("{}".to_owned()));
        assert_eq!((&mut waiting.said).await.unwrap(), ended("{}"));
        let (first, mut second) = (
            events.wait_for(&run, WaitsFor::End),
            events.wait_for(&run, WaitsFor::End),
        );
        drop(first);
        events.tell(&run, Some("again".to_owned()));
        assert_eq!((&mut second.said).await.unwrap(), ended("again"));
        let mut early = events.wait_for(&run, WaitsFor::Response);
        events.respond(&run, "early");
        assert_eq!(
            (&mut early.said).await.unwrap(),
            Said::Response("early".to_owned())
        );
        drop((second, early));
        drop(events.wait_for(&run, WaitsFor::Response));
        drop(waiting);
        assert!(events.waiting.lock().unwrap().by_run.values().all(Vec::is_empty));
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
