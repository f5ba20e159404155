//! Is a receipt true? Release → grants → connectors → host → records → result, each link checked from its bytes.
//!
//! Needs nothing but the documents, the records and the trust root, so that anybody who holds them can check a run
//! without the machine that ran it and without the server that kept it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::chain::ChainError;
use crate::envelope::Signed;
use crate::facts::RunFacts;
use crate::grants::GrantSet;
use crate::keys::VerifyingKey;
use crate::receipt::Receipt;
use crate::release::Release;
use crate::trust::TrustRoot;
use crate::{HostId, RunId};

/// What is to be checked: all of it as stored, nothing of it believed.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Envelope of the release.
    pub release: &'a [u8],
    /// Envelope of the grant set.
    pub grants: &'a [u8],
    /// Envelope of the receipt.
    pub receipt: &'a [u8],
    /// All records of the run, lines from `seq` 0.
    pub lines: &'a [u8],
}

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `release`, `grants`, `receipt`, `records`, `connectors`, `result` or `used`.
    pub link: &'static str,
    /// What was found, for people.
    pub found: String,
    /// What is wrong, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The outcome of all checks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The links, in their order. A link that a broken one leads to is missing.
    pub checks: Vec<Check>,
    /// The receipt, if its signature is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl Report {
    /// Whether every link was checked and holds.
    #[must_use]
    pub fn valid(&self) -> bool {
        self.checks.len() == LINKS && self.checks.iter().all(|check| check.problem.is_none())
    }

    /// The first thing that is wrong, for people.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let broken = self.checks.iter().find(|check| check.problem.is_some())?;
        Some(format!(
            "{}: {}",
            broken.link,
            broken.problem.as_deref().unwrap_or_default()
        ))
    }

    fn add(&mut self, link: &'static str, found: String, problems: &[Option<String>]) {
        let problem = problems.iter().flatten().next().cloned();
        self.checks.push(Check { link, found, problem });
    }

    fn broken(mut self, link: &'static str, problem: impl ToString) -> Self {
        self.add(link, String::new(), &[Some(problem.to_string())]);
        self
    }
}

/// Which run is asked about. A true receipt of another run, another host or an earlier epoch proves nothing of it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The host that had it.
    pub host: &'a HostId,
    /// The identity key with which that host registered.
    pub key: &'a VerifyingKey,
    /// The run's fencing number.
    pub epoch: u64,
}

/// Number of links in a complete report.
const LINKS: usize = 7;

/// Checks a receipt against everything it speaks of.
#[must_use]
pub fn verify_run(evidence: &Evidence<'_>, trust: &TrustRoot, asked: &Asked<'_>) -> Report {
    let mut report = Report {
        checks: Vec::with_capacity(LINKS),
        receipt: None,
    };
    let release = match Signed::<Release>::open(evidence.release, &trust.release_keys) {
        Ok(release) => release,
        Err(error) => return report.broken("release", error),
    };
    report.add(
        "release",
        format!(
            "{} version {}, {}",
            release.workflow,
            release.version,
            release.digest()
        ),
        &[differ("workspace", &release.workspace, &trust.workspace)],
    );
    let grants = match Signed::<GrantSet>::open(evidence.grants, &trust.grant_keys) {
        Ok(grants) => grants,
        Err(error) => return report.broken("grants", error),
    };
    report.add(
        "grants",
        format!("version {}, {}", grants.version, grants.digest()),
        &[
            differ("workspace", &grants.workspace, &trust.workspace),
            differ("project", &grants.project, &release.project),
            differ("release", &grants.release, &release.digest()),
        ],
    );
    let receipt = match Signed::<Receipt>::open(evidence.receipt, std::slice::from_ref(asked.key)) {
        Ok(receipt) => receipt,
        Err(error) => return report.broken("receipt", error),
    };
    report.receipt = Some(receipt.document().clone());
    report.add(
        "receipt",
        format!(
            "signed by host {}, key {}",
            receipt.host,
            receipt.key_id().short()
        ),
        &[
            differ("run", &receipt.run_id, asked.run),
            differ("host", &receipt.host, asked.host),
            differ("epoch", &receipt.epoch, &asked.epoch),
            differ("workspace", &receipt.workspace, &trust.workspace),
            differ("project", &receipt.project, &release.project),
            differ("release", &receipt.release, &release.digest()),
            differ("grants", &receipt.grants, &grants.digest()),
        ],
    );
    check_run(report, &receipt, &release, &grants, evidence.lines)
}

