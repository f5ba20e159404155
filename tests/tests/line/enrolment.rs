//! Coming in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flowforge_host::joining::{Joined, JoiningError};
use flowforge_host::link::control::{ControlLink as _, LinkError};
use flowforge_host::link::credential::Credential;
use flowforge_protocol::Digest;
use flowforge_protocol::enrol::Grounds;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::support::{DAY, Machine, Plane, SharedClock, code, refused};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_enrols_and_speaks_with_its_certificate() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::new(&plane.clock);
    let invitation = plane.invite("press-7", HOUR).await;
    let Joined::Now(id) = machine.enrol(&invitation).await.expect("enrols") else {
        panic!("it is the first time");
    };
    let session = machine.register(&machine.link(&plane)).await.expect("a session");
    assert_eq!(session.host, id);
    let host = plane.host("press-7").await;
    assert_eq!(host["id"].as_str(), Some(id.as_str()));
    assert_eq!(
        (&host["standing"], &host["certificate"]["generation"]),
        (&"ACTIVE".into(), &1.into())
    );
    let plane = plane.restart().await;
    let again = machine
        .register(&machine.link(&plane))
        .await
        .expect("also after a restart");
    assert_eq!(again.host, id);
}

/// A machine that enrolled before does not need its invitation again, and does not use it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a20_the_same_key_gets_the_same_certificate_once_more() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::new(&plane.clock);
    let invitation = plane.invite("press-7", HOUR).await;
    let stranger = machine.stranger(&invitation);
    let registrar = machine.registrar();
    let link_key = flowforge_protocol::SigningKey::from_seed(&[5; 32]);
    let mut granted = Vec::new();
    for _ in 0..2 {
        let grounds = Grounds::Invitation(invitation.secret_digest());
        let mut claim = registrar.claim(grounds, &link_key).unwrap();
        claim.secret = Some(invitation.secret.clone());
        granted.push(stranger.claim(&claim).await.expect("granted"));
    }
    assert_eq!(granted[0], granted[1]);
    // Much later the answer cannot have been lost on its way.
    plane.clock.0.advance(Duration::from_mins(11));
    let mut claim = registrar
        .claim(Grounds::Invitation(invitation.secret_digest()), &link_key)
        .unwrap();
    claim.secret = Some(invitation.secret.clone());
    assert_eq!(code(&stranger.claim(&claim).await.unwrap_err()), "FF-ENR-004");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a19_a_token_that_another_key_tries_is_good_for_nobody() {
    let plane = Plane::start(&SharedClock::new()).await;
    let invitation = plane.invite("press-7", HOUR).await;
    let first = Machine::new(&plane.clock);
    first.enrol(&invitation).await.expect("enrols");
    let (code, message) = refused(Machine::new(&plane.clock).enrol(&invitation).await);
    assert_eq!(code, "FF-ENR-003", "{message}");
    assert!(
        message.contains("by a different key") && message.contains("flowforge host list"),
        "{message}"
    );
    // The first may not repeat its call either, but stays what it is.
    std::fs::remove_file(first.data_dir().join("enrolment.json")).unwrap();
    std::fs::rename(
        first.data_dir().join("keys/link.json"),
        first.data_dir().join("kept"),
    )
    .unwrap();
    assert_eq!(
        refused(first.enrol(&invitation).await).0,
        "FF-ENR-003",
        "its next key is another one"
    );
    std::fs::rename(
        first.data_dir().join("kept"),
        first.data_dir().join("keys/link.json"),
    )
    .unwrap();
    first
        .register(&first.link(&plane))
        .await
        .expect("its certificate is good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a21_an_expired_token_is_told_with_its_moment() {
    let plane = Plane::start(&SharedClock::new()).await;
    let invitation = plane.invite("press-7", Duration::from_mins(1)).await;
    plane.clock.0.advance(Duration::from_mins(1));
    let (code, message) = refused(Machine::new(&plane.clock).enrol(&invitation).await);
    assert_eq!(code, "FF-ENR-002", "{message}");
    assert!(
        message.contains("good until") && message.contains("GMT"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a22_a_control_plane_with_another_trust_root_is_told_nothing() {
    let plane = Plane::start(&SharedClock::new()).await;
    let mut invitation = plane.invite("press-7", HOUR).await;
    let whole = invitation.clone();
    invitation.trust_root = Digest::of(b"another");
    let machine = Machine::new(&plane.clock);
    let error = machine.enrol(&invitation).await.unwrap_err();
    assert!(matches!(error, JoiningError::OtherTrust), "{error}");
    machine.enrol(&whole).await.expect("the token was not used up");
}

/// Whoever answers in the control plane's place gets a TLS hello and no word more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a23_somebody_in_the_middle_is_named_and_learns_nothing() {
    let clock = SharedClock::new();
    let (plane, other) = (Plane::start(&clock).await, Plane::start(&clock).await);
    let mut invitation = plane.invite("press-7", HOUR).await;
    let whole = invitation.clone();
    invitation.server = other.invite("press-7", HOUR).await.server;
    let machine = Machine::new(&clock);
    let error = machine.enrol(&invitation).await.unwrap_err().to_string();
    assert!(
        error.contains("is signed by \"FlowForge hosts of dev\", not by the server in the invitation")
            && error.contains("an inspecting proxy is not trusted"),
        "{error}"
    );
    assert!(other.host("press-7").await.is_null());
    machine.enrol(&whole).await.expect("the token was not used up");
    // One that does not even speak TLS: what it read is no part of the secret.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut deaf = plane.invite("press-8", HOUR).await;
    deaf.server = format!("https://{}", listener.local_addr().unwrap());
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        bytes.truncate(count);
        bytes
    });
    Machine::new(&clock).enrol(&deaf).await.unwrap_err();
    let heard = listening.join_next().await.unwrap().unwrap();
    assert_eq!(heard.first(), Some(&0x16), "a TLS hello");
    let secret: &[u8] = deaf.secret.as_slice();
    assert!(
        !heard
            .windows(8)
            .any(|window| secret.windows(8).any(|part| part == window))
    );
}

/// What a host asks for has no place for names or rights: what stands in its certificate is the control plane's to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a24_a_claim_names_keys_and_nothing_else() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    let text = std::fs::read_to_string(machine.data_dir().join("keys/link.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    use base64::Engine as _;
    let der = base64::engine::general_purpose::STANDARD
        .decode(kept["certificate"].as_str().unwrap())
        .unwrap();
    let has = |bytes: &[u8]| der.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(b"spiffe://dev.flowforge.internal/host/"), "its name");
    // Extended key usage: client authentication is there, server authentication is not.
    assert!(has(&[0x2b, 6, 1, 5, 5, 7, 3, 2]) && !has(&[0x2b, 6, 1, 5, 5, 7, 3, 1]));
    // Basic constraints that say CA: true are BOOLEAN TRUE behind their identifier.
    assert!(!has(&[0x55, 0x1d, 0x13, 1, 1, 0xff, 4, 5, 0x30, 3, 1, 1, 0xff]));
    // A claim with one field more is no claim.
    let mut claim = machine
        .registrar()
        .claim(
            Grounds::Invitation(Digest::of(b"x")),
            &flowforge_protocol::SigningKey::from_seed(&[1; 32]),
        )
        .unwrap();
    let payload = br#"{"workspace":"dev","names":["plane.example.com"]}"#;
    let key = machine.registrar().identity.signing;
    claim.claim =
        flowforge_protocol::envelope::sign(flowforge_protocol::enrol::HOST_CLAIM_TYPE, payload, &key);
    claim.secret = Some(Zeroizing::new([0; 32]));
    let invitation = plane.invite("press-8", HOUR).await;
    let error = machine.stranger(&invitation).claim(&claim).await.unwrap_err();
    assert_eq!(code(&error), "FF-ENR-005", "{error}");
}

