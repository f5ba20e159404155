//! Whether a stored receipt agrees with what is stored.

use flowforge_protocol::VerifyingKey;
use flowforge_protocol::envelope::Signed;
use flowforge_protocol::receipt::Receipt;
use flowforge_store::RunHead;
use serde_json::Value;

use crate::app::App;

/// A receipt and what is wrong with it.
pub(crate) struct Checked {
    /// The payload; null if the envelope is not believed.
    pub(crate) receipt: Value,
    /// The first disagreement.
    pub(crate) fault: Option<String>,
}

/// Verifies signature, run, release, records, chain, state and outcome.
pub(crate) fn check(app: &App, run: &RunHead, envelope: &str) -> Checked {
    let host = run.host.as_ref().and_then(|id| app.hosts.get(id));
    let key = host.and_then(|host| VerifyingKey::from_bytes(&host.state().host.identity_key).ok());
    let opened = match key {
        Some(key) => Signed::<Receipt>::open(envelope.as_bytes(), &[key]).map_err(|error| error.to_string()),
        None => Err("the host is not known any more".to_owned()),
    };
    match opened {
        Err(fault) => Checked {
            receipt: Value::Null,
            fault: Some(fault),
        },
        Ok(receipt) => Checked {
            fault: disagreement(run, receipt.document()).map(str::to_owned),
            receipt: serde_json::to_value(receipt.document()).unwrap_or_default(),
        },
    }
}

fn disagreement(run: &RunHead, receipt: &Receipt) -> Option<&'static str> {
    let checks = [
        (receipt.run_id == run.id, "it is for another run"),
        (Some(&receipt.host) == run.host.as_ref(), "it is of another host"),
        (receipt.epoch == run.epoch, "it is of another epoch"),
        (receipt.release == run.release, "it is of another release"),
        (receipt.records == run.records, "the number of records differs"),
        (Some(receipt.chain) == run.chain, "the chain differs"),
        (run.state.as_str() == receipt.state, "the final state differs"),
        (run.outcome_digest == Some(receipt.outcome), "the outcome differs"),
    ];
    checks
        .into_iter()
        .find(|(holds, _)| !holds)
        .map(|(_, fault)| fault)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flowforge_protocol::{Digest, HostId, JobId, RunId};
    use flowforge_store::{RunState, TextBytes};

    use super::*;

    fn pair() -> (RunHead, Receipt) {
        let run = RunHead {
            erased: None,
            id: RunId::from_entropy([1; 16]),
            workflow: "w".to_owned(),
            version: 1,
            release: Digest::of(b"release"),
            state: RunState::Done,
            trigger: "{}".to_owned(),
            traceparent: None,
            host: Some(HostId::from_entropy([2; 16])),
            epoch: 1,
            created_at_ms: 0,
            ended_at_ms: Some(5),
            records: 7,
            chain: Some(Digest::of(b"chain")),
            outcome_digest: Some(Digest::of(b"outcome")),
            cancel_reason: None,
            trouble: None,
            paused_by: None,
            question: None,
            wait: None,
            lineage: None,
            options: None,
            bytes: 0,
            text_bytes: TextBytes::default(),
            placement: Default::default(),
        };
        let receipt = Receipt {
            workspace: "dev".to_owned(),
            project: "default".to_owned(),
            host: HostId::from_entropy([2; 16]),
            run_id: run.id.clone(),
            epoch: 1,
            job: JobId::from_entropy([3; 16]),
            release: run.release,
            grants: Digest::of(b"grants"),
            connectors: BTreeMap::new(),
            state: "done".to_owned(),
            outcome: Digest::of(b"outcome"),
            steps: 1,
            records: 7,
            chain: Digest::of(b"chain"),
            used: Vec::new(),
            ended_at_ms: 5,
        };
        (run, receipt)
    }

    /// The outcome was not compared: the chain covers it, and a receipt could still speak of another one.
    #[test]
    fn every_disagreement_is_found() {
        let (run, receipt) = pair();
        assert_eq!(disagreement(&run, &receipt), None);
        let changed: [fn(&mut Receipt); 6] = [
            |r| r.records += 1,
            |r| r.chain = Digest::of(b"other"),
            |r| r.state = "failed".to_owned(),
            |r| r.release = Digest::of(b"other"),
            |r| r.epoch += 1,
            |r| r.outcome = Digest::of(b"other"),
        ];
        for change in changed {
            let mut wrong = receipt.clone();
            change(&mut wrong);
            assert!(disagreement(&run, &wrong).is_some(), "{wrong:?}");
        }
    }
}
