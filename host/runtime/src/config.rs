//! What a runtime is told when it is made.

use std::path::PathBuf;
use std::time::Duration;

use flowforge_connect::EgressPolicy;

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
    /// How much compiled code is kept.
    pub code: CodeLimits,
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
                counted: false,
            },
            code: CodeLimits::default(),
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
    /// Whether the code counts its instructions, see [`crate::Usage::instructions`]. Such code is slower and is kept apart
    /// from the other. Default no.
    pub counted: bool,
}

/// How much compiled code the cache folder keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeLimits {
    /// Bytes of the code of this engine. Above it, the code that was loaded longest ago goes; it is compiled again when it
    /// is wanted. Default 2 GiB: a Python component takes about 80 MB.
    pub bytes_max: u64,
    /// Age since it was last loaded, after which the code of another engine (an earlier version of this program) goes. It
    /// stays that long so that a host that is set back to the earlier version compiles nothing again. Default 14 days.
    pub other_engine_age: Duration,
}

impl Default for CodeLimits {
    fn default() -> Self {
        Self {
            bytes_max: 2 << 30,
            other_engine_age: Duration::from_hours(14 * 24),
        }
    }
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
