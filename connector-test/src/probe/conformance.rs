//! Rules that every connector keeps, tried on every operation.

use std::collections::BTreeSet;

use flowforge_ports::Trigger;
use flowforge_scorecard::{SMALLEST_INPUT, Trial};
use serde_json::{Map, Value};

use super::Trials;
use super::setting::{Setting, Trying, broken};
use crate::TestError;
use crate::compare::shown;
use crate::play::{Ended, Played};

/// Values at bounds that are tried of one port.
const BOUNDS_MAX: usize = 32;

impl Trials<'_> {
    pub(super) async fn conformance(&mut self, setting: &Setting<'_>) -> Result<Vec<Trial>, TestError> {
        let smallest = self.maker.smallest_input(setting.operation);
        let base = setting
            .examples
            .first()
            .map_or(&smallest, |example| &example.input);
        let mut trials = vec![
            self.trial(setting, SMALLEST_INPUT, {
                let played = self.call(setting, &smallest).await?;
                broken(&played.ended)
            }),
            self.trial(
                setting,
                "ports at their bounds",
                self.bounds(setting, base).await?,
            ),
            self.trial(setting, "the same call twice", self.twice(setting, base).await?),
        ];
        if let Some(trigger) = setting.operation.trigger {
            let problem = self.events(setting, trigger).await?;
            trials.push(self.trial(setting, "events", problem));
        }
        Ok(trials)
    }

    fn trial(&self, setting: &Setting<'_>, what: &str, problem: Option<String>) -> Trial {
        Trial {
            operation: setting.operation.name.clone(),
            what: what.to_owned(),
            problem,
        }
    }

    async fn call(&self, setting: &Setting<'_>, input: &Map<String, Value>) -> Result<Played, TestError> {
        setting
            .try_call(self.stage, &self.digest, Trying::of(input, b"conformance"))
            .await
    }

    /// Each port at each of its bounds, the others as in an example.
    async fn bounds(
        &self,
        setting: &Setting<'_>,
        base: &Map<String, Value>,
    ) -> Result<Option<String>, TestError> {
        for port in &setting.operation.params {
            for value in self.maker.bounds(&port.ty).into_iter().take(BOUNDS_MAX) {
                let mut input = base.clone();
                input.insert(port.name.clone(), value.clone());
                let played = self.call(setting, &input).await?;
                if let Some(how) = broken(&played.ended) {
                    return Ok(Some(format!("{how}, with {} = {}", port.name, shown(&value))));
                }
            }
        }
        Ok(None)
    }

    /// With the same clock and the same randomness, the same call gives the same answer.
    async fn twice(
        &self,
        setting: &Setting<'_>,
        base: &Map<String, Value>,
    ) -> Result<Option<String>, TestError> {
        let first = self.call(setting, base).await?;
        let second = self.call(setting, base).await?;
        let differ = match (&first.ended, &second.ended) {
            (Ended::Result(first), Ended::Result(second)) => {
                crate::compare::differences(first, second).into_iter().next()
            }
            (Ended::Failure(first), Ended::Failure(second)) if first == second => None,
            _ => Some("once a result, once a failure, or another failure".to_owned()),
        };
        Ok(broken(&first.ended)
            .or_else(|| differ.map(|differ| format!("the second answer is another: {differ}"))))
    }

    /// Some example gives events, and those of each have texts of their own as ids.
    async fn events(&self, setting: &Setting<'_>, trigger: Trigger) -> Result<Option<String>, TestError> {
        let mut any = false;
        for example in &setting.examples {
            let played = self.call(setting, &example.input).await?;
            let Ended::Result(found) = &played.ended else {
                continue;
            };
            let events = match trigger {
                Trigger::Poll => found.get("events"),
                Trigger::Webhook => Some(found),
            };
            let mut ids = BTreeSet::new();
            for event in events.and_then(Value::as_array).into_iter().flatten() {
                any = true;
                let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
                if id.is_empty() || !ids.insert(id) {
                    return Ok(Some(format!("two events, or one without, have the id {id:?}")));
                }
            }
        }
        Ok((!any).then(|| "no example gives events".to_owned()))
    }
}
