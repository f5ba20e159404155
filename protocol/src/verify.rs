//! Is a receipt true? Release → grants → connectors → host → records → result, each link checked from its bytes.
//!
//! Needs nothing but the documents, the records and the trust root, so that anybody who holds them can check a run
//! without the machine that ran it and without the server that kept it.

use serde::Serialize;

use crate::batch::RunSummary;
use crate::envelope::Signed;
use crate::grants::GrantSet;
use crate::keys::VerifyingKey;
use crate::receipt::Receipt;
use crate::release::Release;
use crate::trust::TrustRoot;

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
    /// `release`, `grants`, `receipt`, `connectors`, `records`, `result` or `used`.
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

/// Number of links in a complete report.
const LINKS: usize = 7;

/// Checks a receipt against everything it speaks of. `host` is the identity key that the host registered with.
#[must_use]
pub fn verify_run(evidence: &Evidence<'_>, trust: &TrustRoot, host: &VerifyingKey) -> Report {
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
            differ("release", &grants.release, &release.digest()),
        ],
    );
    let receipt = match Signed::<Receipt>::open(evidence.receipt, std::slice::from_ref(host)) {
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
            differ("workspace", &receipt.workspace, &trust.workspace),
            differ("release", &receipt.release, &release.digest()),
            differ("grants", &receipt.grants, &grants.digest()),
        ],
    );
    report.add(
        "connectors",
        format!("{} by digest", receipt.connectors.len()),
        &[unpinned_connector(&receipt, &release)],
    );
    check_run(report, &receipt, &grants, evidence.lines)
}

/// The links from the receipt to what was recorded.
fn check_run(mut report: Report, receipt: &Receipt, grants: &GrantSet, lines: &[u8]) -> Report {
    let summary = match RunSummary::of(&receipt.run_id, lines) {
        Ok(summary) => summary,
        Err(error) => return report.broken("records", error),
    };
    report.add(
        "records",
        format!(
            "{} records, {} steps, chain {}",
            summary.records, summary.steps, summary.chain
        ),
        &[
            differ("chain", &summary.chain, &receipt.chain),
            differ("number of records", &summary.records, &receipt.records),
            differ("number of steps", &summary.steps, &receipt.steps),
            differ("number of steps recorded twice", &summary.steps_repeated, &0),
            differ("job", &summary.job, &receipt.job),
            differ("release", &summary.release, &receipt.release),
            differ("grants", &summary.grants, &receipt.grants),
        ],
    );
    let Some(outcome) = &summary.outcome else {
        return report.broken("result", "the records do not say how the run ended");
    };
    report.add(
        "result",
        format!("{}, {}", outcome.state(), receipt.outcome),
        &[
            differ("state", &outcome.state(), &receipt.state.as_str()),
            differ("digest", &outcome.digest(), &receipt.outcome),
        ],
    );
    let count: u64 = receipt.used.values().sum();
    report.add(
        "used",
        format!("{count} uses of {} grants", receipt.used.len()),
        &[ungranted_use(receipt, grants), unstated_use(receipt, &summary)],
    );
    report
}

fn differ<T: PartialEq + std::fmt::Display>(what: &str, found: &T, expected: &T) -> Option<String> {
    (found != expected).then(|| format!("{what} is {found}, expected {expected}"))
}

/// Every connector that ran must be pinned in the release with the same bytes.
fn unpinned_connector(receipt: &Receipt, release: &Release) -> Option<String> {
    receipt
        .connectors
        .iter()
        .find_map(|(name, ran)| match release.connectors.get(name) {
            Some(pinned) if pinned.digest == *ran => None,
            Some(pinned) => Some(format!("{name} ran as {ran}, the release pins {}", pinned.digest)),
            None => Some(format!("{name} ran, the release does not pin it")),
        })
}

/// Everything used outside must be granted to some node.
fn ungranted_use(receipt: &Receipt, grants: &GrantSet) -> Option<String> {
    let granted = |what: &str| match what
        .strip_prefix("secret ")
        .and_then(|rest| rest.split_once(" → "))
    {
        Some((secret, destination)) => {
            grants
                .nodes
                .values()
                .flat_map(|node| node.secrets.values())
                .any(|grant| {
                    grant.secret == secret && grant.destinations.iter().any(|allowed| allowed == destination)
                })
        }
        None => grants
            .nodes
            .values()
            .any(|node| node.destinations.iter().any(|allowed| allowed == what)),
    };
    let what = receipt.used.keys().find(|what| !granted(what))?;
    Some(format!("`{what}` was used and is not granted"))
}

/// What the records say was used must stand in the receipt at least as often; failed attempts add to it.
fn unstated_use(receipt: &Receipt, summary: &RunSummary) -> Option<String> {
    let stated = |what: &str| receipt.used.get(what).copied().unwrap_or(0);
    let (what, count) = summary.used.iter().find(|(what, count)| stated(what) < **count)?;
    Some(format!(
        "`{what}` was used {count} times, the receipt says {}",
        stated(what)
    ))
}
