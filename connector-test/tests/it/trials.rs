//! What trials find, and what becomes of it in a score.

use std::fs;

use flowforge_connector_test::{Bench, Suite, fuzz, junit, probe, test};
use flowforge_runtime::CompileWorker;
use flowforge_scorecard::{Measured, Observed, Scorecard, SeenCall, score};

use crate::guests::{Poster, endless, fragile};

const POSTS: &str = "
- name: a line
  call: post
  with: { line: hello }
  mock:
    - request: GET https://chat.example.com/m
      answers: [{ status: 200, json: { id: m1 } }]
  expect: ''
";

struct Author {
    folder: tempfile::TempDir,
}

impl Author {
    /// With these tests in `tests/`.
    fn new(tests: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tests")).unwrap();
        fs::write(folder.path().join("tests/all.yaml"), tests).unwrap();
        Self { folder }
    }

    fn suite(&self) -> Suite {
        Suite::read(self.folder.path(), None).unwrap()
    }

    fn bench(&self) -> Bench {
        Bench {
            code_dir: self.folder.path().join("code"),
            worker: CompileWorker::InProcess,
        }
    }

    fn probe(&self, component: &[u8], inputs: u32) -> Measured {
        probe(component, Some(&self.suite()), &self.bench(), inputs).unwrap()
    }

    fn score(&self, component: &[u8]) -> Scorecard {
        let report = test(component, &self.suite(), &self.bench(), false).unwrap();
        let calls = report.cases.iter().map(|case| SeenCall {
            operation: case.operation.clone(),
            place: format!("{}:{}", case.file, case.line),
            passed: case.passed,
            used: case.used.clone(),
        });
        let observed = Observed {
            calls: calls.collect(),
            measured: Some(self.probe(component, 50)),
            ..Observed::default()
        };
        score(&flowforge_ports::inspect(component).unwrap(), &observed)
    }
}

fn problems(trials: &[flowforge_scorecard::Trial]) -> Vec<&str> {
    trials
        .iter()
        .filter_map(|trial| trial.problem.as_deref())
        .collect()
}

#[test]
fn two_connectors_that_differ_only_in_honesty_get_scores_that_differ_by_fifteen() {
    let author = Author::new(POSTS);
    let honest = author.score(&Poster::default().component());
    let declares = Poster {
        also_declares: Some("https://other.example.com"),
        ..Poster::default()
    };
    let hides = Poster {
        also_asks: Some("https://evil.example/steal"),
        ..Poster::default()
    };
    for (what, liar) in [
        ("declares what it does not use", declares),
        ("uses what it hides", hides),
    ] {
        let card = author.score(&liar.component());
        assert!(
            honest.points >= card.points + 15,
            "{what}: {} against {}\n{card:#?}",
            card.points,
            honest.points
        );
        assert!(card.grade > honest.grade, "{what}: {:?}", card.grade);
    }
}

#[test]
fn a_place_that_is_asked_and_not_declared_is_named_with_the_example_that_shows_it() {
    let author = Author::new(POSTS);
    let hides = Poster {
        also_asks: Some("https://evil.example/steal"),
        ..Poster::default()
    };
    let measured = author.probe(&hides.component(), 0);
    assert_eq!(measured.hidden, ["https://evil.example:443 (tests/all.yaml:2)"]);
}

#[test]
fn every_service_and_the_host_fail_once_at_every_request() {
    let author = Author::new(POSTS);
    let measured = author.probe(&Poster::default().component(), 0);
    let tried: Vec<&str> = measured.faults.iter().map(|trial| trial.what.as_str()).collect();
    assert_eq!(
        tried,
        [
            "429 with retry-after at request 1",
            "503 at request 1",
            "no connection at request 1",
            "a broken connection at request 1",
            "no answer at request 1",
            "an answer of another kind at request 1",
            "a slow answer at request 1",
            "the host dies at request 1",
            "the clock goes back an hour",
        ]
    );
    assert!(problems(&measured.faults).is_empty(), "{:?}", measured.faults);
    assert_eq!(measured.repeats.len(), 1);
    assert!(problems(&measured.repeats).is_empty(), "{:?}", measured.repeats);
}

#[test]
fn the_input_that_breaks_a_connector_is_made_as_small_as_it_still_breaks_it() {
    let author = Author::new("- { name: half, call: half, with: { text: ok, number: 8 }, expect: 4 }");
    let measured = author.probe(&fragile(), 500);
    let found = problems(&measured.fuzz);
    assert_eq!(found.len(), 1, "{:?}", measured.fuzz);
    let (_, input) = found[0].split_once(", with ").unwrap();
    let input: serde_json::Value = serde_json::from_str(input).unwrap();
    assert_eq!(input["number"], serde_json::json!(0));
    let text = input["text"].as_str().unwrap();
    assert!(text.len() > 7 && text.chars().count() <= 8, "{text:?}");
    let bounds = problems(&measured.conformance);
    assert!(bounds[0].contains("with text = "), "{bounds:?}");
}

/// A limit in seconds would find other things on a slow machine than on a fast one.
#[test]
fn a_connector_that_computes_without_end_meets_a_bound_that_is_counted() {
    let author = Author::new("- { name: none, call: spin, with: { turns: 0 }, expect: 1 }");
    let measured = author.probe(&endless(), 0);
    let found = problems(&measured.conformance);
    assert!(found[0].contains("more instructions than it may"), "{found:?}");
}

#[test]
fn the_same_component_and_tests_give_the_same_facts() {
    let (here, there) = (Author::new(POSTS), Author::new(POSTS));
    let component = Poster::default().component();
    assert_eq!(here.probe(&component, 200), there.probe(&component, 200));
    let weight = here.probe(&component, 0).weight.unwrap();
    assert!(
        weight.call_instructions > 0 && weight.memory_bytes > 0,
        "{weight:?}"
    );
}

#[test]
fn made_up_inputs_are_reported_as_tests_are() {
    let author = Author::new("- { name: half, call: half, with: { text: ok, number: 8 }, expect: 4 }");
    let report = test(&fragile(), &author.suite(), &author.bench(), false).unwrap();
    assert_eq!((report.passed, report.failed), (1, 0));
    let tried = fuzz(&fragile(), Some(&author.suite()), &author.bench(), 300).unwrap();
    let report = report.and(tried);
    assert_eq!((report.passed, report.failed), (1, 1));
    let told = &report.cases.last().unwrap().problems;
    assert!(
        told.iter().any(|problem| problem.contains(", with {")),
        "{told:?}"
    );
    assert!(
        junit(&report).contains("300 made-up inputs"),
        "{}",
        junit(&report)
    );
}
