//! A secret is opened for one use, and is in no record, log, failure or file.

use std::path::Path;
use std::sync::{Arc, Mutex};

use flowforge_ports::Effect;
use flowforge_protocol::record::Outcome;
use flowforge_protocol::{Failure, FailureKind};
use flowforge_runtime::{LogLevel, StepError, Usage};
use serde_json::json;

use crate::connectors::Scripts;
use crate::runs::{outcome, publish};
use crate::world::World;

const CANARY: &str = "canary/7f3k+\"secret\"";

const SENDING: &str = "
workflow: sending
secrets: [chat_token]
nodes:
  send: { call: test:scripts/send, secrets: { auth: chat_token }, allow: [\"https://chat.example\"] }
output: { n: \"${send}\" }
";

fn scripts(got: &Arc<Mutex<Vec<String>>>, fails: bool) -> Scripts {
    let got = Arc::clone(got);
    Scripts::default().asynchronous("send", Effect::Idempotent, move |call| {
        let got = Arc::clone(&got);
        async move {
            let host = |error: String| StepError::Host(error);
            call.services
                .before_effect("POST https://chat.example:443")
                .await
                .map_err(|e| host(e.to_string()))?;
            let failed = |failure| StepError::Failure {
                failure,
                usage: Usage::default(),
            };
            let secret = call
                .services
                .secret("auth")
                .await
                .map_err(failed)?
                .ok_or_else(|| host("no secret".into()))?;
            let value = String::from_utf8(secret.value.to_vec()).expect("text");
            assert!(
                call.services.secret("other").await.expect("answer").is_none(),
                "a slot without a grant"
            );
            got.lock().expect("got").push(value.clone());
            call.services
                .log(LogLevel::Info, &format!("the service said: Bearer {value}"));
            if fails {
                return Err(failed(Failure::new(
                    FailureKind::Rejected,
                    format!("401 for {value}"),
                )));
            }
            Ok(json!({"echo": format!("got {value}"), "json": json!(value).to_string()}))
        }
    })
}

fn files_with(folder: &Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files_with(&path, needle, found);
        } else if path.is_file()
            && std::fs::read(&path)
                .expect("file")
                .windows(needle.len())
                .any(|window| window == needle)
        {
            found.push(path.display().to_string());
        }
    }
}

async fn nothing_leaks(fails: bool) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let world = World::new(scripts(&got, fails));
    let published = publish(&world.plane, SENDING);
    world.plane.set_secret("chat_token", "bearer", CANARY.as_bytes());
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    assert_eq!(
        *got.lock().expect("got"),
        [CANARY],
        "the connector's host got the value"
    );
    let text = String::from_utf8(stored.lines()).expect("text");
    assert!(!text.contains("canary"), "{text}");
    assert!(
        text.contains("[secret chat_token]"),
        "what was removed is named: {text}"
    );
    match outcome(&stored) {
        Outcome::Done { output } => assert_eq!(output["n"]["echo"], "got [secret chat_token]"),
        Outcome::Failed { failure, .. } => assert_eq!(failure.message, "401 for [secret chat_token]"),
        other => panic!("{other:?}"),
    }
    host.drain().await;
    let mut found = Vec::new();
    files_with(world.folder.path(), b"canary/7f3k", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn a_value_that_a_service_echoes_is_removed_from_output_and_log() {
    nothing_leaks(false).await;
}

#[tokio::test]
async fn a_value_in_a_failure_is_removed() {
    nothing_leaks(true).await;
}

#[tokio::test]
async fn the_newest_version_is_used_and_without_a_line_the_stored_one() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let world = World::new(scripts(&got, false));
    let published = publish(&world.plane, SENDING);
    let host = world.start();
    for (run, value) in [(1, "first-value"), (2, "second-value")] {
        world.plane.set_secret("chat_token", "bearer", value.as_bytes());
        let run = world.plane.start(&published, run, json!({}), world.now());
        world.plane.ended(&run).await;
    }
    assert_eq!(*got.lock().expect("got"), ["first-value", "second-value"]);
    host.drain().await;
}

#[tokio::test]
async fn a_secret_that_is_not_set_fails_the_step_with_the_mend() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let world = World::new(scripts(&got, false));
    let published = publish(
        &world.plane,
        &SENDING.replace("allow: [", "retry: { attempts: 1 }, allow: ["),
    );
    let host = world.start();
    let run = world.plane.start(&published, 1, json!({}), world.now());
    let stored = world.plane.ended(&run).await;
    let Outcome::Failed { failure, .. } = outcome(&stored) else {
        panic!("{:?}", outcome(&stored))
    };
    assert_eq!(failure.code.as_deref(), Some("FF-SEC-001"));
    assert!(
        failure.message.contains("flowforge secret set chat_token"),
        "{}",
        failure.message
    );
    host.drain().await;
}
