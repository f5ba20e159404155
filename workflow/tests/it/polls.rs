//! Poll triggers: how they are written, what is wrong with one, and the run that is one poll.

use std::collections::BTreeMap;

use flowforge_ports::Interface;
use flowforge_protocol::record::Trigger;
use flowforge_protocol::{Digest, FailureKind, NodeId, RunId};
use flowforge_workflow::model::TriggerKind;
use flowforge_workflow::{
    ConnectorVersion, Diagnostic, Given, NodeState, RunState, grant_requests, lint, parse, release_calls,
};
use serde_json::{Map, Value, json};

use crate::support::{Host, acceptance, echo, fails, plan};

/// `acme:feed` with `new_items`, which finds events with `id` and `title`, and `read`, which is no trigger.
fn feed() -> BTreeMap<String, ConnectorVersion> {
    let text = json!({ "type": "string" });
    let part = |name: &str, ty: &Value| json!({ "name": name, "wit_name": name, "ty": ty });
    let cursor = json!({ "type": "option", "inner": text });
    let item = json!({ "type": "record", "fields": [part("id", &text), part("title", &text)] });
    let events = json!({ "type": "list", "element": item });
    let batch = json!({ "type": "record", "fields": [part("events", &events), part("cursor", &cursor)] });
    let operation = |name: &str, trigger: Value| {
        json!({
            "name": name, "export": { "function": name }, "fails": true, "effect": { "class": "idempotent" },
            "trigger": trigger, "params": [part("feed", &text), part("cursor", &cursor)], "result": batch,
        })
    };
    let interface = json!({
        "operations": [operation("new_items", json!("poll")), operation("read", Value::Null)],
        "capabilities": [], "baseline": [],
    });
    let interface: Interface = serde_json::from_value(interface).expect("an interface");
    let version = ConnectorVersion {
        version: "0.1.0".to_owned(),
        digest: Digest::of(b"feed"),
        interface,
    };
    BTreeMap::from([("acme:feed".to_owned(), version)])
}

fn source(poll: &str, input: &str) -> String {
    format!(
        "workflow: items\ninput: {input}\nconfig: {{ feed: news }}\ntriggers:\n  new_rows:\n    poll: {poll}\n\
         nodes:\n  out: {{ set: {{ id: \"${{input.id}}\", title: \"${{trigger.event.title}}\" }} }}\n\
         output: {{ id: \"${{out.id}}\", title: \"${{out.title}}\" }}\n"
    )
}

const INPUT: &str = "{ id: { type: string } }";
const POLL: &str = "{ call: acme:feed/new_items, with: { feed: \"${config.feed}\" }, every: 1m }";

fn found(source: &str) -> Vec<Diagnostic> {
    match parse(source) {
        Ok(definition) => lint(&definition, &Map::new(), &feed()),
        Err(found) => found,
    }
}

#[test]
fn a_poll_is_a_call_and_how_often_it_is_made() {
    let source = source(POLL, INPUT);
    assert_eq!(found(&source), []);
    let definition = parse(&source).expect("reads");
    let TriggerKind::Poll(poll) = &definition.model().triggers[0].kind else {
        panic!("{:?}", definition.model().triggers)
    };
    assert_eq!((poll.every_ms, poll.call.retry.attempts), (60_000, 3));
    assert_eq!(definition.connectors(), ["acme:feed"], "it is pinned");
    let calls = release_calls(definition.model());
    let step = NodeId::of_trigger("new_rows").expect("an id");
    assert_eq!(calls.get(&step).map(String::as_str), Some("acme:feed"));
}

#[test]
fn a_poll_has_grants_of_its_own() {
    let poll = "{ call: acme:feed/new_items, with: { feed: a }, every: 1m, allow: [\"https://a.example\"], \
                secrets: { auth: token } }";
    let definition =
        parse(&source(poll, INPUT).replace("config:", "secrets: [token]\nconfig:")).expect("reads");
    let requests = grant_requests(definition.model(), &Map::new()).expect("destinations");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].node.as_str(), "new_rows~trigger");
    assert_eq!(requests[0].destinations, ["https://a.example:443"]);
    assert_eq!(requests[0].secrets["auth"], "token");
}

