//! Who may what: every role at every field of the root of the schema, against what is expected of it.
//!
//! The calls are made of the schema itself: each has the arguments that it must have. What a role may is told from what it
//! hears: a refusal by the policy, or anything else. A field that is in the schema and not in the table fails the test, and so
//! does a permit that is missing or too many (`flowforge_core::permits`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::people::{Person, ann, join};
use crate::support::{Home, SUM};

/// The roles, in the order of the columns below.
const ROLES: [&str; 5] = ["VIEWER", "BUILDER", "OPERATOR", "PUBLISHER", "ADMIN"];

/// Which roles may what a field does: one row for each set of roles.
const EXPECTED: [(&str, [bool; 5], &[&str]); 10] = [
    ("whoever asks", [true; 5], &["server", "viewer"]),
    (
        "read",
        [true; 5],
        &[
            "connectors",
            "connector",
            "workflows",
            "workflow",
            "runs",
            "approverGroups",
            "retryPlan",
            "run",
            "approvals",
            "approval",
            "secrets",
            "hosts",
            "host",
            "drafts",
            "draft",
            "previewExpression",
            "workflowGraph",
            "compareWorkflows",
            "node",
            "nodes",
            "trashedWorkflows",
            "webhookDeliveries",
            "schedules",
            "webhookEndpoints",
            "eventDeliveries",
            "pollTriggers",
            "capabilityGrants",
            "publisher",
            "publishers",
            "roles",
            "members",
            "checkWorkflow",
            "prepareRelease",
        ],
    ),
    ("read-audit", [false, false, false, false, true], &["auditEvents"]),
    (
        "edit",
        [false, true, false, false, true],
        &[
            "saveDraft",
            "discardDraft",
            "restoreVersion",
            "tryDraft",
            "arrangeWorkflow",
            "deleteWorkflow",
            "restoreWorkflow",
        ],
    ),
    (
        "publish",
        [false, false, false, true, true],
        &[
            "publishRelease",
            "publishDraft",
            "yankConnector",
            "deprecateConnector",
            "publishAdvisory",
            "createPublisher",
            "addPublisherKey",
            "decidePublisherKey",
            "setPublisherMember",
            "setConnectorVisibility",
            "setPullGrant",
        ],
    ),
    (
        "run",
        [false, true, true, false, true],
        &[
            "startRun",
            "retryRun",
            "tryNode",
            "retryRuns",
            "replayWebhookDelivery",
        ],
    ),
    (
        "operate",
        [false, false, true, false, true],
        &[
            "cancelRun",
            "pauseRun",
            "resumeRun",
            "pauseTrigger",
            "resumeTrigger",
            "eraseRun",
            "reviewStep",
            "sendSignal",
            "cancelRuns",
            "decideWebhookEndpoint",
            "testWebhookEndpoint",
            "retryEventDelivery",
        ],
    ),
    ("approve", [false, true, true, true, true], &["decideApproval"]),
    (
        "administer",
        [false, false, false, false, true],
        &[
            "setApproverGroup",
            "inviteHost",
            "decideHost",
            "setSecret",
            "deleteSecret",
            "restoreSecret",
            "inviteMember",
            "resetPassword",
            "withdrawInvitation",
            "setMemberRoles",
            "removeMember",
            "invitations",
            "grantCapabilities",
            "setWebhookEndpoint",
            "rotateWebhookEndpoint",
            "deleteWebhookEndpoint",
            "registryAccess",
            "setRegistryAccount",
            "setRegistryAccess",
        ],
    ),
    (
        "keep-account",
        [true; 5],
        &[
            "changePassword",
            "endSession",
            "makeApiToken",
            "revokeApiToken",
            "setSigningKey",
        ],
    ),
];

/// Arguments of fields that look at them before they ask who may, or that need something that is there.
const GIVEN: [(&str, &str); 6] = [
    (
        "setSigningKey",
        "input: {key: \"ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"}",
    ),
    (
        "grantCapabilities",
        "input: {connector: \"demo:x\", capabilities: [\"log\"]}",
    ),
    (
        "createPublisher",
        "input: {name: \"demo\", possession: \"x\", \
         key: \"ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"}",
    ),
    (
        "addPublisherKey",
        "input: {publisher: \"demo\", possession: \"x\", \
         key: \"ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"}",
    ),
    (
        "setSecret",
        "input: {name: \"x\", kind: \"opaque\", value: \"v\", destinations: []}",
    ),
    ("startRun", "input: {workflow: \"sum\", input: {a: 1}}"),
];

