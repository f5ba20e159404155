//! What expressions may cost where others wait for them, and what stops them.

use flowforge_protocol::RunId;
use flowforge_protocol::record::Outcome;
use flowforge_workflow::{Allowance, Command, Effort, Interrupt, Next, Now};
use serde_json::{Value, json};

use crate::support::{Host, plan};

const NOW: Now = Now { ms: 1_000_000 };

/// About two hundred thousand units of work.
const COSTLY: &str = "${input.xs.map(a, input.xs.map(b, a * b).size()).size()}";

fn input() -> Value {
    json!({ "xs": (0..300).collect::<Vec<u32>>() })
}

fn within(host: &mut Host, units: u64) -> (Next, Allowance) {
    let allowance = Allowance::new(units);
    let effort = Effort {
        allowance: Some(&allowance),
        interrupt: None,
    };
    (host.run.next_of(NOW, None, effort), allowance)
}

/// A run of which only the first record is applied.
fn begun(source: &str) -> Host {
    let mut host = Host::start(plan("nodes:\n  none: { set: { n: 1 } }\n"), input());
    let first = host.records.remove(0);
    let state = flowforge_workflow::RunState::new(plan(source), RunId::from_entropy([3; 16]));
    host.run = flowforge_workflow::Execution::new(state, flowforge_workflow::Given::new());
    host.run.apply(first.clone()).expect("it is the first");
    host.records = vec![first];
    host
}

fn steps(commands: &[Command]) -> Vec<String> {
    let step = |command: &Command| match command {
        Command::Record(event) => event.step().map_or("output".to_owned(), ToString::to_string),
        Command::Invoke(invoke) => invoke.step.to_string(),
    };
    commands.iter().map(step).collect()
}

#[test]
fn what_costs_too_much_in_passing_is_named_and_done_elsewhere() {
    let source = format!(
        "input: {{ xs: {{ type: array }} }}\nnodes:\n  cheap: {{ set: {{ n: \"${{1 + 1}}\" }} }}\n  costly: {{ set: {{ n: \
         \"{COSTLY}\" }} }}\n  behind: {{ set: {{ n: \"${{2 + 2}}\" }} }}\n"
    );
    let mut host = begun(&source);
    let (next, allowance) = within(&mut host, 1_000);
    assert!(allowance.is_used_up());
    assert_eq!(steps(&next.commands), ["cheap"]);
    let costly = next.too_costly.expect("it is named");
    assert_eq!(costly.step().to_string(), "costly");
    let (again, _) = within(&mut host, 1_000);
    assert_eq!(
        (again.commands.len(), &again.too_costly),
        (0, &Some(costly.clone()))
    );
    // With all that an evaluation may cost it has its value, and nothing else is evaluated.
    let whole = host.run.next_of(NOW, Some(&costly), Effort::default());
    assert_eq!(
        (steps(&whole.commands), whole.too_costly),
        (vec!["costly".to_owned()], None)
    );
    let (last, allowance) = within(&mut host, 1_000);
    assert_eq!(steps(&last.commands), ["behind"]);
    assert!(!allowance.is_used_up());
}

#[test]
fn many_cheap_expressions_use_up_what_one_turn_may_cost() {
    let nodes: String = (0..50)
        .map(|n| format!("  n{n}: {{ set: {{ n: \"${{input.xs.map(a, a + {n})}}\" }} }}\n"))
        .collect();
    let mut host = begun(&format!("input: {{ xs: {{ type: array }} }}\nnodes:\n{nodes}"));
    let (next, _) = within(&mut host, 20_000);
    assert!((5..45).contains(&next.commands.len()), "{}", next.commands.len());
    assert!(next.too_costly.is_some(), "the others come at the next turn");
}

/// Copying a large value takes long, although nothing is computed.
#[test]
fn copies_cost_what_is_copied() {
    let source = "input: { xs: { type: array } }\nnodes:\n  copy: { set: { n: \"${input.xs}\", t: \"a ${input.xs} b\" } }\n";
    let mut host = begun(source);
    let (next, _) = within(&mut host, 10);
    assert_eq!(next.too_costly.expect("it is named").step().to_string(), "copy");
    let (next, _) = within(&mut host, 10_000);
    assert_eq!(steps(&next.commands), ["copy"]);
}

#[test]
fn the_list_of_a_loop_and_the_output_can_cost_too_much() {
    let list = format!("[{}]", COSTLY.trim_start_matches("${").trim_end_matches('}'));
    let source = format!(
        "input: {{ xs: {{ type: array }} }}\nnodes:\n  each: {{ foreach: \"{list}\", do: {{ one: {{ set: {{ n: \"${{item}}\" }} }} }} \
         }}\noutput: \"{COSTLY}\"\n"
    );
    let mut host = begun(&source);
    let mut costly = Vec::new();
    while host.state().outcome().is_none() {
        let (mut next, _) = within(&mut host, 1_000);
        if let Some(named) = next.too_costly.filter(|_| next.commands.is_empty()) {
            costly.push(named.step().to_string());
            next.commands = host.run.next_of(NOW, Some(&named), Effort::default()).commands;
        }
        for command in next.commands {
            if let Command::Record(event) = command {
                host.record(event);
            }
        }
    }
    assert_eq!(costly, ["each", "output"]);
    assert_eq!(host.output(), json!(300));
    host.check_replay();
}

#[test]
fn what_is_stopped_from_outside_fails_with_a_name_of_its_own() {
    let source = format!(
        "input: {{ xs: {{ type: array }} }}\nnodes:\n  costly: {{ set: {{ n: \"${{default({}, 1)}}\" }} }}\n",
        COSTLY.trim_start_matches("${").trim_end_matches('}')
    );
    let mut host = begun(&source);
    let interrupt = Interrupt::new();
    interrupt.stop();
    let effort = Effort {
        allowance: None,
        interrupt: Some(&interrupt),
    };
    let next = host.run.next_of(NOW, None, effort);
    for command in next.commands {
        if let Command::Record(event) = command {
            host.record(event);
        }
    }
    host.advance();
    let Some(Outcome::Failed { failure, .. }) = host.state().outcome() else {
        panic!("{:?}", host.state().outcome());
    };
    assert_eq!(failure.code.as_deref(), Some("FF-EXP-002"));
    assert_eq!(failure.path.as_deref(), Some("costly.set.n"));
    assert!(failure.message.contains("took too long"), "{}", failure.message);
}
