//! Three properties of every run of every workflow: the order in which things end changes no result, the records alone
//! give the state at every place, and so does a snapshot.

use std::sync::Arc;

use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::awaited::Closing;
use flowforge_protocol::record::Event;
use flowforge_protocol::{Failure, FailureKind, StepKey};
use flowforge_workflow::{Command, Execution, Given, Invoke, NodeState, Now, RunState};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Host, echo, plan_of};

/// What a random node is made of.
type Draw = (u8, [u8; 4]);

/// The text of a node of which there are `index` before it. Whatever fails in it has a word for that, unless `stops`.
fn node_text(index: usize, (kind, links): Draw, stops: bool) -> String {
    let earlier = |link: u8| (index > 0).then(|| format!("n{}", usize::from(link) % index.max(1)));
    let used = earlier(links[0]).filter(|_| links[0] % 3 > 0);
    let asked = earlier(links[1]).filter(|_| links[1].is_multiple_of(3));
    let use_text = used.unwrap_or_else(|| "1".to_owned());
    let ask_text = asked.map_or_else(|| "2".to_owned(), |node| format!("default({node}, 3)"));
    let value = format!("\"${{[{use_text}, {ask_text}]}}\"");
    let after = earlier(links[2]).filter(|_| links[2].is_multiple_of(4));
    let after = after.map_or_else(String::new, |node| format!("after: {node}, "));
    let flag = links[3];
    // An operation `bad` always fails; a node that calls it has a word for it.
    let bad = flag % 5 == 0 && (!stops || flag % 2 == 0);
    let operation = if flag % 5 == 0 { "bad" } else { "z" };
    let word = match (bad, flag % 3) {
        (false, _) => String::new(),
        (true, 0) => "on_error: branch, ".to_owned(),
        (true, 1) => format!("fallback: {{ value: {value} }}, "),
        (true, _) => format!("fallback: {{ node: f{index} }}, on_error: branch, "),
    };
    let undo = if flag % 4 == 1 {
        "undo: { call: x:y/undo, with: { v: 1 } }, "
    } else {
        ""
    };
    let disabled = if flag % 16 == 3 { "disabled: true, " } else { "" };
    let call = |index: &str| {
        format!("{word}{undo}call: x:y/{operation}, with: {{ v: {value}, i: \"${{{index}}}\" }}")
    };
    let what = match kind {
        0 => format!("set: {{ v: {value} }}"),
        1 => format!(
            "switch: {{ yes: \"size([{use_text}]) > {}\", no: else }}",
            links[0] % 2
        ),
        2 => {
            let inner = call(&format!("e{index}")).replace(&format!("fallback: {{ node: f{index} }}, "), "");
            format!(
                "foreach: input.xs, as: e{index}, parallel: {}, do: {{ i{index}: {{ {inner} }} }}",
                1 + links[1] % 3
            )
        }
        3 => {
            let inner = call("round").replace(&format!("fallback: {{ node: f{index} }}, "), "");
            let every = if flag % 2 == 0 { ", every: 5s" } else { "" };
            format!(
                "repeat: {{ until: round >= {}, max: 5{every} }}, do: {{ i{index}: {{ {inner} }} }}",
                1 + links[1] % 3
            )
        }
        4 => format!("wait: {{ for: {}s }}", 1 + links[0] % 9),
        5 => format!(
            "{undo}wait: {{ signal: s{index}, correlate: \"string(size([{use_text}]))\", timeout: 1h }}"
        ),
        6 => format!(
            "foreach: input.xs, as: e{index}, parallel: 2, do: {{ i{index}: {{ wait: {{ signal: s{index}, correlate: e{index} }} }}, j{index}: {{ {undo}set: {{ v: \"${{i{index}}}\" }} }} }}"
        ),
        7 => format!("{undo}workflow: child, with: {{ v: {value} }}"),
        8 => format!("workflow: child, detach: true, with: {{ v: {value} }}"),
        9 => format!("respond: {{ body: {value} }}"),
        10 => format!("approval: {{ title: \"Is n{index} right?\", show: {value} }}"),
        _ => call("1"),
    };
    let mut out = format!("  n{index}: {{ {after}{disabled}{what} }}\n");
    if bad && flag % 3 == 2 && kind > 10 {
        let second = if flag % 2 == 0 { "z" } else { "bad" };
        out.push_str(&format!(
            "  f{index}: {{ call: x:y/{second}, with: {{ v: 1 }} }}\n"
        ));
    }
    if bad && flag % 3 != 1 && kind > 10 {
        out.push_str(&format!(
            "  h{index}: {{ after: n{index}.failed, set: {{ why: \"${{n{index}.failure.message}}\" }} }}\n"
        ));
    }
    out
}

