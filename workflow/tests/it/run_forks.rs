//! A retry from inside a loop: what of its rounds is reused, and what runs again.

use std::sync::Arc;

use flowforge_protocol::awaited::Await;
use flowforge_protocol::record::Event;
use flowforge_workflow::{ForkPlan, NodeState, Plan};
use serde_json::json;

use crate::support::{Host, echo, plan, refuse};

/// In each round one node is disabled, and the one behind it asks about it.
const LOOP: &str = "
input: { items: { type: array } }
nodes:
  look: { call: x:y/a }
  each:
    after: look
    foreach: input.items
    do:
      pick: { call: x:y/b, with: { of: \"${item}\" } }
      note: { call: x:y/n, disabled: true }
      send: { call: x:y/c, with: { p: \"${pick.from}\", n: \"${default(note.x, 1)}\" } }
  beside: { after: look, call: x:y/e }
  ship: { after: [each], call: x:y/d, with: { all: \"${each}\" } }
output: \"${ship.with}\"
";

fn items() -> serde_json::Value {
    json!({ "items": ["u", "v", "w"] })
}

fn texts<'k>(steps: impl IntoIterator<Item = &'k flowforge_protocol::StepKey>) -> Vec<String> {
    steps.into_iter().map(ToString::to_string).collect()
}

fn fork(host: &Host, from: &str) -> ForkPlan {
    let state = host.with_rounds();
    state
        .fork_from(&[from.parse().expect("a step")])
        .expect("it can be retried")
}

/// A run that sent for the first element and failed to for the second.
fn failed_in_a_round() -> Host {
    let mut host = Host::start(plan(LOOP), items());
    host.finish_used("look");
    host.finish_used("beside");
    for step in ["each[0].pick", "each[0].send", "each[1].pick"] {
        host.finish_used(step);
    }
    host.finish_step("each[1].send", refuse);
    assert_eq!(host.phase(), "failed");
    host
}

fn done() -> Host {
    let mut host = Host::start(plan(LOOP), items());
    while let Some(step) = host.at_work().first() {
        host.finish_used(step);
    }
    assert_eq!(host.phase(), "done");
    host
}

/// A loop that failed in one round was begun anew as a whole, and what its other rounds had sent was sent again.
#[test]
fn a_loop_that_failed_in_a_round_goes_on_from_there() {
    let host = failed_in_a_round();
    for from in ["each[1].send", "ship", "send"] {
        let fork = fork(&host, from);
        // Named without a round, the node runs again in all that began.
        let (first, again) = match from {
            "send" => (["look", "beside"].as_slice(), ["each[0].send"].as_slice()),
            _ => (["look", "each[0].send", "beside"].as_slice(), [].as_slice()),
        };
        let reused = [first, &["each[0].pick", "each[1].pick"]].concat();
        let mut found = texts(&fork.reused);
        found.sort();
        let mut wanted: Vec<String> = reused.into_iter().map(str::to_owned).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{from}");
        assert_eq!(texts(&fork.continued), ["each"]);
        assert_eq!(
            texts(&fork.runs_again),
            [again, &["each[1].send", "ship"]].concat(),
            "{from}"
        );
        assert_eq!(texts(fork.lineage.repeats.keys()), again, "{from}");
    }
    let mut second = host.retried(&["each[1].send"], plan(LOOP), items());
    assert_eq!(second.at_work(), ["each[1].send"], "nothing else runs again");
    assert_eq!(
        second.flying[0].repeats, 0,
        "it failed: it is tried under the key that it had"
    );
    second.finish_used("each[1].send");
    assert_eq!(
        second.at_work(),
        ["each[2].pick"],
        "and the rest runs for the first time"
    );
    second.finish_used("each[2].pick");
    second.finish_used("each[2].send");
    second.check_replay();
    second.finish_used("ship");
    assert_eq!(second.output(), done().output());
    // Of a second retry the first generation's results are still there.
    let third = second.retried(&["each[2].pick"], plan(LOOP), items());
    assert_eq!(third.at_work(), ["each[2].pick"]);
    assert_eq!(third.flying[0].repeats, 1);
}

#[test]
fn one_round_of_a_run_that_is_done_runs_again() {
    let host = done();
    let fork = fork(&host, "each[1].pick");
    assert_eq!(texts(&fork.runs_again), ["each[1].pick", "each[1].send", "ship"]);
    assert_eq!(
        texts(fork.lineage.repeats.keys()),
        ["ship", "each[1].pick", "each[1].send"]
    );
    let nodes: Vec<&str> = fork.repeated.iter().map(|effect| effect.node.as_str()).collect();
    assert_eq!(nodes, ["pick", "send", "ship"]);
    let mut second = host.retried(&["each[1].pick"], plan(LOOP), items());
    assert_eq!(second.at_work(), ["each[1].pick"]);
    second.finish_used("each[1].pick");
    second.restart();
    second.finish_used("each[1].send");
    second.finish_used("ship");
    assert_eq!(second.output(), host.output());
    second.check_replay();
}

#[test]
fn a_loop_that_is_named_or_comes_later_runs_again_as_a_whole() {
    let host = done();
    for (from, again) in [
        ("each", ["each", "ship"].as_slice()),
        ("look", &["look", "each", "beside", "ship"]),
    ] {
        let fork = fork(&host, from);
        assert_eq!(texts(&fork.runs_again), again);
        assert!(fork.continued.is_empty());
        assert_eq!(
            fork.lineage
                .repeats
                .keys()
                .filter(|step| !step.path.is_empty())
                .count(),
            6,
            "everything that was sent"
        );
    }
}

/// What is reused is of an element, not of a number.
#[test]
fn rounds_of_another_list_are_not_reused() {
    let host = failed_in_a_round();
    let other = json!({ "items": ["u", "other", "w"] });
    let mut second = host.retried(&["each[1].send"], plan(LOOP), other);
    second.run(echo);
    let failure = match second.state().outcome() {
        Some(flowforge_protocol::record::Outcome::Failed { failure, .. }) => failure.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(failure.code.as_deref(), Some("FF-RUN-123"));
    assert!(
        failure.message.ends_with("retry from `each`"),
        "{}",
        failure.message
    );
    second.check_replay();
}

#[test]
fn loops_in_loops_go_on_where_they_were() {
    let source = "
nodes:
  out:
    foreach: \"['a', 'b']\"
    do:
      inner: { foreach: \"[1, 2]\", as: number, do: { one: { call: x:y/a, with: { of: \"${item}\" } } } }
      sum: { call: x:y/s, with: { of: \"${inner}\" } }
output: \"${out}\"
";
    let mut host = Host::start(plan(source), json!({}));
    while let Some(step) = host.at_work().first() {
        if step == "out[1].inner[0].one" {
            host.finish_step("out[1].inner[0].one", refuse);
        } else {
            host.finish_used(step);
        }
    }
    let fork = fork(&host, "out[1].inner[0].one");
    assert_eq!(texts(&fork.continued), ["out", "out[1].inner"]);
    assert_eq!(texts(&fork.reused), ["out[0].inner", "out[0].sum"]);
    let mut second = host.retried(&["out[1].inner[0].one"], plan(source), json!({}));
    assert_eq!(second.at_work(), ["out[1].inner[0].one"]);
    second.run(echo);
    assert_eq!(second.row("out").0, NodeState::Done);
    second.check_replay();
}

fn polls() -> Arc<Plan> {
    plan(
        "
nodes:
  poll:
    repeat:
      until: ask.with.n >= 4
      max: 9
      every: 1m
    do:
      ask: { call: x:y/a, with: { n: \"${round}\" } }
      keep: { call: x:y/k, with: { p: \"${ask.from}\" } }
output: \"${poll.ask}\"
",
    )
}

fn paused(host: &Host) -> usize {
    let opened = |event: &Event| {
        matches!(
            event,
            Event::AwaitOpened {
                awaits: Await::Time,
                ..
            }
        )
    };
    host.records.iter().filter(|record| opened(&record.event)).count()
}

/// Rounds that follow upon one that runs again are not those that were.
#[test]
fn a_repeat_goes_on_from_a_round() {
    let mut host = Host::start(polls(), json!({}));
    while host.state().outcome().is_none() {
        let step = host.at_work().first().expect("it flies").clone();
        host.finish_used(&step);
        host.skip_time();
    }
    assert_eq!((host.phase(), paused(&host)), ("done", 3));
    let fork = fork(&host, "poll[1].keep");
    assert_eq!(
        texts(&fork.reused),
        ["poll[0].ask", "poll[1].ask", "poll[0].keep"]
    );
    assert_eq!(
        texts(&fork.runs_again),
        [
            "poll[2].ask",
            "poll[3].ask",
            "poll[1].keep",
            "poll[2].keep",
            "poll[3].keep"
        ]
    );
    let mut second = host.retried(&["poll[1].keep"], polls(), json!({}));
    assert_eq!(second.at_work(), ["poll[1].keep"]);
    assert_eq!(
        paused(&second),
        0,
        "the run before has rested after the first round"
    );
    while second.state().outcome().is_none() {
        let step = second.at_work().first().expect("it flies").clone();
        second.finish_used(&step);
        second.skip_time();
    }
    assert_eq!((second.output(), paused(&second)), (host.output(), 2));
    second.check_replay();
}
