//! Runs of a part: disabled nodes, tries up to a node with given data, and a retry from a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::record::{Outcome, Source};
use flowforge_protocol::{FailureKind, NodeId, StepKey};
use flowforge_workflow::{ForkError, ForkPlan, Given, NodeState};
use serde_json::json;

use crate::support::{Host, acceptance, echo, fails, plan, plan_with_effect, refuse};

fn node(id: &str) -> NodeId {
    id.parse().expect("an id")
}

#[test]
fn a_disabled_node_is_skipped_and_what_needs_it_too() {
    let source = "
nodes:
  a: { disabled: true, call: x:y/a }
  b: { set: { x: \"${a.from}\" } }
  c: { set: { x: \"${default(a.from, 'none')}\" } }
  each: { foreach: \"[1]\", do: { d: { disabled: true, set: { x: 1 } } } }
output: { c: \"${c.x}\", each: \"${each}\" }
";
    let host = Host::start(plan(source), json!({}));
    assert_eq!(
        host.row("a"),
        (NodeState::Skipped, "the node is disabled".to_owned())
    );
    assert_eq!(host.row("b"), (NodeState::Skipped, "`a` did not run".to_owned()));
    assert_eq!(host.output(), json!({ "c": "none", "each": [null] }));
    host.check_replay();
}

const CHAIN: &str = "
nodes:
  a: { call: x:y/a }
  ask: { after: a, approval: { title: Go? } }
  b: { after: ask, call: x:y/b, with: { a: \"${a.from}\" } }
  no: { after: ask.rejected, set: { x: 1 } }
  c: { call: x:y/c, with: { b: \"${b.from}\" } }
  other: { call: x:y/d }
output: { c: \"${c.with.b}\", no: \"${no.x}\" }
";

#[test]
fn a_try_goes_up_to_a_node_and_takes_given_data() {
    let mut accepted = acceptance(json!({}));
    accepted.until = Some(node("b"));
    accepted.given = vec![node("ask")];
    let answer = json!({ "approved": true, "by": "pinned", "comment": null, "at": null });
    let given = Given::from([(StepKey::top(node("ask")), (Arc::new(answer), Source::Given))]);
    let mut host = Host::start_with(plan(CHAIN), accepted, given);
    assert_eq!(
        host.row("ask").0,
        NodeState::Done,
        "nobody is asked, and nothing is waited for"
    );
    // What a given node needs itself is not run for it; `b` needs `a`.
    assert_eq!(host.at_work(), ["a"]);
    host.restart();
    host.run(echo);
    assert_eq!(host.row("b").0, NodeState::Done);
    assert_eq!(
        host.row("c"),
        (NodeState::Skipped, "the run goes only as far as `b`".to_owned())
    );
    assert_eq!(host.row("other").0, NodeState::Skipped);
    // The output of the workflow speaks of nodes that were left out: that of a try is the result of its node.
    assert_eq!(host.output(), json!({ "from": "b", "with": { "a": "a" } }));
    host.check_replay();
}

/// A no that was reused or given counted as a yes.
#[test]
fn a_given_no_is_a_no() {
    let mut accepted = acceptance(json!({}));
    accepted.given = vec![node("ask")];
    let answer = json!({ "approved": false, "by": "pinned", "comment": null, "at": null });
    let given = Given::from([(StepKey::top(node("ask")), (Arc::new(answer), Source::Given))]);
    let mut host = Host::start_with(plan(CHAIN), accepted, given);
    host.run(echo);
    assert_eq!(host.row("ask").0, NodeState::Rejected);
    assert_eq!(host.row("b").0, NodeState::Skipped);
    assert_eq!(host.output(), json!({ "c": null, "no": 1 }));
    host.check_replay();
}

#[test]
fn a_given_result_that_is_not_here_is_not_made_up() {
    let mut accepted = acceptance(json!({}));
    accepted.given = vec![node("a")];
    let host = Host::start_with(plan(CHAIN), accepted, Given::new());
    assert!(
        host.at_work().iter().all(|step| step != "a"),
        "the step does not run in its place"
    );
    assert_eq!(host.row("a").0, NodeState::Failed);
}

#[test]
fn a_given_name_inside_a_loop_disturbs_nothing() {
    let source =
        "nodes:\n  each: { foreach: \"[1]\", do: { one: { call: x:y/a } } }\noutput: \"${each[0].from}\"\n";
    let mut accepted = acceptance(json!({}));
    accepted.given = vec![node("one")];
    let mut host = Host::start_with(plan(source), accepted, Given::new());
    host.run(echo);
    assert_eq!(host.output(), json!("each[0].one"));
}

const PAID: &str = "
nodes:
  look: { call: x:y/a }
  pay: { call: x:y/b, with: { of: \"${look.from}\" }, undo: { call: x:y/u } }
  each: { foreach: \"[1, 2]\", do: { mail: { call: x:y/c, with: { p: \"${pay.from}\" } } } }
  child: { workflow: child, with: { p: \"${pay.from}\" } }
  ship: { after: [each], call: x:y/d, with: { c: \"${child.x}\" } }
output: \"${ship.from}\"
";

/// A first generation that failed at `ship`, with its effects taken back.
fn failed_at_ship() -> Host {
    let mut host = Host::start(plan(PAID), json!({}));
    host.finish(0, echo);
    host.finish_used("pay");
    host.finish_used("each[0].mail");
    host.finish_used("each[1].mail");
    host.child_ends("child", Ok(json!({ "x": 1 })));
    host.finish(0, refuse);
    host.finish_used("pay~undo");
    assert_eq!(host.phase(), "failed");
    host
}

fn again(host: &Host, from: &str) -> Host {
    host.retried(&[from], plan(PAID), json!({}))
}

fn fork(host: &Host, from: &str) -> Result<ForkPlan, ForkError> {
    host.with_rounds().fork_from(&[from.parse().expect("a step")])
}

#[test]
fn a_retry_from_a_step_says_what_is_reused_and_which_effects_happen_again() {
    let host = failed_at_ship();
    let fork = fork(&host, "ship").expect("it can be retried");
    // The payment was taken back, so it has no result any more; what came of it has none either.
    assert_eq!(fork.reused, [StepKey::top(node("look"))]);
    assert_eq!(
        fork.runs_again,
        ["pay", "each", "child", "ship"].map(|id| StepKey::top(node(id)))
    );
    let repeated: Vec<&str> = fork.repeated.iter().map(|effect| effect.node.as_str()).collect();
    assert_eq!(repeated, ["pay", "pay~undo", "mail", "child"]);
    let repeats: BTreeMap<String, u32> = fork
        .lineage
        .repeats
        .iter()
        .map(|(step, n)| (step.to_string(), *n))
        .collect();
    assert_eq!(
        repeats,
        BTreeMap::from(
            [
                ("pay", 1),
                ("pay~undo", 1),
                ("each[0].mail", 1),
                ("each[1].mail", 1),
                ("child", 1)
            ]
            .map(|(step, n)| (step.to_owned(), n))
        ),
        "under keys of their own: what takes the payment back, too"
    );
    assert_eq!(fork.lineage.generation, 2);
    assert_eq!(fork.lineage.root, *host.state().run());

    let mut second = again(&host, "ship");
    assert_eq!(second.row("look").1, "from look · from the run before");
    assert_eq!(second.at_work(), ["pay"]);
    assert_eq!(second.flying[0].repeats, 1);
    second.finish_used("pay");
    assert_ne!(
        second.children()[0].0,
        host.children()[0].0,
        "the other run is ordered anew"
    );
    second.run(echo);
    second.child_ends("child", Ok(json!({ "x": 1 })));
    second.finish(0, refuse);
    assert_eq!(second.at_work(), ["pay~undo"]);
    assert_eq!(second.flying[0].repeats, 1, "another taking back than the first");
    second.run(echo);
    second.check_replay();
    let third = self::fork(&second, "ship").expect("it can be retried");
    assert_eq!(third.lineage.generation, 3);
    assert_eq!(third.lineage.root, *host.state().run());
}

#[test]
fn an_effect_that_failed_is_repeated_under_its_own_key() {
    let mut host = Host::start(plan(PAID), json!({}));
    host.finish(0, echo);
    host.finish(0, refuse);
    let fork = fork(&host, "pay").expect("it can be retried");
    assert!(
        fork.repeated.is_empty(),
        "it may have happened, and must not happen twice"
    );
    assert!(fork.lineage.repeats.is_empty());
    assert_eq!(again(&host, "pay").flying[0].repeats, 0);
}

#[test]
fn what_is_reused_is_not_taken_back_again() {
    let mut host = Host::start(plan(PAID), json!({}));
    host.run(echo);
    host.child_ends("child", Ok(json!({ "x": 1 })));
    host.run(echo);
    assert_eq!(host.phase(), "done");
    let mut second = again(&host, "ship");
    assert_eq!(second.at_work(), ["ship"]);
    second.finish(0, refuse);
    assert!(matches!(second.state().outcome(), Some(Outcome::Failed { .. })));
    assert!(
        second.flying.is_empty(),
        "the run before is done, and its payment stands"
    );
    second.check_replay();
}

/// A person's no that was reused counted as a yes.
#[test]
fn a_reused_no_is_a_no() {
    let mut host = Host::start(plan(CHAIN), json!({}));
    host.run(echo);
    host.decide("ask", false);
    assert_eq!(host.output(), json!({ "c": null, "no": 1 }));
    let mut second = host.retried(&["other"], plan(CHAIN), json!({}));
    second.run(echo);
    assert_eq!(second.row("ask").0, NodeState::Rejected);
    assert_eq!(second.output(), json!({ "c": null, "no": 1 }));
    second.check_replay();
}

#[test]
fn what_cannot_be_retried_is_refused() {
    let mut host = Host::start(plan(PAID), json!({}));
    assert!(matches!(fork(&host, "pay"), Err(ForkError::NotEnded(_))));
    host.cancel();
    host.run(echo);
    for wrong in ["nope", "pay~undo", "each[0].pay", "mail[0].each"] {
        let error = fork(&host, wrong).expect_err("no such place");
        let message = format!(
            "there is no node `{wrong}` to retry from; there are: look, pay, each, mail, child, ship"
        );
        assert_eq!(error.to_string(), message);
    }
    let error = fork(&host, "each[0].mail").expect_err("the loop never began");
    let message = "there was no step `each[0].mail`: `each` had 0 rounds in this run, numbered from 0";
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_stand_in_can_be_given() {
    let source = "
nodes:
  first: { call: x:y/a, fallback: { node: second } }
  second: { call: x:y/b }
output: \"${first.x}\"
";
    let mut accepted = acceptance(json!({}));
    accepted.given = vec![node("second")];
    let given = Given::from([(
        StepKey::top(node("second")),
        (Arc::new(json!({ "x": 9 })), Source::Given),
    )]);
    let mut host = Host::start_with(plan(source), accepted, given);
    host.run(refuse);
    assert_eq!(host.output(), json!(9));
}

/// `uuid()` stood in the help, and failed in every run: nobody gave it what it is derived from.
#[test]
fn an_identifier_is_the_same_in_every_attempt_and_another_in_every_step() {
    let source = "
nodes:
  made: { set: { id: \"${uuid()}\", other: \"x-${uuid()}\" } }
  each: { foreach: \"[uuid(), uuid()]\", do: { one: { set: { id: \"${uuid()}\", given: \"${item}\" } } } }
  sent: { call: x:y/a, with: { id: \"${uuid()}\" }, undo: { call: x:y/b, with: { id: \"${uuid()}\" } } }
output: { made: \"${made}\", each: \"${each}\", sent: \"${sent.with.id}\", out: \"${uuid()}\" }
";
    let of = || {
        let mut host = Host::start(
            plan_with_effect(source, &json!({ "class": "idempotent" })),
            json!({}),
        );
        let first = host.flying[0].input.clone();
        host.intend(0);
        host.restart();
        assert_eq!(host.flying[0].input, first, "the same after a restart");
        host.finish(0, fails(FailureKind::Throttled));
        host.skip_time();
        assert_eq!(host.flying[0].input, first, "the same in the next attempt");
        host.run(echo);
        host.check_replay();
        host.output()
    };
    let output = of();
    assert_eq!(output, of(), "they follow from the run");
    let text = output.to_string();
    let found: std::collections::BTreeSet<&str> = text
        .split(|c: char| !c.is_ascii_hexdigit() && c != '-')
        .filter_map(|part| part.get(part.len().checked_sub(36)?..))
        .collect();
    assert_eq!(found.len(), 8, "{text}");
}
