//! The limits of one attempt: the one place where each number stands.
//!
//! Owns: every bound on what a guest may take, with its default. WIT docs, the workflow schema, the executor and the table
//! in `docs/limits.md` repeat these numbers and are compared with them in tests. Leaves to others: limits of compilation
//! and of the host's stores ([`crate::CompileConfig`], [`crate::artefacts::StoreLimits`], [`crate::CodeLimits`]).
//! Invariant: reaching a limit ends the attempt with a typed failure or gives the guest a typed answer; what is cut or
//! dropped (lines of the log, states of progress) is counted or replaced, never lost without a trace.

use std::time::Duration;

/// Largest record of a run, in bytes: what the journal and the control plane take.
pub const RECORD_BYTES: usize = 2 << 20;

/// What a record needs around the output it carries: step, chain, uses, times.
pub const RECORD_FRAME_BYTES: usize = 64 << 10;

/// Largest output of an attempt as JSON, in bytes: with its frame it fits into a record, so that no step fails for its
/// output after its effects.
pub const OUTPUT_BYTES: usize = RECORD_BYTES - RECORD_FRAME_BYTES;

/// Longest line of the log, in bytes.
pub const LOG_LINE_BYTES: usize = 4 << 10;

/// Lines that are kept of one attempt's log.
pub const LOG_LINES: u32 = 1_000;

/// Bytes that are kept of one attempt's log, all lines together.
pub const LOG_BYTES: usize = 64 << 10;

/// Random bytes of one call.
pub const RANDOM_BYTES: u32 = 64 << 10;

/// Longest time that a step may ask for.
pub const WALL_MAX: Duration = Duration::from_hours(24);

/// Redirects that a request may ask the host to follow.
pub const REDIRECTS_MAX: u8 = 10;

/// Longest message of a progress report, in bytes.
pub const PROGRESS_MESSAGE_BYTES: usize = 256;

/// Bounds of one attempt of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories together. Default 64 MiB, at most 4 GiB; a guest may not even start above it.
    pub memory_bytes: usize,
    /// Elements of each table. Default 65,536, which is also the most.
    pub table_elements: usize,
    /// Time spent computing, guest and host functions together, without waits: the clock's time between two points at
    /// which the call gives way, so a busy machine counts a little more than the processor does. Default 10 s.
    pub cpu: Duration,
    /// Instructions that one attempt may execute, as wasmtime counts them, where the runtime counts at all. The same on
    /// every machine, unlike `cpu`. Default none.
    pub instructions: Option<u64>,
    /// Time from begin to end, waits included, of a step that names none itself. Default 60 s.
    pub wall: Duration,
    /// The most that a step may name as its time. Default [`WALL_MAX`]; a longer time is cut to this.
    pub wall_max: Duration,
    /// The longest silence: time without a sign of life, see [`crate::StepServices::progress`]. Default none, so that
    /// only the wall limit holds.
    pub idle: Option<Duration>,
    /// Shortest time between two progress states that are passed on. Default 200 ms.
    pub progress_interval: Duration,
    /// The result as JSON text, in bytes. Default [`OUTPUT_BYTES`].
    pub output_bytes: usize,
    /// Data that one call may copy between guest and host, as wasmtime counts it: a value of a list or record takes 32
    /// to 64 bytes. Default 32 MiB.
    pub hostcall_bytes: usize,
    /// Resources (streams, bodies, pollables, artefact handles) at the same time. Default 1,024.
    pub resources: usize,
    /// Fields of one header map, in bytes. Default 64 KiB.
    pub header_bytes: usize,
    /// Fields of one header map. Default 100.
    pub header_count: usize,
    /// A request or response body in memory, after decoding. Default 2 MiB.
    pub body_bytes: usize,
    /// An artefact, and a body from or to one, after decoding. Default 64 MiB.
    pub artefact_bytes: u64,
    /// All artefacts that the attempt makes, finished or not. Default 256 MiB.
    pub artefacts_bytes: u64,
    /// Requests of one attempt, redirects counted. Default 1,000.
    pub requests: u32,
    /// Requests at the same time. Default 8.
    pub open_requests: usize,
    /// Lines in the step's log. Default [`LOG_LINES`].
    pub log_lines: u32,
    /// One line of the log, in bytes. Default [`LOG_LINE_BYTES`].
    pub log_line_bytes: usize,
    /// All lines of the log together, in bytes. Default [`LOG_BYTES`].
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 65_536,
            cpu: Duration::from_secs(10),
            instructions: None,
            wall: Duration::from_secs(60),
            wall_max: WALL_MAX,
            idle: None,
            progress_interval: Duration::from_millis(200),
            output_bytes: OUTPUT_BYTES,
            hostcall_bytes: 32 << 20,
            resources: 1_024,
            header_bytes: 64 << 10,
            header_count: 100,
            body_bytes: 2 << 20,
            artefact_bytes: 64 << 20,
            artefacts_bytes: 256 << 20,
            requests: 1_000,
            open_requests: 8,
            log_lines: LOG_LINES,
            log_line_bytes: LOG_LINE_BYTES,
            log_bytes: LOG_BYTES,
        }
    }
}

impl Limits {
    /// How long an attempt may take whose step names this time.
    #[must_use]
    pub fn wall_of(&self, named: Option<Duration>) -> Duration {
        named.unwrap_or(self.wall).min(self.wall_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The timeout of a step above a minute was silently a minute, because the default for steps that name none was taken
    /// as the most that any may name.
    #[test]
    fn a_step_may_name_hours() {
        let limits = Limits::default();
        let hours = Duration::from_hours(6);
        assert_eq!(limits.wall_of(Some(hours)), hours);
        assert_eq!(limits.wall_of(None), limits.wall);
        assert_eq!(limits.wall_of(Some(Duration::from_hours(100))), WALL_MAX);
    }

    /// The WIT promised lines of 8 KiB and the records took 4; nobody compared them.
    #[test]
    fn the_numbers_in_the_wit_are_these() {
        let wit = |name: &str| {
            let path = format!("{}/../../wit/connector/{name}.wit", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap();
            text.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace("/// ", "")
        };
        let limits = Limits::default();
        let kib = |bytes: usize| format!("{} KiB", bytes >> 10);
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let log = wit("log");
        assert!(
            log.contains(&format!(
                "at most {}; at most 1,000 lines",
                kib(limits.log_line_bytes)
            )),
            "{log}"
        );
        assert!(
            log.contains(&format!("{} in all", kib(limits.log_bytes))),
            "{log}"
        );
        assert_eq!(limits.log_lines, 1_000);
        let http = wit("http");
        assert!(http.contains(&format!("In memory, at most {}", mib(limits.body_bytes as u64))));
        assert!(http.contains(&format!("artefact store, at most {}", mib(limits.artefact_bytes))));
        assert!(http.contains(&format!(
            "At most {} fields and {}",
            limits.header_count,
            kib(limits.header_bytes)
        )));
        assert!(http.contains(&format!("the host follows, at most {REDIRECTS_MAX};")));
        assert!(wit("artefacts").contains(&format!("new artefact, at most {}", mib(limits.artefact_bytes))));
        assert!(wit("context").contains("at most 65,536 a call") && RANDOM_BYTES == 65_536);
        let progress = wit("progress");
        assert!(
            progress.contains(&format!("at most {PROGRESS_MESSAGE_BYTES} bytes")),
            "{progress}"
        );
        assert!(
            progress.contains("five states a second")
                && limits.progress_interval == Duration::from_millis(200)
        );
    }
}
