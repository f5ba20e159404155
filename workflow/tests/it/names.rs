//! Names that mean something to the language as well.

use std::collections::BTreeSet;

use flowforge_workflow::{expr_help, lint, parse};
use serde_json::{Map, json};

use crate::messages::connectors;
use crate::support::{Host, echo, plan};

/// Every word that the help writes, every reserved one, and some that nearly are.
fn words() -> BTreeSet<String> {
    let forms = expr_help().iter().flat_map(|entry| [entry.form, entry.example]);
    let of = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_lowercase() && c != '_')
            .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            .map(str::to_owned)
            .collect()
    };
    let mut all: BTreeSet<String> = forms.flat_map(of).collect();
    for word in [
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "dyn",
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
        "input",
        "config",
        "trigger",
        "run",
        "item",
        "round",
        "math",
        "lists",
        "optional",
        "and",
        "or",
        "not",
        "on",
        "off",
        "yes",
        "no",
        "r",
        "b",
        "rb",
        "e",
        "inf",
        "nan",
        "status",
        "value",
        "kind",
        "failure",
        "undo",
        "nodes",
        "output",
        "workflow",
        "timestamp",
        "duration",
    ] {
        all.insert(word.to_owned());
    }
    all
}

/// A node called `list` was published, and failed in every run because the language has a type of that name.
#[test]
fn a_node_has_a_name_that_works_or_is_refused() {
    let mut works = 0;
    for word in words() {
        let source = format!(
            "workflow: a\nnodes:\n  {word}: {{ set: {{ v: [1] }} }}\n  reader: {{ after: {word}, set: {{ w: \"${{{word}.v}}\", n: \"${{size({word}.v)}}\" }} }}\noutput: \"${{reader}}\"\n"
        );
        match parse(&source) {
            Err(found) => assert!(
                found.iter().any(|found| found.code == "FF-WF-007"),
                "{word}: {found:#?}"
            ),
            Ok(definition) => {
                works += 1;
                let found = lint(&definition, &Map::new(), &connectors());
                assert!(
                    !found.iter().any(flowforge_workflow::Diagnostic::is_error),
                    "{word}: {found:#?}"
                );
                let nodes = source.trim_start_matches("workflow: a\n");
                let mut host = Host::start(plan(nodes), json!({}));
                host.run(echo);
                assert_eq!(host.output(), json!({ "w": [1], "n": 1 }), "{word}");
            }
        }
    }
    assert!(works > 30, "{works}");
}

/// The same for the element of a loop, and for the name that `map` gives an element.
#[test]
fn an_element_has_a_name_that_works_or_is_refused() {
    for word in words() {
        let source = format!(
            "workflow: a\nnodes:\n  each: {{ foreach: \"[1, 2]\", as: \"{word}\", do: {{ one: {{ set: {{ v: \"${{{word} + 1}}\" }} }} }} }}\noutput: \"${{each}}\"\n"
        );
        match parse(&source) {
            Err(found) => {
                assert!(
                    found.iter().any(|found| found.code == "FF-WF-007"),
                    "{word}: {found:#?}"
                );
                assert!(!found[0].message.contains("of a node"), "{found:#?}");
            }
            Ok(definition) => {
                let found = lint(&definition, &Map::new(), &connectors());
                assert!(
                    !found.iter().any(flowforge_workflow::Diagnostic::is_error),
                    "{word}: {found:#?}"
                );
                let mut host = Host::start(plan(source.trim_start_matches("workflow: a\n")), json!({}));
                host.run(echo);
                assert_eq!(host.output(), json!([{ "v": 2 }, { "v": 3 }]), "{word}");
            }
        }
    }
}

/// Behind a dot every word is a field.
#[test]
fn a_field_may_have_any_name() {
    for word in words() {
        let source = format!(
            "input: {{ {word}: {{ type: integer }} }}\nnodes:\n  a: {{ set: {{ {word}: \"${{input.{word}}}\" }} }}\n  b: {{ set: {{ v: \"${{a.{word} + default(a.?{word}.orValue(0), 0)}}\", has: \"${{has(a.{word})}}\" }} }}\noutput: \"${{b}}\"\n"
        );
        let mut host = Host::start(plan(&source), json!({ (word.as_str()): 2 }));
        host.run(echo);
        assert_eq!(host.output(), json!({ "v": 4, "has": true }), "{word}");
    }
}
