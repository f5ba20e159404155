//! Telemetry: traces, metrics and logs in the forms of OpenTelemetry, sent over HTTP to a collector that somebody named.
//!
//! Owns what both planes share: the settings, the identifiers of spans, bounded queues, and one task that sends. Leaves to
//! its users what is worth telling: each plane derives it at one place of its own. Invariants: nothing is sent unless a
//! collector was named; telling never waits and never fails; what does not fit or is not taken is dropped and counted; the
//! identifier of a span follows from what the span is about, so that the same thing has the same identifier after a
//! restart and on every plane.
//!
//! `docs/telemetry.md` lists what is sent and how to turn it on.

mod attributes;
mod exporter;
mod gather;
mod ids;
mod logs;
mod metrics;
mod queue;
mod sending;
mod settings;
mod spans;
mod telemetry;
mod tls;

pub use attributes::Label;
pub use ids::{SpanId, SpanIds, TraceContext, TraceId, trace_flags};
pub use logs::{LogLayer, Severity, log_layer};
pub use metrics::{CounterKind, GaugeKind, HistogramKind, Metrics, Observed, SECONDS};
pub use settings::{Given, Settings, SettingsError};
pub use spans::{Span, SpanKind};
pub use telemetry::{Service, Telemetry, View};
