//! One attempt of a step while it runs: what it may use, what it has used, and why it had to end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, Failure, Use, UseCount, Used};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::artefacts::{Hold, Quota};
use crate::limits::Limits;
use crate::redact::Redactor;
use crate::services::{EffectRefused, LogLevel, OpenSecret, Progress, StepContext, StepServices};
use crate::values::cut_to;
use flowforge_connect::{Destination, Dialer};

/// What every host function of one attempt shares. Tasks that outlive a host call (a `wasi:http` exchange) hold it too.
pub(crate) struct StepShared {
    pub(crate) services: Arc<dyn StepServices>,
    pub(crate) grants: NodeGrants,
    destinations: HashSet<Destination>,
    pub(crate) limits: Limits,
    pub(crate) context: StepContext,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) deadline: Instant,
    pub(crate) open_requests: Arc<Semaphore>,
    pub(crate) redactor: Arc<Redactor>,
    /// What the attempt may still keep in artefacts, and through it the run.
    pub(crate) artefact_quota: Arc<Quota>,
    notes: Mutex<Notes>,
}

/// Why an attempt had to end, where a trap alone would not say it.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// The executor refused an effect: the host's own trouble, not the step's failure.
    Refused(EffectRefused),
    /// A failure that the guest cannot talk its way out of.
    Failed(Failure),
}

/// What happened so far.
struct Notes {
    used: UseCount,
    effects: u32,
    requests: u32,
    log_lines: u32,
    log_bytes: usize,
    log_lines_dropped: u64,
    artefacts: HashMap<Digest, u64>,
    /// Keep them on the host as long as the attempt lasts.
    holds: Vec<Hold>,
    last_words: String,
    ending: Option<Ending>,
    /// When the call last showed that it is alive.
    last_sign: Instant,
    /// When a state of progress was last passed on.
    progress_shown: Option<Instant>,
    /// A state that came too soon after the one before it.
    progress_kept: Option<Progress>,
}

/// Most that is kept of what a guest writes on stderr, to explain a trap.
const LAST_WORDS_BYTES: usize = 4 << 10;

impl StepShared {
    pub(crate) fn new(
        services: Arc<dyn StepServices>,
        grants: NodeGrants,
        limits: Limits,
        context: StepContext,
        dialer: Arc<Dialer>,
    ) -> Self {
        // A grant that names no destination grants none.
        let destinations = grants
            .destinations
            .iter()
            .filter_map(|text| Destination::of_grant(text).ok())
            .collect();
        let now = Instant::now();
        let attempt = Quota::new("attempt", limits.artefacts_bytes);
        let quota = attempt.within(services.artefact_quota());
        Self {
            redactor: services.redactor(),
            artefact_quota: Arc::new(quota),
            services,
            grants,
            destinations,
            open_requests: Arc::new(Semaphore::new(limits.open_requests)),
            deadline: now + limits.wall_of(context.timeout),
            limits,
            context,
            dialer,
            notes: Mutex::new(Notes {
                used: UseCount::default(),
                effects: 0,
                requests: 0,
                log_lines: 0,
                log_bytes: 0,
                log_lines_dropped: 0,
                artefacts: HashMap::new(),
                holds: Vec::new(),
                last_words: String::new(),
                ending: None,
                last_sign: now,
                progress_shown: None,
                progress_kept: None,
            }),
        }
    }