const SCHEMA: &str = "{ __schema { queryType { fields { ...F } } mutationType { fields { ...F } } \
    types { kind name enumValues { name } inputFields { ...A } } } } \
    fragment F on __Field { name args { ...A } type { ...T } } \
    fragment A on __InputValue { name defaultValue type { ...T } } \
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// Types of the schema, by name.
type Types = BTreeMap<String, Value>;

/// The least that this type takes.
fn literal(types: &Types, of: &Value) -> String {
    let name = of["name"].as_str().unwrap_or_default();
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => literal(types, &of["ofType"]),
        "LIST" => format!("[{}]", literal(types, &of["ofType"])),
        "ENUM" => types[name]["enumValues"][0]["name"].as_str().unwrap().to_owned(),
        "INPUT_OBJECT" => format!("{{{}}}", arguments(types, &types[name]["inputFields"])),
        _ => match name {
            "String" | "ID" => "\"x\"".to_owned(),
            "Boolean" => "false".to_owned(),
            "Int" | "Float" | "Long" => "1".to_owned(),
            _ => "{}".to_owned(),
        },
    }
}

/// What must be given, each with the least that it takes.
fn arguments(types: &Types, of: &Value) -> String {
    let must = |given: &&Value| given["type"]["kind"] == "NON_NULL" && given["defaultValue"].is_null();
    let all = of.as_array().unwrap().iter().filter(must);
    all.map(|given| {
        format!(
            "{}: {}",
            given["name"].as_str().unwrap(),
            literal(types, &given["type"])
        )
    })
    .collect::<Vec<_>>()
    .join(", ")
}

/// The call of a field of the root.
fn call(types: &Types, kind: &str, field: &Value) -> String {
    let name = field["name"].as_str().unwrap();
    let given = GIVEN.iter().find(|(of, _)| *of == name);
    let arguments = given.map_or_else(
        || arguments(types, &field["args"]),
        |(_, given)| (*given).to_owned(),
    );
    let arguments = match arguments.as_str() {
        "" => String::new(),
        some => format!("({some})"),
    };
    let mut of = &field["type"];
    while !of["ofType"].is_null() {
        of = &of["ofType"];
    }
    let selection = match of["kind"].as_str().unwrap() {
        "SCALAR" | "ENUM" => "",
        _ => " { __typename }",
    };
    format!("{kind} {{ {name}{arguments}{selection} }}")
}

#[tokio::test]
async fn every_role_may_at_every_field_what_is_expected_and_nothing_else() {
    let home = Home::new();
    let plane = home.start_peopled().await;
    let ann = ann(&plane).await;
    plane.publish(SUM).await;
    let mut schema = ann.ask(&plane, SCHEMA).await["__schema"].take();
    let types: Types = schema["types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["name"].as_str().unwrap().to_owned(), of.clone()))
        .collect();
    let mut calls = Vec::new();
    for (kind, root) in [("query", "queryType"), ("mutation", "mutationType")] {
        for field in schema[root]["fields"].take().as_array().unwrap() {
            let name = field["name"].as_str().unwrap().to_owned();
            calls.push((name, call(&types, kind, field)));
        }
    }
    let mut wrong = Vec::new();
    let rows = EXPECTED.iter();
    let mut listed: Vec<&str> = rows.flat_map(|(_, _, fields)| fields.iter().copied()).collect();
    let mut there: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
    listed.sort_unstable();
    there.sort_unstable();
    assert_eq!(
        listed, there,
        "every field of the schema stands in the table once"
    );
    for (column, role) in ROLES.into_iter().enumerate() {
        let person: Person = join(&plane, &ann.invite(&plane, role).await, &role.to_lowercase()).await;
        for (name, query) in &calls {
            let (status, answer) = person.post(&plane, query, json!({})).await;
            let error = &answer["errors"][0];
            let code = &error["extensions"]["code"];
            assert!(
                status == 200 && (error.is_null() || code.is_string()),
                "{query}: {answer:#}"
            );
            let may = code != "FF-API-403";
            let row = EXPECTED
                .iter()
                .find(|(_, _, fields)| fields.contains(&name.as_str()));
            let (needs, expected, _) = row.unwrap();
            if may != expected[column] {
                wrong.push(format!("{role} at {name} ({needs}): {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    plane.stop().await;
}
