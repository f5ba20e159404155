//! New triggers as `flowforge connector new` writes them, asked by a real control plane on a real host about a local service,
//! while one or the other dies: each item starts one run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Json;
use axum::routing::get;
use flowforge_tests::planes::Planes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use super::{programs, start_planes};

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// A service with items in their order, that can be made to keep its callers waiting.
#[derive(Clone)]
struct Shop {
    items: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<Option<String>>>>,
    open: watch::Sender<bool>,
    url: String,
}

impl Shop {
    /// It answers as long as the set is there.
    async fn open() -> (Self, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shop = Self {
            items: Arc::default(),
            asked: Arc::default(),
            open: watch::Sender::new(true),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let router = Router::new()
            .route("/items", get(answer))
            .with_state(shop.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        (shop, task)
    }

    fn add(&self, ids: &[&str]) {
        self.items
            .lock()
            .unwrap()
            .extend(ids.iter().map(|id| (*id).to_owned()));
    }

    /// The cursors of all requests that came.
    fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }

    /// Keeps callers waiting until it is told otherwise.
    fn hold(&self, hold: bool) {
        self.open.send_replace(!hold);
    }

    async fn is_asked_again(&self, before: usize) {
        let end = Instant::now() + PATIENCE;
        while self.asked().len() <= before {
            assert!(Instant::now() < end, "the service is not asked");
            sleep(LOOK).await;
        }
    }
}

async fn answer(State(shop): State<Shop>, Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    let after = query.get("after").cloned();
    shop.asked.lock().unwrap().push(after.clone());
    let _ = shop.open.subscribe().wait_for(|open| *open).await;
    let items = shop.items.lock().unwrap();
    let from = after.map_or(0, |after| {
        items
            .iter()
            .position(|item| *item == after)
            .map_or(0, |at| at + 1)
    });
    let found = items[from..]
        .iter()
        .map(|id| json!({ "id": id, "title": format!("Item {id}") }));
    Json(found.collect())
}

/// A new poll trigger in this language, which asks this service, published.
fn publish_connector(planes: &Planes, lang: &str, url: &str) {
    let folder = planes.data().join(format!("items-{lang}"));
    let path = folder.to_string_lossy().into_owned();
    let name = format!("acme:items-{lang}");
    let flowforge = planes.flowforge();
    let new = [
        "connector",
        "new",
        &name,
        "--lang",
        lang,
        "--kind",
        "poll-trigger",
        "--folder",
        &path,
    ];
    let made = flowforge.command(&new).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let source = ["src/lib.rs", "src/connector.py", "src/connector.ts"].map(|file| folder.join(file));
    let source = source.into_iter().find(|file| file.exists()).unwrap();
    for file in [source, folder.join("connector.toml")] {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("https://api.example.com"), "{}", file.display());
        fs::write(&file, text.replace("https://api.example.com", url)).unwrap();
    }
    flowforge.json(&["connector", "publish", &path]).unwrap();
}

