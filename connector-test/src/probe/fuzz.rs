//! Made-up inputs, and the smallest one that breaks an operation.

use flowforge_protocol::Digest;
use flowforge_scorecard::Trial;
use serde_json::{Map, Value};

use super::dice::Dice;
use super::setting::{Setting, Trying, broken};
use super::shrink::smaller_inputs;
use super::{CORPUS, Trials};
use crate::TestError;
use crate::compare::shown;

/// Calls that are spent on making one input smaller.
const SHRINK_CALLS_MAX: usize = 300;

impl Trials<'_> {
    /// Calls an operation with made-up inputs until one breaks it.
    pub(super) async fn fuzz(&mut self, setting: &Setting<'_>, inputs: u32) -> Result<Trial, TestError> {
        let name = setting.operation.name.as_bytes();
        let seed = Digest::of_parts(&[self.digest.as_bytes(), CORPUS, name]);
        let mut dice = Dice::of(&seed);
        let examples: Vec<Map<String, Value>> = setting
            .examples
            .iter()
            .map(|example| example.input.clone())
            .collect();
        let mut problem = None;
        for _ in 0..inputs {
            let input = self.maker.input(setting.operation, &examples, &mut dice);
            if self.breaks(setting, &input).await?.is_some() {
                let smallest = self.shrink(setting, input).await?;
                let how = self.breaks(setting, &smallest).await?;
                problem = how.map(|how| format!("{how}, with {}", shown(&Value::Object(smallest))));
                break;
            }
        }
        Ok(Trial {
            operation: setting.operation.name.clone(),
            what: "made-up inputs".to_owned(),
            problem,
        })
    }

    /// How an input breaks the operation, if it does.
    async fn breaks(
        &mut self,
        setting: &Setting<'_>,
        input: &Map<String, Value>,
    ) -> Result<Option<String>, TestError> {
        let played = setting
            .try_call(self.stage, &self.digest, Trying::of(input, b"fuzz"))
            .await?;
        self.watch(&played, input, "a made-up input");
        Ok(broken(&played.ended))
    }

    async fn shrink(
        &mut self,
        setting: &Setting<'_>,
        mut input: Map<String, Value>,
    ) -> Result<Map<String, Value>, TestError> {
        let mut left = SHRINK_CALLS_MAX;
        loop {
            let mut found = None;
            for next in smaller_inputs(&self.maker, setting.operation, &input) {
                if left == 0 {
                    return Ok(input);
                }
                left = left.saturating_sub(1);
                if self.breaks(setting, &next).await?.is_some() {
                    found = Some(next);
                    break;
                }
            }
            match found {
                Some(next) => input = next,
                None => return Ok(input),
            }
        }
    }
}
