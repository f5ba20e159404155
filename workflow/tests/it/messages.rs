//! What an author sees for each mistake: file, line, what it says there, and the mend.

use std::collections::BTreeMap;

use flowforge_protocol::Digest;
use flowforge_workflow::{ConnectorVersion, Connectors, Diagnostic, KnownWorkflow, apply_fixes, lint, parse};
use serde_json::json;

pub(crate) fn connectors() -> BTreeMap<String, ConnectorVersion> {
    let port = |name: &str, ty: serde_json::Value| json!({ "name": name, "wit_name": name.replace('_', "-"), "ty": ty });
    let text = json!({ "type": "string" });
    let float = json!({ "type": "f64" });
    let whole = json!({ "type": "s64" });
    let record = |fields: serde_json::Value| json!({ "type": "record", "fields": fields });
    let operation = |name: &str, params: serde_json::Value, result: serde_json::Value| json!({ "name": name, "export": { "function": name }, "params": params, "result": result, "fails": true, "effect": { "class": "pure" } });
    let http = json!([{ "kind": "http", "import": "flowforge:connector/http@0.1.0" }]);
    let response = record(json!([
        port("status", json!({ "type": "u16" })),
        port("body", json!({ "type": "json" }))
    ]));
    let option = |ty: serde_json::Value| json!({ "type": "option", "inner": ty });
    let meta = |name: &str, secrets: serde_json::Value| json!({ "name": name, "version": "0.1.0", "secrets": secrets });
    let interfaces = [
        (
            "flowforge:http",
            json!({
                "operations": [
                    operation("get", json!([port("url", text.clone()), port("headers", option(json!({ "type": "json" })))]), response.clone()),
                    operation("post", json!([port("url", text.clone()), port("json", option(json!({ "type": "json" })))]), response),
                ],
                "capabilities": http, "baseline": [],
                "meta": meta("flowforge:http", json!({ "auth": { "kind": "bearer" } })),
            }),
        ),
        (
            "demo:quake-text",
            json!({
                "operations": [operation(
                    "label",
                    json!([port("magnitude", float.clone()), port("place", text.clone()), port("time", whole)]),
                    record(json!([port("magnitude", float.clone()), port("strength", json!({ "type": "enum", "cases": [{ "name": "light", "wit_name": "light" }, { "name": "strong", "wit_name": "strong" }] })), port("line", text.clone())])),
                )],
                "capabilities": [], "baseline": [],
                "meta": meta("demo:quake-text", json!({})),
            }),
        ),
        (
            "demo:statistics",
            json!({
                "operations": [operation(
                    "summarise",
                    json!([port("values", json!({ "type": "list", "element": float.clone() }))]),
                    record(json!([port("count", json!({ "type": "s64" })), port("mean", float.clone()), port("median", float.clone()), port("max", float)])),
                )],
                "capabilities": [], "baseline": [],
            }),
        ),
        (
            "flowforge:convert",
            json!({
                "operations": [operation(
                    "to_csv",
                    json!([port("rows", json!({ "type": "list", "element": { "type": "json" } })), port("columns", json!({ "type": "list", "element": text })), port("file_name", json!({ "type": "string" }))]),
                    json!({ "type": "artefact" }),
                )],
                "capabilities": [{ "kind": "artefacts", "import": "flowforge:connector/artefacts@0.1.0" }], "baseline": [],
            }),
        ),
    ];
    interfaces
        .into_iter()
        .map(|(name, interface)| {
            let interface = serde_json::from_value(interface).expect("an interface");
            (
                name.to_owned(),
                ConnectorVersion {
                    version: "0.1.0".to_owned(),
                    digest: Digest::of(name.as_bytes()),
                    interface,
                },
            )
        })
        .collect()
}

fn check(source: &str) -> Vec<Diagnostic> {
    match parse(source) {
        Ok(definition) => lint(&definition, &serde_json::Map::new(), &Published(connectors())),
        Err(found) => found,
    }
}

fn shown(source: &str) -> String {
    let found = check(source);
    let mut out: String = found.iter().map(|found| found.render("workflow.yaml")).collect();
    let fixed = apply_fixes(source, &found);
    if fixed != source {
        out.push_str("--- fixed\n");
        out.push_str(&fixed);
    }
    out
}

const WATCH: &str = include_str!("../../../examples/earthquake-watch/workflow.yaml");

