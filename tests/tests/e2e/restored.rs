//! A control plane that is lost and made anew of a backup: what its hosts know besides comes back to it.

use std::fs;
use std::path::Path;

use flowforge_tests::databases;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::programs;

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

const ASKS: &str = r#"workflow: asks
secrets: [shop_key]
input:
  order: { type: string }
triggers:
  paid: { webhook: { path: payments, hmac: shop_key, signal: { name: paid } } }
nodes:
  payment: { wait: { signal: paid, correlate: input.order, timeout: 1h } }
output: { amount: "${payment.amount}" }
"#;

async fn database() -> Option<String> {
    match crate::POSTGRES {
        true => Some(databases::new().await.unwrap()),
        false => None,
    }
}

async fn comes_to(planes: &Planes, id: &str, state: &str) -> Value {
    let query = "query Run($id: String!) { run(id: $id) { state output records receipt { valid } } }";
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = planes.api().ask(query, json!({ "id": id })).await.unwrap()["run"].clone();
        if shown["state"] == state {
            return shown;
        }
        assert!(Instant::now() < end, "{id} does not come to {state}: {shown:#}");
        sleep(LOOK).await;
    }
}

fn with_database<'a>(mut arguments: Vec<&'a str>, database: Option<&'a str>) -> Vec<&'a str> {
    if let Some(url) = database {
        arguments.extend(["--database", url]);
    }
    arguments
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A control plane with a secret and a workflow that waits to be paid, and a host.
async fn shop(folder: &Path, database: Option<&str>) -> Planes {
    let mut planes = Planes::start_on(programs(), folder, "press-1", database).unwrap();
    planes.start_host(None).await.unwrap();
    let key = ["secret", "set", "shop_key", "--kind", "hmac-key"];
    let flowforge = planes.flowforge();
    flowforge
        .json_with_input(&key, "a-long-shared-key-for-hooks")
        .unwrap();
    let source = folder.join("asks");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("workflow.yaml"), ASKS).unwrap();
    let publish = ["workflow", "publish", text(&source)];
    flowforge.json(&publish).unwrap();
    planes
}

async fn waiting(planes: &Planes, order: &str) -> String {
    let input = json!({ "order": order }).to_string();
    let start = ["run", "start", "asks", "--input", &input];
    let id = planes.flowforge().json(&start).unwrap()["id"].clone();
    let id = id.as_str().unwrap();
    comes_to(planes, id, "WAITING").await;
    id.to_owned()
}

fn pay(planes: &Planes, order: &str, amount: u32) {
    let payload = json!({ "amount": amount }).to_string();
    let signal = ["run", "signal", "paid", "--workflow", "asks"];
    let about = ["--correlation", order, "--payload", &payload];
    let sent = [&signal[..], &about[..]].concat();
    planes.flowforge().json(&sent).unwrap();
}

fn back_up(planes: &Planes, backup: &Path, database: Option<&str>) -> Value {
    let plane = planes.data().join("plane");
    let made = vec![
        "server",
        "backup",
        "--data-dir",
        text(&plane),
        "--to",
        text(backup),
    ];
    planes.flowforge().json(&with_database(made, database)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_since_the_backup_comes_back_from_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let first = database().await;
    let mut planes = shop(folder.path(), first.as_deref()).await;
    let known = waiting(&planes, "o-1").await;
    let open = waiting(&planes, "o-2").await;
    let backup = planes.data().join("backup");
    back_up(&planes, &backup, first.as_deref());
    // After the backup one of the runs ends.
    pay(&planes, "o-1", 5);
    let ended = comes_to(&planes, &known, "DONE").await;
    let second = database().await;
    let flowforge = planes.flowforge().clone();
    planes
        .renew_plane(second.as_deref(), |data| {
            let plane = data.join("plane");
            fs::rename(&plane, data.join("lost"))?;
            let restore = vec!["server", "restore", text(&backup), "--data-dir", text(&plane)];
            flowforge.json(&with_database(restore, second.as_deref()))?;
            Ok(())
        })
        .unwrap();
    // The backup had it waiting; its host says what became of it, and the receipt is good.
    let back = comes_to(&planes, &known, "DONE").await;
    assert_eq!(
        (&back["output"], &back["records"]),
        (&ended["output"], &ended["records"])
    );
    assert_eq!(back["receipt"]["valid"], true, "{back:#}");
    // What was open goes on.
    pay(&planes, "o-2", 7);
    let done = comes_to(&planes, &open, "DONE").await;
    assert_eq!(done["output"], json!({ "amount": 7 }));
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_starts_a_control_plane_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = database().await;
    let planes = shop(folder.path(), first.as_deref()).await;
    waiting(&planes, "o-1").await;
    let backup = planes.data().join("backup");
    let made = back_up(&planes, &backup, first.as_deref());
    assert!(made["files"].as_u64().unwrap() > 5, "{made:#}");
    let scratch = database().await;
    let rehearsal = vec!["server", "restore", text(&backup), "--rehearse"];
    let mut rehearsal = planes
        .flowforge()
        .command(&with_database(rehearsal, scratch.as_deref()));
    let temporary = tempfile::tempdir().unwrap();
    let output = rehearsal
        .args(["--output", "json"])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["workflows"], &shown["runs"], &shown["open_runs"]),
        (&json!(1), &json!(1), &json!(1)),
        "{shown:#}"
    );
    assert_eq!(
        (&shown["hosts"], &shown["secrets_opened"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_changed_or_cut_off_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let first = database().await;
    let planes = Planes::start_on(programs(), folder.path(), "press-1", first.as_deref()).unwrap();
    let backup = planes.data().join("backup");
    let plane = planes.data().join("plane");
    back_up(&planes, &backup, first.as_deref());
    let told = |arguments: Vec<&str>, database: Option<&str>| {
        let arguments = with_database(arguments, database);
        let output = planes.flowforge().command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let making = ["server", "backup", "--data-dir", text(&plane), "--to"];
    // Nothing that is there is written over.
    let said = told([&making[..], &[text(&backup)]].concat(), first.as_deref());
    assert!(said.contains("is not empty"), "{said}");
    let inside = plane.join("copies/one");
    let said = told([&making[..], &[text(&inside)]].concat(), first.as_deref());
    assert!(said.contains("lies in the data folder"), "{said}");
    assert!(!plane.join("copies").exists());
    let elsewhere = planes.data().join("elsewhere");
    let scratch = database().await;
    let restore = || {
        let restore = vec!["server", "restore", text(&backup), "--data-dir", text(&elsewhere)];
        told(restore, scratch.as_deref())
    };
    let key = backup.join("keys/release.pem");
    let whole = fs::read(&key).unwrap();
    fs::write(&key, [&whole[..], b"\n"].concat()).unwrap();
    let said = restore();
    assert!(said.contains("release.pem is not what was backed up"), "{said}");
    fs::remove_file(&key).unwrap();
    assert!(restore().contains("it is not there"));
    fs::write(&key, whole).unwrap();
    fs::rename(backup.join("backup.json"), backup.join("away.json")).unwrap();
    let said = restore();
    assert!(said.contains("is no complete backup"), "{said}");
    assert!(!elsewhere.exists());
    planes.stop().unwrap();
}
