//! One attempt of a step while it runs: what it may use, what it has used, and why it had to end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, Failure};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::Limits;
use crate::egress::{Destination, Dialer};
use crate::services::{EffectRefused, LogLevel, OpenSecret, StepContext, StepServices};

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
    ledger: Mutex<Ledger>,
}

/// Why an attempt had to end, where a trap alone would not say it.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// The executor refused an effect: the host's own trouble, not the step's failure.
    Refused(EffectRefused),
    /// A failure that the guest cannot talk its way out of.
    Failed(Failure),
}

#[derive(Default)]
struct Ledger {
    used: BTreeSet<String>,
    effects: u32,
    requests: u32,
    log_lines: u32,
    log_lines_dropped: u64,
    artefacts: HashMap<Digest, u64>,
    last_words: String,
    ending: Option<Ending>,
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
        let wall = context
            .timeout
            .map_or(limits.wall, |timeout| timeout.min(limits.wall));
        Self {
            services,
            grants,
            destinations,
            open_requests: Arc::new(Semaphore::new(limits.open_requests)),
            limits,
            context,
            dialer,
            deadline: Instant::now() + wall,
            ledger: Mutex::default(),
        }
    }

    fn ledger<T>(&self, read: impl FnOnce(&mut Ledger) -> T) -> T {
        // Nothing panics while the ledger is held, and its values stay meaningful if something did.
        read(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn may_reach(&self, destination: &Destination) -> bool {
        self.destinations.contains(destination)
    }

    /// Waits until the step may do something outside.
    pub(crate) async fn before_effect(&self, what: &str) -> Result<(), ()> {
        match self.services.before_effect(what).await {
            Ok(()) => {
                self.ledger(|ledger| ledger.effects = ledger.effects.saturating_add(1));
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
        self.ledger(|ledger| {
            ledger.ending.get_or_insert(ending);
        });
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ledger(|ledger| ledger.ending.clone())
    }

    pub(crate) fn note_use(&self, what: String) {
        self.ledger(|ledger| ledger.used.insert(what));
    }

    pub(crate) fn count_request(&self) -> Result<(), String> {
        let limit = self.limits.requests;
        self.ledger(|ledger| {
            if ledger.requests >= limit {
                return Err(format!("more than {limit} requests in one step"));
            }
            ledger.requests = ledger.requests.saturating_add(1);
            Ok(())
        })
    }

    /// One line of the guest's log, cut and counted by the limits.
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        let first_dropped = self.ledger(|ledger| {
            if ledger.log_lines < self.limits.log_lines {
                ledger.log_lines = ledger.log_lines.saturating_add(1);
                return None;
            }
            ledger.log_lines_dropped = ledger.log_lines_dropped.saturating_add(1);
            Some(ledger.log_lines_dropped == 1)
        });
        match first_dropped {
            None => self
                .services
                .log(level, cut_line(message, self.limits.log_line_bytes)),
            Some(true) => {
                let told = format!(
                    "log is full after {} lines, further lines are dropped",
                    self.limits.log_lines
                );
                self.services.log(LogLevel::Warn, &told);
            }
            Some(false) => {}
        }
    }

    pub(crate) fn log_lines_dropped(&self) -> u64 {
        self.ledger(|ledger| ledger.log_lines_dropped)
    }

    /// Keeps the end of what the guest wrote on stderr.
    pub(crate) fn remember_words(&self, line: &str) {
        self.ledger(|ledger| {
            ledger.last_words.push_str(line);
            ledger.last_words.push('\n');
            let excess = ledger.last_words.len().saturating_sub(LAST_WORDS_BYTES);
            let start = (excess..=ledger.last_words.len()).find(|at| ledger.last_words.is_char_boundary(*at));
            ledger.last_words.drain(..start.unwrap_or(0));
        });
    }

    pub(crate) fn last_words(&self) -> String {
        self.ledger(|ledger| ledger.last_words.clone())
    }

    /// The step may open this artefact.
    pub(crate) fn grant_artefact(&self, digest: Digest, size: u64) {
        self.ledger(|ledger| ledger.artefacts.insert(digest, size));
    }

    pub(crate) fn may_open(&self, digest: &Digest) -> bool {
        self.ledger(|ledger| ledger.artefacts.contains_key(digest))
    }

    pub(crate) fn artefacts(&self) -> HashSet<Digest> {
        self.ledger(|ledger| ledger.artefacts.keys().copied().collect())
    }

    pub(crate) fn used(&self) -> (Vec<String>, u32) {
        self.ledger(|ledger| (ledger.used.iter().cloned().collect(), ledger.effects))
    }
}

/// The line, cut at a character boundary.
fn cut_line(line: &str, limit: usize) -> &str {
    if line.len() <= limit {
        return line;
    }
    let end = (0..=limit)
        .rev()
        .find(|end| line.is_char_boundary(*end))
        .unwrap_or(0);
    line.get(..end).unwrap_or_default()
}
