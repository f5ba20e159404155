//! What every request must fulfil, artefacts, and following a run.

use flowforge_protocol::Digest;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, SUM, finish_sum};

async fn status_of(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn pages_of_other_sites_are_kept_out() {
    let home = Home::new();
    let plane = home.start().await;
    let body = json!({"query": "{ server { version } }"});
    let call = || plane.http.post(plane.url("/graphql")).json(&body);
    let own = plane.handle.url.clone();
    assert_eq!(status_of(call().header("origin", own)).await.0, 200);
    for origin in [
        "http://evil.example",
        "http://127.0.0.1:1",
        "https://127.0.0.1",
        "null",
    ] {
        assert_eq!(
            status_of(call().header("origin", origin)).await.0,
            403,
            "{origin}"
        );
    }
    assert_eq!(status_of(call().header("host", "evil.example")).await.0, 421);
    let ws = plane
        .http
        .get(plane.url("/graphql/ws"))
        .header("origin", "http://evil.example");
    assert_eq!(status_of(ws).await.0, 403);
    let interface = plane.http.get(plane.url("/")).header("host", "evil.example");
    assert_eq!(status_of(interface).await.0, 421, "the interface too");
    let registry = plane.http.get(plane.url("/v2/")).header("host", "evil.example");
    assert_eq!(
        status_of(registry).await.0,
        421,
        "the registry stands behind the same door"
    );
    let form = plane
        .http
        .post(plane.url("/graphql"))
        .header("content-type", "text/plain")
        .body(body.to_string());
    assert_eq!(status_of(form).await.0, 415);
    plane.stop().await;
}

#[tokio::test]
async fn documents_are_bounded_in_size_and_shape() {
    let home = Home::new();
    let plane = home.start().await;
    let refused = |query: String| {
        let plane = &plane;
        async move {
            let answer = plane.post(None, &query, json!({})).await;
            assert!(answer["errors"].is_array(), "{query:.100}: {answer:#}");
            answer["errors"][0]["message"].as_str().unwrap().to_owned()
        }
    };
    let deep = format!(
        "{{ __schema {{ types {} {} }} }}",
        "{ fields { type ".repeat(20),
        "} }".repeat(20)
    );
    refused(deep.replace("type }", "type { name } }")).await;
    let nodes = "nodes { id state view input outcome output failure records waitingFor trigger }";
    let wide = (0..20)
        .map(|_| format!("runs(first: 100) {{ {nodes} }} "))
        .collect::<String>();
    refused(format!("{{ {wide} }}")).await;
    refused("mutation { a: deleteSecret(input: {name: \"x\"}) { __typename } b: deleteSecret(input: {name: \"y\"}) { __typename } }".to_owned()).await;
    let first = plane
        .post(None, "{ runs(first: 101) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(first["errors"][0]["extensions"]["code"], "FF-API-400");

    let body =
        |bytes: usize| json!({"query": "{ server { version } }", "variables": {"x": "y".repeat(bytes)}});
    let call = |bytes: usize| plane.http.post(plane.url("/graphql")).json(&body(bytes));
    assert_eq!(status_of(call(1_000_000)).await.0, 200);
    assert_eq!(status_of(call(1_100_000)).await.0, 413);
    let nonsense = plane
        .http
        .post(plane.url("/graphql"))
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(status_of(nonsense).await.0, 400);
    plane.stop().await;
}

#[tokio::test]
async fn the_introspection_of_the_page_to_try_fits_the_limits() {
    let home = Home::new();
    let plane = home.start().await;
    let of_type = "ofType { kind name ".repeat(9) + &"}".repeat(9);
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} types {{ ...T }} directives {{ name args {{ ...A }} }} }} }} \
         fragment T on __Type {{ kind name fields(includeDeprecated: true) {{ name args {{ ...A }} type {{ ...R }} }} \
         inputFields {{ ...A }} interfaces {{ ...R }} enumValues {{ name }} possibleTypes {{ ...R }} }} \
         fragment A on __InputValue {{ name type {{ ...R }} defaultValue }} \
         fragment R on __Type {{ kind name {of_type} }}"
    );
    let schema = plane.ask(&query, json!({})).await;
    assert!(schema["__schema"]["types"].as_array().unwrap().len() > 50);
    plane.stop().await;
}

