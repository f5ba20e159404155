//! Identifiers of traces and spans, and the header that carries them. Source: W3C Trace Context, level 1.
//!
//! The identifier of a span is a digest of what the span is about. So a run that goes on after a restart, or on another
//! host, stays one tree, and whoever knows a run and a step knows the span without asking.

use std::fmt;
use std::str::FromStr;

use flowforge_protocol::Digest;

/// A trace.
pub type TraceId = [u8; 16];
/// A span of a trace.
pub type SpanId = [u8; 8];

/// The flag of a trace context that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// A trace, a span of it, and whether it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span that is the parent of whatever gets this.
    pub span: SpanId,
    /// Whether whoever began the trace records it.
    pub sampled: bool,
}

impl TraceContext {
    /// The same trace behind another span.
    #[must_use]
    pub fn behind(self, span: SpanId) -> Self {
        Self { span, ..self }
    }
}

/// The text is no trace context of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a trace context: expected 00-TRACE-SPAN-FLAGS")]
pub struct NoContext;

impl FromStr for TraceContext {
    type Err = NoContext;

    fn from_str(text: &str) -> Result<Self, NoContext> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
        if version != Some("00") || parts.next().is_some() {
            return Err(NoContext);
        }
        let trace = bytes::<16>(trace.unwrap_or_default()).filter(|id| *id != [0; 16]);
        let span = bytes::<8>(span.unwrap_or_default()).filter(|id| *id != [0; 8]);
        let [flags] = bytes::<1>(flags.unwrap_or_default()).ok_or(NoContext)?;
        Ok(Self {
            trace: trace.ok_or(NoContext)?,
            span: span.ok_or(NoContext)?,
            sampled: flags & SAMPLED == SAMPLED,
        })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", trace_flags(self.sampled))
    }
}

/// The flags of a trace that is recorded, or not.
#[must_use]
pub fn trace_flags(sampled: bool) -> u8 {
    if sampled { SAMPLED } else { 0 }
}

/// Bytes written as exactly so many lower-case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    let mut pairs = text.bytes();
    for slot in &mut out {
        *slot = digit(pairs.next()?)? << 4 | digit(pairs.next()?)?;
    }
    Some(out)
}

/// The spans of one run.
#[derive(Debug, Clone, Copy)]
pub struct SpanIds<'a> {
    run: &'a str,
}

impl<'a> SpanIds<'a> {
    /// Those of this run.
    #[must_use]
    pub fn of(run: &'a str) -> Self {
        Self { run }
    }

    /// The run itself. The control plane names it as the parent of a run that nobody else is the parent of.
    #[must_use]
    pub fn run(self) -> SpanId {
        self.id("run", "", &[])
    }

    /// The order to start it, at the control plane.
    #[must_use]
    pub fn start(self) -> SpanId {
        self.id("start", "", &[])
    }

    /// A step, as its key is written: `labels[3].label`.
    #[must_use]
    pub fn step(self, step: &str) -> SpanId {
        self.id("step", step, &[])
    }

    /// One attempt of a step, from 1.
    #[must_use]
    pub fn attempt(self, step: &str, attempt: u32) -> SpanId {
        self.id("attempt", step, &[attempt])
    }

    /// One request that an attempt sent, from 1.
    #[must_use]
    pub fn request(self, step: &str, attempt: u32, request: u32) -> SpanId {
        self.id("request", step, &[attempt, request])
    }

    fn id(self, what: &str, step: &str, numbers: &[u32]) -> SpanId {
        let mut text = format!("flowforge span\n{what}\n{}\n{step}", self.run);
        for number in numbers {
            text.push('\n');
            text.push_str(&number.to_string());
        }
        let digest = Digest::of(text.as_bytes());
        let mut id = [0; 8];
        for (slot, byte) in id.iter_mut().zip(digest.as_bytes()) {
            *slot = *byte;
        }
        // All zeros would be no span.
        if id == [0; 8] { [1; 8] } else { id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_and_written_as_the_specification_says() {
        for text in [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        ] {
            assert_eq!(text.parse::<TraceContext>().unwrap().to_string(), text);
        }
        let more = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
        assert!(
            more.parse::<TraceContext>().unwrap().sampled,
            "other flags are left"
        );
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-1",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(wrong.parse::<TraceContext>(), Err(NoContext), "{wrong}");
        }
    }

    #[test]
    fn spans_of_different_things_differ_and_of_the_same_are_the_same() {
        let (one, two) = (SpanIds::of("a"), SpanIds::of("b"));
        let all = [
            one.run(),
            two.run(),
            one.start(),
            one.step("x"),
            one.step("x[1].y"),
            one.attempt("x", 1),
            one.attempt("x", 2),
            one.request("x", 1, 1),
            one.request("x", 1, 2),
            one.request("x", 2, 1),
        ];
        for (place, id) in all.iter().enumerate() {
            assert!(!all.iter().skip(place + 1).any(|other| other == id), "{place}");
        }
        assert_eq!(one.attempt("x", 1), SpanIds::of("a").attempt("x", 1));
    }
}
