//! A receipt checked against everything it speaks of, and each way in which it can be false.

use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::grants::GrantSet;
use flowforge_protocol::receipt::Receipt;
use flowforge_protocol::release::Release;
use flowforge_protocol::verify::{Asked, Evidence, Report, verify_run};
use flowforge_protocol::{Digest, SigningKey};

use crate::documents as doc;

struct Case {
    release: Release,
    release_key: SigningKey,
    grants: GrantSet,
    receipt: Receipt,
    receipt_key: SigningKey,
    lines: Vec<u8>,
}

fn case() -> Case {
    Case {
        release: doc::release(),
        release_key: doc::key(doc::RELEASE),
        grants: doc::grant_set(),
        receipt: doc::receipt(),
        receipt_key: doc::key(doc::HOST),
        lines: doc::records().lines,
    }
}

impl Case {
    fn report(&self) -> Report {
        let release = sign_document(&self.release, &self.release_key).unwrap();
        let grants = sign_document(&self.grants, &doc::key(doc::GRANTS)).unwrap();
        let receipt = sign_document(&self.receipt, &self.receipt_key).unwrap();
        let evidence = Evidence {
            release: release.as_bytes(),
            grants: grants.as_bytes(),
            receipt: receipt.as_bytes(),
            lines: &self.lines,
        };
        let key = doc::key(doc::HOST).verifying_key();
        let (run, host) = (self.receipt.run_id.clone(), self.receipt.host.clone());
        verify_run(&evidence, &doc::trust_root(), &doc::asked(&run, &host, &key))
    }

    fn problem(&self) -> String {
        let report = self.report();
        assert!(!report.valid());
        report.problem().unwrap()
    }
}

#[test]
fn a_true_receipt_is_valid_in_every_link() {
    let report = case().report();
    assert_eq!(report.problem(), None);
    assert!(report.valid());
    let links: Vec<_> = report.checks.iter().map(|check| check.link).collect();
    assert_eq!(
        links,
        [
            "release",
            "grants",
            "receipt",
            "records",
            "connectors",
            "result",
            "used"
        ]
    );
    assert_eq!(report.receipt, Some(doc::receipt()));
}

#[test]
fn a_release_or_receipt_by_another_key_is_not_believed() {
    let stranger = || doc::key(42);
    let by_stranger = Case {
        release_key: stranger(),
        ..case()
    };
    assert!(by_stranger.problem().starts_with("release: signed by key"));
    let by_stranger = Case {
        receipt_key: stranger(),
        ..case()
    };
    assert!(by_stranger.problem().starts_with("receipt: signed by key"));
}

#[test]
fn another_release_or_grant_set_is_noticed() {
    let mut other = case();
    other.release.version = 2;
    assert!(other.problem().starts_with("grants: release is"));
    let mut other = case();
    other.grants.version = 2;
    assert!(other.problem().starts_with("receipt: grants is"));
}

#[test]
fn other_bytes_than_the_pinned_ones_are_noticed() {
    let mut wrong = case();
    wrong
        .receipt
        .connectors
        .insert("demo:quake-text".to_owned(), Digest::of(b"evil"));
    assert!(wrong.problem().starts_with("connectors: demo:quake-text ran as"));
    let mut unknown = case();
    unknown
        .receipt
        .connectors
        .insert("demo:extra".to_owned(), Digest::of(b"extra"));
    assert!(unknown.problem().contains("the release does not pin it"));
}

#[test]
fn every_changed_byte_of_the_records_is_noticed() {
    let good = case();
    for at in 0..good.lines.len() {
        let mut bad = case();
        bad.lines[at] ^= 1;
        assert!(!bad.report().valid(), "byte {at}");
    }
    let cut = good.lines.iter().rposition(|b| *b == b'{').unwrap();
    assert!(
        !Case {
            lines: good.lines[..cut].to_vec(),
            ..case()
        }
        .report()
        .valid()
    );
    assert!(
        !Case {
            lines: Vec::new(),
            ..case()
        }
        .report()
        .valid()
    );
}

#[test]
fn a_receipt_that_says_something_else_than_the_records_is_noticed() {
    type Lie = fn(&mut Receipt);
    let lies: [(&str, Lie); 9] = [
        ("records: chain", |r| r.chain = Digest::of(b"x")),
        ("records: number of records", |r| r.records += 1),
        ("records: number of steps", |r| r.steps += 1),
        ("receipt: project", |r| r.project = "other".to_owned()),
        ("connectors: demo:quake-text ran, the receipt does not", |r| {
            r.connectors.clear();
        }),
        ("result: state", |r| r.state = "failed".to_owned()),
        ("result: digest", |r| r.outcome = Digest::of(b"x")),
        ("used: the receipt and the records name different uses", |r| {
            r.used.pop();
        }),
        ("result: end", |r| r.ended_at_ms += 1),
    ];
    for (expected, lie) in lies {
        let mut case = case();
        lie(&mut case.receipt);
        let problem = case.problem();
        assert!(problem.starts_with(expected), "{problem}");
    }
}

/// Both nodes had grants, and the union of them was what a use was compared with: a node could use what only another one
/// was granted.
#[test]
fn a_use_that_only_another_node_is_granted_is_noticed() {
    let mut moved = case();
    let grants = moved.grants.nodes.remove(&"label".parse().unwrap()).unwrap();
    moved.grants.nodes.insert("notify".parse().unwrap(), grants);
    moved.receipt.grants = doc::digest(&moved.grants);
    let problem = moved.problem();
    assert!(
        problem.starts_with("records: grants is") || problem.starts_with("used: `label` used"),
        "{problem}"
    );
}

#[test]
fn a_true_receipt_of_another_run_host_or_epoch_proves_nothing() {
    let case = case();
    let (release, grants, receipt) = (
        sign_document(&case.release, &case.release_key).unwrap(),
        sign_document(&case.grants, &doc::key(doc::GRANTS)).unwrap(),
        sign_document(&case.receipt, &case.receipt_key).unwrap(),
    );
    let evidence = Evidence {
        release: release.as_bytes(),
        grants: grants.as_bytes(),
        receipt: receipt.as_bytes(),
        lines: &case.lines,
    };
    let key = doc::key(doc::HOST).verifying_key();
    let (run, host) = (doc::run_id(), doc::host_id());
    let right = doc::asked(&run, &host, &key);
    assert!(verify_run(&evidence, &doc::trust_root(), &right).valid());
    let other_run = flowforge_protocol::RunId::from_entropy([1; 16]);
    let other_host = flowforge_protocol::HostId::from_entropy([1; 16]);
    let asked = [
        Asked {
            run: &other_run,
            ..right
        },
        Asked {
            host: &other_host,
            ..right
        },
        Asked { epoch: 2, ..right },
    ];
    for asked in asked {
        assert!(!verify_run(&evidence, &doc::trust_root(), &asked).valid());
    }
}
