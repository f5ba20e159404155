//! One call with all its attempts, as a host makes them: until one succeeds or its failure is final.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowforge_ports::{Effect, Interface};
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, Failure, RunId, StepKey, Use};
use flowforge_runtime::artefacts::FileStore;
use flowforge_runtime::{Connector, Invocation, Limits, Runtime, StepContext, StepError, Usage};
use flowforge_workflow::model::Retry;
use flowforge_workflow::run::{Failed, after_stop, retry_at_ms};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::TestError;
use crate::case::Bench;
use crate::network::{Network, NetworkDoor};
use crate::services::{Ambient, Event, Services, Slot};

/// What all calls of one component share.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) network: Arc<Network>,
    pub(crate) store: Arc<FileStore>,
    pub(crate) connector: Arc<Connector>,
    /// Where artefacts are, until the stage is gone.
    _artefacts: TempDir,
}

/// One call that is to be made.
pub(crate) struct Play {
    pub(crate) operation: String,
    pub(crate) input: Map<String, Value>,
    pub(crate) grants: NodeGrants,
    pub(crate) slots: BTreeMap<String, Slot>,
    pub(crate) limits: Limits,
    pub(crate) profile: Profile,
}

/// What a connector could see of where it runs.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    /// Names the run, its key and its randomness.
    pub(crate) seed: Digest,
    pub(crate) step: &'static str,
    pub(crate) begin_ms: u64,
    /// By how much the clock goes back once the call has begun, in milliseconds.
    pub(crate) back_ms: u64,
}

impl Profile {
    /// The idempotency key of the step.
    pub(crate) fn key(&self) -> String {
        self.seed.hex()
    }
}

/// What a call came to.
pub(crate) struct Played {
    pub(crate) ended: Ended,
    pub(crate) attempts: u32,
    pub(crate) clock_ms: u64,
    pub(crate) events: Vec<Event>,
    /// Of the last attempt.
    pub(crate) usage: Usage,
}

/// How the attempts of a call ended.
pub(crate) enum Ended {
    Result(Value),
    Failure(Failure),
    /// The host could not do its part, or the test is no test.
    Broken(String),
}

/// The attempts of one call.
struct Attempts {
    run: RunId,
    step: StepKey,
    effect: Effect,
    count: u32,
    first_failure_ms: Option<u64>,
    usage: Usage,
}

impl Stage {
    /// Compiles the component, and then stops the clock: from here on it moves only while everything waits.
    pub(crate) async fn set_up(component: &[u8], bench: &Bench, counted: bool) -> Result<Self, TestError> {
        let network = Arc::new(Network::default());
        let mut config = bench.config();
        config.egress.dial = Some(Arc::new(NetworkDoor(network.clone())));
        config.compile.counted = counted;
        let runtime = Runtime::new(config)?;
        let connector = runtime.load(Digest::of(component), component).await?;
        let folder = tempfile::tempdir()?;
        let stage = Self {
            runtime,
            network,
            store: Arc::new(FileStore::open(folder.path())?),
            connector,
            _artefacts: folder,
        };
        // Compiling was waited for by the real clock.
        tokio::time::pause();
        Ok(stage)
    }

    pub(crate) fn interface(&self) -> &Interface {
        self.connector.interface()
    }

    /// Makes the call. The network must have been set up for it.
    pub(crate) async fn play(&self, play: Play) -> Result<Played, TestError> {
        let began = Instant::now();
        let mut attempts = self.attempts(&play)?;
        let clock = FakeClock::new(&play.profile);
        let services = Arc::new(Services::new(clock, play.slots, self.store.clone()));
        let call = Call {
            operation: play.operation,
            input: play.input,
            grants: play.grants,
            limits: play.limits,
            key: play.profile.key(),
        };
        let ended = self.attempt(&call, &mut attempts, &services).await;
        Ok(Played {
            ended,
            attempts: attempts.count,
            clock_ms: millis(began.elapsed()),
            events: services.events().into_iter().map(|(_, event)| event).collect(),
            usage: attempts.usage,
        })
    }

    fn attempts(&self, play: &Play) -> Result<Attempts, TestError> {
        let mut entropy = [0_u8; 16];
        entropy
            .iter_mut()
            .zip(play.profile.seed.as_bytes())
            .for_each(|(into, from)| *into = *from);
        let name = play.profile.step;
        let step: StepKey = name
            .parse()
            .map_err(|_| TestError::Name(format!("`{name}` is no step")))?;
        let operation = self.interface().operation(&play.operation);
        Ok(Attempts {
            run: RunId::from_entropy(entropy),
            step,
            effect: operation.map_or(Effect::Unsafe, |operation| operation.effect),
            count: 0,
            first_failure_ms: None,
            usage: Usage::default(),
        })
    }

