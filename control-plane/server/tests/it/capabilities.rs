//! An upgraded connector that asks for more, what is known to be wrong with published ones, and who publishes them.

use std::collections::BTreeMap;

use flowforge_ports::{ConnectorMeta, SecretSlot, embed_meta};
use flowforge_protocol::envelope::sign_document;
use flowforge_protocol::publisher::PublisherKeyStatement;
use flowforge_protocol::{Digest, Publication, SigningKey};
use flowforge_registry::{Client, ClientError};
use serde_json::{Value, json};

use crate::connector::{CALLER, caller_component};
use crate::support::{FakeHost, Home, Plane};

/// The connector of the other tests under another name and version, with these slots for secrets.
fn component(name: &str, version: &str, slots: &[&str]) -> Vec<u8> {
    let slot = |name: &&str| {
        let slot = SecretSlot {
            kind: "bearer".to_owned(),
            destinations: vec!["https://chat.example.com".to_owned()],
        };
        ((*name).to_owned(), slot)
    };
    let meta = ConnectorMeta {
        name: name.to_owned(),
        version: version.to_owned(),
        secrets: slots.iter().map(slot).collect::<BTreeMap<_, _>>(),
        ..ConnectorMeta::default()
    };
    embed_meta(&caller_component(), &meta).unwrap()
}

async fn push_to(client: &Client, bytes: Vec<u8>, key: &SigningKey) -> Result<(), ClientError> {
    let meta = flowforge_ports::inspect(&bytes).unwrap().meta.unwrap();
    let statement = Publication {
        name: meta.name.parse().unwrap(),
        version: meta.version,
        layer_digest: Digest::of(&bytes),
    };
    let envelope = sign_document(&statement, key).unwrap();
    client.push(bytes.into(), &envelope).await.map(drop)
}

async fn push(plane: &Plane, bytes: Vec<u8>, key: &SigningKey) -> Result<(), ClientError> {
    push_to(&Client::new(&plane.handle.url).unwrap(), bytes, key).await
}

async fn set_token(plane: &Plane) {
    let secret = json!({
        "name": "chat_token", "kind": "bearer", "value": "v", "destinations": ["https://chat.example.com"],
    });
    plane
        .change("setSecret", "SetSecretInput", secret, "__typename")
        .await;
}

async fn start(plane: &Plane, version: Option<u32>) -> Value {
    plane
        .start_run(json!({"workflow": "caller", "version": version, "input": {}}))
        .await
}

async fn workflow(plane: &Plane) -> Value {
    let query = "{ workflow(name: \"caller\") { version held { connector version missing } \
        notices { connector version kind id severity message fix } } }";
    plane.ask(query, Value::Null).await["workflow"].take()
}

async fn grant(plane: &Plane, taken: bool) -> Value {
    let input = json!({"connector": "demo:caller", "capabilities": ["secret channel"], "taken": taken});
    let fields = "__typename ... on GrantCapabilitiesSuccess { granted { capability grantedBy } } \
        ... on Problem { message code }";
    plane
        .change("grantCapabilities", "GrantCapabilitiesInput", input, fields)
        .await
}

async fn audited(plane: &Plane, action: &str) -> Vec<String> {
    let query = "query($filter: AuditEventFilter) { auditEvents(filter: $filter, first: 50) { nodes { actor action object \
        detail } } }";
    let answer = plane.ask(query, json!({"filter": {"action": action}})).await;
    let events = answer["auditEvents"]["nodes"].as_array().unwrap().iter();
    let line = |event: &Value| {
        format!(
            "{} {} {}",
            event["actor"].as_str().unwrap(),
            event["object"].as_str().unwrap(),
            event["detail"].as_str().unwrap_or_default()
        )
    };
    events.map(line).collect()
}