fn random_workflow(stops: bool) -> impl Strategy<Value = String> {
    proptest::collection::vec((0..15_u8, any::<[u8; 4]>()), 1..12).prop_map(move |nodes| {
        let mut out = String::from("workflow: random\ninput: { xs: { type: array } }\nnodes:\n");
        let count = nodes.len();
        for (index, draw) in nodes.into_iter().enumerate() {
            out.push_str(&node_text(index, draw, stops));
        }
        out.push_str("output: { all: [");
        let all: Vec<String> = (0..count)
            .map(|index| format!("\"${{default(n{index}, 'absent')}}\""))
            .collect();
        out.push_str(&all.join(", "));
        out.push_str("] }\n");
        out
    })
}

/// Fails where the operation says so, and the first attempt of every second step in a way that may be tried again.
fn unsteady(invoke: &Invoke) -> Result<Value, Failure> {
    if invoke.operation == "bad" {
        return Err(Failure::new(FailureKind::Rejected, "it is bad"));
    }
    let odd = invoke.step.to_string().bytes().map(u32::from).sum::<u32>() % 2 == 1;
    if odd && invoke.attempt == 1 {
        return Err(Failure::new(FailureKind::Throttled, "busy"));
    }
    echo(invoke)
}

/// Does one of the things that the world can do now. Returns whether there was one.
fn something_happens(host: &mut Host, pick: usize) -> bool {
    let waits: Vec<(StepKey, String, String)> = host
        .state()
        .waits()
        .into_iter()
        // A run that ends takes no more answers.
        .filter(|wait| {
            !host.state().is_ending() && ["signal", "child", "approval"].contains(&wait.kind.as_str())
        })
        .map(|wait| (wait.step, wait.kind, wait.what))
        .collect();
    let choices = host.flying.len() + waits.len();
    if choices == 0 || host.state().outcome().is_some() {
        let due = host
            .state()
            .next_timer_ms()
            .filter(|_| host.state().outcome().is_none());
        if let Some(due) = due {
            host.now_ms = host.now_ms.max(due);
            host.advance();
        }
        return due.is_some();
    }
    let pick = pick % choices;
    let Some((step, kind, what)) = pick.checked_sub(host.flying.len()).map(|at| waits[at].clone()) else {
        host.finish(pick, unsteady);
        return true;
    };
    host.now_ms += 1;
    match kind.as_str() {
        "signal" => {
            let (name, correlation) = what
                .strip_prefix("signal ")
                .and_then(|rest| rest.split_once(" for "))
                .expect("both");
            host.signal(name, Some(correlation), json!({ "of": correlation }));
        }
        "child" => {
            let end = flowforge_protocol::awaited::ChildEnd {
                run: host.child_of(&step),
                state: "done".to_owned(),
                output: json!({ "child of": step.to_string() }).into(),
                failure: None,
            };
            host.close(&step.to_string(), Closing::Child(end));
        }
        _ => {
            let waiting = host.state().waiting();
            let question = waiting
                .iter()
                .find(|question| question.step == step)
                .expect("it waits");
            let answer = Answer {
                by: "ana".to_owned(),
                answers_for: None,
                approved: true,
                comment: None,
                at_ms: 5,
                form: None,
                signature: None,
            };
            let decision = Decision::of(question.approval.clone(), vec![answer]).expect("an answer");
            host.close(&step.to_string(), Closing::Decision(Box::new(decision)));
        }
    }
    true
}

fn until_the_end(host: &mut Host, mut pick: impl FnMut() -> usize) {
    for _ in 0..600 {
        if !something_happens(host, pick()) {
            return;
        }
    }
    panic!("the run does not end:\n{}", host.table());
}

/// What is still to be done now.
fn outstanding(run: &mut Execution, now_ms: u64) -> Vec<String> {
    let commands = run.next(Now { ms: now_ms });
    let mut out: Vec<String> = commands.iter().map(|command| format!("{command:?}")).collect();
    out.sort();
    out
}

