//! Staying in: renewal, clones, revocation.

use std::time::Duration;

use flowforge_host::link::control::ControlLink as _;

use crate::support::{DAY, Machine, Plane, SharedClock, code};

/// The certificate that the machine has now, by its number.
fn generation(machine: &Machine, plane: &Plane) -> u64 {
    machine
        .link(plane)
        .certificate()
        .expect("a certificate")
        .generation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_after_two_thirds_of_its_life_and_the_line_goes_on() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    let link = machine.link(&plane);
    let registrar = machine.registrar();
    let due_ms = link
        .renew(&registrar)
        .await
        .expect("nothing to do")
        .expect("some time");
    assert_eq!(generation(&machine, &plane), 1, "not before its time");
    for number in 2..5 {
        plane.clock.0.advance(DAY * 6);
        link.renew(&registrar).await.expect("renewed");
        assert_eq!(generation(&machine, &plane), number);
        machine.register(&link).await.expect("with the new one");
    }
    assert!(due_ms > crate::support::BEGIN_MS + 4 * 86_400_000);
    assert!(!machine.data_dir().join("keys/link-next.pem").exists());
    assert_eq!(plane.host("press-7").await["certificate"]["generation"], 4);
}

/// The answer to a renewal is lost, the machine dies, and asks again with the key that it wrote down before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_given_again() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    plane.clock.0.advance(DAY * 6);
    let kept = std::fs::read(machine.data_dir().join("keys/link.json")).unwrap();
    machine
        .link(&plane)
        .renew(&machine.registrar())
        .await
        .expect("renewed");
    let renewed: serde_json::Value =
        serde_json::from_slice(&std::fs::read(machine.data_dir().join("keys/link.json")).unwrap()).unwrap();
    // As if it had died before the certificate was written: the old one is there, and the next one's key.
    std::fs::write(machine.data_dir().join("keys/link.json"), kept).unwrap();
    let next = machine.data_dir().join("keys/link-next.pem");
    std::fs::write(&next, renewed["key"].as_str().unwrap()).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o600)).unwrap();
    let link = machine.link(&plane);
    link.renew(&machine.registrar()).await.expect("the same again");
    assert_eq!(generation(&machine, &plane), 2);
    machine.register(&link).await.expect("good");
    assert_eq!(plane.host("press-7").await["standing"], "ACTIVE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a25_a_copied_disk_is_found_when_both_have_renewed() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    let copy = machine.cloned();
    plane.clock.0.advance(DAY * 6);
    copy.link(&plane)
        .renew(&copy.registrar())
        .await
        .expect("the first that renews");
    let error = machine
        .link(&plane)
        .renew(&machine.registrar())
        .await
        .unwrap_err();
    assert_eq!(code(&error), "FF-ENR-009", "{error}");
    for either in [&machine, &copy] {
        let error = either.register(&either.link(&plane)).await.unwrap_err();
        assert_eq!(code(&error), "FF-ENR-011", "{error}");
    }
    assert_eq!(plane.host("press-7").await["standing"], "CLONED");
    // It stays so when the control plane starts again.
    let plane = plane.restart().await;
    let error = copy.register(&copy.link(&plane)).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-011", "{error}");
}

/// A copy that does not renew is found by the number of what it shows, once the newer one is in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a25_a_copy_that_only_shows_its_old_certificate_is_found() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    let copy = machine.cloned();
    plane.clock.0.advance(DAY * 5);
    let link = machine.link(&plane);
    link.renew(&machine.registrar()).await.expect("renewed");
    machine.register(&link).await.expect("the newer one is in use");
    copy.register(&copy.link(&plane))
        .await
        .expect("hosts change over for a while");
    plane.clock.0.advance(Duration::from_mins(10));
    let error = copy.register(&copy.link(&plane)).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-011", "{error}");
    assert_eq!(plane.host("press-7").await["standing"], "CLONED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a26_a_revoked_host_is_refused_with_a_certificate_that_is_good() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    let link = machine.link(&plane);
    let session = machine.register(&link).await.expect("a session");
    plane.decide("press-7", "REVOKE").await;
    // On the connection that is open, with the session that was good, and on a new one.
    let names = ["x".to_owned()];
    let error = link.sealed_secrets(&session.session, &names).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-011", "{error}");
    let error = machine.register(&machine.link(&plane)).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-011", "{error}");
    plane.clock.0.advance(DAY * 6);
    let error = machine
        .link(&plane)
        .renew(&machine.registrar())
        .await
        .unwrap_err();
    assert_eq!(code(&error), "FF-ENR-011", "it gets no new one: {error}");
    let drained = plane.decide("press-7", "DRAIN").await;
    assert_eq!(drained["code"], "FF-ENR-018", "{drained}");
}

/// A host that was off for a week and two comes back by itself; after 30 days more it must be invited again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_off_beyond_its_certificate_comes_back_for_a_while() {
    let plane = Plane::start(&SharedClock::new()).await;
    let (early, late) = (
        Machine::enrolled(&plane, "press-7").await,
        Machine::enrolled(&plane, "press-8").await,
    );
    plane.clock.0.advance(DAY * 21);
    let plane = plane.restart().await;
    let link = early.link(&plane);
    early.register(&link).await.unwrap_err();
    link.renew(&early.registrar()).await.expect("by its identity key");
    early.register(&link).await.expect("good");
    assert_eq!(generation(&early, &plane), 2);
    plane.clock.0.advance(DAY * 16);
    let plane = plane.restart().await;
    let error = late.link(&plane).renew(&late.registrar()).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-010", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_left_is_not_heard_any_more() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    let leaving = flowforge_host::leaving::Leaving {
        data_dir: &machine.data_dir(),
        way: machine.way.clone(),
        abandon: false,
        clock: machine.clock.0.clone(),
        entropy: std::sync::Arc::new(flowforge_host::clock::SystemEntropy::new().unwrap()),
    };
    let copy = machine.cloned();
    assert!(
        leaving.leave().await.expect("leaves"),
        "the control plane was told"
    );
    assert_eq!(plane.host("press-7").await["standing"], "LEFT");
    for file in ["keys/link.json", "enrolment.json"] {
        assert!(!machine.data_dir().join(file).exists(), "{file}");
    }
    let error = copy.register(&copy.link(&plane)).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-011", "{error}");
    leaving.leave().await.unwrap_err();
}
