//! Compilation in a process of its own, bounded in memory and time.
//!
//! A component is data from outside, and compiling it is the most expensive thing a host does with it: 450 MB for a
//! Python component. The worker is this program again with a hidden argument; it limits itself before it reads a byte,
//! writes the compiled code to the path it was given, and is killed when its time is over or nobody waits any more.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::calls::calls_of;
use crate::config::{CompileConfig, CompileWorker};
use crate::engine::compile_engine;

/// The first argument that makes a program a compile worker.
pub const COMPILE_ARGUMENT: &str = "__compile";

/// Most that is kept of what a worker says on stderr.
const REASON_BYTES_MAX: u64 = 4 << 10;

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The component is wrong; final for these bytes.
    #[error("component cannot be compiled: {reason}")]
    Refused {
        /// What the compiler says.
        reason: String,
    },
    /// The worker was not done in time.
    #[error("compiling took longer than {} s", limit.as_secs())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The worker ended without an answer, most likely out of memory.
    #[error("compile worker died ({status}), its memory limit is {memory_bytes} bytes: {reason}")]
    WorkerDied {
        /// How it ended.
        status: String,
        /// Its memory limit.
        memory_bytes: u64,
        /// The last it said.
        reason: String,
    },
    /// The worker could not be started or spoken to: the host's own trouble.
    #[error("compile worker cannot be used")]
    Worker(#[source] std::io::Error),
}

/// Compiles a component to `out`. On an error `out` may hold a broken file.
///
/// # Cancel safety
/// Dropping the future kills the worker.
pub(crate) async fn compile(
    config: &CompileConfig,
    component: &[u8],
    out: &Path,
) -> Result<(), CompileError> {
    match &config.worker {
        CompileWorker::Program(program) => compile_apart(config, program, component, out).await,
        CompileWorker::InProcess => {
            let component = component.to_vec();
            let (out, counted) = (out.to_owned(), config.counted);
            let done = tokio::task::spawn_blocking(move || compile_here(&component, &out, counted)).await;
            match done {
                Ok(result) => result.map_err(|reason| CompileError::Refused { reason }),
                Err(error) => Err(CompileError::Worker(std::io::Error::other(error))),
            }
        }
    }
}

async fn compile_apart(
    config: &CompileConfig,
    program: &Path,
    component: &[u8],
    out: &Path,
) -> Result<(), CompileError> {
    let mut child = Command::new(program)
        .arg(COMPILE_ARGUMENT)
        .arg(config.memory_bytes.to_string())
        .arg(out)
        .args(config.counted.then_some(COUNTED))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(CompileError::Worker)?;
    let stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let conversation = async {
        let send = async {
            if let Some(mut stdin) = stdin {
                // A worker that dies early closes the pipe; its status says more than this error.
                let _ = stdin.write_all(component).await;
            }
        };
        let listen = async {
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                let mut bounded = stderr.take(REASON_BYTES_MAX);
                let _ = bounded.read_to_end(&mut said).await;
                // Whatever is above the bound is read and dropped, so that the worker does not wait for us.
                let _ = tokio::io::copy(&mut bounded.into_inner(), &mut tokio::io::sink()).await;
            }
            String::from_utf8_lossy(&said).trim().to_owned()
        };
        let ((), said) = tokio::join!(send, listen);
        (child.wait().await, said)
    };
    let Ok((status, reason)) = tokio::time::timeout(config.timeout, conversation).await else {
        return Err(CompileError::TimedOut {
            limit: config.timeout,
        });
    };
    let status = status.map_err(CompileError::Worker)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(REFUSED) => Err(CompileError::Refused { reason }),
        _ => Err(CompileError::WorkerDied {
            status: status.to_string(),
            memory_bytes: config.memory_bytes,
            reason,
        }),
    }
}

/// Exit status of a worker whose component is wrong.
const REFUSED: i32 = 3;

/// The worker's last argument where the code is to count its instructions.
const COUNTED: &str = "counted";

/// The compile worker: `PROGRAM __compile MEMORY_BYTES OUT [counted]`, the component on stdin.
///
/// Called by `main` before anything else, when the first argument is [`COMPILE_ARGUMENT`].
#[must_use]
pub fn compile_worker_main() -> ExitCode {
    match worker() {
        Ok(()) => ExitCode::SUCCESS,
        Err(WorkerEnd::Refused(reason)) => {
            report(&reason);
            ExitCode::from(3)
        }
        Err(WorkerEnd::Broken(reason)) => {
            report(&reason);
            ExitCode::from(2)
        }
    }
}

fn report(reason: &str) {
    // Nobody can be told when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{reason}");
}

enum WorkerEnd {
    Refused(String),
    Broken(String),
}

fn worker() -> Result<(), WorkerEnd> {
    let broken = |what: &str| WorkerEnd::Broken(what.to_owned());
    let mut arguments = std::env::args_os()
        .skip_while(|argument| argument != COMPILE_ARGUMENT)
        .skip(1);
    let memory: u64 = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .ok_or_else(|| broken("expected the memory limit in bytes"))?;
    let out = arguments
        .next()
        .map(PathBuf::from)
        .ok_or_else(|| broken("expected the output path"))?;
    let counted = arguments.next().is_some_and(|word| word == COUNTED);
    let limit = Rlimit {
        current: Some(memory),
        maximum: Some(memory),
    };
    setrlimit(Resource::As, limit).map_err(|error| WorkerEnd::Broken(format!("memory limit: {error}")))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|error| WorkerEnd::Broken(format!("core limit: {error}")))?;
    let mut component = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut component)
        .map_err(|error| WorkerEnd::Broken(format!("stdin: {error}")))?;
    compile_here(&component, &out, counted).map_err(WorkerEnd::Refused)
}

fn compile_here(component: &[u8], out: &Path, counted: bool) -> Result<(), String> {
    let engine = compile_engine(calls_of(component), counted).map_err(|error| format!("{error:#}"))?;
    let code = engine
        .precompile_component(component)
        .map_err(|error| format!("{error:#}"))?;
    std::fs::write(out, code).map_err(|error| format!("{}: {error}", out.display()))
}