/// The lint speaks of what will be published: with another destination for the chat, that one is missing.
#[test]
fn a_missing_grant_names_the_overridden_destination() {
    let source = WATCH.replace("    allow: [\"${config.chat}\"]\n", "");
    assert_ne!(source, WATCH);
    let definition = parse(&source).unwrap();
    let overrides = serde_json::Map::from_iter([("chat".to_owned(), json!("https://chat.acme.example"))]);
    let found = lint(&definition, &overrides, &connectors());
    assert_eq!(
        found
            .iter()
            .map(|found| found.message.as_str())
            .collect::<Vec<_>>(),
        ["node `notify` may not reach https://chat.acme.example:443"]
    );
}

#[test]
fn the_example_has_no_finding() {
    assert_eq!(shown(WATCH), "");
}

#[test]
fn a_missing_grant_is_added_where_it_belongs() {
    let without = WATCH.replace("    allow: [\"${config.chat}\"]\n", "");
    assert_ne!(without, WATCH);
    let found = check(&without);
    let messages: Vec<String> = found.iter().map(|found| found.render("workflow.yaml")).collect();
    insta::assert_snapshot!(messages.concat());
    let fixed = apply_fixes(&without, &found);
    assert_eq!(check(&fixed), vec![], "{fixed}");
    assert!(fixed.contains("    allow: [\"${config.chat}\"]\n"), "{fixed}");
}

macro_rules! messages {
    ($($name:ident: $source:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(shown($source));
            }
        )*
    };
}

