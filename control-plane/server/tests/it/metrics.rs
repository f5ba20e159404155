//! The operators' address.

use std::collections::BTreeSet;

use crate::support::Home;

/// Metrics that the documentation lists.
fn documented() -> BTreeSet<String> {
    let path = format!("{}/../../docs/metrics.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `flowforge_"));
    rows.map(|row| format!("flowforge_{}", row.split('`').next().unwrap()))
        .collect()
}

#[tokio::test]
async fn operators_are_told_on_an_address_of_their_own_what_the_documentation_says() {
    let home = Home::new();
    let mut config = home.config();
    config.metrics = Some("127.0.0.1:0".parse().unwrap());
    let plane = home.start_with(config).await;
    let address = plane.handle.metrics.unwrap();
    let get = async |path: &str| {
        let answer = plane
            .http
            .get(format!("http://{address}{path}"))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(get("/graphql").await.0, 404, "nothing else is there");
    plane.http.post(plane.url("/hooks/nobody")).send().await.unwrap();
    let (status, text) = get("/metrics").await;
    assert_eq!(status, 200);
    let counted = "flowforge_http_requests_total{door=\"hooks\",class=\"4xx\"} 1\n";
    assert!(text.contains(counted), "{text}");
    let said: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(said, documented());
    let answer = plane.http.get(plane.url("/metrics")).send().await.unwrap();
    assert!(
        !answer
            .text()
            .await
            .unwrap()
            .contains("flowforge_start_time_seconds"),
        "the other doors do not tell"
    );
    plane.stop().await;
}
