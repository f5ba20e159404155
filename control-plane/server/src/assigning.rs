//! Runs that wait for a host, and the host that asks for work: it gets those that it may have.
//!
//! Two kinds wait: runs that no host has, which begin at it, and runs that may move and whose host's lease is over, which go on
//! at it behind the records that are here. Invariant: whoever had a run before writes nothing more of it from the commit on
//! that gives it away, and that commit is of no effect if its own host was heard before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flowforge_protocol::RunId;
use flowforge_protocol::job::Order;
use flowforge_store::{NewJob, NewResume, Unassigned};

use crate::app::{App, LoadError};
use crate::fleet::hosts::HostEntry;
use crate::fleet::words::Word;
use crate::orders::{Draft, OrderError, read};
use crate::sync::{SyncError, failed_outcome};

/// Runs that get a host in one step, of each kind.
const ASSIGN_AT_ONCE: u32 = 64;

fn unreadable(error: &dyn std::fmt::Display) -> OrderError {
    OrderError::Unreadable(error.to_string())
}

impl App {
    /// Gives this host runs that wait for one (B2). A run that cannot be ordered fails alone.
    pub(crate) async fn assign_waiting(&self, host: &Arc<HostEntry>) -> Result<(), SyncError> {
        let news = self.waiting_news.load(Ordering::Relaxed);
        let words = host.state().host.labels.clone();
        let waiting = self
            .store
            .unassigned(&host.scope, &host.id, &words, ASSIGN_AT_ONCE)
            .await?;
        if waiting.is_empty() {
            host.state().nothing_waits(Some(news));
            // Several hosts may have found the last ones at the same time.
            self.unassigned
                .store(self.store.count_unassigned(&self.scope).await?, Ordering::Relaxed);
            return Ok(());
        }
        let mut jobs = Vec::with_capacity(waiting.len());
        let mut gone = 0;
        // Read from the store even if this call is cut before the answer comes.
        host.state().queue.reread();
        for run in waiting {
            let id = run.id.clone();
            if run.held_by.is_some() {
                match self.take_over(host, run).await {
                    Ok(moved) => gone += u64::from(moved),
                    Err(error @ SyncError::Store(_)) => return Err(error),
                    Err(error) => {
                        tracing::error!(run_id = %id, %error, "a run cannot go on at another host");
                        let why = format!("it cannot go on at another host: {error}");
                        self.store.note_trouble(&host.scope, id, why).await?;
                    }
                }
                continue;
            }
            match self.order_waiting(host, run).await {
                Ok(job) => jobs.push(job),
                Err(error) => {
                    self.fail_waiting(id, error).await?;
                    gone += 1;
                }
            }
        }
        if !jobs.is_empty() {
            gone += self.store.assign(&host.scope, jobs).await?.len() as u64;
        }
        if gone == 0 {
            // Others were quicker, or the runs' own hosts were heard: there is no use in looking at once again.
            host.state().nothing_waits(Some(news));
        }
        let fewer = |now: u64| Some(now.saturating_sub(gone));
        let _ = self
            .unassigned
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        Ok(())
    }

    /// Gives this host a run whose own host's lease is over, with its records and what it was told. False if it moved meanwhile.
    async fn take_over(&self, host: &Arc<HostEntry>, run: Unassigned) -> Result<bool, SyncError> {
        let Some(basis) = self.store.resume_basis(&host.scope, &run.id).await? else {
            return Ok(false);
        };
        let release = self.release(&run.release).await?;
        let release = release.ok_or_else(|| unreadable(&format!("release {} is gone", run.release)))?;
        let (grants, records) = (release.stored.grants_digest, basis.prefix.count);
        let order = if records == 0 {
            // Nothing of it came: it begins anew, with the keys of its effects that it would have had.
            let order = crate::app::starts::waiting_order(&run, grants);
            Order::Start(Box::new(order.map_err(|error| unreadable(&error))?))
        } else {
            let order = crate::app::starts::resuming_order(&run, grants, basis.prefix);
            Order::Resume(Box::new(order.map_err(|error| unreadable(&error))?))
        };
        let mut orders = vec![order];
        for told in &basis.orders {
            orders.push(read(&told.document)?.order);
        }
        let mut jobs = Vec::with_capacity(orders.len());
        for order in orders {
            let draft = Draft {
                host: &host.id,
                run: &run.id,
                epoch: basis.epoch.saturating_add(1),
                order,
                traceparent: run.traceparent.clone(),
                now_ms: self.clock.now_ms(),
            };
            jobs.push(self.scheduler.write(draft).await?);
        }
        let resume = NewResume {
            run: run.id.clone(),
            from_epoch: basis.epoch,
            records,
            host: host.id.clone(),
            jobs,
        };
        if !self.store.resume(&host.scope, resume).await? {
            return Ok(false);
        }
        let epoch = basis.epoch.saturating_add(1);
        tracing::warn!(run_id = %run.id, from = ?run.held_by, to = %host.id, epoch, records, "a run moved to another host");
        if let Some(before) = run.held_by {
            self.bus.say(Word::Orders(before.clone()));
            if let Some(before) = self.hosts.get(&before) {
                before.state().queue.renew();
            }
        }
        self.events.tell(&run.id, None);
        Ok(true)
    }

    async fn order_waiting(&self, host: &Arc<HostEntry>, run: Unassigned) -> Result<NewJob, SyncError> {
        let release = self.release(&run.release).await?;
        let release = release.ok_or_else(|| unreadable(&format!("release {} is gone", run.release)))?;
        let order = Order::Start(Box::new(
            crate::app::starts::waiting_order(&run, release.stored.grants_digest)
                .map_err(|error| unreadable(&error))?,
        ));
        let draft = Draft {
            host: &host.id,
            run: &run.id,
            epoch: run.epoch,
            order,
            traceparent: run.traceparent,
            now_ms: self.clock.now_ms(),
        };
        Ok(self.scheduler.write(draft).await?)
    }

    /// A run that can never be ordered ends, with the reason; a fault of the moment stays one.
    async fn fail_waiting(&self, run: RunId, error: SyncError) -> Result<(), SyncError> {
        let (code, message) = match error {
            SyncError::Order(OrderError::DoesNotFit(_) | OrderError::Unreadable(_)) => {
                ("FF-RUN-006", error.to_string())
            }
            SyncError::Load(LoadError::Release { digest, source }) => {
                ("FF-REL-004", format!("release {digest} cannot be used: {source}"))
            }
            SyncError::Order(OrderError::Entropy(_) | OrderError::Numbers(_))
            | SyncError::Store(_)
            | SyncError::Load(LoadError::Store(_)) => return Err(error),
        };
        tracing::error!(run_id = %run, code, message, "a run cannot be ordered and has failed");
        let outcome = failed_outcome(code, message);
        let ended = self
            .store
            .fail_unassigned(&self.scope, run.clone(), outcome.clone(), self.clock.now_ms())
            .await?;
        if let Some(ended) = ended {
            self.confirmed(u64::from(ended.was_queued));
            self.outside.wanted.notify_one();
            self.events.tell(&run, Some(outcome));
        }
        Ok(())
    }
}
