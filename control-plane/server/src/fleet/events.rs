//! Who is told when a run moves: subscriptions and waiting webhooks, here and, over the bus, at other servers.
//!
//! Telling never waits. A subscriber that cannot follow misses the middle and reads the state anew; a webhook waits for
//! one outcome in one slot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flowforge_protocol::RunId;
use tokio::sync::{Notify, broadcast, oneshot};

use super::bus::Bus;
use super::words::Word;

/// Changes that a slow subscriber may lag behind before it skips to the newest state.
const BACKLOG: usize = 4_096;

/// A run moved, or any may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunMoved {
    /// Which; none if words about any run may have been missed.
    pub(crate) run: Option<RunId>,
    pub(crate) ended: bool,
}

impl RunMoved {
    /// Whether somebody who follows this run is to look at it.
    pub(crate) fn concerns(&self, run: &RunId) -> bool {
        self.run.as_ref().is_none_or(|moved| moved == run)
    }
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
    bus: Arc<Bus>,
    ended: AtomicU64,
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
    pub(crate) fn new(bus: Arc<Bus>) -> Self {
        Self {
            errands: Notify::new(),
            bus,
            ended: AtomicU64::new(0),
            moved: broadcast::Sender::new(BACKLOG),
            waiting: Mutex::new(Slots::default()),
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RunMoved> {
        self.moved.subscribe()
    }

    /// A run moved; `outcome` is its outcome as JSON text if it ended.
    pub(crate) fn tell(&self, run: &RunId, outcome: Option<String>) {
        if self.bus.is_shared() {
            self.bus.say(match outcome {
                Some(_) => Word::Ended(run.clone()),
                None => Word::Moved(run.clone()),
            });
        }
        let ended = outcome.is_some();
        if let Some(outcome) = outcome {
            self.ended.fetch_add(1, Ordering::Relaxed);
            self.end(run, &outcome);
        }
        self.moved(Some(run), ended);
    }

    /// There is something to do for runs because of others, here or at another server.
    pub(crate) fn errand(&self) {
        self.bus.say(Word::Errands);
        self.errands.notify_one();
    }

    /// Tells subscribers that a run moved, or any may have.
    pub(crate) fn moved(&self, run: Option<&RunId>, ended: bool) {
        if ended {
            // Its parent, or the runs that it has ordered.
            self.errands.notify_one();
        }
        // Without a subscriber there is nobody to tell.
        let _ = self.moved.send(RunMoved {
            run: run.cloned(),
            ended,
        });
    }

    /// Tells whoever waits for a run that it ended.
    pub(crate) fn end(&self, run: &RunId, outcome: &str) {
        let slots = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_run
            .remove(run);
        for slot in slots.unwrap_or_default() {
            // Nobody may wait any more: the caller has gone, the run stands.
            let _ = slot.sender.send(Said::Ended(outcome.to_owned()));
        }
    }

    /// How many ends were told here, those of other servers not counted.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// The runs that somebody waits for.
    pub(crate) fn waited_for(&self) -> Vec<RunId> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.by_run.keys().cloned().collect()
    }

    /// Whether somebody waits for this run.
    pub(crate) fn is_waited_for(&self, run: &RunId) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.by_run.contains_key(run)
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
    use crate::fleet::words::ServerTag;

    fn alone() -> Events {
        Events::new(Arc::new(Bus::alone(ServerTag(1))))
    }

    #[test]
    fn a_word_about_any_run_concerns_each() {
        let (one, other) = (RunId::from_entropy([1; 16]), RunId::from_entropy([2; 16]));
        let moved = |run| RunMoved { run, ended: false };
        assert!(moved(Some(one.clone())).concerns(&one) && !moved(Some(one)).concerns(&other));
        assert!(moved(None).concerns(&other));
    }

    #[tokio::test]
    async fn an_outcome_reaches_the_slot_and_the_slot_is_given_back() {
        let events = alone();
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
        let events = alone();
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
