//! What follows from a failure: further attempts, branches and fallbacks.

use flowforge_protocol::record::{Event, Source};
use flowforge_protocol::{Failure, FailureKind};
use flowforge_workflow::{Invoke, NodeState};
use serde_json::{Value, json};

use crate::support::{Host, echo, fails, is_failed, plan, plan_with_effect, refuse};

/// Echoes, except for one node.
fn all_but<'a>(node: &'a str, kind: FailureKind) -> impl Fn(&Invoke) -> Result<Value, Failure> + 'a {
    move |invoke| {
        if invoke.step.node.as_str() == node {
            Err(Failure::new(kind, "it failed"))
        } else {
            echo(invoke)
        }
    }
}

#[test]
fn a_node_says_which_failures_are_tried_again_and_for_how_long() {
    let with = |retry: &str, effect: Value| {
        let source = format!("nodes:\n  a: {{ call: x:y/a, retry: {retry} }}\n");
        Host::start(plan_with_effect(&source, &effect), json!({}))
    };
    let again = |mut host: Host, kind: FailureKind| {
        host.finish(0, fails(kind));
        host.skip_time();
        !host.flying.is_empty()
    };
    let pure = || json!({ "class": "pure" });
    let unsafe_ = || json!({ "class": "unsafe" });
    assert!(again(with("{}", unsafe_()), FailureKind::Throttled));
    assert!(!again(with("never", unsafe_()), FailureKind::Throttled));
    assert!(!again(
        with("{ on: [unavailable] }", pure()),
        FailureKind::Throttled
    ));
    assert!(again(
        with("{ on: [unavailable] }", pure()),
        FailureKind::Unavailable
    ));
    assert!(!again(with("{}", pure()), FailureKind::Rejected));
    assert!(again(
        with("{ on: [rejected] }", unsafe_()),
        FailureKind::Rejected
    ));
    // After these the effect may have happened, whatever the node says.
    for kind in [FailureKind::TimedOut, FailureKind::Internal, FailureKind::Limit] {
        let on = "{ on: [timed_out, internal, limit] }";
        assert!(again(with(on, pure()), kind), "{kind:?}");
        assert!(!again(with(on, unsafe_()), kind), "{kind:?}");
    }
    // An attempt begins within the time, or not at all.
    let mut host = with("{ first_delay: 10s, jitter: none, within: 25s }", pure());
    host.finish(0, fails(FailureKind::Throttled));
    let first = host.state().timers()[0].1;
    assert_eq!(first - host.now_ms, 10_000);
    host.skip_time();
    host.finish(0, fails(FailureKind::Throttled));
    assert_eq!(
        host.phase(),
        "failed",
        "the third would begin 30 s after the first"
    );
}