/// The output without what depends on when things happened: the names of runs, and of the first of them.
fn result(host: &Host) -> Value {
    host.state()
        .outcome()
        .map(flowforge_protocol::record::Outcome::shown)
        .unwrap_or_default()
}

fn rows(host: &Host) -> Vec<(String, NodeState, String, Option<u64>)> {
    let rows = host.state().view().nodes.into_iter();
    rows.map(|row| (row.node.to_string(), row.state, row.what, row.tries))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_gives_the_same_result(source in random_workflow(false), picks in proptest::collection::vec(any::<u16>(), 1..64)) {
        let plan = plan_of(&source, &std::collections::BTreeMap::new());
        let input = json!({ "xs": ["a", "b", "c"] });
        let mut straight = Host::start(Arc::clone(&plan), input.clone());
        until_the_end(&mut straight, || 0);
        let mut shuffled = Host::start(plan, input);
        let mut picks = picks.into_iter().cycle().map(usize::from);
        until_the_end(&mut shuffled, || picks.next().unwrap_or(0));
        prop_assert!(straight.state().outcome().is_some(), "{}\n{}", source, straight.table());
        prop_assert_eq!(result(&straight), result(&shuffled), "{}", source);
        prop_assert_eq!(rows(&straight), rows(&shuffled), "{}", source);
    }

    #[test]
    fn a_host_that_stops_anywhere_gives_the_same_result(source in random_workflow(false), picks in proptest::collection::vec(any::<u16>(), 1..64)) {
        let plan = plan_of(&source, &std::collections::BTreeMap::new());
        let input = json!({ "xs": ["a", "b", "c"] });
        let mut straight = Host::start(Arc::clone(&plan), input.clone());
        until_the_end(&mut straight, || 0);
        let mut stopped = Host::start(plan, input);
        let mut picks = picks.into_iter().cycle().map(usize::from);
        for _ in 0..600 {
            let pick = picks.next().unwrap_or(0);
            if pick.is_multiple_of(3) {
                stopped.restart();
            }
            if !something_happens(&mut stopped, pick / 3) {
                break;
            }
        }
        prop_assert_eq!(result(&straight), result(&stopped), "{}", source);
        prop_assert_eq!(rows(&straight), rows(&stopped), "{}", source);
    }

    #[test]
    fn replaying_the_records_gives_the_same_state_at_every_prefix(
        source in random_workflow(true),
        picks in proptest::collection::vec(any::<u16>(), 1..64),
        cancel_at in 0..60_usize,
    ) {
        let plan = plan_of(&source, &std::collections::BTreeMap::new());
        let mut host = Host::start(plan, json!({ "xs": ["a", "b", "c"] }));
        let mut picks = picks.into_iter().cycle().map(usize::from);
        for turn in 0..600 {
            let replayed = host.replay(host.records.len());
            prop_assert_eq!(replayed.view(), host.state().view());
            prop_assert_eq!(replayed.timers(), host.state().timers());
            // What goes on gives everything out again, with the same input, and nothing else.
            let ends = host.state().is_ending();
            let mut again = Execution::new(replayed, Given::new());
            let found = outstanding(&mut again, host.now_ms);
            if !ends {
                let mut flying: Vec<String> =
                    host.flying.iter().map(|invoke| format!("{:?}", Command::Invoke(Box::new(invoke.clone())))).collect();
                flying.sort();
                prop_assert_eq!(found, flying, "{}", source);
            }
            prop_assert!(outstanding(&mut again, host.now_ms).is_empty(), "commands are given once");
            if turn == cancel_at && !ends {
                host.cancel();
            }
            if !something_happens(&mut host, picks.next().unwrap_or(0)) {
                break;
            }
        }
        prop_assert!(host.state().outcome().is_some(), "{}\n{}", source, host.table());
        host.check_replay();
        let facts = flowforge_protocol::facts::RunFacts::clone(host.state().facts());
        prop_assert_eq!(facts.records(), u64::try_from(host.records.len()).unwrap_or(0));
        let ended = host.records.iter().filter(|record| matches!(record.event, Event::Ended { .. })).count();
        prop_assert_eq!(ended, 1);
        for count in 0..host.records.len() {
            let prefix: RunState = host.replay(count);
            prop_assert_eq!(prefix.next_seq(), u64::try_from(count).unwrap_or(0));
        }
    }
}