    async fn attempt(
        &self,
        call: &Call,
        attempts: &mut Attempts,
        services: &Arc<Services<FakeClock>>,
    ) -> Ended {
        let retry = Retry::default();
        loop {
            attempts.count = attempts.count.saturating_add(1);
            self.network.begin_attempt();
            let outcome = tokio::select! {
                outcome = self.runtime.invoke(self.invocation(call, attempts, services)) => Some(outcome),
                () = self.network.killed() => None,
            };
            let now_ms = services.ambient.now_ms();
            let first_intent_ms = first_use(services);
            let due_ms = match outcome {
                Some(Ok(invoked)) => {
                    attempts.usage = invoked.usage;
                    return Ended::Result(invoked.output);
                }
                Some(Err(StepError::Host { reason, .. })) => return Ended::Broken(reason),
                Some(Err(StepError::Failure { failure, usage })) => {
                    attempts.usage = usage;
                    let failed = Failed {
                        run: &attempts.run,
                        step: &attempts.step,
                        attempt: attempts.count,
                        first_intent_ms,
                        first_failure_ms: Some(*attempts.first_failure_ms.get_or_insert(now_ms)),
                        now_ms,
                    };
                    match retry_at_ms(&retry, attempts.effect, &failure, &failed) {
                        Some(due_ms) => due_ms,
                        None => return Ended::Failure(failure),
                    }
                }
                None if attempts.count >= retry.attempts => {
                    return Ended::Broken(format!("the host was killed in {} attempts", attempts.count));
                }
                // The host died: what it had begun is repeated only where that is safe.
                None => match after_stop(attempts.effect, first_intent_ms, now_ms) {
                    Ok(()) => now_ms,
                    Err(failure) => return Ended::Failure(failure),
                },
            };
            if due_ms > now_ms {
                tokio::time::sleep(Duration::from_millis(due_ms.saturating_sub(now_ms))).await;
            }
        }
    }

    fn invocation(
        &self,
        call: &Call,
        attempts: &Attempts,
        services: &Arc<Services<FakeClock>>,
    ) -> Invocation {
        Invocation {
            connector: self.connector.clone(),
            operation: call.operation.clone(),
            input: call.input.clone(),
            grants: call.grants.clone(),
            limits: call.limits.clone(),
            step: StepContext {
                run_id: attempts.run.to_string(),
                step: attempts.step.to_string(),
                attempt: attempts.count,
                idempotency_key: call.key.clone(),
                timeout: None,
            },
            services: services.clone(),
        }
    }
}

/// What is the same in every attempt.
struct Call {
    operation: String,
    input: Map<String, Value>,
    grants: NodeGrants,
    limits: Limits,
    key: String,
}

impl Played {
    /// What was wanted outside and refused.
    pub(crate) fn denied(&self) -> impl Iterator<Item = &Use> {
        self.events.iter().filter_map(|event| match event {
            Event::Denied(wanted) => Some(wanted),
            _ => None,
        })
    }

    /// What was used, or was about to be.
    pub(crate) fn used(&self) -> impl Iterator<Item = &Use> {
        self.events.iter().filter_map(|event| match event {
            Event::Used(used) => Some(used),
            _ => None,
        })
    }
}

fn first_use(services: &Services<FakeClock>) -> Option<u64> {
    services
        .events()
        .into_iter()
        .find_map(|(at, event)| matches!(event, Event::Used(_)).then_some(at))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A clock that begins where the profile says and moves only when everything waits, and randomness that its seed gives.
struct FakeClock {
    begin_ms: u64,
    back_ms: u64,
    asked: AtomicU64,
    began: Instant,
    seed: Digest,
    drawn: AtomicU64,
}

impl FakeClock {
    fn new(profile: &Profile) -> Self {
        Self {
            begin_ms: profile.begin_ms,
            back_ms: profile.back_ms,
            asked: AtomicU64::new(0),
            began: Instant::now(),
            seed: profile.seed,
            drawn: AtomicU64::new(0),
        }
    }
}

impl Ambient for FakeClock {
    fn now_ms(&self) -> u64 {
        let is_first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
        let back = if is_first { 0 } else { self.back_ms };
        self.begin_ms
            .saturating_add(millis(self.began.elapsed()))
            .saturating_sub(back)
    }

    fn random(&self, buffer: &mut [u8]) {
        for piece in buffer.chunks_mut(32) {
            let number = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let drawn = Digest::of_parts(&[self.seed.as_bytes(), &number]);
            piece
                .iter_mut()
                .zip(drawn.as_bytes())
                .for_each(|(into, from)| *into = *from);
        }
    }
}
