//! A definition drawn, and two beside each other.

use std::collections::BTreeMap;

use flowforge_workflow::{
    Change, ConnectorVersion, EdgeKind, Graph, Interrupt, LineKind, compare, graph, hunks, parse,
};
use serde_json::json;

const FILE: &str = r#"workflow: watch
title: Watches
input:
  threshold: { type: number, default: 4 }
config: { feed: "https://example.com" }
nodes:
  rows:
    set: { items: [{ id: 1 }], title: "x" }
  big:
    switch: { many: "size(rows.items) > 3", few: else }
  each:
    after: big.many
    foreach: ${rows.items}
    as: row
    do:
      one: { set: { id: "${row.id}", all: "${rows.title}" } }
  ask:
    after: [each]
    approval: { title: "Send ${size(each)}?" }
output: { n: "${size(each)}" }
"#;

#[expect(clippy::unwrap_used, reason = "a helper of tests is a test")]
fn drawn(file: &str) -> Graph {
    let connectors: BTreeMap<String, ConnectorVersion> = BTreeMap::new();
    graph(&parse(file).unwrap(), &connectors, &Interrupt::new())
}

#[test]
fn nodes_are_drawn_with_their_ports_types_and_places() {
    let graph = drawn(FILE);
    let shown: Vec<_> = graph
        .nodes
        .iter()
        .map(|node| {
            (
                node.id.as_str(),
                node.kind,
                node.parent.as_deref(),
                node.output.ty.as_str(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("rows", "set", None, "{ items: list<{ id: int }>, title: text }"),
            ("big", "switch", None, "text"),
            ("each", "foreach", None, "list<{ id: int, all: text }>"),
            ("one", "set", Some("each"), "{ id: int, all: text }"),
            (
                "ask",
                "approval",
                None,
                "{ approved: bool, by: any, comment: any, at: text }"
            ),
        ]
    );
    let one = &graph.nodes[3];
    assert_eq!(one.inputs[0].name, "set.id");
    assert_eq!(one.inputs[0].value, Some(json!("${row.id}")));
    assert_eq!(one.place, (16, 7));
    assert_eq!(graph.nodes[1].outcomes, ["many", "few"]);
    assert!(graph.nodes[2].definition["kind"]["foreach"].get("body").is_none());
}

#[test]
fn edges_say_why() {
    let graph = drawn(FILE);
    let edge = |from: &str, to: &str, kind: EdgeKind| {
        let found = graph
            .edges
            .iter()
            .any(|edge| edge.from == from && edge.to == to && edge.kind == kind);
        assert!(found, "{from} → {to} {kind:?}: {:#?}", graph.edges);
    };
    edge("rows", "big", EdgeKind::Data("switch.many".to_owned()));
    edge("big", "each", EdgeKind::After(Some("many".to_owned())));
    edge("rows", "each", EdgeKind::Data("foreach".to_owned()));
    edge("rows", "one", EdgeKind::Data("set.all".to_owned()));
    edge("each", "ask", EdgeKind::Data("approval.title".to_owned()));
    edge("each", "ask", EdgeKind::After(None));
    assert_eq!(graph.edges.len(), 6, "{:#?}", graph.edges);
}

/// A file as it is first, and one as it is later.
#[test]
fn two_files_differ_by_node_and_property() {
    let later = FILE
        .replace("as: row\n", "as: row\n    parallel: 2\n")
        .replace(
            "  ask:\n    after: [each]\n    approval: { title: \"Send ${size(each)}?\" }\n",
            "",
        )
        .replace("  big:\n", "  more: { set: { x: 1 } }\n  big:\n")
        .replace("> 3", "> 4")
        .replace("default: 4", "default: 5")
        .replace("title: Watches", "title: Looks");
    let (before, after) = (parse(FILE).unwrap(), parse(&later).unwrap());
    let found = compare(before.model(), after.model());
    let nodes: Vec<_> = found
        .nodes
        .iter()
        .map(|node| (node.node.as_str(), node.change, node.properties[0].path.as_str()))
        .collect();
    assert_eq!(
        nodes,
        [
            ("more", Change::Added, "kind"),
            ("big", Change::Changed, "switch.many"),
            ("each", Change::Changed, "foreach.parallel"),
            ("ask", Change::Removed, "after"),
        ]
    );
    let settings: Vec<&str> = found.settings.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(settings, ["title", "input.threshold"]);
    let big = &found.nodes[1].properties;
    assert_eq!(big.len(), 1, "{big:#?}");
    assert_eq!(big[0].after, Some(json!("size(rows.items) > 4")));
    // A comment and another order of keys mean nothing.
    let same = FILE.replace("  rows:\n", "  # what comes in\n  rows:\n");
    assert!(compare(before.model(), parse(&same).unwrap().model()).is_same());
}

#[test]
fn changed_lines_stand_in_their_stretch() {
    let before: String = (1..=20).map(|n| format!("line {n}\n")).collect();
    let after = before
        .replace("line 3\n", "line three\n")
        .replace("line 15\n", "line 15\nand more\n");
    let found = hunks(&before, &after);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((found[0].before_line, found[0].after_line), (1, 1));
    assert_eq!((found[1].before_line, found[1].after_line), (13, 13));
    let marks = |index: usize| -> String {
        let lines = found[index].lines.iter();
        lines
            .map(|line| match line.kind {
                LineKind::Same => ' ',
                LineKind::Removed => '-',
                LineKind::Added => '+',
            })
            .collect()
    };
    assert_eq!((marks(0).as_str(), marks(1).as_str()), ("  -+   ", "   +   "));
    assert!(hunks(&before, &before).is_empty());
    assert_eq!(hunks("", "a\n")[0].lines.len(), 1);
    // A long stretch that has nothing in common is shown as a whole.
    let long = |word: &str| (0..3_000).map(|n| format!("{word}{n}\n")).collect::<String>();
    assert_eq!(hunks(&long("a"), &long("b"))[0].lines.len(), 6_000);
}