messages! {
    nothing: "";
    not_yaml: "workflow: a\nnodes: [\n";
    a_tab: "workflow: a\nnodes:\n\ta: { set: { x: 1 } }\n";
    two_documents: "workflow: a\n---\nworkflow: b\n";
    an_anchor: "workflow: a\nnodes: &n\n  a: { set: { x: 1 } }\n";
    a_repeated_key: "workflow: a\nnodes:\n  a: { set: { x: 1 } }\n  a: { set: { x: 2 } }\n";
    unquoted_choice: "workflow: a\nnodes:\n  a:\n    set:\n      x: ${input.n > 1 ? 1 : 2}\n";
    unquoted_in_braces: "workflow: a\nnodes:\n  a: { set: { x: ${input.n}, y: 2 } }\n";
    foreign_braces: "workflow: a\nnodes:\n  a:\n    set:\n      x: {{ $json.body }}\n";
    foreign_braces_quoted: "workflow: a\nnodes:\n  a:\n    set:\n      x: \"{{ stats.count }}\"\n";
    foreign_node: "workflow: a\nnodes:\n  a:\n    set:\n      x: ${$node[\"Fetch\"].json.body}\n";
    unknown_keys: "workflow: a\nnode:\n  a: { set: { x: 1 } }\nnodes:\n  a: { sett: { x: 1 } }\n  b: { if: x }\n  c: { call: demo:statistics/summarise, wiht: { values: [] } }\n";
    wrong_names: "workflow: My Flow\ninput:\n  feed-url: { type: string }\nnodes:\n  fetchData: { set: { x: 1 } }\n  input: { set: { x: 1 } }\n";
    wrong_kinds: "workflow: a\ntitle: [x]\nsecrets: x\nnodes:\n  a: { foreach: xs, parallel: many, do: [] }\n  b: { wait: { for: soon } }\n  c: { wait: { for: 1h, until: x } }\n  d: { call: http }\n";
    wrong_input: "workflow: a\ninput:\n  n: { type: numbr }\n  m: { type: integer, default: x, minimun: 1 }\nnodes:\n  a: { set: { x: \"${input.m}${input.n}\" } }\n";
    wrong_triggers: "workflow: a\ntriggers:\n  web: { webhook: { path: /x/, answer: later } }\n  daily: { schedule: { cron: \"* * *\" } }\n  zone: { schedule: { cron: \"0 7 * * *\", time_zone: Mars/Base } }\n  none: {}\nnodes:\n  a: { set: { x: 1 } }\n";
    wrong_schemes: "workflow: a\nsecrets: [k]\ntriggers:\n  a: { webhook: { path: a, scheme: GitHub, secret: k } }\n  b: { webhook: { path: b, scheme: stripe } }\n  c: { webhook: { path: c, scheme: none, secret: k } }\n  d: { webhook: { path: d, secret: k } }\n  e: { webhook: { path: e, hmac: k, scheme: slack } }\n  f: { webhook: { path: f, scheme: github, secret: k, header: x-token } }\n  g: { webhook: { path: g, scheme: token, secret: k, header: \"x token\" } }\n  h: { webhook: { path: h, hmac: k, rate: 10/day } }\nnodes:\n  a: { set: { x: 1 } }\n";
    open_webhooks: "workflow: a\nsecrets: [k]\ntriggers:\n  a: { webhook: { path: a } }\n  b: { webhook: { path: b, scheme: none } }\n  c: { webhook: { path: c, scheme: token, secret: k } }\n  d: { webhook: { path: d, scheme: stripe, secret: other } }\nnodes:\n  a: { set: { x: 1 } }\n";
    wrong_policies: "workflow: a\ntriggers:\n  a: { schedule: { cron: \"0 7 * * *\", catch_up: never, overlap: wait } }\nnodes:\n  a: { set: { x: 1 } }\n";
    the_minus_trap: "workflow: a\ninput:\n  feed: { type: string }\nnodes:\n  a:\n    set: { x: \"${input.feed-url}\" }\n";
    names_out_of_reach: "workflow: a\ninput: { n: { type: integer } }\nsecrets: [tok]\nnodes:\n  a: { set: { x: \"${quaks}\", y: \"${n}\", z: \"${tok}\" } }\n  quakes: { foreach: \"[1]\", do: { label: { set: { x: \"${item}\" } } } }\n  b: { set: { x: \"${label.x}\", y: \"${input.n}\" } }\n  c: { call: flowforge:http/get, with: { url: https://a.example }, allow: [https://a.example], secrets: { auth: tok } }\n";
    an_element_named_like_a_node: "workflow: a\nnodes:\n  quake: { set: { x: [1] } }\n  each: { foreach: quake.x, as: quake, do: { one: { set: { x: \"${quake}\" } } } }\n";
    a_cycle: "workflow: a\nnodes:\n  fetch: { set: { x: \"${report.x}\" } }\n  stats: { set: { x: \"${fetch.x}\" } }\n  report: { after: stats, set: { x: 1 } }\n  self: { set: { x: \"${self.x}\" } }\n";
    wrong_after: "workflow: a\nnodes:\n  gate: { switch: { strong: \"true\", quiet: else } }\n  a: { after: gat, set: { x: 1 } }\n  b: { after: gate.strng, set: { x: 1 } }\n  c: { after: [inner], set: { x: 1 } }\n  d: { foreach: \"[1]\", do: { inner: { set: { x: 1 } } } }\n";
    marked_condition: "workflow: a\nnodes:\n  gate: { switch: { strong: \"${input.n > 1}\", quiet: else } }\ninput: { n: { type: integer } }\n";
    wrong_calls: "workflow: a\nnodes:\n  a: { call: demo:quake-txt/label }\n  b: { call: demo:quake-text/lable }\n  c: { call: demo:quake-text/label, with: { magnitud: 1, place: x, time: 1 } }\n  d: { call: demo:statistics/summarise, allow: [https://x.example], with: { values: [] } }\n";
    wrong_secrets: "workflow: a\nsecrets: [chat_token]\nnodes:\n  a: { call: flowforge:http/get, with: { url: https://a.example }, allow: [https://a.example], secrets: { auht: chat_tokn } }\n  b: { call: flowforge:http/get, with: { url: https://a.example }, allow: [https://a.example], secrets: { auth: other } }\n";
    wrong_allow: "workflow: a\ninput: { u: { type: string } }\nconfig: { feed: https://feed.example }\nnodes:\n  a:\n    call: flowforge:http/get\n    with: { url: \"${input.u}\" }\n    allow: [\"${input.u}\", feed.example]\n  b:\n    call: flowforge:http/get\n    with:\n      url: \"${config.feed}/x\"\n    # a remark\n    retry: never\n\n  c: { call: flowforge:http/get, with: { url: \"https://other.example/y\" } }\n  d: { call: flowforge:http/get, with: { url: \"${input.u}\" } }\n";
    unused: "workflow: a\ninput: { n: { type: integer } }\nconfig: { feed: x }\nsecrets: [tok]\nnodes:\n  a: { set: { x: 1 } }\n";
    wrong_types: "workflow: a\ninput: { n: { type: integer }, s: { type: string } }\nnodes:\n  a: { call: demo:quake-text/label, with: { magnitude: strong, place: \"${input.n}\", time: \"${input.n / 2.0}\" } }\n  b: { set: { x: \"${a.lin}\", y: \"${a.line.x}\", z: \"${a.line + 1}\", w: \"${input.s > 1}\" } }\n  gate: { switch: { strong: a.line, other: else } }\n  each: { foreach: a.magnitude, do: { e: { set: { x: \"${item}\" } } } }\n  c: { call: demo:statistics/summarise, with: { values: \"${[input.s]}\" } }\n  d: { call: demo:statistics/summarise, with: { values: 3 } }\n  f: { set: { x: \"${nope(1)}\", y: \"${input.m}\", z: \"${a.line.trimm()}\" } }\n";
    means_of_whole_numbers: "workflow: a\ninput: { xs: { type: array, items: { type: integer } }, n: { type: integer }, ys: { type: array, items: { type: number } } }\nnodes:\n  a: { set: { mean: \"${sum(input.xs) / size(input.xs)}\", also: \"${sum(input.ys) / count(input.ys)}\", half: \"${input.n / 2}\", good: \"${sum(input.xs) / double(size(input.xs))}\", best: \"${avg(input.xs)}\", pages: \"${(size(input.xs) + 9) / 10}\" } }\n";
    foreign_kinds: "workflow: a\nnodes:\n  a: { If: x }\n  b: { Execute Workflow: x }\n  c: { merge: x }\n  d: { edit-fields: { x: 1 } }\n  e: { respond_to_webhook: x }\n  f: { set: { x: 1 }, continueOnFail: true, retry-on-fail: true, rollback: x }\n";
    wrong_waits: "workflow: a\nnodes:\n  a: { wait: { signal: paymentReceived } }\n  b: { wait: { for: 1h, signal: x } }\n  c: { wait: { signal: x, timout: 1h } }\n  d: { wait: { for: 1h, timeout: 1h } }\n";
    wrong_loops: "workflow: a\nnodes:\n  a: { repeat: { until: \"true\", while: \"true\", max: 3 }, do: { x: { set: { y: 1 } } } }\n  b: { repeat: { until: \"true\" }, do: { x2: { set: { y: 1 } } } }\n  c: { repeat: { until: \"true\", max: 0 }, do: {} }\n  d: { repeat: { until: \"true\", max: 3 } }\n  round: { set: { x: 1 } }\n";
    wrong_retries: "workflow: a\nnodes:\n  a: { call: x:y/z, retry: { on: [throttled, boredom], jitter: some, within: soon } }\n  e: { call: x:y/z, retry: always }\n  f: { call: x:y/z, retry: { on: [], first_delay: 10s, max_delay: 1s } }\n  b: { call: x:y/z, timeout: 25h }\n  c: { call: x:y/z, timeout: 1m, idle_timeout: 1m }\n  d: { call: x:y/z, on_error: ignore, fallback: { value: 1, node: a }, undo: { with: {} }, disabled: maybe }\n";
    wrong_answers: "workflow: a\nvalues: hide\nnodes:\n  a: { respond: { status: 99, headers: { Set-Cookie: x, \"a b\": y, X-A: 1, x-a: 2 } } }\n  b: { workflow: My Flow }\ntriggers:\n  web: { webhook: { path: x, signal: { correlate: 1 } } }\n";
    a_question_without_words: "workflow: a\nnodes:\n  ask: { approval: { title: ' ' } }\n";
    wrong_questions: "workflow: a\nnodes:\n  a: { approval: { title: Go?, quorum: 9, form: { n: { type: numbr }, My-Field: { type: string } }, on_expiry: maybe } }\n  b: { approval: { title: Go?, approvers: [x], signed_by: { x: ed25519:12 } } }\n  c: { approval: { title: Go?, expires: 1h, on_expiry: approve, form: { n: { type: number } }, qorum: 2 } }\n  d: { approval: { title: Go?, signed_by: {}, remind: 0s } }\n";
    a_signature_needs_somebody_who_signs: "workflow: a\nvalues: stay\nnodes:\n  a: { approval: { title: Go?, quorum: 2, signed_by: { eve: 'ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a' }, expires: 1h, on_expiry: approve } }\n";
    nobody_sees_what_stays_on_the_host: "workflow: a\nvalues: stay\nnodes:\n  a: { approval: { title: Go?, signed_by: { eve: 'ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a' } } }\n";
    what_a_question_gives: "workflow: a\nnodes:\n  ask: { approval: { title: Go?, quorum: 2, form: { n: { type: number } }, expires: 1h, on_expiry: reject } }\n  plain: { approval: { title: Go? } }\n  a: { after: ask.expired, set: { x: 1 } }\n  b: { set: { x: \"${ask.form.m}\", y: \"${ask.form.n + 'x'}\", z: \"${plain.form.n}\", w: \"${ask.answers[0].by}\" } }\n";
    failures_out_of_place: "workflow: a\nnodes:\n  pay: { call: flowforge:http/get, with: { url: https://a.example }, allow: [https://a.example], undo: { call: flowforge:http/post, with: { url: \"https://a.example/${late.x}/${pay.body}\", jsn: 1 } } }\n  late: { set: { x: 1 } }\n  sorry: { after: pay.failed, set: { x: 1 } }\n  ask: { approval: { title: Go? }, fallback: { value: 1 } }\n  one: { set: { x: 1 }, fallback: { node: spare } }\n  two: { set: { x: 1 }, fallback: { node: spare } }\n  spare: { set: { x: 1 }, on_error: branch }\n  self: { set: { x: 1 }, fallback: { node: self } }\n  gone: { set: { x: 1 }, fallback: { node: nowhere } }\n  uses: { set: { x: \"${spare.x}\" } }\n  off: { disabled: true, set: { x: 1 } }\n  needs: { set: { x: \"${off.x}\" } }\n  quiet: { call: demo:statistics/summarise, with: { values: [] }, idle_timeout: 5s }\n";
    one_word_where_more_is_needed: "workflow: a\ninput: { x: string }\nnodes:\n  a: { wait: 5m }\n  b: { set: { x: 1 }, fallback: 3 }\n  c: { call: x:y/z, undo: release }\n  d: { respond: 200 }\n";
    no_mapping_at_all: "hello\n";
    a_signal_with_a_fallback_does_not_expire: "workflow: a\nnodes:\n  paid: { wait: { signal: x, timeout: 1h }, fallback: { value: 1 } }\n  late: { after: paid.expired, set: { x: 1 } }\n";
    texts_without_end: "workflow: a\nnodes:\n  a: { set: { x: \"${'a}\", y: \"${size('\\\\q')}\", z: \"${r'C:\\\\' + 'x'}\" } }\n";
    more_means: "workflow: a\ninput: { a: { type: integer }, b: { type: integer }, s: { type: object } }\nnodes:\n  a: { set: { mean: \"${input.a / input.b}\", share: \"${round(input.a / input.b, 2)}\", x: \"${input.s.sum / input.s.count}\", pages: \"${(input.a + 9) / 10}\", avg_time: \"${double(input.a) / input.b}\" } }\n";
    a_fallback_that_waits_for_its_node: "workflow: a\nnodes:\n  a: { set: { x: 1 }, fallback: { node: b } }\n  b: { set: { x: \"${c.x}\" } }\n  c: { set: { x: \"${a.x}\" } }\n";
    failures_as_values: "workflow: a\nnodes:\n  pay: { call: demo:statistics/summarise, with: { values: [] }, on_error: branch }\n  tell: { after: pay.failed, set: { why: \"${pay.failure.message}\", no: \"${pay.mean}\", what: \"${pay.failure.mesage}\" } }\n  good: { set: { no: \"${pay.failure}\", mean: \"${pay.mean}\" } }\n  paid: { wait: { signal: x, timeout: 1h } }\n  late: { after: paid.expired, set: { at: \"${paid.expired_at}\", no: \"${paid.amount}\" } }\n  poll: { repeat: { until: \"round + 1\", max: 3 }, do: { i: { set: { x: \"${round}\" } } } }\n  after_poll: { set: { x: \"${poll.x}\", no: \"${poll.y}\", inner: \"${i.x}\" } }\n  sig: { wait: { signal: y, correlate: \"[1]\" } }\n";
    signals_and_answers: "workflow: a\nvalues: stay\ntriggers:\n  one: { webhook: { path: one, answer: respond } }\n  two: { webhook: { path: two, answer: result, signal: { name: paid, correlate: input.x } } }\n  three: { webhook: { path: three, signal: { name: nobody } } }\n  four: { webhook: { path: four, signal: { name: paid } } }\nnodes:\n  paid: { wait: { signal: paid, correlate: run.id } }\n";
    an_answer_without_anybody: "workflow: a\ntriggers: { web: { webhook: { path: x } } }\nnodes:\n  a: { respond: { body: 1 } }\n";
    values_for_children: "workflow: a\ninput: { n: { type: integer }, s: { type: string }, o: { type: string, optional: true } }\nnodes:\n  a: { workflow: invoice-run, with: { customer: \"${input.n}\", month: \"${input.s}\", amount: \"${input.s}\" } }\n  b: { workflow: invoice-run, with: { customer: \"c-${input.n}\", month: \"${null}\", amount: \"${input.n}\" } }\n  c: { workflow: invoice-run, with: { customer: \"${[input.s]}\", month: \"${input.o}\", amount: \"${input.n * 1.5}\" } }\n";
    what_misses_a_disabled_node: "workflow: a\nnodes:\n  off: { disabled: true, set: { x: 1 } }\n  needs: { set: { x: \"${off.x}\" } }\n  then: { set: { x: \"${needs.x}\" } }\n  each: { foreach: \"[1]\", do: { one: { set: { x: \"${off.x}\" } }, idle: { disabled: true, set: { x: 1 } }, two: { after: idle, set: { x: 1 } } } }\n  either: { after: [off, start], set: { x: 1 } }\n  asks: { set: { x: \"${default(off.x, 0)}\" } }\n  only: { after: [off, then], set: { x: 1 } }\n  start: { set: { x: 1 } }\noutput: { a: \"${only.x}\", b: \"${either.x}\", c: \"${default(off.x, 0)}\" }\n";
    an_answer_in_a_loop: "workflow: a\ntriggers: { web: { webhook: { path: x, answer: respond } } }\nnodes:\n  each: { foreach: \"[1]\", do: { a: { respond: { body: 1 } } } }\n";
    wrong_places: "workflow: a\nvalues: stay\nruns_on: { pool: My Pool, label: x, labels: [gpu, -x], placement: elsewhere, lease: 1s }\nnodes:\n  a: { set: { x: 1 } }\n";
    a_run_that_moves_without_its_values: "workflow: a\nvalues: stay\nruns_on: { placement: failover, lease: 1m }\nnodes:\n  a: { set: { x: 1 } }\n";
    one_word_for_a_place: "workflow: a\nruns_on: gpu\nnodes:\n  a: { set: { x: 1 } }\n";
    wrong_children: "workflow: a\nnodes:\n  a: { workflow: invoice-rn, with: {} }\n  b: { workflow: invoice-run, with: { custmer: x, amount: many } }\n  c: { workflow: a }\n  d: { workflow: invoice-run, with: { customer: x } }\n  e: { set: { x: \"${d.number}\", y: \"${d.numbr}\" } }\n  f: { workflow: invoice-run, detach: true, with: { customer: x } }\n  g: { set: { x: \"${f.run}\", y: \"${f.number}\" } }\n";
}

