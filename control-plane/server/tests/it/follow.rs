//! Following lists and the nodes of a run.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};

use crate::doors::subscribe;
use crate::support::{FakeHost, Home, SUM, finish_sum};

/// The next event; a generous time for it to come.
async fn next(events: &mut (impl Stream<Item = Value> + Unpin)) -> Value {
    let event = tokio::time::timeout(Duration::from_secs(30), events.next()).await;
    let mut event = event.unwrap().unwrap();
    assert!(event["payload"].get("errors").is_none(), "{event:#}");
    event["payload"]["data"].take()
}

#[tokio::test]
async fn runs_that_move_come_in_their_newest_state() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let query = "subscription($w: String) { runsMoved(workflow: $w) { id state } }";
    let mut of_sum = Box::pin(subscribe(&plane, query, json!({"w": "sum"})).await);
    let job = host.started(&plane).await;
    let id = job.run_id.to_string();
    let first = next(&mut of_sum).await;
    assert_eq!(first["runsMoved"]["id"], id.as_str());
    finish_sum(&plane, &host, &job).await;
    loop {
        let event = next(&mut of_sum).await;
        assert_eq!(event["runsMoved"]["id"], id.as_str());
        if event["runsMoved"]["state"] == "DONE" {
            break;
        }
    }
    drop(of_sum);
    plane.stop().await;
}

#[tokio::test]
async fn the_nodes_of_a_run_come_once_and_then_as_they_change() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let query =
        "subscription($run: String!) { runNodes(run: $run) { ended nodes { node kind state what } } }";
    let mut nodes = Box::pin(subscribe(&plane, query, json!({"run": job.run_id})).await);
    finish_sum(&plane, &host, &job).await;
    let mut seen = Vec::new();
    loop {
        let event = next(&mut nodes).await["runNodes"].take();
        seen.extend(event["nodes"].as_array().unwrap().clone());
        if event["ended"] == true {
            break;
        }
    }
    let last = seen.last().unwrap();
    assert_eq!(
        (&last["node"], &last["kind"], &last["state"]),
        (&json!("total"), &json!("set"), &json!("DONE"))
    );
    drop(nodes);
    plane.stop().await;
}

#[tokio::test]
async fn drafts_and_hosts_are_told_when_they_move() {
    let home = Home::new();
    let plane = home.start().await;
    let query = "subscription { draftsMoved { workflow draft { revision } } }";
    let mut drafts = Box::pin(subscribe(&plane, query, json!({})).await);
    let query = "subscription { hostsMoved { name connected } }";
    let mut hosts = Box::pin(subscribe(&plane, query, json!({})).await);
    // What is not subscribed to yet is not told: it is saved again until it is.
    let mut revision = 0;
    let saved = loop {
        let draft = json!({"workflow": "sum", "source": SUM, "revision": revision});
        plane
            .change("saveDraft", "SaveDraftInput", draft, "__typename")
            .await;
        revision += 1;
        if let Ok(event) = tokio::time::timeout(Duration::from_millis(300), next(&mut drafts)).await {
            break event["draftsMoved"].clone();
        }
    };
    assert_eq!(saved, json!({"workflow": "sum", "draft": {"revision": revision}}));
    let gone = json!({"workflow": "sum", "revision": revision});
    plane
        .change("discardDraft", "DiscardDraftInput", gone, "__typename")
        .await;
    let gone = next(&mut drafts).await["draftsMoved"].take();
    assert_eq!(gone, json!({"workflow": "sum", "draft": null}));
    FakeHost::join(&plane, 1).await;
    assert_eq!(next(&mut hosts).await["hostsMoved"]["name"], "host-1");
    drop((drafts, hosts));
    plane.stop().await;
}

/// A host's session follows nothing, and hears why.
#[tokio::test]
async fn who_may_not_look_follows_nothing() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let request = plane.http.get(plane.url("/graphql/ws")).bearer_auth("nobody");
    assert_ne!(request.send().await.unwrap().status(), 101);
    let query = "subscription { runsMoved { id } }";
    let answer = plane.post(Some(&host.session), query, json!({})).await;
    assert!(answer["errors"].is_array(), "{answer:#}");
    plane.stop().await;
}
