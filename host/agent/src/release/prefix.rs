//! Records that come from the control plane with a run, or from the generation before it.
//!
//! They come page by page. Each is checked as it arrives: that it is of the run, follows the one before and fits the chain;
//! the last one that the chain ends where the signed order says. Nothing of them is used before that. Their bytes are bounded.

use flowforge_protocol::chain::{ChainError, chain_start, no_fetch, records};
use flowforge_protocol::job::{RecordPrefix, Reuse};
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::step_set::StepSet;
use flowforge_workflow::{Given, RunState};

use super::fetch::Fetcher;
use super::{LoadError, Releases};
use crate::order::Refusal;
use crate::text::with_causes;

/// Largest sum of the records of a run that come from the control plane, in bytes: as many as a run may have here.
const PREFIX_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The records that an order names: their lines.
pub(super) async fn fetch(fetcher: &Fetcher, prefix: &RecordPrefix) -> Result<Vec<u8>, LoadError> {
    let refused = |reason: String| {
        LoadError::Refused(Refusal::Records {
            run: prefix.run.clone(),
            reason,
        })
    };
    let (mut next_seq, mut chain) = (0, chain_start(&prefix.run));
    let mut lines = Vec::new();
    while next_seq < prefix.count {
        let page = fetcher.records(&prefix.run, next_seq).await?;
        let is_next = page.run == prefix.run && page.first_seq == next_seq && page.count > 0;
        if !is_next || page.next_seq() > prefix.count {
            return Err(refused(format!(
                "what came is not record {next_seq} and some that follow"
            )));
        }
        page.verify(&chain)
            .map_err(|error| refused(with_causes(&error)))?;
        if lines.len() + page.lines.len() > PREFIX_BYTES_MAX {
            return Err(refused(format!("they are more than {PREFIX_BYTES_MAX} bytes")));
        }
        (next_seq, chain) = (page.next_seq(), page.chain);
        lines.extend_from_slice(&page.lines);
    }
    if chain != prefix.chain {
        return Err(refused("their chain does not end as the order says".to_owned()));
    }
    Ok(lines)
}

impl Releases {
    /// The records that a run comes with.
    pub(super) async fn prefix(&self, prefix: &RecordPrefix) -> Result<Vec<u8>, LoadError> {
        fetch(self.fetcher(), prefix).await
    }

    /// The results that a run takes from the generation before. That one's records say by which release they came about.
    pub(super) async fn reused(&self, reuse: &Reuse) -> Result<Given, LoadError> {
        let lines = self.prefix(&reuse.prefix).await?;
        let refused = |reason: String| {
            LoadError::Refused(Refusal::Records {
                run: reuse.prefix.run.clone(),
                reason,
            })
        };
        let recorded: Vec<Record> = records(&lines, 0, &no_fetch)
            .collect::<Result<_, ChainError>>()
            .map_err(|error| refused(with_causes(&error)))?;
        let Some(Event::Accepted(accepted)) = recorded.first().map(|record| &record.event) else {
            return Err(refused("they have no beginning".to_owned()));
        };
        let before = self.load(accepted.release, accepted.grants).await?;
        let plan = std::sync::Arc::clone(&before.plan);
        let state = RunState::with_rounds(plan, reuse.prefix.run.clone());
        let steps = reuse.steps.clone();
        self.readings()
            .run(None, move |_| results(state, recorded, &steps))
            .await
            .map_err(|stopping| LoadError::NotNow(stopping.to_string()))?
            .map_err(refused)
    }
}

/// The results of these steps of a run with these records; or why there are none.
fn results(mut state: RunState, recorded: Vec<Record>, steps: &StepSet) -> Result<Given, String> {
    for record in recorded {
        state.apply_owned(record).map_err(|error| with_causes(&error))?;
    }
    match state.view_only() {
        Some(why) => Err(why.to_string()),
        None => Ok(state.results_of(steps.iter())),
    }
}
