//! The executor's side of a call that no workflow makes: its clock, its secrets, its log, and what it used when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flowforge_protocol::grants::SecretGrant;
use flowforge_protocol::{Failure, Use};
use flowforge_runtime::artefacts::{ArtefactStore, FileStore};
use flowforge_runtime::{EffectRefused, Exchange, LogLevel, OpenSecret, Progress, Redactor, StepServices};
use zeroize::Zeroizing;

/// A secret for one slot.
pub(crate) struct Slot {
    pub(crate) kind: String,
    pub(crate) destinations: Vec<String>,
    pub(crate) value: Zeroizing<String>,
}

impl Slot {
    /// What a step is granted to use it.
    pub(crate) fn grant(&self, slot: &str) -> SecretGrant {
        SecretGrant {
            secret: slot.to_owned(),
            kind: self.kind.clone(),
            destinations: self.destinations.clone(),
        }
    }
}

/// Something that happened while a call ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Used(Use),
    /// It was wanted and refused.
    Denied(Use),
    Logged(LogLevel, String),
    Progressed(Progress),
}

/// Time and randomness of a call.
pub(crate) trait Ambient: Send + Sync {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> u64;
    fn random(&self, buffer: &mut [u8]);
}

pub(crate) struct Services<A> {
    pub(crate) ambient: A,
    pub(crate) secrets: BTreeMap<String, Slot>,
    pub(crate) store: Arc<FileStore>,
    redactor: Arc<Redactor>,
    events: Mutex<Vec<(u64, Event)>>,
    /// Requests with their answers, where they are kept.
    exchanges: Option<Mutex<Vec<Exchange>>>,
}

impl<A: Ambient> Services<A> {
    pub(crate) fn new(ambient: A, secrets: BTreeMap<String, Slot>, store: Arc<FileStore>) -> Self {
        Self {
            ambient,
            secrets,
            store,
            redactor: Arc::default(),
            events: Mutex::default(),
            exchanges: None,
        }
    }

    /// The same, keeping every request with its answer.
    pub(crate) fn recording(mut self) -> Self {
        self.exchanges = Some(Mutex::default());
        self
    }

    /// What was kept.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let kept = self.exchanges.as_ref();
        kept.map_or(Vec::new(), |kept| {
            kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    /// What happened so far, each with its time.
    pub(crate) fn events(&self) -> Vec<(u64, Event)> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, event: Event) {
        let now = self.ambient.now_ms();
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((now, event));
    }
}

#[async_trait]
impl<A: Ambient> StepServices for Services<A> {
    async fn before_effect(&self, next: &Use) -> Result<(), EffectRefused> {
        self.note(Event::Used(next.clone()));
        Ok(())
    }

    fn watches_exchanges(&self) -> bool {
        self.exchanges.is_some()
    }

    fn exchanged(&self, exchange: Exchange) {
        if let Some(kept) = &self.exchanges {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
        }
    }

    fn denied(&self, wanted: &Use) {
        self.note(Event::Denied(wanted.clone()));
    }

    async fn secret(&self, slot: &str) -> Result<Option<OpenSecret>, Failure> {
        Ok(self.secrets.get(slot).map(|secret| OpenSecret {
            name: slot.to_owned(),
            kind: secret.kind.clone(),
            version: 1,
            destinations: secret.destinations.clone(),
            value: Zeroizing::new(secret.value.as_bytes().to_vec()),
        }))
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.note(Event::Logged(level, message.to_owned()));
    }

    fn progress(&self, state: &Progress) {
        self.note(Event::Progressed(state.clone()));
    }

    fn redactor(&self) -> Arc<Redactor> {
        self.redactor.clone()
    }

    fn artefacts(&self) -> Arc<dyn ArtefactStore> {
        self.store.clone()
    }

    fn now_ms(&self) -> u64 {
        self.ambient.now_ms()
    }

    fn random(&self, buffer: &mut [u8]) {
        self.ambient.random(buffer);
    }
}
