//! States as bytes: whose they are, and that their meaning has a number.

use std::sync::Arc;

use flowforge_protocol::awaited::ReviewAction;
use flowforge_protocol::{Digest, FailureKind, RunId};
use flowforge_workflow::run::{SEMANTICS, SnapshotError};
use flowforge_workflow::{Execution, Given, Now, RunState};
use serde_json::{Value, json};

use crate::support::{Host, echo, fails, plan, refuse};

const MANY_KINDS: &str = "
input: { xs: { type: array } }
nodes:
  start: { set: { n: \"${size(input.xs)}\" } }
  off: { disabled: true, set: { x: 1 } }
  reserve: { call: x:y/a, undo: { call: x:y/b, with: { id: \"${reserve.from}\" } } }
  each:
    foreach: input.xs
    parallel: 2
    do:
      one: { call: x:y/c, with: { x: \"${item}\" }, on_error: branch }
      kind: { switch: { large: item > 1, small: else } }
  poll: { repeat: { until: round >= 2, max: 5, every: 10s }, do: { look: { call: x:y/d } } }
  paid: { wait: { signal: paid, correlate: \"'a' + 'b'\", timeout: 1h } }
  spare: { set: { x: 2 } }
  rate: { call: x:y/e, fallback: { node: spare } }
  child: { workflow: child, with: { n: \"${start.n}\" } }
  ask: { after: [each, poll], approval: { title: \"Go on with ${start.n}?\", show: \"${each}\" } }
  last: { after: ask, call: x:y/f }
output: { paid: \"${paid.amount}\", n: \"${start.n}\" }
";

/// Lets everything happen that needs nobody.
fn go_on(host: &mut Host) {
    for _ in 0..5 {
        host.run(echo);
        host.skip_time();
    }
}

/// Runs in which nearly everything happens that a state remembers.
fn runs() -> Vec<Host> {
    let mut good = Host::start(plan(MANY_KINDS), json!({ "xs": [1, 2, 3] }));
    good.finish_step("rate", refuse);
    good.finish_step("each[0].one", refuse);
    good.intend(0);
    good.signal("paid", Some("ab"), json!({ "amount": 5 }));
    good.signal("paid", Some("other"), json!({}));
    good.child_ends("child", Ok(json!({ "ok": true })));
    go_on(&mut good);
    good.decide("ask", true);
    good.run(echo);
    let mut bad = Host::start(plan(MANY_KINDS), json!({ "xs": [] }));
    bad.finish_step("reserve", echo);
    bad.pause();
    bad.unpause();
    bad.cancel();
    bad.run(echo);
    let mut review = Host::start(plan("nodes:\n  a: { call: x:y/a }\n"), json!({}));
    review.intend(0);
    review.restart();
    review.review("a", ReviewAction::Retry);
    review.finish(0, fails(FailureKind::Throttled));
    go_on(&mut review);
    vec![good, bad, review]
}

fn snapshots(host: &Host) -> Vec<Vec<u8>> {
    (1..host.records.len())
        .map(|count| host.replay(count).snapshot().expect("it has all its values"))
        .collect()
}

/// A host that was updated must not go on from bytes that meant something else. If this fails, what a state remembers was
/// changed, or what a record changes: raise `SEMANTICS`, and put the new pair here.
#[test]
fn a_change_of_what_a_state_remembers_changes_its_number() {
    let runs = runs();
    let all: Vec<Vec<u8>> = runs.iter().flat_map(snapshots).collect();
    assert_eq!(runs[0].phase(), "done", "{}", runs[0].table());
    assert_eq!(runs[1].phase(), "cancelled");
    assert_eq!(runs[2].phase(), "done");
    assert!(all.len() > 50, "{}", all.len());
    let fingerprint = Digest::of(&all.concat()).hex();
    assert_eq!((SEMANTICS, &fingerprint[..16]), (4, "24ef57c659b01304"));
}

#[test]
fn a_state_goes_on_from_its_bytes_as_from_its_records() {
    for host in runs() {
        host.check_replay();
    }
}

#[test]
fn bytes_of_something_else_are_refused() {
    let plan = plan(MANY_KINDS);
    let host = Host::start(Arc::clone(&plan), json!({ "xs": [1] }));
    let records = host.records.len();
    let number = u64::try_from(records).expect("few");
    let bytes = host.replay(records).snapshot().expect("all is here");
    let run = host.state().run().clone();
    assert!(RunState::restore(Arc::clone(&plan), &run, number, &bytes).is_ok());

    let other = RunId::from_entropy([9; 16]);
    let found = RunState::restore(Arc::clone(&plan), &other, number, &bytes);
    assert!(matches!(found, Err(SnapshotError::Another { .. })));
    let found = RunState::restore(Arc::clone(&plan), &run, number + 1, &bytes);
    assert!(matches!(found, Err(SnapshotError::Another { records, .. }) if records == number));
    let smaller = crate::support::plan("nodes:\n  a: { set: { x: 1 } }\n");
    let found = RunState::restore(smaller, &run, number, &bytes);
    assert!(matches!(found, Err(SnapshotError::Plan)));
    for length in 0..bytes.len() {
        let found = RunState::restore(Arc::clone(&plan), &run, number, &bytes[..length]);
        assert!(matches!(found, Err(SnapshotError::Unreadable(_))), "{length}");
    }
}

/// A run of a thousand rounds went on after a thousand records were read again.
#[test]
fn a_snapshot_does_not_grow_with_the_records_before_it() {
    let rounds = |count: u32| {
        let source = format!(
            "nodes:\n  poll: {{ repeat: {{ until: round >= {count}, max: 10000 }}, do: {{ look: {{ call: x:y/a }} }} }}\n  rest: {{ after: poll, wait: {{ signal: go }} }}\n"
        );
        let mut host = Host::start(plan(&source), json!({}));
        host.run(|_| Ok(Value::from("x".repeat(100))));
        assert_eq!(host.phase(), "waiting");
        let bytes = host.state().snapshot().expect("all is here");
        (host.records.len(), bytes.len())
    };
    let ((few, small), (many, large)) = (rounds(10), rounds(1000));
    assert!(many > 50 * few);
    assert!(
        large < small + 200,
        "{small} bytes after {few} records, {large} after {many}"
    );
}

/// What a host forgets when it stops is nothing that the state holds.
#[test]
fn what_was_given_out_is_given_out_again() {
    let host = Host::start(plan(MANY_KINDS), json!({ "xs": [1, 2] }));
    let bytes = host.state().snapshot().expect("all is here");
    let number = u64::try_from(host.records.len()).expect("few");
    let state = RunState::restore(
        Arc::clone(host.state().plan()),
        host.state().run(),
        number,
        &bytes,
    )
    .expect("it fits");
    let commands = Execution::new(state, Given::new()).next(Now { ms: host.now_ms });
    assert_eq!(commands.len(), host.flying.len(), "{commands:?}");
}
