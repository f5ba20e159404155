//! Reliability: rules that every connector keeps, made-up inputs, services and hosts that fail, repeated attempts.

use flowforge_ports::{CapabilityKind, Interface};

use super::{NOT_TRIED, counted, share};
use crate::observed::{Measured, Trial};
use crate::{Check, Observed};

/// Made-up inputs that a whole score rests on.
pub const FUZZ_INPUTS: u32 = 10_000;

/// What the trial with the smallest input is called: no registry lists a connector that it breaks.
pub const SMALLEST_INPUT: &str = "the smallest input";

/// Problems that are told of one check; more would hide the first.
const TOLD_MAX: usize = 3;

pub(super) fn reliability(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let Some(measured) = &observed.measured else {
        return vec![
            Check::not_measured("conformance", 8, NOT_TRIED),
            Check::not_measured("fuzz", 5, NOT_TRIED),
            Check::not_measured("faults", 5, NOT_TRIED),
            Check::not_measured("idempotency-key", 2, NOT_TRIED),
        ];
    };
    let inputs = usize::try_from(measured.inputs).unwrap_or(usize::MAX);
    let by = format!(" by {}", counted(inputs, "input"));
    vec![
        judged("conformance", 8, &measured.conformance, "rule", "", ANSWER_TYPED),
        judged("fuzz", 5, &measured.fuzz, "operation", &by, ANSWER_TYPED),
        faults(interface, measured),
        repeats(measured),
    ]
}

const ANSWER_TYPED: &str = "answer it with a typed failure, such as `invalid`, or with a result";

fn faults(interface: &Interface, measured: &Measured) -> Check {
    if !interface.has_capability(CapabilityKind::Http) {
        return Check::not_applicable("faults", 5, "it makes no requests");
    }
    if measured.faults.is_empty() {
        let told = "no example makes a request and ends well, so that no service could fail";
        return Check::scored("faults", 0, 5, told, "a test that makes a request, with its mock");
    }
    let next = "let a service that is busy or away become `throttled` or `unavailable`, and say how an operation repeats";
    judged("faults", 5, &measured.faults, "fault", "", next)
}

fn repeats(measured: &Measured) -> Check {
    if measured.repeats.is_empty() {
        return Check::not_applicable(
            "idempotency-key",
            2,
            "no operation with a request says of itself that it may be repeated",
        );
    }
    let next = "send the idempotency key of the step, or take the effect out of connector.toml";
    judged(
        "idempotency-key",
        2,
        &measured.repeats,
        "repeated request",
        "",
        next,
    )
}

/// A check whose points are the share of its trials that went well.
fn judged(id: &'static str, of: u32, trials: &[Trial], what: &str, by: &str, next: &str) -> Check {
    let failed: Vec<&Trial> = trials.iter().filter(|trial| trial.problem.is_some()).collect();
    let done = trials.len().saturating_sub(failed.len());
    let mut told = format!("{done} of {} held{by}", counted(trials.len(), what));
    for trial in failed.iter().take(TOLD_MAX) {
        told.push_str(&format!("; {}", line(trial)));
    }
    let more = failed.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        told.push_str(&format!("; and {more} more"));
    }
    Check::scored(id, share(done, trials.len(), of), of, told, next)
}

fn line(trial: &Trial) -> String {
    let problem = trial.problem.as_deref().unwrap_or_default();
    format!("{}, {}: {problem}", trial.operation, trial.what)
}

/// The first operation that does not answer the smallest input.
pub(super) fn first_of_the_minimum(measured: &Measured) -> Option<String> {
    let mut trials = measured.conformance.iter();
    trials
        .find(|trial| trial.what == SMALLEST_INPUT && trial.problem.is_some())
        .map(line)
}

/// That the score rests on fewer inputs than it should.
pub(super) fn few_inputs(observed: &Observed) -> Option<String> {
    let inputs = observed.measured.as_ref()?.inputs;
    (inputs < FUZZ_INPUTS).then(|| format!("{inputs} made-up inputs of {FUZZ_INPUTS}"))
}
