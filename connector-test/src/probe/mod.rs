//! Trials of a component, for its score: made-up inputs, rules that every connector keeps, services and hosts that fail,
//! what it does outside against what it says of itself, and what it takes.
//!
//! Everything is counted and nothing is timed: inputs come from the component's digest, the clock is the trial's own, and
//! instructions are counted. The same component with the same tests gives the same facts on every machine.

mod conformance;
mod dice;
mod faults;
mod fuzz;
mod inputs;
mod setting;
mod shrink;
mod tracing;

use std::collections::BTreeSet;

use flowforge_protocol::Digest;
use flowforge_scorecard::{Measured, Weight};

use crate::case::on_one_thread;
use crate::play::Stage;
use crate::{Bench, CaseReport, Suite, TestError};

use setting::Setting;

/// Part of every seed: another corpus makes other inputs.
const CORPUS: &[u8] = b"corpus 1";

/// Made-up inputs of an operation beyond which no more are asked for.
pub const INPUTS_MAX: u32 = 1_000_000;

/// Things that are done and not declared, at most so many.
const HIDDEN_MAX: usize = 8;

/// Tries a component. `inputs` are made up, all operations together; `suite` holds the author's tests, whose inputs and
/// mocked services the trials begin with.
///
/// Blocks; makes a runtime of its own. Takes a second or a minute, depending on `inputs` and on the connector.
///
/// # Errors
/// [`TestError`] if nothing could be tried; what goes wrong in a trial is part of the answer.
pub fn probe(
    component: &[u8],
    suite: Option<&Suite>,
    bench: &Bench,
    inputs: u32,
) -> Result<Measured, TestError> {
    on_one_thread(async {
        let stage = Stage::set_up(component, bench, true).await?;
        let size = u64::try_from(component.len()).unwrap_or(u64::MAX);
        Trials::new(&stage, suite, Digest::of(component))
            .await?
            .all(inputs.min(INPUTS_MAX), size)
            .await
    })
}

/// Calls every operation with made-up inputs; a test for each, as the author's own are reported. The input that breaks an
/// operation is told as small as it still breaks it.
///
/// # Errors
/// As for [`probe`].
pub fn fuzz(
    component: &[u8],
    suite: Option<&Suite>,
    bench: &Bench,
    inputs: u32,
) -> Result<Vec<CaseReport>, TestError> {
    on_one_thread(async {
        let stage = Stage::set_up(component, bench, true).await?;
        let mut trials = Trials::new(&stage, suite, Digest::of(component)).await?;
        let settings = std::mem::take(&mut trials.settings);
        let mut reports = Vec::new();
        for setting in &settings {
            let began = std::time::Instant::now();
            let trial = trials.fuzz(setting, inputs.min(INPUTS_MAX)).await?;
            reports.push(CaseReport {
                file: trial.what.clone(),
                line: 0,
                name: format!("{inputs} {}", trial.what),
                operation: trial.operation,
                passed: trial.problem.is_none(),
                problems: trial.problem.into_iter().collect(),
                attempts: 1,
                clock_ms: 0,
                elapsed_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
                used: Vec::new(),
                log: Vec::new(),
                written: None,
            });
        }
        Ok(reports)
    })
}

/// The trials of one component.
struct Trials<'a> {
    stage: &'a Stage,
    /// One for each operation.
    settings: Vec<Setting<'a>>,
    maker: inputs::Maker,
    digest: Digest,
    /// What was seen that is not declared.
    hidden: BTreeSet<String>,
}

impl<'a> Trials<'a> {
    async fn new(stage: &'a Stage, suite: Option<&Suite>, digest: Digest) -> Result<Self, TestError> {
        let maker = setting::maker(&stage.store).await?;
        let mut settings = Vec::new();
        for operation in &stage.interface().operations {
            settings.push(Setting::of(stage, operation, suite).await);
        }
        Ok(Self {
            stage,
            settings,
            maker,
            digest,
            hidden: BTreeSet::new(),
        })
    }

    async fn all(mut self, inputs: u32, component_bytes: u64) -> Result<Measured, TestError> {
        let mut measured = Measured {
            inputs: 0,
            ..Measured::default()
        };
        let mut weight: Option<Weight> = None;
        let settings = std::mem::take(&mut self.settings);
        for setting in &settings {
            for at in 0..setting.examples.len() {
                let taken = self.example(setting, at).await?;
                if let Some(taken) = taken {
                    weight = Some(heavier(weight, taken, component_bytes));
                }
            }
            measured.conformance.extend(self.conformance(setting).await?);
        }
        let each = inputs.div_ceil(u32::try_from(settings.len()).unwrap_or(u32::MAX).max(1));
        for setting in &settings {
            measured.fuzz.push(self.fuzz(setting, each).await?);
            measured.inputs = measured.inputs.saturating_add(each);
            let (faults, repeats) = self.faults(setting).await?;
            measured.faults.extend(faults);
            measured.repeats.extend(repeats);
        }
        measured.weight = weight;
        measured.hidden = self.hidden.into_iter().take(HIDDEN_MAX).collect();
        Ok(measured)
    }
}

/// What one example took.
#[derive(Clone, Copy)]
struct Taken {
    start: u64,
    call: u64,
    memory: u64,
}

fn heavier(before: Option<Weight>, taken: Taken, component_bytes: u64) -> Weight {
    match before {
        None => Weight {
            component_bytes,
            start_instructions: taken.start,
            call_instructions: taken.call,
            memory_bytes: taken.memory,
        },
        Some(weight) => Weight {
            component_bytes,
            start_instructions: weight.start_instructions.max(taken.start),
            call_instructions: weight.call_instructions.min(taken.call),
            memory_bytes: weight.memory_bytes.max(taken.memory),
        },
    }
}
