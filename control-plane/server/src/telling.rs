//! What a control plane tells a collector of telemetry, if somebody named one: a span for each run that it orders, and how
//! long requests took. The numbers that Prometheus reads are told by [`crate::metrics`].

use std::time::Duration;

use flowforge_protocol::RunId;
use flowforge_protocol::record::Trigger;
use flowforge_store::NewRun;
use flowforge_telemetry::{
    HistogramKind, Label, Service, Settings, Span, SpanIds, SpanKind, Telemetry, TraceContext,
};

use crate::counts::Door;
use crate::fleet::bus::Bus;
use crate::keys::Keys;

static REQUEST_DURATION: HistogramKind = HistogramKind {
    name: "http.server.request.duration",
    description: "How long requests took that came to this server; the standing calls of hosts wait for work.",
};

/// Telemetry of this server, if it is to be sent; it has the log of the process.
pub(crate) fn telemetry(settings: Option<&Settings>, bus: &Bus, keys: &Keys) -> Option<Telemetry> {
    let settings = settings?.clone();
    let workspace = keys.trust_root.workspace.as_str();
    let service = Service {
        name: "flowforge-server",
        version: env!("CARGO_PKG_VERSION"),
        instance: bus.tag().to_string(),
        attributes: vec![("flowforge.workspace", workspace.into())],
    };
    let telemetry = Telemetry::new(settings, service);
    telemetry.take_log();
    tracing::info!(collector = telemetry.view().collector, "telemetry is sent");
    Some(telemetry)
}

/// A request that came in is answered.
pub(crate) fn answered(
    telemetry: &Telemetry,
    door: Door,
    method: &axum::http::Method,
    status: u16,
    elapsed: Duration,
) {
    let method = match method.as_str() {
        known @ ("DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT") => known,
        _ => "_OTHER",
    };
    let mut labels: Vec<(&'static str, Label)> = vec![
        ("http.request.method", method.into()),
        ("http.route", door.route().into()),
        ("http.response.status_code", status.into()),
        ("url.scheme", "http".into()),
    ];
    if status >= 500 {
        labels.push(("error.type", status.to_string().into()));
    }
    telemetry
        .metrics()
        .record(&REQUEST_DURATION, elapsed.as_secs_f64(), &labels);
}

/// A run that is being ordered, for whoever is told of it.
pub(crate) struct Ordered {
    telemetry: Telemetry,
    run: RunId,
    workflow: String,
    version: u32,
    trigger: &'static str,
    /// The trace that it was given, or that begins with it.
    given: TraceContext,
    from_ms: u64,
}

impl Ordered {
    /// What is told of this run when it is stored; none if nobody is told.
    pub(crate) fn of(telemetry: Option<&Telemetry>, run: &NewRun) -> Option<Self> {
        Some(Self {
            telemetry: telemetry?.clone(),
            given: run.traceparent.as_deref()?.parse().ok()?,
            run: run.id.clone(),
            workflow: run.workflow.clone(),
            version: run.version,
            trigger: serde_json::from_str(&run.trigger).map_or("unknown", |trigger: Trigger| trigger.kind()),
            from_ms: run.created_at_ms,
        })
    }

    /// The run is stored, at this time. Its span hangs from that of the run, which its host tells at the end.
    pub(crate) fn tell(self, to_ms: u64) {
        let run = self.run.as_str();
        let ids = SpanIds::of(run);
        let told = self.telemetry.tells(&self.given, self.given.span == ids.run());
        let context = TraceContext {
            span: ids.run(),
            sampled: told,
            ..self.given
        };
        self.telemetry.know(run, context);
        if told {
            let ns = |ms: u64| ms.saturating_mul(1_000_000);
            let times = (ns(self.from_ms), ns(to_ms));
            let span = Span::new(&context, ids.start(), SpanKind::Producer, times)
                .named(format!("start {}", self.workflow))
                .with("flowforge.run.id", run)
                .with("flowforge.run.trigger", self.trigger)
                .with("flowforge.workflow.name", self.workflow)
                .with("flowforge.workflow.version", self.version)
                .ok();
            self.telemetry.tell_spans(vec![span]);
        }
    }
}