/// The connectors of these tests, and workflows that nodes can run.
pub(crate) struct Published(pub(crate) BTreeMap<String, ConnectorVersion>);

impl Connectors for Published {
    fn find(&self, name: &str) -> Option<ConnectorVersion> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn workflow(&self, name: &str) -> Option<KnownWorkflow> {
        let input = match name {
            "invoice-run" => {
                "customer: { type: string }, month: { type: string, optional: true }, amount: { type: number, default: 1 }"
            }
            "archive-month" => "month: { type: string }",
            "file-quotation" => "run: { type: string }, output: { type: object }",
            _ => return None,
        };
        let source = format!(
            "workflow: {name}\ninput: {{ {input} }}\nnodes: {{ a: {{ set: {{ x: 1 }} }} }}\noutput: {{ number: \"${{a.x}}\" }}\n"
        );
        Some(KnownWorkflow::from(parse(&source).expect("it is right").model()))
    }

    fn workflows(&self) -> Option<Vec<String>> {
        Some(
            ["invoice-run", "archive-month", "file-quotation"]
                .map(str::to_owned)
                .to_vec(),
        )
    }
}

/// What an example calls is published, and it has no finding.
#[test]
fn the_examples_have_no_finding() {
    let published = Published(connectors());
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    for name in [
        "order-payment",
        "nightly-sync",
        "parent-child",
        "parent-child/invoice-run",
        "parent-child/archive-month",
        "expense-approval",
        "form-answer",
        "payment-events",
        "quotation-form",
        "quotation-form/file-quotation",
        "sales-report",
    ] {
        let source =
            std::fs::read_to_string(format!("{examples}/{name}/workflow.yaml")).expect("it is there");
        let definition = parse(&source).unwrap_or_else(|found| panic!("{name}: {found:#?}"));
        let found = lint(&definition, &serde_json::Map::new(), &published);
        let shown: String = found.iter().map(|found| found.render(name)).collect();
        assert_eq!(shown, "");
    }
}
