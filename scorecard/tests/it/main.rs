//! Scorecards of connectors that differ in one thing.
#![expect(clippy::unwrap_used, reason = "a fixture that lacks a part fails the test")]

use std::collections::BTreeMap;

use flowforge_ports::{
    Capability, CapabilityKind, ConnectorMeta, Effect, ExportName, HttpNeed, Interface, Needs, Operation,
    Port, SecretSlot, Type,
};
use flowforge_protocol::Used;
use flowforge_scorecard::{Grade, Observed, Scorecard, SeenCall, State, score};

/// A connector that posts a line, as its author described it well.
fn honest() -> (Interface, Observed) {
    let destination = "https://chat.example.com".to_owned();
    let meta = ConnectorMeta {
        name: "acme:chat".to_owned(),
        license: "Apache-2.0".to_owned(),
        needs: Needs {
            http: Some(HttpNeed {
                destinations: vec![destination.clone()],
                reason: "Posts.".to_owned(),
            }),
        },
        secrets: BTreeMap::from([(
            "channel".to_owned(),
            SecretSlot {
                kind: "bearer".to_owned(),
                destinations: vec![destination],
            },
        )]),
        ..ConnectorMeta::default()
    };
    let operation = Operation {
        name: "announce".to_owned(),
        export: ExportName {
            interface: None,
            function: "announce".to_owned(),
        },
        asynchronous: false,
        params: vec![Port {
            name: "line".to_owned(),
            wit_name: "line".to_owned(),
            ty: Type::String,
            docs: Some("What people read.".to_owned()),
        }],
        result: Some(Type::String),
        fails: true,
        failure: None,
        standard_failure: true,
        title: None,
        docs: Some("Post one line.".to_owned()),
        effect: Effect::Unsafe,
        trigger: None,
    };
    let interface = Interface {
        operations: vec![operation],
        capabilities: vec![Capability {
            kind: CapabilityKind::Http,
            import: "flowforge:connector/http@0.1.0".to_owned(),
        }],
        meta: Some(meta),
        ..Interface::default()
    };
    let observed = Observed {
        calls: vec![SeenCall {
            operation: "announce".to_owned(),
            place: "tests/announce.yaml:1".to_owned(),
            passed: true,
            used: vec![Used {
                destination: "https://chat.example.com:443".to_owned(),
                secret: Some("channel".to_owned()),
                count: 1,
            }],
        }],
        readme: Some("# acme:chat\n\n`announce` posts one line.".to_owned()),
    };
    (interface, observed)
}

fn declare(interface: &mut Interface, destination: &str) {
    let http = interface.meta.as_mut().unwrap().needs.http.as_mut().unwrap();
    http.destinations.push(destination.to_owned());
}

fn state(card: &Scorecard, id: &str) -> State {
    let mut checks = card.categories.iter().flat_map(|category| &category.checks);
    checks.find(|check| check.id == id).unwrap().state
}

#[test]
fn everything_that_is_shown_counts_in_full() {
    let (interface, observed) = honest();
    let card = score(&interface, &observed);
    assert_eq!((card.points, card.of), (41, 41), "{card:#?}");
    assert_eq!(
        card.grade,
        Grade::B,
        "an A needs the checks that are not made here"
    );
    assert!(card.gains().is_empty());
    let all: u32 = card
        .categories
        .iter()
        .flat_map(|category| &category.checks)
        .map(|check| check.of)
        .sum();
    assert_eq!(all, 100, "the points of version 1");
}

/// Two connectors that differ only in honesty.
#[test]
fn a_liar_loses_at_least_fifteen_points() {
    let (interface, observed) = honest();
    let best = score(&interface, &observed).points;
    let mut unused_destination = interface.clone();
    declare(&mut unused_destination, "https://other.example.com");
    let mut unused_secret = interface.clone();
    let slots = &mut unused_secret.meta.as_mut().unwrap().secrets;
    slots.insert("spare".to_owned(), SecretSlot::default());
    let mut wide = interface.clone();
    declare(&mut wide, "https://*.example.org");
    for (what, liar) in [
        ("a destination", unused_destination),
        ("a secret", unused_secret),
        ("hosts below a name", wide),
    ] {
        let card = score(&liar, &observed);
        assert!(best - card.points >= 15, "{what}: {} of {best}", card.points);
        let first = card.gains()[0];
        assert!(
            first.evidence.contains("used by none of 1 call"),
            "{}",
            first.evidence
        );
        assert!(first.next.is_some());
    }
}

#[test]
fn a_connector_that_was_never_called_has_shown_nothing() {
    let (interface, mut observed) = honest();
    observed.calls.clear();
    let card = score(&interface, &observed);
    assert!(card.points <= 41 - 15, "{}", card.points);
    assert_eq!(card.grade, Grade::D);
}

#[test]
fn what_does_not_apply_is_in_no_total() {
    let (mut interface, mut observed) = honest();
    interface.capabilities.clear();
    let meta = interface.meta.as_mut().unwrap();
    meta.needs.http = None;
    meta.secrets.clear();
    observed.calls[0].used.clear();
    let card = score(&interface, &observed);
    assert_eq!(state(&card, "secrets"), State::NotApplicable);
    assert_eq!(state(&card, "destinations"), State::NotApplicable);
    assert_eq!((card.points, card.of), (28, 28));
}

#[test]
fn a_part_without_a_word_is_named() {
    let (mut interface, observed) = honest();
    interface.operations[0].params[0].docs = None;
    let card = score(&interface, &observed);
    let first = card.gains()[0];
    assert_eq!(
        (first.id, first.evidence.as_str()),
        ("described", "without a word: announce.line")
    );
}

#[test]
fn an_example_that_fails_shows_no_operation() {
    let (interface, mut observed) = honest();
    observed.calls[0].passed = false;
    let card = score(&interface, &observed);
    let first = card.gains()[0];
    assert_eq!((first.id, first.missing()), ("examples", 3));
    assert!(
        first.evidence.ends_with("fails: tests/announce.yaml:1"),
        "{}",
        first.evidence
    );
}

#[test]
fn the_same_connector_has_the_same_bytes() {
    let (interface, observed) = honest();
    let text = |card: &Scorecard| serde_json::to_string(card).unwrap();
    assert_eq!(
        text(&score(&interface, &observed)),
        text(&score(&interface.clone(), &observed.clone()))
    );
}
