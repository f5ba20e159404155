//! Records of a later version, and values that are not here: the run is shown and not gone on with.

use flowforge_protocol::Datum;
use flowforge_protocol::record::{Event, RECORD_VERSION, Record};
use flowforge_workflow::{Execution, Given, NodeState, Now, RunState, ViewOnly};
use serde_json::json;

use crate::support::{Host, acceptance, echo, plan};

const SOURCE: &str = "
nodes:
  a: { call: x:y/a }
  each: { after: a, foreach: \"[1, 2]\", do: { one: { call: x:y/b } } }
  last: { after: each, set: { v: \"${a.from}\" } }
output: \"${last.v}\"
";

fn ran() -> Host {
    let mut host = Host::start(plan(SOURCE), json!({}));
    host.run(echo);
    assert_eq!(host.phase(), "done");
    host
}

/// The state of these records.
fn read(host: &Host, records: impl Iterator<Item = Record>) -> RunState {
    let mut state = RunState::new(host.state().plan().clone(), host.state().run().clone());
    for record in records {
        state.apply(&record).expect("it is shown all the same");
    }
    state
}

fn does_nothing(state: RunState) {
    assert_eq!(state.snapshot(), None);
    let mut run = Execution::new(state, Given::new());
    assert_eq!(run.next(Now { ms: u64::MAX }), []);
}

/// Whichever record is of a later version, the others are shown, also those that follow from it.
#[test]
fn an_unknown_record_is_named_and_the_run_is_shown_without_it() {
    let host = ran();
    for unknown in 0..host.records.len() {
        let records = host
            .records
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, mut record)| {
                if index == unknown {
                    let what = "`teleported`".to_owned();
                    record.event = Event::Unknown { what };
                }
                record
            });
        let state = read(&host, records);
        let why = state.view_only().expect("it cannot go on").clone();
        let seq = u64::try_from(unknown).expect("few");
        assert!(
            matches!(&why, ViewOnly::LaterVersion { seq: found, .. } if *found == seq),
            "{why:?}"
        );
        let view = state.view();
        assert_eq!(view.view_only.as_deref(), Some(why.to_string().as_str()));
        assert!(
            why.to_string().contains("`teleported`") && why.to_string().contains("update"),
            "{why}"
        );
        assert_eq!(view.nodes.len(), 3);
        if unknown + 1 < host.records.len() {
            assert!(view.outcome.is_some(), "{unknown}: the end is known");
        }
        does_nothing(state);
    }
}

#[test]
fn records_of_a_later_version_are_shown() {
    let mut accepted = acceptance(json!({}));
    accepted.version = RECORD_VERSION + 1;
    let host = Host::start_with(plan(SOURCE), accepted, Given::new());
    assert!(host.flying.is_empty());
    let why = host.state().view_only().expect("it cannot go on").to_string();
    assert!(
        why.contains(&format!("records of version {}", RECORD_VERSION + 1)),
        "{why}"
    );
    does_nothing(host.replay(1));
}

/// The bytes of a value can be erased, and stay on a site: the records are whole without them.
#[test]
fn a_run_whose_values_are_gone_is_shown() {
    let host = ran();
    let records = host.records.iter().cloned().map(|mut record| {
        if let Event::Completed { output, .. } = &mut record.event {
            let reference = output.reference().expect("it was sealed").clone();
            *output = Datum::reference_only(reference);
        }
        record
    });
    let state = read(&host, records);
    assert!(
        matches!(state.view_only(), Some(ViewOnly::NoValue { seq: 1, .. })),
        "{:?}",
        state.view_only()
    );
    let view = state.view();
    let row = view
        .nodes
        .iter()
        .find(|row| row.node.as_str() == "a")
        .expect("it is there");
    assert_eq!(row.state, NodeState::Done);
    assert!(view.outcome.is_some());
    does_nothing(state);
}
