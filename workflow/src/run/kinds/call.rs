//! `call`: an attempt of a connector's operation, repeated where that is safe.

use flowforge_protocol::record::Event;
use flowforge_protocol::{Digest, Failure};
use serde_json::{Map, Value};

use super::super::Invoke;
use super::{Start, Started, template_failed};
use crate::expr::{Scope, Template};
use crate::plan::CallPlan;
use crate::run::Command;
use crate::run::retry;

pub(super) fn begin(start: &Start<'_>, call: &CallPlan) -> Started {
    let input = match start.state.undo_input(start, call) {
        Some(input) => input?,
        None => start.call_input(call, &start.names())?,
    };
    let step = start.state.step(start.at);
    let attempt = step.map_or(0, |step| step.attempts).saturating_add(1);
    Ok(Command::Invoke(Box::new(Invoke {
        step: start.key.clone(),
        node: start.key.node.clone(),
        attempt,
        repeats: start.state.repeats(start.key),
        connector: call.connector.clone(),
        operation: call.operation.clone(),
        input,
        timeout_ms: call.timeout_ms,
        idle_timeout_ms: call.idle_timeout_ms,
        effect: call.effect,
    })))
}

impl Start<'_> {
    /// What a call is made with, by these names.
    pub(in crate::run) fn call_input(
        &self,
        call: &CallPlan,
        names: &dyn Scope,
    ) -> Result<Map<String, Value>, Failure> {
        let mut input = Map::with_capacity(call.with.len());
        for (port, template) in &call.with {
            let value = match template {
                // The commonest case, without building the text of its place.
                Template::Constant(value) => value.clone(),
                template => {
                    let place = || format!("with.{port}");
                    let seed = template.needs_seed().then(|| self.state.seed(self.key, &place()));
                    let context = self.effort.context(self.ready_at_ms).seeded(seed.as_deref());
                    template
                        .evaluate(names, context)
                        .map_err(|failure| template_failed(self.key, &place(), &failure))?
                }
            };
            input.insert(port.clone(), value);
        }
        Ok(input)
    }
}

/// Goes on with a step whose host stopped while an attempt may have had an effect.
///
/// It is repeated only where that is safe, and only with the very input that was recorded: an evaluator that gives
/// another one today must not send another body under the same key. Anything else is a person's to look at.
pub(in crate::run) fn go_on(start: &Start<'_>, call: &CallPlan) -> Started {
    let Some(step) = start.state.step(start.at) else {
        return begin(start, call);
    };
    let unknown = retry::after_stop(call.effect, step.first_intent_ms, start.now.ms).err();
    let begun = match unknown {
        Some(failure) => Err(failure),
        None => begin(start, call),
    };
    let begun = match begun {
        Ok(Command::Invoke(invoke)) => {
            let found = Digest::of_json(&Value::Object(invoke.input.clone()));
            match step.input_digest {
                Some(recorded) if recorded != found => Err(retry::input_changed(&recorded, &found)),
                _ => Ok(Command::Invoke(invoke)),
            }
        }
        other => other,
    };
    begun.or_else(|failure| Ok(review(start, failure)))
}

/// A person is to look at the step.
pub(in crate::run) fn review(start: &Start<'_>, failure: Failure) -> Command {
    let attempt = start.state.step(start.at).map_or(0, |step| step.attempts);
    Command::Record(Event::AwaitOpened {
        step: start.key.clone(),
        awaits: flowforge_protocol::awaited::Await::Review { attempt, failure },
        due_ms: None,
    })
}