#[tokio::test]
async fn an_upgrade_that_asks_for_more_starts_nothing_until_it_is_granted() {
    let home = Home::new();
    let plane = home.start().await;
    let key = plane.key("publisher.pem");
    set_token(&plane).await;
    push(&plane, component("demo:caller", "0.1.0", &["auth"]), &key)
        .await
        .unwrap();
    plane.publish(CALLER).await;
    assert_eq!(start(&plane, None).await["__typename"], "StartRunSuccess");

    push(
        &plane,
        component("demo:caller", "0.1.1", &["auth", "channel"]),
        &key,
    )
    .await
    .unwrap();
    plane.publish(&CALLER.replace("told: true", "told: false")).await;
    let held = json!([{"connector": "demo:caller", "version": "0.1.1", "missing": ["secret channel"]}]);
    assert_eq!(workflow(&plane).await["held"], held);
    let refused = start(&plane, None).await;
    assert_eq!(
        (&refused["__typename"], &refused["code"]),
        (&json!("CapabilityProblem"), &json!("FF-REG-010"))
    );
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("demo:caller 0.1.1 asks for secret channel"),
        "{message}"
    );
    assert!(
        message.contains("flowforge connector grant demo:caller@0.1.1"),
        "{message}"
    );
    // The version before asks for nothing new.
    assert_eq!(start(&plane, Some(1)).await["__typename"], "StartRunSuccess");

    let granted = grant(&plane, false).await;
    assert_eq!(
        granted["granted"],
        json!([{"capability": "secret auth", "grantedBy": "local"}, {"capability": "secret channel", "grantedBy": "local"}])
    );
    assert_eq!(start(&plane, None).await["__typename"], "StartRunSuccess");
    assert_eq!(
        audited(&plane, "connector.grant").await,
        ["local demo:caller granted secret channel"]
    );
    plane.stop().await;

    // It is kept, and can be taken.
    let plane = home.start().await;
    assert_eq!(start(&plane, None).await["__typename"], "StartRunSuccess");
    grant(&plane, true).await;
    assert_eq!(start(&plane, None).await["__typename"], "CapabilityProblem");
    assert_eq!(workflow(&plane).await["held"], held);
    plane.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_capability_is_told_with_its_place() {
    let plane = Home::new().start().await;
    let fields = "__typename ... on InputProblem { fields { path message } }";
    for (input, path) in [
        (json!({"connector": "geo", "capabilities": ["http"]}), "connector"),
        (
            json!({"connector": "acme:geo", "capabilities": []}),
            "capabilities",
        ),
        (
            json!({"connector": "acme:geo", "capabilities": ["a\nb"]}),
            "capabilities",
        ),
        (
            json!({"connector": "acme:geo", "capabilities": vec!["x"; 257]}),
            "capabilities",
        ),
    ] {
        let answer = plane
            .change("grantCapabilities", "GrantCapabilitiesInput", input, fields)
            .await;
        assert_eq!(answer["fields"][0]["path"], path, "{answer:#}");
    }
    plane.stop().await;
}

async fn codes(plane: &Plane) -> Vec<String> {
    let fields = "diagnostics { code severity message fix }";
    let checked = plane
        .change(
            "checkWorkflow",
            "CheckWorkflowInput",
            json!({"source": CALLER}),
            fields,
        )
        .await;
    let found = checked["diagnostics"].as_array().unwrap().iter();
    let line = |found: &Value| {
        format!(
            "{} {} {}",
            found["severity"].as_str().unwrap(),
            found["code"].as_str().unwrap(),
            found["message"].as_str().unwrap()
        )
    };
    // That the connector makes no requests has nothing to do with it.
    let about = |line: &String| !line.contains("FF-WF-034");
    found.map(line).filter(about).collect()
}

/// An advisory about every version below 0.1.1.
fn advisory(severity: &str) -> Value {
    json!({
        "id": "FFSA-2026-0001", "summary": "leaks the token",
        "affected": [{
            "package": {"ecosystem": "FlowForge", "name": "demo:caller"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "0.1.1"}]}],
        }],
        "database_specific": {"severity": severity},
    })
}