/// Claims without an invitation are cheap to make: after many that failed none is looked at for a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a27_a_flood_of_rogue_claims_is_cut_off_and_ends_by_itself() {
    let plane = Plane::start(&SharedClock::new()).await;
    let known = Machine::enrolled(&plane, "press-1").await;
    plane.clock.0.advance(DAY * 6);
    let invitation = plane.invite("press-7", HOUR).await;
    let machine = Machine::new(&plane.clock);
    let stranger = machine.stranger(&invitation);
    let registrar = machine.registrar();
    let (unknown, cut) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for number in 0..70_u8 {
        let secret = Zeroizing::new([number; 32]);
        let grounds = Grounds::Invitation(Digest::of(secret.as_slice()));
        let mut claim = registrar
            .claim(grounds, &flowforge_protocol::SigningKey::from_seed(&[number; 32]))
            .unwrap();
        claim.secret = Some(secret);
        match code(&stranger.claim(&claim).await.unwrap_err()) {
            "FF-ENR-001" => unknown.fetch_add(1, Ordering::Relaxed),
            "FF-ENR-008" => cut.fetch_add(1, Ordering::Relaxed),
            other => panic!("{other}"),
        };
    }
    assert_eq!((unknown.into_inner(), cut.into_inner()), (60, 10));
    assert_eq!(refused(machine.enrol(&invitation).await).0, "FF-ENR-008");
    let link = known.link(&plane);
    link.renew(&known.registrar())
        .await
        .expect("a host that is known is renewed meanwhile");
    assert_eq!(link.certificate().expect("a certificate").generation, 2);
    plane.clock.0.advance(Duration::from_mins(1));
    machine.enrol(&invitation).await.expect("enrols");
}

