//! What is told of a request to whoever traces it. Without anybody who does, this costs one question.

use std::time::Instant;

use http::header::{HeaderName, HeaderValue};

use super::{Answer, EgressError, Outbound};
use crate::services::{RequestSeen, TracedRequest};
use crate::step::StepShared;
use flowforge_connect::Destination;

/// The header that carries a trace. Source: W3C Trace Context, level 1.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request under way. One that is dropped before its end was given up.
pub(super) struct Traced<'a> {
    step: &'a StepShared,
    begun: Instant,
    seen: Option<RequestSeen>,
}

impl<'a> Traced<'a> {
    /// Asks whether the request is traced, and lets it carry its trace; a header that the connector set stays.
    pub(super) fn begin<B>(
        step: &'a StepShared,
        destination: &Destination,
        outbound: &mut Outbound<B>,
    ) -> Option<Self> {
        let TracedRequest { number, traceparent } = step.services.trace_request()?;
        if let Some(value) = traceparent.and_then(|text| HeaderValue::from_str(&text).ok()) {
            outbound.headers.entry(TRACEPARENT).or_insert(value);
        }
        Some(Self {
            step,
            begun: Instant::now(),
            seen: Some(RequestSeen {
                number,
                method: outbound.method.to_string(),
                scheme: if destination.secure { "https" } else { "http" },
                host: destination.host.to_string(),
                port: destination.port,
                status: None,
                error: Some("given_up"),
                elapsed: std::time::Duration::ZERO,
            }),
        })
    }

    /// The request has an answer, or will have none.
    pub(super) fn end(mut self, answered: &Result<Answer, EgressError>) {
        if let Some(seen) = &mut self.seen {
            seen.status = answered
                .as_ref()
                .ok()
                .map(|answer| answer.response.status().as_u16());
            seen.error = answered.as_ref().err().map(EgressError::word);
        }
    }
}

impl Drop for Traced<'_> {
    fn drop(&mut self) {
        if let Some(mut seen) = self.seen.take() {
            seen.elapsed = self.begun.elapsed();
            self.step.services.requested(seen);
        }
    }
}