#[test]
fn what_is_wrong_with_a_poll_is_said_with_its_place_and_the_way() {
    let cases = [
        (
            "{ call: acme:feed/new_items, with: { feed: a } }",
            INPUT,
            "FF-WF-004",
            "every: 1m",
        ),
        ("{ every: 1m }", INPUT, "FF-WF-004", "call: acme:feed/new_items"),
        (
            "{ call: acme:feed/new_items, with: { feed: a }, every: 2s }",
            INPUT,
            "FF-WF-009",
            "shorter than 10s",
        ),
        (
            "{ call: acme:feed/new_items, with: { feed: a }, every: 30d }",
            INPUT,
            "FF-WF-009",
            "longer than the limit of 24h",
        ),
        (
            "{ call: acme:feed/new_items, every: 1m }",
            INPUT,
            "FF-WF-026",
            "trigger `new_rows` gives no `feed`",
        ),
        (
            "{ call: acme:feed/read, with: { feed: a }, every: 1m }",
            INPUT,
            "FF-WF-060",
            "is no poll trigger",
        ),
        (
            "{ call: acme:feed/new_items, with: { feed: a, cursor: b }, every: 1m }",
            INPUT,
            "FF-WF-061",
            "not given here",
        ),
        (
            "{ call: acme:feed/new_items, with: { feed: \"${input.id}\" }, every: 1m }",
            INPUT,
            "FF-WF-061",
            "`config` only, not `input`",
        ),
        (
            POLL,
            "{ id: { type: string }, when: { type: string } }",
            "FF-WF-062",
            "have no `when`",
        ),
        (
            POLL,
            "{ additional: refuse, id: { type: string } }",
            "FF-WF-062",
            "its events have `title`",
        ),
    ];
    for (poll, input, code, part) in cases {
        let all = found(&source(poll, input));
        let wanted = |found: &&Diagnostic| {
            let text = format!("{} {}", found.message, found.fix.as_deref().unwrap_or_default());
            found.code == code && text.contains(part) && found.line > 1
        };
        assert!(all.iter().any(|one| wanted(&one)), "{poll}: {all:#?}");
    }
    let stays = source(POLL, INPUT).replace("input:", "values: stay\ninput:");
    assert!(
        found(&stays).iter().any(|found| found.code == "FF-WF-063"),
        "{:#?}",
        found(&stays)
    );
}

/// A run that is one poll, with this cursor.
fn poll(cursor: Value) -> Host {
    let mut accepted = acceptance(json!({ "cursor": cursor }));
    accepted.trigger = Trigger::Poll {
        trigger: "new_rows".to_owned(),
    };
    accepted.until = Some(NodeId::of_trigger("new_rows").expect("an id"));
    Host::start_with(
        plan(&source(POLL, INPUT).replace("workflow: items\n", "")),
        accepted,
        Given::new(),
    )
}

#[test]
fn a_poll_is_a_run_of_one_step_that_gets_the_cursor() {
    let mut host = poll(json!("7"));
    assert_eq!(host.at_work(), ["new_rows~trigger"]);
    host.restart();
    host.run(echo);
    let with = json!({ "cursor": "7", "feed": "news" });
    assert_eq!(host.output(), json!({ "from": "new_rows~trigger", "with": with }));
    assert_eq!(
        host.state().view().nodes.len(),
        1,
        "the nodes of the workflow are no part of it"
    );
    host.check_replay();
}

#[test]
fn the_first_poll_has_no_cursor() {
    let mut host = poll(Value::Null);
    host.run(echo);
    assert_eq!(host.output()["with"]["cursor"], Value::Null);
}

#[test]
fn a_poll_goes_on_from_a_snapshot() {
    let host = poll(json!("7"));
    let bytes = host.state().snapshot().expect("a snapshot");
    let plan = plan(&source(POLL, INPUT).replace("workflow: items\n", ""));
    let run = RunId::from_entropy([2; 16]);
    let restored = RunState::restore(plan, &run, host.state().next_seq(), &bytes).expect("fits");
    assert_eq!(restored.view(), host.state().view());
}

#[test]
fn a_poll_fails_as_its_call_does() {
    let mut host = poll(Value::Null);
    host.run(fails(FailureKind::Denied));
    assert!(crate::support::is_failed(&host, "new_rows~trigger"));
}

#[test]
fn other_runs_do_not_poll() {
    let mut accepted = acceptance(json!({ "id": "a" }));
    accepted.trigger = Trigger::Event {
        trigger: "new_rows".to_owned(),
        id: "a".to_owned(),
        found_by: RunId::from_entropy([3; 16]),
    };
    accepted.extra = Some(json!({ "title": "Rain" }).into());
    let host = Host::start_with(
        plan(&source(POLL, INPUT).replace("workflow: items\n", "")),
        accepted,
        Given::new(),
    );
    assert_eq!(host.output(), json!({ "id": "a", "title": "Rain" }));
    assert_eq!(host.row("out").0, NodeState::Done);
    host.check_replay();
}
