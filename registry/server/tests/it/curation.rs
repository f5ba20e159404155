//! What is decided about published versions, and how they are found.

use axum::http::StatusCode;
use flowforge_protocol::Digest;
use flowforge_registry::{Code, Search};
use semver::Version;
use serde_json::json;

use crate::kit::{Kit, component, config, name};

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_withdrawn_version_is_hidden_and_still_served() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    kit.publish("0.1.1").await;
    let demo = name("demo:text");
    let yanked = kit
        .registry
        .yank(&demo, &version("0.1.1"), "loses umlauts")
        .await
        .unwrap();
    assert_eq!(yanked.standing.yanked.as_ref().unwrap().reason, "loses umlauts");
    let kit = kit.restart(config());
    assert_eq!(
        kit.get("/v2/demo/text/tags/list").await.json()["tags"],
        json!(["0.1.0"])
    );
    assert_eq!(kit.registry.latest(&demo).unwrap().version, version("0.1.0"));
    // Whoever names it gets it: by version, by digest of the manifest, by digest of its bytes.
    assert_eq!(
        kit.get("/v2/demo/text/manifests/0.1.1").await.status,
        StatusCode::OK
    );
    let layer = Digest::of(&component("demo:text", "0.1.1", ""));
    assert!(kit.registry.component(&layer).await.is_ok());
    assert!(kit.registry.get(&demo, &version("0.1.1")).is_some());
    assert_eq!(kit.registry.versions(&demo).len(), 2);
    // Its number stays taken, and the same bytes published once more stay withdrawn.
    kit.publish("0.1.1").await;
    assert_eq!(kit.registry.latest(&demo).unwrap().version, version("0.1.0"));
    kit.registry.restore(&demo, &version("0.1.1")).await.unwrap();
    assert_eq!(kit.registry.latest(&demo).unwrap().version, version("0.1.1"));
    assert_eq!(
        kit.registry
            .yank(&demo, &version("9.0.0"), "x")
            .await
            .unwrap_err()
            .code,
        Code::ManifestUnknown
    );
    assert_eq!(
        kit.registry
            .yank(&demo, &version("0.1.0"), "")
            .await
            .unwrap_err()
            .code,
        Code::ManifestInvalid
    );
}

#[tokio::test]
async fn a_connector_of_which_everything_is_withdrawn_is_found_nowhere() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let demo = name("demo:text");
    kit.registry
        .yank(&demo, &version("0.1.0"), "broken")
        .await
        .unwrap();
    assert!(kit.registry.list().is_empty());
    assert!(kit.registry.latest(&demo).is_none());
    assert_eq!(kit.get("/v2/_catalog").await.json()["repositories"], json!([]));
    assert_eq!(
        kit.get("/v2/demo/text/manifests/0.1.0").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_connector_is_said_to_be_replaced() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    let demo = name("demo:text");
    kit.registry
        .deprecate(&demo, Some(("not maintained", Some("acme:text@0.3"))))
        .await
        .unwrap();
    let kit = kit.restart(config());
    let notice = kit.registry.deprecation(&demo).unwrap();
    assert_eq!(
        (notice.reason.as_str(), notice.use_instead.as_deref()),
        ("not maintained", Some("acme:text@0.3"))
    );
    kit.registry.deprecate(&demo, None).await.unwrap();
    let kit = kit.restart(config());
    assert!(kit.registry.deprecation(&demo).is_none());
    let unknown = kit
        .registry
        .deprecate(&name("demo:none"), None)
        .await
        .unwrap_err();
    assert_eq!(unknown.code, Code::NameUnknown);
}

#[tokio::test]
async fn an_advisory_reaches_the_versions_that_it_is_about() {
    let kit = Kit::new();
    kit.publish("0.1.0").await;
    kit.publish("0.1.1").await;
    let advisory = |id: &str, severity: &str| {
        serde_json::from_value(json!({
            "id": id, "summary": "Leaks.",
            "affected": [{"package": {"ecosystem": "FlowForge", "name": "demo:text"}, "versions": ["0.1.0"]}],
            "database_specific": {"severity": severity},
        }))
        .unwrap()
    };
    kit.registry.advise(advisory("FFSA-1", "LOW")).await.unwrap();
    kit.registry.advise(advisory("FFSA-2", "CRITICAL")).await.unwrap();
    let about = |text: &str| -> Vec<String> {
        let found = kit.registry.advisories(&name("demo:text"), &version(text));
        found.iter().map(|advisory| advisory.id.clone()).collect()
    };
    assert_eq!(about("0.1.0"), ["FFSA-2", "FFSA-1"], "the worst first");
    assert!(about("0.1.1").is_empty());
    let wrong = kit.registry.advise(advisory("../x", "LOW")).await.unwrap_err();
    assert_eq!(wrong.code, Code::ManifestInvalid);
}

#[tokio::test]
async fn connectors_are_found_by_what_they_are() {
    let kit = Kit::new();
    kit.publish_bytes(
        "0.1.0",
        component("demo:text", "0.1.0", "Labels earthquakes in words"),
    )
    .await;
    let find = |search: Search| -> Vec<u8> {
        let hits = kit.registry.search(&search, None, 10);
        hits.iter().map(|hit| hit.rank).collect()
    };
    let words = |text: &str| Search {
        words: text.split(' ').map(str::to_owned).collect(),
        ..Search::default()
    };
    assert_eq!(find(Search::default()).len(), 1);
    assert_eq!(find(words("demo:text")), [0]);
    assert_eq!(find(words("text")), [0]);
    assert_eq!(find(words("te")), [1]);
    assert_eq!(find(words("ext")), [2]);
    assert_eq!(find(words("EARTHQUAKES")), [3]);
    assert_eq!(find(words("label words")), [3]);
    assert!(find(words("volcano")).is_empty());
    let publisher = |publisher: &str| Search {
        publisher: Some(publisher.to_owned()),
        ..Search::default()
    };
    assert_eq!(find(publisher("demo")).len(), 1);
    assert!(find(publisher("acme")).is_empty());
    let capability = Search {
        capability: Some(flowforge_ports::CapabilityKind::Http),
        ..Search::default()
    };
    assert!(find(capability).is_empty());
    assert!(
        kit.registry
            .search(&Search::default(), Some((2, "demo:text")), 10)
            .is_empty()
    );
}
