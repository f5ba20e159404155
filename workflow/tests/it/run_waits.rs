//! Signals and other runs: what a node waits for that comes from outside.

use flowforge_protocol::awaited::ReviewAction;
use flowforge_protocol::record::Outcome;
use flowforge_protocol::{Failure, FailureKind};
use flowforge_workflow::NodeState;
use serde_json::json;

use crate::support::{Host, echo, plan, plan_with_effect};

const PAYMENT: &str = "
input: { order: { type: string } }
nodes:
  prepare: { call: x:y/a }
  paid: { after: prepare, wait: { signal: payment, correlate: input.order, timeout: 1h } }
  ship: { call: x:y/b, with: { amount: \"${paid.amount}\" } }
output: { amount: \"${paid.amount}\" }
";

fn with_sorry() -> String {
    let (nodes, _) = PAYMENT.split_once("output:").expect("it has one");
    format!(
        "{nodes}  sorry: {{ after: paid.expired, set: {{ at: \"${{paid.expired_at}}\" }} }}\n\
         output: {{ amount: \"${{paid.amount}}\", late: \"${{default(sorry.at, null)}}\" }}\n"
    )
}

#[test]
fn a_signal_gives_its_payload_whether_it_comes_after_its_wait_or_before() {
    for before in [false, true] {
        let mut host = Host::start(plan(&with_sorry()), json!({ "order": "A-1" }));
        if before {
            host.signal("payment", Some("A-1"), json!({ "amount": 7 }));
            assert_eq!(
                host.state().untaken_signals(),
                1,
                "it is kept until somebody waits"
            );
            host.finish(0, echo);
        } else {
            host.finish(0, echo);
            assert_eq!(host.phase(), "waiting");
            assert_eq!(host.state().waits()[0].what, "signal payment for A-1");
            host.signal("payment", Some("A-1"), json!({ "amount": 7 }));
        }
        assert_eq!(host.state().untaken_signals(), 0, "it is taken once");
        assert_eq!(host.at_work(), ["ship"]);
        assert_eq!(host.row("paid"), (NodeState::Done, "signal by shop".to_owned()));
        host.run(echo);
        assert_eq!(host.output(), json!({ "amount": 7, "late": null }));
        host.check_replay();
    }
}

#[test]
fn a_signal_of_another_name_or_for_another_order_answers_nothing() {
    let mut host = Host::start(plan(PAYMENT), json!({ "order": "A-1" }));
    host.finish(0, echo);
    host.signal("payment", Some("A-2"), json!({}));
    host.signal("payment", None, json!({}));
    host.signal("refund", Some("A-1"), json!({}));
    assert_eq!(host.phase(), "waiting");
    assert_eq!(host.state().untaken_signals(), 3);
    host.restart();
    host.signal("payment", Some("A-1"), json!({ "amount": 1 }));
    assert_eq!(host.at_work(), ["ship"]);
    host.check_replay();
}

/// A wait for what no signal can carry lasted until its timeout, or for ever: the door refuses such a signal.
#[test]
fn a_correlation_that_no_signal_can_carry_fails_its_wait() {
    for order in [String::new(), "A\n1".to_owned(), "x".repeat(513)] {
        let mut host = Host::start(plan(PAYMENT), json!({ "order": order }));
        host.finish(0, echo);
        assert_eq!(host.phase(), "failed", "{order:?}");
        let said = format!("{:?}", host.state().outcome());
        assert!(
            said.contains("1 to 512 bytes") && said.contains("paid.wait.correlate"),
            "{said}"
        );
        host.check_replay();
    }
}

/// It was said to be running, though nothing of a paused run begins.
#[test]
fn a_node_whose_turn_comes_while_the_run_is_paused_is_pending() {
    let mut host = Host::start(plan(PAYMENT), json!({ "order": "A-1" }));
    host.pause();
    host.finish(0, echo);
    assert_eq!((host.phase(), host.row("paid").0), ("paused", NodeState::Pending));
    host.unpause();
    assert_eq!(
        (host.phase(), host.row("paid").0),
        ("waiting", NodeState::Waiting)
    );
    host.check_replay();
}

/// A run that its host had lost was cancelled, and its table went on to say that it waits.
#[test]
fn nothing_of_a_run_that_is_given_up_waits_or_is_asked() {
    let mut host = Host::start(plan(PAYMENT), json!({ "order": "A-1" }));
    host.finish(0, echo);
    let view = host.state().view();
    assert_eq!(view.waits.len(), 1);
    let given_up = view.given_up();
    let states: Vec<NodeState> = given_up.nodes.iter().map(|row| row.state).collect();
    assert_eq!(states, [NodeState::Done, NodeState::Stopped, NodeState::NotRun]);
    assert!(given_up.waits.is_empty() && given_up.waiting.is_empty());
}

#[test]
fn each_wait_takes_one_signal_and_the_oldest_first() {
    let source = "
nodes:
  first: { wait: { signal: go } }
  second: { after: first, wait: { signal: go } }
output: [\"${first}\", \"${second}\"]
";
    let mut host = Host::start(plan(source), json!({}));
    host.signal("go", None, json!(1));
    assert_eq!(host.phase(), "waiting");
    host.signal("go", None, json!(2));
    assert_eq!(host.output(), json!([1, 2]));
    host.check_replay();
    let both =
        "nodes: { a: { wait: { signal: go } }, b: { wait: { signal: go } } }\noutput: [\"${a}\", \"${b}\"]\n";
    let mut host = Host::start(plan(both), json!({}));
    host.signal("go", None, json!(1));
    assert_eq!(
        host.phase(),
        "waiting",
        "two that wait at the same time do not share one"
    );
    host.signal("go", None, json!(2));
    assert_eq!(host.output(), json!([1, 2]));
}

#[test]
fn a_signal_that_does_not_come_ends_the_run_unless_somebody_comes_after_that() {
    let mut host = Host::start(plan(PAYMENT), json!({ "order": "A-1" }));
    host.finish(0, echo);
    host.now_ms += 3_599_999;
    host.advance();
    assert_eq!(host.phase(), "waiting", "not early");
    host.now_ms += 1;
    host.advance();
    assert!(
        matches!(host.state().outcome(), Some(Outcome::Expired { step }) if step.node.as_str() == "paid")
    );
    host.check_replay();

    let mut host = Host::start(plan(&with_sorry()), json!({ "order": "A-1" }));
    host.finish(0, echo);
    host.now_ms += 3_600_000;
    host.advance();
    assert_eq!(
        host.row("ship"),
        (NodeState::Skipped, "`paid` expired".to_owned())
    );
    assert_eq!(host.row("paid").1, "the signal did not come in time");
    let output = host.output();
    assert_eq!(output["amount"], json!(null), "the output has no payload to show");
    assert!(output["late"].is_string());
    host.check_replay();
}

/// A node that named the payload of a signal ran when the signal had not come: with the time of the expiry in its place.
#[test]
fn what_needs_a_payload_is_skipped_when_there_is_none() {
    let source = "
nodes:
  paid: { wait: { signal: payment, timeout: 1h } }
  whole: { call: x:y/a, with: { payment: \"${paid}\" } }
  asks: { set: { amount: \"${default(paid.amount, 0)}\" } }
  sorry: { after: paid.expired, set: { at: \"${paid.expired_at}\" } }
output: { asked: \"${asks.amount}\" }
";
    let mut host = Host::start(plan(source), json!({}));
    host.now_ms += 3_600_000;
    host.advance();
    assert_eq!(host.row("whole").0, NodeState::Skipped);
    assert_eq!(host.output(), json!({ "asked": 0 }));
}

/// A fallback at a wait for a signal was never used: the run expired, and the lint had nothing to say.
#[test]
fn what_stands_in_for_a_signal_is_used_when_it_does_not_come() {
    let expired = |nodes: &str| {
        let mut host = Host::start(plan(nodes), json!({}));
        host.now_ms += 3_600_000;
        host.advance();
        host.restart();
        host
    };
    let value = "
nodes:
  paid: { wait: { signal: payment, timeout: 1h }, fallback: { value: { amount: 0 } } }
  after_it: { set: { x: \"${paid.amount + 1}\" } }
output: { x: \"${after_it.x}\", paid: \"${paid}\" }
";
    let host = expired(value);
    assert_eq!(host.output(), json!({ "x": 1, "paid": { "amount": 0 } }));
    host.check_replay();
    let node = "
nodes:
  paid: { wait: { signal: payment, timeout: 1h }, fallback: { node: ask } }
  ask: { call: x:y/a }
output: \"${paid.from}\"
";
    let mut host = expired(node);
    host.run(echo);
    assert_eq!(host.output(), json!("ask"));
    host.check_replay();
    let neither = "
nodes:
  paid: { wait: { signal: payment, timeout: 1h }, fallback: { value: \"${1 / 0}\" }, on_error: branch }
  sorry: { after: paid.failed, set: { why: \"${paid.failure.kind}\" } }
output: \"${sorry.why}\"
";
    let host = expired(neither);
    assert_eq!(host.output(), json!("expression"));
    host.check_replay();
    // One that comes is taken as ever.
    let mut host = Host::start(plan(value), json!({}));
    host.signal("payment", None, json!({ "amount": 7 }));
    assert_eq!(host.output(), json!({ "x": 8, "paid": { "amount": 7 } }));
}

const PARENT: &str = "
input: { n: { type: integer } }
nodes:
  run_it: { workflow: child, with: { n: \"${input.n + 1}\" } }
  then: { set: { x: \"${run_it.x * 10}\" } }
output: \"${then.x}\"
";

#[test]
fn a_child_gets_its_input_and_its_output_is_the_nodes() {
    let mut host = Host::start(plan(PARENT), json!({ "n": 4 }));
    assert_eq!(host.phase(), "waiting");
    assert_eq!(host.children().len(), 1);
    assert_eq!(host.children()[0].1, json!({ "n": 5 }));
    let ordered = host.children();
    host.restart();
    assert_eq!(
        host.children(),
        ordered,
        "a host that starts again orders nothing again"
    );
    host.child_ends("run_it", Ok(json!({ "x": 3 })));
    assert_eq!(host.output(), json!(30));
    assert!(host.row("run_it").1.starts_with("child run "));
    host.check_replay();
}

#[test]
fn a_child_that_does_not_end_well_is_a_failure_of_its_node() {
    for (state, kind) in [
        ("failed", FailureKind::Denied),
        ("rejected", FailureKind::DecisionRejected),
        ("expired", FailureKind::Expired),
        ("cancelled", FailureKind::Rejected),
    ] {
        let failure = (state == "failed").then(|| Failure::new(FailureKind::Denied, "no grant"));
        let mut host = Host::start(plan(PARENT), json!({ "n": 4 }));
        host.child_ends("run_it", Err((state, failure)));
        assert!(
            matches!(host.state().outcome(), Some(Outcome::Failed { node: Some(node), failure }) if node.as_str() == "run_it" && failure.kind == kind),
            "{:?}",
            host.state().outcome()
        );
        host.check_replay();
    }
    let handled = PARENT
        .replace("with: { n", "on_error: branch, with: { n")
        .replace(
            "output:",
            "  sorry: { after: run_it.failed, set: { why: \"${run_it.failure.message}\" } }\noutput:",
        );
    let handled = handled.replace("\"${then.x}\"", "\"${sorry.why}\"");
    let mut host = Host::start(plan(&handled), json!({ "n": 4 }));
    host.child_ends(
        "run_it",
        Err(("failed", Some(Failure::new(FailureKind::Denied, "no grant")))),
    );
    assert_eq!(host.output(), json!("no grant"));
}

#[test]
fn a_child_that_is_not_waited_for_is_done_when_it_is_ordered() {
    let source = "nodes:\n  out: { workflow: child, detach: true }\noutput: \"${out.run}\"\n";
    let mut host = Host::start(plan(source), json!({}));
    assert_eq!(host.output(), json!(host.children()[0].0));
    host.check_replay();
    // A host that stopped between the two records goes on.
    let place = host.records.len() - 2;
    host.records.truncate(place);
    host.restart();
    assert_eq!(host.children().len(), 1);
    assert!(matches!(host.state().outcome(), Some(Outcome::Done { .. })));
}

#[test]
fn a_workflow_that_the_release_does_not_pin_fails_when_its_turn_comes() {
    let source = "nodes:\n  out: { workflow: other }\n";
    let host = Host::start(plan(source), json!({}));
    assert!(
        matches!(host.state().outcome(), Some(Outcome::Failed { failure, .. }) if failure.code.as_deref() == Some("FF-RUN-120"))
    );
}

#[test]
fn children_in_rounds_are_runs_of_their_own() {
    let source = "
nodes:
  each: { foreach: \"[1, 2, 3]\", parallel: 2, do: { one: { workflow: child, with: { n: \"${item}\" } } } }
output: \"${each}\"
";
    let mut host = Host::start(plan(source), json!({}));
    assert_eq!(host.children().len(), 2);
    host.child_ends("each[1].one", Ok(json!("b")));
    host.child_ends("each[2].one", Ok(json!("c")));
    host.child_ends("each[0].one", Ok(json!("a")));
    assert_eq!(host.output(), json!(["a", "b", "c"]));
    let names: std::collections::BTreeSet<_> = host.children().into_iter().map(|(run, _)| run).collect();
    assert_eq!(names.len(), 3);
    host.check_replay();
}

const UNSAFE: &str = "nodes:\n  a: { call: x:y/a, with: { n: 1 } }\n  b: { call: x:y/b, with: { a: \"${a.from}\" } }\noutput: \"${b.with.a}\"\n";

/// A host that stopped at work outside, at a step that must not be repeated.
fn needs_review() -> Host {
    let mut host = Host::start(plan_with_effect(UNSAFE, &json!({ "class": "unsafe" })), json!({}));
    host.intend(0);
    host.restart();
    assert_eq!(host.phase(), "needs_review");
    assert_eq!(host.state().waits()[0].kind, "review");
    assert_eq!(host.row("a").0, NodeState::NeedsReview);
    host
}

#[test]
fn a_person_may_have_it_tried_again_skip_it_with_a_value_or_let_it_fail() {
    let mut again = needs_review();
    again.review("a", ReviewAction::Retry);
    assert_eq!(again.flying[0].attempt, 2);
    again.run(echo);
    assert_eq!(again.output(), json!("a"));
    again.check_replay();

    let mut skip = needs_review();
    let output = json!({ "from": "elsewhere" }).into();
    skip.review("a", ReviewAction::Skip { output });
    assert_eq!(
        skip.row("a"),
        (NodeState::Done, "from elsewhere · given by ana".to_owned())
    );
    skip.run(echo);
    assert_eq!(skip.output(), json!("elsewhere"));
    skip.check_replay();

    let mut fail = needs_review();
    fail.review("a", ReviewAction::Fail);
    assert!(
        matches!(fail.state().outcome(), Some(Outcome::Failed { failure, .. }) if failure.code.as_deref() == Some("FF-RUN-101"))
    );
    fail.check_replay();
}

#[test]
fn a_paused_run_starts_nothing_and_no_time_comes_until_it_goes_on() {
    let source = "
nodes:
  a: { call: x:y/a }
  b: { call: x:y/b, with: { a: \"${a.from}\" } }
  rest: { wait: { for: 1m } }
  go: { wait: { signal: go } }
";
    let mut host = Host::start(plan(source), json!({}));
    host.pause();
    assert_eq!(host.phase(), "paused");
    assert_eq!(host.state().next_timer_ms(), None);
    host.finish(0, echo);
    host.now_ms += 600_000;
    host.signal("go", None, json!(1));
    assert!(
        host.flying.is_empty(),
        "what was under way has ended, and nothing follows"
    );
    assert_eq!(host.state().waits().len(), 2);
    host.restart();
    assert_eq!(host.state().paused(), Some("ana"));
    assert!(host.flying.is_empty());
    host.unpause();
    assert_eq!(host.at_work(), ["b"]);
    host.run(echo);
    assert!(matches!(host.state().outcome(), Some(Outcome::Done { .. })));
    host.check_replay();
}

#[test]
fn a_paused_run_can_be_cancelled() {
    let mut host = Host::start(plan("nodes:\n  a: { wait: { for: 1h } }\n"), json!({}));
    host.pause();
    host.cancel();
    assert!(matches!(host.state().outcome(), Some(Outcome::Cancelled { .. })));
    host.check_replay();
}

#[test]
fn a_cancelled_run_waits_for_what_is_under_way_and_says_how_long() {
    let source = "nodes:\n  a: { call: x:y/a }\n  b: { call: x:y/b, with: { a: \"${a}\" } }\n  c: { wait: { for: 1h } }\n";
    let mut host = Host::start(plan(source), json!({}));
    host.cancel();
    assert_eq!(host.state().cancel_grace_ms(), Some(1000));
    assert_eq!(host.run.in_flight(), 1);
    assert_eq!(host.state().outcome(), None);
    // Even a failure that would be tried again is not, now.
    host.finish(0, |_| Err(Failure::new(FailureKind::Throttled, "busy")));
    assert!(matches!(host.state().outcome(), Some(Outcome::Cancelled { .. })));
    assert_eq!(host.row("b").0, NodeState::NotRun);
    assert_eq!(host.row("c").0, NodeState::Stopped);
    host.check_replay();
}

#[test]
fn an_answer_is_a_record_of_its_own_and_the_run_goes_on() {
    let source = "
input: { name: { type: string } }
nodes:
  answer: { respond: { status: 202, headers: { x-id: \"${input.name}\" }, body: { hello: \"${input.name}\" } } }
  more: { after: answer, call: x:y/a }
output: \"${answer.status}\"
";
    let mut host = Host::start(plan(source), json!({ "name": "Ana" }));
    let answered = host.records.iter().find_map(|record| match &record.event {
        flowforge_protocol::record::Event::Responded {
            status,
            headers,
            body,
            ..
        } => Some((*status, headers.clone(), body.shown())),
        _ => None,
    });
    let (status, headers, body) = answered.expect("it answers before its last step");
    assert_eq!((status, body), (202, json!({ "hello": "Ana" })));
    assert_eq!(headers["x-id"], "Ana");
    assert_eq!(host.at_work(), ["more"]);
    assert_eq!(host.row("answer"), (NodeState::Done, "answered 202".to_owned()));
    host.run(echo);
    assert_eq!(host.output(), json!(202));
    host.check_replay();
    for wrong in [
        "{ status: \"${input.name}\" }",
        "{ status: \"${600}\" }",
        "{ headers: { a: \"${input}\" } }",
        "{ headers: { a: \"${'x\\\\r\\\\nset-cookie: y'}\" } }",
    ] {
        let source = format!("input: {{ name: {{ type: string }} }}\nnodes:\n  a: {{ respond: {wrong} }}\n");
        let host = Host::start(plan(&source), json!({ "name": "Ana" }));
        assert_eq!(host.phase(), "failed", "{wrong}");
    }
}