#[tokio::test]
async fn the_page_to_try_it_is_complete_without_another_machine() {
    let home = Home::new();
    let plane = home.start().await;
    let get = |path: &str| {
        plane
            .http
            .get(plane.url(path))
            .header("accept", "text/html")
            .send()
    };
    let page = get("/graphql").await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe-eval"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    assert!(
        !page.contains("//"),
        "the page itself names no other machine: {page}"
    );
    let own_files: Vec<&str> = page
        .split('"')
        .filter(|text| text.starts_with("/graphql/"))
        .collect();
    assert_eq!(
        own_files,
        ["/graphql/page.css", "/graphql/page.js", "/graphql/schema"]
    );
    for file in own_files {
        assert_eq!(get(file).await.unwrap().status(), 200, "{file}");
    }
    let script = get("/graphql/page.js").await.unwrap().text().await.unwrap();
    assert!(script.contains("/graphql/ws") && script.contains("GraphiQL needs files from unpkg.com"));
    let pinned = script.matches("'sha384-").count();
    assert_eq!(pinned, 4, "every file from elsewhere is pinned by its digest");
    let schema = get("/graphql/schema").await.unwrap().text().await.unwrap();
    assert_eq!(schema, flowforge_server::sdl());
    plane.stop().await;
}

#[tokio::test]
async fn artefacts_come_from_hosts_and_are_checked() {
    let home = Home::new();
    let plane = home.start().await;
    let host = FakeHost::join(&plane, 1).await;
    let bytes = b"a,b\n1,2\n".to_vec();
    let digest = Digest::of(&bytes);
    let url = plane.url(&format!("/artefacts/{digest}"));
    let put = |body: Vec<u8>| plane.http.put(&url).body(body);
    assert_eq!(status_of(put(bytes.clone())).await.0, 401);
    assert_eq!(status_of(plane.http.get(&url)).await.0, 404);
    let (status, answer) = status_of(put(b"other".to_vec()).bearer_auth(&host.session)).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("FF-ART-004")));
    assert_eq!(
        status_of(put(bytes.clone()).bearer_auth(&host.session)).await.0,
        201
    );
    assert_eq!(
        status_of(put(bytes.clone()).bearer_auth(&host.session)).await.0,
        204
    );
    let got = plane.http.get(&url).send().await.unwrap();
    assert_eq!(got.headers()["content-disposition"], "attachment");
    assert_eq!(got.bytes().await.unwrap(), bytes);
    assert_eq!(
        status_of(plane.http.get(plane.url("/artefacts/nonsense")))
            .await
            .0,
        400
    );
    plane.stop().await;
}

async fn follow(plane: &Plane, run: &str) -> impl futures::Stream<Item = Value> + use<> {
    let query = "subscription($run: String!) { runEvents(run: $run) { ended run { state records output } } }";
    subscribe(plane, query, json!({ "run": run })).await
}

/// What a subscription brings, from its first event on.
pub(crate) async fn subscribe(
    plane: &Plane,
    query: &str,
    variables: Value,
) -> impl futures::Stream<Item = Value> + use<> {
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{}/graphql/ws", plane.handle.address)
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let (mut out, incoming) = socket.split();
    let subscribe =
        json!({"id": "1", "type": "subscribe", "payload": {"query": query, "variables": variables}});
    out.send(Message::text(json!({"type": "connection_init"}).to_string()))
        .await
        .unwrap();
    out.send(Message::text(subscribe.to_string())).await.unwrap();
    // The sender lives as long as the stream, or the connection would end.
    incoming.filter_map(move |message| {
        let _open = &out;
        let value: Value = serde_json::from_str(message.unwrap().to_text().unwrap()).unwrap_or_default();
        std::future::ready((value["type"] != "connection_ack").then_some(value))
    })
}

#[tokio::test]
async fn a_subscription_shows_the_run_at_once_and_its_end() {
    let home = Home::new();
    let plane = home.start().await;
    plane.publish(SUM).await;
    let host = FakeHost::join(&plane, 1).await;
    let job = host.started(&plane).await;
    let mut events = Box::pin(follow(&plane, job.run_id.as_str()).await);
    let first = events.next().await.unwrap();
    assert_eq!(first["payload"]["data"]["runEvents"]["ended"], false, "{first:#}");
    finish_sum(&plane, &host, &job).await;
    let last = loop {
        let event = events.next().await.unwrap();
        if event["payload"]["data"]["runEvents"]["ended"] == true {
            break event;
        }
    };
    assert_eq!(
        last["payload"]["data"]["runEvents"]["run"],
        json!({"state": "DONE", "records": 3, "output": {"total": 3}})
    );
    assert_eq!(events.next().await.unwrap()["type"], "complete");
    drop(events);
    plane.stop().await;
}
