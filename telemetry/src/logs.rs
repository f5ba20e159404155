//! Lines of log: of the program itself, taken from `tracing`, and of connectors, which their plane brings.
//!
//! The layer stands in every program from the first line on and does nothing until telemetry takes the logs. A line that
//! names a run carries the run's trace. What this crate says itself is not told, or a collector that is away would be told
//! of its own absence.

use std::fmt;
use std::sync::OnceLock;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1 as wire;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::attributes::{Label, any, cut, key_value};
use crate::ids::{TraceContext, trace_flags};
use crate::telemetry::{Telemetry, now_ns};

/// Longest line that is sent, in bytes; the rest is cut.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// Most fields of one line that are sent.
const FIELDS_MAX: usize = 32;
/// The field by which the programs name a run.
const RUN_FIELD: &str = "run_id";

/// Who takes the lines of this process.
static TAKER: OnceLock<Telemetry> = OnceLock::new();

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Every detail.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// What happened.
    Info,
    /// Degraded, but going on.
    Warn,
    /// Somebody must act.
    Error,
}

impl Severity {
    fn number(self) -> (SeverityNumber, &'static str) {
        match self {
            Self::Trace => (SeverityNumber::Trace, "TRACE"),
            Self::Debug => (SeverityNumber::Debug, "DEBUG"),
            Self::Info => (SeverityNumber::Info, "INFO"),
            Self::Warn => (SeverityNumber::Warn, "WARN"),
            Self::Error => (SeverityNumber::Error, "ERROR"),
        }
    }
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::TRACE => Self::Trace,
            Level::DEBUG => Self::Debug,
            Level::INFO => Self::Info,
            Level::WARN => Self::Warn,
            Level::ERROR => Self::Error,
        }
    }
}

/// A line as it is sent.
pub(crate) fn record(
    at_ns: u64,
    severity: Severity,
    line: &str,
    attributes: Vec<KeyValue>,
    context: Option<&TraceContext>,
) -> wire::LogRecord {
    let (number, text) = severity.number();
    wire::LogRecord {
        time_unix_nano: at_ns,
        observed_time_unix_nano: now_ns(),
        severity_number: number.into(),
        severity_text: text.to_owned(),
        body: Some(any(Label::Text(cut(line, LINE_BYTES_MAX).to_owned()))),
        attributes,
        flags: context.map_or(0, |context| u32::from(trace_flags(context.sampled))),
        trace_id: context.map(|context| context.trace.to_vec()).unwrap_or_default(),
        span_id: context.map(|context| context.span.to_vec()).unwrap_or_default(),
        ..wire::LogRecord::default()
    }
}

/// Gives the lines of this process to `telemetry`; only the first that asks gets them.
pub(crate) fn take(telemetry: &Telemetry) {
    let _ = TAKER.set(telemetry.clone());
}

/// The layer that gives lines to whoever takes them.
#[must_use]
pub fn log_layer() -> LogLayer {
    LogLayer(())
}

/// See [`log_layer`].
#[derive(Debug)]
pub struct LogLayer(());

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(telemetry) = TAKER.get() else {
            return;
        };
        let metadata = event.metadata();
        if metadata.target().starts_with(env!("CARGO_CRATE_NAME")) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let context = fields.run.as_deref().and_then(|run| telemetry.context_of(run));
        fields
            .attributes
            .push(key_value("code.namespace", metadata.target().into()));
        let severity = Severity::from(*metadata.level());
        let line = record(
            now_ns(),
            severity,
            &fields.message,
            fields.attributes,
            context.as_ref(),
        );
        telemetry.tell_line(line);
    }
}

/// What a line says.
#[derive(Default)]
struct Fields {
    message: String,
    run: Option<String>,
    attributes: Vec<KeyValue>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Label) {
        match (field.name(), value) {
            ("message", Label::Text(text)) => self.message = text,
            (RUN_FIELD, Label::Text(run)) => {
                self.attributes
                    .push(key_value("flowforge.run.id", run.as_str().into()));
                self.run = Some(run);
            }
            (name, value) if self.attributes.len() < FIELDS_MAX => {
                self.attributes.push(key_value(name, value));
            }
            _ => {}
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Label::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Label::Number(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Label::Flag(value));
    }
}
