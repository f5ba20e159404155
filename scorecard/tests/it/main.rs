//! Scorecards of connectors that differ in one thing.
#![expect(clippy::unwrap_used, reason = "a fixture that lacks a part fails the test")]

use std::collections::BTreeMap;

use flowforge_ports::{
    Capability, CapabilityKind, ConnectorMeta, Effect, ExportName, HttpNeed, Interface, Needs, Operation,
    Port, SecretSlot, Type,
};
use flowforge_protocol::Used;
use flowforge_scorecard::{
    Check, FUZZ_INPUTS, Gate, Grade, Measured, Observed, SMALLEST_INPUT, Scorecard, SeenCall, State, Trial,
    Weight, score,
};

/// A connector that posts a line, as its author described it well.
fn honest() -> (Interface, Observed) {
    let destination = "https://chat.example.com".to_owned();
    let meta = ConnectorMeta {
        name: "acme:chat".to_owned(),
        version: "0.1.0".to_owned(),
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
        changelog: Some("# Changes\n\n## 0.1.0\n\n- The first.\n".to_owned()),
        rebuilt: Some(Ok(())),
        parts: Some(Ok(2)),
        version: Some(Ok("0.1.0 is right after 0.0.9".to_owned())),
        measured: Some(measured()),
        gates: vec![Gate {
            name: "licence".to_owned(),
            shut: None,
        }],
    };
    (interface, observed)
}

fn held(what: &str) -> Trial {
    Trial {
        operation: "announce".to_owned(),
        what: what.to_owned(),
        problem: None,
    }
}

/// Trials in which nothing went wrong.
fn measured() -> Measured {
    Measured {
        hidden: Vec::new(),
        conformance: vec![held(SMALLEST_INPUT), held("the same call twice")],
        inputs: FUZZ_INPUTS,
        fuzz: vec![held("made-up inputs")],
        faults: vec![held("503 at request 1"), held("the host dies at request 1")],
        repeats: vec![held("the host dies at request 1")],
        weight: Some(Weight {
            component_bytes: 180_000,
            start_instructions: 900,
            call_instructions: 40_000,
            memory_bytes: 1_200_000,
        }),
    }
}

fn seen(observed: &mut Observed) -> &mut Measured {
    observed.measured.as_mut().unwrap()
}

fn check<'c>(card: &'c Scorecard, id: &str) -> &'c Check {
    card.checks().find(|check| check.id == id).unwrap()
}

fn declare(interface: &mut Interface, destination: &str) {
    let http = interface.meta.as_mut().unwrap().needs.http.as_mut().unwrap();
    http.destinations.push(destination.to_owned());
}

fn state(card: &Scorecard, id: &str) -> State {
    check(card, id).state
}

#[test]
fn everything_that_is_shown_counts_in_full() {
    let (interface, observed) = honest();
    let card = score(&interface, &observed);
    assert_eq!((card.points, card.of), (83, 83), "{card:#?}");
    assert_eq!(card.not_measured, 17, "what only a registry knows");
    assert_eq!((card.grade, card.uncapped), (Grade::B, Grade::A));
    assert_eq!(card.caps[0].why, "there is no provenance");
    assert_eq!(card.provisional, ["no runs in the field yet"]);
    assert!(card.gains().is_empty());
    let all: u32 = card.checks().map(|check| check.of).sum();
    assert_eq!(all, 100, "the points of version 1");
}

