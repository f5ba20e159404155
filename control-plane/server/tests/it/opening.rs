//! Starting: what stands in the way is named with its mend.

use std::os::unix::fs::PermissionsExt as _;

use flowforge_server::{OpenError, Service};
use serde_json::Value;

use crate::support::{Home, join_file};

#[tokio::test]
async fn a_second_process_is_sent_to_the_first() {
    let home = Home::new();
    let plane = home.start().await;
    let error = Service::open(home.config()).await.unwrap_err();
    let expected = format!(
        "is already open in process {}; use that one at {}",
        std::process::id(),
        plane.handle.url
    );
    assert!(error.to_string().ends_with(&expected), "{error}");
    plane.stop().await;
    home.start().await.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_said_with_the_way_out() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = home.config();
    config.listen = taken.local_addr().unwrap();
    let error = Service::open(config.clone()).await.unwrap_err();
    let expected = format!(
        "{} is in use by another program; try --listen 127.0.0.1:0 (any free port)",
        config.listen
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let home = Home::new();
    let mut config = home.config();
    config.listen = "0.0.0.0:7400".parse().unwrap();
    let error = Service::open(config).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("people and programs call over loopback only"),
        "{error}"
    );
    assert!(
        error.to_string().contains("use 127.0.0.1:7400, and --hosts-url"),
        "{error}"
    );
    assert!(!home.path().join("ff").exists(), "nothing was made");
}

#[tokio::test]
async fn a_damaged_database_is_named_and_left_alone() {
    let home = Home::new();
    home.start().await.stop().await;
    let file = home.path().join("ff/server.db");
    let nonsense = vec![7_u8; 8_192];
    std::fs::write(&file, &nonsense).unwrap();
    let error = Service::open(home.config()).await.unwrap_err();
    assert!(matches!(error, OpenError::Store(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("is damaged or is not a FlowForge database"),
        "{error}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), nonsense);
}

#[tokio::test]
async fn a_first_start_leaves_private_files_that_say_where_it_is() {
    let home = Home::new();
    let plane = home.start().await;
    let client: Value = serde_json::from_slice(&std::fs::read(&plane.handle.client_file).unwrap()).unwrap();
    assert_eq!(client["server"], plane.handle.url);
    assert_eq!(client["keys_dir"], plane.handle.keys_dir.to_str().unwrap());
    let join = join_file(&plane);
    assert_eq!(join["server"], plane.handle.url);
    assert_eq!(join["trust_root"]["workspace"], "dev");
    let private = [
        "client.json",
        "host-join.json",
        "keys/scheduler.pem",
        "keys/release.pem",
        "keys/grant.pem",
        "keys/publisher.pem",
        "keys/secrets.key",
        "keys/join.token",
    ];
    for name in private {
        let mode = std::fs::metadata(plane.handle.data_dir.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    plane.stop().await;
}

#[tokio::test]
async fn an_address_file_that_cannot_be_written_is_named() {
    let home = Home::new();
    home.start().await.stop().await;
    // A folder in the place of the file stops even the superuser, whom a read-only mode does not.
    let file = home.path().join("ff/client.json.new");
    std::fs::create_dir(&file).unwrap();
    let error = Service::open(home.config()).await.unwrap_err();
    assert!(error.to_string().contains("client.json"), "{error}");
}
