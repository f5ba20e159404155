//! What somebody sees who writes an expression.

use std::collections::BTreeMap;

use flowforge_workflow::preview::{Completion, CompletionKind, Place, Preview, Question, preview};
use flowforge_workflow::{ConnectorVersion, Interrupt, parse};
use serde_json::{Map, Value, json};

const FILE: &str = r#"workflow: watch
title: Watches
input:
  threshold: { type: number, default: 4 }
config: { feed: "https://example.com" }
nodes:
  rows:
    set: { items: [{ id: 1, name: ada }], title: "x" }
  each:
    foreach: ${rows.items}
    as: row
    do:
      one: { set: { id: "${row.id}", total: "${row.id + 1}" } }
  last: { set: { n: "${size(each)}" } }
output: { n: "${last.n}" }
"#;

#[expect(clippy::unwrap_used, reason = "a helper of tests is a test")]
/// `|` in the text is the cursor.
fn look(text: &str, template: bool, node: Option<&str>, data: Value) -> Preview {
    let definition = parse(FILE).unwrap();
    let connectors: BTreeMap<String, ConnectorVersion> = BTreeMap::new();
    let data: Map<String, Value> = data.as_object().unwrap().clone();
    let cursor = text.find('|').filter(|_| !text.contains("||"));
    let text = match cursor {
        Some(at) => format!("{}{}", &text[..at], &text[at + 1..]),
        None => text.to_owned(),
    };
    preview(&Question {
        text: &text,
        template,
        cursor,
        place: Some(Place {
            definition: &definition,
            connectors: &connectors,
            node,
        }),
        data: &data,
        now_ms: 0,
        interrupt: &Interrupt::new(),
    })
    .unwrap()
}

fn data() -> Value {
    json!({"input": {"threshold": 4}, "rows": {"items": [{"id": 7, "odd-name": 1, "extra": "e"}], "title": "T"}})
}

#[test]
fn a_value_comes_with_its_type_and_a_text_stays_text() {
    let seen = look("rows.items.map(r, r.id)", false, Some("last"), data());
    assert_eq!((seen.value, seen.fault), (Some(json!([7])), None));
    assert_eq!(seen.ty.as_deref(), Some("list<int>"));
    let seen = look(
        "${rows.title}: ${size(rows.items)} of ${config.feed}",
        true,
        Some("last"),
        data(),
    );
    assert_eq!(seen.value, Some(json!("T: 1 of https://example.com")));
    let seen = look("${rows.items}", true, Some("last"), data());
    assert_eq!(seen.value, Some(json!([{"id": 7, "odd-name": 1, "extra": "e"}])));
    let seen = look("no expression", true, None, data());
    assert_eq!(seen.value, Some(json!("no expression")));
}

#[test]
fn a_fault_says_where_it_is() {
    for (text, template, part, code) in [
        ("Sum ${rows.items.size(} kg", true, "}", "FF-WF-010"),
        ("1 + rows.titel", false, "rows.titel", "FF-EX-002"),
        (
            "Hello ${rows.title} and ${rows.items[3].id}!",
            true,
            "rows.items[3].id",
            "FF-EX-002",
        ),
        ("each.map(x, x)", false, "each", "FF-EX-001"),
        ("row.id", false, "row", "FF-WF-013"),
        ("rowz.title", false, "rowz", "FF-WF-013"),
        ("last.n", false, "last", "FF-WF-013"),
    ] {
        let seen = look(text, template, Some("last"), data());
        let fault = seen.fault.unwrap_or_else(|| panic!("{text}: {:?}", seen.value));
        assert_eq!(fault.code, code, "{text}: {fault:?}");
        assert_eq!(&text[fault.start..fault.end], part, "{text}: {fault:?}");
    }
    let near = look("rowz.title", false, Some("last"), data()).fault.unwrap();
    assert_eq!(near.fix.as_deref(), Some("did you mean `rows`?"));
}

/// Before anything has run, types say what can be said.
#[test]
fn without_data_the_type_and_the_certain_mistakes_are_known() {
    let seen = look("rows.items.map(r, r.id)", false, Some("last"), json!({}));
    assert_eq!(seen.fault.unwrap().code, "FF-EX-001");
    let seen = look("rows.items", false, Some("last"), json!({}));
    assert_eq!(seen.ty.as_deref(), Some("list<{ id: int, name: text }>"));
    let seen = look("rows.nothing + 1", false, Some("last"), json!({}));
    assert_eq!(seen.fault.unwrap().code, "FF-WF-014");
}

