//! What a plane holds of its telemetry. Cheap to clone; telling never waits.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::sync::Notify;

use crate::attributes::{Label, key_value};
use crate::ids::TraceContext;
use crate::logs::{self, Severity};
use crate::metrics::{CounterKind, Metrics, Observed};
use crate::queue::Queue;
use crate::settings::{Sampler, Settings};
use crate::spans::Span;
use crate::tls::Dialer;

/// Runs whose traces are known for lines of log that name them; the oldest are forgotten.
const KNOWN_RUNS_MAX: usize = 4_096;

static SENT: CounterKind = CounterKind {
    name: "flowforge.telemetry.sent",
    unit: "{item}",
    description: "Spans and lines of log that the collector took.",
};
static DROPPED: CounterKind = CounterKind {
    name: "flowforge.telemetry.dropped",
    unit: "{item}",
    description: "Spans and lines of log that were dropped: because too many waited, or because the collector did not take \
                  them.",
};

/// The time, nanoseconds since 1970 UTC.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Who tells.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// `service.name`, unless `OTEL_SERVICE_NAME` says otherwise.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
    /// `service.instance.id`.
    pub instance: String,
    /// What else says who it is.
    pub attributes: Vec<(&'static str, Label)>,
}

/// How sending goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The collector, without what may be secret.
    pub collector: String,
    /// Spans that it took.
    pub spans: u64,
    /// Lines of log that it took.
    pub lines: u64,
    /// Spans and lines that were dropped because too many waited.
    pub dropped_full: u64,
    /// Spans and lines that were dropped because the collector did not take them.
    pub dropped_refused: u64,
    /// Why the last request was not taken; none if it was.
    pub trouble: Option<String>,
}

impl View {
    /// All that was dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_full + self.dropped_refused
    }
}

/// What looks at numbers when they are sent.
type Observer = Box<dyn Fn(&mut Observed) + Send + Sync>;

/// Telemetry that is on.
#[derive(Clone)]
pub struct Telemetry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) resource: Resource,
    pub(crate) dialer: Dialer,
    pub(crate) spans: Queue<Span>,
    pub(crate) lines: Queue<LogRecord>,
    pub(crate) metrics: Metrics,
    pub(crate) observer: OnceLock<Observer>,
    /// Woken when a whole request waits.
    pub(crate) enough: Notify,
    pub(crate) counts: Counts,
    pub(crate) started_ns: u64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spans: AtomicU64,
    pub(crate) lines: AtomicU64,
    pub(crate) spans_refused: AtomicU64,
    pub(crate) lines_refused: AtomicU64,
    pub(crate) trouble: Mutex<Option<String>>,
}

/// The traces of runs that are or were here of late.
#[derive(Default)]
struct Known {
    by_run: HashMap<String, TraceContext>,
    order: VecDeque<String>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Telemetry of this service. Nothing is sent before [`Telemetry::run`].
    #[must_use]
    pub fn new(settings: Settings, service: Service) -> Self {
        let name = settings
            .service_name
            .clone()
            .unwrap_or_else(|| service.name.to_owned());
        let own: Vec<(&str, Label)> = [
            ("service.name", name.into()),
            ("service.version", service.version.into()),
            ("service.instance.id", service.instance.into()),
        ]
        .into_iter()
        .chain(service.attributes)
        .collect();
        let given = settings
            .resource
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let mut attributes: Vec<_> = given
            .filter(|(key, _)| *key != "service.name")
            .map(|(key, value)| key_value(key, value.into()))
            .collect();
        for (key, value) in own {
            if attributes.iter().all(|pair| pair.key != key) {
                attributes.push(key_value(key, value));
            }
        }
        Self {
            inner: Arc::new(Inner {
                resource: Resource {
                    attributes,
                    ..Resource::default()
                },
                dialer: Dialer::new(settings.certificate.clone()),
                spans: Queue::new(settings.spans_max),
                lines: Queue::new(settings.logs_max),
                metrics: Metrics::default(),
                observer: OnceLock::new(),
                enough: Notify::new(),
                counts: Counts::default(),
                started_ns: now_ns(),
                known: Mutex::default(),
                settings,
            }),
        }
    }

