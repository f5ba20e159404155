//! What follows from a failure: further attempts, branches, fallbacks, and effects that are taken back.

use flowforge_protocol::awaited::ReviewAction;
use flowforge_protocol::record::{Event, Outcome, Source};
use flowforge_protocol::{Failure, FailureKind};
use flowforge_workflow::{Invoke, NodeState};
use serde_json::{Value, json};

use crate::support::{Host, echo, plan, plan_with_effect, refuse};

fn fails(kind: FailureKind) -> impl Fn(&Invoke) -> Result<Value, Failure> {
    move |_| Err(Failure::new(kind, "it failed"))
}

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

fn is_failed(host: &Host, wanted: &str) -> bool {
    matches!(host.state().outcome(), Some(Outcome::Failed { node: Some(node), .. }) if node.as_str() == wanted)
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

const SAGA: &str = "
input: { items: { type: array } }
nodes:
  reserve: { call: x:y/a, undo: { call: x:y/u, with: { id: \"${reserve.from}\" } } }
  each:
    after: reserve
    foreach: input.items
    do:
      pack: { call: x:y/b, undo: { call: x:y/v, with: { id: \"${pack.from}\", item: \"${item}\" }, retry: { attempts: 3 } } }
  ship: { after: each, call: x:y/c, undo: { call: x:y/w } }
output: \"${ship.from}\"
";

#[test]
fn effects_are_taken_back_in_reverse_order_when_the_run_fails() {
    let mut host = Host::start(plan(SAGA), json!({ "items": ["x", "y"] }));
    for _ in 0..3 {
        host.finish(0, echo);
    }
    assert_eq!(host.at_work(), ["ship"]);
    host.finish(0, refuse);
    assert_eq!(
        host.state().outcome(),
        None,
        "the run ends when its effects are taken back"
    );
    assert_eq!(
        host.at_work(),
        ["each[1].pack~undo"],
        "one at a time, the newest first"
    );
    assert_eq!(
        host.flying[0].node.as_str(),
        "pack~undo",
        "with grants of its own"
    );
    assert_eq!(
        Value::Object(host.flying[0].input.clone()),
        json!({ "id": "each[1].pack", "item": "y" })
    );
    host.finish(0, echo);
    assert_eq!(host.at_work(), ["each[0].pack~undo"]);
    assert_eq!(
        Value::Object(host.flying[0].input.clone()),
        json!({ "id": "each[0].pack", "item": "x" })
    );
    assert_eq!(host.row("pack~undo").1, "1 of 2");
    host.restart();
    host.finish(0, echo);
    assert_eq!(host.at_work(), ["reserve~undo"]);
    host.finish(0, echo);
    assert!(is_failed(&host, "ship"));
    assert_eq!(host.row("pack~undo"), (NodeState::Done, "2 of 2".to_owned()));
    assert_eq!(host.row("reserve~undo").0, NodeState::Done);
    host.check_replay();
}

#[test]
fn a_run_that_is_done_takes_nothing_back() {
    let mut host = Host::start(plan(SAGA), json!({ "items": ["x"] }));
    host.run(echo);
    assert_eq!(host.output(), json!("ship"));
    assert!(
        !host
            .records
            .iter()
            .any(|record| record.event.step().is_some_and(|step| step.node.is_undo()))
    );
}

#[test]
fn a_cancelled_run_takes_back_what_completes_while_it_ends() {
    let mut host = Host::start(plan(SAGA), json!({ "items": ["x"] }));
    host.cancel();
    assert_eq!(host.at_work(), ["reserve"]);
    host.finish(0, echo);
    assert_eq!(host.at_work(), ["reserve~undo"]);
    host.finish(0, echo);
    assert!(matches!(host.state().outcome(), Some(Outcome::Cancelled { .. })));
    host.check_replay();
}

#[test]
fn taking_back_is_tried_again_and_goes_on_when_it_fails_for_good() {
    let mut host = Host::start(plan(SAGA), json!({ "items": ["x"] }));
    host.finish(0, echo);
    host.finish(0, echo);
    host.finish(0, refuse);
    host.finish(0, fails(FailureKind::Throttled));
    assert!(host.flying.is_empty());
    assert_eq!(host.row("pack~undo").0, NodeState::Retrying);
    assert_eq!(host.state().waits().len(), 1);
    host.restart();
    host.skip_time();
    assert_eq!(host.flying[0].attempt, 2);
    host.finish(0, refuse);
    assert_eq!(
        host.at_work(),
        ["reserve~undo"],
        "one that fails holds the others not up"
    );
    host.finish(0, echo);
    assert!(is_failed(&host, "ship"), "and the run failed for its own reason");
    assert_eq!(host.row("pack~undo").0, NodeState::Failed);
    host.check_replay();
}

#[test]
fn taking_back_can_need_review() {
    let mut host = Host::start(
        plan_with_effect(SAGA, &json!({ "class": "unsafe" })),
        json!({ "items": [] }),
    );
    host.finish(0, echo);
    host.finish(0, refuse);
    assert_eq!(host.at_work(), ["reserve~undo"]);
    host.intend(0);
    host.restart();
    assert_eq!(host.phase(), "needs_review");
    host.review("reserve~undo", ReviewAction::Retry);
    host.finish(0, echo);
    assert!(is_failed(&host, "ship"));
    host.check_replay();
}

#[test]
fn a_paused_run_takes_nothing_back_until_it_goes_on() {
    let mut host = Host::start(plan(SAGA), json!({ "items": [] }));
    host.finish(0, echo);
    host.pause();
    host.finish(0, refuse);
    assert!(host.flying.is_empty());
    assert_eq!(host.phase(), "paused");
    host.unpause();
    assert_eq!(host.at_work(), ["reserve~undo"]);
    host.run(echo);
    assert!(is_failed(&host, "ship"));
    host.check_replay();
}

/// What stood in for a result was taken back as if the step itself had had its effect.
#[test]
fn only_effects_that_happened_are_taken_back() {
    let source = "
nodes:
  a: { call: x:y/a, fallback: { value: 1 }, undo: { call: x:y/u } }
  b: { after: a, call: x:y/b }
";
    let mut host = Host::start(plan(source), json!({}));
    host.run(refuse);
    assert!(is_failed(&host, "b"));
    assert!(
        !host
            .records
            .iter()
            .any(|record| record.event.step().is_some_and(|step| step.node.is_undo()))
    );
}

#[test]
fn a_no_takes_effects_back_too() {
    let source = "
nodes:
  a: { call: x:y/a, undo: { call: x:y/u } }
  ask: { after: a, approval: { title: Go? } }
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish(0, echo);
    host.decide("ask", false);
    assert_eq!(host.at_work(), ["a~undo"]);
    host.run(echo);
    assert!(matches!(host.state().outcome(), Some(Outcome::Rejected { .. })));
    host.check_replay();
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