#[tokio::test]
async fn what_is_known_of_a_version_reaches_every_workflow_that_uses_it() {
    let home = Home::new();
    let plane = home.start().await;
    let key = plane.key("publisher.pem");
    set_token(&plane).await;
    push(&plane, component("demo:caller", "0.1.0", &["auth"]), &key)
        .await
        .unwrap();
    plane.publish(CALLER).await;
    assert_eq!(workflow(&plane).await["notices"], json!([]));

    let success = "__typename ... on CurateConnectorSuccess { reached } ... on Problem { message code }";
    let deprecated = plane
        .change(
            "deprecateConnector",
            "DeprecateConnectorInput",
            json!({"name": "demo:caller", "reason": "not maintained", "useInstead": "demo:teller@1"}),
            success,
        )
        .await;
    assert_eq!(deprecated["reached"], json!(["caller"]), "{deprecated:#}");
    let advise = |severity: &'static str| {
        let plane = &plane;
        async move {
            let input = json!({"advisory": advisory(severity)});
            plane
                .change("publishAdvisory", "PublishAdvisoryInput", input, success)
                .await
        }
    };
    assert_eq!(advise("HIGH").await["reached"], json!(["caller"]));
    let notices = workflow(&plane).await["notices"].take();
    assert_eq!(
        (&notices[0]["kind"], &notices[0]["id"], &notices[0]["severity"]),
        (&json!("ADVISORY"), &json!("FFSA-2026-0001"), &json!("HIGH"))
    );
    assert!(
        notices[0]["fix"].as_str().unwrap().contains("0.1.1 or later"),
        "{notices:#}"
    );
    assert_eq!(notices[1]["fix"], "use demo:teller@1");
    assert_eq!(
        codes(&plane).await,
        [
            "WARNING FF-WF-096 demo:caller 0.1.0: FFSA-2026-0001: leaks the token",
            "WARNING FF-WF-098 demo:caller 0.1.0: it is replaced: not maintained",
        ]
    );
    // What is critical is not published anew; what runs goes on.
    advise("CRITICAL").await;
    let prepared = plane.prepare(CALLER).await;
    assert_eq!(prepared["__typename"], "WorkflowProblem");
    assert_eq!(start(&plane, None).await["__typename"], "StartRunSuccess");

    // The version with the mend is taken, and the old one can be withdrawn: who uses it hears of that too.
    push(&plane, component("demo:caller", "0.1.1", &["auth"]), &key)
        .await
        .unwrap();
    let yanked = plane
        .change(
            "yankConnector",
            "YankConnectorInput",
            json!({"name": "demo:caller", "version": "0.1.0", "reason": "leaks"}),
            success,
        )
        .await;
    assert_eq!(yanked["reached"], json!(["caller"]));
    let kinds = |notices: &Value| {
        let notices = notices.as_array().unwrap().iter();
        notices
            .map(|notice| notice["kind"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(&workflow(&plane).await["notices"]),
        ["ADVISORY", "YANKED", "DEPRECATED"]
    );
    plane.publish(&CALLER.replace("told: true", "told: false")).await;
    assert_eq!(kinds(&workflow(&plane).await["notices"]), ["DEPRECATED"]);
    let users = plane
        .ask(
            "{ connector(name: \"demo:caller\") { usedBy { name } installed } }",
            Value::Null,
        )
        .await;
    assert_eq!(
        users["connector"],
        json!({"usedBy": [{"name": "caller"}], "installed": true})
    );
    plane.stop().await;
}

fn new_key(publisher: &str, seed: u8) -> (SigningKey, Value) {
    let key = SigningKey::from_seed(&[seed; 32]);
    let statement = PublisherKeyStatement {
        publisher: publisher.to_owned(),
        key: key.verifying_key(),
    };
    let possession = sign_document(&statement, &key).unwrap();
    let input = json!({"name": publisher, "key": key.verifying_key().to_string(), "possession": possession});
    (key, input)
}

const PUBLISHER: &str = "__typename ... on ChangePublisherSuccess { publisher { name visibility members { account role } \
    keys { id usable reason } pullGrants { account connector untilMs } } } ... on Problem { message code }";

async fn account(plane: &Plane, name: &str) -> String {
    let fields = "__typename ... on ChangeRegistryAccessSuccess { password }";
    let made = plane
        .change(
            "setRegistryAccount",
            "SetRegistryAccountInput",
            json!({ "name": name }),
            fields,
        )
        .await;
    made["password"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_publisher_publishes_with_its_own_key_and_the_site_installs() {
    let home = Home::new();
    let plane = home.start().await;
    let (key, input) = new_key("acme", 7);
    let made = plane
        .change(
            "createPublisher",
            "CreatePublisherInput",
            input.clone(),
            PUBLISHER,
        )
        .await;
    assert_eq!(made["publisher"]["keys"][0]["usable"], true, "{made:#}");
    let again = plane
        .change("createPublisher", "CreatePublisherInput", input, PUBLISHER)
        .await;
    assert_eq!(again["code"], "FF-REG-004");
    let site = plane.key("publisher.pem");
    let bytes = component("acme:caller", "0.1.0", &["auth"]);
    push(&plane, bytes.clone(), &site).await.unwrap_err();
    push(&plane, bytes.clone(), &key).await.unwrap();
    set_token(&plane).await;
    let source = CALLER.replace("demo:caller", "acme:caller");
    let refused = plane.prepare(&source).await;
    let told = refused["diagnostics"].to_string();
    assert!(
        told.contains("is published by `acme` and not installed here"),
        "{told}"
    );
    push(&plane, bytes, &site).await.unwrap();
    plane.publish(&source).await;
    assert_eq!(start(&plane, None).await["__typename"], "StartRunSuccess");
    assert_eq!(
        audited(&plane, "publisher.manage").await,
        [format!(
            "local acme made with key {}",
            key.verifying_key().id().short()
        )]
    );
    // Two pushes of a component with two signatures; the first push had one that was refused.
    assert_eq!(audited(&plane, "connector.publish").await.len(), 5);
    plane.stop().await;
}

#[tokio::test]
async fn robots_and_customers_sign_in_at_a_listener_of_their_own() {
    let home = Home::new();
    let mut config = home.config();
    config.registry = Some("127.0.0.1:0".parse().unwrap());
    let plane = home.start_with(config).await;
    let market = format!("http://{}", plane.handle.registry.unwrap());
    let (key, input) = new_key("acme", 7);
    plane
        .change("createPublisher", "CreatePublisherInput", input, PUBLISHER)
        .await;
    let (robot, plant) = (account(&plane, "ci-acme").await, account(&plane, "plant-7").await);
    let member = json!({"publisher": "acme", "account": "ci-acme", "role": "PUBLISHER"});
    plane
        .change("setPublisherMember", "SetPublisherMemberInput", member, PUBLISHER)
        .await;
    let private = json!({"of": "acme", "visibility": "PRIVATE"});
    plane
        .change(
            "setConnectorVisibility",
            "SetConnectorVisibilityInput",
            private,
            PUBLISHER,
        )
        .await;

    let stranger = Client::new(&market).unwrap();
    let as_account = |name: &str, password: &str| stranger.clone().with_account(name, password).unwrap();
    let (robot, plant) = (as_account("ci-acme", &robot), as_account("plant-7", &plant));
    let bytes = component("acme:caller", "0.1.0", &[]);
    let code = |result: Result<(), ClientError>| match result {
        Ok(()) => "OK".to_owned(),
        Err(ClientError::Refused { code, .. }) => code,
        Err(other) => other.to_string(),
    };
    assert_eq!(
        code(push_to(&stranger, bytes.clone(), &key).await),
        "UNAUTHORIZED"
    );
    assert_eq!(code(push_to(&plant, bytes.clone(), &key).await), "DENIED");
    assert_eq!(code(push_to(&robot, bytes.clone(), &key).await), "OK");
    let name = "acme:caller".parse().unwrap();
    let pulled = |client: &Client| {
        let (client, name) = (client.clone(), &name);
        async move { client.pull(name, "0.1.0").await.map(drop) }
    };
    assert_eq!(code(pulled(&plant).await), "NAME_UNKNOWN");
    let grant = json!({"account": "plant-7", "of": "acme:caller"});
    let granted = plane
        .change("setPullGrant", "SetPullGrantInput", grant, PUBLISHER)
        .await;
    assert_eq!(granted["publisher"]["pullGrants"][0]["connector"], "acme:caller");
    assert_eq!(code(pulled(&plant).await), "OK");
    assert_eq!(code(pulled(&stranger).await), "UNAUTHORIZED");
    // What the plane itself knows is not asked for a password: its owner, and its hosts.
    let owner = Client::new(&plane.handle.url).unwrap();
    assert_eq!(code(pulled(&owner).await), "OK");
    let host = FakeHost::join(&plane, 1).await;
    let digest = Digest::of(&bytes);
    for (session, status) in [(host.session.as_str(), 200), ("no such session", 401)] {
        let place = plane.url(&format!("/connectors/{digest}/publication"));
        let answer = plane.http.get(place).bearer_auth(session).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let pushes = audited(&plane, "connector.publish").await;
    assert!(
        pushes.iter().all(|push| push.starts_with("ci-acme acme:caller")),
        "{pushes:#?}"
    );
    assert_eq!(pushes.len(), 2, "{pushes:#?}");
    plane.stop().await;
}