    /// Takes the lines of log of this process; only the first that asks gets them.
    pub fn take_log(&self) {
        if self.inner.settings.logs.is_some() {
            logs::take(self);
        }
    }

    /// Has these numbers looked at whenever metrics are sent; only the first observer counts.
    pub fn observe(&self, observer: impl Fn(&mut Observed) + Send + Sync + 'static) {
        let _ = self.inner.observer.set(Box::new(observer));
    }

    /// Whether spans of a trace are told. `is_own` says that the trace began here, so that nobody decided before.
    #[must_use]
    pub fn tells(&self, context: &TraceContext, is_own: bool) -> bool {
        let settings = &self.inner.settings;
        if settings.traces.is_none() {
            return false;
        }
        if settings.heeds_parent && !is_own {
            return context.sampled;
        }
        match settings.sampler {
            Sampler::Always(told) => told,
            Sampler::Ratio(ratio) => {
                let low = context.trace.iter().rev().take(7).rev();
                let number = low.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                (number as f64) < ratio * (1_u64 << 56) as f64
            }
        }
    }

    /// Whether the trace goes with requests to others.
    #[must_use]
    pub fn propagates(&self) -> bool {
        self.inner.settings.propagates
    }

    /// Tells spans that are over.
    pub fn tell_spans(&self, spans: Vec<Span>) {
        let inner = &self.inner;
        if inner.settings.traces.is_none() {
            return;
        }
        for span in spans {
            let waiting = inner.spans.push(span.size(), span);
            if waiting == inner.settings.items_per_request {
                inner.enough.notify_one();
            }
        }
    }

    /// Tells a line of a connector's log.
    pub fn tell_log(
        &self,
        at_ns: u64,
        severity: Severity,
        line: &str,
        context: &TraceContext,
        attributes: Vec<(&'static str, Label)>,
    ) {
        let attributes = attributes
            .into_iter()
            .map(|(key, value)| key_value(key, value))
            .collect();
        self.tell_line(logs::record(at_ns, severity, line, attributes, Some(context)));
    }

    pub(crate) fn tell_line(&self, line: LogRecord) {
        let inner = &self.inner;
        if inner.settings.logs.is_none() {
            return;
        }
        let waiting = inner.lines.push(line.encoded_len(), line);
        if waiting == inner.settings.items_per_request {
            inner.enough.notify_one();
        }
    }

    /// Numbers that are added to.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// From now on lines of log that name this run carry its trace.
    pub fn know(&self, run: &str, context: TraceContext) {
        let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.by_run.insert(run.to_owned(), context).is_none() {
            known.order.push_back(run.to_owned());
        }
        if known.order.len() > KNOWN_RUNS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_run.remove(&oldest);
        }
    }

    pub(crate) fn context_of(&self, run: &str) -> Option<TraceContext> {
        let known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.by_run.get(run).copied()
    }

    /// How sending goes.
    #[must_use]
    pub fn view(&self) -> View {
        let inner = &self.inner;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &inner.counts;
        View {
            collector: inner.settings.collector(),
            spans: load(&counts.spans),
            lines: load(&counts.lines),
            dropped_full: inner.spans.dropped() + inner.lines.dropped(),
            dropped_refused: load(&counts.spans_refused) + load(&counts.lines_refused),
            trouble: counts
                .trouble
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    /// What is known of sending itself.
    pub(crate) fn observe_itself(&self, observed: &mut Observed) {
        let inner = &self.inner;
        let counts = &inner.counts;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let signal = |name: &str| ("flowforge.telemetry.signal", Label::from(name));
        let reason = |name: &str| ("flowforge.telemetry.reason", Label::from(name));
        observed.count(&SENT, &[signal("traces")], load(&counts.spans));
        observed.count(&SENT, &[signal("logs")], load(&counts.lines));
        let (traces, logs) = (inner.spans.dropped(), inner.lines.dropped());
        observed.count(&DROPPED, &[signal("traces"), reason("full")], traces);
        observed.count(&DROPPED, &[signal("logs"), reason("full")], logs);
        let (traces, logs) = (load(&counts.spans_refused), load(&counts.lines_refused));
        observed.count(&DROPPED, &[signal("traces"), reason("refused")], traces);
        observed.count(&DROPPED, &[signal("logs"), reason("refused")], logs);
    }
}
