//! The rules of order, failure, waiting and restart.

use std::collections::BTreeMap;

use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::used::Use;
use flowforge_protocol::{Digest, Failure, FailureKind};
use flowforge_workflow::{Command, Execution, Given, Invoke, NodeState, Now, RunPhase};
use serde_json::{Value, json};

use crate::support::{Host, echo, plan, plan_of};

fn state_of(host: &Host, node: &str) -> (NodeState, String) {
    host.row(node)
}

const BRANCHES: &str = "
nodes:
  gate: { switch: { big: input.n > 5, small: else } }
  a: { after: gate.big, call: x:y/a, with: { n: \"${input.n}\" } }
  b: { after: gate.small, call: x:y/b }
  only_a: { set: { v: \"${a.from}\" } }
  join: { after: [a, b], set: { v: \"${default(a.from, b.from)}\" } }
input: { n: { type: integer } }
output: { v: \"${join.v}\", a: \"${a}\" }
";

#[test]
fn a_branch_that_was_not_chosen_is_skipped_and_a_join_goes_on() {
    let mut host = Host::start(plan(BRANCHES), json!({ "n": 1 }));
    host.run(echo);
    assert_eq!(
        state_of(&host, "a"),
        (NodeState::Skipped, "`gate` did not choose `big`".to_owned())
    );
    assert_eq!(
        state_of(&host, "only_a"),
        (NodeState::Skipped, "`a` did not run".to_owned())
    );
    assert_eq!(
        host.state().outcome(),
        Some(&Outcome::Done {
            output: json!({ "v": "b", "a": null }).into()
        })
    );
}

#[test]
fn a_failure_waits_for_what_is_in_flight_and_starts_nothing_more() {
    let source =
        "nodes:\n  a: { call: x:y/a }\n  b: { call: x:y/b }\n  c: { call: x:y/c, with: { b: \"${b}\" } }\n";
    let mut host = Host::start(plan(source), json!({}));
    host.finish(0, |_| {
        Err(Failure::new(FailureKind::Rejected, "no such customer"))
    });
    assert_eq!(host.state().outcome(), None, "b is still at work");
    host.finish(0, echo);
    assert!(
        matches!(host.state().outcome(), Some(Outcome::Failed { node: Some(node), .. }) if node.as_str() == "a")
    );
    assert_eq!(
        state_of(&host, "a"),
        (NodeState::Failed, "no such customer".to_owned())
    );
    assert_eq!(state_of(&host, "c").0, NodeState::NotRun);
}

#[test]
fn what_may_be_repeated_is_tried_again_after_its_delay() {
    let source = "nodes:\n  a: { call: x:y/a, retry: { attempts: 3, first_delay: 1s } }\n";
    let mut host = Host::start(plan(source), json!({}));
    let busy = |_: &Invoke| Err(Failure::new(FailureKind::Unavailable, "refused"));
    host.finish(0, busy);
    let (state, what) = state_of(&host, "a");
    assert_eq!(state, NodeState::Retrying);
    assert!(what.starts_with("attempt 1 failed: refused; next at "), "{what}");
    assert!(host.flying.is_empty(), "not before its time");
    let due = host.state().timers()[0].1;
    host.now_ms = due;
    host.advance();
    assert_eq!(host.flying[0].attempt, 2);
    host.finish(0, busy);
    host.now_ms += 10_000;
    host.advance();
    host.finish(0, busy);
    assert!(
        matches!(host.state().outcome(), Some(Outcome::Failed { .. })),
        "three attempts are enough"
    );
    assert_eq!(host.state().view().totals.tries, 3);
}

#[test]
fn an_approval_ends_by_yes_by_no_or_by_time() {
    let source =
        "nodes:\n  ask: { approval: { title: \"Go?\", expires: 1h } }\n  go: { after: ask, set: { x: 1 } }\n";
    let mut yes = Host::start(plan(source), json!({}));
    assert_eq!(yes.state().phase(), RunPhase::Waiting);
    yes.decide("ask", true);
    assert!(matches!(yes.state().outcome(), Some(Outcome::Done { .. })));
    let mut no = Host::start(plan(source), json!({}));
    no.decide("ask", false);
    assert!(matches!(no.state().outcome(), Some(Outcome::Rejected { by, .. }) if by == "demo"));
    assert_eq!(state_of(&no, "ask").1, "rejected by demo: the feed is a test");
    let mut late = Host::start(plan(source), json!({}));
    late.now_ms += 3_599_999;
    late.advance();
    assert_eq!(late.state().outcome(), None, "not early");
    late.now_ms += 1;
    late.advance();
    assert!(matches!(late.state().outcome(), Some(Outcome::Expired { .. })));

    let handled = format!(
        "{source}  sorry: {{ after: [ask.rejected, ask.expired], set: {{ x: \"${{ask.approved}}\" }} }}\n"
    );
    let mut no = Host::start(plan(&handled), json!({}));
    no.decide("ask", false);
    assert!(
        matches!(no.state().outcome(), Some(Outcome::Done { .. })),
        "somebody comes after the rejection"
    );
    assert_eq!(
        state_of(&no, "go"),
        (NodeState::Skipped, "`ask` was not approved".to_owned())
    );
}

#[test]
fn a_wait_ends_at_its_time_also_in_a_rebuilt_state() {
    let source = "nodes:\n  a: { wait: { for: 200ms } }\n  b: { after: a, wait: { until: \"timestamp('1970-01-01T01:00:00Z')\" } }\n";
    let mut host = Host::start(plan(source), json!({}));
    let again = host.replay(host.records.len());
    let due = host.now_ms + 200;
    assert_eq!(again.timers(), vec![("a".parse().expect("a step"), due)]);
    let mut again = Execution::new(again, Given::new());
    assert_eq!(again.next(Now { ms: due - 1 }), []);
    assert!(matches!(
        again.next(Now { ms: due }).as_slice(),
        [Command::Record(Event::AwaitClosed {
            closing: Closing::Due,
            ..
        })]
    ));
    host.now_ms = due;
    host.advance();
    assert_eq!(host.state().timers()[0].1, 3_600_000);
    host.now_ms = 3_600_000;
    host.advance();
    assert!(matches!(host.state().outcome(), Some(Outcome::Done { .. })));
}

#[test]
fn a_cancelled_run_starts_nothing_more() {
    let source = "nodes:\n  a: { call: x:y/a }\n  b: { call: x:y/b, with: { a: \"${a}\" } }\n";
    let mut host = Host::start(plan(source), json!({}));
    host.record(Event::CancelRequested {
        reason: "by duty: wrong week".to_owned(),
        grace_ms: 0,
    });
    host.advance();
    assert_eq!(host.run.in_flight(), 1);
    host.finish(0, echo);
    assert!(matches!(host.state().outcome(), Some(Outcome::Cancelled { .. })));
}

#[test]
fn a_host_that_stopped_at_work_repeats_only_what_may_be_repeated() {
    let source = "nodes:\n  a: { call: x:y/a }\n";
    let interface = |effect: Value| {
        let operation = json!({
            "name": "a", "export": { "function": "a" }, "params": [], "fails": true, "effect": effect,
        });
        let interface = json!({ "operations": [operation], "capabilities": [], "baseline": [] });
        let interface = serde_json::from_value(interface).expect("an interface");
        plan_of(
            &format!("workflow: test\n{source}"),
            &BTreeMap::from([("x:y".to_owned(), interface)]),
        )
    };
    let stopped = |effect: Value, intent: bool| {
        let mut host = Host::start(interface(effect), json!({}));
        if intent {
            host.intend(0);
        }
        let state = host.replay(host.records.len());
        Execution::new(state, Given::new()).next(Now { ms: 2_000_000 })
    };
    let needs_review = |commands: &[Command]| match commands {
        [
            Command::Record(Event::AwaitOpened {
                awaits: Await::Review { failure, .. },
                ..
            }),
        ] => failure.code.clone(),
        other => panic!("{other:?}"),
    };
    let unsafe_again = stopped(json!({ "class": "unsafe" }), true);
    assert_eq!(needs_review(&unsafe_again).as_deref(), Some("FF-RUN-101"));
    let pure = stopped(json!({ "class": "pure" }), false);
    assert!(
        matches!(pure.as_slice(), [Command::Invoke(invoke)] if invoke.attempt == 1),
        "{pure:?}"
    );
    let keyed = stopped(json!({ "class": "keyed", "retention_ms": 86_400_000 }), true);
    assert!(
        matches!(keyed.as_slice(), [Command::Invoke(invoke)] if invoke.attempt == 2),
        "{keyed:?}"
    );
    let forgotten = stopped(json!({ "class": "keyed", "retention_ms": 1 }), true);
    assert_eq!(needs_review(&forgotten).as_deref(), Some("FF-RUN-103"));
}

/// A step whose host stopped was evaluated again and sent, although an evaluator that had changed gave another body: two
/// different requests went out under one key.
#[test]
fn a_step_is_not_repeated_with_another_input_than_was_recorded() {
    let source = "nodes:\n  a: { call: x:y/a, with: { n: 1 } }\n";
    let operation = json!({
        "name": "a", "export": { "function": "a" }, "params": [], "fails": true, "effect": { "class": "idempotent" },
    });
    let interface = json!({ "operations": [operation], "capabilities": [], "baseline": [] });
    let interface = serde_json::from_value(interface).expect("an interface");
    let plan = plan_of(
        &format!("workflow: test\n{source}"),
        &BTreeMap::from([("x:y".to_owned(), interface)]),
    );
    let mut host = Host::start(plan, json!({}));
    host.record(Event::Intent {
        step: "a".parse().expect("a step"),
        attempt: 1,
        input_digest: Digest::of_json(&json!({ "n": 2 })),
        will_use: Use::of("https://a.example:443"),
    });
    host.restart();
    assert!(host.flying.is_empty(), "nothing is sent");
    assert_eq!(host.state().phase(), RunPhase::NeedsReview);
    host.review("a", flowforge_protocol::awaited::ReviewAction::Retry);
    assert_eq!(host.flying.len(), 1, "a person may say that it is all right");
}

#[test]
fn an_expression_that_fails_names_its_place() {
    let mut host = Host::start(
        plan("nodes:\n  a: { set: { x: { y: [\"${input.nope}\"] } } }\n"),
        json!({}),
    );
    host.run(echo);
    let Some(Outcome::Failed { failure, .. }) = host.state().outcome() else {
        panic!("it must fail")
    };
    assert_eq!(failure.kind, FailureKind::Expression);
    assert_eq!(failure.path.as_deref(), Some("a.set.x.y[0]"));
}

#[test]
fn rounds_run_side_by_side_up_to_the_limit_and_results_keep_their_order() {
    let source = "
nodes:
  each:
    foreach: input.xs
    as: x
    parallel: 3
    do:
      one: { call: x:y/one, with: { x: \"${x}\" } }
      two: { set: { y: \"${one.with.x * 10}\" } }
input: { xs: { type: array } }
output: \"${each.map(e, e.two.y)}\"
";
    let mut host = Host::start(plan(source), json!({ "xs": [1, 2, 3, 4, 5] }));
    assert_eq!(host.flying.len(), 3);
    while !host.flying.is_empty() {
        let last = host.flying.len() - 1;
        host.finish(last, echo);
        assert!(host.flying.len() <= 3);
    }
    assert_eq!(
        host.state().outcome(),
        Some(&Outcome::Done {
            output: json!([10, 20, 30, 40, 50]).into()
        })
    );
    assert_eq!(state_of(&host, "each").1, "5 of 5, 3 at a time");
    let mut empty = Host::start(plan(source), json!({ "xs": [] }));
    empty.run(echo);
    assert_eq!(
        empty.state().outcome(),
        Some(&Outcome::Done {
            output: json!([]).into()
        })
    );
}

#[test]
fn a_round_that_fails_shows_at_its_loop() {
    let source = "
nodes:
  each: { foreach: input.xs, parallel: 2, do: { one: { call: x:y/one, with: { x: \"${item}\" } } } }
  ask: { approval: { title: Go? } }
  rest: { set: { x: \"${each}\" } }
input: { xs: { type: array } }
";
    let mut host = Host::start(plan(source), json!({ "xs": [1, 2, 3, 4] }));
    host.finish(0, echo);
    host.finish(0, |_| Err(Failure::new(FailureKind::Invalid, "no such place")));
    assert_eq!(host.flying.len(), 1, "no further round starts");
    host.finish(0, echo);
    assert!(
        matches!(host.state().outcome(), Some(Outcome::Failed { node: Some(node), .. }) if node.as_str() == "one")
    );
    assert_eq!(
        state_of(&host, "each"),
        (
            NodeState::Failed,
            "2 of 4, 2 at a time, then one failed".to_owned()
        )
    );
    assert_eq!(state_of(&host, "ask").0, NodeState::Stopped);
    assert_eq!(state_of(&host, "rest").0, NodeState::NotRun);
    assert_eq!(host.replay(host.records.len()).view(), host.state().view());
}

#[test]
fn a_record_that_does_not_belong_is_refused() {
    let mut host = Host::start(plan("nodes:\n  a: { call: x:y/a }\n"), json!({}));
    host.finish(0, echo);
    let mut state = host.replay(2);
    let again = state.apply(&host.records[1]).expect_err("already applied");
    assert_eq!(again.to_string(), "record 1 applied, 2 is next");
    let mut record = host.records[1].clone();
    record.seq = 2;
    let twice = state.apply(&record).expect_err("a result never changes");
    assert_eq!(twice.to_string(), "step `a` is done: `completed` cannot happen");
}

/// A loop over nothing left its run hanging: what came after it never began.
#[test]
fn a_loop_over_nothing_is_done_and_what_comes_after_it_runs() {
    let source = "
input: { rows: { type: array } }
nodes:
  outer:
    foreach: input.rows
    as: row
    do:
      inner: { foreach: row, as: cell, do: { one: { set: { v: \"${cell}\" } } } }
  tail: { after: outer, set: { count: \"${size(outer)}\" } }
output: { all: \"${outer}\", count: \"${tail.count}\" }
";
    let of = |rows: Value| {
        let mut host = Host::start(plan(source), json!({ "rows": rows }));
        host.run(echo);
        host.check_replay();
        host.output()
    };
    assert_eq!(of(json!([])), json!({ "all": [], "count": 0 }));
    assert_eq!(of(json!([[], []])), json!({ "all": [[], []], "count": 2 }));
    assert_eq!(
        of(json!([[], [2]])),
        json!({ "all": [[], [{ "v": 2 }]], "count": 2 })
    );
}

/// After a wait until a time with an offset, the run did not go on; seconds that were taken for milliseconds passed at
/// once, without a word.
#[test]
fn a_wait_until_a_moment_takes_every_form_of_it() {
    let source = "
input: { times: { type: array } }
nodes:
  each:
    foreach: input.times
    as: time
    parallel: 8
    do:
      pause: { wait: { until: time } }
      next: { after: pause, set: { ok: true } }
output: \"${size(each)}\"
";
    // It is 1970-01-01T00:16:40Z.
    let times = json!([
        "1970-01-01T01:16:00+01:00",
        "1970-01-01T06:01:44+05:45",
        "1970-01-01T00:16:44.000Z",
    ]);
    let mut host = Host::start(plan(source), json!({ "times": times }));
    assert_eq!(host.row("each").1, "1 of 3, 8 at a time", "the first is past");
    let due: Vec<u64> = host.state().timers().iter().map(|(_, due)| *due).collect();
    assert_eq!(due, [1_004_000, 1_004_000]);
    host.now_ms = 1_003_999;
    host.advance();
    assert_eq!(host.phase(), "waiting");
    host.skip_time();
    assert_eq!(host.output(), json!(3));
    host.check_replay();

    let ms = 1_795_425_600_000_u64;
    let later = Host::start(plan(source), json!({ "times": [ms] }));
    assert_eq!(later.state().timers()[0].1, ms);
    let seconds = Host::start(plan(source), json!({ "times": [ms / 1000] }));
    let Some(Outcome::Failed { failure, .. }) = seconds.state().outcome() else {
        panic!("{}", seconds.table());
    };
    assert!(failure.message.contains("looks like seconds"), "{failure:?}");
}

/// A list that came out otherwise after a restart gave rounds to the wrong elements.
#[test]
fn a_loop_goes_on_over_the_list_that_it_began_with() {
    let source = "nodes:\n  each: { foreach: \"[1, 2]\", do: { one: { call: x:y/a } } }\n";
    let host = Host::start(plan(source), json!({}));
    let begun = |list: &Value, count| {
        let mut record = host.records[1].clone();
        let Event::LoopStarted {
            list: digest,
            count: recorded,
            ..
        } = &mut record.event
        else {
            panic!("{record:?}");
        };
        (*digest, *recorded) = (Digest::of_json(list), count);
        let mut state = host.replay(1);
        state.apply(&record).map_err(|error| error.to_string())
    };
    assert_eq!(begun(&json!([1, 2]), 2), Ok(()));
    for other in [json!([2, 1]), json!([1, 2, 3])] {
        let error = begun(&other, 2).expect_err("it is another list");
        assert!(error.contains("loop `each` started with 2 rounds"), "{error}");
    }
}
