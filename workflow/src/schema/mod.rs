//! The JSON Schema of the workflow language, for editors. Checked in as `examples/workflow.schema.json`.
//!
//! It guides the typing; the lint decides. What a schema cannot say (names in reach, ports, grants) is not in it.

mod approval;
mod triggers;

use flowforge_protocol::labels::{MAX_LABEL_BYTES, MAX_LABELS};
use serde_json::{Value, json};

use crate::limits::{MAX_ATTEMPTS, MAX_PARALLEL, MAX_ROUNDS};
use crate::names::reserved_words;

/// The schema of a workflow file.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "FlowForge workflow",
        "type": "object",
        "required": ["workflow", "nodes"],
        "additionalProperties": false,
        "properties": {
            "workflow": { "description": "Name of the workflow, kebab-case.", "$ref": "#/$defs/kebab" },
            "title": { "description": "What it does, for people.", "type": "string" },
            "input": {
                "description": "What a run is asked for when it starts.",
                "type": ["object", "null"],
                "propertyNames": { "$ref": "#/$defs/snake" },
                "properties": {
                    "additional": {
                        "description": "What happens to fields of a webhook's body that are not named here: accept (the default) keeps them under trigger.body, refuse refuses the request. A map here is a field of this name.",
                        "oneOf": [{ "enum": ["accept", "refuse"] }, { "$ref": "#/$defs/input_field" }],
                    },
                },
                "additionalProperties": { "$ref": "#/$defs/input_field" },
            },
            "config": {
                "description": "Values fixed when the workflow is published; part of the signed release.",
                "type": ["object", "null"],
                "propertyNames": { "$ref": "#/$defs/snake" },
            },
            "secrets": {
                "description": "Names of the secrets that nodes and triggers may use. The values stay in the project.",
                "type": ["array", "null"],
                "items": { "$ref": "#/$defs/snake" },
                "uniqueItems": true,
            },
            "triggers": {
                "description": "What starts runs. By hand is always possible.",
                "type": ["object", "null"],
                "propertyNames": { "$ref": "#/$defs/snake" },
                "additionalProperties": { "$ref": "#/$defs/trigger" },
            },
            "values": {
                "description": "stay: values stay on the host, and the control plane knows their sizes and types; send: it has them too.",
                "enum": ["stay", "send"],
                "default": "send",
            },
            "runs_on": runs_on(),
            "on_done": { "description": "What follows when a run is done.", "$ref": "#/$defs/follow" },
            "on_failed": { "description": "What follows when a run failed, was rejected, or was not answered in time.", "$ref": "#/$defs/follow" },
            "nodes": { "$ref": "#/$defs/nodes" },
            "output": { "description": "The result of a run: a value, or an object of values, with ${…} in them." },
        },
        "$defs": definitions(),
    })
}

fn runs_on() -> Value {
    let label = json!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$", "maxLength": MAX_LABEL_BYTES });
    json!({
        "description": "Which hosts may have a run. Without it any host may, and a run stays at the one that it began at.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "pool": { "description": "The pool that the host belongs to.", "allOf": [label] },
            "labels": {
                "description": "Labels that the host has, every one of them.",
                "type": ["array", "null"],
                "items": label,
                "maxItems": MAX_LABELS - 1,
            },
            "placement": {
                "description": "pinned: a run stays at its host, which may be offline; failover: another host goes on with it when its host has not been heard for the time of lease.",
                "enum": ["pinned", "failover"],
                "default": "pinned",
            },
            "lease": {
                "description": "With failover: how long the host may be unheard, 2s to 1h. Default 60s.",
                "$ref": "#/$defs/duration",
            },
        },
    })
}

fn follow() -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": {
            "workflow": { "description": "The workflow that is started, with run, workflow, version, state, output, failure and outcome as its input.", "$ref": "#/$defs/kebab" },
            "endpoint": { "description": "The webhook endpoint that is told the outcome.", "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$" },
        },
    })
}

