//! What other servers on the store have made so is followed here.
//!
//! Everything is read from the store, which is the truth; a word only says when to look. What a word is about is small, and
//! whoever may have missed one looks at everything: hosts, releases, connectors, keys, waiting runs and those that wait for
//! runs. Between the words the store is looked at now and then, for what nobody says: when hosts were heard.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowforge_protocol::{Digest, HostId, RunId};
use flowforge_store::{StoreError, without_draft};

use crate::app::App;
use crate::fleet::bus::Heard;
use crate::fleet::hosts::HostEntry;
use crate::fleet::words::Word;

/// How often hosts are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the words of other servers until this one closes.
pub(crate) async fn run(app: Arc<App>, mut heard: Heard) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        let word = tokio::select! {
            word = heard.recv() => word,
            _ = look.tick() => {
                if let Err(error) = app.look_at_hosts().await {
                    tracing::debug!(%error, "hosts could not be looked at");
                }
                continue;
            }
            () = app.closing.cancelled() => return,
        };
        let Some(mut word) = word else { return };
        while let Err(error) = app.follow(word).await {
            tracing::warn!(%error, "what another server said could not be looked at; trying again");
            word = Word::Everything;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = app.closing.cancelled() => return,
            }
        }
    }
}

impl App {
    async fn follow(&self, word: Word) -> Result<(), StoreError> {
        match word {
            Word::Moved(run) => self.follow_run(&run, false).await?,
            Word::Ended(run) => self.follow_run(&run, true).await?,
            Word::Orders(host) => {
                if let Some(entry) = self.hosts.get(&host) {
                    renew(&entry);
                }
            }
            Word::Waiting => self.wake_for_waiting(1),
            Word::Still(host) => {
                if let Some(entry) = self.hosts.get(&host) {
                    entry.state().stands_still(true);
                }
            }
            Word::Host(host) => self.look_at_host(&host).await?,
            Word::Published(workflow) => self.look_at_workflow(&workflow).await?,
            Word::Secrets => self.secrets.forget_keys(),
            Word::Connectors => self.look_at_connectors().await,
            Word::Errands => self.events.errands.notify_one(),
            Word::Everything => self.look_at_everything().await?,
        }
        Ok(())
    }

    async fn look_at_everything(&self) -> Result<(), StoreError> {
        self.secrets.forget_keys();
        self.look_at_connectors().await;
        self.look_at_hosts().await?;
        self.load_newest().await?;
        self.triggers_changed();
        for host in self.hosts.all() {
            renew(&host);
        }
        let queued = self.store.count_queued(&self.scope).await?;
        self.queued.store(queued, Ordering::Relaxed);
        self.wake_for_waiting(self.store.count_unassigned(&self.scope).await?);
        for run in self.events.waited_for() {
            self.tell_waiting(&run).await?;
        }
        self.events.moved(None, false);
        self.events.errands.notify_one();
        Ok(())
    }

    async fn follow_run(&self, run: &RunId, ended: bool) -> Result<(), StoreError> {
        if self.events.is_waited_for(run) {
            self.tell_waiting(run).await?;
        }
        self.events.moved(Some(run), ended);
        Ok(())
    }

    /// Tells whoever waits for a run what it has said meanwhile.
    async fn tell_waiting(&self, run: &RunId) -> Result<(), StoreError> {
        let Some(stored) = self.store.run(&self.scope, run).await? else {
            return Ok(());
        };
        if let Some(response) = &stored.texts.response {
            self.events.respond(run, response);
        }
        if let Some(outcome) = &stored.texts.outcome {
            self.events.end(run, outcome);
        }
        Ok(())
    }

    /// At least so many runs wait for a host.
    fn wake_for_waiting(&self, count: u64) {
        self.waiting_news.fetch_add(1, Ordering::Relaxed);
        if self.unassigned.fetch_max(count, Ordering::Relaxed).max(count) > 0 {
            for host in self.hosts.all() {
                host.wake.notify_one();
            }
        }
    }

    /// Reads what the store knows of every host, what was decided about it, and the certificate that it has.
    pub(crate) async fn look_at_hosts(&self) -> Result<(), StoreError> {
        let monotonic_ms = self.clock.monotonic_ms();
        for host in self.store.hosts(&self.scope).await? {
            self.hosts.known_as(host, monotonic_ms);
        }
        for certificate in self.store.newest_certificates(&self.scope).await? {
            self.peers.issued(&certificate);
        }
        for decided in self.store.standings(&self.scope).await? {
            self.stand_by(decided);
        }
        Ok(())
    }

    async fn look_at_host(&self, id: &HostId) -> Result<(), StoreError> {
        if let Some(host) = self.store.host(&self.scope, id).await? {
            self.hosts.known_as(host, self.clock.monotonic_ms());
        }
        let (decided, certificate) = self.store.admission(&self.scope, id).await?;
        if let Some(certificate) = certificate {
            self.peers.issued(&certificate);
        }
        if let Some(decided) = decided {
            self.stand_by(decided);
        }
        Ok(())
    }

    /// The host whose session this is, unless it is not heard any more; it may have registered at another server.
    pub(crate) async fn host_of_session(&self, session: &str) -> Result<Option<Arc<HostEntry>>, StoreError> {
        let entry = self.entry_of_session(session).await?;
        Ok(entry.filter(|entry| self.peers.refusal(&entry.id).is_none()))
    }

    async fn entry_of_session(&self, session: &str) -> Result<Option<Arc<HostEntry>>, StoreError> {
        if let Some(entry) = self.hosts.of_session(session) {
            return Ok(Some(entry));
        }
        if !self.bus.is_shared() {
            return Ok(None);
        }
        let hash = Digest::of(session.as_bytes());
        let host = self.store.host_of_session(&self.scope, hash).await?;
        Ok(host.map(|host| self.hosts.known_as(host, self.clock.monotonic_ms())))
    }

    /// Reads the newest release of a workflow.
    pub(crate) async fn look_at_workflow(&self, workflow: &str) -> Result<(), StoreError> {
        if !self.bus.is_shared() || without_draft(workflow).1 {
            return Ok(());
        }
        if let Some(stored) = self.store.release_of(&self.scope, workflow, None).await? {
            self.enter_newest(stored);
            self.triggers_changed();
        }
        Ok(())
    }

    /// Reads which connectors are published, in the folder that the servers share.
    async fn look_at_connectors(&self) {
        if self.bus.is_shared()
            && let Err(error) = self.registry.look_again().await
        {
            tracing::error!(%error, "the folder of connectors could not be looked at");
        }
        if self.bus.is_shared()
            && let Err(error) = self.look_at_capabilities().await
        {
            tracing::error!(%error, "what connectors may have could not be looked at");
        }
    }
}

/// What waits for the host is read anew, now if it calls this server.
fn renew(host: &HostEntry) {
    host.state().queue.renew();
    host.wake.notify_one();
}