/// The links from the receipt to what was recorded.
fn check_run(
    mut report: Report,
    receipt: &Receipt,
    release: &Release,
    grants: &GrantSet,
    lines: &[u8],
) -> Report {
    let (facts, chain) = match RunFacts::of(&receipt.run_id, lines) {
        Ok(found) => found,
        Err(error) => return report.broken("records", error),
    };
    let Some(accepted) = facts.accepted() else {
        return report.broken("records", ChainError::NoBeginning);
    };
    report.add(
        "records",
        format!(
            "{} records, {} steps, chain {chain}",
            facts.records(),
            facts.steps()
        ),
        &[
            differ("chain", &chain, &receipt.chain),
            differ("number of records", &facts.records(), &receipt.records),
            differ("number of steps", &facts.steps(), &receipt.steps),
            differ("number of steps recorded twice", &facts.steps_repeated(), &0),
            differ("workspace", &accepted.workspace, &receipt.workspace),
            differ("project", &accepted.project, &receipt.project),
            differ("job", accepted.origin.job(), &receipt.job),
            differ("release", &accepted.release, &receipt.release),
            differ("grants", &accepted.grants, &receipt.grants),
        ],
    );
    report.add(
        "connectors",
        format!("{} ran, by digest", receipt.connectors.len()),
        &[wrong_connector(receipt, release, &facts)],
    );
    let Some(outcome) = facts.outcome() else {
        return report.broken("result", "the records do not say how the run ended");
    };
    report.add(
        "result",
        format!("{}, {}", outcome.state(), receipt.outcome),
        &[
            differ("state", &outcome.state(), &receipt.state.as_str()),
            differ("digest", &outcome.digest(), &receipt.outcome),
            differ("end", &facts.last_at_ms(), &receipt.ended_at_ms),
        ],
    );
    let count: u64 = receipt.used.iter().map(|used| u64::from(used.count)).sum();
    report.add(
        "used",
        format!("{count} uses of {} grants", receipt.used.len()),
        &[
            ungranted_use(&facts, grants),
            (receipt.used != facts.used())
                .then(|| "the receipt and the records name different uses".to_owned()),
        ],
    );
    report
}

fn differ<T: PartialEq + std::fmt::Display>(what: &str, found: &T, expected: &T) -> Option<String> {
    (found != expected).then(|| format!("{what} is {found}, expected {expected}"))
}

/// The connectors of the receipt must be those of the nodes of which attempts were made, with the bytes that the release
/// pins: no other, and none missing.
fn wrong_connector(receipt: &Receipt, release: &Release, facts: &RunFacts) -> Option<String> {
    let ran: BTreeSet<&String> = facts
        .tried()
        .iter()
        .filter_map(|node| release.calls.get(node))
        .collect();
    let missing = ran.iter().find(|name| !receipt.connectors.contains_key(**name));
    if let Some(name) = missing {
        return Some(format!("{name} ran, the receipt does not name it"));
    }
    receipt.connectors.iter().find_map(|(name, digest)| {
        let pinned = release.connectors.get(name);
        match pinned {
            None => Some(format!("{name} ran, the release does not pin it")),
            Some(pinned) if pinned.digest != *digest => Some(format!(
                "{name} ran as {digest}, the release pins {}",
                pinned.digest
            )),
            Some(_) if !ran.contains(name) => Some(format!(
                "the receipt names {name}, and no attempt of it is recorded"
            )),
            Some(_) => None,
        }
    })
}

/// Everything that a node used outside must be granted to this node.
fn ungranted_use(facts: &RunFacts, grants: &GrantSet) -> Option<String> {
    facts.used_by_node().find_map(|(node, used)| {
        let wrong = used.iter().find(|used| !grants.allows(node, &used.what()))?;
        let secret = wrong.secret.as_ref().map(|name| format!(" with secret {name}"));
        Some(format!(
            "`{node}` used {}{}, which is not granted to it",
            wrong.destination,
            secret.unwrap_or_default()
        ))
    })
}
