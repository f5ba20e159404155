//! One span, as it is told.

use opentelemetry_proto::tonic::trace::v1 as wire;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use crate::attributes::{Label, key_value};
use crate::ids::{SpanId, TraceContext, trace_flags};

/// What role a span has in what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Something inside.
    Internal,
    /// A request to somebody else.
    Client,
    /// Something that is done later, by another.
    Producer,
    /// Something that another has asked for before.
    Consumer,
}

/// One span that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Span(pub(crate) wire::Span);

impl Span {
    /// A span of the context's trace below the context's span, from one moment to another, in nanoseconds since 1970 UTC.
    /// One that would end before it begins has no length.
    #[must_use]
    pub fn new(parent: &TraceContext, id: SpanId, kind: SpanKind, (from_ns, to_ns): (u64, u64)) -> Self {
        Self(wire::Span {
            trace_id: parent.trace.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent.span.to_vec(),
            flags: u32::from(trace_flags(parent.sampled)),
            kind: match kind {
                SpanKind::Internal => wire::span::SpanKind::Internal,
                SpanKind::Client => wire::span::SpanKind::Client,
                SpanKind::Producer => wire::span::SpanKind::Producer,
                SpanKind::Consumer => wire::span::SpanKind::Consumer,
            }
            .into(),
            start_time_unix_nano: from_ns,
            end_time_unix_nano: to_ns.max(from_ns),
            ..wire::Span::default()
        })
    }

    /// It has no parent: its trace begins with it.
    #[must_use]
    pub fn as_root(mut self) -> Self {
        self.0.parent_span_id = Vec::new();
        self
    }

    /// With this name, which is one of few.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// With this attribute.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Label>) -> Self {
        self.0.attributes.push(key_value(key, value.into()));
        self
    }

    /// It went well.
    #[must_use]
    pub fn ok(mut self) -> Self {
        self.status(StatusCode::Ok);
        self
    }

    /// It failed, with an error of this type: one of few words, or a code.
    #[must_use]
    pub fn failed(mut self, error_type: &str) -> Self {
        self.status(StatusCode::Error);
        self.with("error.type", error_type)
    }

    fn status(&mut self, code: StatusCode) {
        self.0.status = Some(wire::Status {
            message: String::new(),
            code: code.into(),
        });
    }

    /// Bytes on the wire.
    pub(crate) fn size(&self) -> usize {
        self.0.encoded_len()
    }
}
