//! Through a proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flowforge_host::link::control::ControlLink as _;
use flowforge_protocol::sync::{Incarnation, Lanes, SyncRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::support::{Machine, Plane, SharedClock};

/// A proxy that knows CONNECT, and perhaps a password. It ends when it is dropped.
struct RunningProxy {
    address: String,
    state: Arc<ProxyState>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct ProxyState {
    wants: Option<&'static str>,
    /// How many connections it made.
    made: AtomicUsize,
    /// Bytes that came from hosts.
    sent: AtomicUsize,
    /// Told to cut what is open.
    cut: Notify,
}

async fn proxy(wants: Option<&'static str>) -> RunningProxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let state = Arc::new(ProxyState {
        wants,
        ..ProxyState::default()
    });
    let (shared, mut serving) = (Arc::clone(&state), JoinSet::new());
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            connections.spawn(serve(client, Arc::clone(&shared)));
        }
    });
    RunningProxy {
        address,
        state,
        _serving: serving,
    }
}

async fn serve(mut client: TcpStream, state: Arc<ProxyState>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let knows = state
        .wants
        .is_none_or(|line| head.contains(&format!("Proxy-Authorization: {line}\r\n")));
    let answer = match (
        head.starts_with("CONNECT "),
        knows,
        target.starts_with("127.0.0.1:"),
    ) {
        (true, true, true) => "HTTP/1.1 200 Connection established\r\nvia: a proxy\r\n\r\n",
        (true, false, _) => "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        _ => "HTTP/1.1 403 Forbidden\r\n\r\n",
    };
    client.write_all(answer.as_bytes()).await.unwrap();
    if !answer.contains(" 200 ") {
        return;
    }
    state.made.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(target).await.unwrap();
    let (mut from_host, mut to_host) = client.split();
    let (mut from_plane, mut to_plane) = server.split();
    let up = async {
        let mut bytes = [0; 8192];
        while let Ok(count @ 1..) = from_host.read(&mut bytes).await {
            state.sent.fetch_add(count, Ordering::Relaxed);
            if to_plane.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        _ = tokio::io::copy(&mut from_plane, &mut to_host) => {}
        () = state.cut.notified() => {}
    }
}

fn behind(clock: &SharedClock, proxy: &str) -> Machine {
    let mut machine = Machine::new(clock);
    machine.way.proxy = Some(proxy.parse().unwrap());
    machine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_enrols_and_speaks_through_a_proxy_that_knows_it() {
    let plane = Plane::start(&SharedClock::new()).await;
    // edge:p@ss
    let proxy = proxy(Some("Basic ZWRnZTpwQHNz")).await;
    let address = &proxy.address;
    let invitation = plane.invite("press-7", Duration::from_hours(1)).await;
    for (who, words) in [
        ("", "wants a user and a password (407)"),
        ("edge:wrong@", "(407)"),
    ] {
        let machine = behind(&plane.clock, &format!("http://{who}{address}"));
        let error = machine.enrol(&invitation).await.unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("wrong"), "{error}");
    }
    let machine = behind(&plane.clock, &format!("http://edge:p%40ss@{address}"));
    machine.enrol(&invitation).await.expect("enrols");
    machine.register(&machine.link(&plane)).await.expect("a session");
    assert!(
        proxy.state.made.load(Ordering::Relaxed) >= 2,
        "both went through it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_does_not_connect_or_is_none_is_named() {
    let plane = Plane::start(&SharedClock::new()).await;
    let mut invitation = plane.invite("press-7", Duration::from_hours(1)).await;
    let proxy = proxy(None).await;
    invitation.server = "https://plane.example.com:443".to_owned();
    let error = behind(&plane.clock, &proxy.address)
        .enrol(&invitation)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("it does not connect to plane.example.com:443: 403 Forbidden; allow CONNECT"),
        "{error}"
    );
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let error = behind(&plane.clock, &address)
        .enrol(&invitation)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("the proxy http://{address} cannot be reached")),
        "{error}"
    );
}

/// A proxy that cuts every connection when it is old made the host complain, and wait, each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_connection_is_cut_under_way_is_made_once_more() {
    let plane = Plane::start(&SharedClock::new()).await;
    let proxy = proxy(None).await;
    let machine = behind(&plane.clock, &proxy.address);
    let invitation = plane.invite("press-7", Duration::from_hours(1)).await;
    machine.enrol(&invitation).await.expect("enrols");
    let link = machine.link(&plane);
    let session = machine.register(&link).await.expect("a session");
    let request = SyncRequest {
        lanes: Lanes {
            starts: 1,
            changes: 1,
        },
        wait_ms: 1_000,
        ..SyncRequest::new("dev".to_owned(), Incarnation::from_entropy([1; 16]))
    };
    let (made, sent) = (
        proxy.state.made.load(Ordering::Relaxed),
        proxy.state.sent.load(Ordering::Relaxed),
    );
    let call = link.sync(&session.session, &request);
    let cutting = async {
        while proxy.state.sent.load(Ordering::Relaxed) == sent {
            tokio::task::yield_now().await;
        }
        proxy.state.cut.notify_waiters();
    };
    let (answer, ()) = tokio::join!(call, cutting);
    assert_eq!(answer.expect("an answer").workspace, "dev");
    assert_eq!(
        proxy.state.made.load(Ordering::Relaxed),
        made + 1,
        "on another connection"
    );
}
