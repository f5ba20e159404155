//! Services and hosts that fail: at each of the first requests of an example, and what becomes of the call then.

use std::time::Duration;

use flowforge_ports::Effect;
use flowforge_scorecard::Trial;

use super::Trials;
use super::setting::{Example, Setting, Trying, broken};
use crate::TestError;
use crate::case::told;
use crate::mock::AnswerKind;
use crate::network::{Fault, SeenRequest};
use crate::play::{Ended, Played};

/// Requests of an example that meet faults, from the first on.
const REQUESTS_MAX: usize = 8;

/// By how much the clock goes back in the trial that says so.
const BACK_MS: u64 = 3_600_000;

/// Something that goes wrong.
struct Kind {
    what: &'static str,
    answer: Option<AnswerKind>,
    after: Duration,
    /// Whether the service did nothing, so that every operation may try again and end well.
    harmless: bool,
}

impl Trials<'_> {
    /// Lets services and hosts fail under the first example that makes requests and ends well. The second list says whether
    /// what is asked again is the same.
    pub(super) async fn faults(
        &mut self,
        setting: &Setting<'_>,
    ) -> Result<(Vec<Trial>, Vec<Trial>), TestError> {
        let (mut faults, mut repeats) = (Vec::new(), Vec::new());
        let Some((example, requests)) = self.with_requests(setting).await? else {
            return Ok((faults, repeats));
        };
        for at in 0..requests.min(REQUESTS_MAX) {
            for kind in kinds() {
                let is_kill = matches!(kind.answer, Some(AnswerKind::Kill));
                let fault = Fault {
                    at: Some(at),
                    kind: kind.answer,
                    after: kind.after,
                };
                let trying = Trying {
                    fault,
                    ..Trying::of(&example.input, b"faults")
                };
                let played = setting.try_call(self.stage, &self.digest, trying).await?;
                self.watch(&played, &example.input, &example.place);
                let what = format!("{} at request {}", kind.what, at.saturating_add(1));
                faults.push(Trial {
                    operation: setting.operation.name.clone(),
                    what: what.clone(),
                    problem: wrong(&played, kind.harmless),
                });
                if is_kill && setting.operation.effect.is_repeatable() {
                    repeats.push(Trial {
                        operation: setting.operation.name.clone(),
                        what,
                        problem: unlike(setting.operation.effect, &self.stage.network.seen()),
                    });
                }
            }
        }
        let trying = Trying {
            back_ms: BACK_MS,
            ..Trying::of(&example.input, b"faults")
        };
        let played = setting.try_call(self.stage, &self.digest, trying).await?;
        faults.push(Trial {
            operation: setting.operation.name.clone(),
            what: "the clock goes back an hour".to_owned(),
            problem: wrong(&played, true),
        });
        Ok((faults, repeats))
    }

    /// The first example that makes requests and ends with a result, and how many it makes.
    async fn with_requests<'s>(
        &self,
        setting: &'s Setting<'_>,
    ) -> Result<Option<(&'s Example, usize)>, TestError> {
        for example in &setting.examples {
            let played = setting
                .try_call(self.stage, &self.digest, Trying::of(&example.input, b"faults"))
                .await?;
            let requests = self.stage.network.seen().iter().map(Vec::len).sum();
            if requests > 0 && matches!(played.ended, Ended::Result(_)) {
                return Ok(Some((example, requests)));
            }
        }
        Ok(None)
    }
}

fn kinds() -> [Kind; 8] {
    let respond = |status: u16, headers: &[(&str, &str)], body: &str| {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Some(AnswerKind::Respond {
            status,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        })
    };
    let kind = |what, answer, harmless| Kind {
        what,
        answer,
        after: Duration::ZERO,
        harmless,
    };
    [
        kind(
            "429 with retry-after",
            respond(429, &[("retry-after", "7")], ""),
            true,
        ),
        kind(
            "503",
            respond(503, &[("content-type", "text/html")], "<p>busy</p>"),
            true,
        ),
        kind("no connection", Some(AnswerKind::Unreachable), true),
        kind("a broken connection", Some(AnswerKind::Reset), false),
        kind("no answer", Some(AnswerKind::Hang), false),
        kind(
            "an answer of another kind",
            respond(200, &[("content-type", "text/html")], "<p>{"),
            false,
        ),
        Kind {
            after: Duration::from_secs(30),
            ..kind("a slow answer", None, true)
        },
        kind("the host dies", Some(AnswerKind::Kill), false),
    ]
}

/// What is wrong with how a call ended after one fault.
fn wrong(played: &Played, harmless: bool) -> Option<String> {
    if let Some(how) = broken(&played.ended) {
        return Some(how);
    }
    match &played.ended {
        Ended::Failure(failure) if harmless => Some(format!("it gives up, {}", told(failure))),
        _ => None,
    }
}

/// How a repeated attempt asks for something else than the one before it.
fn unlike(effect: Effect, seen: &[Vec<SeenRequest>]) -> Option<String> {
    let [.., first, second] = seen else {
        return Some("nothing was asked again".to_owned());
    };
    for (before, after) in first.iter().zip(second) {
        let keyed = matches!(effect, Effect::Keyed { .. });
        if keyed && !is_reading(before) && !(before.has_key && after.has_key) {
            return Some(format!(
                "{} does not carry the idempotency key of the step both times",
                before.what
            ));
        }
        if before.digest != after.digest {
            return Some(format!(
                "{} and then {}: another request",
                before.what, after.what
            ));
        }
    }
    None
}

/// A request that changes nothing needs no key.
fn is_reading(request: &SeenRequest) -> bool {
    ["GET ", "HEAD ", "OPTIONS "]
        .iter()
        .any(|method| request.what.starts_with(method))
}
