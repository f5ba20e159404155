//! What a runtime is told when it is made, and the limits of each step.

use std::path::PathBuf;
use std::time::Duration;

use crate::egress::EgressPolicy;

/// How a [`crate::Runtime`] is made.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Folder for compiled code; made with mode 0700 if it is not there. Only this host may write into it: compiled code
    /// is trusted.
    pub cache_dir: PathBuf,
    /// Most steps that execute a guest at the same time; further calls wait within their own deadline. Default 64.
    pub max_instances: u32,
    /// How components are compiled.
    pub compile: CompileConfig,
    /// Where connectors may connect at all, before any grant.
    pub egress: EgressPolicy,
}

impl RuntimeConfig {
    /// The defaults: 64 instances, loopback closed, this program itself as compile worker.
    #[must_use]
    pub fn new(cache_dir: PathBuf, worker: CompileWorker) -> Self {
        Self {
            cache_dir,
            max_instances: 64,
            compile: CompileConfig {
                worker,
                timeout: Duration::from_secs(180),
                memory_bytes: 4 << 30,
                component_bytes_max: 64 << 20,
                parallel: 1,
            },
            egress: EgressPolicy::default(),
        }
    }
}

/// How components are compiled.
#[derive(Debug, Clone)]
pub struct CompileConfig {
    /// Who compiles.
    pub worker: CompileWorker,
    /// Longest time for one component. Default 180 s.
    pub timeout: Duration,
    /// Address space of the worker, in bytes. Default 4 GiB, of which a Python component touches about 450 MB.
    pub memory_bytes: u64,
    /// Largest component, in bytes. Default 64 MiB.
    pub component_bytes_max: usize,
    /// Workers at the same time. Default 1.
    pub parallel: usize,
}

/// Who compiles components.
#[derive(Debug, Clone)]
pub enum CompileWorker {
    /// A program whose `main` calls [`crate::compile_worker_main`] when its first argument is
    /// [`crate::COMPILE_ARGUMENT`]; usually this program itself.
    Program(PathBuf),
    /// This process, without bounds on time and memory. For tests of other crates.
    InProcess,
}

impl CompileWorker {
    /// This program itself.
    ///
    /// # Errors
    /// When the system cannot say where the program's file is.
    pub fn this_program() -> std::io::Result<Self> {
        std::env::current_exe().map(Self::Program)
    }
}

/// Bounds of one attempt of a step. Each is a hard limit: reaching it ends the attempt with
/// [`flowforge_protocol::FailureKind::Limit`] or gives the guest a typed error, never a silent cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories together. Default 64 MiB, at most 4 GiB; a guest may not even start above it.
    pub memory_bytes: usize,
    /// Elements of each table. Default 65,536, which is also the most.
    pub table_elements: usize,
    /// Time spent computing, guest and host functions together, without waits: the clock's time between two points at
    /// which the call gives way, so a busy machine counts a little more than the processor does. Default 10 s.
    pub cpu: Duration,
    /// Time from begin to end, waits included. Default 60 s; the step's own deadline may be nearer.
    pub wall: Duration,
    /// The result as JSON, roughly, in bytes. Default 2 MiB.
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
    /// A request or response body in memory. Default 2 MiB.
    pub body_bytes: usize,
    /// An artefact, and a body from or to one. Default 64 MiB.
    pub artefact_bytes: u64,
    /// Requests of one attempt. Default 1,000.
    pub requests: u32,
    /// Requests at the same time. Default 8.
    pub open_requests: usize,
    /// Lines in the step's log. Default 1,000.
    pub log_lines: u32,
    /// One line of the log, in bytes. Default 8 KiB.
    pub log_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 65_536,
            cpu: Duration::from_secs(10),
            wall: Duration::from_secs(60),
            output_bytes: 2 << 20,
            hostcall_bytes: 32 << 20,
            resources: 1_024,
            header_bytes: 64 << 10,
            header_count: 100,
            body_bytes: 2 << 20,
            artefact_bytes: 64 << 20,
            requests: 1_000,
            open_requests: 8,
            log_lines: 1_000,
            log_line_bytes: 8 << 10,
        }
    }
}
