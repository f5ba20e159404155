//! Every bound of a file, on both sides.

use flowforge_workflow::limits::{
    MAX_AFTER, MAX_ATTEMPTS, MAX_LIST, MAX_LOOP_DEPTH, MAX_NODES, MAX_PARALLEL, MAX_ROUNDS, MAX_SOURCE_BYTES,
    MAX_YAML_DEPTH, MAX_YAML_VALUES,
};
use flowforge_workflow::parse;
use serde_json::{Value, json};

use crate::support::{Host, echo, is_failed, plan};

/// The codes and messages that a file gets.
fn found(source: &str) -> Vec<String> {
    match parse(source) {
        Ok(_) => Vec::new(),
        Err(found) => found
            .iter()
            .map(|found| format!("{} {}", found.code, found.message))
            .collect(),
    }
}

fn fits(source: &str) {
    assert_eq!(found(source), Vec::<String>::new());
}

fn refused(source: &str, code: &str, word: &str) {
    let found = found(source);
    assert!(
        found
            .iter()
            .any(|line| line.starts_with(code) && line.contains(word)),
        "{code} {word}: {found:?}"
    );
}

fn with_nodes(nodes: &str) -> String {
    format!("workflow: a\nnodes:\n{nodes}")
}

#[test]
fn a_file_has_a_size() {
    let start = with_nodes("  a: { set: { x: 1 } }\n#");
    let of = |bytes: usize| format!("{start}{}", "x".repeat(bytes - start.len()));
    fits(&of(MAX_SOURCE_BYTES));
    refused(
        &of(MAX_SOURCE_BYTES + 1),
        "FF-WF-002",
        "above the limit of 262144",
    );
}

#[test]
fn a_file_has_a_depth() {
    // The file, `nodes`, the node and `set` are four levels.
    let of = |levels: usize| {
        let inner = levels - 4;
        with_nodes(&format!(
            "  a: {{ set: {{ x: {}1{} }} }}\n",
            "[".repeat(inner),
            "]".repeat(inner)
        ))
    };
    fits(&of(MAX_YAML_DEPTH));
    refused(
        &of(MAX_YAML_DEPTH + 1),
        "FF-WF-002",
        "nested deeper than 32 levels",
    );
}

/// All of them stand on one line: each was looked for from its beginning, which took minutes.
#[test]
fn a_file_has_a_number_of_values() {
    // Besides the elements: the list, `set`, the node, `nodes`, the name and the file.
    let of = |values: usize| {
        let items = vec!["1"; values - 6].join(",");
        with_nodes(&format!("  a: {{ set: {{ x: [{items}] }} }}\n"))
    };
    fits(&of(MAX_YAML_VALUES));
    refused(&of(MAX_YAML_VALUES + 1), "FF-WF-002", "20000");
}

#[test]
fn a_workflow_has_a_number_of_nodes() {
    let of = |count: usize| {
        let nodes: Vec<String> = (0..count)
            .map(|index| format!("  n{index}: {{ set: {{ x: 1 }} }}\n"))
            .collect();
        with_nodes(&nodes.concat())
    };
    fits(&of(MAX_NODES));
    refused(
        &of(MAX_NODES + 1),
        "FF-WF-002",
        "501 nodes, above the limit of 500",
    );
}

#[test]
fn loops_are_nested_to_a_depth() {
    let of = |depth: usize| {
        let mut inner = "leaf: { set: { x: 1 } }".to_owned();
        for level in 0..depth {
            inner = match level % 2 {
                0 => format!("l{level}: {{ foreach: \"[1]\", do: {{ {inner} }} }}"),
                _ => format!("l{level}: {{ repeat: {{ until: \"true\", max: 1 }}, do: {{ {inner} }} }}"),
            };
        }
        with_nodes(&format!("  {inner}\n"))
    };
    fits(&of(MAX_LOOP_DEPTH));
    refused(
        &of(MAX_LOOP_DEPTH + 1),
        "FF-WF-002",
        "nested deeper than 3 levels",
    );
}

#[test]
fn after_names_a_number_of_nodes() {
    let of = |count: usize| {
        let names: Vec<String> = (0..count).map(|index| format!("n{index}")).collect();
        let nodes: Vec<String> = names
            .iter()
            .map(|name| format!("  {name}: {{ set: {{ x: 1 }} }}\n"))
            .collect();
        with_nodes(&format!(
            "{}  last: {{ after: [{}], set: {{ x: 1 }} }}\n",
            nodes.concat(),
            names.join(", ")
        ))
    };
    fits(&of(MAX_AFTER));
    refused(&of(MAX_AFTER + 1), "FF-WF-002", "more than 32 nodes");
}

#[test]
fn numbers_and_times_of_nodes_have_two_ends() {
    let node = |text: &str| with_nodes(&format!("  a: {{ {text} }}\n"));
    let body = "do: { x: { set: { y: 1 } } }";
    for (least, most, of) in [
        (
            1,
            u64::from(MAX_PARALLEL),
            &(|n: u64| node(&format!("foreach: \"[1]\", parallel: {n}, {body}"))) as &dyn Fn(u64) -> String,
        ),
        (1, u64::from(MAX_ROUNDS), &|n| {
            node(&format!("repeat: {{ until: \"true\", max: {n} }}, {body}"))
        }),
        (1, u64::from(MAX_ATTEMPTS), &|n| {
            node(&format!("call: x:y/z, retry: {{ attempts: {n} }}"))
        }),
        (1, 24, &|n| node(&format!("call: x:y/z, timeout: {n}h"))),
        (1, 366, &|n| node(&format!("wait: {{ for: {n}d }}"))),
        (1, 366, &|n| {
            node(&format!("wait: {{ signal: x, timeout: {n}d }}"))
        }),
        (1, 366, &|n| {
            node(&format!("approval: {{ title: x, expires: {n}d }}"))
        }),
        (1, 366, &|n| {
            node(&format!(
                "call: x:y/z, retry: {{ within: {n}d, max_delay: {n}d, first_delay: {n}d }}"
            ))
        }),
        (200, 599, &|n| node(&format!("respond: {{ status: {n} }}"))),
    ] {
        fits(&of(least));
        fits(&of(most));
        refused(&of(least - 1), "FF-WF-009", "");
        refused(&of(most + 1), "FF-WF-009", "");
    }
}

#[test]
fn a_loop_runs_over_a_number_of_elements() {
    let source = "input: { xs: { type: array } }\nnodes:\n  each: { foreach: input.xs, do: { one: { set: { x: 1 } } } }\n  n: { set: { n: \"${size(each)}\" } }\noutput: \"${n.n}\"\n";
    let of = |count: usize| {
        let list: Vec<Value> = vec![Value::from(0); count];
        let mut host = Host::start(plan(source), json!({ "xs": list }));
        host.run(echo);
        host
    };
    let over = of(MAX_LIST + 1);
    assert!(is_failed(&over, "each"), "{}", over.table());
    assert!(
        over.row("each").1.contains("above the limit of 10000"),
        "{}",
        over.table()
    );
}
