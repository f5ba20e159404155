//! The schema of what starts runs.

use flowforge_protocol::webhook::Scheme;
use serde_json::{Value, json};

use super::call_keys;
use crate::model::{CatchUp, Overlap};

pub(super) fn trigger() -> Value {
    json!({ "oneOf": [webhook(), schedule(), polled(), form()] })
}

fn webhook() -> Value {
    json!({
        "type": "object",
        "required": ["webhook"],
        "additionalProperties": false,
        "properties": {
            "webhook": {
                "description": "A request to /hooks/PATH starts a run; its body is the input.",
                "type": "object",
                "required": ["path"],
                "additionalProperties": false,
                "properties": {
                    "path": { "type": "string", "pattern": "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", "maxLength": 200 },
                    "hmac": { "description": "The secret whose key signs the body, in the form of FlowForge or of GitHub; the short way to say so.", "$ref": "#/$defs/snake" },
                    "scheme": {
                        "description": "How a request proves who sent it; checked over the body as it came, before anything is read.",
                        "enum": Scheme::ALL.map(Scheme::as_str),
                    },
                    "secret": { "description": "The secret with the key of the scheme.", "$ref": "#/$defs/snake" },
                    "header": {
                        "description": "Where a token stands; without it, in `authorization: Bearer …`.",
                        "type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 100,
                    },
                    "rate": {
                        "description": "How many requests are taken, for example 600/min; others are answered with 429 and when to come again.",
                        "type": "string", "pattern": "^[0-9]+ */ *(s|min|h)$",
                    },
                    "answer": {
                        "description": "at_once: with the run's id; result: with the run's output, when it has ended; respond: when a `respond` node says so.",
                        "enum": ["at_once", "result", "respond"],
                        "default": "at_once",
                    },
                    "signal": {
                        "description": "A request starts no run: it is a signal for the runs that wait for it, with its body as the payload.",
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": false,
                        "properties": {
                            "name": { "$ref": "#/$defs/snake" },
                            "correlate": { "description": "Expression over `trigger`, for example trigger.body.order.", "$ref": "#/$defs/expression" },
                        },
                    },
                },
            },
        },
    })
}

fn schedule() -> Value {
    json!({
        "type": "object",
        "required": ["schedule"],
        "additionalProperties": false,
        "properties": {
            "schedule": {
                "type": "object",
                "required": ["cron"],
                "additionalProperties": false,
                "properties": {
                    "cron": { "description": "Minute, hour, day of month, month, day of week.", "type": "string" },
                    "time_zone": { "description": "IANA name, for example Europe/Berlin.", "type": "string", "default": "UTC" },
                    "input": { "description": "The input of the runs it starts.", "type": "object" },
                    "catch_up": {
                        "description": "What becomes of times that were missed because no server was there. skip: nothing; one: the last of them starts a run; all: each does.",
                        "enum": CatchUp::ALL.map(CatchUp::as_str),
                        "default": CatchUp::default().as_str(),
                    },
                    "overlap": {
                        "description": "What becomes of a time while the run before is open. skip: it starts nothing; queue: it waits for that run's end; cancel: that run is stopped. Left out, both run.",
                        "enum": Overlap::ALL.map(Overlap::as_str),
                    },
                },
            },
        },
    })
}

fn form() -> Value {
    json!({
        "type": "object",
        "required": ["form"],
        "additionalProperties": false,
        "properties": {
            "form": {
                "description": "A public page at /forms/PATH with a field for each of the input; sending it starts a run.",
                "type": "object",
                "required": ["path"],
                "additionalProperties": false,
                "properties": {
                    "path": { "type": "string", "pattern": "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", "maxLength": 200 },
                    "title": { "description": "Above the fields; without it, the title of the workflow.", "type": "string" },
                    "docs": { "description": "What it is for, for whoever fills it in.", "type": "string" },
                    "thanks": { "description": "What is shown when it was sent.", "type": "string" },
                    "rate": { "description": "How many are taken, for example 30/min; without it 60/min.", "type": "string", "pattern": "^[0-9]+ */ *(s|min|h)$" },
                    "answer": {
                        "description": "at_once: with thanks; result: with the run's output, when it has ended.",
                        "enum": ["at_once", "result"],
                        "default": "at_once",
                    },
                },
            },
        },
    })
}

fn polled() -> Value {
    json!({
        "type": "object",
        "required": ["poll"],
        "additionalProperties": false,
        "properties": { "poll": poll() },
    })
}

/// A poll: the keys of a call, and how often it is made.
fn poll() -> Value {
    let mut keys = call_keys();
    if let Some(keys) = keys.as_object_mut() {
        keys.insert(
            "every".to_owned(),
            json!({ "description": "From the end of one poll to the beginning of the next, 10s to 24h.", "$ref": "#/$defs/duration" }),
        );
    }
    json!({
        "description": "A connector is asked again and again for what is new; each event that it finds starts a run.",
        "type": "object",
        "required": ["call", "every"],
        "additionalProperties": false,
        "properties": keys,
    })
}