#[test]
fn what_was_not_tried_is_in_no_total() {
    let (interface, mut observed) = honest();
    (
        observed.measured,
        observed.rebuilt,
        observed.parts,
        observed.version,
    ) = (None, None, None, None);
    let card = score(&interface, &observed);
    assert_eq!((card.points, card.of, card.not_measured), (43, 43, 57));
    assert_eq!(state(&card, "fuzz"), State::NotMeasured);
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
fn who_does_what_is_not_declared_loses_the_same_and_the_grade() {
    let (interface, mut observed) = honest();
    let best = score(&interface, &observed).points;
    let hidden = "https://evil.example:443 (tests/announce.yaml:1)".to_owned();
    seen(&mut observed).hidden.push(hidden.clone());
    let card = score(&interface, &observed);
    assert!(best - card.points >= 15, "{} of {best}", card.points);
    assert_eq!(card.grade, Grade::D);
    assert_eq!(
        card.caps[0].why,
        format!("it does what it does not declare: {hidden}")
    );
    assert!(check(&card, "declared-is-used").evidence.contains("evil.example"));
}

#[test]
fn a_connector_that_was_never_called_has_shown_nothing() {
    let (interface, mut observed) = honest();
    let best = score(&interface, &observed).points;
    observed.calls.clear();
    let card = score(&interface, &observed);
    assert!(best - card.points >= 15, "{}", card.points);
}

#[test]
fn a_gate_that_is_shut_leaves_no_grade_but_f() {
    let (interface, mut observed) = honest();
    observed.gates[0].shut = Some("`Proprietary` is no licence".to_owned());
    let card = score(&interface, &observed);
    assert_eq!((card.grade, card.uncapped), (Grade::F, Grade::A));
    observed.gates[0].shut = None;
    seen(&mut observed).conformance[0].problem = Some("internal: it trapped".to_owned());
    let card = score(&interface, &observed);
    assert_eq!(card.grade, Grade::F);
    let shut = card.gates.last().unwrap();
    assert_eq!(shut.name, "smallest_input");
    assert!(shut.shut.as_ref().unwrap().contains("internal: it trapped"));
}

#[test]
fn the_first_problem_of_a_trial_is_its_evidence() {
    let (interface, mut observed) = honest();
    seen(&mut observed).fuzz[0].problem = Some("internal: no, with {\"line\":\"\"}".to_owned());
    let card = score(&interface, &observed);
    let fuzz = check(&card, "fuzz");
    assert_eq!(fuzz.points, 0);
    assert_eq!(
        fuzz.evidence,
        "0 of 1 operation held by 10000 inputs; announce, made-up inputs: internal: no, with {\"line\":\"\"}"
    );
    assert!(fuzz.next.is_some());
}

#[test]
fn few_inputs_make_a_score_provisional() {
    let (interface, mut observed) = honest();
    seen(&mut observed).inputs = 500;
    let card = score(&interface, &observed);
    assert_eq!(card.points, 83);
    assert_eq!(card.provisional[1], "500 made-up inputs of 10000");
}

#[test]
fn what_a_connector_takes_is_told_as_a_class_and_loses_points_by_fours() {
    let (interface, mut observed) = honest();
    seen(&mut observed).weight.as_mut().unwrap().start_instructions = (1 << 16) + 1;
    let card = score(&interface, &observed);
    let start = check(&card, "cold-start");
    assert_eq!(start.points, 2);
    assert_eq!(
        start.evidence,
        "class compiled: at most 131072 instructions to start, of 65536"
    );
    seen(&mut observed).weight.as_mut().unwrap().component_bytes = 2 << 20;
    assert_eq!(check(&score(&interface, &observed), "cold-start").points, 3);
    seen(&mut observed).weight = None;
    assert_eq!(check(&score(&interface, &observed), "cold-start").points, 0);
}

#[test]
fn a_list_of_changes_must_name_this_version() {
    let (interface, mut observed) = honest();
    for (text, points) in [
        ("## 0.1.0\n\n- New.", 2),
        ("## v0.1.0 (2026-01-01)\nNew.", 2),
        ("## 0.1.0\n\n## 0.0.9\n\n- Old.", 1),
        ("## 0.1.01\n\n- New.", 0),
        ("- 0.1.0 is new", 0),
    ] {
        observed.changelog = Some(text.to_owned());
        assert_eq!(
            check(&score(&interface, &observed), "changes").points,
            points,
            "{text}"
        );
    }
}

#[test]
fn what_does_not_apply_is_in_no_total() {
    let (mut interface, mut observed) = honest();
    interface.capabilities.clear();
    let meta = interface.meta.as_mut().unwrap();
    meta.needs.http = None;
    meta.secrets.clear();
    observed.calls[0].used.clear();
    seen(&mut observed).repeats.clear();
    let card = score(&interface, &observed);
    for id in ["secrets", "destinations", "faults", "idempotency-key"] {
        assert_eq!(state(&card, id), State::NotApplicable, "{id}");
    }
    assert_eq!((card.points, card.of), (63, 63));
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