/// A clock in another year made every certificate look wrong, and nobody said why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_years_behind_is_named() {
    let plane = Plane::start(&SharedClock::new()).await;
    let invitation = plane.invite("press-7", HOUR).await;
    let mut machine = Machine::new(&plane.clock);
    machine.clock = SharedClock(Arc::new(flowforge_host::clock::ManualClock::at(
        crate::support::BEGIN_MS - 2_519 * 86_400_000,
    )));
    let error = machine.enrol(&invitation).await.unwrap_err().to_string();
    assert!(
        error.contains("this machine's clock is 2518 days behind") && error.contains("set it first"),
        "{error}"
    );
    let error = {
        machine.clock = SharedClock(Arc::new(flowforge_host::clock::ManualClock::at(
            crate::support::BEGIN_MS + 180_000,
        )));
        refused(machine.enrol(&invitation).await)
    };
    assert_eq!(error.0, "FF-ENR-006", "{}", error.1);
    assert!(error.1.contains("180 s ahead of the server's"), "{}", error.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_half_enrolled_on_a_folder_that_cannot_be_written() {
    let plane = Plane::start(&SharedClock::new()).await;
    let invitation = plane.invite("press-7", HOUR).await;
    let machine = Machine::new(&plane.clock);
    // A file in its place: also root cannot make a folder of it.
    std::fs::write(machine.data_dir(), "x").unwrap();
    let error = machine.enrol(&invitation).await.unwrap_err().to_string();
    assert!(
        error.contains("nothing was enrolled, the token is still good"),
        "{error}"
    );
    std::fs::remove_file(machine.data_dir()).unwrap();
    machine.enrol(&invitation).await.expect("enrols");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_invited_anew_is_active_again_under_its_id() {
    let plane = Plane::start(&SharedClock::new()).await;
    let machine = Machine::enrolled(&plane, "press-7").await;
    let id = plane.host("press-7").await["id"].clone();
    plane.decide("press-7", "REVOKE").await;
    let error = machine.register(&machine.link(&plane)).await.unwrap_err();
    assert!(
        matches!(&error, LinkError::Refused { .. }) && error.is_permanent(),
        "{error}"
    );
    let invitation = plane.invite("press-7b", HOUR).await;
    machine.enrol(&invitation).await.expect("enrols");
    machine.register(&machine.link(&plane)).await.expect("a session");
    let host = plane.host("press-7b").await;
    assert_eq!(
        (&host["id"], &host["standing"], &host["certificate"]["generation"]),
        (&id, &"ACTIVE".into(), &2.into())
    );
    assert!(Credential::read(&machine.data_dir()).unwrap().is_some());
}