#[expect(clippy::unwrap_used, reason = "a helper of tests is a test")]
fn labels(seen: &Preview, kind: CompletionKind) -> Vec<&str> {
    let items = &seen.completions.as_ref().unwrap().items;
    let of_kind = |item: &&Completion| item.kind == kind;
    items
        .iter()
        .filter(of_kind)
        .map(|item| item.label.as_str())
        .collect()
}

#[test]
fn names_in_reach_are_offered_where_they_are_in_reach() {
    let seen = look("|", false, Some("last"), data());
    assert_eq!(labels(&seen, CompletionKind::Node), ["rows", "each"]);
    assert_eq!(
        labels(&seen, CompletionKind::Name),
        ["input", "config", "trigger", "run"]
    );
    assert!(labels(&seen, CompletionKind::Function).contains(&"sum(list)"));
    let inside = look("r|", false, Some("one"), json!({}));
    assert_eq!(labels(&inside, CompletionKind::Name), ["run", "row"]);
    assert_eq!(labels(&inside, CompletionKind::Node), ["rows"]);
}

#[test]
fn what_is_before_the_dot_says_what_is_offered_behind_it() {
    // By data, and by type where there is none.
    let seen = look("${rows.|}", true, Some("last"), data());
    assert_eq!(labels(&seen, CompletionKind::Field), ["items", "title"]);
    let seen = look("Hi ${rows.items[0].|", true, Some("last"), data());
    assert_eq!(labels(&seen, CompletionKind::Field), ["id", "extra", "name"]);
    let seen = look("input.thr|esh", false, Some("last"), json!({}));
    assert_eq!(labels(&seen, CompletionKind::Field), ["threshold"]);
    let completions = seen.completions.unwrap();
    assert_eq!((completions.from, completions.to), (6, 12));
    assert_eq!(completions.items[0].ty.as_deref(), Some("number"));
    // What a loop binds is an element of what it walks.
    let seen = look("rows.items.filter(r, r.|", false, Some("last"), json!({}));
    assert_eq!(labels(&seen, CompletionKind::Field), ["id", "name"]);
    let seen = look("each.map(e, e.|", false, Some("last"), json!({}));
    assert_eq!(labels(&seen, CompletionKind::Field), ["id", "total"]);
    // Functions of lists on lists, of texts on texts.
    let seen = look("rows.items.|", false, Some("last"), data());
    let methods = labels(&seen, CompletionKind::Method);
    assert!(methods.contains(&"list.join(separator)") && !methods.contains(&"text.trim()"));
    let seen = look("rows.title.t|", false, Some("last"), data());
    assert_eq!(labels(&seen, CompletionKind::Method), ["text.trim()"]);
    let seen = look("math.|", false, Some("last"), data());
    assert!(labels(&seen, CompletionKind::Function).contains(&"math.sqrt(x)"));
}

#[test]
fn nothing_is_offered_in_quotes_and_outside_expressions() {
    for (text, template) in [
        ("'a.|", false),
        ("plain tex|t", true),
        ("${a} |", true),
        ("$${|", true),
    ] {
        let seen = look(text, template, None, data());
        assert_eq!(seen.completions, None, "{text}");
    }
}

#[test]
fn an_unknown_node_is_named() {
    let definition = parse(FILE).unwrap();
    let connectors: BTreeMap<String, ConnectorVersion> = BTreeMap::new();
    let refused = preview(&Question {
        text: "1",
        template: false,
        cursor: None,
        place: Some(Place {
            definition: &definition,
            connectors: &connectors,
            node: Some("nowhere"),
        }),
        data: &Map::new(),
        now_ms: 0,
        interrupt: &Interrupt::new(),
    });
    assert_eq!(refused.unwrap_err().0, "nowhere");
}

/// What anybody may send ends at the evaluator's price.
#[test]
fn a_costly_expression_is_refused_at_its_price() {
    let big: Vec<u32> = (0..3_000).collect();
    let seen = look(
        "rows.map(a, rows.map(b, rows.map(c, a + b + c)))",
        false,
        Some("last"),
        json!({"rows": big}),
    );
    assert!(
        seen.fault
            .unwrap()
            .message
            .contains("the expression makes more than")
    );
}