    fn notes<T>(&self, read: impl FnOnce(&mut Notes) -> T) -> T {
        // Nothing panics while the notes are held, and their values stay meaningful if something did.
        read(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn may_reach(&self, destination: &Destination) -> bool {
        self.destinations.contains(destination)
    }

    /// Waits until the step may do something outside.
    pub(crate) async fn before_effect(&self, next: &Use) -> Result<(), ()> {
        match self.services.before_effect(next).await {
            Ok(()) => {
                self.notes(|notes| notes.effects = notes.effects.saturating_add(1));
                Ok(())
            }
            Err(refused) => {
                self.end(Ending::Refused(refused));
                Err(())
            }
        }
    }

    /// Opens a secret; a failure to do so ends the attempt.
    pub(crate) async fn open_secret(&self, slot: &str) -> Result<Option<OpenSecret>, ()> {
        self.services
            .secret(slot)
            .await
            .map_err(|failure| self.end(Ending::Failed(failure)))
    }

    pub(crate) fn end(&self, ending: Ending) {
        self.notes(|notes| {
            notes.ending.get_or_insert(ending);
        });
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.notes(|notes| notes.ending.clone())
    }

    pub(crate) fn note_use(&self, what: Use) {
        self.notes(|notes| notes.used.add(what));
    }

    pub(crate) fn count_request(&self) -> Result<(), String> {
        let limit = self.limits.requests;
        self.notes(|notes| {
            if notes.requests >= limit {
                return Err(format!("more than {limit} requests in one step"));
            }
            notes.requests = notes.requests.saturating_add(1);
            Ok(())
        })
    }

    /// One line of the guest's log, without secret values, cut and counted by the limits.
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        // Cut after redacting, so that no half of a secret stays.
        let clean = self.redactor.text(message);
        let line = cut_to(clean.into_owned(), self.limits.log_line_bytes);
        let fits = self.notes(|notes| {
            let bytes = notes.log_bytes.saturating_add(line.len());
            if notes.log_lines >= self.limits.log_lines || bytes > self.limits.log_bytes {
                notes.log_lines_dropped = notes.log_lines_dropped.saturating_add(1);
                return false;
            }
            notes.log_lines = notes.log_lines.saturating_add(1);
            notes.log_bytes = bytes;
            true
        });
        if fits {
            self.services.log(level, &line);
        }
    }

    /// Says how much of the log was dropped, if any. Called once, at the end.
    pub(crate) fn close_log(&self) -> u64 {
        let dropped = self.notes(|notes| notes.log_lines_dropped);
        if dropped > 0 {
            let message = format!(
                "{dropped} more log lines were left out: at most {} lines and {} bytes are kept of one attempt",
                self.limits.log_lines, self.limits.log_bytes
            );
            self.services.log(LogLevel::Warn, &message);
        }
        dropped
    }

    /// The call is alive.
    pub(crate) fn sign_of_life(&self) {
        self.notes(|notes| notes.last_sign = Instant::now());
    }

    /// The call is alive and says how far it is. What comes too soon after the last state waits for the next.
    pub(crate) fn progress(&self, state: Progress) {
        let state = Progress {
            percent: state.percent.map(|percent| percent.min(100)),
            message: state.message.map(|text| {
                let clean = self.redactor.text(&text).replace(['\r', '\n'], " ");
                cut_to(clean, crate::limits::PROGRESS_MESSAGE_BYTES)
            }),
        };
        let now = Instant::now();
        let shown = self.notes(|notes| {
            notes.last_sign = now;
            let soon = notes
                .progress_shown
                .is_some_and(|last| now.duration_since(last) < self.limits.progress_interval);
            if soon {
                notes.progress_kept = Some(state);
                return None;
            }
            notes.progress_shown = Some(now);
            notes.progress_kept = None;
            Some(state)
        });
        if let Some(state) = shown {
            self.services.progress(&state);
        }
    }

    /// Passes on the state that still waits. Called once, at the end.
    pub(crate) fn close_progress(&self) {
        if let Some(state) = self.notes(|notes| notes.progress_kept.take()) {
            self.services.progress(&state);
        }
    }

    /// Returns when the call has been silent for longer than it may be; never if it may be silent for ever.
    pub(crate) async fn silence(&self) -> Duration {
        let Some(idle) = self.limits.idle else {
            return std::future::pending().await;
        };
        loop {
            let due = self.notes(|notes| notes.last_sign) + idle;
            if due <= Instant::now() {
                return idle;
            }
            tokio::time::sleep_until(due).await;
        }
    }

    /// Keeps the end of what the guest wrote on stderr.
    pub(crate) fn remember_words(&self, line: &str) {
        self.notes(|notes| {
            notes.last_words.push_str(line);
            notes.last_words.push('\n');
            let excess = notes.last_words.len().saturating_sub(LAST_WORDS_BYTES);
            let start = (excess..=notes.last_words.len()).find(|at| notes.last_words.is_char_boundary(*at));
            notes.last_words.drain(..start.unwrap_or(0));
        });
    }

    pub(crate) fn last_words(&self) -> String {
        self.notes(|notes| notes.last_words.clone())
    }

    /// The step may open this artefact.
    pub(crate) fn grant_artefact(&self, digest: Digest, size: u64) {
        let hold = self.services.artefacts().keep(digest);
        self.notes(|notes| {
            notes.artefacts.insert(digest, size);
            notes.holds.extend(hold);
        });
    }

    pub(crate) fn may_open(&self, digest: &Digest) -> bool {
        self.notes(|notes| notes.artefacts.contains_key(digest))
    }

    pub(crate) fn artefacts(&self) -> HashSet<Digest> {
        self.notes(|notes| notes.artefacts.keys().copied().collect())
    }

    pub(crate) fn used(&self) -> (Vec<Used>, u32) {
        self.notes(|notes| (notes.used.list(), notes.effects))
    }
}