fn definitions() -> Value {
    json!({
        "snake": { "type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$" },
        "free_name": {
            "description": "A name that means nothing else in expressions.",
            "$ref": "#/$defs/snake",
            "not": { "enum": reserved_words().collect::<Vec<_>>() },
        },
        "kebab": { "type": "string", "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "maxLength": 64 },
        "duration": {
            "description": "A length of time: 200ms, 5s, 90m, 72h, 7d, 1h30m.",
            "type": "string",
            "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "minLength": 2,
        },
        "expression": { "description": "An expression, without ${…}.", "type": ["string", "boolean", "number"] },
        "input_field": input_field(),
        "trigger": triggers::trigger(),
        "follow": follow(),
        "nodes": {
            "description": "The steps. A node starts when everything its expressions name has finished and at least one of its `after` has happened.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "$ref": "#/$defs/free_name" },
            "additionalProperties": { "$ref": "#/$defs/node" },
        },
        "node": {
            "oneOf": [
                { "$ref": "#/$defs/call" },
                { "$ref": "#/$defs/set" },
                { "$ref": "#/$defs/switch" },
                { "$ref": "#/$defs/foreach" },
                { "$ref": "#/$defs/repeat" },
                { "$ref": "#/$defs/wait" },
                { "$ref": "#/$defs/approval" },
                { "$ref": "#/$defs/workflow" },
                { "$ref": "#/$defs/respond" },
            ],
        },
        "on_error": {
            "description": "stop: a failure fails the run; branch: the run goes on with the nodes that have `after: NODE.failed`.",
            "enum": ["stop", "branch"],
            "default": "stop",
        },
        "fallback": {
            "description": "What stands in for the result of the node when it has failed.",
            "oneOf": [
                { "type": "object", "required": ["value"], "additionalProperties": false, "properties": { "value": { "description": "A value, with ${…} in it." } } },
                { "type": "object", "required": ["node"], "additionalProperties": false, "properties": { "node": { "description": "Another node, which runs only then.", "$ref": "#/$defs/snake" } } },
            ],
        },
        "undo": undo(),
        "after": {
            "description": "Nodes, or outcomes of nodes (gate.strong), of which at least one must have happened.",
            "oneOf": [{ "$ref": "#/$defs/after_entry" }, { "type": "array", "items": { "$ref": "#/$defs/after_entry" } }],
        },
        "after_entry": { "type": "string", "pattern": "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)?$" },
        "call": call(),
        "retry": retry(),
        "set": node("set", &json!({
            "set": {
                "description": "An object of values; its fields are the node's output.",
                "type": "object",
                "propertyNames": { "$ref": "#/$defs/snake" },
            },
        })),
        "switch": node("switch", &json!({
            "switch": {
                "description": "Cases in order; the first true one is the outcome. The last may be `else`.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": { "$ref": "#/$defs/snake" },
                "additionalProperties": { "$ref": "#/$defs/expression" },
            },
        })),
        "foreach": foreach(),
        "repeat": repeat(),
        "workflow": workflow(),
        "respond": respond(),
        "wait": wait(),
        "approval": approval::approval(),
    })
}

fn wait() -> Value {
    node(
        "wait",
        &json!({
            "wait": {
                "description": "Waits for a length of time, until a moment, or for a signal.",
                "oneOf": [
                    { "type": "object", "required": ["for"], "additionalProperties": false, "properties": { "for": { "$ref": "#/$defs/duration" } } },
                    { "type": "object", "required": ["until"], "additionalProperties": false, "properties": { "until": { "$ref": "#/$defs/expression" } } },
                    {
                        "type": "object",
                        "required": ["signal"],
                        "additionalProperties": false,
                        "properties": {
                            "signal": { "description": "Name of the signal; its payload is the output.", "$ref": "#/$defs/snake" },
                            "correlate": { "description": "Only a signal with this correlation counts.", "$ref": "#/$defs/expression" },
                            "timeout": { "description": "How long it is waited for; then the outcome is `expired`.", "$ref": "#/$defs/duration" },
                        },
                    },
                ],
            },
        }),
    )
}

/// A node that has this key, what every node may have, and these properties.
fn node(kind: &str, properties: &Value) -> Value {
    let mut properties = properties.clone();
    if let Some(map) = properties.as_object_mut() {
        for key in ["after", "on_error", "fallback", "undo"] {
            map.insert(key.to_owned(), json!({ "$ref": format!("#/$defs/{key}") }));
        }
        let disabled = json!({ "description": "The node is skipped, and what needs its value with it.", "type": "boolean" });
        map.insert("disabled".to_owned(), disabled);
    }
    let mut required = vec![kind];
    required.extend(properties.get("do").map(|_| "do"));
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

fn input_field() -> Value {
    json!({
        "type": "object",
        "required": ["type"],
        "additionalProperties": false,
        "properties": {
            "type": { "enum": ["string", "number", "integer", "boolean", "array", "object", "any"] },
            "description": { "type": "string" },
            "title": { "type": "string" },
            "default": { "description": "The value if a run gives none." },
            "optional": { "description": "It may be left out; it is null then.", "type": "boolean" },
            "minimum": { "type": "number" },
            "maximum": { "type": "number" },
            "enum": { "type": "array" },
            "pattern": { "type": "string" },
            "format": { "type": "string" },
            "items": { "type": "object" },
            "properties": { "type": "object" },
            "required": { "type": "array", "items": { "type": "string" } },
            "minLength": { "type": "integer" },
            "maxLength": { "type": "integer" },
            "minItems": { "type": "integer" },
            "maxItems": { "type": "integer" },
            "examples": { "type": "array" },
        },
    })
}

fn call() -> Value {
    node("call", &call_keys())
}

/// What takes an effect back: the keys of a call, and no others.
fn undo() -> Value {
    json!({
        "description": "The call that takes the effect of the node back when the run fails or is cancelled after it.",
        "type": "object",
        "required": ["call"],
        "additionalProperties": false,
        "properties": call_keys(),
    })
}

fn call_keys() -> Value {
    json!({
        "call": {
            "description": "The operation: publisher:name/operation.",
            "type": "string",
            "pattern": "^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*/[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*$",
        },
        "with": { "description": "A value for each port, with ${…} in it.", "type": ["object", "null"] },
        "allow": {
            "description": "The only destinations this node may reach: scheme://name:port. May use ${config.…}.",
            "type": ["array", "null"],
            "items": { "type": "string" },
        },
        "secrets": {
            "description": "Slot of the connector: name of the secret. The host adds it; the connector never sees it.",
            "type": "object",
            "additionalProperties": { "$ref": "#/$defs/snake" },
        },
        "retry": { "$ref": "#/$defs/retry" },
        "timeout": { "description": "Time limit of one attempt; 60s if absent, at most 24h.", "$ref": "#/$defs/duration" },
        "idle_timeout": { "description": "An attempt that shows no sign of life for so long has failed.", "$ref": "#/$defs/duration" },
    })
}

fn workflow() -> Value {
    node(
        "workflow",
        &json!({
            "workflow": { "description": "Runs another published workflow of the project; the output is that run's.", "$ref": "#/$defs/kebab" },
            "with": { "description": "A value for each field of its input, with ${…} in it.", "type": ["object", "null"] },
            "detach": {
                "description": "Does not wait: the node is done as soon as the other run is ordered, with its id as `run`.",
                "type": "boolean",
            },
        }),
    )
}

fn repeat() -> Value {
    let condition = |word: &str, description: &str| {
        json!({
            "type": "object",
            "required": [word, "max"],
            "additionalProperties": false,
            "properties": {
                word: { "description": description, "$ref": "#/$defs/expression" },
                "max": { "description": "Most rounds; the node fails when they are over.", "type": "integer", "minimum": 1, "maximum": MAX_ROUNDS },
                "every": { "description": "Time between the end of a round and the next.", "$ref": "#/$defs/duration" },
            },
        })
    };
    node(
        "repeat",
        &json!({
            "repeat": {
                "description": "Runs `do` again and again; `round` is 1, 2, 3, …. The output is the last round's.",
                "oneOf": [
                    condition("until", "Looked at after each round: true ends the loop."),
                    condition("while", "Looked at after each round: false ends the loop."),
                ],
            },
            "do": { "$ref": "#/$defs/nodes" },
        }),
    )
}

fn respond() -> Value {
    node(
        "respond",
        &json!({
            "respond": {
                "description": "Answers the webhook that started the run (`answer: respond`), before the run ends.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "status": {
                        "description": "HTTP status; 200 if absent.",
                        "oneOf": [{ "type": "integer", "minimum": 200, "maximum": 599 }, { "type": "string" }],
                    },
                    "headers": { "description": "HTTP headers.", "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } },
                    "body": { "description": "The body: text as it is, anything else as JSON." },
                },
            },
        }),
    )
}

fn retry() -> Value {
    json!({
        "description": "How often and when to try again after a failure that allows it.",
        "oneOf": [
            { "const": "never" },
            {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "attempts": { "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS, "default": 10 },
                    "first_delay": { "description": "500ms if absent; doubles each time.", "$ref": "#/$defs/duration" },
                    "max_delay": { "description": "5m if absent.", "$ref": "#/$defs/duration" },
                    "within": { "description": "No attempt begins later than this after the first one.", "$ref": "#/$defs/duration" },
                    "jitter": {
                        "description": "half: between a half and the whole of the wait; full: between nothing and the whole; none.",
                        "enum": ["half", "full", "none"],
                        "default": "half",
                    },
                    "on": {
                        "description": "The failures that are tried again; throttled, unavailable and timed_out if absent.",
                        "type": "array",
                        "items": { "enum": ["throttled", "unavailable", "timed_out", "rejected", "denied", "invalid", "internal", "limit"] },
                        "uniqueItems": true,
                    },
                },
            },
        ],
    })
}

fn foreach() -> Value {
    node(
        "foreach",
        &json!({
            "foreach": { "description": "Expression of a list. The output is the list of results, in order.", "$ref": "#/$defs/expression" },
            "as": {
                "description": "Name of the element; `item` if absent.",
                "anyOf": [{ "const": "item" }, { "$ref": "#/$defs/free_name" }],
            },
            "parallel": {
                "description": "How many elements are worked on at the same time.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_PARALLEL,
                "default": 1,
            },
            "do": { "$ref": "#/$defs/nodes" },
        }),
    )
}
