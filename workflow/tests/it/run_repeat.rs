//! Loops over rounds.

use flowforge_protocol::record::Outcome;
use flowforge_workflow::{Invoke, NodeState};
use serde_json::{Value, json};

use crate::support::{Host, echo, plan, refuse};

const POLL: &str = "
nodes:
  poll:
    repeat: { until: check.ready, max: 4, every: 30s }
    do:
      check: { call: x:y/a, with: { round: \"${round}\" } }
output: { last: \"${poll.round}\" }
";

fn ready_after(rounds: u64) -> impl Fn(&Invoke) -> Result<Value, flowforge_protocol::Failure> {
    move |invoke| {
        let round = invoke.input["round"].as_u64().expect("a number");
        Ok(json!({ "round": round, "ready": round >= rounds }))
    }
}

#[test]
fn a_loop_goes_on_until_its_condition_is_true_and_rests_between_rounds() {
    let mut host = Host::start(plan(POLL), json!({}));
    host.finish(0, ready_after(3));
    assert_eq!(host.phase(), "waiting");
    assert_eq!(
        host.row("poll"),
        (NodeState::Waiting, "until 1970-01-01T00:17:10.001Z".to_owned())
    );
    host.restart();
    assert!(host.flying.is_empty(), "a host that starts again rests as well");
    host.skip_time();
    assert_eq!(host.at_work(), ["poll[1].check"]);
    host.restart();
    assert_eq!(host.at_work(), ["poll[1].check"]);
    assert_eq!(host.row("poll").1, "1 round");
    host.run_through(ready_after(3));
    assert_eq!(host.output(), json!({ "last": 3 }));
    assert_eq!(host.row("poll"), (NodeState::Done, "3 rounds".to_owned()));
    host.check_replay();
}

#[test]
fn a_loop_that_asks_for_more_than_its_rounds_has_failed() {
    let mut host = Host::start(plan(POLL), json!({}));
    host.run_through(ready_after(9));
    let Some(Outcome::Failed { node, failure }) = host.state().outcome() else {
        panic!("{:?}", host.state().outcome())
    };
    assert_eq!(node.as_ref().map(|node| node.as_str()), Some("poll"));
    assert_eq!(
        failure.message,
        "4 rounds are over, and the condition asks for more"
    );
    assert_eq!(host.state().view().totals.tries, 4);
    host.check_replay();
    let handled = POLL.replace("do:", "fallback: { value: { round: 0 } }\n    do:");
    let mut host = Host::start(plan(&handled), json!({}));
    host.run_through(ready_after(9));
    assert_eq!(host.output(), json!({ "last": 0 }));
    host.check_replay();
}

#[test]
fn a_loop_goes_on_while_its_condition_is_true() {
    let source = "
input: { pages: { type: integer } }
nodes:
  pages:
    repeat: { while: round < input.pages && !page.stop, max: 50 }
    do:
      page: { set: { number: \"${round}\", stop: false } }
      twice: { set: { number: \"${page.number * 2}\" } }
output: \"${pages}\"
";
    let host = Host::start(plan(source), json!({ "pages": 5 }));
    assert_eq!(
        host.output(),
        json!({ "page": { "number": 5, "stop": false }, "twice": { "number": 10 } }),
        "the result of the last round"
    );
    host.check_replay();
}

#[test]
fn loops_of_both_kinds_stand_in_each_other() {
    let source = "
nodes:
  each:
    foreach: \"[2, 1]\"
    parallel: 2
    do:
      tries:
        repeat: { until: round == item, max: 5 }
        do:
          one: { call: x:y/a, with: { item: \"${item}\", round: \"${round}\" } }
output: \"${each.map(e, e.with)}\"
";
    let mut host = Host::start(plan(source), json!({}));
    assert_eq!(host.at_work(), ["each[0].tries[0].one", "each[1].tries[0].one"]);
    host.run(echo);
    assert_eq!(
        host.output(),
        json!([{ "item": 2, "round": 2 }, { "item": 1, "round": 1 }])
    );
    host.check_replay();
    let outer = "
nodes:
  again:
    repeat: { until: size(items) >= 3, max: 5 }
    do:
      items: { foreach: \"[1, 2, 3].filter(x, x <= round)\", do: { one: { set: { x: \"${item * round}\" } } } }
output: \"${again.map(e, e.x)}\"
";
    let host = Host::start(plan(outer), json!({}));
    assert_eq!(host.output(), json!([3, 6, 9]));
    host.check_replay();
}

#[test]
fn a_round_can_fail_and_the_condition_sees_no_result() {
    let source = "
nodes:
  poll:
    repeat: { until: \"default(check.from, '') != ''\", max: 3 }
    do:
      check: { call: x:y/a, on_error: branch, retry: never }
output: \"${poll.from}\"
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish(0, refuse);
    assert_eq!(host.row("poll"), (NodeState::Running, "1 round".to_owned()));
    host.finish(0, echo);
    assert_eq!(host.output(), json!("poll[1].check"));
    host.check_replay();
}

#[test]
fn a_failing_round_fails_the_loop_or_the_run() {
    let source = "
nodes:
  poll: { repeat: { until: \"false\", max: 3 }, do: { check: { call: x:y/a } } }
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish(0, refuse);
    assert!(
        matches!(host.state().outcome(), Some(Outcome::Failed { node: Some(node), .. }) if node.as_str() == "check")
    );
    assert_eq!(host.row("poll").0, NodeState::Failed);
    host.check_replay();
    let handled = source.replace("repeat:", "on_error: branch, repeat:")
        + "  sorry: { after: poll.failed, set: { why: \"${poll.failure.message}\" } }\noutput: \"${sorry.why}\"\n";
    let mut host = Host::start(plan(&handled), json!({}));
    host.finish(0, refuse);
    assert_eq!(host.output(), json!("no such thing"));
    host.check_replay();
}

#[test]
fn a_condition_that_is_neither_true_nor_false_fails_the_loop() {
    let source = "nodes:\n  poll: { repeat: { until: round, max: 3 }, do: { a: { set: { x: 1 } } } }\n";
    let host = Host::start(plan(source), json!({}));
    let Some(Outcome::Failed { failure, .. }) = host.state().outcome() else {
        panic!("it must fail")
    };
    assert_eq!(failure.path.as_deref(), Some("poll.repeat.until"));
}

#[test]
fn a_cancelled_loop_rests_no_longer() {
    let mut host = Host::start(plan(POLL), json!({}));
    host.finish(0, ready_after(3));
    host.cancel();
    assert!(matches!(host.state().outcome(), Some(Outcome::Cancelled { .. })));
    assert_eq!(host.row("poll").0, NodeState::Stopped);
    host.check_replay();
}

#[test]
fn effects_of_rounds_are_taken_back() {
    let source = "
nodes:
  loop_it:
    repeat: { until: round == 2, max: 3 }
    do:
      one: { call: x:y/a, undo: { call: x:y/u, with: { round: \"${round}\", of: \"${one.from}\" } } }
  last: { after: loop_it, call: x:y/b }
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish(0, echo);
    host.finish(0, echo);
    host.finish(0, refuse);
    let mut undone = Vec::new();
    while !host.flying.is_empty() {
        undone.push((host.at_work().remove(0), host.flying[0].input["round"].clone()));
        host.finish(0, echo);
    }
    assert_eq!(
        undone,
        [
            ("loop_it[1].one~undo".to_owned(), json!(2)),
            ("loop_it[0].one~undo".to_owned(), json!(1))
        ]
    );
    host.check_replay();
}
