//! Who has no certificate, or another host's, gets nothing.

use std::time::Duration;

use flowforge_host::link::control::ControlLink as _;
use flowforge_host::link::graphql::GraphQlLink;
use flowforge_protocol::Digest;

use crate::support::{Machine, Plane, SharedClock, code, status_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_may_ask_for_a_certificate_and_nothing_else() {
    let plane = Plane::start(&SharedClock::new()).await;
    let enrolled = Machine::enrolled(&plane, "press-7").await;
    let session = enrolled.register(&enrolled.link(&plane)).await.unwrap();
    let stranger = enrolled.stranger(&plane.invite("press-8", Duration::from_hours(1)).await);
    // Also with the keys and the session of a host that is good.
    let error = enrolled.register(&stranger).await.unwrap_err();
    assert_eq!(code(&error), "FF-HOST-001", "{error}");
    let error = stranger
        .sealed_secrets(&session.session, &["x".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "FF-ENR-015", "{error}");
    let digest = Digest::of(b"anything");
    for error in [
        stranger.component("flowforge:http", digest).await.unwrap_err(),
        stranger.publication(digest).await.unwrap_err(),
    ] {
        assert_eq!(code(&error), "FF-ENR-015", "{error}");
    }
    stranger.trust_root().await.expect("everybody may know it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_of_use_with_its_own_certificate_only() {
    let plane = Plane::start(&SharedClock::new()).await;
    let (one, other) = (
        Machine::enrolled(&plane, "press-7").await,
        Machine::enrolled(&plane, "press-8").await,
    );
    let session = one.register(&one.link(&plane)).await.unwrap();
    let error = other
        .link(&plane)
        .sealed_secrets(&session.session, &["x".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "FF-ENR-016", "{error}");
    // Nor does the identity of one register with the certificate of the other.
    let error = one.register(&other.link(&plane)).await.unwrap_err();
    assert_eq!(code(&error), "FF-HOST-001", "{error}");
    // The listener of this machine does not know a host of the line, and not its session.
    let here = GraphQlLink::new(plane.handle.url.parse().unwrap());
    let error = one.register(&here).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-014", "{error}");
    here.sealed_secrets(&session.session, &["x".to_owned()])
        .await
        .unwrap_err();
    one.link(&plane)
        .sealed_secrets(&session.session, &[])
        .await
        .expect("its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_s_doors_are_not_on_the_hosts_line() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    for (method, path, expected) in [
        ("GET", "healthz", 200),
        ("GET", "graphql", 404),
        ("GET", "", 404),
        ("GET", "artefacts/x", 405),
        ("POST", "graphql", 403),
        ("POST", "hooks/in", 403),
        ("POST", "v2/a/b/blobs/uploads/", 403),
        ("PUT", "v2/a/b/manifests/1.0.0", 403),
    ] {
        let status = status_of(&machine, &plane, method, path).await;
        assert_eq!(status, expected, "{method} /{path}");
    }
}