const BRANCH: &str = "
nodes:
  pay: { call: x:y/a, on_error: branch }
  ship: { call: x:y/b, with: { id: \"${pay.from}\" } }
  tell: { after: pay.failed, call: x:y/c, with: { why: \"${pay.failure.message}\", kind: \"${pay.failure.kind}\" } }
  either: { after: [ship, tell], set: { paid: \"${default(pay.from, 'nobody')}\" } }
output: { paid: \"${either.paid}\", id: \"${pay.from}\" }
";

#[test]
fn a_failure_can_be_a_branch() {
    let mut host = Host::start(plan(BRANCH), json!({}));
    host.run(all_but("pay", FailureKind::Rejected));
    assert_eq!(host.row("ship"), (NodeState::Skipped, "`pay` failed".to_owned()));
    assert_eq!(host.row("pay").0, NodeState::Failed);
    // Where the failure is not looked at, there is no value: neither a join nor the output stumbles over it.
    assert_eq!(host.output(), json!({ "paid": "nobody", "id": null }));
    let told = host.records.iter().any(|record| {
        matches!(&record.event, Event::Completed { step, output, .. }
            if step.node.as_str() == "tell" && output.shown()["with"] == json!({ "why": "it failed", "kind": "rejected" }))
    });
    assert!(told);
    host.check_replay();

    let mut host = Host::start(plan(BRANCH), json!({}));
    host.run(echo);
    assert_eq!(
        host.row("tell"),
        (NodeState::Skipped, "`pay` did not fail".to_owned())
    );
    assert_eq!(host.output(), json!({ "paid": "pay", "id": "pay" }));
}

#[test]
fn a_round_whose_step_fails_has_the_failure_as_its_result() {
    let source = "
nodes:
  each:
    foreach: \"[1, 2, 3]\"
    parallel: 2
    do:
      one: { call: x:y/a, on_error: branch }
  after: { set: { bad: \"${each.filter(e, has(e.failure)).map(e, e.failure.message)}\" } }
output: \"${after.bad}\"
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish(0, refuse);
    assert_eq!(
        host.row("each"),
        (NodeState::Running, "1 of 3, 2 at a time".to_owned()),
        "the loop goes on"
    );
    host.run(echo);
    assert_eq!(host.output(), json!(["no such thing"]));
    host.check_replay();
}

#[test]
fn a_loop_with_a_word_for_failures_fails_as_a_whole_and_the_run_goes_on() {
    let source = "
nodes:
  each:
    foreach: \"[1, 2, 3, 4]\"
    parallel: 2
    on_error: branch
    do:
      one: { call: x:y/a }
      two: { after: one, wait: { signal: go } }
  sorry: { after: each.failed, set: { why: \"${each.failure.message}\" } }
  other: { call: x:y/b }
output: \"${sorry.why}\"
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish_step("each[0].one", echo);
    host.finish_step("each[1].one", echo);
    assert_eq!(host.state().waits().len(), 2);
    host.signal("go", None, json!(1));
    host.finish_step("each[2].one", refuse);
    // A signal for a step of the failed loop finds nobody, and disturbs nobody.
    host.signal("go", None, json!(2));
    assert_eq!(host.state().untaken_signals(), 1);
    host.run(echo);
    assert_eq!(host.output(), json!("no such thing"));
    assert_eq!(host.row("each"), (NodeState::Failed, "no such thing".to_owned()));
    assert!(host.state().waits().is_empty());
    host.check_replay();
}

#[test]
fn a_failing_loop_waits_for_its_attempts_and_starts_no_more() {
    let source = "
nodes:
  each: { foreach: \"[1, 2, 3, 4]\", parallel: 2, fallback: { value: [] }, do: { one: { call: x:y/a } } }
  other: { call: x:y/b }
output: { each: \"${each}\", other: \"${other.from}\" }
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish_step("each[0].one", refuse);
    assert_eq!(host.at_work(), ["other", "each[1].one"]);
    assert_eq!(host.row("each").0, NodeState::Failed);
    host.restart();
    assert_eq!(
        host.at_work(),
        ["other"],
        "what is in the failed loop is not done again"
    );
    let mut host = Host::start(plan(source), json!({}));
    host.finish_step("each[0].one", refuse);
    host.finish_step("each[1].one", echo);
    assert_eq!(
        host.row("each"),
        (
            NodeState::Done,
            "1 of 4, 2 at a time · by its fallback".to_owned()
        )
    );
    host.run(echo);
    assert_eq!(host.output(), json!({ "each": [], "other": "other" }));
    host.check_replay();
}

#[test]
fn a_value_stands_in_for_a_result() {
    let source = "
input: { n: { type: integer } }
nodes:
  rate: { call: x:y/a, fallback: { value: { from: \"${input.n}\" } } }
  use: { set: { x: \"${rate.from}\" } }
output: \"${use.x}\"
";
    let mut host = Host::start(plan(source), json!({ "n": 5 }));
    host.run(refuse);
    assert_eq!(host.output(), json!(5));
    assert_eq!(
        host.row("rate"),
        (NodeState::Done, "from 5 · by its fallback".to_owned())
    );
    assert!(host.records.iter().any(|record| {
        matches!(
            &record.event,
            Event::Completed {
                source: Source::Fallback,
                ..
            }
        )
    }));
    host.check_replay();
    let broken = source.replace("${input.n}", "${input.n / 0}");
    let mut host = Host::start(plan(&broken), json!({ "n": 5 }));
    host.run(refuse);
    assert!(
        is_failed(&host, "rate"),
        "a fallback that fails fails the node, once"
    );
    host.check_replay();
}

#[test]
fn a_value_stands_in_for_the_choice_of_a_switch() {
    let source = "
input: { n: { type: any } }
nodes:
  gate: { switch: { big: input.n.size > 5, small: else }, fallback: { value: small } }
  a: { after: gate.small, set: { x: 1 } }
output: \"${a.x}\"
";
    let host = Host::start(plan(source), json!({ "n": 5 }));
    assert_eq!(host.output(), json!(1));
}

const STAND_IN: &str = "
nodes:
  first: { call: x:y/a, fallback: { node: second } }
  second: { call: x:y/b }
  use: { set: { x: \"${first.from}\" } }
output: { x: \"${use.x}\" }
";

#[test]
fn another_node_stands_in_and_runs_only_then() {
    let mut host = Host::start(plan(STAND_IN), json!({}));
    assert_eq!(host.at_work(), ["first"]);
    host.run(echo);
    assert_eq!(
        host.row("second"),
        (NodeState::Skipped, "`first` did not fail".to_owned())
    );
    assert_eq!(host.output(), json!({ "x": "first" }));
    host.check_replay();

    let mut host = Host::start(plan(STAND_IN), json!({}));
    host.finish(0, refuse);
    assert_eq!(host.at_work(), ["second"]);
    host.restart();
    host.run(echo);
    assert_eq!(host.output(), json!({ "x": "second" }));
    assert_eq!(
        host.row("first"),
        (NodeState::Done, "from second · by its fallback".to_owned())
    );
    host.check_replay();
}

/// A stand-in that failed ended the run at once, although the node it stood in for had `on_error: branch`; in a loop the
/// round then had no result, and the run never ended.
#[test]
fn the_failure_of_a_stand_in_is_the_failure_of_the_node() {
    let mut host = Host::start(plan(STAND_IN), json!({}));
    host.run(refuse);
    assert!(is_failed(&host, "first"), "{:?}", host.state().outcome());
    host.check_replay();

    let handled = STAND_IN.replace("fallback: { node", "on_error: branch, fallback: { node");
    let mut host = Host::start(plan(&handled), json!({}));
    host.run(refuse);
    assert_eq!(host.output(), json!({ "x": null }));
    host.check_replay();

    let looped = "
nodes:
  each:
    foreach: \"[1, 2]\"
    do:
      first: { call: x:y/a, on_error: branch, fallback: { node: second } }
      second: { call: x:y/b, fallback: { node: third } }
      third: { call: x:y/c }
output: \"${size(each)}\"
";
    let mut host = Host::start(plan(looped), json!({}));
    host.run(refuse);
    assert_eq!(host.output(), json!(2));
    host.check_replay();
    let mut host = Host::start(plan(looped), json!({}));
    host.run(|invoke| {
        if invoke.step.node.as_str() == "third" {
            echo(invoke)
        } else {
            refuse(invoke)
        }
    });
    assert_eq!(host.output(), json!(2));
    host.check_replay();
}

#[test]
fn nodes_that_could_only_wait_for_each_other_make_no_plan() {
    for nodes in [
        "a: { call: x:y/a, fallback: { node: b } }\n  b: { set: { x: \"${a}\" } }",
        "a: { call: x:y/a, fallback: { node: b } }\n  b: { after: c, set: { x: 1 } }\n  c: { set: { x: \"${a}\" } }",
        "a: { call: x:y/a, fallback: { node: b } }\n  b: { call: x:y/b, fallback: { node: a } }",
        "a: { after: c, call: x:y/a, fallback: { node: b } }\n  b: { call: x:y/b }\n  c: { set: { x: \"${b}\" } }",
        "a: { call: x:y/a, fallback: { node: c } }\n  b: { call: x:y/b, fallback: { node: c } }\n  c: { set: { x: 1 } }",
    ] {
        let source = format!("workflow: test\nnodes:\n  {nodes}\n");
        let definition = flowforge_workflow::parse(&source).expect("it has the right shape");
        let canonical =
            flowforge_workflow::canonical(&definition, &serde_json::Map::new()).expect("no overrides");
        let plan = flowforge_workflow::Plan::from_canonical(
            &canonical,
            &std::collections::BTreeMap::new(),
            &std::collections::BTreeMap::new(),
        );
        assert!(plan.is_err(), "{nodes}");
    }
}

/// A record that was refused emptied the account of the run: its receipt then spoke of nothing.
#[test]
fn a_refused_record_changes_nothing() {
    let mut host = Host::start(
        plan("nodes:\n  a: { call: x:y/a }\n  b: { after: a, call: x:y/b }\n"),
        json!({}),
    );
    host.finish(0, echo);
    let mut state = host.replay(host.records.len());
    let mut wrong = host.records[1].clone();
    wrong.seq = state.next_seq();
    let facts = state.facts().clone();
    state.apply(&wrong).expect_err("`a` is done");
    assert_eq!(*state.facts(), facts);
    assert_eq!(state.facts().steps(), 1);
}
