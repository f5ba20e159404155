//! The rules of order, failure, waiting and restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::awaited::{Await, Closing};
use flowforge_protocol::record::{Event, Outcome};
use flowforge_protocol::used::Use;
use flowforge_protocol::{Digest, Failure, FailureKind};
use flowforge_workflow::{Command, Execution, Given, Invoke, NodeState, Now, Plan, RunPhase, RunState};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Host, plan_of};

fn plan(nodes: &str) -> Arc<Plan> {
    plan_of(&format!("workflow: test\n{nodes}"), &BTreeMap::new())
}

fn echo(invoke: &Invoke) -> Result<Value, Failure> {
    Ok(json!({ "from": invoke.step.to_string(), "with": invoke.input }))
}

fn state_of(host: &Host, node: &str) -> (NodeState, String) {
    let view = host.state().view();
    let row = view
        .nodes
        .iter()
        .find(|row| row.node.as_str() == node)
        .expect("a node");
    (row.state, row.what.clone())
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
    assert_eq!(needs_review(&unsafe_again).as_deref(), Some("FF-RUN-001"));
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
    assert_eq!(needs_review(&forgotten).as_deref(), Some("FF-RUN-003"));
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

/// A random workflow: each node may use, ask about, or come after earlier ones.
fn random_workflow() -> impl Strategy<Value = String> {
    let node = (0..5_u8, any::<[u8; 3]>());
    proptest::collection::vec(node, 1..12).prop_map(|nodes| {
        let mut out = String::from("workflow: random\ninput: { xs: { type: array } }\nnodes:\n");
        for (index, (kind, links)) in nodes.iter().enumerate() {
            let earlier = |link: u8| (index > 0).then(|| format!("n{}", usize::from(link) % index.max(1)));
            let used = earlier(links[0]).filter(|_| links[0] % 3 > 0);
            let asked = earlier(links[1]).filter(|_| links[1] % 3 == 0);
            let use_text = used.unwrap_or_else(|| "1".to_owned());
            let ask_text = asked.map_or_else(|| "2".to_owned(), |node| format!("default({node}, 3)"));
            let value = format!("\"${{[{use_text}, {ask_text}]}}\"");
            let after = earlier(links[2]).filter(|_| links[2] % 4 == 0);
            let after = after.map_or_else(String::new, |node| format!("after: {node}, "));
            let what = match kind {
                0 => format!("set: {{ v: {value} }}"),
                1 => format!("switch: {{ yes: \"size([{use_text}]) > {}\", no: else }}", links[0] % 2),
                2 => format!(
                    "foreach: input.xs, as: e{index}, parallel: {}, do: {{ i{index}: {{ call: x:y/z, with: {{ v: {value}, e: \"${{e{index}}}\" }} }} }}",
                    1 + links[1] % 3
                ),
                _ => format!("call: x:y/z, with: {{ v: {value} }}"),
            };
            out.push_str(&format!("  n{index}: {{ {after}{what} }}\n"));
        }
        out.push_str("output: { all: [");
        let all: Vec<String> = (0..nodes.len()).map(|index| format!("\"${{default(n{index}, 'absent')}}\"")).collect();
        out.push_str(&all.join(", "));
        out.push_str("] }\n");
        out
    })
}

/// Fails the first attempt of every second step, in a way that may be tried again.
fn unsteady(invoke: &Invoke) -> Result<Value, Failure> {
    let odd = invoke.step.to_string().bytes().map(u32::from).sum::<u32>() % 2 == 1;
    if odd && invoke.attempt == 1 {
        return Err(Failure::new(FailureKind::Throttled, "busy"));
    }
    echo(invoke)
}

/// What is still to be done now.
fn outstanding(run: &mut Execution, now_ms: u64) -> Vec<String> {
    let commands = run.next(Now { ms: now_ms });
    let mut out: Vec<String> = commands.iter().map(|command| format!("{command:?}")).collect();
    out.sort();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_gives_the_same_result(source in random_workflow(), picks in proptest::collection::vec(any::<u16>(), 0..64)) {
        let plan = plan_of(&source, &BTreeMap::new());
        let input = json!({ "xs": [1, 2, 3] });
        let mut straight = Host::start(Arc::clone(&plan), input.clone());
        straight.run_through(unsteady);
        let mut shuffled = Host::start(plan, input);
        let mut picks = picks.into_iter().cycle();
        while !shuffled.flying.is_empty() {
            let pick = picks.next().map_or(0, usize::from) % shuffled.flying.len();
            shuffled.finish(pick, unsteady);
            shuffled.skip_time();
        }
        prop_assert!(straight.state().outcome().is_some());
        prop_assert_eq!(straight.state().outcome(), shuffled.state().outcome());
        let rows = |host: &Host| {
            host.state().view().nodes.into_iter().map(|row| (row.node, row.state, row.what, row.tries)).collect::<Vec<_>>()
        };
        prop_assert_eq!(rows(&straight), rows(&shuffled));
    }

    #[test]
    fn replaying_the_records_gives_the_same_state_at_every_prefix(source in random_workflow(), picks in proptest::collection::vec(any::<u16>(), 1..64)) {
        let plan = plan_of(&source, &BTreeMap::new());
        let mut host = Host::start(plan, json!({ "xs": [1, 2, 3] }));
        let mut picks = picks.into_iter().cycle();
        loop {
            let replayed = host.replay(host.records.len());
            prop_assert_eq!(replayed.view(), host.state().view());
            prop_assert_eq!(replayed.timers(), host.state().timers());
            // Everything that flies is given out again, with the same input, and nothing else is.
            let mut again = Execution::new(replayed.clone(), Given::new());
            let mut flying: Vec<String> =
                host.flying.iter().map(|invoke| format!("{:?}", Command::Invoke(Box::new(invoke.clone())))).collect();
            flying.sort();
            prop_assert_eq!(outstanding(&mut again, host.now_ms), flying);
            prop_assert!(outstanding(&mut again, host.now_ms).is_empty(), "commands are given once");
            if host.flying.is_empty() {
                break;
            }
            let pick = picks.next().map_or(0, usize::from) % host.flying.len();
            host.finish(pick, unsteady);
            host.skip_time();
        }
        prop_assert!(host.state().outcome().is_some());
        // A snapshot at any place is the state there.
        for count in 1..host.records.len() {
            let state = host.replay(count);
            let bytes = state.snapshot().expect("it has all its values");
            let number = u64::try_from(count).unwrap_or(0);
            let restored = RunState::restore(Arc::clone(state.plan()), state.run(), number, &bytes).expect("it fits");
            prop_assert_eq!(restored.view(), state.view());
            let (mut one, mut other) = (Execution::new(state, Given::new()), Execution::new(restored, Given::new()));
            prop_assert_eq!(outstanding(&mut one, host.now_ms), outstanding(&mut other, host.now_ms));
        }
        for count in 0..host.records.len() {
            let prefix = host.replay(count);
            prop_assert_eq!(prefix.next_seq(), u64::try_from(count).unwrap_or(0));
        }
    }
}
