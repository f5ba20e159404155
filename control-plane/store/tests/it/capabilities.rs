//! What connectors may have.

use flowforge_store::{CapabilityChange, MAX_CAPABILITIES};

use crate::kit::{Home, Open, scope};

fn change(connector: &str, capabilities: &[&str], taken: bool) -> CapabilityChange {
    CapabilityChange {
        connector: connector.to_owned(),
        capabilities: capabilities.iter().map(ToString::to_string).collect(),
        taken,
        by: "ann".to_owned(),
        at_ms: 7,
    }
}

async fn granted(open: &Open) -> Vec<String> {
    let grants = open.store.capability_grants(scope()).await.unwrap();
    let line = |grant: flowforge_store::CapabilityGrant| {
        format!("{} [{}] {}", grant.connector, grant.capability, grant.granted_by)
    };
    grants.into_iter().map(line).collect()
}

#[tokio::test]
async fn the_first_use_says_what_a_connector_may_have_and_people_add_to_it() {
    let home = Home::new();
    let open = home.ready().await;
    let asked = |connector: &str, capabilities: &[&str]| {
        let capabilities = capabilities.iter().map(ToString::to_string).collect();
        (connector.to_owned(), capabilities)
    };
    let first = vec![
        asked("acme:geo", &["http", "secret auth"]),
        asked("acme:pure", &[]),
    ];
    open.store
        .use_connectors(scope(), first, "bob".to_owned(), 5)
        .await
        .unwrap();
    // A later release that asks for more changes nothing.
    let later = vec![
        asked("acme:geo", &["http", "secret channel"]),
        asked("acme:pure", &["http"]),
    ];
    open.store
        .use_connectors(scope(), later, "eve".to_owned(), 6)
        .await
        .unwrap();
    let before = [
        "acme:geo [] bob",
        "acme:geo [http] bob",
        "acme:geo [secret auth] bob",
        "acme:pure [] bob",
    ];
    assert_eq!(granted(&open).await, before);

    let grant = change("acme:geo", &["secret channel", "http"], false);
    assert_eq!(
        open.store.set_capabilities(scope(), grant.clone()).await.unwrap(),
        Some(1)
    );
    assert_eq!(
        open.store.set_capabilities(scope(), grant).await.unwrap(),
        Some(0)
    );
    assert!(
        granted(&open)
            .await
            .contains(&"acme:geo [secret channel] ann".to_owned())
    );
    let take = change("acme:geo", &["secret channel", "", "http"], true);
    assert_eq!(open.store.set_capabilities(scope(), take).await.unwrap(), Some(2));
    // That it was used here is not taken: what is asked for next is not a first use.
    assert_eq!(
        granted(&open).await,
        [
            "acme:geo [] bob",
            "acme:geo [secret auth] bob",
            "acme:pure [] bob"
        ]
    );
    open.close().await;
}

#[tokio::test]
async fn a_connector_has_a_bounded_number_of_capabilities() {
    let home = Home::new();
    let open = home.ready().await;
    let most = usize::try_from(MAX_CAPABILITIES).unwrap();
    let many: Vec<String> = (0..=most).map(|n| format!("http https://h{n}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let all = change("acme:geo", &many, false);
    assert_eq!(open.store.set_capabilities(scope(), all).await.unwrap(), None);
    assert!(granted(&open).await.is_empty());
    let fewer = change("acme:geo", &many[..most], false);
    assert_eq!(
        open.store.set_capabilities(scope(), fewer).await.unwrap(),
        Some(most)
    );
    open.close().await;
}
