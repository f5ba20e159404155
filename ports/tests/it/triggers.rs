//! What an operation must look like to begin runs, and what is said where it does not.

use flowforge_ports::{ConnectorMeta, Effect, OperationMeta, Trigger, embed_meta, inspect};

use crate::support::component;

/// The trigger that the only operation of this world is, when its author says it is one; else why it is none.
fn told(trigger: Trigger, effect: Option<Effect>, world: &str) -> Result<(), String> {
    let bytes = component(&format!(
        "package demo:events@1.0.0;\nworld connector {{\n{world}\n}}\n"
    ));
    let mut meta = ConnectorMeta {
        name: "demo:events".to_owned(),
        version: "1.0.0".to_owned(),
        ..ConnectorMeta::default()
    };
    let operation = OperationMeta {
        title: None,
        effect,
        trigger: Some(trigger),
    };
    meta.operations.insert("go".to_owned(), operation);
    let interface = inspect(&embed_meta(&bytes, &meta).expect("embeds")).expect("reads");
    let operation = interface.operation("go").expect("is there");
    let misfit = trigger.misfit(operation);
    assert_eq!(operation.trigger.is_some(), misfit.is_none(), "the bytes decide");
    misfit.map_or(Ok(()), Err)
}

const ITEMS: &str = "record item { id: string, title: string }";

#[test]
fn a_poll_takes_a_cursor_and_gives_events_and_the_next_one() {
    let poll = |params: &str, batch: &str| {
        let world = format!(
            "import flowforge:connector/http@0.1.0;\n{ITEMS}\nrecord batch {{ {batch} }}\n\
             export go: func({params}) -> batch;"
        );
        told(Trigger::Poll, Some(Effect::Idempotent), &world)
    };
    let right = "cursor: option<string>";
    assert_eq!(poll(right, "events: list<item>, cursor: string"), Ok(()));
    assert_eq!(
        poll(
            "feed: string, cursor: option<u64>",
            "events: list<item>, cursor: option<u64>, more: bool"
        ),
        Ok(())
    );
    for (params, batch, reason) in [
        (
            "cursor: string",
            "events: list<item>, cursor: string",
            "no optional `cursor`",
        ),
        (right, "events: list<item>, cursor: u64", "another type"),
        (right, "events: list<item>", "no `cursor` for the next poll"),
        (
            right,
            "events: list<string>, cursor: string",
            "no records with a text `id`",
        ),
        (right, "cursor: string", "`events` of its result is no list"),
        (
            right,
            "events: list<item>, cursor: string, more: string",
            "is not a boolean",
        ),
    ] {
        let found = poll(params, batch).expect_err(reason);
        assert!(found.contains(reason), "{found}");
    }
}

#[test]
fn a_poll_that_may_do_something_twice_is_none() {
    let world = format!(
        "import flowforge:connector/http@0.1.0;\n{ITEMS}\nrecord batch {{ events: list<item>, cursor: string }}\n\
         export go: func(cursor: option<string>) -> batch;"
    );
    let found = told(Trigger::Poll, None, &world).expect_err("unsafe");
    assert!(found.contains("effect = \"idempotent\""), "{found}");
}

#[test]
fn a_webhook_takes_a_request_and_gives_events() {
    let webhook = |imports: &str, fields: &str, result: &str| {
        let world = format!(
            "{imports}\n{ITEMS}\nrecord header {{ name: string, value: string }}\nrecord incoming {{ {fields} }}\n\
             export go: func(request: incoming) -> {result};"
        );
        told(Trigger::Webhook, None, &world)
    };
    let all = "method: string, path: string, query: string, headers: list<header>, body: list<u8>";
    assert_eq!(webhook("", all, "list<item>"), Ok(()));
    assert_eq!(webhook("", "body: list<u8>", "list<item>"), Ok(()));
    for (imports, fields, result, reason) in [
        (
            "",
            "headers: list<header>",
            "list<item>",
            "`request` has no `body`",
        ),
        (
            "",
            "body: string",
            "list<item>",
            "`request.body` has another type",
        ),
        (
            "",
            "body: list<u8>, headers: list<string>",
            "list<item>",
            "`request.headers` has another type",
        ),
        (
            "",
            "body: list<u8>, sender: string",
            "list<item>",
            "`request` has no `sender`",
        ),
        ("", "body: list<u8>", "item", "its result is no list"),
        (
            "import flowforge:connector/http@0.1.0;",
            "body: list<u8>",
            "list<item>",
            "without requests",
        ),
    ] {
        let found = webhook(imports, fields, result).expect_err(reason);
        assert!(found.contains(reason), "{found}");
    }
}
