//! Workflows that are started because a run ended, as its release says in `on_done` or `on_failed`.
//!
//! What is to be started stands in the store, in the commit of the end. The request is named by the run that ended: however
//! often this is tried, and by whichever server, it starts one run.

use flowforge_core::Action;
use flowforge_protocol::RunId;
use flowforge_protocol::record::Trigger;
use flowforge_store::{ClientRequest, OwedFollowUp, Started, StoreError};
use serde_json::{Value, json};

use crate::app::starts::{StartError, StartOptions, StartRequest, new_run_id, request_body};
use crate::app::{App, LoadError};
use crate::release::ReadyRelease;

/// Ends in a row that start another run; a chain that is longer runs in a circle.
const DEPTH_MAX: u32 = 32;

/// Why nothing was started, by fault of this server: it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowUpError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// What the workflow that follows is given: see [`flowforge_workflow::model::FOLLOW_FIELDS`].
fn told(owed: &OwedFollowUp) -> Value {
    let outcome: Value = serde_json::from_str(&owed.outcome).unwrap_or_default();
    let part = |name: &str| outcome.get(name).cloned().unwrap_or_default();
    json!({
        "run": owed.run, "workflow": owed.of, "version": owed.version, "state": part("state"),
        "output": part("output"), "failure": part("failure"), "outcome": outcome,
    })
}

/// Of what an end tells, what the workflow asks for.
fn input(release: &ReadyRelease, told: Value) -> Value {
    let Value::Object(mut told) = told else {
        return told;
    };
    told.retain(|name, _| release.workflow.input.iter().any(|field| field.name == *name));
    Value::Object(told)
}

/// How many ends in a row led to a run, from what started it.
fn depth(trigger: &str) -> u32 {
    match serde_json::from_str(trigger) {
        Ok(Trigger::RunEnded { depth, .. }) => depth,
        _ => 0,
    }
}

/// Who started the first of the runs that led to one: nobody answers a question of an own run.
fn started_by(trigger: &str) -> Option<String> {
    let trigger: Trigger = serde_json::from_str(trigger).ok()?;
    trigger.started_by().map(str::to_owned)
}

impl App {
    /// Starts what follows an end, or writes down why that cannot be.
    pub(crate) async fn follow_up(&self, owed: OwedFollowUp) -> Result<(), FollowUpError> {
        let became = match self.try_to_follow(&owed).await? {
            Some(Ok(run)) => Ok(run),
            Some(Err(why)) => {
                let why: String = why.chars().take(1_000).collect();
                tracing::warn!(run_id = %owed.run, workflow = owed.workflow, why, "nothing follows the end of a run");
                Err(why)
            }
            // There is room again later, or somebody grants what is missing.
            None => return Ok(()),
        };
        let run = owed.run.clone();
        self.store.followed_up(&self.scope, run, became).await?;
        self.events.tell(&owed.run, None);
        Ok(())
    }

    /// The run that follows, or why there is none; nothing if it is to be tried again.
    async fn try_to_follow(
        &self,
        owed: &OwedFollowUp,
    ) -> Result<Option<Result<RunId, String>>, FollowUpError> {
        let depth = depth(&owed.trigger).saturating_add(1);
        if depth > DEPTH_MAX {
            let why =
                format!("{DEPTH_MAX} runs have followed each other already: the workflows run in a circle");
            return Ok(Some(Err(why)));
        }
        let release = match self.release_of(&owed.workflow, None).await {
            Ok(Some(release)) => release,
            Ok(None) => {
                let why = format!("there is no published workflow `{}`", owed.workflow);
                return Ok(Some(Err(why)));
            }
            Err(error @ LoadError::Store(_)) => return Err(error.into()),
            Err(LoadError::Release { source, .. }) => return Ok(Some(Err(source.to_string()))),
        };
        let input = input(&release, told(owed));
        let id = new_run_id().map_err(StartError::from)?;
        let request = StartRequest {
            id: id.clone(),
            requests: vec![ClientRequest {
                id: format!("after:{}", owed.run),
                body: request_body(&owed.workflow, None, &Value::Null),
            }],
            release,
            input,
            trigger: Trigger::RunEnded {
                run: owed.run.clone(),
                depth,
                started_by: started_by(&owed.trigger),
            },
            traceparent: owed.traceparent.clone(),
            lineage: None,
            options: StartOptions::default(),
            delivery: None,
        };
        let caller = self.of_plane("follow-up");
        Ok(match self.start(&caller, Action::StartRun, request).await {
            Ok(Started::New) => Some(Ok(id)),
            Ok(Started::Duplicate { run } | Started::Conflict { run }) => Some(Ok(run)),
            Err(StartError::Input(problems)) => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Some(Err(format!(
                    "what the end tells does not fit the input of `{}`: {}",
                    owed.workflow,
                    problems.join("; ")
                )))
            }
            Err(StartError::Busy { .. }) => None,
            Err(error @ StartError::Held(_)) => {
                tracing::warn!(run_id = %owed.run, %error, "what follows the end of a run waits for a grant");
                None
            }
            Err(error) => return Err(error.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_tells_how_it_was_and_counts_the_ends_before_it() {
        let owed = OwedFollowUp {
            run: RunId::from_entropy([1; 16]),
            of: "sum".to_owned(),
            version: 3,
            trigger: String::new(),
            outcome: r#"{"state":"failed","failure":{"message":"no"}}"#.to_owned(),
            traceparent: None,
            workflow: "repair".to_owned(),
        };
        let told = told(&owed);
        assert_eq!(told["state"], "failed");
        assert_eq!(told["failure"]["message"], "no");
        assert_eq!((&told["output"], &told["version"]), (&Value::Null, &json!(3)));
        let names: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, flowforge_workflow::model::FOLLOW_FIELDS);
        let trigger = Trigger::RunEnded {
            run: owed.run,
            depth: 4,
            started_by: Some("ann".to_owned()),
        };
        assert_eq!(
            started_by(&serde_json::to_string(&trigger).unwrap()).as_deref(),
            Some("ann")
        );
        assert_eq!(depth(&serde_json::to_string(&trigger).unwrap()), 4);
        assert_eq!(depth(r#"{"kind":"manual","by":"x"}"#), 0);
    }
}
