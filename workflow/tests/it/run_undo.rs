//! Effects that are taken back when a run does not come to a good end.

use flowforge_protocol::FailureKind;
use flowforge_protocol::awaited::ReviewAction;
use flowforge_protocol::record::Outcome;
use flowforge_workflow::NodeState;
use serde_json::{Value, json};

use crate::support::{Host, echo, fails, is_failed, plan, plan_with_effect, refuse};

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

/// A cancelled run asked its host to be woken at the time of a wait that nobody would end any more; the host was woken again
/// and again, and what took an effect back was never tried again.
#[test]
fn a_run_that_ends_is_woken_for_what_it_takes_back_and_for_nothing_else() {
    let source = "
nodes:
  a: { call: x:y/a, undo: { call: x:y/u } }
  rest: { after: a, wait: { for: 1s } }
";
    let mut host = Host::start(plan(source), json!({}));
    host.finish(0, echo);
    let rest = host.state().next_timer_ms().expect("it rests");
    host.cancel();
    assert_eq!(
        host.state().next_timer_ms(),
        None,
        "nothing but an attempt is awaited"
    );
    host.now_ms = rest + 1;
    host.finish(0, fails(FailureKind::Throttled));
    let due = host.state().next_timer_ms().expect("the next attempt");
    assert!(due > host.now_ms);
    assert_eq!(host.state().timers(), [("a~undo".parse().expect("a step"), due)]);
    host.skip_time();
    host.finish(0, echo);
    assert!(matches!(host.state().outcome(), Some(Outcome::Cancelled { .. })));
}

/// The input of an undo was computed when its step completed: a host that died of it died again at every start, because no
/// step was named for it. It is computed when the undo runs, with what it names as it was.
#[test]
fn what_is_computed_for_an_undo_is_computed_when_it_runs() {
    let source = "
input: { items: { type: array } }
nodes:
  each:
    foreach: input.items
    do:
      look: { call: x:y/l }
      pack:
        call: x:y/b
        with: { n: \"${look.from}\" }
        undo: { call: x:y/v, with: { id: \"${pack.from + '/' + item + '/' + look.from}\", at: \"${now()}\" } }
  plain: { after: each, call: x:y/p, undo: { call: x:y/q, with: { id: \"${plain.from}\" } } }
  ship: { after: plain, call: x:y/c }
";
    let mut host = Host::start(plan(source), json!({ "items": ["x"] }));
    host.finish(0, echo);
    let completed_ms = host.now_ms;
    host.finish(0, echo);
    host.finish(0, echo);
    assert_eq!(host.at_work(), ["ship"]);
    assert_eq!(host.run.evaluates_next(), None);
    let invoke = host.flying.pop_front().expect("it flies");
    let failed = host.state().attempt_failed(
        &invoke.step,
        1,
        flowforge_protocol::Failure::new(FailureKind::Rejected, "no such thing"),
        Vec::new(),
        1,
        host.now_ms + 60_000,
    );
    host.record(failed);
    assert_eq!(
        host.run.evaluates_next(),
        None,
        "nothing is computed for `plain~undo`"
    );
    host.advance();
    host.check_replay();
    let plain = host.flying.pop_front().expect("it flies");
    assert_eq!(plain.step.to_string(), "plain~undo");
    host.record(flowforge_protocol::record::Event::Completed {
        step: plain.step,
        attempt: 1,
        output: json!(null).into(),
        elapsed_us: 1,
        used: Vec::new(),
        source: flowforge_protocol::record::Source::Step,
    });
    let evaluated = host.run.evaluates_next().expect("the input of the other one");
    assert_eq!(evaluated.step().to_string(), "each[0].pack~undo");
    host.advance();
    let input = Value::Object(host.flying[0].input.clone());
    assert_eq!(input["id"], json!("each[0].pack/x/each[0].look"));
    let at = input["at"].as_str().expect("a moment");
    assert!(
        at <= "1970-01-01T00:16:41Z" && completed_ms < 1_001_000,
        "{at}: the moment at which its step completed"
    );
    host.run(echo);
    assert!(is_failed(&host, "ship"));
    host.check_replay();
}
