//! `approval` in the schema.

use flowforge_protocol::approval::MAX_QUORUM;
use serde_json::{Value, json};

pub(super) fn approval() -> Value {
    super::node(
        "approval",
        &json!({
            "approval": {
                "description": "Asks people and waits. Its outcomes are approved, rejected and expired.",
                "type": "object",
                "required": ["title"],
                "additionalProperties": false,
                "properties": {
                    "title": { "description": "The question.", "type": "string" },
                    "show": { "description": "What people see with it." },
                    "approvers": {
                        "description": "Who may answer, people and groups, but nobody who started the run; anybody if absent.",
                        "type": ["array", "null"],
                        "items": { "type": "string" },
                    },
                    "signed_by": {
                        "description": "In place of approvers: who may answer, each with the public key of the own signature that the answer needs.",
                        "type": "object",
                        "minProperties": 1,
                        "additionalProperties": { "type": "string", "pattern": "^ed25519:[0-9a-f]{64}$" },
                    },
                    "quorum": {
                        "description": "How many people must say yes, 1 if absent. One no is enough for a no.",
                        "type": "integer",
                        "minimum": 1,
                        "maximum": MAX_QUORUM,
                    },
                    "form": {
                        "description": "What whoever says yes fills in; the node's output has it as `form`.",
                        "type": ["object", "null"],
                        "propertyNames": { "$ref": "#/$defs/snake" },
                        "additionalProperties": { "$ref": "#/$defs/input_field" },
                    },
                    "expires": { "description": "How long the question stands.", "$ref": "#/$defs/duration" },
                    "on_expiry": {
                        "description": "What it means that nobody answered in time. expire: the outcome expired; reject: a no; approve: a yes, with the defaults of the form.",
                        "enum": ["expire", "reject", "approve"],
                        "default": "expire",
                    },
                    "remind": { "description": "Those who are asked are reminded after this time, and again after as long.", "$ref": "#/$defs/duration" },
                },
            },
        }),
    )
}
