//! From traps and wrong values to failures that say what happened.

use std::time::Duration;

use flowforge_protocol::{Failure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use crate::redact::Redactor;
use crate::step::{Ending, StepShared};
use crate::values::{PathError, cut};

pub(crate) fn invalid_input(error: &PathError) -> Failure {
    let path = error.path();
    Failure {
        path: Some(path).filter(|path| !path.is_empty()),
        ..Failure::new(FailureKind::Invalid, error.message.clone())
    }
}

pub(crate) fn invalid_output(error: &PathError) -> Failure {
    let path = error.path();
    let place = match path.as_str() {
        "" => "result".to_owned(),
        path if path.starts_with('[') => format!("result{path}"),
        path => format!("result.{path}"),
    };
    Failure {
        path: Some(place),
        ..Failure::new(
            FailureKind::Internal,
            format!("the connector returned a wrong value: {}", error.message),
        )
    }
}

pub(crate) fn output_too_large(limit: usize) -> Failure {
    Failure::new(
        FailureKind::Limit,
        format!("the result is larger than {limit} bytes; return an artefact instead"),
    )
}

/// The step's own deadline passed. Whether anything happened outside is then unknown.
pub(crate) fn out_of_time(step: &StepShared) -> Failure {
    let wall = step.limits.wall_of(step.context.timeout);
    stopped(step, format!("the step took longer than {}", time(wall)))
}

/// The call gave no sign of life for this long.
pub(crate) fn silent(step: &StepShared, idle: Duration) -> Failure {
    stopped(
        step,
        format!(
            "the connector gave no sign of life for {}; one that works for longer reports its progress",
            time(idle)
        ),
    )
}

/// The host ended the call. Whether anything happened outside is unknown if something had been begun.
fn stopped(step: &StepShared, message: String) -> Failure {
    let (_, effects) = step.used();
    if effects > 0 {
        Failure::new(
            FailureKind::TimedOut,
            format!("{message}; what it had begun outside may have happened"),
        )
    } else {
        Failure::new(FailureKind::Limit, message)
    }
}

/// The failure without secret values: a service may have put one into its refusal.
pub(crate) fn redacted(redactor: &Redactor, failure: Failure) -> Failure {
    if redactor.is_empty() {
        return failure;
    }
    let clean = |text: String| redactor.text(&text).into_owned();
    Failure {
        message: clean(failure.message),
        code: failure.code.map(clean),
        path: failure.path.map(clean),
        ..failure
    }
}

/// A duration for people.
pub(crate) fn time(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{} ms", duration.as_millis())
    } else if duration < Duration::from_mins(10) {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} min", duration.as_secs() / 60)
    }
}

/// Why a guest stopped without a result.
pub(crate) fn of_trap(step: &StepShared, error: &wasmtime::Error) -> Ending {
    Ending::Failed(failure_of_trap(step, error))
}

fn failure_of_trap(step: &StepShared, error: &wasmtime::Error) -> Failure {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Failure::new(
            FailureKind::Internal,
            with_words(
                step,
                &format!("the connector ended itself with status {}", exit.0),
            ),
        );
    }
    if error
        .downcast_ref::<ResourceTableError>()
        .is_some_and(|error| matches!(error, ResourceTableError::Full))
    {
        let message = format!(
            "the connector holds more than {} resources",
            step.limits.resources
        );
        return Failure::new(FailureKind::Limit, message);
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Failure::new(
            FailureKind::Unavailable,
            "the instance pool is full; the host is busy",
        );
    }
    if matches!(
        error.downcast_ref::<FieldMapError>(),
        Some(FieldMapError::TotalSizeTooBig | FieldMapError::TooManyFields)
    ) {
        let message = format!(
            "the connector sets more than {} bytes of header fields",
            step.limits.header_bytes
        );
        return Failure::new(FailureKind::Limit, message);
    }
    let all = format!("{error:#}");
    if all.contains("fuel allocated for hostcalls") {
        let message = format!(
            "one call copies more than {} bytes between connector and host; use an artefact",
            step.limits.hostcall_bytes
        );
        return Failure::new(FailureKind::Limit, message);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Failure::new(
            FailureKind::Limit,
            "the connector's stack overflowed: a recursion without end",
        ),
        Some(Trap::OutOfFuel) => Failure::new(
            FailureKind::Limit,
            "the connector computed for more instructions than it may",
        ),
        Some(Trap::AllocationTooLarge) => Failure::new(
            FailureKind::Limit,
            "the connector wants more memory at once than there can be",
        ),
        Some(trap) => {
            let place = first_function(error)
                .map(|name| format!(" in `{name}`"))
                .unwrap_or_default();
            Failure::new(
                FailureKind::Internal,
                with_words(step, &format!("the connector trapped{place}: {trap}")),
            )
        }
        None => Failure::new(FailureKind::Internal, with_words(step, &cut(root_cause(error)))),
    }
}

/// What is wrong without the backtrace that surrounds it.
fn root_cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

fn first_function(error: &wasmtime::Error) -> Option<String> {
    let trace = error.downcast_ref::<WasmBacktrace>()?;
    trace
        .frames()
        .iter()
        .find_map(|frame| frame.func_name().map(str::to_owned))
}

/// What the guest said last, before what the host saw: a panic message with its file and line is worth more than a trap
/// code.
fn with_words(step: &StepShared, seen: &str) -> String {
    let words = step.last_words();
    let mut lines: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE"))
        .collect();
    const SHOWN: usize = 3;
    let last = lines.split_off(lines.len().saturating_sub(SHOWN));
    if last.is_empty() {
        return seen.to_owned();
    }
    let said: Vec<&str> = last.into_iter().map(without_thread).collect();
    cut(format!("{} ({seen})", said.join(" ")))
}

/// `thread '<unnamed>' (1) panicked at src/lib.rs:9:5:` → `panicked at src/lib.rs:9:5:`
fn without_thread(line: &str) -> &str {
    match line.find(" panicked at ") {
        Some(at) if line.starts_with("thread '") => line.get(at.saturating_add(1)..).unwrap_or(line),
        _ => line,
    }
}