fn publish_workflow(planes: &Planes, lang: &str, url: &str) {
    let text = format!(
        "workflow: items-{lang}\ninput: {{ id: {{ type: string }} }}\ntriggers:\n  news:\n    poll:\n      \
         call: acme:items-{lang}/new_items\n      allow: [\"{url}\"]\n      every: 10s\nnodes:\n  \
         note: {{ set: {{ title: \"${{trigger.event.title}}\" }} }}\noutput: {{ title: \"${{note.title}}\" }}\n"
    );
    let folder = planes.data().join(format!("workflow-{lang}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("workflow.yaml"), text).unwrap();
    planes
        .flowforge()
        .json(&["workflow", "publish", &folder.to_string_lossy()])
        .unwrap();
}

/// The titles that the runs of this workflow gave, once there are as many as wanted and all are done; sorted.
async fn titles(planes: &Planes, workflow: &str, wanted: usize) -> Vec<String> {
    let query =
        "query Runs($workflow: String) { runs(first: 100, workflow: $workflow) { nodes { state output } } }";
    let end = Instant::now() + PATIENCE;
    loop {
        let runs = planes
            .api()
            .ask(query, json!({ "workflow": workflow }))
            .await
            .unwrap();
        let runs = runs["runs"]["nodes"].as_array().unwrap().clone();
        if runs.len() >= wanted && runs.iter().all(|run| run["state"] == "DONE") {
            let title = |run: &Value| run["output"]["title"].as_str().unwrap().to_owned();
            let mut titles: Vec<String> = runs.iter().map(title).collect();
            titles.sort();
            return titles;
        }
        assert!(Instant::now() < end, "{workflow}: {runs:#?}");
        sleep(LOOK).await;
    }
}

/// Polls at once.
fn poll_now(planes: &Planes, workflow: &str) {
    planes
        .flowforge()
        .json(&["trigger", "resume", workflow, "news"])
        .unwrap();
}

async fn host_is_here(planes: &Planes) {
    let end = Instant::now() + PATIENCE;
    // It may be gone already, where its plan says.
    while let Ok(found) = planes.api().ask("{ hosts { connected } }", Value::Null).await {
        if found["hosts"][0]["connected"] == true {
            return;
        }
        assert!(Instant::now() < end, "{found:#}");
        sleep(LOOK).await;
    }
}

async fn shown_when(planes: &Planes, is_so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = planes.flowforge().json(&["trigger", "list"]).unwrap();
        let first = shown[0].clone();
        if is_so(&first) {
            return first;
        }
        assert!(Instant::now() < end, "{shown:#}");
        sleep(LOOK).await;
    }
}

async fn each_item_starts_one_run(folder: &Path, lang: &str) {
    let (shop, _task) = Shop::open().await;
    shop.add(&["a", "b"]);
    let mut planes = start_planes(folder, "e2e-host").await;
    planes.start_host(None).await.unwrap();
    publish_connector(&planes, lang, &shop.url);
    publish_workflow(&planes, lang, &shop.url);
    let workflow = format!("items-{lang}");
    assert_eq!(titles(&planes, &workflow, 2).await, ["Item a", "Item b"]);
    shown_when(&planes, |one| {
        one["state"] == "WAITING" && one["cursor"] == "\"b\""
    })
    .await;

    // The host dies while the service keeps it waiting: the poll is made again, with the same cursor.
    shop.hold(true);
    shop.add(&["c"]);
    let before = shop.asked().len();
    poll_now(&planes, &workflow);
    shop.is_asked_again(before).await;
    planes.kill_host().unwrap();
    shop.hold(false);
    planes.start_host(None).await.unwrap();
    assert_eq!(
        titles(&planes, &workflow, 3).await,
        ["Item a", "Item b", "Item c"]
    );
    assert!(
        shop.asked()[before..]
            .iter()
            .all(|cursor| cursor.as_deref() == Some("b")),
        "{:?}",
        shop.asked()
    );

    // The control plane dies when it has the end of the poll, and before and after it hands over what was found.
    let mut items = vec!["Item a".to_owned(), "Item b".to_owned(), "Item c".to_owned()];
    for (plan, id) in [
        ("B11=abort@1", "d"),
        ("B2.before=abort@2", "e"),
        ("B2=abort@2", "f"),
    ] {
        shown_when(&planes, |one| one["state"] == "WAITING").await;
        shop.add(&[id]);
        planes.restart_plane(Some(plan)).unwrap();
        host_is_here(&planes).await;
        // Its own time may have come first, and the control plane may be gone.
        let _ = planes.flowforge().json(&["trigger", "resume", &workflow, "news"]);
        planes.plane_ends().await.unwrap();
        planes.restart_plane(None).unwrap();
        items.push(format!("Item {id}"));
        assert_eq!(titles(&planes, &workflow, items.len()).await, items, "{plan}");
    }
    let shown = shown_when(&planes, |one| one["cursor"] == "\"f\"").await;
    assert_eq!(
        (&shown["events"], &shown["failures"]),
        (&json!(6), &json!(0)),
        "{shown:#}"
    );
    planes.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_in_rust_starts_one_run_for_each_item_whoever_dies_when() {
    let folder = tempfile::tempdir().unwrap();
    each_item_starts_one_run(folder.path(), "rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_in_python_starts_one_run_for_each_item_whoever_dies_when() {
    let folder = tempfile::tempdir().unwrap();
    each_item_starts_one_run(folder.path(), "python").await;
}

/// The folder as it was written passes its own tests, and the workflow that it is for passes the lint.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_trigger_tests_and_lints_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let planes = Planes::start(programs(), folder.path(), "e2e-host").unwrap();
    for lang in ["rust", "ts", "python"] {
        let url = "https://api.example.com";
        publish_connector(&planes, lang, url);
        let connector = planes.data().join(format!("items-{lang}"));
        let tested = planes
            .flowforge()
            .json(&["connector", "test", &connector.to_string_lossy()]);
        assert!(tested.is_ok(), "{lang}: {tested:?}");
        publish_workflow(&planes, lang, url);
    }
    planes.stop().unwrap();
}
