//! Redirects that a guest lets the host follow.

use flowforge_protocol::Use;
use serde_json::{Value, json};

use crate::egress::request;
use crate::guests::sender;
use crate::server::{Reply, Server};
use crate::support::{Bench, used};

fn following(url: &str, redirects_max: u8) -> Value {
    let mut get = request("GET", url);
    get["request"]["redirects_max"] = json!(redirects_max);
    get
}

/// A server that sends `/old` to this location and answers everything else.
async fn moved(location: &str) -> Server {
    Server::start(Reply::ByLine(vec![
        (
            "GET /old",
            Server::answer(
                "302 Found",
                &format!("location: {location}\r\n"),
                b"<html>302 Found</html>",
            ),
        ),
        (
            "",
            Server::answer("200 OK", "content-type: text/csv\r\n", b"a,b\r\n1,2\r\n"),
        ),
    ]))
    .await
}

/// A download of a link that had moved stored the page that says so, and the step was done.
#[tokio::test]
async fn a_moved_file_is_fetched_and_the_note_about_it_is_not_stored() {
    let server = moved("/new/file.csv?x=1#part").await;
    let place = server.destination();
    let bench = Bench::on_loopback().allow(&place);
    let sender = bench.load(&sender()).await;
    let mut get = following(&format!("{place}/old"), 5);
    get["request"]["save_as"] = json!("latest.csv");
    let invoked = bench.call(&sender, "send", get).await.expect("works");
    assert_eq!(invoked.output["body"]["value"]["media_type"], json!("text/csv"));
    assert_eq!(invoked.output["url"], json!(format!("{place}/new/file.csv?x=1")));
    assert_eq!(invoked.usage.used, [used(&place, None, 2)]);
    assert_eq!(bench.services.effects(), [Use::of(&*place), Use::of(&*place)]);
    let mut shown = request("GET", &format!("{place}/old"));
    shown["request"]["save_as"] = json!("latest.csv");
    let shown = bench.output(&sender, "send", shown).await;
    assert_eq!(
        (&shown["status"], &shown["body"]["kind"]),
        (&json!(302), &json!("bytes"))
    );
}

#[tokio::test]
async fn a_hop_passes_every_check_again() {
    let other = Server::answering("200 OK", "", b"").await;
    let server = moved(&format!("{}/there", other.destination())).await;
    let place = server.destination();
    let bench = Bench::on_loopback().allow(&place);
    let sender = bench.load(&sender()).await;
    let failure = bench
        .failure(&sender, "send", following(&format!("{place}/old"), 5))
        .await;
    assert_eq!(failure.code.as_deref(), Some("destination_denied"));
    assert!(
        failure.message.contains(&other.destination()),
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains(&format!("a redirect from {place}")),
        "{}",
        failure.message
    );
    assert_eq!(other.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_stays_with_its_origin() {
    let other = Server::answering("200 OK", "", b"").await;
    let far = moved(&format!("{}/there", other.destination())).await;
    let near = moved("/new").await;
    for (server, last, stays) in [(&near, &near, true), (&far, &other, false)] {
        let place = server.destination();
        let bench = Bench::on_loopback()
            .allow(&place)
            .allow(&last.destination())
            .secret("auth", "bearer", "s3cret", &place);
        let sender = bench.load(&sender()).await;
        let mut get = following(&format!("{place}/old"), 5);
        get["request"]["auth"] = json!({"slot": "auth", "placement": {"kind": "bearer"}});
        get["request"]["headers"] = json!([{"name": "cookie", "value": "a=b"}]);
        assert_eq!(bench.output(&sender, "send", get).await["status"], json!(200));
        let seen = last.requests().pop().expect("one");
        assert_eq!(seen.contains("authorization: Bearer s3cret"), stays, "{seen}");
        assert_eq!(seen.contains("cookie: a=b"), stays, "{seen}");
    }
}

#[tokio::test]
async fn a_redirect_that_cannot_be_followed_says_why() {
    let cases = [
        ("/old", 5, "leads in a circle"),
        ("/new", 0, ""),
        ("ftp://127.0.0.1/file", 5, "scheme `ftp`"),
        ("http://user:pw@127.0.0.1/", 5, "user information"),
        ("http://[", 5, "names no address"),
    ];
    for (location, redirects_max, words) in cases {
        let server = moved(location).await;
        let bench = Bench::on_loopback().allow(&server.destination());
        let sender = bench.load(&sender()).await;
        let get = following(&format!("{}/old", server.destination()), redirects_max);
        if redirects_max == 0 {
            assert_eq!(bench.output(&sender, "send", get).await["status"], json!(302));
            continue;
        }
        let failure = bench.failure(&sender, "send", get).await;
        assert_eq!(
            failure.code.as_deref(),
            Some("redirect"),
            "{location}: {}",
            failure.message
        );
        assert!(failure.message.contains(words), "{location}: {}", failure.message);
    }
    let chain = Server::start(Reply::ByLine(vec![
        ("GET /1 ", Server::answer("301 Moved", "location: /2\r\n", b"")),
        ("GET /2 ", Server::answer("307 Moved", "location: /3\r\n", b"")),
        ("", Server::answer("200 OK", "", b"")),
    ]))
    .await;
    let bench = Bench::on_loopback().allow(&chain.destination());
    let sender = bench.load(&sender()).await;
    let first = format!("{}/1", chain.destination());
    let failure = bench.failure(&sender, "send", following(&first, 1)).await;
    assert!(
        failure.message.contains("at most 1 are followed"),
        "{}",
        failure.message
    );
    assert_eq!(
        bench.output(&sender, "send", following(&first, 2)).await["status"],
        json!(200)
    );
    let mut post = following(&first, 2);
    post["request"]["method"] = json!("POST");
    let failure = bench.failure(&sender, "send", post).await;
    assert_eq!(
        failure.code.as_deref(),
        Some("invalid_request"),
        "{}",
        failure.message
    );
}
