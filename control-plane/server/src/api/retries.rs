//! What a retry would do, as the API shows it.

use async_graphql::{Context, Object, Result, SimpleObject, Union};

use flowforge_protocol::StepKey;

use super::fault;
use super::loads::reading;
use super::mutation::{field, input_problem};
use super::operations::{not_found, wrong_state};
use super::problems::{InputProblem, RunNotFoundProblem, RunStateProblem};
use super::query::app;
use crate::app::operations::Refused;
use crate::app::retry::{RepeatedStep, RetryPlan};

#[derive(Union)]
pub(crate) enum RetryPlanPayload {
    Plan(RetryPlanNode),
    NotFound(RunNotFoundProblem),
    State(RunStateProblem),
    Input(InputProblem),
}

/// What a retry would do.
pub(crate) struct RetryPlanNode(Box<RetryPlan>);

/// A completed effect that happens again.
#[derive(SimpleObject)]
pub(crate) struct RepeatedEffect {
    step: String,
    /// How often it was asked for to happen again, this time counted.
    times: u32,
    /// The idempotency key that it has this time.
    key: String,
    /// What its node used outside; empty for a node that orders another run.
    used: Vec<UsedOutside>,
}

/// Something that was used outside.
#[derive(SimpleObject)]
pub(crate) struct UsedOutside {
    /// `scheme://name:port`.
    destination: String,
    /// The secret that went there, if one did.
    secret: Option<String>,
    /// How often.
    count: u32,
}

impl From<RepeatedStep> for RepeatedEffect {
    fn from(repeated: RepeatedStep) -> Self {
        let used = repeated.used.into_iter();
        Self {
            step: repeated.step.to_string(),
            times: repeated.times,
            key: repeated.key,
            used: used
                .map(|used| UsedOutside {
                    destination: used.destination,
                    secret: used.secret,
                    count: used.count,
                })
                .collect(),
        }
    }
}

#[Object(name = "RetryPlan")]
impl RetryPlanNode {
    /// Id of the run that is run again.
    async fn run(&self) -> &str {
        self.0.run.id.as_str()
    }

    /// Version of the workflow that would run.
    async fn version(&self) -> u32 {
        self.0.release.stored.version
    }

    /// Number of the new run among its generations.
    async fn generation(&self) -> u32 {
        self.0.fork.lineage.generation
    }

    /// Steps whose results are taken from the run. Those of a node in rounds that follow each other are one: `each[0-6].send`.
    async fn reused(&self) -> Vec<String> {
        in_ranges(&self.0.fork.reused)
    }

    /// Steps that run again, written like the reused ones; a loop stands for everything inside it.
    async fn runs_again(&self) -> Vec<String> {
        in_ranges(&self.0.fork.runs_again)
    }

    /// Loops that go on: those results of their rounds that are reused are taken, and the rest runs.
    async fn continued(&self) -> Vec<String> {
        in_ranges(&self.0.fork.continued)
    }

    /// Those of them that run again because the newest release has them otherwise.
    async fn changed(&self) -> Vec<String> {
        self.0.changed.iter().map(ToString::to_string).collect()
    }

    /// Nodes that only the newest release has; they run, too.
    async fn added(&self) -> Vec<String> {
        self.0.added.iter().map(ToString::to_string).collect()
    }

    /// Completed effects that happen again. One that was not completed is tried again under the key that it had.
    async fn repeated(&self) -> Vec<RepeatedEffect> {
        self.0
            .repeated
            .iter()
            .cloned()
            .map(RepeatedEffect::from)
            .collect()
    }

    /// Names this plan: give it to `retryRun`, so that it does this and nothing else.
    async fn digest(&self) -> String {
        self.0.digest.to_string()
    }
}

/// Steps as texts, those of a node in rounds that follow each other as one.
fn in_ranges(steps: &[StepKey]) -> Vec<String> {
    let mut ranges: Vec<(&StepKey, u32)> = Vec::new();
    for step in steps {
        let round = step.path.last().map_or(0, |(_, round)| *round);
        match ranges.last_mut() {
            Some((first, last)) if follows(first, *last, step) => *last = round,
            _ => ranges.push((step, round)),
        }
    }
    let text = |(first, last): (&StepKey, u32)| match first.path.split_last() {
        Some(((around, round), outer)) if *round < last => {
            let outer = StepKey {
                path: outer.to_vec(),
                node: around.clone(),
            };
            format!("{outer}[{round}-{last}].{}", first.node)
        }
        _ => first.to_string(),
    };
    ranges.into_iter().map(text).collect()
}

/// Whether a step is the one of the next round.
fn follows(first: &StepKey, last: u32, step: &StepKey) -> bool {
    let (Some((around, before)), Some((other, after))) = (first.path.split_last(), step.path.split_last())
    else {
        return false;
    };
    let same_place = around.0 == other.0 && before == after && first.node == step.node;
    same_place && last.checked_add(1) == Some(other.1)
}

/// The plan of a retry.
pub(super) async fn plan(ctx: &Context<'_>, id: &str, from: &str, newest: bool) -> Result<RetryPlanPayload> {
    use RetryPlanPayload as Payload;
    let plan = app(ctx)?
        .retry_plan(&reading(ctx).await?, id, from, newest)
        .await
        .map_err(|error| fault(&error))?;
    Ok(match plan {
        Ok(plan) => Payload::Plan(RetryPlanNode(Box::new(plan))),
        Err(Refused::NotFound(message)) => Payload::NotFound(not_found(message)),
        Err(Refused::State(state, message)) => Payload::State(wrong_state(state, message)),
        Err(Refused::Field(path, message)) => Payload::Input(input_problem(vec![field(path, message)])),
        Err(Refused::Full | Refused::Conflict(_)) => {
            return Err(fault(&flowforge_store::StoreError::Stopped));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_that_follow_each_other_are_one() {
        let steps = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<StepKey>>()
        };
        let shown = in_ranges(&steps(&[
            "a",
            "l[0].s",
            "l[1].s",
            "l[2].s",
            "l[4].s",
            "l[5].t",
            "o[0].l[0].s",
            "o[0].l[1].s",
            "o[1].l[2].s",
            "b",
        ]));
        let wanted = [
            "a",
            "l[0-2].s",
            "l[4].s",
            "l[5].t",
            "o[0].l[0-1].s",
            "o[1].l[2].s",
            "b",
        ];
        assert_eq!(shown, wanted);
        assert_eq!(in_ranges(&[]), [""; 0]);
    }
}
