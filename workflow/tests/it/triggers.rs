//! What a run sees of the request that started it.

use flowforge_protocol::record::{BodyForm, Content, Trigger};
use flowforge_workflow::{Given, parse};
use serde_json::json;

use crate::support::{Host, acceptance, plan};

/// Fields that the input does not name were dropped: a new field of a sender could not be used before its workflow was
/// published anew.
#[test]
fn a_body_has_the_fields_that_the_input_names_and_all_others() {
    let source = "
input: { a: { type: integer } }
nodes:
  seen: { set: { all: \"${trigger.body}\", other: \"${trigger.body.sender.login}\", path: \"${trigger.path}\" } }
output: { seen: \"${seen}\" }
";
    let mut accepted = acceptance(json!({"a": 5}));
    accepted.trigger = Trigger::Webhook {
        path: "p".to_owned(),
        content: None,
    };
    accepted.extra = Some(json!({"sender": {"login": "pat"}}).into());
    let host = Host::start_with(plan(source), accepted, Given::new());
    let all = json!({"a": 5, "sender": {"login": "pat"}});
    assert_eq!(
        host.output(),
        json!({ "seen": { "all": all, "other": "pat", "path": "p" } })
    );
    host.check_replay();
}

/// A body that is no JSON has no fields: it is given whole, and its type beside it.
#[test]
fn a_body_without_fields_is_the_text_that_it_is() {
    let source = "
nodes:
  seen: { set: { all: \"${trigger.body}\", kind: \"${trigger.content.type}\", form: \"${trigger.content.form}\" } }
output: { seen: \"${seen}\" }
";
    let mut accepted = acceptance(json!({}));
    accepted.trigger = Trigger::Webhook {
        path: "p".to_owned(),
        content: Some(Content {
            media_type: "text/csv".to_owned(),
            form: BodyForm::Text,
        }),
    };
    accepted.extra = Some(json!("a;b\n1;2\n").into());
    let host = Host::start_with(plan(source), accepted, Given::new());
    assert_eq!(
        host.output(),
        json!({ "seen": { "all": "a;b\n1;2\n", "kind": "text/csv", "form": "text" } })
    );
    host.check_replay();
}

#[test]
fn a_workflow_says_whether_it_refuses_other_fields() {
    let refuses = |line: &str| {
        let source = format!(
            "workflow: w\ninput:\n{line}  n: {{ type: integer }}\nnodes: {{ a: {{ set: {{ x: 1 }} }} }}\n"
        );
        parse(&source).map(|definition| {
            let model = definition.model();
            (model.refuses_additional, model.input.len())
        })
    };
    assert_eq!(refuses(""), Ok((false, 1)));
    assert_eq!(refuses("  additional: refuse\n"), Ok((true, 1)));
    assert_eq!(refuses("  additional: accept\n"), Ok((false, 1)));
    assert_eq!(
        refuses("  additional: { type: string }\n"),
        Ok((false, 2)),
        "a field of this name"
    );
    let found = refuses("  additional: drop\n").expect_err("no such word");
    assert_eq!(found[0].code, "FF-WF-009", "{found:#?}");
}

#[test]
fn a_form_and_what_follows_an_end_are_read_and_wrong_ones_are_named() {
    let read = |lines: &str| {
        let source = format!("workflow: w\n{lines}nodes: {{ a: {{ set: {{ x: 1 }} }} }}\n");
        parse(&source).map(|definition| serde_json::to_value(definition.model()).expect("it is JSON"))
    };
    let model = read(
        "on_done: { workflow: archive }\non_failed: { endpoint: pager, workflow: repair }\n\
         triggers: { f: { form: { path: a/b, title: T, rate: 5/min, answer: result } } }\n",
    )
    .expect("a right file");
    assert_eq!(model["on_done"], json!({"workflow": "archive"}));
    assert_eq!(
        model["on_failed"],
        json!({"workflow": "repair", "endpoint": "pager"})
    );
    assert_eq!(
        model["triggers"][0]["kind"]["form"],
        json!({"path": "a/b", "title": "T", "rate": {"count": 5, "seconds": 60}, "answer": "result"})
    );
    let plain = read("").expect("a right file");
    assert!(
        plain.get("on_done").is_none() && plain.get("on_failed").is_none(),
        "older files keep their bytes"
    );
    for (wrong, code) in [
        ("on_done: {}\n", "FF-WF-"),
        ("on_done: { workflow: Not A Name }\n", "FF-WF-009"),
        ("on_failed: { endpoint: \"-\" }\n", "FF-WF-009"),
        ("on_done: { email: x }\n", "FF-WF-"),
        ("triggers: { f: { form: { path: a b } } }\n", "FF-WF-009"),
        (
            "triggers: { f: { form: { path: a, answer: respond } } }\n",
            "FF-WF-009",
        ),
        ("triggers: { f: { form: { title: x } } }\n", "FF-WF-"),
    ] {
        let problems = read(wrong).expect_err(wrong);
        assert!(
            problems.iter().any(|problem| problem.code.starts_with(code)),
            "{wrong}: {problems:?}"
        );
    }
}

#[test]
fn what_follows_is_looked_at_and_a_circle_of_one_is_refused() {
    let lint = |lines: &str| {
        let source = format!("workflow: w\n{lines}nodes: {{ a: {{ set: {{ x: 1 }} }} }}\n");
        let definition = parse(&source).expect("it reads");
        flowforge_workflow::lint(
            &definition,
            &serde_json::Map::new(),
            &std::collections::BTreeMap::new(),
        )
    };
    let itself = lint("on_done: { workflow: w }\n");
    assert!(
        itself
            .iter()
            .any(|found| found.is_error() && found.code == "FF-WF-037"),
        "{itself:?}"
    );
    let other = lint("on_done: { workflow: other }\n");
    assert!(
        !other.iter().any(flowforge_workflow::Diagnostic::is_error),
        "{other:?}"
    );
    let twice = lint("triggers:\n  f: { form: { path: a } }\n  g: { webhook: { path: a, scheme: none } }\n");
    assert!(
        twice.iter().any(|found| found.message.contains("two triggers")),
        "{twice:?}"
    );
}
