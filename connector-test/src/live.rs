//! One call in the real sandbox with the real network: what came, and what was used when.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::{Digest, Failure, Use};
use flowforge_runtime::artefacts::FileStore;
use flowforge_runtime::{Connector, Exchange, Invocation, Limits, Runtime, StepContext, StepError, Usage};
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::case::{covers, logged};
use crate::services::{Ambient, Event, Services, Slot};
use crate::{Bench, TestError};

/// One call.
pub struct LiveCall {
    /// Which operation.
    pub operation: String,
    /// Its input by parameter name.
    pub input: Map<String, Value>,
    /// Where it may connect, `scheme://name:port`.
    pub destinations: Vec<String>,
    /// Slot → value; sent only where the connector declares it and the call may connect.
    pub secrets: BTreeMap<String, Zeroizing<String>>,
    /// Whether this machine's own services may be reached.
    pub loopback: bool,
    /// Whether requests are kept with their answers.
    pub record: bool,
    /// Milliseconds since 1970 UTC.
    pub now_ms: fn() -> u64,
    /// This machine's randomness.
    pub random: Random,
}

/// Fills a buffer with random bytes of cryptographic quality.
pub type Random = Box<dyn Fn(&mut [u8]) + Send + Sync>;

/// What a call came to.
#[derive(Debug)]
pub struct Called {
    /// Its result, or its failure.
    pub outcome: Result<Value, Failure>,
    /// What it took.
    pub usage: Usage,
    /// What it did, in order.
    pub trace: Vec<Noted>,
    /// When it began, in milliseconds since 1970 UTC.
    pub began_ms: u64,
    /// Its requests with their answers, if they were to be kept.
    pub exchanges: Vec<Exchange>,
}

/// Something that a call did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// Milliseconds after the call began.
    pub at_ms: u64,
    /// `http`, `refused` (a place that it may not reach), `log` or `progress`.
    pub what: &'static str,
    /// For people.
    pub detail: String,
}

/// Make one call. Nothing is retried and nothing is recorded.
///
/// # Errors
/// [`TestError`] if the call could not be made at all; a call that fails is an outcome.
pub async fn call(component: &[u8], call: LiveCall, bench: &Bench) -> Result<Called, TestError> {
    let mut config = bench.config();
    config.egress.loopback = call.loopback;
    let runtime = Runtime::new(config)?;
    let connector = runtime.load(Digest::of(component), component).await?;
    let folder = tempfile::tempdir()?;
    let (grants, slots) = grants(&connector, &call.destinations, call.secrets);
    let ambient = Real {
        now_ms: call.now_ms,
        random: call.random,
    };
    let services = Services::new(ambient, slots, Arc::new(FileStore::open(folder.path())?));
    let services = Arc::new(if call.record {
        services.recording()
    } else {
        services
    });
    let began_ms = (call.now_ms)();
    let outcome = runtime
        .invoke(Invocation {
            connector,
            operation: call.operation,
            input: call.input,
            grants,
            limits: Limits::default(),
            step: StepContext {
                run_id: "trial".to_owned(),
                step: "trial".to_owned(),
                attempt: 1,
                idempotency_key: Digest::of(&began_ms.to_be_bytes()).hex(),
                timeout: None,
            },
            services: services.clone(),
        })
        .await;
    let trace = services
        .events()
        .into_iter()
        .map(|(at, event)| noted(at.saturating_sub(began_ms), event))
        .collect();
    let (outcome, usage) = match outcome {
        Ok(invoked) => (Ok(invoked.output), invoked.usage),
        Err(StepError::Failure { failure, usage }) => (Err(failure), usage),
        Err(StepError::Host { reason, usage }) => (
            Err(Failure::new(flowforge_protocol::FailureKind::Unavailable, reason)),
            usage,
        ),
    };
    Ok(Called {
        outcome,
        usage,
        trace,
        began_ms,
        exchanges: services.exchanges(),
    })
}

/// The secrets go where the connector declares them and the call may connect.
fn grants(
    connector: &Connector,
    destinations: &[String],
    secrets: BTreeMap<String, Zeroizing<String>>,
) -> (NodeGrants, BTreeMap<String, Slot>) {
    let mut grants = NodeGrants {
        destinations: destinations.to_vec(),
        ..NodeGrants::default()
    };
    let declared = connector.interface().meta.as_ref().map(|meta| &meta.secrets);
    let mut slots = BTreeMap::new();
    for (slot, value) in secrets {
        let declared = declared.and_then(|slots| slots.get(&slot));
        let kind = declared
            .map_or("bearer", |secret| secret.kind.as_str())
            .to_owned();
        let fits = |wanted: &&String| {
            declared.is_none_or(|secret| secret.destinations.iter().any(|one| covers(one, wanted)))
        };
        let held = Slot {
            kind,
            destinations: destinations.iter().filter(fits).cloned().collect(),
            value,
        };
        grants.secrets.insert(slot.clone(), held.grant(&slot));
        slots.insert(slot, held);
    }
    (grants, slots)
}

fn noted(at_ms: u64, event: Event) -> Noted {
    let place = |used: Use| {
        let secret = used
            .secret
            .map(|name| format!(" with secret `{name}`"))
            .unwrap_or_default();
        format!("{}{secret}", used.destination)
    };
    let (what, detail) = match event {
        Event::Used(used) => ("http", place(used)),
        Event::Denied(wanted) => ("refused", place(wanted)),
        Event::Logged(level, line) => ("log", logged(level, &line)),
        Event::Progressed(state) => {
            let percent = state
                .percent
                .map(|percent| format!("{percent} % "))
                .unwrap_or_default();
            (
                "progress",
                format!("{percent}{}", state.message.unwrap_or_default()),
            )
        }
    };
    Noted { at_ms, what, detail }
}

/// This machine's clock and randomness.
struct Real {
    now_ms: fn() -> u64,
    random: Random,
}

impl Ambient for Real {
    fn now_ms(&self) -> u64 {
        (self.now_ms)()
    }

    fn random(&self, buffer: &mut [u8]) {
        (self.random)(buffer);
    }
}
